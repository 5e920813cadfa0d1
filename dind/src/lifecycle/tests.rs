//! Every order in which things can happen, against the promises of this program; and the transition table for people.

use std::collections::{BTreeSet, HashSet};

use supervise::{ChildEnd, SpawnError, Target};

use super::*;
use crate::{daemon::version::Version, words::Role};

const DOCKER: Version = Version { major: 26, minor: 1 };

mod gated;

fn life() -> Lifecycle {
    Lifecycle::new(Duration::from_secs(60), Duration::from_secs(30), false)
}

fn failure() -> Failure {
    Failure { code: exit::HOST, why: "why".to_owned() }
}

/// What the world has going on, as far as the machine's actions tell: from this follows what can happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct World {
    jobs: BTreeSet<Job>,
    alive: BTreeSet<Role>,
    /// Daemons were started, and not all of that is known to be dead.
    spawned: bool,
    timers: BTreeSet<Timer>,
    signals: usize,
    /// The runner has ended, and that was to be our end.
    followed: bool,
    /// Everything has been told to die and not yet been found dead.
    burying: bool,
    /// Killed processes were found dead, or given up.
    buried: bool,
    paid: Vec<Obligation>,
    owes: Vec<Obligation>,
    ready: bool,
    /// The time of a stop ran out.
    ended: bool,
    /// There is a gate.
    guarded: bool,
    /// The gate that lives has said that it listens.
    listens: bool,
    /// It was published, or is being; one that ended since is another's socket.
    published: bool,
    /// How often daemons were started.
    starts: usize,
    /// What dead daemons left was taken away.
    cleared: bool,
    /// docker was told not to answer.
    silent: bool,
    /// dockerd's configuration was written.
    furnished: bool,
}

impl World {
    fn possible(&self) -> Vec<Event<Words>> {
        let mut events: Vec<Event<Words>> = self.jobs.iter().flat_map(outcomes).map(Event::Told).collect();
        for &role in &self.alive {
            events.push(Event::ChildEnded(role, ChildEnd::Code(1)));
            if role == Role::Mkfs {
                events.push(Event::ChildEnded(role, ChildEnd::Code(0)));
            }
        }
        if self.alive.contains(&Role::Version) {
            events.extend([(19, 3), (26, 1)].map(|(major, minor)| Event::Noted(Note::Version(Version { major, minor }))));
        }
        if self.jobs.contains(&Job::Probe) && self.alive.contains(&Role::Dockerd) {
            events.push(Event::Noted(Note::Refusal("why".into())));
        }
        events.extend(self.timers.iter().map(|&timer| Event::Expired(timer)));
        if self.burying {
            events.push(Event::Alone);
        }
        if self.alive.contains(&Role::Gate) && !self.listens {
            events.push(Event::Noted(Note::Listening));
        }
        if self.signals < 3 {
            events.push(Event::Signal(Signal::TERM));
        }
        events
    }

    fn happened(&mut self, event: &Event<Words>) {
        match event {
            Event::Signal(_) => self.signals += 1,
            // Told underway.
            Event::Told(Outcome::Space { .. }) => {}
            Event::Told(outcome) => {
                let underway = matches!(outcome, Outcome::Silent(_) | Outcome::Answering(_));
                self.jobs.retain(|job| underway || !outcomes(job).contains(outcome));
                match outcome {
                    Outcome::Silent(_) => self.silent = true,
                    Outcome::Answering(_) => self.silent = false,
                    Outcome::Cleared(Ok(())) => self.cleared = true,
                    Outcome::Furnished(Ok(())) => self.furnished = true,
                    _ => {}
                }
                self.followed |= *outcome == Outcome::RunnerEnded;
                if let Outcome::Paid(obligation, _) = outcome {
                    assert_eq!(self.owes.pop(), Some(*obligation), "paid in reverse order");
                    self.paid.push(*obligation);
                }
            }
            Event::ChildEnded(role, _) | Event::SpawnFailed(role, _) => {
                self.alive.remove(role);
                if *role == Role::Gate {
                    (self.listens, self.published) = (false, false);
                }
            }
            Event::Noted(Note::Listening) => self.listens = true,
            Event::Expired(timer) => {
                self.timers.remove(timer);
                self.buried |= *timer == Timer::Alone;
                self.ended |= *timer == Timer::End;
            }
            // The end of each child may still be told: its last lines are read before.
            Event::Alone => {
                self.burying = false;
                self.buried = true;
            }
            Event::Started | Event::Noted(_) => {}
        }
    }

