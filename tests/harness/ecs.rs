//! The ECS stand-in: task metadata and task protection as the ECS agent answers them, instance metadata as EC2 does.
//!
//! Owns the server's life and the handle tests hold. What the agent answers is in `agent`, what instance metadata answers in
//! `instance`. Must not know the programs under test.
//!
//! ```no_run
//! use runner_tests::ecs::{Ecs, Rules};
//!
//! let ecs = Ecs::start(Rules::service("runners-x64"));
//! let environment = [("ECS_CONTAINER_METADATA_URI_V4", ecs.metadata_uri()), ("ECS_AGENT_URI", ecs.agent_uri())];
//! // ... a program runs with it ...
//! assert!(ecs.protections().iter().all(|put| put.status == 200));
//! ```

mod agent;
mod instance;
mod server;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::Pid;
use server::{Server, Shared};

/// What kind of task this is and what goes wrong.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Service of the task; `None` was started by `RunTask`.
    pub service: Option<String>,
    /// Whether the task has a role.
    pub task_role: bool,
    /// How many calls of ECS's API are throttled before the first is let through.
    pub throttled: u32,
    /// How many requests, of any kind, are answered 500 at first: an agent that starts.
    pub late: u32,
    /// Before every answer.
    pub latency: Duration,
    /// Whether instance metadata gives tokens to a container.
    pub instance_metadata: bool,
}

impl Rules {
    /// A task of this service, with a role, on an instance that answers.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self { service: Some(name.into()), ..Self::standalone() }
    }

    /// A task that was started by itself.
    #[must_use]
    pub const fn standalone() -> Self {
        Self { service: None, task_role: true, throttled: 0, late: 0, latency: Duration::ZERO, instance_metadata: true }
    }

    /// The task has no role, so the agent can ask ECS nothing in its name.
    #[must_use]
    pub const fn without_task_role(mut self) -> Self {
        self.task_role = false;
        self
    }

    /// ECS throttles the first calls.
    #[must_use]
    pub const fn throttled(mut self, calls: u32) -> Self {
        self.throttled = calls;
        self
    }

    /// The first requests meet an agent that is not ready.
    #[must_use]
    pub const fn late(mut self, requests: u32) -> Self {
        self.late = requests;
        self
    }

    /// Sets the time before every answer.
    #[must_use]
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Instance metadata is switched off: it answers 403 to the question for a token.
    #[must_use]
    pub const fn without_instance_metadata(mut self) -> Self {
        self.instance_metadata = false;
        self
    }
}

/// One wish for protection that had the right form, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// On or off.
    pub enabled: bool,
    /// As sent.
    pub minutes: Option<i64>,
    /// Time since the stand-in started.
    pub at: Duration,
    /// Status of the answer. A standalone task gets 200, too: see [`Put::granted`].
    pub status: u16,
    /// Whether ECS did it.
    pub granted: bool,
}

/// One request as it was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method as sent.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
    /// Time since the stand-in started.
    pub at: Duration,
}

/// A running stand-in. Stops when dropped.
#[derive(Debug)]
pub struct Ecs {
    server: Mutex<Server>,
    shared: Arc<Shared>,
}

impl Ecs {
    /// Starts on a free loopback port.
    ///
    /// # Panics
    /// When no loopback port can be bound.
    #[must_use]
    pub fn start(rules: Rules) -> Self {
        let server = Server::start(rules);
        Self { shared: Arc::clone(&server.shared), server: Mutex::new(server) }
    }

    /// Makes the same addresses good in the network of another process, too: PID 1 of a box with a network of its own.
    ///
    /// # Panics
    /// When that network can not be entered (needs root).
    pub fn reach_from(&self, pid: Pid) {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).reach_from(pid);
    }

    /// What ECS sets as `ECS_CONTAINER_METADATA_URI_V4`.
    #[must_use]
    pub fn metadata_uri(&self) -> String {
        format!("{}/v4/{}", self.instance_metadata_url(), self.shared.container)
    }

    /// What ECS sets as `ECS_AGENT_URI`.
    #[must_use]
    pub fn agent_uri(&self) -> String {
        format!("{}/api/{}", self.instance_metadata_url(), self.shared.container)
    }

    /// What stands for `http://169.254.169.254`.
    #[must_use]
    pub fn instance_metadata_url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// The last part of the task's ARN.
    #[must_use]
    pub fn task_id(&self) -> String {
        self.shared.task.clone()
    }

    /// Every wish for protection, in order.
    #[must_use]
    pub fn protections(&self) -> Vec<Put> {
        self.shared.with(|world| world.protections.clone())
    }

    /// Until when the task is protected; `None` when it is not, or no longer.
    #[must_use]
    pub fn protected_until(&self) -> Option<SystemTime> {
        self.shared.with(|world| world.protected_until())
    }

    /// From now on instance metadata tells that the instance is terminated after `span`.
    pub fn announce_spot(&self, span: Duration) {
        self.shared.with(|world| world.spot_ends = Some(SystemTime::now() + span));
    }

    /// Every token that instance metadata gave is over.
    pub fn expire_tokens(&self) {
        self.shared.with(|world| world.tokens.clear());
    }

    /// Everything that was asked and answered, in order of the answers.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.with(|world| world.log.clone())
    }

    /// How long it runs: the clock of [`Put::at`] and [`Seen::at`].
    #[must_use]
    pub fn age(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// When `deadline` passes first; the message has `what` and everything that was asked.
    pub fn wait_for(&self, what: &str, deadline: Duration, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + deadline;
        while !condition(self) {
            assert!(Instant::now() < end, "waited {deadline:?} for: {what}\n{:#?}", self.requests());
            self.shared.wait_for_change(Duration::from_millis(20));
        }
    }
}
