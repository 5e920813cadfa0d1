//! Every life that can be: all states of the machine and a model of the world around it, explored until nothing new appears.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use supervise::{Action, ChildEnd, Event, Machine, Signal, Target};

use super::{
    Drain, Job, JobState, Lifecycle, Note, Obligation, Outcome, Phase, Plan, Registration, Removal, RemovedBy, Role, Timer, Words,
};
use crate::{
    stages::{Ending, StopBudget},
    words::{Protection, SpotNotice, Task},
};

/// The names of the attempts to register.
const NAMES: [&str; 2] = ["r", "s"];

const SECOND: Duration = Duration::from_secs(1);

/// What most lives are.
fn plan() -> Plan {
    Plan {
        start_delay: Duration::ZERO,
        find_task: false,
        docker: true,
        restore: Some(120 * SECOND),
        save: Some(120 * SECOND),
        configure: 60 * SECOND,
        removal: RemovedBy::Api,
        idle_timeout: None,
        max_lifetime: None,
        protect: false,
        spot: false,
        perf: false,
        stop: StopBudget::split(30 * SECOND),
        stop_signals: vec![Signal::TERM.number(), Signal::INT.number()],
    }
}

/// A life of only a registration and a runner.
fn bare() -> Plan {
    Plan { docker: false, restore: None, save: None, ..plan() }
}

/// Plans that together have everything in them; one with all of it would have too many lives.
fn plans() -> [(&'static str, Plan); 6] {
    [
        ("cache and docker", plan()),
        ("config.sh, its token alone", Plan { removal: RemovedBy::ConfigSh, ..bare() }),
        ("config.sh beside docker, with a credential", Plan { docker: true, ..bare() }),
        ("registered by others", Plan { removal: RemovedBy::Others, save: Some(SECOND), perf: true, ..bare() }),
        ("limits of its own", Plan { idle_timeout: Some(SECOND), max_lifetime: Some(SECOND), ..bare() }),
        ("on a platform", Plan { start_delay: SECOND, find_task: true, protect: true, spot: true, ..bare() }),
    ]
}

fn runner() -> Registration {
    Registration::Runner { id: 42, name: "r".into() }
}

/// What lives and runs around the machine, as far as the machine can know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct World {
    started: bool,
    children: BTreeMap<Role, bool>,
    jobs: BTreeSet<Job>,
    timers: BTreeSet<Timer>,
    /// The name of the request that GitHub has not answered.
    request: Option<&'static str>,
    requests: usize,
    registered: Option<&'static str>,
    /// What GitHub may list.
    listed: BTreeSet<&'static str>,
    /// What GitHub does not answer for in time may stay listed.
    excused: bool,
    alone_awaited: bool,
    signals: u8,
    job: u8,
    /// A wish for protection was sent and not taken back.
    protected: bool,
    /// GitHub has refused the token of config.sh.
    refused: bool,
    /// Our own limit or a notice asked for a stop.
    foreseen: bool,
    reason: Option<String>,
    exited: Option<u8>,
}

