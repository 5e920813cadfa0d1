//! The life of one runner as a pure machine: what happens next, for every event in every phase.
//!
//! No clock, process, file, network or environment: those are `effects`' and the driver's. How long things may take stands in `stages`.

mod settling;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use supervise::{Action, ChildEnd, Event, Level, Machine, Signal, SpawnError, State, Target};

pub(crate) use words::{Job, Note, Obligation, Outcome, Registration, Removal, Role, Timer, Words};

use crate::stages::{AFTER_KILL, Ending, LEFTOVER_GRACE, RELAUNCH_PAUSE, RELAUNCHES, StopBudget};

type Actions = Vec<Action<Words>>;

/// The process that takes jobs; started by `run.sh` it is a grandchild.
const LISTENER: &str = "Runner.Listener";

/// What this life consists of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    /// Wait for docker before the runner starts.
    pub(crate) docker: bool,
    /// Restore the tool cache, at most this long.
    pub(crate) restore: Option<Duration>,
    /// Save the tool cache after a job, at most this long.
    pub(crate) save: Option<Duration>,
    /// What a stop may take.
    pub(crate) stop: StopBudget,
    /// Signals that ask for a stop; others are ignored.
    pub(crate) stop_signals: Vec<i32>,
}

/// Where the life stands. Data lives in the phase in which it means something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    /// Is everything there?
    Checking,
    /// Cache, docker and registration, side by side; true = still under way.
    Preparing { restore: Restore, docker: bool, register: Register },
    /// The runner lives, or is about to be started again.
    Running { alive: bool, listening: bool },
    /// The runner is to end.
    Draining(Drain),
    /// The runner is gone; what it left is being stopped.
    Killing,
    /// Paying what is owed.
    Settling { saving: bool, deregistering: bool },
    /// Over.
    Done,
}

/// How far the restore of the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Restore {
    Over,
    Going,
    /// It was killed, and is waited for only for a moment: on a mount that does not answer it never ends.
    Killed,
}

/// How far the registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Register {
    Over,
    /// No request is on its way.
    Going,
    /// GitHub has a request and has not answered.
    Asked,
}

/// How far a stop has come while the runner lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Drain {
    /// GitHub is asked to remove the registration: 204 = no job can come any more, 422 = one is there.
    Asking,
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

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lifecycle {
    plan: Plan,
    phase: Phase,
    /// What must still be undone, in the order taken on.
    owed: Vec<Obligation>,
    stopping: bool,
    /// Why it ends; the first reason counts.
    ending: Option<Ending>,
    job: JobState,
    /// The Listener's own exit code, from `run.sh`'s line about it.
    listener_code: Option<u8>,
    relaunches: u8,
}

