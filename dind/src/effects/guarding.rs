//! The deeds of a guarded daemon: its gate, and the configuration that goes with one.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use supervise::{Output, Program};

use super::World;
use crate::{
    config::Config,
    data_root::DataRoot,
    gate::{self, Order, pin},
    socket::Socket,
    words::{Failure, Role, exit},
};

/// The daemon's usual configuration, which an image may bring (dockerd(8), `--config-file`).
const USUAL_CONFIGURATION: &str = "/etc/docker/daemon.json";

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

/// Where the configuration of a guarded daemon lies.
pub(super) fn configuration_file(root: &DataRoot) -> PathBuf {
    root.path().join("daemon.json")
}

/// Writes that configuration, the image's own with the guard's part, and the runtime it names: this program under another name.
pub(super) fn furnish(root: &Path, order: &Order, runc: Option<PathBuf>) -> Result<(), Failure> {
    let failure = |path: &Path, why: String| Failure { code: exit::HOST, why: format!("cannot guard docker: {}: {why}", path.display()) };
    let usual = Path::new(USUAL_CONFIGURATION);
    let existing = match fs::read_to_string(usual) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|error| failure(usual, error.to_string()))?,
    };
    let runtime = root.join(pin::NAME);
    let configuration = gate::builder::configuration(&existing, &order.allow, &runtime).map_err(|why| failure(usual, why))?;
    let runc = runc.ok_or_else(|| failure(Path::new("runc"), "it is not in PATH".to_owned()))?;
    let pins = pin::Order { runc, allow: order.allow.entries() };
    let pins = serde_json::to_string(&pins).map_err(|error| failure(&runtime, error.to_string()))?;
    let itself = std::env::current_exe().map_err(|error| failure(&runtime, error.to_string()))?;
    for (name, text) in [("daemon.json", configuration), (&format!("{}.json", pin::NAME), pins)] {
        let path = root.join(name);
        fs::write(&path, text).map_err(|error| failure(&path, error.to_string()))?;
    }
    symlink(itself, &runtime).map_err(|error| failure(&runtime, error.to_string()))
}