impl World {
    fn perform(&mut self, machine: &Lifecycle, action: &Action<Words>) {
        assert_eq!(self.exited, None, "something is done after the end: {action:?}");
        match action {
            Action::Spawn(role) => {
                if *role == Role::Runner {
                    assert_eq!(self.job, 0, "the runner is started again after its job");
                    assert!(self.registered.is_some(), "the runner starts without a registration");
                    assert!(
                        !self.jobs.contains(&Job::Register) && !self.jobs.contains(&Job::WaitForDocker),
                        "the runner starts before all is ready"
                    );
                    assert_ne!(self.children.get(&Role::Restore), Some(&false), "the runner starts while the cache is being restored");
                }
                if *role == Role::Configure {
                    self.listed.insert("r");
                }
                if *role == Role::Save {
                    assert!(!self.children.values().any(|killed| !killed), "the cache is saved while something may still write to it");
                }
                self.children.insert(*role, false);
            }
            Action::Signal(target, signal) => self.signalled(machine, *target, *signal),
            Action::Run(job) => {
                if matches!(job, Job::Deregister(_)) {
                    assert!(self.request.is_none(), "removed while the request is on its way: the runner would appear afterwards");
                    let runs = self.job == 1 && self.children.get(&Role::Runner) == Some(&false);
                    assert!(!runs, "a credential is in a process beside a job that is known of");
                }
                if let Job::Protect(on) = job {
                    self.protected = *on;
                }
                assert!(self.jobs.insert(job.clone()), "{job:?} runs twice");
            }
            Action::Abandon(job) => {
                assert_ne!(*job, Job::Register, "what it told and we have not heard would be forgotten");
                self.jobs.remove(job);
            }
            Action::Recall(job) => assert!(self.jobs.contains(job), "{job:?} is recalled and does not run"),
            Action::Arm(timer, _) | Action::Tighten(timer, _) => drop(self.timers.insert(*timer)),
            Action::Disarm(timer) => drop(self.timers.remove(timer)),
            Action::Publish(state) => assert_eq!(state.owes.len(), machine.owed.len()),
            Action::Fact("reason", reason) => self.reason = Some(reason.clone()),
            Action::Say(..) | Action::Fact(..) | Action::Label(..) => {}
            Action::Exit(code) => {
                let reason = self.reason.as_deref().expect("every end has a reason");
                assert!(Ending::ALL.iter().any(|ending| ending.reason() == reason && ending.code() == *code), "{reason} is not {code}");
                assert!(*code != 0 || (reason == "job_done") == (self.job > 0), "{reason} with job {}", self.job);
                assert!(!self.protected || self.excused, "left while the task is protected");
                let ours = machine.plan.removal != RemovedBy::Others;
                assert!(!ours || self.listed.is_empty() || self.excused, "left while GitHub still lists the runner");
                assert!(!self.children.contains_key(&Role::Runner) || self.excused, "left while the runner lives");
                self.exited = Some(*code);
            }
        }
    }

    fn signalled(&mut self, machine: &Lifecycle, target: Target<Role>, signal: Signal) {
        match target {
            Target::Named(Role::Runner, name) => {
                assert_eq!((name, signal), ("Runner.Listener", Signal::INT));
                assert!(self.job != 1 || self.signals > 0 || self.foreseen, "a job is cancelled that nobody asked to stop");
            }
            Target::Everything => {
                let runner_gone = !self.children.contains_key(&Role::Runner);
                assert!(runner_gone || signal == Signal::KILL, "the Worker is signalled while its Listener lives");
                assert!(
                    matches!(machine.phase, Phase::Killing | Phase::Draining(Drain::Killed)),
                    "everything is signalled in {:?}",
                    machine.phase
                );
                self.alone_awaited = true;
                if signal == Signal::KILL {
                    self.children.values_mut().for_each(|killed| *killed = true);
                }
            }
            Target::Group(role @ (Role::Restore | Role::Save | Role::Configure | Role::Unconfigure)) => {
                assert_eq!(signal, Signal::KILL);
                if let Some(killed) = self.children.get_mut(&role) {
                    *killed = true;
                }
            }
            other => panic!("nobody may signal {other:?}"),
        }
    }

    /// Everything that can happen next.
    fn possible(&self, machine: &Lifecycle) -> Vec<Event<Words>> {
        let mut events = Vec::new();
        if !self.started {
            events.push(Event::Started);
        }
        if self.signals < 3 {
            events.push(Event::Signal(Signal::TERM));
        }
        if !self.started {
            return events;
        }
        for job in &self.jobs {
            events.extend(self.outcomes(job, &machine.plan).into_iter().map(Event::Told));
        }
        for &role in self.children.keys() {
            for end in [ChildEnd::Code(0), ChildEnd::Code(2), ChildEnd::Code(3), ChildEnd::Code(7), ChildEnd::Signal(Signal::KILL)] {
                if role == Role::Runner || matches!(end, ChildEnd::Code(0 | 7)) {
                    events.push(Event::ChildEnded(role, end));
                }
            }
        }
        if self.children.contains_key(&Role::Unconfigure) && !machine.removal_refused {
            events.push(Event::Noted(Note::RemovalRefused));
        }
        if self.children.contains_key(&Role::Configure) && !machine.token_refused {
            events.push(Event::Noted(Note::TokenRefused));
        }
        if self.children.get(&Role::Runner) == Some(&false) {
            events.push(Event::Noted(Note::Listening));
            match self.job {
                0 => events.push(Event::Noted(Note::JobStarted("build".into()))),
                1 => events.push(Event::Noted(Note::JobCompleted { job: "build".into(), result: "Succeeded".into() })),
                _ => {}
            }
        }
        events.extend(self.timers.iter().map(|&timer| Event::Expired(timer)));
        if self.alone_awaited && self.children.is_empty() && matches!(machine.phase, Phase::Killing | Phase::Draining(_)) {
            events.push(Event::Alone);
        }
        events
    }

