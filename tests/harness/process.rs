//! One running program: its lines with times, signals to it, its end. Owns the child; must not know what it is.
//!
//! Gone on drop: SIGKILL to its process group when it has one, else to it alone.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::clock;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        status.code().map_or_else(|| Self::Signal(status.signal().unwrap_or(0)), Self::Code)
    }
}

/// One line a program wrote.
#[derive(Debug, Clone)]
pub struct Line {
    /// Since the program was started.
    pub at: Duration,
    /// From standard error.
    pub is_error: bool,
    /// Without the line end.
    pub text: String,
}

/// What a program says, for as long as somebody wants to know: outlives the program.
#[derive(Debug, Clone)]
pub struct Record {
    name: String,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Record {
    /// All lines so far, both outputs, in order of arrival.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- {}", self.name)?;
        for line in self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            writeln!(f, "{:>9.3?} {} {}", line.at, if line.is_error { "!" } else { "|" }, line.text)?;
        }
        Ok(())
    }
}

/// A program that was started and is reaped here.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    target: Pid,
    own_group: bool,
    stdin: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<Line>>>,
    readers: Vec<JoinHandle<()>>,
    ending: Option<Ending>,
    started: Instant,
}

impl Running {
    /// Starts `command` in a process group of its own, with both outputs read line by line.
    ///
    /// # Panics
    /// When it can not be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command) -> Self {
        let started = Instant::now();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {name} ({:?}): {error}", command.get_program()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            read_lines(child.stdout.take().expect("piped"), false, Arc::clone(&lines), started),
            read_lines(child.stderr.take().expect("piped"), true, Arc::clone(&lines), started),
        ];
        let target = Pid::from_raw(i32::try_from(child.id()).expect("a pid is positive"));
        Self { name: name.into(), stdin: child.stdin.take(), child, target, own_group: true, lines, readers, ending: None, started }
    }

    /// Starts a program with an environment built from nothing.
    #[must_use]
    pub fn start_clean<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        name: &str,
        program: &std::path::Path,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(environment);
        Self::start(name, command)
    }

    /// Makes signals go to another process than the one started here: PID 1 of a box.
    pub(crate) fn aim_at(&mut self, target: Pid) {
        self.target = target;
        self.own_group = false;
    }

    /// The process signals go to.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.target
    }

    /// Time since it was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Sends a signal to the process alone, as a container engine does.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill(self.target, signal).unwrap_or_else(|error| panic!("send {signal} to {}: {error}\n{}", self.name, self.transcript()));
    }

    /// Sends a signal to its whole process group, as a terminal does.
    ///
    /// # Panics
    /// When the group is gone.
    pub fn signal_group(&self, signal: Signal) {
        killpg(self.target, signal).unwrap_or_else(|error| panic!("send {signal} to the group of {}: {error}", self.name));
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// When it is closed.
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(text.as_bytes()).expect("the program reads its input");
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Looks whether it ended.
    pub fn ended(&mut self) -> Option<Ending> {
        if self.ending.is_none() {
            self.ending = self.child.try_wait().expect("our own child can be waited for").map(Ending::from);
        }
        self.ending
    }

    /// Waits for its end and for the last of its lines.
    ///
    /// # Panics
    /// When `deadline` passes first; the message has the transcript.
    pub fn wait(&mut self, deadline: Duration) -> Ending {
        let Some(ending) = clock::poll(deadline, || self.ended()) else {
            panic!("{} still runs after {deadline:?}\n{}", self.name, self.transcript());
        };
        // A grandchild may keep the pipe open: then its lines are not waited for.
        let _ = clock::holds_within(Duration::from_millis(500), || self.readers.iter().all(JoinHandle::is_finished));
        ending
    }

    /// Waits for a line that holds `text` and gives the first.
    ///
    /// # Panics
    /// When `deadline` passes first; the message has the transcript.
    pub fn wait_for_line(&self, text: &str, deadline: Duration) -> Line {
        clock::poll(deadline, || self.lines().into_iter().find(|line| line.text.contains(text)))
            .unwrap_or_else(|| panic!("waited {deadline:?} for a line with {text:?}\n{}", self.transcript()))
    }

    /// All lines so far, both outputs, in order of arrival.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.text(false)
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.text(true)
    }

    fn text(&self, is_error: bool) -> String {
        let lines = self.lines();
        lines.iter().filter(|line| line.is_error == is_error).fold(String::new(), |all, line| all + &line.text + "\n")
    }

    /// Its lines, now and later.
    #[must_use]
    pub fn record(&self) -> Record {
        Record { name: self.name.clone(), lines: Arc::clone(&self.lines) }
    }

    /// Every line with its time, and the end if there was one.
    #[must_use]
    pub fn transcript(&self) -> String {
        let mut text = self.record().to_string();
        match self.ending {
            Some(ending) => writeln!(text, "ended: {ending:?}").unwrap_or(()),
            None => writeln!(text, "not seen to end").unwrap_or(()),
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let own = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
            if self.own_group {
                let _ = killpg(own, Signal::SIGKILL);
            } else {
                let _ = kill(self.target, Signal::SIGKILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        } else if self.own_group {
            // What it left in its group; a group id outlives its leader while it has members.
            let _ = killpg(self.target, Signal::SIGKILL);
        }
    }
}

fn read_lines(from: impl Read + Send + 'static, is_error: bool, to: Arc<Mutex<Vec<Line>>>, started: Instant) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut raw = Vec::new();
        while from.read_until(b'\n', &mut raw).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&raw).trim_end_matches('\n').to_owned();
            to.lock().unwrap_or_else(PoisonError::into_inner).push(Line { at: started.elapsed(), is_error, text });
            raw.clear();
        }
    })
}