    /// Takes over what the machine wants; returns its exit code, if it ends.
    fn perform(&mut self, actions: &[Action<Words>]) -> Option<u8> {
        for (index, action) in actions.iter().enumerate() {
            match action {
                Action::Run(job) => {
                    // Nothing waits for it, and what it comes back with changes nothing.
                    let beside = *job == Job::MeetRunners;
                    assert!(beside || self.jobs.insert(*job), "{job:?} runs already");
                    let again = *job == Job::Publish && self.is_waiting_for_the_runner() && self.guarded;
                    let forward = !matches!(job, Job::AwaitRunner | Job::KillContainers | Job::Pay(_));
                    assert!(!forward || again || !self.is_stopping(), "after a stop nothing goes forward");
                    match job {
                        Job::Prepare => self.owes.push(Obligation::RemoveDataRoot),
                        Job::Mount => self.owes.push(Obligation::Unmount),
                        Job::Sweep | Job::WatchSpace => assert!(self.ready || self.silent, "nothing comes before the service"),
                        Job::Publish if self.guarded => {
                            assert!(self.listens && !self.published, "a gate's socket is published once, when it is there");
                            self.published = true;
                        }
                        Job::Publish if self.owes.last() == Some(&Obligation::RemoveSocket) => assert!(self.starts > 1, "owed once"),
                        Job::Publish => self.owes.push(Obligation::RemoveSocket),
                        Job::Clear => assert!(self.buried && self.alive.is_empty(), "nothing is taken away from the living"),
                        Job::Pay(obligation) => {
                            assert_eq!(self.owes.last(), Some(obligation), "only what is owed is paid, last first");
                            assert!(
                                self.buried || self.alive.iter().all(|role| *role == Role::Version) && !self.spawned,
                                "nothing is undone under a living process"
                            );
                            assert!(!self.jobs.contains(&Job::WatchSpace), "nobody looks at what is being taken away");
                        }
                        _ => {}
                    }
                }
                Action::Abandon(job) => {
                    self.jobs.remove(job);
                    if *job == Job::WatchDaemon {
                        self.silent = false;
                    }
                }
                Action::Spawn(Role::Gate) => {
                    assert!(self.alive.insert(Role::Gate), "one gate at a time");
                    assert!(
                        !self.is_stopping() || self.is_waiting_for_the_runner(),
                        "after a stop only a runner that is waited for gets a gate"
                    );
                    if !std::mem::replace(&mut self.guarded, true) {
                        self.owes.push(Obligation::RemoveSocket);
                    }
                }
                Action::Spawn(role) => {
                    assert!(self.alive.insert(*role), "{role:?} is not started beside itself");
                    assert!(!self.is_stopping(), "after a stop nothing is started");
                    if matches!(role, Role::Version | Role::Mkfs) {
                        continue;
                    }
                    if *role == Role::Containerd {
                        assert!(!self.spawned || self.cleared, "daemons are started again only where nothing of the dead is left");
                        (self.spawned, self.cleared, self.burying, self.buried) = (true, false, false, false);
                        self.starts += 1;
                        assert!(self.starts <= 2, "not for ever");
                    } else {
                        assert!(self.furnished && !self.alive.contains(&Role::Version), "dockerd has its configuration");
                    }
                    if !self.owes.contains(&Obligation::Unmount) {
                        self.owes.push(Obligation::Unmount);
                    }
                }
                Action::Arm(timer, span) | Action::Tighten(timer, span) => {
                    assert!(*span > Duration::ZERO);
                    self.timers.insert(*timer);
                }
                Action::Disarm(timer) => drop(self.timers.remove(timer)),
                Action::Signal(Target::Everything, signal) => {
                    assert_eq!(*signal, Signal::KILL);
                    self.burying = true;
                }
                Action::Signal(Target::Child(Role::Gate), signal) => assert_eq!(*signal, Signal::KILL),
                Action::Signal(target, signal) => assert_eq!((*target, *signal), (Target::Child(Role::Dockerd), Signal::TERM)),
                Action::Publish(state) => {
                    self.ready = state.ready;
                    let owed: Vec<String> = self.owes.iter().map(Obligation::to_string).collect();
                    // What the same actions take on a line later may be told already.
                    assert!(state.owes.starts_with(&owed), "{:?} against {owed:?}", state.owes);
                }
                Action::Say(_, sentence) => assert!(!sentence.is_empty()),
                Action::Recall(_) | Action::Fact(..) | Action::Label(..) => {}
                Action::Exit(code) => {
                    assert_eq!(index + 1, actions.len(), "nothing comes after the end");
                    return Some(*code);
                }
            }
        }
        None
    }