    fn outcomes(&self, job: &Job, plan: &Plan) -> Vec<Outcome> {
        let failed = || Outcome::RegisterFailed { ending: Ending::CredentialsRefused, why: "refused".into() };
        match job {
            Job::FindTask => {
                vec![Outcome::Task(Ok(Task { cluster: "main".into(), id: "0af1".into() })), Outcome::Task(Err("no metadata".into()))]
            }
            Job::Register if plan.removal == RemovedBy::Others => vec![Outcome::Registered { id: Some(42), name: "r".into() }, failed()],
            Job::Register if self.by_config_sh(plan) => vec![Outcome::Permitted("r".into()), failed()],
            Job::ReadPerf => vec![Outcome::Perf(None), Outcome::Perf(Some("SessionCreated +0 ms".into()))],
            Job::ReadRegistration => vec![Outcome::Registered { id: Some(42), name: "r".into() }, failed()],
            Job::Protect(_) => vec![
                Outcome::Protected(Protection::Done),
                Outcome::Protected(Protection::NotForThisTask("no service".into())),
                Outcome::Protected(Protection::Failed("no answer".into())),
            ],
            Job::WatchSpot => {
                vec![Outcome::Spot(SpotNotice::Ends(120 * SECOND)), Outcome::Spot(SpotNotice::Unreachable("no route".into()))]
            }
            Job::Check => vec![Outcome::Checked(Ok(())), Outcome::Checked(Err("missing".into()))],
            Job::WaitForDocker => vec![Outcome::Docker(Ok(())), Outcome::Docker(Err("not ready".into()))],
            Job::Register => match self.request {
                Some(name) => vec![
                    Outcome::Registered { id: Some(42), name: name.into() },
                    Outcome::Absent(name.into()),
                    Outcome::Waiting("no answer".into()),
                    Outcome::RegisterFailed { ending: Ending::GitHubUnreachable, why: "unknown outcome".into() },
                ],
                None => {
                    let mut outcomes = vec![failed()];
                    outcomes.extend(NAMES.get(self.requests).map(|&name| Outcome::MayExist(name.into())));
                    outcomes
                }
            },
            Job::Deregister(_) => {
                vec![
                    Outcome::Deregistered(Removal::Gone),
                    Outcome::Deregistered(Removal::Busy),
                    Outcome::Deregistered(Removal::Failed("no".into())),
                ]
            }
            Job::AwaitUpdate => vec![Outcome::Updated],
        }
    }

    fn by_config_sh(&self, plan: &Plan) -> bool {
        plan.removal == RemovedBy::ConfigSh || (plan.docker && plan.restore.is_none())
    }

