//! The calls for which there is no safe wrapper that does what PID 1 needs. All `unsafe` of the project stands here.

#![expect(unsafe_code, reason = "each block says why it is sound")]

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

/// Takes the status of one ended child, whoever it is.
///
/// Not nix's waitpid: for a child that died by a real-time signal it answers EINVAL and the status is lost, so an init built on it
/// waits for ever.
pub(crate) fn reap_one() -> Reaped {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for one int.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
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

/// The request numbers of ioctl(2) that nix does not know.
mod requests {
    use super::{FileAttributes, LoopConfig};

    nix::ioctl_none_bad!(loop_ctl_get_free, 0x4c82);
    nix::ioctl_write_ptr_bad!(loop_configure, 0x4c0a, LoopConfig);
    nix::ioctl_read!(fs_ioc_fsgetxattr, b'X', 31, FileAttributes);
    nix::ioctl_write_ptr!(fs_ioc_fssetxattr, b'X', 32, FileAttributes);
}

/// `struct loop_config` of linux/loop.h, with its `struct loop_info64` from `device` on.
#[repr(C)]
#[derive(Debug)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopConfig>() == 304);

/// `LO_FLAGS_AUTOCLEAR`.
const AUTOCLEAR: u32 = 4;

/// The number of a loop device that nobody uses, made if there is none: `LOOP_CTL_GET_FREE` (loop(4)) on `/dev/loop-control`.
///
/// # Errors
/// The kernel's. Another process may take the same one before it is attached.
pub fn free_loop_device(control: impl AsFd) -> nix::Result<u32> {
    // SAFETY: this request takes no argument and returns a number.
    let number = unsafe { requests::loop_ctl_get_free(control.as_fd().as_raw_fd()) }?;
    u32::try_from(number).map_err(|_| Errno::ERANGE)
}

/// Makes `image` the contents of a free loop device: `LOOP_CONFIGURE` (loop(4), Linux 5.8). The kernel lets it go with the last
/// descriptor or mount of the device, however its users end.
///
/// # Errors
/// The kernel's; EBUSY when somebody else was faster.
pub fn attach_loop_device(device: impl AsFd, image: impl AsFd) -> nix::Result<()> {
    let fd = u32::try_from(image.as_fd().as_raw_fd()).map_err(|_| Errno::EBADF)?;
    let config = LoopConfig {
        fd,
        block_size: 0,
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: AUTOCLEAR,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
        reserved: [0; 8],
    };
    // SAFETY: `config` has the layout that the request reads, and lives until the call returns.
    unsafe { requests::loop_configure(device.as_fd().as_raw_fd(), &raw const config) }.map(drop)
}

/// `struct fsxattr` of linux/fs.h.
#[repr(C)]
#[derive(Debug, Default)]
pub struct FileAttributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

const _: () = assert!(size_of::<FileAttributes>() == 28);

/// `FS_XFLAG_PROJINHERIT`.
const INHERITED: u32 = 0x200;

/// The project that a file or directory is accounted to: `FS_IOC_FSGETXATTR` (ioctl_xfs_fsgetxattr(2)).
///
/// # Errors
/// The kernel's; ENOTTY or EOPNOTSUPP where the file system has no such thing.
pub fn project(file: impl AsFd) -> nix::Result<u32> {
    Ok(attributes(file.as_fd())?.project)
}

/// Whether what is made in a directory is accounted to the directory's project.
///
/// # Errors
/// As [`project`].
pub fn hands_on_its_project(directory: impl AsFd) -> nix::Result<bool> {
    Ok(attributes(directory.as_fd())?.flags & INHERITED != 0)
}

/// Accounts a directory, and all that will be made in it, to a project: `FS_IOC_FSSETXATTR` with `PROJINHERIT`.
///
/// # Errors
/// The kernel's.
pub fn set_project(directory: impl AsFd, project: u32) -> nix::Result<()> {
    let before = attributes(directory.as_fd())?;
    let wanted = FileAttributes { project, flags: before.flags | INHERITED, ..before };
    // SAFETY: `wanted` has the layout that the request reads, and lives until the call returns.
    unsafe { requests::fs_ioc_fssetxattr(directory.as_fd().as_raw_fd(), &raw const wanted) }.map(drop)
}

fn attributes(file: BorrowedFd<'_>) -> nix::Result<FileAttributes> {
    let mut found = FileAttributes::default();
    // SAFETY: `found` has the layout and the size that the request writes.
    unsafe { requests::fs_ioc_fsgetxattr(file.as_raw_fd(), &raw mut found) }?;
    Ok(found)
}

/// How a file system is named to quotactl(2).
#[derive(Debug, Clone, Copy)]
pub enum Volume<'a> {
    /// By any file or directory on it: quotactl_fd, Linux 5.14.
    Holding(BorrowedFd<'a>),
    /// By the node of its block device.
    Device(&'a CStr),
}

/// `struct fs_disk_quota` of linux/dqblk_xfs.h.
#[repr(C)]
#[derive(Debug, Default)]
struct DiskQuota {
    version: i8,
    flags: i8,
    fields: u16,
    id: u32,
    blocks_hard: u64,
    blocks_soft: u64,
    inodes_hard: u64,
    inodes_soft: u64,
    blocks: u64,
    inodes: u64,
    timers: [i32; 2],
    warnings: [u16; 2],
    timers_high: [i8; 4],
    realtime_hard: u64,
    realtime_soft: u64,
    realtime_blocks: u64,
    realtime_timer: i32,
    realtime_warnings: u16,
    padding: [u8; 10],
}

const _: () = assert!(size_of::<DiskQuota>() == 112);

/// `struct fs_quota_stat` of linux/dqblk_xfs.h, as far as its flags; the rest is only room.
#[repr(C)]
#[derive(Debug, Default)]
struct QuotaStat {
    version: i8,
    flags: u16,
    rest: [u64; 9],
}

const _: () = assert!(size_of::<QuotaStat>() == 80);

/// Blocks of XFS quotas, whatever the file system's are.
const BASIC_BLOCK: u64 = 512;

/// `QCMD(Q_X..., PRJQUOTA)` of linux/quota.h.
const fn project_command(number: u32) -> u32 {
    ((((b'X' as u32) << 8) + number) << 8) | 2
}

const GET_QUOTA: u32 = project_command(3);
const SET_LIMITS: u32 = project_command(4);
const GET_STATE: u32 = project_command(5);

/// What is known of one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectQuota {
    /// Its limit in bytes; 0 is none.
    pub limit: u64,
    /// What it uses, in bytes.
    pub used: u64,
    /// Its files and directories.
    pub inodes: u64,
}

/// Whether project quotas are accounted, and whether they are enforced: `Q_XGETQSTAT` (quotactl(2)).
///
/// # Errors
/// The kernel's; ENOSYS where the file system or the kernel has no quotas of this kind.
pub fn project_quotas_are_on(volume: Volume<'_>) -> nix::Result<(bool, bool)> {
    // FS_QUOTA_STAT_VERSION
    let mut state = QuotaStat { version: 1, ..QuotaStat::default() };
    // SAFETY: the command writes one `struct fs_quota_stat`.
    unsafe { quotactl(GET_STATE, volume, 0, (&raw mut state).cast()) }?;
    // FS_QUOTA_PDQ_ACCT and FS_QUOTA_PDQ_ENFD
    Ok((state.flags & 1 << 4 != 0, state.flags & 1 << 5 != 0))
}

/// The limit and the use of a project: `Q_XGETQUOTA` (quotactl(2)); `None` if nothing was ever accounted to it.
///
/// # Errors
/// The kernel's.
pub fn project_quota(volume: Volume<'_>, project: u32) -> nix::Result<Option<ProjectQuota>> {
    let mut quota = DiskQuota::default();
    // SAFETY: the command writes one `struct fs_disk_quota`.
    match unsafe { quotactl(GET_QUOTA, volume, project, (&raw mut quota).cast()) } {
        Ok(()) => Ok(Some(ProjectQuota { limit: quota.blocks_hard * BASIC_BLOCK, used: quota.blocks * BASIC_BLOCK, inodes: quota.inodes })),
        Err(Errno::ENOENT) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Limits a project to so many bytes; 0 takes the limit away: `Q_XSETQLIM` (quotactl(2)).
///
/// # Errors
/// The kernel's.
pub fn limit_project(volume: Volume<'_>, project: u32, bytes: u64) -> nix::Result<()> {
    let mut quota = limits(project, bytes);
    // SAFETY: the command reads one `struct fs_disk_quota`.
    unsafe { quotactl(SET_LIMITS, volume, project, (&raw mut quota).cast()) }
}

fn limits(project: u32, bytes: u64) -> DiskQuota {
    let blocks = bytes / BASIC_BLOCK;
    // FS_DQUOT_VERSION, FS_PROJ_QUOTA, FS_DQ_BSOFT | FS_DQ_BHARD
    DiskQuota {
        version: 1,
        flags: 2,
        fields: 1 << 2 | 1 << 3,
        id: project,
        blocks_hard: blocks,
        blocks_soft: blocks,
        ..DiskQuota::default()
    }
}

/// # Safety
/// `data` must be what `command` reads or writes.
unsafe fn quotactl(command: u32, volume: Volume<'_>, project: u32, data: *mut libc::c_void) -> nix::Result<()> {
    let done = match volume {
        // SAFETY: the descriptor is open as long as it is borrowed; `data` is the caller's promise.
        Volume::Holding(file) => unsafe { libc::syscall(libc::SYS_quotactl_fd, file.as_raw_fd(), command, project, data) },
        // SAFETY: the path ends with a null byte; `data` is the caller's promise.
        Volume::Device(node) => unsafe { libc::syscall(libc::SYS_quotactl, command, node.as_ptr(), project, data) },
    };
    Errno::result(done).map(drop)
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

#[cfg(test)]
mod tests;
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
