//! Owns what daemons that died leave in a directory that others are to use again: sockets, the state of containers that are dead, the
//! number of a process that is gone. Everything must be dead and unmounted before.

use std::{fs, io, os::fd::AsFd as _, path::PathBuf, time::Instant};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use crate::{
    storage::DataRoot,
    tree::{self, Left},
};

/// Something is still there.
#[derive(Debug, thiserror::Error)]
pub enum RemainsError {
    /// A directory cannot be opened.
    #[error("cannot open {}: {cause}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: Errno,
    },
    /// A directory is not empty yet.
    #[error("{} is not empty: {left}", path.display())]
    Left {
        /// Which.
        path: PathBuf,
        /// What is in it.
        left: Left,
    },
    /// A file cannot be removed.
    #[error("cannot remove {}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

/// The places of one task. Only who has the task's data-root can say where they are, so nothing else can be emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    exec: PathBuf,
    pid_file: PathBuf,
}

impl Remains {
    /// Of the daemons on `root`; `pid_file` is a name in it.
    pub fn of(root: &DataRoot, pid_file: &str) -> Self {
        Self { exec: root.exec(), pid_file: root.path().join(pid_file) }
    }

    /// Empties the exec-root and removes the pid file: a daemon does not start while a process of that number lives, and in a container
    /// numbers come back soon.
    ///
    /// # Errors
    /// [`RemainsError`].
    pub fn clear(&self, deadline: Instant) -> Result<(), RemainsError> {
        match fs::remove_file(&self.pid_file) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(RemainsError::File { path: self.pid_file.clone(), cause });
            }
            _ => {}
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = open(&self.exec, flags, Mode::empty()).map_err(|cause| RemainsError::Open { path: self.exec.clone(), cause })?;
        tree::clear(directory.as_fd(), c"", deadline).map_err(|left| RemainsError::Left { path: self.exec.clone(), left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mounts,
        storage::{Layout, StorageRoot},
    };
    use std::{os::unix::net::UnixListener, path::Path, time::Duration};

    fn soon() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a job with a deadline")]
        let now = Instant::now();
        now + Duration::from_secs(60)
    }

    fn bed() -> (tempfile::TempDir, DataRoot) {
        let dir = tempfile::tempdir().unwrap();
        let root = StorageRoot::open(dir.path(), Path::new(mounts::MOUNTINFO)).unwrap().create(Layout::Plain).unwrap();
        (dir, root)
    }

    #[test]
    fn sockets_states_and_the_pid_go_and_the_data_stays() {
        let (_dir, root) = bed();
        fs::create_dir_all(root.exec().join("containerd/state/io.containerd.runtime.v2.task/moby/abc")).unwrap();
        drop(UnixListener::bind(root.exec().join("containerd/containerd.sock")).unwrap());
        fs::write(root.path().join("docker.pid"), "7").unwrap();
        fs::write(root.data().join("image"), "x").unwrap();
        for _ in 0..2 {
            Remains::of(&root, "docker.pid").clear(soon()).unwrap();
        }
        assert_eq!(fs::read_dir(root.exec()).unwrap().count(), 0);
        assert!(!root.path().join("docker.pid").exists() && root.data().join("image").exists());
    }

    #[test]
    fn a_link_in_the_place_of_the_exec_root_is_not_followed() {
        let (dir, root) = bed();
        fs::create_dir(dir.path().join("precious")).unwrap();
        fs::write(dir.path().join("precious/file"), "x").unwrap();
        fs::remove_dir(root.exec()).unwrap();
        std::os::unix::fs::symlink(dir.path().join("precious"), root.exec()).unwrap();
        let error = Remains::of(&root, "docker.pid").clear(soon()).unwrap_err();
        assert!(matches!(error, RemainsError::Open { .. }), "{error}");
        assert!(dir.path().join("precious/file").exists());
    }
}
