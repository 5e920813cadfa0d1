//! The log router of a task: what its container would receive, received by the harness. The container itself only waits.

use std::path::Path;

use nix::unistd::Pid;

use crate::fluentd::{Received, Receiver};

/// Where Fluent Bit listens in the task's network.
const PORT: u16 = 24_224;

#[derive(Debug)]
pub(super) struct Router {
    containers: Receiver,
    network: Receiver,
}

impl Router {
    /// Listens at the socket that the containers' log driver has, and in the task's network.
    pub(super) fn listen(socket: &Path, network: Pid) -> Self {
        Self { containers: Receiver::listen_at(socket), network: Receiver::listen(network, PORT) }
    }

    pub(super) fn received(&self) -> Vec<Received> {
        [self.containers.received(), self.network.received()].concat()
    }
}
