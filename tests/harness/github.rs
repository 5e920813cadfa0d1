//! The GitHub stand-in: a real HTTP server on loopback that behaves as the runner parts of GitHub's REST API do.
//!
//! Owns the server's life and the handle tests hold. What GitHub answers is in `rest`, what a runner asks in
//! `runner_side` (not GitHub's own protocol, ours), what `config.sh` asks in `config_side`, what an App signs in `app`,
//! what goes wrong on purpose in `script`.
//! Must not know the programs under test.

mod app;
mod blob;
mod clock;
mod config_side;
mod limits;
mod log;
mod offer;
mod rest;
mod route;
mod rules;
mod runner_side;
mod script;
mod server;
mod token;
mod wire;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use app::{Account, App};
pub use limits::SecondaryLimit;
pub use log::Seen;
pub use offer::Offer;
pub use route::{Route, Scope};
pub use rules::{Group, Prefix, Rules, Token};
pub use script::Step;
pub use token::Traits;
pub use world::{Finished, Job, Order, Runner};

use nix::unistd::Pid;
use server::{Server, Shared};
use world::World;

/// A running stand-in. Stops when dropped.
#[derive(Debug)]
pub struct GitHub {
    server: Mutex<Server>,
    shared: Arc<Shared>,
}

impl GitHub {
    /// Starts on a free loopback port.
    ///
    /// # Panics
    /// When no loopback port can be bound.
    #[must_use]
    pub fn start(rules: Rules) -> Self {
        Self::start_on(rules, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts on the given address (port 0 = any).
    ///
    /// # Panics
    /// When the address can not be bound.
    #[must_use]
    pub fn start_on(rules: Rules, address: SocketAddr) -> Self {
        let server = Server::start(rules, address);
        Self { shared: Arc::clone(&server.shared), server: Mutex::new(server) }
    }

    /// Base address as a user would set it in `GITHUB_API_URL`, with `/api/v3` when the rules say so.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.api_url()
    }

    /// Base address of pages, as a user would give it to `config.sh --url` with the target's path behind it.
    #[must_use]
    pub fn web_url(&self) -> String {
        self.shared.root_url()
    }

    /// Makes the same address good in the network of another process, too: PID 1 of a box with a network of its own.
    ///
    /// # Panics
    /// When that network can not be entered (needs root).
    pub fn reach_from(&self, pid: Pid) {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).reach_from(pid);
    }

    /// Puts steps at the end of the queue of `route`: each request there takes the next one; with none left it is
    /// answered really.
    pub fn script(&self, route: Route, steps: impl IntoIterator<Item = Step>) {
        self.with(|world| world.scripts.entry(route).or_default().extend(steps));
    }

    /// How many scripted steps of `route` were not used yet.
    #[must_use]
    pub fn unused_steps(&self, route: Route) -> usize {
        self.with(|world| world.scripts.get(&route).map_or(0, std::collections::VecDeque::len))
    }

    /// The gate that steps name with [`Step::at_gate`] or [`Step::then_gate`].
    #[must_use]
    pub fn gate<'a>(&'a self, name: &'a str) -> Gate<'a> {
        Gate { github: self, name }
    }

    /// Queues a job; the first connected runner that asks gets it.
    pub fn queue_job(&self, job: Job) {
        self.with(|world| world.jobs.push_back(job));
    }

    /// Queues what the next runner that connects is told to do (exit with a code, be refused, ...).
    pub fn order_next_runner(&self, order: Order) {
        self.with(|world| world.orders.push_back(order));
    }

    /// Runners registered now, oldest first. Ephemeral ones that await removal after their job still count.
    #[must_use]
    pub fn registered(&self) -> Vec<Runner> {
        self.with(|world| world.runners.clone())
    }

    /// Every runner that was ever registered, in order.
    #[must_use]
    pub fn ever_registered(&self) -> Vec<Runner> {
        self.with(|world| world.history.clone())
    }

