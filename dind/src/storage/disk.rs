//! A file system of one task's own: XFS in a sparse file, on a loop device that the kernel lets go when the mount does. Formatting it is
//! the work of a child, mkfs.xfs, whose command line is a value here.

use std::{
    ffi::{CStr, OsString},
    fs::{File, OpenOptions},
    os::{
        fd::BorrowedFd,
        unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    mount::{MsFlags, mount},
    sys::stat::Mode,
    unistd::ftruncate,
};
use supervise::kernel;

use super::{names::PASSABLE, nodes};

/// The program that formats it.
pub const MAKER: &str = "mkfs.xfs";

/// XFS by the features that Linux 5.10 knows. A mkfs.xfs that is newer than the host's kernel would else make what that cannot mount.
/// Shipped with xfsprogs since 5.13.
const OLD_KERNELS: &str = "usr/share/xfsprogs/mkfs/lts_5.10.conf";

const IMAGE: &CStr = c"image";

/// Between finding a free loop device and taking it somebody else may be faster.
const ATTEMPTS: usize = 64;

/// Why a task has no file system of its own.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The image cannot be opened.
    #[error("cannot open {}: {cause}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// No loop device to be had.
    #[error(
        "no loop device for DOCKER_STORAGE_MODE=loop: {step}: {cause}\n\
         hint: run the container with --privileged, or with --device-cgroup-rule 'c 10:237 rmw' --device-cgroup-rule 'b 7:* rmw'; the host's \
         kernel needs the module `loop`"
    )]
    Loop {
        /// What was tried.
        step: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// The kernel does not mount it.
    #[error(
        "cannot mount {} as XFS on {}: {cause}\n\
         hint: the host's kernel needs XFS, as new as {MAKER} of this image makes it; its log (dmesg) says what is missing", device.display(), point.display()
    )]
    Mount {
        /// The loop device.
        device: PathBuf,
        /// Where it was to be mounted.
        point: PathBuf,
        /// Why not.
        cause: Errno,
    },
    /// Its first directories cannot be made.
    #[error("cannot prepare {}: {cause}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
}

/// The image of a task and the place where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    image: PathBuf,
    point: PathBuf,
}

impl Disk {
    pub(super) fn within(directory: &Path) -> Self {
        Self { image: directory.join("image"), point: directory.join("disk") }
    }

    /// Where it is mounted.
    pub fn point(&self) -> &Path {
        &self.point
    }

    /// The command line of [`MAKER`], without the program. `root` is where the image of this container has its files: `/`.
    pub fn format_arguments(&self, root: &Path) -> Vec<OsString> {
        // Quiet, and without discarding what a sparse file never had.
        let mut arguments: Vec<OsString> = ["-q", "-K", "-n", "ftype=1"].map(OsString::from).into();
        let profile = root.join(OLD_KERNELS);
        if profile.is_file() {
            let mut option = OsString::from("options=");
            option.push(profile);
            arguments.extend(["-c".into(), option]);
        }
        arguments.push(self.image.clone().into_os_string());
        arguments
    }

    /// Mounts it, formatted, and makes the directories that a task's has.
    ///
    /// # Errors
    /// No loop device, or the kernel does not mount it.
    pub fn mount(&self) -> Result<(), DiskError> {
        let image = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&self.image)
            .map_err(|cause| DiskError::Image { path: self.image.clone(), cause })?;
        // Held until it is mounted: the kernel lets a device go when nobody has it open, also if we die here.
        let (device, _held) = attach(&image)?;
        mount(Some(&device), &self.point, Some("xfs"), MsFlags::empty(), None::<&str>).map_err(|cause| DiskError::Mount {
            device,
            point: self.point.clone(),
            cause,
        })?;
        let made = |path: PathBuf, result: std::io::Result<()>| result.map_err(|cause| DiskError::Directory { path, cause });
        let passable = std::os::unix::fs::PermissionsExt::from_mode(PASSABLE.bits());
        made(self.point.clone(), std::fs::set_permissions(&self.point, passable))?;
        for part in ["data", "exec"] {
            let path = self.point.join(part);
            let result = std::fs::DirBuilder::new().mode(PASSABLE.bits()).create(&path);
            made(path, result)?;
        }
        Ok(())
    }
}

/// Makes the sparse file in a task's directory.
pub(super) fn make_image(directory: BorrowedFd<'_>, bytes: u64) -> nix::Result<()> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let image = openat(directory, IMAGE, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
    ftruncate(image, i64::try_from(bytes).map_err(|_| Errno::EFBIG)?)
}

/// Whether loop devices can be had: opens their control, after making its node where it is missing.
pub(super) fn loop_control() -> Result<File, DiskError> {
    let failed = |step: &str| {
        let step = format!("{step} {}", nodes::LOOP_CONTROL);
        move |cause| DiskError::Loop { step, cause }
    };
    nodes::loop_control().map_err(|cause| failed("make")(cause.into()))?;
    OpenOptions::new().read(true).write(true).open(nodes::LOOP_CONTROL).map_err(failed("open"))
}

fn attach(image: &File) -> Result<(PathBuf, File), DiskError> {
    let control = loop_control()?;
    let failed = |step: String| move |cause: std::io::Error| DiskError::Loop { step, cause };
    let mut last = Errno::EBUSY;
    for _ in 0..ATTEMPTS {
        let number = kernel::free_loop_device(&control).map_err(|cause| failed("ask for a free one".to_owned())(cause.into()))?;
        let path = nodes::loop_device(number).map_err(|cause| failed(format!("make /dev/loop{number}"))(cause.into()))?;
        let device = OpenOptions::new().read(true).write(true).open(&path).map_err(failed(format!("open {}", path.display())))?;
        match kernel::attach_loop_device(&device, image) {
            Ok(()) => return Ok((path, device)),
            Err(Errno::EBUSY) => last = Errno::EBUSY,
            Err(cause) => return Err(failed(format!("attach the image to {}", path.display()))(cause.into())),
        }
    }
    Err(failed("take a free one".to_owned())(last.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mkfs_is_told_to_be_quiet_and_to_make_what_older_kernels_mount() {
        let disk = Disk::within(Path::new("/s/task-1"));
        let root = tempfile::tempdir().unwrap();
        assert_eq!(disk.format_arguments(root.path()), ["-q", "-K", "-n", "ftype=1", "/s/task-1/image"]);
        let profile = root.path().join(OLD_KERNELS);
        std::fs::create_dir_all(profile.parent().unwrap()).unwrap();
        std::fs::write(&profile, "").unwrap();
        let option = format!("options={}", profile.display());
        assert_eq!(disk.format_arguments(root.path()), ["-q", "-K", "-n", "ftype=1", "-c", &option, "/s/task-1/image"]);
    }

    #[test]
    fn an_image_that_is_no_file_of_ours_is_not_attached() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::within(dir.path());
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("image")).unwrap();
        assert!(matches!(disk.mount(), Err(DiskError::Image { .. })));
    }
}