    /// What the event itself changes in the world, before the machine hears of it.
    fn happens(&mut self, event: &Event<Words>) {
        match event {
            Event::Started => self.started = true,
            Event::Signal(_) => self.signals += 1,
            Event::ChildEnded(role, end) => {
                self.children.remove(role);
                if *role == Role::Configure && self.refused && *end != ChildEnd::Code(0) {
                    self.listed.clear();
                }
                let removed = match role {
                    // The service removes an ephemeral runner with its job.
                    Role::Runner => self.job == 2,
                    Role::Unconfigure => true,
                    Role::Restore | Role::Configure | Role::Save => false,
                };
                if removed && *end == ChildEnd::Code(0) {
                    self.listed.remove(self.registered.or(self.request).unwrap_or("r"));
                }
            }
            Event::SpawnFailed(role, _) => drop(self.children.remove(role)),
            Event::Told(Outcome::MayExist(_)) => {
                self.request = Some(NAMES[self.requests]);
                self.requests += 1;
                self.listed.extend(self.request);
            }
            Event::Told(Outcome::Absent(_)) => {
                if let Some(name) = self.request.take() {
                    self.listed.remove(name);
                }
            }
            Event::Told(Outcome::Waiting(_)) => self.request = None,
            Event::Told(Outcome::Permitted(_)) => drop(self.jobs.remove(&Job::Register)),
            Event::Told(Outcome::Registered { .. }) => {
                self.registered = self.request.take().or(Some("r"));
                self.listed.extend(self.registered);
                self.jobs.remove(&Job::Register);
                self.jobs.remove(&Job::ReadRegistration);
            }
            Event::Told(Outcome::RegisterFailed { .. }) => {
                self.request = None;
                self.jobs.remove(&Job::Register);
                self.jobs.remove(&Job::ReadRegistration);
            }
            Event::Told(Outcome::Task(_)) => drop(self.jobs.remove(&Job::FindTask)),
            Event::Told(Outcome::Protected(answer)) => {
                self.protected &= !matches!(answer, Protection::NotForThisTask(_));
                self.jobs.retain(|job| !matches!(job, Job::Protect(_)));
            }
            Event::Told(Outcome::Perf(_)) => drop(self.jobs.remove(&Job::ReadPerf)),
            Event::Told(Outcome::Spot(notice)) => {
                self.foreseen |= matches!(notice, SpotNotice::Ends(_));
                self.jobs.remove(&Job::WatchSpot);
            }
            Event::Told(Outcome::Checked(_)) => drop(self.jobs.remove(&Job::Check)),
            Event::Told(Outcome::Docker(_)) => drop(self.jobs.remove(&Job::WaitForDocker)),
            Event::Told(Outcome::Updated) => drop(self.jobs.remove(&Job::AwaitUpdate)),
            Event::Told(Outcome::Deregistered(removal)) => {
                let asked: Vec<Job> = self.jobs.iter().filter(|job| matches!(job, Job::Deregister(_))).cloned().collect();
                for job in asked {
                    self.jobs.remove(&job);
                    let Job::Deregister(Registration::MayExist(name) | Registration::Runner { name, .. }) = job else { continue };
                    if *removal == Removal::Gone {
                        self.listed.remove(name.as_str());
                    }
                }
            }
            Event::Noted(Note::TokenRefused) => self.refused = true,
            Event::Noted(Note::JobStarted(_)) => self.job = 1,
            Event::Noted(Note::JobCompleted { .. }) => self.job = 2,
            Event::Noted(_) => {}
            Event::Expired(timer) => {
                self.timers.remove(timer);
                self.foreseen |= *timer == Timer::Lifetime;
                self.excused |= matches!(timer, Timer::Budget | Timer::Deregister | Timer::AfterKill | Timer::Unprotect);
            }
            Event::Alone => self.alone_awaited = false,
        }
    }
}

type Life = (Lifecycle, World);

fn step(life: &Life, event: &Event<Words>) -> Life {
    let (mut machine, mut world) = life.clone();
    world.happens(event);
    let stopping = machine.stopping;
    let actions = machine.on(event.clone());
    for action in &actions {
        world.perform(&machine, action);
    }
    if machine.stopping.is_some() && stopping.is_none() && world.exited.is_none() {
        assert!(world.timers.contains(&Timer::Budget), "a stop without an end: {event:?}");
    }
    (machine, world)
}

#[test]
fn no_order_of_events_breaks_a_promise_and_every_life_can_end() {
    let mut codes = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for (name, plan) in plans() {
        let lives = explore(name, plan);
        codes.extend(lives.iter().filter_map(|life| life.1.exited));
        reasons.extend(lives.iter().filter_map(|life| life.1.reason.clone()));
    }
    assert_eq!(codes, BTreeSet::from([0, 7, 69, 75, 77, 78, 143]));
    let never = Ending::ALL.iter().map(|ending| ending.reason().to_owned()).filter(|reason| !reasons.contains(reason)).collect::<Vec<_>>();
    assert_eq!(never, ["bug"], "endings that no life has");
}

