//! A model of what lives and runs around the machine, as far as its actions tell, and what must never happen in it.

use std::collections::BTreeSet;

use supervise::{ChildEnd, Target};

use super::{outcomes, *};

/// What the world has going on, as far as the machine's actions tell: from this follows what can happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct World {
    jobs: BTreeSet<Job>,
    alive: BTreeSet<Role>,
    /// Daemons were started, and not all of that is known to be dead.
    spawned: bool,
    timers: BTreeSet<Timer>,
    signals: usize,
    /// How often somebody asks for a stop.
    most_signals: usize,
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
    pub(super) fn with(most_signals: usize) -> Self {
        Self { most_signals, ..Self::default() }
    }

    pub(super) fn possible(&self) -> Vec<Event<Words>> {
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
        if self.signals < self.most_signals {
            events.push(Event::Signal(Signal::TERM));
        }
        events
    }

    pub(super) fn happened(&mut self, event: &Event<Words>) {
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
    pub(super) fn perform(&mut self, actions: &[Action<Words>]) -> Option<u8> {
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
                Action::Say(_, sentence) | Action::Mark(_, _, sentence) => assert!(!sentence.is_empty()),
                Action::Recall(_) | Action::Fact(..) | Action::Label(..) => {}
                Action::Exit(code) => {
                    assert_eq!(index + 1, actions.len(), "nothing comes after the end");
                    return Some(*code);
                }
            }
        }
        None
    }

    pub(super) fn holds(&self, life: &Lifecycle) {
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

    pub(super) fn may_end_with(&self, code: u8) {
        assert!(self.owes.is_empty() || self.ended, "nothing is owed at the end, unless time ran out: {:?}", self.owes);
        assert!(code != exit::FINE || self.is_stopping(), "without a stop there is no fine end");
        assert!([exit::FINE, exit::UNAVAILABLE, exit::HOST, exit::CONFIG, exit::CUT].contains(&code), "{code}");
    }
}
