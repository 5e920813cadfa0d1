//! Loop devices and project quotas: what storage needs of the kernel and nix does not have.

use super::*;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand from linux/quota.h, linux/dqblk_xfs.h, linux/fs.h and linux/loop.h; the same on every 64-bit machine.
    #[test]
    fn quota_commands_and_limits_are_the_kernels() {
        assert_eq!([GET_QUOTA, SET_LIMITS, GET_STATE], [0x58_0302, 0x58_0402, 0x58_0502]);
        let quota = limits(300_000, 20 << 30);
        assert_eq!((quota.id, quota.blocks_hard, quota.blocks_soft, quota.fields, quota.flags), (300_000, 41_943_040, 41_943_040, 0xc, 2));
        assert_eq!(limits(300_000, 0).blocks_hard, 0);
        assert_eq!((std::mem::offset_of!(DiskQuota, blocks), std::mem::offset_of!(DiskQuota, realtime_hard)), (40, 72));
        assert_eq!((std::mem::offset_of!(FileAttributes, project), std::mem::offset_of!(QuotaStat, flags)), (12, 2));
        assert_eq!((std::mem::offset_of!(LoopConfig, flags), std::mem::offset_of!(LoopConfig, file_name)), (60, 64));
    }
}
