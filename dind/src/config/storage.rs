//! Where docker's data goes.

use std::path::PathBuf;

use settings::Reader;

use crate::socket;

/// What docker puts below its exec-root with the longest name that must be a socket, and what this program puts above that.
pub(super) const DEEPEST_SOCKET: &str = "/task-0123456789abcdef/exec/containerd/containerd-debug.sock";

/// The settings of the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `DOCKER_STORAGE_ROOT`.
    pub root: PathBuf,
}

impl Storage {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { root: root(reader) }
    }
}

fn root(reader: &mut Reader) -> PathBuf {
    let Some(path) = reader.path("DOCKER_STORAGE_ROOT") else { return PathBuf::new() };
    let longest = socket::LONGEST - DEEPEST_SOCKET.len();
    if path.as_os_str().len() > longest {
        let what = format!("`{}` is too long: containerd's sockets below it would not fit into a socket address", path.display());
        reader.problem("DOCKER_STORAGE_ROOT", &what, Some(&format!("allowed: at most {longest} bytes")));
    }
    path
}
