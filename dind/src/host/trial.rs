//! What can only be found out by trying: whether this container may mount, whether what it has read-only can be opened up, whether an
//! overlay works on the storage root.
//!
//! All of it happens on a thread of its own in a mount namespace of its own, which ends with the thread: no mount can outlive the trial,
//! however it ends. What is left to remove are the few directories of the overlay.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    unistd::chdir,
};

use super::Places;
use crate::mounts;

/// How the directory of a trial begins; a random word follows.
const PREFIX: &str = ".overlay-trial-";

/// Whether a kernel file system can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It can, or it is not there.
    Writable,
    /// It is mounted read-only, and that can be changed.
    Reopens,
    /// It is mounted read-only for good.
    Closed,
}

/// What is told of a read-only mount that could be opened with the rights whose lack is told elsewhere.
pub(super) const OPENS_WITH_RIGHTS: &str = "read-only; a start could remount it with the rights that are missing";

/// What became of an overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// It was mounted and written through.
    Works,
    /// It was not.
    Refused(Errno),
    /// There was nothing to try it on.
    NotTried,
}

/// What trying showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// A mount namespace can be made and changed; else why not.
    pub mounts: Result<(), Errno>,
    /// `/sys/fs/cgroup`.
    pub cgroup: Access,
    /// `/proc/sys`.
    pub sysctl: Access,
    /// On the storage root.
    pub overlay: Overlay,
}

/// Tries it all.
pub fn run(places: &Places<'_>) -> Trial {
    let (cgroup, sysctl) = (places.cgroup.to_owned(), places.proc.join("sys"));
    let storage = Scratch::make(places.storage);
    let as_is = |top: &Path| if read_only(top).is_empty() { Access::Writable } else { Access::Closed };
    let without = Trial { mounts: Ok(()), cgroup: as_is(&cgroup), sysctl: as_is(&sysctl), overlay: Overlay::NotTried };
    let overlay = storage.as_ref().map(|scratch| scratch.path.clone());
    let trial = thread::Builder::new().name("trial".to_owned()).spawn(move || {
        if let Err(cause) = leave() {
            return Trial { mounts: Err(cause), ..without };
        }
        let overlay = overlay.map_or(Overlay::NotTried, |path| {
            let tried = overlay_on(&path);
            // The namespace ends a moment after the thread is joined, and until then its mounts hold these directories.
            let _ = umount2(&path.join("merged"), MntFlags::MNT_DETACH);
            tried.map_or_else(Overlay::Refused, |()| Overlay::Works)
        });
        Trial { mounts: Ok(()), cgroup: reopen(&cgroup), sysctl: reopen(&sysctl), overlay }
    });
    trial.ok().and_then(|thread| thread.join().ok()).unwrap_or(without)
}

/// Leaves the mounts of the process to itself. Without the second step a shared root would pass on what is mounted here.
fn leave() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
}

/// The table of this thread: the process may have another.
const TABLE: &str = "/proc/thread-self/mountinfo";

/// Of cgroup v1 each hierarchy is a mount of its own.
fn read_only(top: &Path) -> Vec<PathBuf> {
    mounts::read_only_within(&mounts::read(Path::new(TABLE)).unwrap_or_default(), top)
}

fn reopen(top: &Path) -> Access {
    let points = read_only(top);
    if points.is_empty() {
        return Access::Writable;
    }
    let opened = points.iter().all(|point| mounts::make_writable(Path::new(TABLE), point).is_ok());
    if opened && read_only(top).is_empty() { Access::Reopens } else { Access::Closed }
}

/// Mounts one, writes through it, and deletes what is below: that makes a whiteout, which is what docker's layers consist of.
fn overlay_on(scratch: &Path) -> nix::Result<()> {
    let errno = |cause: io::Error| cause.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    // Relative, because a path with a colon or a comma would not survive the options. A thread that has left the mounts of its process
    // has a working directory of its own, too (unshare(2)).
    chdir(scratch)?;
    // `volatile` (kernel 5.10): without it the end of this mount would wait until the whole volume is synced, other tasks' data too.
    let options = |more: &str| format!("lowerdir=lower,upperdir=upper,workdir=work{more}");
    let try_with = |more: &str| mount(Some("overlay"), "merged", Some("overlay"), MsFlags::empty(), Some(options(more).as_str()));
    match try_with(",volatile") {
        Err(Errno::EINVAL) => try_with("")?,
        done => done?,
    }
    fs::write("merged/above", "").map_err(errno)?;
    fs::remove_file("merged/below").map_err(errno)
}

