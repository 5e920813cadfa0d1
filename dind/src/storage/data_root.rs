//! The directory of this task.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Instant,
};

use nix::fcntl::Flock;

use super::{
    Disk, StorageError, StorageRoot, TaskId,
    dead::Dead,
    names::{DEAD, TASK},
};
use crate::{mounts, tree};

/// The directory of this task. Its lock is held as long as this value lives.
#[derive(Debug)]
pub struct DataRoot {
    pub(super) storage: StorageRoot,
    pub(super) path: PathBuf,
    pub(super) id: TaskId,
    pub(super) lock: Flock<File>,
    pub(super) disk: Option<Disk>,
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

    /// Its own file system, if it is to have one.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// For the data: images, containers, volumes.
    pub fn data(&self) -> PathBuf {
        self.top().join("data")
    }

    /// For what only a living daemon needs: sockets, pids, the state of containerd.
    pub fn exec(&self) -> PathBuf {
        self.top().join("exec")
    }

    fn top(&self) -> &Path {
        self.disk.as_ref().map_or(&self.path, |disk| disk.point())
    }

    /// Unmounts everything in it, its own file system last.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn unmount(&self) -> Result<usize, StorageError> {
        Ok(mounts::unmount_within(&self.storage.mountinfo, &self.path)?)
    }

    /// Unmounts everything in it, renames it away, deletes it until `deadline`. Nobody must be using it any more.
    ///
    /// # Errors
    /// It is not gone; what is left of it will be taken up by the next sweep on this storage root.
    pub fn remove(self, deadline: Instant) -> Result<(), StorageError> {
        self.put_away()?.delete(deadline)
    }

    /// Unmounts everything in it and renames it away, for the next sweep on this storage root to delete; returns its name now.
    ///
    /// # Errors
    /// It is still in its place.
    pub fn leave(self) -> Result<String, StorageError> {
        let id = self.id.clone();
        let dead = self.put_away()?;
        dead.lift_limit();
        Ok(format!("{DEAD}{id}"))
    }

    fn put_away(self) -> Result<Dead, StorageError> {
        self.unmount()?;
        let rename = |cause| StorageError::Rename { path: self.path.clone(), cause };
        let name = self.id.name(TASK);
        let directory = tree::open_directory(&self.storage.directory, &name).map_err(rename)?;
        let mut dead = Dead { storage: self.storage, directory, name, lock: Some(self.lock) };
        dead.rename_away(&self.id).map_err(|cause| StorageError::Rename { path: self.path.clone(), cause })?;
        Ok(dead)
    }
}
