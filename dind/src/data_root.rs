//! Owns the directory of one task on the storage volume: made, owned by a held lock, swept when its owner is dead, removed at the end.
//! Knows nothing of docker except that its data goes to `data/` and its sockets and pids to `exec/`.
//!
//! What may be deleted is a matter of types: a [`DataRoot`] comes only out of [`StorageRoot::create`], and the sweep deletes only what
//! has our name, belongs to our user, and has a lock that this process took. Names in the storage root:
//!
//! - `.new-<id>`: being made, lock held. The lock is taken under this name, so a `task-` directory is never seen without one.
//! - `task-<id>`: in use while its lock is held. The kernel drops the lock with its owner, however it ends. It closes a dying PID 1's files
//!   a moment before it kills the rest of that pid namespace, so a sweep can meet the last milliseconds of a dead task: what is deleted
//!   then was lost already, and its mounts are in a namespace of their own.
//! - `.dead-<id>`: renamed away, being deleted by whoever holds the lock, or left over; the next sweep goes on with it.

use std::{
    ffi::{CStr, CString},
    fmt,
    fs::File,
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag, openat, renameat},
    sys::stat::{Mode, fchmod, fstat, mkdirat},
    unistd::{UnlinkatFlags, geteuid, unlinkat},
};

use crate::{
    mounts::{self, MountError},
    tree::{self, Left},
};

const NEW: &str = ".new-";
const TASK: &str = "task-";
const DEAD: &str = ".dead-";
const LOCK: &CStr = c"lock";

/// Only the owner lists it, but the root users of container user namespaces must be able to pass through.
const PASSABLE: Mode = Mode::from_bits_truncate(0o711);

/// Another process may sweep a directory in the moment before its lock is taken; then a new name is tried, at most this often.
const ATTEMPTS: usize = 16;

/// Something that could not be done with a task's directory.
#[derive(Debug, thiserror::Error)]
pub enum DataRootError {
    /// The storage root cannot be used.
    #[error("cannot use the storage root {}: {cause}", path.display())]
    Storage {
        /// As configured.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// A directory for this task cannot be made.
    #[error("cannot make a data-root in {}: {cause}", storage.display())]
    Create {
        /// The storage root.
        storage: PathBuf,
        /// Why not.
        cause: Errno,
    },
    /// No random name to be had.
    #[error("cannot name a data-root: {0}")]
    Random(getrandom::Error),
    /// It cannot be taken out of use.
    #[error("cannot rename {} away: {cause}", path.display())]
    Rename {
        /// The data-root.
        path: PathBuf,
        /// Why not.
        cause: Errno,
    },
    /// Something in it is mounted and stays so.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Parts of it are still there, under a name that the next sweep takes up.
    #[error("{} is not gone: {left}\nhint: the next start on this storage root goes on with it", path.display())]
    Left {
        /// Where they are now.
        path: PathBuf,
        /// What they are.
        left: Left,
    },
}

/// 16 hexadecimal digits that name one task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(String);

impl TaskId {
    const DIGITS: usize = 16;

    /// A fresh one.
    ///
    /// # Errors
    /// The kernel has no randomness.
    pub fn random() -> Result<Self, DataRootError> {
        let number = getrandom::u64().map_err(DataRootError::Random)?;
        Ok(Self(format!("{number:0width$x}", width = Self::DIGITS)))
    }

    /// The id in a name of ours; everything else is not ours to touch.
    fn in_name(name: &str, prefix: &str) -> Option<Self> {
        let digits = name.strip_prefix(prefix)?;
        let ours = digits.len() == Self::DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        ours.then(|| Self(digits.to_owned()))
    }

