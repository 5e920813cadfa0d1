//! The life of one runner as a pure machine: what happens next, for every event in every phase.
//!
//! No clock, process, file, network or environment: those are `effects`' and the driver's. How long things may take stands in `stages`.

mod preparing;
mod protecting;
mod registering;
mod restoring;
mod running;
mod settling;
mod stopping;
#[cfg(test)]
mod tests;

use std::time::Duration;

use supervise::{Action, ChildEnd, Event, Level, Machine, Signal, SpawnError, State, Target};

use preparing::Part;
pub(crate) use restoring::RESTORING;
use restoring::Restore;

use crate::{
    stages::{AFTER_KILL, Ending, LEFTOVER_GRACE, StopBudget},
    words::{Job, Note, Obligation, Outcome, Registration, Removal, Role, Timer, Words},
};

type Actions = Vec<Action<Words>>;

/// The process that takes jobs; started by `run.sh` it is a grandchild.
const LISTENER: &str = "Runner.Listener";

/// What this life consists of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    /// Before anything else.
    pub(crate) start_delay: Duration,
    /// Ask the platform which task this is.
    pub(crate) find_task: bool,
    /// Wait for docker before the runner starts.
    pub(crate) docker: bool,
    /// Restore the tool cache, at most this long.
    pub(crate) restore: Option<Duration>,
    /// The runner does not wait for the restore; its job does, in a hook.
    pub(crate) before_job: bool,
    /// Save the tool cache after a job, at most this long.
    pub(crate) save: Option<Duration>,
    /// How long `config.sh` may take, where it registers the runner.
    pub(crate) configure: Duration,
    /// Who can remove the registration.
    pub(crate) removal: RemovedBy,
    /// How long the runner may be idle.
    pub(crate) idle_timeout: Option<Duration>,
    /// How long the whole life may be.
    pub(crate) max_lifetime: Option<Duration>,
    /// Protect the task from scale-in while a job runs.
    pub(crate) protect: bool,
    /// Watch for the end of the machine.
    pub(crate) spot: bool,
    /// Tell what the Listener has measured of itself.
    pub(crate) perf: bool,
    /// Serve metrics to whoever asks.
    pub(crate) serve: bool,
    /// What a stop may take.
    pub(crate) stop: StopBudget,
    /// Signals that ask for a stop; others are ignored.
    pub(crate) stop_signals: Vec<i32>,
}

/// Who can remove a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RemovedBy {
    /// We, by the API.
    Api,
    /// We, by `config.sh remove`: there is nothing but a registration token.
    ConfigSh,
    /// Whoever made it.
    Others,
}

/// Where the life stands. Data lives in the phase in which it means something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    /// Is everything there? Waiting to begin, looking, asking the platform; true = still under way.
    Checking { delayed: bool, looking: bool, finding: bool },
    /// Cache, docker and registration, side by side, the cache perhaps longer; true = still under way.
    Preparing { docker: bool, register: Register },
    /// The runner lives, or is about to be started again.
    Running { alive: bool, listening: bool },
    /// The runner is to end.
    Draining(Drain),
    /// The runner is gone; what it left is being stopped.
    Killing,
    /// Paying what is owed; true = still under way.
    Settling { saving: bool, deregistering: bool, unprotecting: bool, reading: bool },
    /// Over.
    Done,
}

/// How far the registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Register {
    Over,
    /// No request is on its way.
    Going,
    /// GitHub has a request and has not answered.
    Asked,
    /// `config.sh` lives.
    Configuring,
    /// `config.sh` has registered it, and what it wrote is being read.
    Reading,
    /// Nobody wants it any more, and what was told of it until now is still being heard.
    Recalled,
}

/// How far the end of the runner has come while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Drain {
    /// GitHub is asked to remove the registration: 204 = no job can come any more, 422 = one is there.
    Asking,
    /// The runner is gone already, often because it was told of its removal before we were.
    Answering,
    /// A job is running and may end.
    Waiting,
    /// The Listener was told to end (SIGINT), and cancels its job if it has one.
    Ending,
    /// The runner was killed.
    Killed,
}

/// What is known about the one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum JobState {
    None,
    Running,
    Completed,
}

/// Who asked for the stop that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Cause {
    /// The platform, whose time is running.
    Signal,
    /// Our own limit, or a notice: a signal may still follow, and is then the first one.
    Foreseen,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lifecycle {
    plan: Plan,
    phase: Phase,
    restore: Restore,
    /// What must still be undone, in the order taken on.
    owed: Vec<Obligation>,
    stopping: Option<Cause>,
    /// The parts of the stop under way.
    budget: StopBudget,
    /// Why an idle runner is ended; the first reason counts.
    reason: Option<Ending>,
    /// Why it ends; the first reason counts.
    ending: Option<Ending>,
    job: JobState,
    /// The Listener's own exit code, from `run.sh`'s line about it.
    listener_code: Option<u8>,
    relaunches: u8,
    /// GitHub said to `config.sh` that the token is no good.
    token_refused: bool,
    /// GitHub said to `config.sh remove` that the runner has a job.
    removal_refused: bool,
}