/// All lives of a plan.
fn explore(plan_name: &str, plan: Plan) -> Vec<Life> {
    let mut order: Vec<Life> = Vec::new();
    let mut parents: Vec<Vec<usize>> = Vec::new();
    let mut queue = VecDeque::new();
    let first: Life = (Lifecycle::new(plan), World::default());
    let mut index: HashMap<Life, usize> = HashMap::new();
    index.insert(first.clone(), 0);
    order.push(first);
    parents.push(vec![]);
    queue.push_back(0);
    while let Some(at) = queue.pop_front() {
        let life = order[at].clone();
        if life.1.exited.is_some() {
            continue;
        }
        for event in life.1.possible(&life.0) {
            let next =
                std::panic::catch_unwind(|| step(&life, &event)).unwrap_or_else(|_| panic!("{plan_name}: after {event:?} in {life:#?}"));
            let number = *index.entry(next.clone()).or_insert_with(|| {
                order.push(next);
                parents.push(vec![]);
                queue.push_back(order.len() - 1);
                order.len() - 1
            });
            // An event that changes nothing leads nowhere; a signal must not be what a life needs to end.
            if number != at && !matches!(event, Event::Signal(_)) {
                parents[number].push(at);
            }
        }
    }
    assert!(order.len() > 1_000, "{plan_name}: only {} lives were seen: the exploration is broken", order.len());

    let mut ends = vec![false; order.len()];
    let mut backwards: Vec<usize> = (0..order.len()).filter(|&at| order[at].1.exited.is_some()).collect();
    while let Some(at) = backwards.pop() {
        if !std::mem::replace(&mut ends[at], true) {
            backwards.extend(&parents[at]);
        }
    }
    if let Some(stuck) = ends.iter().position(|ended| !ended) {
        panic!("{plan_name}: a life that can never end: {:#?}", order[stuck]);
    }
    order
}

fn drive(machine: &mut Lifecycle, events: impl IntoIterator<Item = Event<Words>>) -> Vec<Action<Words>> {
    events.into_iter().flat_map(|event| machine.on(event)).collect()
}

fn idle() -> Lifecycle {
    let mut machine = Lifecycle::new(plan());
    drive(
        &mut machine,
        [
            Event::Started,
            Event::Told(Outcome::Checked(Ok(()))),
            Event::Told(Outcome::MayExist("r".into())),
            Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }),
            Event::Told(Outcome::Docker(Ok(()))),
            Event::ChildEnded(Role::Restore, ChildEnd::Code(0)),
            Event::Noted(Note::Listening),
        ],
    );
    machine
}

#[test]
fn an_idle_runner_is_removed_before_it_is_signalled() {
    let mut machine = idle();
    let actions = machine.on(Event::Signal(Signal::TERM));
    assert!(actions.contains(&Action::Run(Job::Deregister(runner()))));
    assert!(!actions.iter().any(|action| matches!(action, Action::Signal(..))));
    let actions = machine.on(Event::Told(Outcome::Deregistered(Removal::Gone)));
    assert!(actions.contains(&Action::Signal(Target::Named(Role::Runner, "Runner.Listener"), Signal::INT)));
}

#[test]
fn a_job_that_github_knows_of_before_we_do_is_not_cut() {
    let mut machine = idle();
    machine.on(Event::Signal(Signal::TERM));
    let actions = machine.on(Event::Told(Outcome::Deregistered(Removal::Busy)));
    assert!(actions.contains(&Action::Arm(Timer::Drain, plan().stop.drain)));
    assert!(!actions.iter().any(|action| matches!(action, Action::Signal(..))));
}

#[test]
fn a_job_that_outlasts_the_drain_is_cancelled_and_said_so_in_the_exit_code() {
    let mut machine = idle();
    machine.on(Event::Noted(Note::JobStarted("build".into())));
    machine.on(Event::Signal(Signal::TERM));
    let actions = machine.on(Event::Expired(Timer::Drain));
    assert!(actions.contains(&Action::Signal(Target::Named(Role::Runner, "Runner.Listener"), Signal::INT)));
    assert_eq!(machine.ending, Some(Ending::JobCut));
}

