//! The calls for which there is no safe wrapper that does what PID 1 needs. All `unsafe` of the project stands here.

#![expect(unsafe_code, reason = "each block says why it is sound")]

mod storage;
mod terminal;

use std::{
    ffi::{CStr, OsString},
    io,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::Command,
    sync::atomic::{AtomicI32, AtomicU32, Ordering},
};

use nix::{errno::Errno, unistd::Pid};

pub use storage::{
    FileAttributes, ProjectQuota, Volume, attach_loop_device, free_loop_device, hands_on_its_project, limit_project, project,
    project_quota, project_quotas_are_on, set_project,
};

pub use terminal::columns;

use crate::{ChildEnd, Identity, Signal};

/// A signal as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) signal: Signal,
    /// Sent by a process (kill, sigqueue, tgkill), not by the kernel.
    pub(crate) by_process: bool,
}

/// Bytes of one arrival in the pipe; far below PIPE_BUF, so that writes are never torn (pipe(7)).
pub(crate) const ARRIVAL: usize = 2;

/// Where the handler writes, and the process it writes for.
static PIPE: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicU32 = AtomicU32::new(0);

/// From now on each arrival of one of `signals` is one record in `pipe`, which must not block. Once in a process.
///
/// A pipe and not a set of flags, because real-time signals queue: 200 of them sent are 200 to pass on.
///
/// One handler for all, and no registry of actions: signal-hook-registry copies its whole table for each of 52 signals, and was half of
/// the time that a process of ours needed to start (1.6 ms, now 0.7).
pub(crate) fn report_to(pipe: RawFd, signals: impl Iterator<Item = Signal>) -> io::Result<()> {
    OWNER.store(std::process::id(), Ordering::Relaxed);
    PIPE.store(pipe, Ordering::Release);
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = report;
    for signal in signals {
        // SAFETY: all zero is a valid sigaction: no flags, an empty mask; `handler` has the signature that SA_SIGINFO promises, and calls
        // only what is async-signal-safe (signal-safety(7)). The pointers live until the calls return.
        let done = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(signal.number(), &raw const action, std::ptr::null_mut())
        };
        Errno::result(done)?;
    }
    Ok(())
}

extern "C" fn report(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // Between fork and exec a child still has this handler and this pipe; what it is sent is not for us.
    if std::process::id() == OWNER.load(Ordering::Relaxed) {
        // SAFETY: with SA_SIGINFO the kernel gives a siginfo that is valid while the handler runs.
        let by_process = unsafe { (*info).si_code } <= 0;
        // Signal numbers are below 65.
        let record = [u8::try_from(signal).unwrap_or(0), u8::from(by_process)];
        // SAFETY: write(2) is async-signal-safe and `record` lives until it returns. A full pipe loses the record, as a full signal queue
        // would.
        unsafe { libc::write(PIPE.load(Ordering::Acquire), record.as_ptr().cast(), record.len()) };
    }
    Errno::set_raw(errno);
}

/// Reads back one record of [`report_to`].
pub(crate) fn arrival(record: [u8; ARRIVAL]) -> Option<Arrival> {
    Signal::from_number(record[0].into()).map(|signal| Arrival { signal, by_process: record[1] == 1 })
}

/// kill(2). The nix wrapper cannot name real-time signals.
pub(crate) fn send(pid: i32, signal: Signal) -> Result<(), Errno> {
    // SAFETY: kill takes two integers and touches no memory of ours.
    Errno::result(unsafe { libc::kill(pid, signal.number()) }).map(drop)
}

/// What waitpid(2) found without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaped {
    /// This child ended.
    Ended(Pid, ChildEnd),
    /// Children live, none has ended.
    Nothing,
    /// There are no children.
    NoChildren,
}

