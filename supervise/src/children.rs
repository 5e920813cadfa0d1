//! The only place that spawns, reaps and signals. A second waiter anywhere in the process would lose exit statuses: std and tokio
//! children then fail with ECHILD.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::Hash,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::signal::SigSet,
    unistd::Pid,
};

use crate::{
    ChildEnd, Output, Program, Signal, SpawnError, Target, descendants,
    kernel::{self, Reaped},
};

/// So many strangers at once may be the first of thousands. Each waitpid(2) walks the list of children up to the first that has ended, under a
/// lock that whoever ends waits for: beside thousands that live it takes longer to take each as it ends than to let them end first.
const STORM: usize = 16;

/// What so many may take: 20 us each, where 2 are usual.
const DEAR: Duration = Duration::from_micros(320);

/// How long they are left to end when they are dear; twice as long each time, up to sixteen times.
const PAUSE: Duration = Duration::from_millis(5);
const DOUBLINGS: u32 = 4;

/// waitpid(2): whichever child.
const ANYBODY: i32 = -1;

/// The children of this process, those we started by role and all others as strangers.
#[derive(Debug)]
pub(crate) struct Children<Role> {
    roles: HashMap<Pid, Role>,
    here: Pid,
    /// SIGCHLD is held back: the next round comes by itself.
    held: bool,
    /// How often the pause was doubled.
    pauses: u32,
}

/// The ends to read of a child whose output is lines.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Whether there is more to reap.
enum Left {
    Nothing,
    Perhaps,
}

#[expect(clippy::disallowed_methods, reason = "what the kernel takes for a call can only be measured")]
fn now() -> Instant {
    Instant::now()
}

/// What one round of reaping brought.
#[derive(Debug)]
pub(crate) struct Round<Role> {
    /// Children of ours that ended.
    pub(crate) ended: Vec<(Role, ChildEnd)>,
    /// No child is left, ours or a stranger.
    pub(crate) alone: bool,
    /// When to reap again, whatever is heard until then.
    pub(crate) again: Option<Duration>,
}

impl<Role: Copy + Eq + Hash + Debug> Children<Role> {
    pub(crate) fn new() -> Self {
        Self { roles: HashMap::new(), here: nix::unistd::getpid(), held: false, pauses: 0 }
    }