#[test]
fn after_a_job_the_cache_is_saved_and_no_call_is_made_for_a_runner_the_service_removes() {
    let mut machine = idle();
    drive(
        &mut machine,
        [
            Event::Noted(Note::JobStarted("build".into())),
            Event::Noted(Note::JobCompleted { job: "build".into(), result: "Failed".into() }),
            Event::ChildEnded(Role::Runner, ChildEnd::Code(0)),
        ],
    );
    let actions = machine.on(Event::Alone);
    assert!(actions.contains(&Action::Spawn(Role::Save)));
    assert!(!actions.iter().any(|action| matches!(action, Action::Run(Job::Deregister(_)))));
    let last = machine.on(Event::ChildEnded(Role::Save, ChildEnd::Code(0)));
    assert_eq!(last.last(), Some(&Action::Exit(0)));
}

#[test]
fn without_a_job_nothing_is_saved_and_the_registration_is_removed() {
    let mut machine = idle();
    machine.on(Event::ChildEnded(Role::Runner, ChildEnd::Code(0)));
    let actions = machine.on(Event::Alone);
    assert!(!actions.contains(&Action::Spawn(Role::Save)));
    assert!(actions.contains(&Action::Run(Job::Deregister(runner()))));
}

#[test]
fn a_stop_while_the_request_is_on_its_way_waits_for_the_answer_and_then_removes_it() {
    let mut machine = Lifecycle::new(Plan { docker: false, restore: None, ..plan() });
    drive(&mut machine, [Event::Started, Event::Told(Outcome::Checked(Ok(()))), Event::Told(Outcome::MayExist("r".into()))]);
    let actions = machine.on(Event::Signal(Signal::TERM));
    assert!(!actions.contains(&Action::Recall(Job::Register)));
    machine.on(Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }));
    let actions = machine.on(Event::Alone);
    assert!(actions.contains(&Action::Run(Job::Deregister(runner()))));
}

/// A stop met the errand between its word, which was on its way, and our hearing it: the runner appeared afterwards, and nobody knew.
#[test]
fn what_was_told_before_a_recall_is_heard_and_removed() {
    let mut machine = Lifecycle::new(bare());
    drive(&mut machine, [Event::Started, Event::Told(Outcome::Checked(Ok(())))]);
    let actions = machine.on(Event::Signal(Signal::TERM));
    assert!(actions.contains(&Action::Recall(Job::Register)));
    machine.on(Event::Told(Outcome::MayExist("r".into())));
    machine.on(Event::Told(Outcome::RegisterFailed { ending: Ending::Bug, why: "ended early".into() }));
    let actions = machine.on(Event::Alone);
    assert!(actions.contains(&Action::Run(Job::Deregister(Registration::MayExist("r".into())))));
    let actions = machine.on(Event::Told(Outcome::Deregistered(Removal::Gone)));
    assert_eq!(actions.last(), Some(&Action::Exit(0)));
}

#[test]
fn a_stop_before_anything_was_asked_for_leaves_at_once() {
    let mut machine = Lifecycle::new(plan());
    machine.on(Event::Signal(Signal::TERM));
    machine.on(Event::Started);
    let actions = machine.on(Event::Alone);
    assert_eq!(actions.last(), Some(&Action::Exit(0)));
}

#[test]
fn a_restore_that_fails_does_not_stop_the_runner_and_forbids_the_save() {
    let mut machine = Lifecycle::new(Plan { docker: false, ..plan() });
    drive(
        &mut machine,
        [
            Event::Started,
            Event::Told(Outcome::Checked(Ok(()))),
            Event::Told(Outcome::MayExist("r".into())),
            Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }),
        ],
    );
    let actions = machine.on(Event::ChildEnded(Role::Restore, ChildEnd::Code(69)));
    assert!(actions.contains(&Action::Spawn(Role::Runner)));
    machine.on(Event::Noted(Note::JobStarted("build".into())));
    assert!(!machine.owed.contains(&Obligation::SaveCache));
    assert_eq!(machine.job, JobState::Running);
}

#[test]
fn an_idle_runner_that_cannot_be_removed_is_told_by_the_exit_code() {
    let mut machine = idle();
    machine.on(Event::Signal(Signal::TERM));
    machine.on(Event::Expired(Timer::Ask));
    machine.on(Event::ChildEnded(Role::Runner, ChildEnd::Code(0)));
    machine.on(Event::Alone);
    let actions = machine.on(Event::Expired(Timer::Deregister));
    assert_eq!(actions.last(), Some(&Action::Exit(75)));
}

