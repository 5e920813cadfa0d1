//! Temporary directories that can be told from those of a run that was killed: their owner holds a lock on them.
//!
//! Owns what a killed run leaves on this machine: mounts (and with them loop devices), cgroups with the processes in them,
//! files. The next run of anything in here takes that away.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;

use crate::clock;

/// How such directories begin; the filters of snapshots know the first four letters.
const PREFIX: &str = ".tmprunner";

/// Holds the path of a cgroup that ends with the directory.
const CGROUP: &str = "cgroup";

/// A directory is made a moment before it is locked.
const YOUNG: Duration = Duration::from_secs(5);

/// How long processes may take to die once they are killed.
const DYING: Duration = Duration::from_secs(10);

static OWN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A temporary directory of this process, gone on drop.
#[derive(Debug)]
pub struct Scratch {
    dir: TempDir,
    _lock: Flock<File>,
}

impl Scratch {
    /// An empty directory. The first one of a process looks for what killed runs left.
    ///
    /// # Panics
    /// When it can not be made.
    #[must_use]
    pub fn new() -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| drop(sweep()));
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir().expect("make a temporary directory");
        OWN.lock().unwrap_or_else(PoisonError::into_inner).push(dir.path().to_path_buf());
        let lock = lock(dir.path()).expect("lock a temporary directory");
        Self { dir, _lock: lock }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Notes a cgroup that is to end with this directory, should nobody else be there to end it.
    ///
    /// # Panics
    /// When the note can not be written.
    pub fn owns_cgroup(&self, cgroup: &Path) {
        fs::write(self.path().join(CGROUP), cgroup.to_string_lossy().as_bytes()).expect("note a cgroup");
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

fn lock(directory: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(directory).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

/// Takes away what killed runs left; the directories it removed.
#[must_use]
pub fn sweep() -> Vec<PathBuf> {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)).map(|entry| entry.path());
    // Only our own: what another user says in there is not for root to do.
    let ours = |found: &fs::Metadata| found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw();
    let old = |path: &PathBuf| {
        let made = fs::symlink_metadata(path).ok().filter(ours).and_then(|metadata| metadata.modified().ok());
        made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > YOUNG)
    };
    // Locked until all are gone, so that two sweepers share the work.
    let dead: Vec<(PathBuf, Flock<File>)> = named.filter(old).filter_map(|path| lock(&path).map(|lock| (path, lock))).collect();
    let paths: Vec<PathBuf> = dead.iter().map(|(path, _)| path.clone()).collect();
    remove(&paths);
    paths
}

/// Takes away everything of this process, whose other threads must not go on: for a program that was told to stop.
pub fn abandon() {
    let own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    remove(&own);
}

/// Processes first: they hold mounts; mounts next: nothing below one may be deleted through it.
fn remove(directories: &[PathBuf]) {
    for directory in directories {
        if let Ok(cgroup) = fs::read_to_string(directory.join(CGROUP)) {
            remove_cgroup(Path::new(&cgroup), DYING);
        }
    }
    for directory in directories {
        let mounts = mounts_below(directory);
        let kept = mounts.iter().rev().filter(|mount| umount2(*mount, MntFlags::MNT_DETACH).is_err()).count();
        if kept == 0 {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// Kills what is in a cgroup and removes it; `false` when it is still there after `limit`.
pub(crate) fn remove_cgroup(cgroup: &Path, limit: Duration) -> bool {
    let _ = fs::write(cgroup.join("cgroup.kill"), "1");
    // A cgroup whose last process is just dying answers EBUSY for a moment.
    clock::holds_within(limit, || {
        let directories = walkdir::WalkDir::new(cgroup).contents_first(true).into_iter().flatten();
        directories.filter(|entry| entry.file_type().is_dir()).for_each(|entry| drop(fs::remove_dir(entry.path())));
        !cgroup.exists()
    })
}

/// Mount points in or below a directory, in the order in which they were mounted.
#[must_use]
pub fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    points.filter(|point| point.starts_with(directory)).collect()
}