impl Lifecycle {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            phase: Phase::Checking { delayed: !plan.start_delay.is_zero(), looking: true, finding: plan.find_task },
            restore: Restore::Over,
            budget: plan.stop,
            plan,
            owed: Vec::new(),
            stopping: None,
            reason: None,
            ending: None,
            job: JobState::None,
            listener_code: None,
            relaunches: 0,
            token_refused: false,
            removal_refused: false,
        }
    }

    fn publish(&self) -> Action<Words> {
        let (phase, ready) = match &self.phase {
            Phase::Checking { .. } => ("checking", false),
            Phase::Preparing { .. } => ("preparing", false),
            Phase::Running { listening, .. } => ("running", *listening),
            Phase::Draining(_) => ("draining", false),
            Phase::Killing => ("killing", false),
            Phase::Settling { .. } => ("settling", false),
            Phase::Done => ("done", false),
        };
        let owes = self.owed.iter().rev().map(Obligation::to_string).collect();
        Action::Publish(State { phase, ready, busy: self.job == JobState::Running, pending: self.pending(), owes })
    }

    fn enter(&mut self, phase: Phase) -> Action<Words> {
        self.phase = phase;
        self.publish()
    }

    fn end_as(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// How a life ends in which nothing went wrong.
    fn as_intended(&self) -> Ending {
        match self.job {
            JobState::None => self.reason.unwrap_or(Ending::Withdrawn),
            JobState::Running | JobState::Completed => Ending::JobDone,
        }
    }

    fn owe(&mut self, obligation: Obligation) {
        if !self.owed.contains(&obligation) {
            self.owed.push(obligation);
        }
    }

    fn registration(&self) -> Option<Registration> {
        self.owed.iter().rev().find_map(|owed| match owed {
            Obligation::Deregister(registration) => Some(registration.clone()),
            Obligation::SaveCache | Obligation::Unprotect => None,
        })
    }

    fn paid(&mut self, registration: &Registration) {
        self.owed.retain(|owed| !matches!(owed, Obligation::Deregister(known) if known == registration));
    }

    /// The runner is gone, or never came. What is left of the job must be dead before the cache is read: a build daemon that still
    /// writes would tear what we save.
    fn leave(&mut self) -> Actions {
        self.end_as(self.as_intended());
        let grace = if self.stopping.is_some() { self.budget.kill } else { LEFTOVER_GRACE };
        let mut actions = self.stop_asking();
        actions.extend(self.end_restore());
        actions.extend(self.stop_watching());
        actions.extend([self.enter(Phase::Killing), Action::Disarm(Timer::Drain), Action::Disarm(Timer::Cancel)]);
        actions.extend([
            Action::Disarm(Timer::Restore),
            Action::Signal(Target::Everything, Signal::TERM),
            Action::Arm(Timer::Leftovers, grace),
        ]);
        actions
    }

    /// What is of use only while a job runs or may come. Errands are processes, and must not be taken for what the job left.
    fn stop_watching(&self) -> Actions {
        let mut actions = vec![Action::Disarm(Timer::Idle), Action::Disarm(Timer::Lifetime)];
        if self.plan.spot {
            actions.push(Action::Abandon(Job::WatchSpot));
        }
        if self.plan.serve {
            actions.push(Action::Abandon(Job::ServeMetrics));
        }
        if self.plan.protect {
            actions.extend([Action::Disarm(Timer::Protection), Action::Abandon(Job::Protect(true))]);
        }
        actions
    }

    /// Begins one removal of `registration`.
    fn ask(&mut self, registration: Registration) -> Action<Words> {
        self.removal_refused = false;
        match self.plan.removal {
            RemovedBy::ConfigSh => Action::Spawn(Role::Unconfigure),
            RemovedBy::Api | RemovedBy::Others => Action::Run(Job::Deregister(registration)),
        }
    }

    /// Gives up the removal under way.
    fn drop_ask(&self) -> Actions {
        match (self.plan.removal, self.registration()) {
            (RemovedBy::ConfigSh, _) => vec![Action::Signal(Target::Group(Role::Unconfigure), Signal::KILL)],
            (_, Some(registration)) => vec![Action::Abandon(Job::Deregister(registration))],
            (_, None) => vec![],
        }
    }

    /// A removal under way is dropped; the end of the life asks again, and "already gone" is as good an answer.
    fn stop_asking(&self) -> Actions {
        match self.phase {
            Phase::Draining(Drain::Asking | Drain::Answering) => [Action::Disarm(Timer::Ask)].into_iter().chain(self.drop_ask()).collect(),
            _ => vec![],
        }
    }

    fn kill_leftovers(&mut self) -> Actions {
        vec![
            Action::Disarm(Timer::Leftovers),
            Action::Say(Level::Warn, "processes of the job ignore SIGTERM; killing them".to_owned()),
            Action::Signal(Target::Everything, Signal::KILL),
            Action::Arm(Timer::AfterKill, AFTER_KILL),
        ]
    }

    fn expired(&mut self, timer: Timer) -> Actions {
        match (&self.phase, timer) {
            (_, Timer::Budget) => self.out_of_time(),
            (_, Timer::Lifetime) => self.lived_long_enough(),
            (Phase::Checking { .. }, Timer::StartDelay) => self.begin(),
            (Phase::Preparing { .. } | Phase::Running { .. } | Phase::Draining(_), Timer::Restore) => self.restore_expired(),
            (Phase::Preparing { .. }, Timer::Configure | Timer::Answer) => self.registering_expired(timer),
            (Phase::Running { alive: false, .. }, Timer::Relaunch) => self.start_runner(),
            (Phase::Running { alive: true, .. }, Timer::Idle) => self.idle_too_long(),
            (Phase::Running { .. }, Timer::Protection) => self.protect(),
            (Phase::Draining(Drain::Asking | Drain::Answering), Timer::Ask) => {
                let mut actions = self.drop_ask();
                actions.extend(self.asked(Removal::Failed("GitHub did not answer in time".to_owned())));
                actions
            }
            (Phase::Draining(Drain::Waiting), Timer::Drain) => self.end_listener(),
            (Phase::Draining(Drain::Ending), Timer::Cancel) => self.kill_runner(),
            (Phase::Draining(Drain::Killed), Timer::AfterKill) | (Phase::Killing, Timer::AfterKill) => self.settle(),
            (Phase::Killing, Timer::Leftovers) => self.kill_leftovers(),
            (Phase::Settling { .. }, timer) => self.settling_expired(timer),
            _ => vec![],
        }
    }

    fn out_of_time(&mut self) -> Actions {
        if self.job == JobState::Running {
            self.ending = Some(Ending::JobCut);
        }
        let mut actions = vec![Action::Say(Level::Error, "the stop budget is used up; leaving now".to_owned())];
        actions.extend(self.finish());
        actions
    }

    fn child_ended(&mut self, role: Role, end: ChildEnd) -> Actions {
        match role {
            Role::Runner => match self.phase {
                Phase::Running { .. } | Phase::Draining(_) => self.runner_ended(end),
                Phase::Checking { .. } | Phase::Preparing { .. } | Phase::Killing | Phase::Settling { .. } | Phase::Done => vec![],
            },
            Role::Restore => self.restored(end),
            Role::Configure => self.configured(end),
            Role::Save => self.saved(end),
            Role::Unconfigure => {
                let removal = match end {
                    ChildEnd::Code(0) => Removal::Gone,
                    _ if self.removal_refused => Removal::Busy,
                    _ => Removal::Failed(format!("config.sh remove: {end}; its lines above say why")),
                };
                self.asked(removal)
            }
        }
    }

    fn not_started(&mut self, role: Role, error: &SpawnError) -> Actions {
        match role {
            Role::Runner => {
                self.end_as(Ending::Unavailable);
                let mut actions = vec![Action::Say(Level::Error, error.to_string())];
                actions.extend(self.leave());
                actions
            }
            Role::Restore | Role::Configure | Role::Save | Role::Unconfigure => {
                let mut actions = vec![Action::Say(Level::Warn, error.to_string())];
                actions.extend(self.child_ended(role, ChildEnd::Code(error.exit_code())));
                actions
            }
        }
    }
}

impl Machine<Words> for Lifecycle {
    fn on(&mut self, event: Event<Words>) -> Actions {
        match event {
            Event::Started => self.started(),
            Event::Signal(signal) => self.signal(signal),
            Event::ChildEnded(role, end) => self.child_ended(role, end),
            Event::SpawnFailed(role, error) => self.not_started(role, &error),
            Event::Told(outcome) => self.told(outcome),
            Event::Noted(note) => self.noted(note),
            Event::Expired(timer) => self.expired(timer),
            Event::Alone => match self.phase {
                Phase::Killing => self.settle(),
                _ => vec![],
            },
        }
    }
}
