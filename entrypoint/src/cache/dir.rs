//! Directories by descriptor: every name is one component, looked up in an open directory, and never followed if it is a
//! link. So a tree that changes under us, by accident or by a job's design, cannot lead us out of it.
//!
//! One component with `O_NOFOLLOW` at a time is as strict as `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, and
//! older kernels and seccomp profiles that lack that call do not matter.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use nix::Result;
use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fstat, fstatat, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{LinkatFlags, UnlinkatFlags, fsync, linkat, symlinkat, syncfs, unlinkat};

/// What an entry is, as far as a tool cache cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    /// Device, FIFO, socket.
    Special,
}

impl Kind {
    pub(super) fn of(stat: &FileStat) -> Self {
        match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFDIR => Self::Directory,
            SFlag::S_IFLNK => Self::Link,
            _ => Self::Special,
        }
    }
}

/// Counts the steps that change a file system and refuses all after the last: what a SIGKILL at that instant leaves behind,
/// clean-up included. Without a number it never refuses.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate {
    left: Option<Arc<AtomicI64>>,
    #[cfg(test)]
    hook: Hook,
}

/// Called before each step.
#[cfg(test)]
#[derive(Clone, Default)]
pub(super) struct Hook(Option<Arc<dyn Fn() + Send + Sync>>);

#[cfg(test)]
impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

impl Gate {
    #[cfg(test)]
    pub(super) fn closing_after(steps: i64) -> Self {
        Self { left: Some(Arc::new(AtomicI64::new(steps))), ..Self::default() }
    }

