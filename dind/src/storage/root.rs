//! The volume that tasks share: naming, making and locking the directory of one.

use std::{
    ffi::CStr,
    fs::File,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag, openat, renameat},
    sys::stat::{Mode, fchmod, mkdirat},
};

use super::{
    DataRoot, Disk, StorageError, TaskId,
    dead::Dead,
    disk,
    names::{LOCK, NEW, PASSABLE, TASK},
    quota,
};
use crate::tree;

/// Another process may sweep a directory in the moment before its lock is taken; then a new name is tried, at most this often.
const ATTEMPTS: usize = 16;

/// What a task's directory is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A directory like any other.
    Plain,
    /// A directory with a project quota of so many bytes.
    Limited(u64),
    /// A directory with a file system of its own, of at most so many bytes. It must be formatted and mounted before it is used.
    OnDisk(u64),
}

/// The volume on which tasks have their directories; other tasks use it at the same time.
#[derive(Debug, Clone)]
pub struct StorageRoot {
    pub(super) path: PathBuf,
    pub(super) directory: Arc<OwnedFd>,
    pub(super) mountinfo: PathBuf,
}

impl StorageRoot {
    /// Opens an existing directory. `mountinfo` is the mount table of this process.
    ///
    /// # Errors
    /// It is not there or no directory.
    pub fn open(path: &Path, mountinfo: &Path) -> Result<Self, StorageError> {
        let storage = |cause| StorageError::Storage { path: path.to_owned(), cause };
        // The mount table knows only real paths.
        let real = path.canonicalize().map_err(storage)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = nix::fcntl::open(&real, flags, Mode::empty()).map_err(|errno| storage(errno.into()))?;
        Ok(Self { path: real, directory: Arc::new(directory), mountinfo: mountinfo.to_owned() })
    }

    /// Where it is, free of symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory of a new task and takes its lock.
    ///
    /// # Errors
    /// The file system refuses, or every attempt lost a race.
    pub fn create(&self, layout: Layout) -> Result<DataRoot, StorageError> {
        let mut last = Errno::EAGAIN;
        for _ in 0..ATTEMPTS {
            let id = TaskId::random()?;
            match self.try_create(&id, layout) {
                // A sweep was faster, or the name is taken.
                Err(StorageError::Create { cause: cause @ (Errno::ENOENT | Errno::EWOULDBLOCK | Errno::EEXIST), .. }) => last = cause,
                other => return other,
            }
        }
        Err(self.cannot_create(last))
    }

    fn cannot_create(&self, cause: Errno) -> StorageError {
        StorageError::Create { storage: self.path.clone(), cause }
    }

    fn try_create(&self, id: &TaskId, layout: Layout) -> Result<DataRoot, StorageError> {
        let (directory, lock) = self.begin(id).map_err(|cause| self.cannot_create(cause))?;
        let path = self.path.join(format!("{TASK}{id}"));
        let furnished = self.furnish(&directory, layout).and_then(|()| {
            // Never replaces another's: a task's directory is not empty, and rename(2) refuses to replace one that is not.
            renameat(&self.directory, id.name(NEW).as_c_str(), &self.directory, id.name(TASK).as_c_str())
                .map_err(|cause| self.cannot_create(cause))
        });
        if let Err(error) = furnished {
            let half_made = Dead { storage: self.clone(), directory, name: id.name(NEW), lock: Some(lock) };
            // What stays has a name for the next sweep; the first error is the one to tell.
            let _ = half_made.delete(soon());
            return Err(error);
        }
        let disk = matches!(layout, Layout::OnDisk(_)).then(|| Disk::within(&path));
        Ok(DataRoot { storage: self.clone(), path, id: id.clone(), lock, disk })
    }

    fn begin(&self, id: &TaskId) -> nix::Result<(OwnedFd, Flock<File>)> {
        let hidden = id.name(NEW);
        mkdirat(&self.directory, hidden.as_c_str(), PASSABLE)?;
        let directory = tree::open_directory(&self.directory, &hidden)?;
        // mkdir's mode is subject to the umask we were started with.
        fchmod(&directory, PASSABLE)?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(openat(&directory, LOCK, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, cause)| cause)?;
        Ok((directory, lock))
    }

    fn furnish(&self, directory: &OwnedFd, layout: Layout) -> Result<(), StorageError> {
        let parts: &[&CStr] = match layout {
            Layout::Plain => &[c"data", c"exec"],
            Layout::Limited(bytes) => {
                // First of all: only what is made afterwards belongs to the project.
                let siblings = self.names()?;
                let siblings = siblings.iter().filter(|name| TaskId::read(name).is_some()).filter_map(|name| {
                    let name = std::ffi::CString::new(name.as_str()).ok()?;
                    tree::open_directory(&self.directory, &name).ok()
                });
                quota::limit(&self.path, directory.as_fd(), siblings, bytes)?;
                &[c"data", c"exec"]
            }
            Layout::OnDisk(bytes) => {
                disk::make_image(directory.as_fd(), bytes).map_err(|cause| self.cannot_create(cause))?;
                &[c"disk"]
            }
        };
        for part in parts {
            mkdirat(directory, *part, PASSABLE).map_err(|cause| self.cannot_create(cause))?;
        }
        Ok(())
    }

    pub(super) fn names(&self) -> Result<Vec<String>, StorageError> {
        let listing = |cause: Errno| StorageError::Storage { path: self.path.clone(), cause: cause.into() };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut directory = Dir::openat(&*self.directory, c".", flags, Mode::empty()).map_err(listing)?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            names.extend(entry.map_err(listing)?.file_name().to_str().map(str::to_owned));
        }
        Ok(names)
    }
}

/// For a deletion of a few files.
fn soon() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a deletion with a deadline")]
    let now = Instant::now();
    now + std::time::Duration::from_secs(5)
}