    fn holds(&self, life: &Lifecycle) {
        assert_eq!(self.owes, life.owes);
        if self.ready {
            let daemons: BTreeSet<Role> = self.alive.iter().copied().filter(|&role| role != Role::Gate).collect();
            assert_eq!(daemons, BTreeSet::from([Role::Containerd, Role::Dockerd]), "ready means that both daemons live");
            assert!(!self.silent, "ready means that docker answers");
            assert!(self.owes.contains(&Obligation::RemoveSocket));
            let published = self.published || !self.guarded;
            let coming = self.alive.contains(&Role::Gate) && !self.listens || self.timers.contains(&Timer::Gate);
            assert!(published || coming, "ready means that there is a gate, or one comes");
        }
        if self.is_stopping() {
            assert!(self.timers.contains(&Timer::End), "a stop always has an end");
        }
        let may_sweep = life.phase == Phase::Serving;
        assert!(may_sweep || !self.timers.contains(&Timer::Sweep), "who is leaving does not look for the dead");
        // What goes on beside the life does not carry it.
        let jobs = self.jobs.iter().any(|job| !matches!(job, Job::Sweep | Job::WatchSpace));
        let timers = self.timers.iter().any(|timer| *timer != Timer::Sweep);
        let waits = jobs || !self.alive.is_empty() || timers || self.burying;
        assert!(waits, "something must be able to happen");
    }

    /// It still needs its docker.
    fn is_waiting_for_the_runner(&self) -> bool {
        self.jobs.contains(&Job::AwaitRunner)
    }

    fn is_stopping(&self) -> bool {
        self.signals > 0 || self.followed
    }

    fn may_end_with(&self, code: u8) {
        assert!(self.owes.is_empty() || self.ended, "nothing is owed at the end, unless time ran out: {:?}", self.owes);
        assert!(code != exit::FINE || self.is_stopping(), "without a stop there is no fine end");
        assert!([exit::FINE, exit::UNAVAILABLE, exit::HOST, exit::CONFIG, exit::CUT].contains(&code), "{code}");
    }
}

/// Everything a job can come back with.
fn outcomes(job: &Job) -> Vec<Outcome> {
    match *job {
        Job::Check => vec![Outcome::Checked(Ok(())), Outcome::Checked(Err(failure()))],
        Job::Nest => vec![Outcome::Nested(Ok(())), Outcome::Nested(Err(failure()))],
        Job::Prepare => vec![Outcome::Prepared(Ok(())), Outcome::Prepared(Err(failure())), Outcome::Unformatted],
        Job::Mount => vec![Outcome::Mounted(Ok(())), Outcome::Mounted(Err(failure()))],
        Job::Sweep => vec![Outcome::Swept],
        Job::Furnish => vec![Outcome::Furnished(Ok(())), Outcome::Furnished(Err(failure()))],
        Job::Clear => vec![Outcome::Cleared(Ok(())), Outcome::Cleared(Err(failure()))],
        Job::WatchDaemon => vec![Outcome::Silent(Duration::from_secs(10)), Outcome::Answering(Duration::from_secs(20)), Outcome::Unwatched],
        Job::WatchSpace => vec![
            Outcome::Space { short: true, what: "little".into() },
            Outcome::Space { short: false, what: "enough".into() },
            Outcome::SpaceUnseen,
        ],
        Job::Probe => vec![Outcome::Usable(Ok(())), Outcome::Usable(Err(failure()))],
        Job::Publish => vec![Outcome::Published(Ok(())), Outcome::Published(Err(failure()))],
        Job::AwaitRunner => vec![Outcome::RunnerGone],
        Job::MeetRunners => vec![Outcome::Met],
        Job::FollowRunner => vec![Outcome::RunnerEnded],
        Job::KillContainers => {
            vec![Outcome::ContainersKilled(Ok(0)), Outcome::ContainersKilled(Ok(2)), Outcome::ContainersKilled(Err("why".into()))]
        }
        Job::Pay(obligation) => vec![Outcome::Paid(obligation, Ok(())), Outcome::Paid(obligation, Err("why".into()))],
    }
}

