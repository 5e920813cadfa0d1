//! XFS on a loop file, mounted; unmounted and gone on drop.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scratch::Scratch;
use nix::mount::{MntFlags, umount2};

/// Whether directory entries tell their type, which overlay2 needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ftype {
    /// `-m reflink=1,crc=1 -n ftype=1`, as everybody should have.
    With,
    /// `-m crc=0 -n ftype=0`: an old file system that has to be refused.
    Without,
}

/// A mounted file system.
#[derive(Debug)]
pub struct Xfs {
    mount_point: PathBuf,
    _dir: Scratch,
}

impl Xfs {
    /// Makes and mounts one of `gigabytes` (sparse; XFS wants at least 0.3).
    ///
    /// # Errors
    /// When mkfs.xfs or mount refuse, with what they said: newer ones may know no file systems without `ftype`.
    ///
    /// # Panics
    /// When the image file can not be made.
    pub fn make(gigabytes: u64, ftype: Ftype) -> Result<Self, String> {
        let dir = Scratch::new();
        let (image, mount_point) = (dir.path().join("image"), dir.path().join("mnt"));
        File::create(&image).and_then(|file| file.set_len(gigabytes << 30)).expect("make the image");
        std::fs::create_dir(&mount_point).expect("make the mount point");
        let options: &[&str] = match ftype {
            Ftype::With => &["-m", "reflink=1,crc=1", "-n", "ftype=1"],
            Ftype::Without => &["-m", "crc=0", "-n", "ftype=0"],
        };
        run(Command::new("mkfs.xfs").arg("-q").args(options).arg(&image))?;
        run(Command::new("mount").args(["-t", "xfs", "-o", "loop"]).arg(&image).arg(&mount_point))?;
        Ok(Self { mount_point, _dir: dir })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount_point
    }
}

impl Drop for Xfs {
    fn drop(&mut self) {
        // Lazily when something still holds it: the loop device lets go with the last user.
        if umount2(&self.mount_point, MntFlags::empty()).is_err() {
            let _ = umount2(&self.mount_point, MntFlags::MNT_DETACH);
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{:?}: {}", command.get_program(), String::from_utf8_lossy(&output.stderr).trim()))
}
