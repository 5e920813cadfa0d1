//! Nodes of devices. A container's `/dev` has those that existed when it was made, and a kernel makes loop devices as they are asked for.

use std::{
    ffi::CString,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    sys::stat::{Mode, SFlag, major, makedev, minor, mknod},
};

/// `/dev/loop-control` of the kernel's list of devices (admin-guide/devices.txt): character, 10:237.
pub(super) const LOOP_CONTROL: &str = "/dev/loop-control";

pub(super) fn loop_control() -> nix::Result<()> {
    ensure(Path::new(LOOP_CONTROL), SFlag::S_IFCHR, makedev(10, 237))
}

/// `/dev/loopN`: block, 7:N.
pub(super) fn loop_device(number: u32) -> nix::Result<PathBuf> {
    let path = PathBuf::from(format!("/dev/loop{number}"));
    ensure(&path, SFlag::S_IFBLK, makedev(7, number.into()))?;
    Ok(path)
}

/// A node of the block device that a file system lies on, by the name that udev would give it.
pub(super) fn block_device(device: u64) -> nix::Result<CString> {
    if major(device) == 0 {
        // A file system without a block device (tmpfs, overlay, NFS).
        return Err(Errno::ENOTBLK);
    }
    let path = PathBuf::from(format!("/dev/block/{}:{}", major(device), minor(device)));
    match nix::unistd::mkdir("/dev/block", Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(cause) => return Err(cause),
    }
    ensure(&path, SFlag::S_IFBLK, device)?;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// Makes a node that is not there. Another process may be as far.
fn ensure(path: &Path, kind: SFlag, device: u64) -> nix::Result<()> {
    match mknod(path, kind, Mode::S_IRUSR | Mode::S_IWUSR, device) {
        Err(Errno::EEXIST) => {
            // Followed: udev's names of block devices are links.
            let there = path
                .metadata()
                .is_ok_and(|found| SFlag::from_bits_truncate(found.mode()) & SFlag::S_IFMT == kind && found.rdev() == device);
            if there { Ok(()) } else { Err(Errno::EEXIST) }
        }
        // A read-only /dev may have it nevertheless.
        Err(cause) => {
            if path.exists() {
                Ok(())
            } else {
                Err(cause)
            }
        }
        Ok(()) => Ok(()),
    }
}