/// Not sequences up to a length, but all: the states are finite, so every one that can be reached is visited and every event that can
/// happen in it is tried.
#[test]
fn no_order_of_events_breaks_a_promise() {
    explore(&life());
}

#[test]
fn no_order_of_events_breaks_a_promise_where_the_sidecar_ends_with_its_runner() {
    explore(&Lifecycle { exit_with_runner: true, ..life() });
}

#[test]
fn no_order_of_events_breaks_a_promise_behind_a_gate() {
    explore(&life().guarded(true));
}

fn explore(life: &Lifecycle) {
    let mut seen = HashSet::new();
    // One restart is left: those before it lead to the same states again.
    let life = || Lifecycle { restarts: stages::RESTARTS.len() - 1, ..life.clone() };
    let mut open = vec![(life(), World::default(), Event::Started)];
    // A signal can come before the first event.
    open.push((life(), World::default(), Event::Signal(Signal::TERM)));
    let (mut transitions, mut ends) = (0, HashSet::new());
    while let Some((mut life, mut world, event)) = open.pop() {
        transitions += 1;
        world.happened(&event);
        let actions = life.on(event);
        if let Some(code) = world.perform(&actions) {
            world.may_end_with(code);
            ends.insert(code);
            assert_eq!(life.on(Event::Signal(Signal::TERM)), [], "the end is the end");
            continue;
        }
        world.holds(&life);
        if seen.insert((life.clone(), world.clone())) {
            open.extend(world.possible().into_iter().map(|event| (life.clone(), world.clone(), event)));
        }
    }
    assert!(seen.len() > 200 && transitions > 1000, "{} states, {transitions} transitions", seen.len());
    assert_eq!(ends, HashSet::from([exit::FINE, exit::UNAVAILABLE, exit::HOST, exit::CONFIG, exit::CUT]));
}

/// From wherever it is, a stop whose every deadline passes ends the process.
#[test]
fn a_stop_ends_even_if_nothing_else_ever_happens() {
    for (_, mut life) in [phases(life()), phases(life().guarded(true))].concat() {
        life.on(Event::Signal(Signal::TERM));
        for timer in [Timer::Linger, Timer::Containers, Timer::Dockerd, Timer::Alone, Timer::End] {
            life.on(Event::Expired(timer));
        }
        assert_eq!(life.phase, Phase::Done);
    }
}

#[test]
fn the_last_complaint_of_a_daemon_is_in_the_reason_for_the_end() {
    let mut life = phases(life()).into_iter().find(|(name, _)| *name == "starting").unwrap().1;
    life.on(Event::Noted(Note::Complaint("driver not supported: overlay2".into())));
    let actions = life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(1)));
    let said = "dockerd ended with exit code 1 before docker was usable\nits last complaint: driver not supported: overlay2\n\
                both daemons are started again in 1 s (1 of 3)";
    assert!(actions.contains(&Action::Say(Level::Error, said.to_owned())), "{actions:?}");
}

/// A machine in a phase, by its name.
fn in_phase(name: &str) -> Lifecycle {
    phases(life()).into_iter().find(|(phase, _)| *phase == name).unwrap().1
}

