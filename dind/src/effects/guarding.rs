//! The deeds of a guarded daemon: its gate, and what the gate is told.

use supervise::{Output, Program};

use super::World;
use crate::{config::Config, gate::Order, socket::Socket, storage::DataRoot, words::Role};

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
