//! The state of the service: runners, jobs, gates, scripts, the log. Owns what is true; must not know HTTP.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::app::InstallationToken;
use super::blob::random_text;
use super::config_side::ConfigToken;
use super::offer::Waiting;
use super::{Route, Rules, Scope, Seen, Step};

/// A registered runner.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Number in the API.
    pub id: u64,
    /// Unique in its scope while registered.
    pub name: String,
    /// Where it is registered.
    pub scope: Scope,
    /// Its group's number.
    pub group: u64,
    /// Labels as stored: lower case.
    pub labels: Vec<String>,
    /// Has a session.
    pub online: bool,
    /// Has a job, or had one and is not removed yet.
    pub busy: bool,
    /// Goes with its job.
    pub ephemeral: bool,
    /// Version told at the first connect.
    pub version: Option<String>,
    pub(super) session_secret: String,
    pub(super) removed_at: Option<Instant>,
}

/// A job for whoever asks first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Shown in the runner's lines.
    pub name: String,
    /// Shell scripts, run by `bash -e` one after the other until one fails.
    pub steps: Vec<String>,
    /// The result to report whatever the steps say.
    pub result: Option<String>,
    /// Milliseconds between SIGINT, SIGTERM and SIGKILL of a cancelled step; the runner's own are 7500 and 2500.
    pub cancel_pace: (u64, u64),
    /// Milliseconds the Listener has after SIGTERM; the runner's own are 30000.
    pub unload_limit: u64,
    /// What the Listener does after the job instead of leaving with 0.
    pub then: Option<Order>,
}

impl Job {
    /// A job of one script.
    #[must_use]
    pub fn new(name: &str, script: &str) -> Self {
        let steps = vec![script.to_owned()];
        Self { name: name.into(), steps, result: None, cancel_pace: (7_500, 2_500), unload_limit: 30_000, then: None }
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, script: &str) -> Self {
        self.steps.push(script.into());
        self
    }

    /// Reports this result whatever the steps say.
    #[must_use]
    pub fn result(mut self, result: &str) -> Self {
        self.result = Some(result.into());
        self
    }

    /// Time between SIGINT and SIGTERM, and between SIGTERM and SIGKILL, of a cancelled step.
    #[must_use]
    pub fn cancel_pace(mut self, int_to_term: Duration, term_to_kill: Duration) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.cancel_pace = (millis(int_to_term), millis(term_to_kill));
        self
    }

    /// What the Listener does after the job.
    #[must_use]
    pub fn then(mut self, order: Order) -> Self {
        self.then = Some(order);
        self
    }
}

/// What a stand-in runner is told to do instead of its duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Leave with this code.
    Exit(u8),
    /// Kill itself with SIGKILL.
    Die,
    /// Another session is there already (ends in exit code 5).
    Conflict,
    /// Be gone from the service while listening: the registration is removed, the Listener cleans up and leaves with 0.
    Vanish,
    /// Update itself: leave with 4 (3 when not for one job); `update.finished` appears in its directory afterwards.
    Update,
}

/// A runner to be registered.
#[derive(Debug)]
pub(super) struct NewRunner<'a> {
    pub(super) scope: Scope,
    pub(super) name: &'a str,
    pub(super) group: u64,
    pub(super) labels: Vec<String>,
    pub(super) ephemeral: bool,
}

/// A job that ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its name.
    pub job: String,
    /// Name of the runner that had it.
    pub runner: String,
    /// As reported: Succeeded, Failed, Canceled.
    pub result: String,
    /// What the step "Set up job" printed of the machine.
    pub set_up: String,
    /// What the other steps wrote, both streams.
    pub log: String,
}

#[derive(Debug, Default)]
pub(super) struct GateState {
    pub(super) open: bool,
    pub(super) reached: usize,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) runners: Vec<Runner>,
    pub(super) history: Vec<Runner>,
    pub(super) jobs: VecDeque<Job>,
    pub(super) orders: VecDeque<Order>,
    pub(super) finished: Vec<Finished>,
    pub(super) scripts: HashMap<Route, VecDeque<Step>>,
    pub(super) gates: HashMap<String, GateState>,
    pub(super) log: Vec<Seen>,
    pub(super) calls: u64,
    /// Changes of the last second.
    pub(super) changes: Vec<Instant>,
    /// What set the signatures of Apps apart.
    pub(super) signatures: HashSet<String>,
    pub(super) installation_tokens: Vec<InstallationToken>,
    pub(super) config_tokens: Vec<ConfigToken>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) stopping: bool,
    last_id: u64,
}

impl World {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            runners: Vec::new(),
            history: Vec::new(),
            jobs: VecDeque::new(),
            orders: VecDeque::new(),
            finished: Vec::new(),
            scripts: HashMap::new(),
            gates: HashMap::new(),
            log: Vec::new(),
            calls: 0,
            changes: Vec::new(),
            signatures: HashSet::new(),
            installation_tokens: Vec::new(),
            config_tokens: Vec::new(),
            waiting: Vec::new(),
            stopping: false,
            last_id: 40,
        }
    }

    /// Removes the ephemeral runners whose time after the job is over.
    pub(super) fn expire(&mut self, now: Instant) {
        self.runners.retain(|runner| runner.removed_at.is_none_or(|at| at > now));
    }

    pub(super) fn register(&mut self, new: NewRunner<'_>) -> Runner {
        self.last_id += 1;
        let runner = Runner {
            id: self.last_id,
            name: new.name.into(),
            scope: new.scope,
            group: new.group,
            labels: new.labels,
            ephemeral: new.ephemeral,
            online: false,
            busy: false,
            version: None,
            session_secret: random_text(36),
            removed_at: None,
        };
        self.runners.push(runner.clone());
        self.history.push(runner.clone());
        runner
    }

    pub(super) fn plant(&mut self, scope: &Scope, name: &str) -> u64 {
        let labels = vec!["self-hosted".into()];
        self.register(NewRunner { scope: scope.clone(), name, group: 1, labels, ephemeral: true }).id
    }

    /// The runner a session belongs to.
    pub(super) fn session(&mut self, id: u64, secret: &str) -> Option<&mut Runner> {
        self.runners.iter_mut().find(|runner| runner.id == id && runner.session_secret == secret)
    }

    pub(super) fn transcript(&self) -> String {
        let mut text = String::from("--- the GitHub stand-in\n");
        for runner in &self.runners {
            let _ = writeln!(text, "registered: {} {} online={} busy={}", runner.id, runner.name, runner.online, runner.busy);
        }
        for seen in &self.log {
            let status = seen.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let _ = writeln!(text, "{:>9.3?} {} {} -> {status}", seen.at, seen.method, seen.path);
        }
        for done in &self.finished {
            let _ = writeln!(text, "job {} on {}: {}\n{}", done.job, done.runner, done.result, done.log);
        }
        let _ = writeln!(text, "jobs waiting: {}", self.jobs.len());
        text
    }
}
