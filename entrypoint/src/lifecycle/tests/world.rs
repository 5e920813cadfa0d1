//! A model of what lives and runs around the machine, as far as the machine can know, and what must never happen in it.

use std::collections::{BTreeMap, BTreeSet};

use supervise::{Action, ChildEnd, Event, Signal, Target};

use super::{NAMES, SECOND};
use crate::{
    lifecycle::{Drain, Lifecycle, Phase, Plan, RESTORING, RemovedBy},
    stages::Ending,
    words::{Job, Note, Outcome, Protection, Registration, Removal, Role, SpotNotice, Task, Timer, Words},
};

/// What lives and runs around the machine, as far as the machine can know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct World {
    started: bool,
    children: BTreeMap<Role, bool>,
    jobs: BTreeSet<Job>,
    pub(super) timers: BTreeSet<Timer>,
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
    /// What the hook of the job sees.
    pending: bool,
    /// A restore was killed or given up: what it has brought is not all.
    partial: bool,
    /// Our own limit or a notice asked for a stop.
    foreseen: bool,
    pub(super) reason: Option<String>,
    pub(super) exited: Option<u8>,
}

impl World {
    pub(super) fn perform(&mut self, machine: &Lifecycle, action: &Action<Words>) {
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
                    let restoring = self.children.get(&Role::Restore) == Some(&false);
                    assert!(!restoring || machine.plan.before_job, "the runner starts while the cache is being restored");
                }
                if *role == Role::Configure {
                    self.listed.insert("r");
                }
                if *role == Role::Save {
                    assert!(!self.children.values().any(|killed| !killed), "the cache is saved while something may still write to it");
                    assert!(!self.partial, "a cache is saved whose restore did not finish");
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
            Action::Publish(state) => {
                self.pending = state.pending == [RESTORING];
                assert_eq!(state.owes.len(), machine.owed.len());
            }
            Action::Fact("reason", reason) => self.reason = Some(reason.clone()),
            Action::Say(..) | Action::Mark(..) | Action::Fact(..) | Action::Label(..) => {}
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

    /// What holds between any two events.
    pub(super) fn look_around(&self, machine: &Lifecycle) {
        let runs = self.children.get(&Role::Runner) == Some(&false);
        let restore = self.children.get(&Role::Restore);
        if self.exited.is_none() && runs && machine.plan.before_job {
            assert!(restore != Some(&false) || self.pending, "a job would begin while the cache is being restored");
            assert!(restore.is_some() || !self.pending, "a job would wait for a restore that is over");
            let waits = self.pending && restore == Some(&true);
            assert!(!waits || self.timers.contains(&Timer::Restore), "a job would wait for what was killed, and for ever");
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
                assert!(signal == Signal::KILL || (role, signal) == (Role::Save, Signal::TERM));
                if let Some(killed) = self.children.get_mut(&role) {
                    *killed |= signal == Signal::KILL;
                    self.partial |= role == Role::Restore;
                }
            }
            other => panic!("nobody may signal {other:?}"),
        }
    }

    /// Everything that can happen next.
    pub(super) fn possible(&self, machine: &Lifecycle) -> Vec<Event<Words>> {
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
            if role == Role::Restore {
                events.push(Event::ChildEnded(role, ChildEnd::Code(1)));
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
            Job::WaitForDocker => vec![Outcome::Docker(Ok(vec!["a folder is missing".into()])), Outcome::Docker(Err("not ready".into()))],
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
    pub(super) fn happens(&mut self, event: &Event<Words>) {
        match event {
            Event::Started => self.started = true,
            Event::Signal(_) => self.signals += 1,
            Event::ChildEnded(role, end) => {
                self.children.remove(role);
                if *role == Role::Restore {
                    // It may have been through when it was killed.
                    self.partial = !matches!(end, ChildEnd::Code(0 | 1));
                }
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