    fn name(&self, prefix: &str) -> CString {
        CString::new(format!("{prefix}{}", self.0)).unwrap_or_default()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The volume on which tasks have their directories; other tasks use it at the same time.
#[derive(Debug, Clone)]
pub struct StorageRoot {
    path: PathBuf,
    directory: Arc<OwnedFd>,
    mountinfo: PathBuf,
}

impl StorageRoot {
    /// Opens an existing directory. `mountinfo` is the mount table of this process.
    ///
    /// # Errors
    /// It is not there or no directory.
    pub fn open(path: &Path, mountinfo: &Path) -> Result<Self, DataRootError> {
        let storage = |cause| DataRootError::Storage { path: path.to_owned(), cause };
        // The mount table knows only real paths.
        let real = path.canonicalize().map_err(storage)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = nix::fcntl::open(&real, flags, Mode::empty()).map_err(|errno| storage(errno.into()))?;
        Ok(Self { path: real, directory: Arc::new(directory), mountinfo: mountinfo.to_owned() })
    }

    /// Makes the directory of a new task and takes its lock.
    ///
    /// # Errors
    /// The file system refuses, or every attempt lost a race.
    pub fn create(&self) -> Result<DataRoot, DataRootError> {
        let mut last = Errno::EAGAIN;
        for _ in 0..ATTEMPTS {
            let id = TaskId::random()?;
            match self.try_create(&id) {
                Ok(lock) => {
                    let path = self.path.join(format!("{TASK}{id}"));
                    return Ok(DataRoot { storage: self.clone(), path, id, lock });
                }
                // A sweep was faster, or the name is taken.
                Err(cause @ (Errno::ENOENT | Errno::EWOULDBLOCK | Errno::EEXIST)) => last = cause,
                Err(cause) => return Err(self.cannot_create(cause)),
            }
        }
        Err(self.cannot_create(last))
    }

    fn cannot_create(&self, cause: Errno) -> DataRootError {
        DataRootError::Create { storage: self.path.clone(), cause }
    }

    fn try_create(&self, id: &TaskId) -> nix::Result<Flock<File>> {
        let hidden = id.name(NEW);
        mkdirat(&self.directory, hidden.as_c_str(), PASSABLE)?;
        let directory = tree::open_directory(&self.directory, &hidden)?;
        // mkdir's mode is subject to the umask we were started with.
        fchmod(&directory, PASSABLE)?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(openat(&directory, LOCK, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, cause)| cause)?;
        for part in [c"data", c"exec"] {
            mkdirat(&directory, part, PASSABLE)?;
        }
        // Never replaces another's: a task's directory is not empty, and rename(2) refuses to replace one that is not.
        renameat(&self.directory, hidden.as_c_str(), &self.directory, id.name(TASK).as_c_str())?;
        Ok(lock)
    }

    /// Deletes the directories of dead tasks until `deadline`. Living ones and everything with another name are not touched.
    ///
    /// # Errors
    /// The storage root cannot be read; what goes wrong with a single directory is in [`Swept`].
    pub fn sweep(&self, deadline: Instant) -> Result<Swept, DataRootError> {
        let mut swept = Swept::default();
        for name in self.names()? {
            let Some((id, prefix)) = [NEW, TASK, DEAD].into_iter().find_map(|prefix| Some((TaskId::in_name(&name, prefix)?, prefix)))
            else {
                continue;
            };
            match self.take(&id, prefix) {
                Ok(Some(dead)) => match dead.delete(deadline) {
                    Ok(()) => swept.removed.push(name),
                    Err(error) => swept.left.push(error),
                },
                Ok(None) => swept.alive += usize::from(prefix == TASK),
                Err(Errno::ENOENT) => {}
                Err(cause) => swept.left.push(DataRootError::Rename { path: self.path.join(&name), cause }),
            }
        }
        Ok(swept)
    }

    fn names(&self) -> Result<Vec<String>, DataRootError> {
        let listing = |cause: Errno| DataRootError::Storage { path: self.path.clone(), cause: cause.into() };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut directory = Dir::openat(&*self.directory, c".", flags, Mode::empty()).map_err(listing)?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            names.extend(entry.map_err(listing)?.file_name().to_str().map(str::to_owned));
        }
        Ok(names)
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

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Directories that are gone now, by their name before.
    pub removed: Vec<String>,
    /// Directories of dead tasks that are not, each with its reason.
    pub left: Vec<DataRootError>,
    /// Tasks that are alive.
    pub alive: usize,
}

/// The directory of this task. Its lock is held as long as this value lives.
#[derive(Debug)]
pub struct DataRoot {
    storage: StorageRoot,
    path: PathBuf,
    id: TaskId,
    lock: Flock<File>,
}

impl DataRoot {
    /// The task it belongs to.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// The directory itself; other things of the task may lie here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For the data: images, containers, volumes.
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// For what only a living daemon needs: sockets, pids, the state of containerd.
    pub fn exec(&self) -> PathBuf {
        self.path.join("exec")
    }

    /// Unmounts everything in it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn unmount(&self) -> Result<usize, DataRootError> {
        Ok(mounts::unmount_within(&self.storage.mountinfo, &self.path)?)
    }

    /// Unmounts everything in it, renames it away, deletes it until `deadline`. Nobody must be using it any more.
    ///
    /// # Errors
    /// It is not gone; what is left of it will be taken up by the next sweep on this storage root.
    pub fn remove(self, deadline: Instant) -> Result<(), DataRootError> {
        self.unmount()?;
        let rename = |cause| DataRootError::Rename { path: self.path.clone(), cause };
        let name = self.id.name(TASK);
        let directory = tree::open_directory(&self.storage.directory, &name).map_err(rename)?;
        let mut dead = Dead { storage: self.storage, directory, name, lock: Some(self.lock) };
        dead.rename_away(&self.id).map_err(|cause| DataRootError::Rename { path: self.path.clone(), cause })?;
        dead.delete(deadline)
    }
}

/// A directory out of use whose lock is ours, or that has none any more.
struct Dead {
    storage: StorageRoot,
    directory: OwnedFd,
    name: CString,
    lock: Option<Flock<File>>,
}

impl Dead {
    fn rename_away(&mut self, id: &TaskId) -> nix::Result<()> {
        let away = id.name(DEAD);
        renameat(&self.storage.directory, self.name.as_c_str(), &self.storage.directory, away.as_c_str())?;
        self.name = away;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.storage.path.join(self.name.to_string_lossy().as_ref())
    }

