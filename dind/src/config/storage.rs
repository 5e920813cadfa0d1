//! Where docker's data goes.

use std::path::PathBuf;

use settings::Reader;

use crate::{
    socket,
    storage::{Cleanup, Mode, SMALLEST_DISK, Wish},
};

/// What docker puts below its exec-root with the longest name that must be a socket, and what this program puts above that.
pub(super) const DEEPEST_SOCKET: &str = "/task-0123456789abcdef/exec/containerd/containerd-debug.sock";

/// With a file system of its own a task has one directory more.
pub(super) const DISK: &str = "/disk";

/// The settings of the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `DOCKER_STORAGE_ROOT`.
    pub root: PathBuf,
    /// `DOCKER_STORAGE_MODE` and `DOCKER_STORAGE_QUOTA`.
    pub wish: Wish,
    /// `DOCKER_STORAGE_CLEANUP`.
    pub cleanup: Cleanup,
}

impl Storage {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let modes = [("xfs", Mode::Xfs), ("loop", Mode::Loop), ("any", Mode::Any)];
        let mode = reader.choice("DOCKER_STORAGE_MODE", &modes).unwrap_or(Mode::Xfs);
        let cleanup = reader.choice("DOCKER_STORAGE_CLEANUP", &[("now", Cleanup::Now), ("later", Cleanup::Later)]);
        Self { root: root(reader, mode), wish: Wish { mode, quota: quota(reader, mode) }, cleanup: cleanup.unwrap_or(Cleanup::Now) }
    }
}

fn root(reader: &mut Reader, mode: Mode) -> PathBuf {
    let Some(path) = reader.path("DOCKER_STORAGE_ROOT") else { return PathBuf::new() };
    let longest = socket::LONGEST - DEEPEST_SOCKET.len() - if mode == Mode::Loop { DISK.len() } else { 0 };
    if path.as_os_str().len() > longest {
        let what = format!("`{}` is too long: containerd's sockets below it would not fit into a socket address", path.display());
        reader.problem("DOCKER_STORAGE_ROOT", &what, Some(&format!("allowed: at most {longest} bytes")));
    }
    path
}

fn quota(reader: &mut Reader, mode: Mode) -> Option<u64> {
    let quota = reader.size("DOCKER_STORAGE_QUOTA", SMALLEST_DISK)?;
    if mode == Mode::Any {
        let what = "is set with DOCKER_STORAGE_MODE=any, which has nothing to hold a task to it";
        let hint = "use DOCKER_STORAGE_MODE=xfs on a volume mounted with `-o pquota`, or DOCKER_STORAGE_MODE=loop on any volume";
        reader.problem("DOCKER_STORAGE_QUOTA", what, Some(hint));
    }
    Some(quota)
}
