//! The volume for docker's data.

use std::path::Path;

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::OFlag,
    sys::{stat::Mode, statfs},
    unistd::{AccessFlags, access},
};

use super::{Prerequisite, cures::Cure, trial::Overlay};

/// Below this many bytes an image of usual size does not fit any more.
const FEW_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Below this many inodes, neither.
const FEW_INODES: u64 = 250_000;

/// statfs(2). nix names it only with glibc.
const XFS_SUPER_MAGIC: statfs::FsType = statfs::FsType(0x5846_5342);

/// The storage root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// It is XFS.
    pub xfs: bool,
    /// Directory entries tell their type (`ftype=1`); overlay2 needs it.
    pub entry_types: bool,
    /// It is part of a container's own file system.
    pub overlay: bool,
    /// Free bytes for us.
    pub bytes: u64,
    /// Free inodes.
    pub inodes: u64,
}

/// Looks at it, or says why it cannot be used at all.
///
/// # Errors
/// A sentence of the kernel's.
pub fn look(path: &Path) -> Result<Storage, String> {
    let sentence = |cause: Errno| cause.desc().to_owned();
    let found = statfs::statfs(path).map_err(sentence)?;
    access(path, AccessFlags::W_OK).map_err(sentence)?;
    Ok(Storage {
        xfs: found.filesystem_type() == XFS_SUPER_MAGIC,
        entry_types: tells_entry_types(path).map_err(sentence)?,
        overlay: found.filesystem_type() == statfs::OVERLAYFS_SUPER_MAGIC,
        bytes: found.blocks_available().saturating_mul(u64::try_from(found.block_size()).unwrap_or(0)),
        inodes: found.files_free(),
    })
}

/// Even `.` has no type on a file system that does not keep them; docker itself looks at the same field (readdir(3), `d_type`).
fn tells_entry_types(path: &Path) -> nix::Result<bool> {
    let mut directory = Dir::open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    for entry in directory.iter() {
        if entry?.file_type().is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is wrong with it, `tried` being an overlay that was mounted there, by a process that AppArmor may have `confined`.
pub fn judge(seen: &Result<Storage, String>, tried: Overlay, confined: bool, path: &Path) -> Prerequisite {
    const MIB: u64 = 1024 * 1024;
    let shown = path.display();
    let found = match seen {
        Ok(found) => found,
        Err(cause) => {
            let mut page = Prerequisite::seen("storage", format!("{shown}: {cause}"));
            page.refuse(format!("{shown} cannot be used for docker's data: {cause}"), Cure::StorageVolume);
            return page;
        }
    };
    let kind = if found.xfs {
        "XFS"
    } else if found.overlay {
        "overlay"
    } else {
        "not XFS"
    };
    let mut page = Prerequisite::seen("storage", format!("{shown}: {kind}, {} MiB and {} inodes free", found.bytes / MIB, found.inodes));
    if found.overlay {
        page.refuse(
            format!(
                "{shown} is on the container's own file system, which is an overlay: the kernel allows none upon it (EINVAL); a \
                 dockerd left to itself takes vfs there, which copies every image whole for every container, and the containerd image \
                 store, the default since Docker 29, fails at its first container"
            ),
            Cure::StorageVolume,
        );
    } else if !found.xfs {
        page.refuse(
            format!("{shown} is not XFS: overlay2 would be unavailable or without limits, and a dockerd left to itself might take vfs"),
            Cure::StorageVolume,
        );
    } else if !found.entry_types {
        page.refuse(
            format!("{shown} is XFS made with ftype=0: overlay2 refuses it"),
            Cure::anywhere("make the file system anew with mkfs.xfs -n ftype=1; it cannot be changed later"),
        );
    } else if let Overlay::Refused(cause) = tried {
        page.refuse(format!("an overlay cannot be mounted on {shown}: {cause}"), overlay_cure(cause, confined));
    }
    if found.bytes < FEW_BYTES {
        let what = format!("{shown} has only {} MiB left", found.bytes / MIB);
        page.warn(what, Cure::anywhere("use a larger volume, or fewer tasks on one host"));
    }
    if found.inodes < FEW_INODES {
        let what = format!("{shown} has only {} inodes left", found.inodes);
        page.warn(what, Cure::anywhere("use a larger volume, or raise the share for inodes with mkfs.xfs -i maxpct"));
    }
    page
}

fn overlay_cure(cause: Errno, confined: bool) -> Cure {
    match cause {
        Errno::ENODEV => Cure::anywhere("the host's kernel has no overlay: `modprobe overlay` on the host, or another kernel"),
        Errno::EACCES if confined => Cure::AppArmor,
        // Without CAP_DAC_OVERRIDE an overlay cannot use the directory it works in, whose mode is 0.
        Errno::EACCES => Cure::UsualCapabilities,
        Errno::EPERM => Cure::Privileges,
        _ => Cure::StorageVolume,
    }
}