/// From a death to the next try of the daemons; returns what was done at the death.
fn die_and_return(life: &mut Lifecycle) -> Actions {
    let said = life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Signal(Signal::KILL)));
    for event in [Event::Alone, Event::ChildEnded(Role::Containerd, ChildEnd::Signal(Signal::KILL))] {
        life.on(event);
    }
    life.on(Event::Told(Outcome::Cleared(Ok(()))));
    life.on(Event::Expired(Timer::Restart));
    said
}

#[test]
fn daemons_that_die_are_started_again_a_bounded_number_of_times() {
    let mut life = in_phase("serving");
    for wait in stages::RESTARTS {
        let said = die_and_return(&mut life);
        let loss = "containers, and builds under way, are lost";
        assert!(said.iter().any(|action| matches!(action, Action::Say(Level::Error, text) if text.contains(loss))), "{said:?}");
        assert!(said.iter().any(|action| matches!(action, Action::Say(_, text) if text.contains(&format!("in {} s", wait.as_secs())))));
        assert_eq!(life.phase, Phase::Starting { publishing: false });
        life.on(Event::Told(Outcome::Usable(Ok(()))));
        life.on(Event::Told(Outcome::Published(Ok(()))));
        assert_eq!(life.phase, Phase::Serving);
    }
    life.on(Event::ChildEnded(Role::Containerd, ChildEnd::Code(2)));
    assert_eq!((life.phase, life.code), (Phase::Killing { burying: true }, exit::UNAVAILABLE));
}

#[test]
fn settings_that_dockerd_does_not_take_are_not_tried_again() {
    let mut life = in_phase("starting");
    life.on(Event::Noted(Note::Refusal("unable to configure the Docker daemon: mtuu".into())));
    life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(1)));
    assert_eq!((life.phase, life.code), (Phase::Killing { burying: true }, exit::CONFIG));
}

/// A child's end is told after its last lines, so the news that nobody is left can come first. Daemons that were started then would be
/// taken for dead when the old end was told.
#[test]
fn an_end_that_is_told_late_is_waited_for() {
    let mut life = in_phase("serving");
    life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(2)));
    assert_eq!(life.on(Event::Alone), []);
    let actions = life.on(Event::ChildEnded(Role::Containerd, ChildEnd::Signal(Signal::KILL)));
    assert!(actions.contains(&Action::Run(Job::Clear)), "{actions:?}");
}

#[test]
fn a_stop_in_the_middle_of_a_restart_is_obeyed() {
    for step in ["restarting, burying", "restarting, clearing", "restarting, waiting"] {
        let mut life = in_phase(step);
        let actions = life.on(Event::Signal(Signal::TERM));
        assert!(actions.contains(&Action::Signal(Target::Everything, Signal::KILL)), "{step}: {actions:?}");
        assert_eq!((life.phase, life.code), (Phase::Killing { burying: true }, exit::FINE), "{step}");
    }
}

#[test]
fn a_dockerd_older_than_cgroup_v2_is_not_started() {
    let mut life = in_phase("starting, alone");
    life.on(Event::Noted(Note::Version(Version { major: 19, minor: 3 })));
    let actions = life.on(Event::ChildEnded(Role::Version, ChildEnd::Code(0)));
    assert!(actions.contains(&Action::Signal(Target::Everything, Signal::KILL)), "{actions:?}");
    assert_eq!((life.phase, life.code), (Phase::Killing { burying: true }, exit::HOST));
}

#[test]
fn a_dockerd_that_does_not_say_its_version_is_started_with_a_warning() {
    let mut life = in_phase("starting, alone");
    let actions = life.on(Event::ChildEnded(Role::Version, ChildEnd::Code(1)));
    assert!(matches!(&actions[..], [Action::Say(Level::Warn, _), Action::Run(Job::Furnish)]), "{actions:?}");
}