    fn delete(self, deadline: Instant) -> Result<(), DataRootError> {
        let path = self.path();
        mounts::unmount_within(&self.storage.mountinfo, &path)?;
        let left = |left| DataRootError::Left { path: path.clone(), left };
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink, thread, time::Duration};

    fn storage() -> (tempfile::TempDir, StorageRoot) {
        let dir = tempfile::tempdir().unwrap();
        let storage = StorageRoot::open(dir.path(), Path::new(mounts::MOUNTINFO)).unwrap();
        (dir, storage)
    }

    #[expect(clippy::disallowed_methods, reason = "a job with a deadline")]
    fn within(span: Duration) -> Instant {
        Instant::now() + span
    }

    fn soon() -> Instant {
        within(Duration::from_secs(60))
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// As a killed owner leaves it: everything there, nobody holding the lock.
    fn abandon(root: DataRoot) -> PathBuf {
        let path = root.path().to_owned();
        fs::write(root.data().join("layer"), "x").unwrap();
        drop(root);
        path
    }

    #[test]
    fn a_data_root_is_made_with_its_parts_and_removed_with_all_that_came_into_it() {
        let (dir, storage) = storage();
        let root = storage.create().unwrap();
        assert_eq!(names(dir.path()), [format!("task-{}", root.id())]);
        assert_eq!(names(root.path()), ["data", "exec", "lock"]);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(root.path()).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o711);
        fs::create_dir_all(root.data().join("overlay2/a/b")).unwrap();
        fs::write(root.path().join("docker.pid"), "1").unwrap();
        root.remove(soon()).unwrap();
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn a_sweep_takes_the_dead_and_leaves_the_living() {
        let (dir, storage) = storage();
        let living = storage.create().unwrap();
        let dead = abandon(storage.create().unwrap());
        let swept = storage.sweep(soon()).unwrap();
        assert_eq!(swept.removed, [dead.file_name().unwrap().to_str().unwrap()]);
        assert_eq!((swept.alive, swept.left.len()), (1, 0));
        assert_eq!(names(dir.path()), [format!("task-{}", living.id())]);
        assert!(living.data().is_dir());
    }

    #[test]
    fn a_sweep_goes_on_with_what_another_began_or_never_finished_making() {
        let (dir, storage) = storage();
        let half_deleted = abandon(storage.create().unwrap());
        fs::rename(&half_deleted, dir.path().join(".dead-00000000000000aa")).unwrap();
        fs::create_dir(dir.path().join(".dead-00000000000000bb")).unwrap();
        fs::create_dir(dir.path().join(".new-00000000000000cc")).unwrap();
        let half_made = abandon(storage.create().unwrap());
        fs::rename(&half_made, dir.path().join(".new-00000000000000dd")).unwrap();
        let swept = storage.sweep(soon()).unwrap();
        assert!(swept.left.is_empty(), "{swept:?}");
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn names_that_only_look_like_ours_are_never_touched() {
        let (dir, storage) = storage();
        let victim = tempfile::tempdir().unwrap();
        fs::write(victim.path().join("lock"), "").unwrap();
        for name in ["task-", "task-0123456789abcde", "task-0123456789abcdef0", "task-0123456789ABCDEF", "tasks", "data", ".dead-x"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("lock"), "").unwrap();
        }
        // With our name, but a link, a file, a directory without a lock, one whose lock is a link.
        symlink(victim.path(), dir.path().join("task-0000000000000001")).unwrap();
        fs::write(dir.path().join("task-0000000000000002"), "").unwrap();
        fs::create_dir(dir.path().join("task-0000000000000003")).unwrap();
        fs::create_dir(dir.path().join("task-0000000000000004")).unwrap();
        symlink(victim.path().join("lock"), dir.path().join("task-0000000000000004/lock")).unwrap();
        let before = names(dir.path());
        let swept = storage.sweep(soon()).unwrap();
        assert_eq!((swept.removed.len(), swept.left.len()), (0, 0), "{swept:?}");
        assert_eq!(names(dir.path()), before);
        assert_eq!(names(victim.path()), ["lock"]);
    }

    #[test]
    fn what_the_deadline_leaves_is_out_of_use_and_taken_up_by_the_next_sweep() {
        let (dir, storage) = storage();
        let root = storage.create().unwrap();
        let id = root.id().clone();
        let error = root.remove(within(Duration::ZERO)).unwrap_err();
        assert!(matches!(&error, DataRootError::Left { left, .. } if left.out_of_time), "{error}");
        assert_eq!(names(dir.path()), [format!(".dead-{id}")]);
        assert_eq!(storage.sweep(soon()).unwrap().removed.len(), 1);
        assert_eq!(names(dir.path()), [""; 0]);
    }

    /// Makers, users and sweepers at once: nobody ever loses a directory whose lock is held, and nothing is left in the end.
    #[test]
    fn making_and_sweeping_at_once_never_takes_a_living_directory() {
        let (dir, storage) = storage();
        thread::scope(|scope| {
            let makers: Vec<_> = (0..3)
                .map(|maker| {
                    let storage = storage.clone();
                    scope.spawn(move || {
                        for round in 0..200 {
                            let root = storage.create().unwrap();
                            let mark = root.data().join("mark");
                            fs::write(&mark, "x").unwrap();
                            assert!(root.path().is_dir() && root.exec().is_dir());
                            if round % 2 == maker % 2 {
                                assert!(mark.exists());
                                root.remove(soon()).unwrap();
                            } else {
                                abandon(root);
                            }
                        }
                    })
                })
                .collect();
            let sweeper = || {
                while !makers.iter().all(thread::ScopedJoinHandle::is_finished) {
                    let swept = storage.sweep(soon()).unwrap();
                    assert!(swept.left.is_empty(), "{swept:?}");
                }
            };
            thread::scope(|inner| {
                inner.spawn(sweeper);
                inner.spawn(sweeper);
            });
        });
        storage.sweep(soon()).unwrap();
        assert_eq!(names(dir.path()), [""; 0]);
    }

    /// Runs `test` on a thread with a mount namespace of its own, which dies with it.
    #[expect(clippy::print_stdout, reason = "a test that cannot run here says so")]
    fn in_own_mounts(test: impl FnOnce(&Path) + Send + 'static) {
        use nix::{
            mount::{MsFlags, mount},
            sched::{CloneFlags, unshare},
        };
        let thread = thread::spawn(|| {
            if unshare(CloneFlags::CLONE_NEWNS).is_err() {
                println!("skipped: needs CAP_SYS_ADMIN for a mount namespace");
                return;
            }
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>).unwrap();
            test(Path::new("/proc/thread-self/mountinfo"));
        });
        thread.join().unwrap();
    }