impl Lifecycle {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            phase: Phase::Checking,
            owed: Vec::new(),
            stopping: false,
            ending: None,
            job: JobState::None,
            listener_code: None,
            relaunches: 0,
        }
    }

    fn publish(&self) -> Action<Words> {
        let (phase, ready) = match &self.phase {
            Phase::Checking => ("checking", false),
            Phase::Preparing { .. } => ("preparing", false),
            Phase::Running { listening, .. } => ("running", *listening),
            Phase::Draining(_) => ("draining", false),
            Phase::Killing => ("killing", false),
            Phase::Settling { .. } => ("settling", false),
            Phase::Done => ("done", false),
        };
        let owes = self.owed.iter().rev().map(Obligation::to_string).collect();
        Action::Publish(State { phase, ready, busy: self.job == JobState::Running, owes })
    }

    fn enter(&mut self, phase: Phase) -> Action<Words> {
        self.phase = phase;
        self.publish()
    }

    fn end_as(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    fn registration(&self) -> Option<Registration> {
        self.owed.iter().rev().find_map(|owed| match owed {
            Obligation::Deregister(registration) => Some(registration.clone()),
            Obligation::SaveCache => None,
        })
    }

    fn paid(&mut self, registration: &Registration) {
        self.owed.retain(|owed| !matches!(owed, Obligation::Deregister(known) if known == registration));
    }

    // --- Checking and Preparing -----------------------------------------------------------------------------------------------------

    fn checked(&mut self, checked: Result<(), String>) -> Actions {
        match (checked, self.stopping) {
            (Err(problems), _) => {
                self.end_as(Ending::Configuration);
                vec![Action::Say(Level::Error, problems), self.enter(Phase::Done), Action::Exit(Ending::Configuration.code())]
            }
            (Ok(()), true) => self.leave(),
            (Ok(()), false) => self.prepare(),
        }
    }

    fn prepare(&mut self) -> Actions {
        let restore = if self.plan.restore.is_some() { Restore::Going } else { Restore::Over };
        let mut actions =
            vec![self.enter(Phase::Preparing { restore, docker: self.plan.docker, register: Register::Going }), Action::Run(Job::Register)];
        if self.plan.docker {
            actions.push(Action::Run(Job::WaitForDocker));
        }
        if let Some(budget) = self.plan.restore {
            actions.extend([Action::Spawn(Role::Restore), Action::Arm(Timer::Restore, budget)]);
        }
        actions
    }

    /// A part of the preparation is over.
    fn prepared(&mut self, part: Part) -> Actions {
        if let Phase::Preparing { restore, docker, register } = &mut self.phase {
            match part {
                Part::Restore => *restore = Restore::Over,
                Part::Docker => *docker = false,
                Part::Register => *register = Register::Over,
            }
        }
        self.go_on()
    }

    /// With all parts over the runner can start or, when the life is already ending, end.
    fn go_on(&mut self) -> Actions {
        match self.phase {
            Phase::Preparing { restore: Restore::Over, docker: false, register: Register::Over }
                if self.stopping || self.ending.is_some() =>
            {
                self.leave()
            }
            Phase::Preparing { restore: Restore::Over, docker: false, register: Register::Over } => self.start_runner(),
            _ => vec![],
        }
    }

    /// A part failed in a way that ends the life.
    fn give_up(&mut self, part: Part, ending: Ending, why: String) -> Actions {
        self.end_as(ending);
        if let Phase::Preparing { docker, register, .. } = &mut self.phase {
            match part {
                Part::Restore => {}
                Part::Docker => *docker = false,
                Part::Register => *register = Register::Over,
            }
        }
        let mut actions = vec![Action::Say(Level::Error, why)];
        actions.extend(self.stop_preparing());
        actions
    }

    /// Gives up what is being prepared. A registration whose request is on its way is waited for: what GitHub does after we have
    /// looked would stay for ever.
    fn stop_preparing(&mut self) -> Actions {
        let Phase::Preparing { restore, docker, register } = &mut self.phase else { return vec![] };
        let mut actions = Vec::new();
        if *restore == Restore::Going {
            *restore = Restore::Killed;
            actions.extend([Action::Signal(Target::Group(Role::Restore), Signal::KILL), Action::Arm(Timer::Restore, AFTER_KILL)]);
        }
        if std::mem::take(docker) {
            actions.push(Action::Abandon(Job::WaitForDocker));
        }
        match register {
            Register::Over => {}
            Register::Asked => actions.push(Action::Tighten(Timer::Answer, self.plan.stop.settle)),
            Register::Going => {
                *register = Register::Over;
                actions.push(Action::Abandon(Job::Register));
            }
        }
        actions.extend(self.go_on());
        actions
    }

    /// An outcome means something only in the phase that asked for it.
    fn told(&mut self, outcome: Outcome) -> Actions {
        match (&self.phase, outcome) {
            (Phase::Checking, Outcome::Checked(checked)) => self.checked(checked),
            (Phase::Preparing { .. }, Outcome::Docker(Ok(()))) => self.prepared(Part::Docker),
            (Phase::Preparing { .. }, Outcome::Docker(Err(why))) => self.give_up(Part::Docker, Ending::Unavailable, why),
            (Phase::Preparing { .. }, outcome) => self.told_of_registration(outcome),
            (Phase::Running { alive: false, .. }, Outcome::Updated) => self.start_runner(),
            (_, Outcome::Deregistered(removal)) => self.asked(removal),
            _ => vec![],
        }
    }

    fn told_of_registration(&mut self, outcome: Outcome) -> Actions {
        match outcome {
            Outcome::MayExist(name) => {
                self.registering(Register::Asked);
                self.owed.push(Obligation::Deregister(Registration::MayExist(name)));
                vec![self.publish()]
            }
            Outcome::Absent(name) => {
                self.paid(&Registration::MayExist(name));
                self.registering(Register::Going);
                let mut actions = vec![self.publish()];
                actions.extend(self.unless_wanted());
                actions
            }
            Outcome::Waiting(why) => {
                self.registering(Register::Going);
                let mut actions = vec![Action::Say(Level::Warn, why)];
                actions.extend(self.unless_wanted());
                actions
            }
            Outcome::Registered { id, name } => {
                self.paid(&Registration::MayExist(name.clone()));
                self.owed.push(Obligation::Deregister(Registration::Runner { id, name: name.clone() }));
                let said = Action::Say(Level::Info, format!("registered runner {name} (id {id})"));
                let mut actions = vec![said, self.publish(), Action::Disarm(Timer::Answer)];
                actions.extend(self.prepared(Part::Register));
                actions
            }
            Outcome::RegisterFailed { ending, why } => {
                let mut actions = vec![Action::Disarm(Timer::Answer)];
                actions.extend(self.give_up(Part::Register, ending, why));
                actions
            }
            Outcome::Checked(_) | Outcome::Docker(_) | Outcome::Updated | Outcome::Deregistered(_) => vec![],
        }
    }

    fn registering(&mut self, now: Register) {
        if let Phase::Preparing { register, .. } = &mut self.phase {
            *register = now;
        }
    }

    /// With no request on its way a registration that nobody wants any more can be given up.
    fn unless_wanted(&mut self) -> Actions {
        if !self.stopping && self.ending.is_none() {
            return vec![];
        }
        let mut actions = vec![Action::Disarm(Timer::Answer)];
        actions.extend(self.stop_preparing());
        actions
    }

    // --- Running --------------------------------------------------------------------------------------------------------------------

    fn start_runner(&mut self) -> Actions {
        self.listener_code = None;
        vec![self.enter(Phase::Running { alive: true, listening: false }), Action::Spawn(Role::Runner)]
    }

    fn noted(&mut self, note: Note) -> Actions {
        match note {
            Note::Listening => match &mut self.phase {
                Phase::Running { listening, .. } => {
                    *listening = true;
                    vec![self.publish()]
                }
                _ => vec![],
            },
            Note::JobStarted(job) => {
                self.job = JobState::Running;
                if self.plan.save.is_some() && !self.owed.contains(&Obligation::SaveCache) {
                    self.owed.push(Obligation::SaveCache);
                }
                vec![Action::Say(Level::Info, format!("job started: {job}")), self.publish()]
            }
            Note::JobCompleted { job, result } => {
                self.job = JobState::Completed;
                vec![Action::Say(Level::Info, format!("job completed: {job}: {result}")), self.publish()]
            }
            Note::ListenerEnded(code) => {
                self.listener_code = Some(code);
                vec![]
            }
        }
    }

    fn runner_ended(&mut self, end: ChildEnd) -> Actions {
        let code = match (self.listener_code, end) {
            (Some(code), _) => Some(code),
            (None, ChildEnd::Code(code)) => Some(code),
            (None, ChildEnd::Signal(_)) => None,
        };
        if let Phase::Running { alive, listening } = &mut self.phase {
            (*alive, *listening) = (false, false);
        }
        // The service removes an ephemeral runner with its job. For some seconds a DELETE would still be answered "busy".
        if self.job == JobState::Completed && code == Some(0) {
            self.owed.retain(|owed| !matches!(owed, Obligation::Deregister(Registration::Runner { .. })));
        }
        if self.ending.is_some() || !matches!(self.phase, Phase::Running { .. }) {
            return self.leave();
        }
        match code {
            Some(2) => self.relaunch("after an error it calls retryable", Action::Arm(Timer::Relaunch, RELAUNCH_PAUSE)),
            Some(3 | 4) => self.relaunch("after an update of itself", Action::Run(Job::AwaitUpdate)),
            _ => {
                let (ending, level, why) = self.reason(code, end);
                self.end_as(ending);
                let mut actions = vec![Action::Say(level, why)];
                actions.extend(self.leave());
                actions
            }
        }
    }

    /// Listener exit codes: actions/runner `Runner.Common/Constants.cs`, `ReturnCode`.
    fn reason(&self, code: Option<u8>, end: ChildEnd) -> (Ending, Level, String) {
        let job = match self.job {
            JobState::None => "before any job",
            JobState::Running => "with its job unfinished",
            JobState::Completed => "after its job",
        };
        match code {
            Some(0) if self.job == JobState::None => {
                (Ending::Intended, Level::Warn, "the runner ended without a job: its registration was withdrawn".to_owned())
            }
            Some(0 | 100..=105) => (Ending::Intended, Level::Info, format!("the runner ended {job}")),
            Some(1) => (Ending::Unavailable, Level::Error, "the runner gave up (exit code 1); its own lines above say why".to_owned()),
            Some(5) => (Ending::GitHubUnreachable, Level::Error, "GitHub already has a session for this runner (exit code 5)".to_owned()),
            Some(7) => (
                Ending::VersionRefused,
                Level::Error,
                "GitHub refuses this version of the runner (exit code 7)\nhint: rebuild the image with the newest actions/runner release"
                    .to_owned(),
            ),
            _ => (Ending::Unavailable, Level::Error, format!("the runner died {job} ({end})")),
        }
    }

    fn relaunch(&mut self, why: &str, wait: Action<Words>) -> Actions {
        if self.relaunches == RELAUNCHES {
            self.end_as(Ending::GitHubUnreachable);
            let mut actions = vec![Action::Say(
                Level::Error,
                format!("the runner was started {RELAUNCHES} times again and still does not stay; giving up"),
            )];
            actions.extend(self.leave());
            return actions;
        }
        self.relaunches += 1;
        vec![
            self.publish(),
            Action::Say(Level::Warn, format!("the runner ended {why}; starting it again ({} of {RELAUNCHES})", self.relaunches)),
            wait,
        ]
    }

    // --- The stop -------------------------------------------------------------------------------------------------------------------

    fn signal(&mut self, signal: Signal) -> Actions {
        if !self.plan.stop_signals.contains(&signal.number()) || self.phase == Phase::Done {
            return vec![];
        }
        if std::mem::replace(&mut self.stopping, true) { self.hurry() } else { self.stop(signal) }
    }

    fn stop(&mut self, signal: Signal) -> Actions {
        let budget = self.plan.stop;
        let mut actions = vec![
            Action::Say(Level::Info, format!("{signal}: stopping within {} s", budget.total.as_secs())),
            Action::Arm(Timer::Budget, budget.total.saturating_sub(budget.reserve)),
        ];
        actions.extend(match self.phase.clone() {
            Phase::Checking => vec![],
            Phase::Preparing { .. } => self.stop_preparing(),
            Phase::Running { alive: false, .. } => {
                let mut actions = vec![Action::Disarm(Timer::Relaunch), Action::Abandon(Job::AwaitUpdate)];
                actions.extend(self.leave());
                actions
            }
            Phase::Running { alive: true, .. } => self.drain(),
            Phase::Killing => vec![Action::Tighten(Timer::Leftovers, budget.kill)],
            Phase::Settling { .. } => vec![Action::Tighten(Timer::Save, budget.settle), Action::Tighten(Timer::Deregister, budget.settle)],
            Phase::Draining(_) | Phase::Done => vec![],
        });
        actions
    }

    fn drain(&mut self) -> Actions {
        match (self.job, self.registration()) {
            (JobState::None, Some(registration)) => {
                vec![
                    self.enter(Phase::Draining(Drain::Asking)),
                    Action::Run(Job::Deregister(registration)),
                    Action::Arm(Timer::Ask, self.plan.stop.ask),
                ]
            }
            (JobState::None, None) => self.end_listener(),
            (JobState::Running | JobState::Completed, _) => self.wait_for_job(),
        }
    }

    fn wait_for_job(&mut self) -> Actions {
        let drain = self.plan.stop.drain;
        vec![
            self.enter(Phase::Draining(Drain::Waiting)),
            Action::Say(Level::Info, format!("a job is running; it may take {} s more", drain.as_secs())),
            Action::Arm(Timer::Drain, drain),
        ]
    }

    /// SIGINT to the Listener alone: it cancels its job and ends the session in its own time. SIGTERM would have a hidden limit of
    /// 30 s, and a signal to the group would hit the job's steps (actions/runner `Runner.cs`, `HostContext.cs`).
    fn end_listener(&mut self) -> Actions {
        let mut actions = vec![self.enter(Phase::Draining(Drain::Ending))];
        if self.job == JobState::Running {
            self.end_as(Ending::JobCut);
            actions.push(Action::Say(Level::Warn, "the time for the job is over; cancelling it".to_owned()));
        }
        actions.extend([
            Action::Disarm(Timer::Ask),
            Action::Disarm(Timer::Drain),
            Action::Signal(Target::Named(Role::Runner, LISTENER), Signal::INT),
            Action::Arm(Timer::Cancel, self.plan.stop.cancel),
        ]);
        actions
    }

    fn asked(&mut self, removal: Removal) -> Actions {
        if self.phase != Phase::Draining(Drain::Asking) {
            return self.deregistered(removal);
        }
        let mut actions = vec![Action::Disarm(Timer::Ask)];
        match removal {
            Removal::Gone => {
                if let Some(registration) = self.registration() {
                    self.paid(&registration);
                }
                actions.push(Action::Say(Level::Info, "registration removed; no job can come any more".to_owned()));
                // A job that was taken before the answer came is still told to us afterwards; it may end.
                actions.extend(if self.job == JobState::None { self.end_listener() } else { self.wait_for_job() });
            }
            Removal::Busy => actions.extend(self.wait_for_job()),
            Removal::Failed(why) => {
                actions.push(Action::Say(Level::Warn, format!("the registration could not be removed yet: {why}")));
                actions.extend(if self.job == JobState::None { self.end_listener() } else { self.wait_for_job() });
            }
        }
        actions
    }

    /// A second signal: nobody waits any longer for what was being waited for.
    fn hurry(&mut self) -> Actions {
        let mut actions = vec![Action::Say(Level::Warn, "stop asked for again: hurrying".to_owned())];
        actions.extend(match self.phase {
            Phase::Draining(Drain::Asking) => {
                let mut actions: Actions =
                    self.registration().map(|registration| Action::Abandon(Job::Deregister(registration))).into_iter().collect();
                actions.extend(self.end_listener());
                actions
            }
            Phase::Draining(Drain::Waiting) => self.end_listener(),
            Phase::Draining(Drain::Ending) => self.kill_runner(),
            Phase::Killing => self.kill_leftovers(),
            Phase::Checking
            | Phase::Preparing { .. }
            | Phase::Running { .. }
            | Phase::Draining(Drain::Killed)
            | Phase::Settling { .. }
            | Phase::Done => vec![],
        });
        actions
    }

    fn kill_runner(&mut self) -> Actions {
        if self.job == JobState::Running {
            self.end_as(Ending::JobCut);
        }
        vec![
            Action::Say(Level::Warn, "the runner does not end; killing it".to_owned()),
            self.enter(Phase::Draining(Drain::Killed)),
            Action::Disarm(Timer::Cancel),
            Action::Signal(Target::Everything, Signal::KILL),
            Action::Arm(Timer::AfterKill, AFTER_KILL),
        ]
    }

    // --- Killing --------------------------------------------------------------------------------------------------------------------

    /// The runner is gone, or never came. What is left of the job must be dead before the cache is read: a build daemon that still
    /// writes would tear what we save.
    fn leave(&mut self) -> Actions {
        self.end_as(Ending::Intended);
        let grace = if self.stopping { self.plan.stop.kill } else { LEFTOVER_GRACE };
        let mut actions = self.stop_asking();
        actions.extend([
            self.enter(Phase::Killing),
            Action::Disarm(Timer::Drain),
            Action::Disarm(Timer::Cancel),
            Action::Disarm(Timer::Restore),
            Action::Signal(Target::Everything, Signal::TERM),
            Action::Arm(Timer::Leftovers, grace),
        ]);
        actions
    }

    /// A removal under way is dropped; the end of the life asks again, and "already gone" is as good an answer.
    fn stop_asking(&self) -> Actions {
        match (&self.phase, self.registration()) {
            (Phase::Draining(Drain::Asking), Some(registration)) => {
                vec![Action::Disarm(Timer::Ask), Action::Abandon(Job::Deregister(registration))]
            }
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
            (Phase::Preparing { .. }, Timer::Restore) => self.restore_expired(),
            (Phase::Preparing { register: Register::Asked, .. }, Timer::Answer) => {
                let mut actions = vec![Action::Abandon(Job::Register)];
                actions.extend(self.prepared(Part::Register));
                actions
            }
            (Phase::Running { alive: false, .. }, Timer::Relaunch) => self.start_runner(),
            (Phase::Draining(Drain::Asking), Timer::Ask) => {
                let mut actions: Actions =
                    self.registration().map(|registration| Action::Abandon(Job::Deregister(registration))).into_iter().collect();
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

    fn restore_expired(&mut self) -> Actions {
        match &mut self.phase {
            Phase::Preparing { restore: restore @ Restore::Going, .. } => {
                *restore = Restore::Killed;
                vec![
                    Action::Say(Level::Warn, "the tool cache was not restored in time; starting without the rest of it".to_owned()),
                    Action::Signal(Target::Group(Role::Restore), Signal::KILL),
                    Action::Arm(Timer::Restore, AFTER_KILL),
                ]
            }
            Phase::Preparing { restore: Restore::Killed, .. } => {
                self.plan.save = None;
                self.prepared(Part::Restore)
            }
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
                Phase::Checking | Phase::Preparing { .. } | Phase::Killing | Phase::Settling { .. } | Phase::Done => vec![],
            },
            Role::Restore => {
                let mut actions = vec![Action::Disarm(Timer::Restore)];
                if end != ChildEnd::Code(0) && !self.stopping && self.ending.is_none() {
                    // What could not be read now would be written without knowing what is there already.
                    self.plan.save = None;
                    actions.push(Action::Say(Level::Warn, "going on without the whole tool cache; it will not be saved either".to_owned()));
                }
                actions.extend(self.prepared(Part::Restore));
                actions
            }
            Role::Save => self.saved(end),
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
            Role::Restore | Role::Save => {
                let mut actions = vec![Action::Say(Level::Warn, error.to_string())];
                actions.extend(self.child_ended(role, ChildEnd::Code(error.exit_code())));
                actions
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Restore,
    Docker,
    Register,
}

impl Machine<Words> for Lifecycle {
    fn on(&mut self, event: Event<Words>) -> Actions {
        match event {
            Event::Started if self.stopping => self.leave(),
            Event::Started => vec![self.publish(), Action::Run(Job::Check)],
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