#[test]
fn a_daemon_that_does_not_answer_is_not_ready_until_it_does() {
    let ready =
        |actions: &Actions| actions.iter().find_map(|action| if let Action::Publish(state) = action { Some(state.ready) } else { None });
    for phase in ["serving", "lingering"] {
        let mut life = in_phase(phase);
        let silent = Event::Told(Outcome::Silent(Duration::from_secs(10)));
        assert_eq!(ready(&life.on(silent.clone())), Some(false));
        assert_eq!(life.on(silent), [], "it is said once");
        assert_eq!(ready(&life.on(Event::Told(Outcome::Answering(Duration::from_secs(23))))), Some(true));
    }
}

#[test]
fn a_daemon_that_cannot_be_started_ends_the_life_with_everything_undone() {
    let mut life = in_phase("starting");
    let error = SpawnError { program: "dockerd".into(), kind: std::io::ErrorKind::NotFound, cause: "not there".into() };
    for _ in stages::RESTARTS {
        life.on(Event::SpawnFailed(Role::Dockerd, error.clone()));
        for event in [Event::Alone, Event::ChildEnded(Role::Containerd, ChildEnd::Code(0)), Event::Told(Outcome::Cleared(Ok(())))] {
            life.on(event);
        }
        life.on(Event::Expired(Timer::Restart));
    }
    life.on(Event::SpawnFailed(Role::Dockerd, error));
    life.on(Event::Alone);
    life.on(Event::Told(Outcome::Paid(Obligation::Unmount, Ok(()))));
    let actions = life.on(Event::Told(Outcome::Paid(Obligation::RemoveDataRoot, Ok(()))));
    assert_eq!(actions.last(), Some(&Action::Exit(exit::UNAVAILABLE)));
}

/// A machine in each phase, by the shortest way there.
fn phases(mut life: Lifecycle) -> Vec<(&'static str, Lifecycle)> {
    let way = [
        ("new", None),
        ("checking", Some(Event::Started)),
        ("nesting", Some(Event::Told(Outcome::Checked(Ok(()))))),
        ("preparing", Some(Event::Told(Outcome::Nested(Ok(()))))),
        ("formatting", Some(Event::Told(Outcome::Unformatted))),
        ("formatting, mounting", Some(Event::ChildEnded(Role::Mkfs, ChildEnd::Code(0)))),
        ("starting, alone", Some(Event::Told(Outcome::Mounted(Ok(()))))),
        ("starting, known", Some(Event::Noted(Note::Version(DOCKER)))),
        ("starting, furnishing", Some(Event::ChildEnded(Role::Version, ChildEnd::Code(0)))),
        ("starting", Some(Event::Told(Outcome::Furnished(Ok(()))))),
        ("starting, publishing", Some(Event::Told(Outcome::Usable(Ok(()))))),
        ("serving", Some(Event::Told(Outcome::Published(Ok(()))))),
        ("lingering", Some(Event::Signal(Signal::TERM))),
        ("draining", Some(Event::Told(Outcome::RunnerGone))),
        ("killing", Some(Event::Told(Outcome::ContainersKilled(Ok(0))))),
        ("killing, burying", Some(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(0)))),
        ("settling", Some(Event::Alone)),
    ];
    if life.gate != gate::Gate::None {
        drop(life.on(Event::Noted(Note::Listening)));
    }
    let mut phases: Vec<(&'static str, Lifecycle)> = way
        .into_iter()
        .map(|(name, event)| {
            event.into_iter().for_each(|event| drop(life.on(event)));
            assert!(name.starts_with(life.phase.name()), "{name} is {}", life.phase.name());
            (name, life.clone())
        })
        .collect();
    let mut life = phases.iter().find(|(name, _)| *name == "serving").unwrap().1.clone();
    let aside = [
        ("restarting, burying", vec![Event::ChildEnded(Role::Dockerd, ChildEnd::Code(1))]),
        ("restarting, clearing", vec![Event::ChildEnded(Role::Containerd, ChildEnd::Code(1)), Event::Alone]),
        ("restarting, waiting", vec![Event::Told(Outcome::Cleared(Ok(())))]),
    ];
    phases.extend(aside.into_iter().map(|(name, events)| {
        events.into_iter().for_each(|event| drop(life.on(event)));
        assert!(name.starts_with(life.phase.name()), "{name} is {}", life.phase.name());
        (name, life.clone())
    }));
    phases
}