/// Takes the status of one ended child: of this one, or with -1 of whichever.
///
/// Not nix's waitpid: for a child that died by a real-time signal it answers EINVAL and the status is lost, so an init built on it
/// waits for ever.
pub(crate) fn reap(child: i32) -> Reaped {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for one int.
        let pid = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        return match pid {
            0 => Reaped::Nothing,
            -1 if Errno::last() == Errno::EINTR => continue,
            -1 => Reaped::NoChildren,
            pid if libc::WIFSIGNALED(status) => match Signal::from_number(libc::WTERMSIG(status)) {
                Some(signal) => Reaped::Ended(Pid::from_raw(pid), ChildEnd::Signal(signal)),
                None => Reaped::Ended(Pid::from_raw(pid), ChildEnd::Code(255)),
            },
            pid => {
                let code = u8::try_from(libc::WEXITSTATUS(status) & 0xff).unwrap_or(255);
                Reaped::Ended(Pid::from_raw(pid), ChildEnd::Code(code))
            }
        };
    }
}

/// Gives `command` another user and exactly these supplementary groups.
///
/// `CommandExt::uid` alone will not do: std then clears the supplementary groups, and the one that owns the docker socket must stay.
pub(crate) fn run_as(command: &mut Command, identity: &Identity) {
    let groups: Vec<nix::unistd::Gid> = identity.groups.iter().copied().map(nix::unistd::Gid::from_raw).collect();
    let (uid, gid) = (nix::unistd::Uid::from_raw(identity.uid), nix::unistd::Gid::from_raw(identity.gid));
    let become_user = move || {
        nix::unistd::setgroups(&groups)?;
        nix::unistd::setgid(gid)?;
        nix::unistd::setuid(uid)?;
        Ok(())
    };
    // SAFETY: runs between fork and exec; it makes three system calls on memory allocated before the fork, and allocates nothing.
    unsafe { command.pre_exec(become_user) };
}

/// Takes the environment of this process: returns it and overwrites the block it was handed in, which everybody under our user id,
/// and root in any container that shares our PID namespace, could read in `/proc/PID/environ` (proc_pid_environ(5)) for ever.
///
/// Overwritten in place and not left behind by a second exec: that would cost a millisecond of every start, and PID 1 would be deaf to
/// signals once more.
///
/// Must be called while this process has one thread. Afterwards `std::env` finds nothing.
pub fn take_environment() -> Vec<(OsString, OsString)> {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    #[expect(clippy::disallowed_methods, reason = "the copy that outlives the original")]
    let copy = std::env::vars_os().collect();
    // SAFETY: environ(7) is a null-terminated array of pointers to null-terminated strings in memory of our own that is writable (the
    // initial stack). One thread means that nobody else reads it now. Only bytes before each terminator are written.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = *entry;
            // Volatile: nobody reads it again in this program, and an optimiser could leave the write out for that.
            for at in 0..libc::strlen(text) {
                text.add(at).write_volatile(0);
            }
            entry = entry.add(1);
        }
    }
    copy
}

/// A process by a descriptor, which never means another one later: pidfd_open(2). It is readable when the process has ended.
///
/// # Errors
/// ESRCH when there is none.
pub fn open_process(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: two integers, no memory of ours.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made it, close-on-exec, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Signals exactly the process that was opened: pidfd_send_signal(2).
///
/// # Errors
/// ESRCH when it has ended.
pub fn send_to_opened(process: impl AsFd, signal: Signal) -> nix::Result<()> {
    let (fd, no_information) = (process.as_fd().as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: without a siginfo the kernel reads no memory of ours.
    Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal.number(), no_information, 0) }).map(drop)
}

/// Whether keyctl(2) answers: asks for the number of the session keyring and changes nothing. libc has no wrapper.
///
/// # Errors
/// EPERM where a seccomp profile forbids it, ENOSYS from a kernel without keyrings, ENOKEY where there is none.
pub fn session_keyring() -> nix::Result<()> {
    /// `KEYCTL_GET_KEYRING_ID` and `KEY_SPEC_SESSION_KEYRING` (linux/keyctl.h).
    const GET_KEYRING_ID: libc::c_long = 0;
    const SESSION: libc::c_long = -3;
    const DO_NOT_MAKE: libc::c_long = 0;
    // SAFETY: this operation takes numbers and touches no memory of ours.
    Errno::result(unsafe { libc::syscall(libc::SYS_keyctl, GET_KEYRING_ID, SESSION, DO_NOT_MAKE) }).map(drop)
}

#[cfg(test)]
mod tests;