/// The whole table, phase by event, so that a change of behaviour is a visible difference.
#[test]
fn the_transition_table_is_what_was_reviewed() {
    let mut lives: Vec<(&str, Lifecycle)> = Vec::new();
    let mut machine = Lifecycle::new(plan());
    drive(&mut machine, [Event::Started]);
    lives.push(("checking", machine.clone()));
    drive(&mut machine, [Event::Told(Outcome::Checked(Ok(())))]);
    lives.push(("preparing", machine.clone()));
    drive(&mut machine, [Event::Told(Outcome::MayExist("r".into()))]);
    lives.push(("preparing, request sent", machine));
    lives.push(("running, idle", idle()));
    let mut busy = idle();
    drive(&mut busy, [Event::Noted(Note::JobStarted("build".into()))]);
    lives.push(("running, busy", busy.clone()));
    let mut asking = idle();
    drive(&mut asking, [Event::Signal(Signal::TERM)]);
    lives.push(("draining, asking", asking.clone()));
    drive(&mut busy, [Event::Signal(Signal::TERM)]);
    lives.push(("draining, waiting for the job", busy.clone()));
    drive(&mut busy, [Event::Expired(Timer::Drain)]);
    lives.push(("draining, ending", busy.clone()));
    drive(&mut busy, [Event::ChildEnded(Role::Runner, ChildEnd::Code(0))]);
    lives.push(("killing", busy.clone()));
    drive(&mut busy, [Event::Alone]);
    lives.push(("settling", busy));

    let events: Vec<Event<Words>> = vec![
        Event::Signal(Signal::TERM),
        Event::Signal(Signal::HUP),
        Event::Told(Outcome::Checked(Ok(()))),
        Event::Told(Outcome::Checked(Err("RUNNER_HOME is missing".into()))),
        Event::Told(Outcome::Docker(Ok(()))),
        Event::Told(Outcome::Docker(Err("docker did not answer".into()))),
        Event::Told(Outcome::Absent("r".into())),
        Event::Told(Outcome::Waiting("no answer".into())),
        Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }),
        Event::Told(Outcome::RegisterFailed { ending: Ending::CredentialsRefused, why: "refused".into() }),
        Event::Told(Outcome::Deregistered(Removal::Gone)),
        Event::Told(Outcome::Deregistered(Removal::Busy)),
        Event::Told(Outcome::Deregistered(Removal::Failed("no answer".into()))),
        Event::Noted(Note::JobStarted("build".into())),
        Event::ChildEnded(Role::Restore, ChildEnd::Code(0)),
        Event::ChildEnded(Role::Runner, ChildEnd::Code(0)),
        Event::ChildEnded(Role::Runner, ChildEnd::Code(2)),
        Event::ChildEnded(Role::Save, ChildEnd::Code(0)),
        Event::Alone,
        Event::Expired(Timer::Restore),
        Event::Expired(Timer::Ask),
        Event::Expired(Timer::Drain),
        Event::Expired(Timer::Cancel),
        Event::Expired(Timer::Leftovers),
        Event::Expired(Timer::AfterKill),
        Event::Expired(Timer::Save),
        Event::Expired(Timer::Deregister),
        Event::Expired(Timer::Budget),
    ];
    let mut table = String::new();
    for (name, life) in &lives {
        table.push_str(&format!("## {name}\n"));
        for event in &events {
            let actions = life.clone().on(event.clone());
            if !actions.is_empty() {
                table.push_str(&format!("{event:?}\n"));
                actions.iter().for_each(|action| table.push_str(&format!("    {}\n", told(action))));
            }
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

fn told(action: &Action<Words>) -> String {
    match action {
        Action::Publish(state) => {
            let flags =
                [(state.ready, " ready"), (state.busy, " busy")].iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect::<String>();
            let owes = if state.owes.is_empty() { String::new() } else { format!(", owes: {}", state.owes.join("; ")) };
            format!("Publish {}{flags}{owes}", state.phase)
        }
        Action::Say(level, sentence) => format!("Say {level:?}: {}", sentence.replace('\n', " / ")),
        other => format!("{other:?}"),
    }
}