fn show(action: &Action<Words>) -> Option<String> {
    Some(match action {
        Action::Publish(_) | Action::Recall(_) | Action::Fact(..) | Action::Label(..) => return None,
        Action::Say(level, sentence) => format!("say {level:?}: {}", sentence.lines().next().unwrap_or_default()).to_lowercase(),
        Action::Run(job) => format!("run {job:?}"),
        Action::Abandon(job) => format!("abandon {job:?}"),
        Action::Spawn(role) => format!("spawn {}", role.name()),
        Action::Signal(target, signal) => format!("{signal} to {target:?}"),
        Action::Arm(timer, span) => format!("arm {timer:?} {span:?}"),
        Action::Tighten(timer, span) => format!("tighten {timer:?} {span:?}"),
        Action::Disarm(timer) => format!("disarm {timer:?}"),
        Action::Exit(code) => format!("exit {code}"),
    })
}

/// The whole table of what does something: a change of behaviour is a change of this file.
#[test]
fn the_transition_table() {
    let jobs = [
        Job::Check,
        Job::Nest,
        Job::Prepare,
        Job::Mount,
        Job::Furnish,
        Job::Sweep,
        Job::Clear,
        Job::WatchSpace,
        Job::Probe,
        Job::Publish,
        Job::WatchDaemon,
        Job::AwaitRunner,
        Job::FollowRunner,
        Job::KillContainers,
        Job::Pay(Obligation::RemoveSocket),
    ];
    let mut events = vec![Event::Started, Event::Signal(Signal::TERM), Event::Signal(Signal::HUP), Event::Alone];
    events.extend(jobs.iter().flat_map(outcomes).map(Event::Told));
    events.extend([Version { major: 19, minor: 3 }, DOCKER, Version { major: 30, minor: 0 }].map(Note::Version).map(Event::Noted));
    events.extend([Role::Version, Role::Containerd, Role::Dockerd, Role::Mkfs].map(|role| Event::ChildEnded(role, ChildEnd::Code(1))));
    events.push(Event::ChildEnded(Role::Mkfs, ChildEnd::Code(0)));
    let timers = [Timer::Start, Timer::Restart, Timer::Sweep, Timer::Linger, Timer::Containers, Timer::Dockerd, Timer::Alone, Timer::End];
    events.extend(timers.map(Event::Expired));

    let mut table = String::new();
    for (name, life) in phases(life()) {
        table += &format!("{name}\n");
        for event in &events {
            let mut after = life.clone();
            let shown: Vec<String> = after.on(event.clone()).iter().filter_map(show).collect();
            if after != life || !shown.is_empty() {
                table += &format!("  {event:?} -> {}\n", after.phase.name());
                shown.iter().for_each(|action| table += &format!("      {action}\n"));
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_a_formatter_said_is_why_there_is_no_file_system() {
    let mut life = phases(life()).into_iter().find(|(name, _)| *name == "formatting").unwrap().1;
    life.on(Event::Noted(Note::Complaint("mkfs.xfs: no space left".into())));
    let actions = life.on(Event::ChildEnded(Role::Mkfs, ChildEnd::Code(1)));
    let said = "this task's file system could not be made: mkfs.xfs ended with exit code 1\nits last complaint: mkfs.xfs: no space left";
    assert!(actions.contains(&Action::Say(Level::Error, said.to_owned())), "{actions:?}");
    let actions = life.on(Event::Told(Outcome::Paid(Obligation::RemoveDataRoot, Ok(()))));
    assert_eq!(actions.last(), Some(&Action::Exit(exit::HOST)));
}

#[test]
fn one_container_is_no_containers() {
    // Seen in the log of a real stop: "1 containers were still running".
    let mut life = life();
    life.phase = Phase::Draining;
    let actions = life.on(Event::Told(Outcome::ContainersKilled(Ok(1))));
    assert_eq!(actions[0], Action::Say(Level::Warn, "1 container was still running and was killed".to_owned()));
}