    fn bind(from: &Path, to: &Path) {
        use nix::mount::{MsFlags, mount};
        fs::create_dir_all(to).unwrap();
        mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }

    /// Measured with a plain `rm -rf`: it says EBUSY at the mount, and everything else is gone by then, also what is mounted.
    #[test]
    fn a_mount_inside_is_unmounted_and_its_source_stays_whole() {
        in_own_mounts(|mountinfo| {
            let (dir, precious) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            fs::write(precious.path().join("file"), "x").unwrap();
            let storage = StorageRoot::open(dir.path(), mountinfo).unwrap();
            let root = storage.create().unwrap();
            bind(&root.data(), &root.data());
            bind(precious.path(), &root.data().join("volumes/a"));
            bind(precious.path(), &root.data().join("volumes/a"));
            root.remove(soon()).unwrap();
            assert_eq!(names(dir.path()), [""; 0]);
            assert_eq!(names(precious.path()), ["file"]);

            let dead = abandon(storage.create().unwrap());
            bind(precious.path(), &dead.join("exec/b"));
            assert_eq!(storage.sweep(soon()).unwrap().removed.len(), 1);
            assert_eq!(names(precious.path()), ["file"]);
        });
    }

    /// The mount table is read before the deletion; what is mounted after that is the kernel's to keep from us.
    #[test]
    fn a_mount_that_comes_too_late_to_be_seen_is_not_crossed() {
        in_own_mounts(|_| {
            let (dir, precious) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            fs::write(precious.path().join("file"), "x").unwrap();
            let blind = tempfile::NamedTempFile::new().unwrap();
            let storage = StorageRoot::open(dir.path(), blind.path()).unwrap();
            let root = storage.create().unwrap();
            bind(precious.path(), &root.data().join("a"));
            let error = root.remove(soon()).unwrap_err().to_string();
            assert!(error.contains("1 entries could not be deleted, the first: a: Device or resource busy"), "{error}");
            assert_eq!(names(precious.path()), ["file"]);
        });
    }
}