/// The directories of one overlay, gone on drop. A lock on the topmost says that somebody is trying: what a killed one left is nobody's at
/// once (a successor that came within minutes found it and left it, once in a hundred kills).
struct Scratch {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Scratch {
    fn make(storage: &Path) -> Option<Self> {
        forget_killed(storage);
        let mut word = [0; 8];
        getrandom::fill(&mut word).ok()?;
        let path = storage.join(format!("{PREFIX}{:016x}", u64::from_ne_bytes(word)));
        fs::create_dir(&path).ok()?;
        // Who removes the dead's may be faster; then nothing is tried.
        let scratch = Self::of_nobody(path)?;
        for name in ["lower", "upper", "work", "merged"] {
            fs::create_dir(scratch.path.join(name)).ok()?;
        }
        fs::write(scratch.path.join("lower/below"), "").ok()?;
        Some(scratch)
    }

    fn of_nobody(path: PathBuf) -> Option<Self> {
        let flags = nix::libc::O_DIRECTORY | nix::libc::O_NOFOLLOW;
        let directory = File::options().read(true).custom_flags(flags).open(&path).ok()?;
        Some(Self { path, _lock: Flock::lock(directory, FlockArg::LockExclusiveNonblock).ok()? })
    }
}

/// Removes what trials left that were killed in their few milliseconds.
fn forget_killed(storage: &Path) {
    for entry in fs::read_dir(storage).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            drop(Scratch::of_nobody(entry.path()));
        }
    }
}

impl Drop for Scratch {
    /// By name: these are all there can be, and a tree is not to be walked here.
    fn drop(&mut self) {
        for file in ["lower/below", "upper/above", "upper/below", "work/work/incompat/volatile/dirty"] {
            let _ = fs::remove_file(self.path.join(file));
        }
        // The overlay keeps a whiteout to link from, under a name of its own.
        for entry in fs::read_dir(self.path.join("work/work")).into_iter().flatten().flatten() {
            let _ = fs::remove_file(entry.path());
        }
        let work = ["work/work/incompat/volatile", "work/work/incompat", "work/work", "work/index", "work"];
        for directory in work.into_iter().chain(["lower", "upper", "merged", ""]) {
            let _ = fs::remove_dir(self.path.join(directory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn is_overlay(path: &Path) -> bool {
        nix::sys::statfs::statfs(path).unwrap().filesystem_type() == nix::sys::statfs::OVERLAYFS_SUPER_MAGIC
    }

    #[test]
    fn a_trial_leaves_neither_mounts_nor_files() {
        let storage = tempfile::Builder::new().prefix("a:colon,a comma").tempdir().unwrap();
        let places = Places {
            proc: "/proc".as_ref(),
            cgroup: "/sys/fs/cgroup".as_ref(),
            search: OsStr::new(""),
            dockerd: None,
            storage: storage.path(),
            wish: crate::storage::Wish { mode: crate::storage::Mode::Xfs, quota: None },
            task: storage.path(),
            remap: false,
        };
        let table = || mounts::within(&mounts::read(Path::new(mounts::MOUNTINFO)).unwrap(), storage.path());
        let trial = run(&places);
        assert_eq!(fs::read_dir(storage.path()).unwrap().count(), 0, "{trial:?}");
        assert!(table().is_empty());
        if nix::unistd::geteuid().is_root() && trial.mounts.is_ok() {
            assert_eq!(trial.overlay, if is_overlay(storage.path()) { Overlay::Refused(Errno::EINVAL) } else { Overlay::Works });
        }
    }

    #[test]
    fn what_a_killed_trial_left_is_removed_by_a_later_one_and_a_living_one_is_let_be() {
        let storage = tempfile::tempdir().unwrap();
        let [dead, tried] = ["dead", "tried"].map(|name| storage.path().join(format!("{PREFIX}{name}")));
        for path in [&dead, &tried] {
            fs::create_dir_all(path.join("work/work")).unwrap();
        }
        let living = Scratch::of_nobody(tried.clone()).unwrap();
        drop(Scratch::make(storage.path()).unwrap());
        assert!(!dead.exists() && tried.exists());
        drop(living);
    }

    #[test]
    fn a_storage_root_that_is_not_there_leaves_the_overlay_untried() {
        let places = Places {
            proc: "/proc".as_ref(),
            cgroup: "/nowhere".as_ref(),
            search: OsStr::new(""),
            dockerd: None,
            storage: "/nowhere".as_ref(),
            wish: crate::storage::Wish { mode: crate::storage::Mode::Xfs, quota: None },
            task: "/nowhere".as_ref(),
            remap: false,
        };
        let trial = run(&places);
        assert_eq!((trial.overlay, trial.cgroup), (Overlay::NotTried, Access::Writable));
    }
}