    /// Jobs that ended, in order.
    #[must_use]
    pub fn finished(&self) -> Vec<Finished> {
        self.with(|world| world.finished.clone())
    }

    /// Jobs nobody took yet.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.with(|world| world.jobs.len())
    }

    /// Takes a registration away, as the service does with idle runners.
    pub fn forget(&self, id: u64) {
        self.with(|world| world.runners.retain(|runner| runner.id != id));
    }

    /// Registers a runner as somebody else would (an offline leftover, say) and gives its id.
    pub fn plant(&self, scope: &Scope, name: &str) -> u64 {
        self.with(|world| world.plant(scope, name))
    }

    /// Registers a runner as a fleet manager would and gives the address where its JIT configuration can be fetched once, as text or
    /// as JSON.
    #[must_use]
    pub fn offer_jit(&self, scope: &Scope, name: &str, as_json: bool) -> Offer {
        let root = self.shared.root_url();
        self.with(|world| offer::make(world, scope, name, as_json, &root))
    }

    /// Ends the life of every token that has one: Apps' and `config.sh`'s.
    pub fn expire_tokens(&self) {
        let now = Instant::now();
        self.with(|world| {
            world.installation_tokens.iter_mut().for_each(|token| token.expires = now);
            world.config_tokens.iter_mut().for_each(|token| token.expires = now);
        });
    }

    /// How long it runs: the clock of [`Seen::at`].
    #[must_use]
    pub fn age(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Everything that was asked, in order of arrival, including requests whose answer was lost.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.with(|world| world.log.clone())
    }

    /// What was asked on one route.
    #[must_use]
    pub fn requests_of(&self, route: Route) -> Vec<Seen> {
        self.requests().into_iter().filter(|seen| seen.route == route).collect()
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// When `deadline` passes first; the message has `what`, the runners and the request log.
    pub fn wait_for(&self, what: &str, deadline: Duration, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + deadline;
        while !condition(self) {
            assert!(Instant::now() < end, "waited {deadline:?} for: {what}\n{}", self.transcript());
            self.shared.wait_for_change(Duration::from_millis(20));
        }
    }

    /// # Panics
    /// When a runner is still registered.
    pub fn assert_nobody_registered(&self) {
        let left = self.registered();
        assert!(left.is_empty(), "still registered: {left:#?}\n{}", self.transcript());
    }

    /// # Panics
    /// When a known token, or any bearer value that was sent, stands in the address of a request.
    pub fn assert_no_secret_in_urls(&self) {
        let known: Vec<String> = self.with(|world| world.rules.tokens.iter().map(|token| token.secret.clone()).collect());
        for seen in self.requests() {
            let bearer = seen.header("authorization").and_then(|value| value.split_once(' ')).map(|(_, secret)| secret.to_owned());
            for secret in known.iter().chain(bearer.iter()).filter(|secret| secret.len() >= 8) {
                assert!(!seen.path.contains(secret.as_str()), "a secret in the address of {} {}", seen.method, seen.route);
            }
        }
    }

    /// Runners and requests as text, for the message of a failed test. Has no secrets.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.with(|world| world.transcript())
    }

    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.shared.with(act)
    }
}

/// A place where the handler of a request stops until the test opens it.
#[derive(Debug)]
pub struct Gate<'a> {
    github: &'a GitHub,
    name: &'a str,
}

impl Gate<'_> {
    /// Waits until a request stands at the gate (or went through it).
    ///
    /// # Panics
    /// When `deadline` passes first.
    pub fn wait_reached(&self, deadline: Duration) {
        self.github.wait_for(&format!("a request at gate {}", self.name), deadline, |github| {
            github.with(|world| world.gates.get(self.name).is_some_and(|gate| gate.reached > 0))
        });
    }

    /// Lets every request through, now and later.
    pub fn open(&self) {
        self.github.with(|world| world.gates.entry(self.name.to_owned()).or_default().open = true);
    }
}
