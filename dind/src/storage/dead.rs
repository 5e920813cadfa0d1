//! What dead tasks left: whose it is, the order in which it goes, and the sweep.

use std::{
    ffi::CString,
    fs::File,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag, openat, renameat},
    sys::stat::{Mode, fstat},
    unistd::{UnlinkatFlags, geteuid, unlinkat},
};

use super::{
    StorageError, StorageRoot, TaskId,
    names::{DEAD, LOCK, NEW, TASK},
    processes, quota,
};
use crate::{
    mounts,
    tree::{self, Left},
};

/// How long the processes of a dead task may take to die once they are killed.
const DYING: Duration = Duration::from_secs(10);

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Directories that are gone now, by their name before.
    pub removed: Vec<String>,
    /// Processes of dead tasks that still ran and were killed.
    pub killed: usize,
    /// Directories of dead tasks that are not gone, each with its reason.
    pub left: Vec<StorageError>,
    /// Tasks that are alive.
    pub alive: usize,
}

impl StorageRoot {
    /// Kills what still runs for dead tasks and unmounts what they mounted, until `deadline`, and deletes nothing: quick, whatever they
    /// left. What goes wrong is told by the next sweep.
    ///
    /// # Errors
    /// As [`StorageRoot::sweep`].
    pub fn end_the_dead(&self, deadline: Instant) -> Result<Swept, StorageError> {
        self.each_dead(deadline, |_, dead, _| drop(mounts::unmount_within(&self.mountinfo, &dead.path())))
    }

    /// Deletes the directories of dead tasks until `deadline`, after killing what still runs in them. Living ones and everything with
    /// another name are not touched.
    ///
    /// # Errors
    /// The storage root cannot be read; what goes wrong with a single directory is in [`Swept`].
    pub fn sweep(&self, deadline: Instant) -> Result<Swept, StorageError> {
        self.each_dead(deadline, |name, dead, swept| match dead.delete(deadline) {
            Ok(()) => swept.removed.push(name),
            Err(error) => swept.left.push(error),
        })
    }

    fn each_dead(&self, deadline: Instant, mut bury: impl FnMut(String, Dead, &mut Swept)) -> Result<Swept, StorageError> {
        let mut swept = Swept::default();
        for name in self.names()? {
            let Some((id, prefix)) = TaskId::read(&name) else { continue };
            match self.take(&id, prefix) {
                Ok(Some(dead)) => {
                    swept.killed += dead.end_processes(&id, deadline);
                    bury(name, dead, &mut swept);
                }
                Ok(None) => swept.alive += usize::from(prefix == TASK),
                Err(Errno::ENOENT) => {}
                Err(cause) => swept.left.push(StorageError::Rename { path: self.path.join(&name), cause }),
            }
        }
        Ok(swept)
    }

    /// Takes a directory out of use if its owner is dead; `None` if it lives or the directory is not of our making.
    fn take(&self, id: &TaskId, prefix: &str) -> nix::Result<Option<Dead>> {
        let name = id.name(prefix);
        // A file, a link or a mount point with our name is not ours.
        let directory = match tree::open_directory(&self.directory, &name) {
            Err(Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV) => return Ok(None),
            other => other?,
        };
        if fstat(&directory)?.st_uid != geteuid().as_raw() {
            return Ok(None);
        }
        let lock = match openat(&directory, LOCK, OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty()) {
            Ok(file) => match Flock::lock(File::from(file), FlockArg::LockExclusiveNonblock) {
                Ok(lock) => Some(lock),
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, cause)) => return Err(cause),
            },
            // Its maker has not got that far, or died there: an empty directory goes, and its maker tries another name.
            Err(Errno::ENOENT) if prefix == NEW => {
                return match unlinkat(&self.directory, name.as_c_str(), UnlinkatFlags::RemoveDir) {
                    Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(None),
                    other => other.map(|()| None),
                };
            }
            // The lock goes last, so only the directory itself is left.
            Err(Errno::ENOENT) if prefix == DEAD => None,
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let mut dead = Dead { storage: self.clone(), directory, name, lock };
        if prefix != DEAD {
            dead.rename_away(id)?;
        }
        Ok(Some(dead))
    }
}

/// A directory out of use whose lock is ours, or that has none any more.
pub(super) struct Dead {
    pub(super) storage: StorageRoot,
    pub(super) directory: OwnedFd,
    pub(super) name: CString,
    pub(super) lock: Option<Flock<File>>,
}

impl Dead {
    pub(super) fn rename_away(&mut self, id: &TaskId) -> nix::Result<()> {
        let away = id.name(DEAD);
        renameat(&self.storage.directory, self.name.as_c_str(), &self.storage.directory, away.as_c_str())?;
        self.name = away;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.storage.path.join(self.name.to_string_lossy().as_ref())
    }

    /// Kills what still runs for this task, which happens where tasks do not have pid namespaces of their own. First of all: a shim
    /// keeps its mounts busy, and a daemon would mount anew.
    fn end_processes(&self, id: &TaskId, deadline: Instant) -> usize {
        #[expect(clippy::disallowed_methods, reason = "a job with a deadline")]
        let limit = deadline.min(Instant::now() + DYING);
        // Their command lines have the name that it had while they were started.
        processes::end(Path::new(processes::PROC), &self.storage.path.join(format!("{TASK}{id}")), limit)
    }

    pub(super) fn lift_limit(&self) {
        quota::lift(&self.storage.path, self.storage.directory.as_fd(), self.directory.as_fd());
    }

    pub(super) fn delete(self, deadline: Instant) -> Result<(), StorageError> {
        let path = self.path();
        mounts::unmount_within(&self.storage.mountinfo, &path)?;
        // While it still says which project it belongs to.
        self.lift_limit();
        let left = |left| StorageError::Left { path: path.clone(), left };
        tree::clear(self.directory.as_fd(), LOCK, deadline).map_err(left)?;
        // The lock goes last: as long as anything else is there, two sweeps cannot meet in it.
        for (at, name, kind) in [
            (&self.directory, LOCK, UnlinkatFlags::NoRemoveDir),
            (&*self.storage.directory, self.name.as_c_str(), UnlinkatFlags::RemoveDir),
        ] {
            match unlinkat(at, name, kind) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(cause) => {
                    let first = Some(format!("{}: {}", name.to_string_lossy(), cause.desc()));
                    return Err(left(Left { refused: 1, first, out_of_time: false }));
                }
            }
        }
        drop(self.lock);
        Ok(())
    }
}