    /// Never refuses, and calls `hook` before each step: a test may hold it there while others go on.
    #[cfg(test)]
    pub(super) fn calling(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self { hook: Hook(Some(Arc::new(hook))), ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn is_shut(&self) -> bool {
        self.left.as_ref().is_some_and(|left| left.load(Ordering::SeqCst) < 0)
    }

    pub(super) fn pass(&self) -> Result<()> {
        #[cfg(test)]
        if let Some(hook) = &self.hook.0 {
            hook();
        }
        match &self.left {
            Some(left) if left.fetch_sub(1, Ordering::SeqCst) <= 0 => Err(Errno::ECANCELED),
            _ => Ok(()),
        }
    }
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    gate: Gate,
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Dir {
    /// The one place where a path is resolved: the root that the operator named, links and all.
    pub(super) fn root(path: &Path, gate: Gate) -> Result<Self> {
        let fd = open(path, DIRECTORY, Mode::empty())?;
        Ok(Self { fd, gate })
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The directory of that name; `ENOTDIR` or `ELOOP` if it is something else.
    pub(super) fn sub(&self, name: &OsStr) -> Result<Self> {
        let fd = openat(&self.fd, name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())?;
        Ok(Self { fd, gate: self.gate.clone() })
    }

    /// A new directory.
    pub(super) fn make(&self, name: &OsStr, mode: u32) -> Result<Self> {
        self.gate.pass()?;
        mkdirat(&self.fd, name, Mode::from_bits_truncate(mode))?;
        self.sub(name)
    }

    /// The directory of that name, new if there is none.
    pub(super) fn sub_or_make(&self, name: &OsStr) -> Result<Self> {
        match self.sub(name) {
            Err(Errno::ENOENT) => match self.make(name, 0o755) {
                Err(Errno::EEXIST) => self.sub(name),
                made => made,
            },
            opened => opened,
        }
    }

    /// The names in it with their kinds, where the listing told them.
    pub(super) fn entries(&self) -> Result<Vec<(OsString, Option<Kind>)>> {
        let descriptor = self.fd.try_clone().map_err(|cause| cause.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        let mut listing = nix::dir::Dir::from_fd(descriptor)?;
        let mut entries = Vec::new();
        for entry in listing.iter() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = entry.file_type().map(|kind| match kind {
                Type::File => Kind::File,
                Type::Directory => Kind::Directory,
                Type::Symlink => Kind::Link,
                Type::Fifo | Type::CharacterDevice | Type::BlockDevice | Type::Socket => Kind::Special,
            });
            entries.push((OsString::from_vec(name.to_vec()), kind));
        }
        Ok(entries)
    }

    pub(super) fn stat(&self, name: &OsStr) -> Result<FileStat> {
        fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    pub(super) fn own_stat(&self) -> Result<FileStat> {
        fstat(&self.fd)
    }

    /// Whether something of that kind has that name. Absence is an answer, not an error.
    pub(super) fn has(&self, name: &OsStr, kind: Kind) -> Result<bool> {
        match self.stat(name) {
            Ok(stat) => Ok(Kind::of(&stat) == kind),
            Err(Errno::ENOENT) => Ok(false),
            Err(cause) => Err(cause),
        }
    }

    /// Opens a file for reading; a FIFO in its place does not block.
    pub(super) fn open_file(&self, name: &OsStr) -> Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(&self.fd, name, flags, Mode::empty()).map(File::from)
    }

    /// A new file for writing; `EEXIST` if the name is taken by anything.
    pub(super) fn create_file(&self, name: &OsStr, mode: u32) -> Result<File> {
        self.gate.pass()?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.fd, name, flags, Mode::from_bits_truncate(mode)).map(File::from)
    }

    pub(super) fn read_link(&self, name: &OsStr) -> Result<OsString> {
        readlinkat(&self.fd, name)
    }

    /// A link with that time of change.
    pub(super) fn make_link(&self, target: &[u8], name: &OsStr, mtime: &TimeSpec) -> Result<()> {
        self.gate.pass()?;
        symlinkat(OsStr::from_bytes(target), &self.fd, name)?;
        self.gate.pass()?;
        utimensat(&self.fd, name, &TimeSpec::UTIME_OMIT, mtime, UtimensatFlags::NoFollowSymlink)
    }

    /// A link that is a reference: made once, with the target as it is and the time of its making.
    pub(super) fn make_reference(&self, target: &OsStr, name: &OsStr) -> Result<()> {
        self.gate.pass()?;
        symlinkat(target, &self.fd, name)
    }

    /// A second name here for `from/old`.
    pub(super) fn hard_link(&self, from: &Self, old: &OsStr, name: &OsStr) -> Result<()> {
        self.gate.pass()?;
        linkat(&from.fd, old, &self.fd, name, LinkatFlags::empty())
    }

    pub(super) fn rename_to(&self, name: &OsStr, to: &Self, new: &OsStr) -> Result<()> {
        self.gate.pass()?;
        renameat(&self.fd, name, &to.fd, new)
    }

    pub(super) fn unlink(&self, name: &OsStr) -> Result<()> {
        self.gate.pass()?;
        unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir)
    }

    pub(super) fn remove_dir(&self, name: &OsStr) -> Result<()> {
        self.gate.pass()?;
        unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir)
    }

    pub(super) fn set_mtime(&self, mtime: &TimeSpec) -> Result<()> {
        self.gate.pass()?;
        futimens(&self.fd, &TimeSpec::UTIME_OMIT, mtime)
    }

    pub(super) fn set_mtime_of(&self, name: &OsStr, mtime: &TimeSpec) -> Result<()> {
        self.gate.pass()?;
        utimensat(&self.fd, name, &TimeSpec::UTIME_OMIT, mtime, UtimensatFlags::NoFollowSymlink)
    }

    /// The time of now in seconds, told by the clock of the file system itself: a time of change is its own, too.
    pub(super) fn now(&self) -> Result<i64> {
        let probe = super::token::fresh_token()?;
        self.make(&probe, 0o700)?;
        let now = self.stat(&probe).map(|stat| stat.st_mtime);
        self.remove_dir(&probe)?;
        now
    }

    pub(super) fn sync(&self) -> Result<()> {
        fsync(&self.fd)
    }

    /// Everything written to this file system so far is on its server or disk when this returns.
    pub(super) fn sync_file_system(&self) -> Result<()> {
        syncfs(&self.fd)
    }

    /// Deletes what has that name, however deep. What others delete meanwhile is no error.
    pub(super) fn remove_tree(&self, name: &OsStr) -> Result<()> {
        match self.unlink(name) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            // Linux says EISDIR, POSIX EPERM.
            Err(Errno::EISDIR | Errno::EPERM) => {}
            Err(cause) => return Err(cause),
        }
        // One open directory per level, so that depth costs descriptors and not stack.
        let mut path = vec![(self.sub(name)?, name.to_owned())];
        while let Some((dir, name)) = path.last() {
            let mut deeper = None;
            for (entry, kind) in dir.entries()? {
                let removed = match kind {
                    Some(Kind::Directory) => dir.remove_dir(&entry),
                    _ => dir.unlink(&entry),
                };
                match removed {
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::EISDIR) => {
                        deeper = Some((dir.sub(&entry)?, entry));
                        break;
                    }
                    Err(cause) => return Err(cause),
                }
            }
            if let Some(deeper) = deeper {
                path.push(deeper);
                continue;
            }
            let name = name.clone();
            path.pop();
            let parent = path.last().map_or(self, |(parent, _)| parent);
            match parent.remove_dir(&name) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }
}