    /// Starts a child. `input` is all that its standard input holds.
    pub(crate) fn spawn(&mut self, role: Role, program: &Program, input: Option<&[u8]>) -> Result<Option<Pipes>, SpawnError> {
        // A child would inherit what is held back, and never hear of its own children.
        self.hold(false);
        let failed = |error: io::Error| SpawnError {
            program: program.file.to_string_lossy().into_owned(),
            kind: error.kind(),
            cause: error.to_string(),
        };
        let mut command = Command::new(&program.file);
        command.args(&program.arguments).process_group(0);
        if let Some(environment) = &program.environment {
            command.env_clear().envs(environment);
        }
        if let Some(directory) = &program.directory {
            command.current_dir(directory);
        }
        if let Some(identity) = &program.identity {
            kernel::run_as(&mut command, identity);
        }
        if program.output != Output::Inherited {
            let input = input.map(filled_pipe).transpose().map_err(failed)?;
            command.stdin(input.map_or_else(Stdio::null, Stdio::from)).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
        let mut child = command.spawn().map_err(failed)?;
        // Dropping the Child leaves its status to our own reaping.
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
        self.roles.insert(pid, role);
        if program.output == Output::Inherited {
            give_terminal_to(pid);
        }
        Ok(child.stdout.take().zip(child.stderr.take()).map(|(out, err)| Pipes { stdout: out.into(), stderr: err.into() }))
    }

    /// Takes the status of every child that has ended, also of those this process never started.
    pub(crate) fn reap(&mut self) -> Round<Role> {
        // Held for the loop, the SIGCHLDs of thousands that end at once become one; else each would run the handler and wake us.
        self.hold(true);
        let mut round = Round { ended: Vec::new(), alone: false, again: None };
        loop {
            let began = now();
            match self.reap_some(&mut round) {
                Left::Nothing => {
                    self.pauses = 0;
                    break;
                }
                Left::Perhaps if began.elapsed() < DEAR => {}
                Left::Perhaps => {
                    round.again = Some(PAUSE * 2_u32.pow(self.pauses));
                    self.pauses = DOUBLINGS.min(self.pauses + 1);
                    self.reap_our_own(&mut round);
                    break;
                }
            }
        }
        self.hold(round.again.is_some());
        round
    }

    fn reap_some(&mut self, round: &mut Round<Role>) -> Left {
        let mut strangers = 0;
        while strangers < STORM {
            match kernel::reap(ANYBODY) {
                Reaped::Ended(pid, end) => match self.roles.remove(&pid) {
                    Some(role) => round.ended.push((role, end)),
                    None => strangers += 1,
                },
                Reaped::Nothing => return Left::Nothing,
                Reaped::NoChildren => {
                    round.alone = true;
                    return Left::Nothing;
                }
            }
        }
        Left::Perhaps
    }

    /// The end of our own children waits for nobody else's.
    fn reap_our_own(&mut self, round: &mut Round<Role>) {
        let pids: Vec<Pid> = self.roles.keys().copied().filter(|pid| pid.as_raw() > 1).collect();
        for pid in pids {
            if let Reaped::Ended(pid, end) = kernel::reap(pid.as_raw()) {
                round.ended.extend(self.roles.remove(&pid).map(|role| (role, end)));
            }
        }
    }

    fn hold(&mut self, hold: bool) {
        if hold != self.held {
            let set = SigSet::from(nix::sys::signal::SIGCHLD);
            let _ = if hold { set.thread_block() } else { set.thread_unblock() };
            self.held = hold;
        }
    }

    /// Sends `signal`; a target that is gone already is what the sender wanted.
    pub(crate) fn signal(&self, target: Target<Role>, signal: Signal) -> Result<(), Errno> {
        let sent = match target {
            Target::Child(role) => self.pid(role).map_or(Ok(()), |pid| kernel::send(pid.as_raw(), signal)),
            Target::Group(role) => self.pid(role).map_or(Ok(()), |pid| kernel::send(-pid.as_raw(), signal)),
            Target::Named(role, name) => self.signal_named(role, name, signal),
            Target::Everything => self.signal_everything(signal),
        };
        match sent {
            Err(Errno::ESRCH) => Ok(()),
            sent => sent,
        }
    }

    /// Whether this is the init of its PID namespace.
    pub(crate) fn is_pid_1(&self) -> bool {
        self.here.as_raw() == 1
    }

    /// The pid of a living child. Never 0 or 1, so that a negated pid is always one group and never "everybody".
    fn pid(&self, role: Role) -> Option<Pid> {
        self.roles.iter().find(|&(pid, &known)| known == role && pid.as_raw() > 1).map(|(&pid, _)| pid)
    }

    fn signal_named(&self, role: Role, name: &str, signal: Signal) -> Result<(), Errno> {
        let Some(pid) = self.pid(role) else { return Ok(()) };
        let found = descendants::below(Path::new("/proc"), pid.as_raw()).into_iter().find(|process| process.comm == name);
        kernel::send(found.map_or(pid.as_raw(), |process| process.pid), signal)
    }

    fn signal_everything(&self, signal: Signal) -> Result<(), Errno> {
        // Only PID 1 may say "everybody": anywhere else that would be the whole machine.
        if self.is_pid_1() {
            return kernel::send(-1, signal);
        }
        for process in descendants::below(Path::new("/proc"), self.here.as_raw()) {
            match kernel::send(process.pid, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A pipe that holds `bytes` and has no writer any more. Nothing is ever on a disk, and whoever reads it takes it away.
fn filled_pipe(bytes: &[u8]) -> io::Result<OwnedFd> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // A pipe takes 64 KiB before its writer must wait for a reader (pipe(7)).
    if bytes.len() > 64 * 1024 {
        fcntl(&write, FcntlArg::F_SETPIPE_SZ(i32::try_from(bytes.len()).map_err(io::Error::other)?))?;
    }
    if nix::unistd::write(&write, bytes)? != bytes.len() {
        return Err(io::Error::other("its input does not fit into a pipe"));
    }
    fcntl(&read, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(read)
}

/// Makes the child the one that may read the terminal, as it would be without us: it has a process group of its own, and a
/// background group that reads is stopped.
fn give_terminal_to(pid: Pid) {
    let input = io::stdin();
    if nix::unistd::isatty(input.as_fd()) == Ok(true) && nix::unistd::tcsetpgrp(input.as_fd(), pid).is_ok() {
        // It may have read, and been stopped, before it was in the foreground.
        let _ = kernel::send(-pid.as_raw(), Signal::CONT);
    }
}
