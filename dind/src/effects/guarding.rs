//! The deeds of a guarded daemon: its gate, and what the gate and the runtime behind it are told.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use supervise::{Output, Program};

use super::World;
use crate::{
    config::Config,
    gate::{Order, pin},
    socket::Socket,
    storage::DataRoot,
    words::{Failure, Role, exit},
};

impl World {
    /// The gate is this program, once more.
    pub(super) fn gate(&self) -> Program {
        let itself = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        let task = self.task.borrow();
        let order = task.as_ref().and_then(|task| task.guard.as_ref());
        Program {
            file: itself.into_os_string(),
            arguments: order.map(Order::arguments).unwrap_or_default(),
            environment: Some([].into()),
            directory: Some("/".into()),
            output: Output::Lines(Role::Gate.name()),
            ..Program::default()
        }
    }
}

/// What the gate of this task is told, if there is to be one.
pub(super) fn order(config: &Config, root: &DataRoot, socket: &Socket) -> Option<Order> {
    let allow = config.access.guard.clone()?;
    // A job may hand its docker on to a container: what it finds there is the gate as well.
    let allow =
        [&socket.shared, &socket.usual].into_iter().filter_map(|path| path.to_str()).fold(allow, |allow, path| allow.and_path(path));
    let daemon = root.path().join("docker.sock");
    Some(Order { listen: socket.hidden.clone(), daemon, group: config.access.group, allow })
}

/// Puts into the task's directory what the daemon's runtime is started by: this program under another name, and its order.
pub(super) fn furnish(root: &Path, order: &Order, runc: Option<PathBuf>) -> Result<(), Failure> {
    let failure = |path: &Path, why: String| Failure { code: exit::HOST, why: format!("cannot guard docker: {}: {why}", path.display()) };
    let runtime = root.join(pin::NAME);
    let runc = runc.ok_or_else(|| failure(Path::new("runc"), "it is not in PATH".to_owned()))?;
    let pins = pin::Order { runc, allow: order.allow.entries() };
    let pins = serde_json::to_string(&pins).map_err(|error| failure(&runtime, error.to_string()))?;
    let itself = std::env::current_exe().map_err(|error| failure(&runtime, error.to_string()))?;
    let path = root.join(format!("{}.json", pin::NAME));
    fs::write(&path, pins).map_err(|error| failure(&path, error.to_string()))?;
    symlink(itself, &runtime).map_err(|error| failure(&runtime, error.to_string()))
}
