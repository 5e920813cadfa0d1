//! The one loop: turns signals, ends of children, outcomes of jobs, lines and timers into events, and performs the actions.
//!
//! From [`drive`] on nothing gives up: a failure is an event or a warning, because the death of PID 1 kills everything beside it.

mod jobs;

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, LocalSet},
    time::Instant,
};
use tracing::{error, info, warn};

use crate::{
    Action, ChildEnd, Doing, Effects, Event, Level, Machine, Observer, Output, Signal, Signals, State, StateFile, Target, Verdict,
    Vocabulary,
    children::Children,
    lines::{self},
    records,
    timeline::{self, Timeline},
};

/// Where a life is made known besides the log.
#[derive(Default)]
pub struct Outlets {
    /// The program's name, there.
    pub program: &'static str,
    /// Its state, at every change.
    pub state_file: Option<StateFile>,
    /// Its last record, if this file exists: Kubernetes shows it as the reason of the container's end.
    pub termination_log: Option<PathBuf>,
    /// Whoever else wants to know.
    pub observers: Vec<Box<dyn Observer>>,
}

impl std::fmt::Debug for Outlets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlets")
            .field("state_file", &self.state_file)
            .field("termination_log", &self.termination_log)
            .finish_non_exhaustive()
    }
}

/// Runs `machine` until it says [`Action::Exit`], and returns that code.
pub fn drive<V, M, E>(signals: Signals, machine: M, effects: E, outlets: Outlets) -> u8
where
    V: Vocabulary,
    M: Machine<V>,
    E: Effects<V>,
{
    // A PID 1 has all orphans; anything else must ask for those below it (prctl(2), PR_SET_CHILD_SUBREAPER), as under `docker run --init`.
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        warn!(%error, "cannot become the reaper of orphans; processes left behind by the child will not be stopped");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start: no event loop");
            return 70;
        }
    };
    let code = LocalSet::new().block_on(&runtime, async {
        let (inbox, arrivals) = mpsc::unbounded_channel();
        let timeline = Timeline::start(outlets.program, effects.called(Doing::Use).unwrap_or("use"), outlets.observers, Instant::now());
        let driver = Driver {
            machine,
            effects,
            state_file: outlets.state_file,
            termination_log: outlets.termination_log,
            state_unseen: false,
            children: Children::new(),
            ends: HashMap::new(),
            jobs: HashMap::new(),
            timers: HashMap::new(),
            next_id: 0,
            awaiting_alone: false,
            reap_at: None,
            roles: HashMap::new(),
            timeline,
            inbox,
        };
        driver.run(signals, arrivals).await
    });
    // A thread that hangs in the kernel must not hold the end of the process.
    runtime.shutdown_background();
    code
}

/// What reaches the loop besides signals.
enum Message<V: Vocabulary> {
    Line(V::Role, Output, String),
    Ended(V::Role, ChildEnd),
    Told(u64, V::Outcome),
    Done(u64, Option<V::Outcome>),
    Answer(u64, String),
    Returned(u64, ChildEnd),
    Expired(V::Timer, u64),
}

/// A child, by why it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who<Role> {
    Role(Role),
    Errand(u64),
}

struct Timer {
    id: u64,
    ends: Instant,
    task: AbortHandle,
}

struct Driver<V: Vocabulary, M, E> {
    machine: M,
    effects: E,
    state_file: Option<StateFile>,
    termination_log: Option<PathBuf>,
    /// The state file could not be written the last time, which is said once.
    state_unseen: bool,
    children: Children<Who<V::Role>>,
    /// Where to send the end of a child whose output is read, so that its last lines come first.
    ends: HashMap<Who<V::Role>, oneshot::Sender<ChildEnd>>,
    jobs: HashMap<u64, jobs::Job<V>>,
    timers: HashMap<V::Timer, Timer>,
    next_id: u64,
    awaiting_alone: bool,
    /// When ended children are looked for next, in place of at once.
    reap_at: Option<Instant>,
    /// What the timeline knows of each child.
    roles: HashMap<V::Role, timeline::Work>,
    timeline: Timeline,
    inbox: mpsc::UnboundedSender<Message<V>>,
}

impl<V, M, E> Driver<V, M, E>
where
    V: Vocabulary,
    M: Machine<V>,
    E: Effects<V>,
{
    async fn run(mut self, signals: Signals, mut arrivals: mpsc::UnboundedReceiver<Message<V>>) -> u8 {
        let (arrived, listener) = match signals.listen() {
            Ok(listening) => listening,
            Err(error) => {
                error!(%error, "cannot start: signals cannot be watched");
                return 70;
            }
        };
        let mut events: VecDeque<Event<V>> = arrived.into_iter().filter(|&signal| signal != Signal::CHLD).map(Event::Signal).collect();
        events.push_back(Event::Started);
        loop {
            while let Some(event) = events.pop_front() {
                for action in self.machine.on(event) {
                    if let Action::Exit(code) = action {
                        self.timeline.ended(code, Instant::now(), self.termination_log.as_deref());
                        return code;
                    }
                    self.perform(action, &mut events);
                }
            }
            tokio::select! {
                biased;
                // First, for the children that end meanwhile are heard of without end.
                () = tokio::time::sleep_until(self.reap_at.unwrap_or_else(Instant::now)), if self.reap_at.is_some() => self.reap(&mut events),
                batch = listener.next() => {
                    self.take_signals(&batch, &mut events);
                    // A storm of signals must not keep a deadline from us.
                    if let Ok(message) = arrivals.try_recv() {
                        self.take_message(message, &mut events);
                    }
                }
                Some(message) = arrivals.recv() => self.take_message(message, &mut events),
            }
        }
    }

    fn take_signals(&mut self, batch: &[Signal], events: &mut VecDeque<Event<V>>) {
        events.extend(batch.iter().filter(|&&signal| signal != Signal::CHLD).map(|&signal| Event::Signal(signal)));
        // Always, not only for SIGCHLD: standard signals coalesce, and a record may be lost when the pipe is full.
        if self.reap_at.is_none() {
            self.reap(events);
        }
    }

    fn reap(&mut self, events: &mut VecDeque<Event<V>>) {
        let round = self.children.reap();
        self.reap_at = round.again.map(|pause| Instant::now() + pause);
        for (who, end) in round.ended {
            match (self.ends.remove(&who), who) {
                (Some(pump), _) => drop(pump.send(end)),
                (None, Who::Role(role)) => self.child_ended(role, end, events),
                (None, Who::Errand(id)) => self.returned(id, end, events),
            }
        }
        if round.alone && std::mem::take(&mut self.awaiting_alone) {
            events.push_back(Event::Alone);
        }
    }

    fn child_ended(&mut self, role: V::Role, end: ChildEnd, events: &mut VecDeque<Event<V>>) {
        if let Some(work) = self.roles.remove(&role) {
            let verdict = match end {
                ChildEnd::Code(0) => Verdict::Well,
                ChildEnd::Code(_) => Verdict::Failed,
                ChildEnd::Signal(_) => Verdict::GivenUp,
            };
            self.timeline.end(work, verdict, Instant::now());
        }
        events.push_back(Event::ChildEnded(role, end));
    }

    fn take_message(&mut self, message: Message<V>, events: &mut VecDeque<Event<V>>) {
        match message {
            Message::Line(role, output, line) => {
                events.extend(self.effects.watch(role, &line).map(Event::Noted));
                self.timeline.measured(self.effects.measured());
                if let Output::Lines(source) = output {
                    records::child_line(source, &line);
                }
            }
            Message::Ended(role, end) => self.child_ended(role, end, events),
            Message::Told(id, outcome) => {
                if self.jobs.contains_key(&id) {
                    events.push_back(Event::Told(outcome));
                }
            }
            Message::Done(id, outcome) => self.done(id, outcome, events),
            Message::Answer(id, line) => self.answered(id, &line, events),
            Message::Returned(id, end) => self.returned(id, end, events),
            Message::Expired(timer, id) => {
                if self.timers.get(&timer).is_some_and(|set| set.id == id) {
                    self.timers.remove(&timer);
                    events.push_back(Event::Expired(timer));
                }
            }
        }
    }

    fn perform(&mut self, action: Action<V>, events: &mut VecDeque<Event<V>>) {
        match action {
            Action::Spawn(role) => self.spawn(role, events),
            Action::Signal(target, signal) => self.signal(target, signal, events),
            Action::Run(job) => self.start(job, events),
            Action::Abandon(job) => self.abandon(&job),
            Action::Recall(job) => self.recall(&job),
            Action::Arm(timer, span) => self.arm(timer, Instant::now() + span),
            Action::Tighten(timer, span) => {
                let ends = Instant::now() + span;
                if self.timers.get(&timer).is_none_or(|set| set.ends > ends) {
                    self.arm(timer, ends);
                }
            }
            Action::Disarm(timer) => {
                if let Some(set) = self.timers.remove(&timer) {
                    set.task.abort();
                }
            }
            Action::Publish(state) => self.publish(&state),
            Action::Say(Level::Info, sentence) => info!("{sentence}"),
            Action::Say(Level::Warn, sentence) => warn!("{sentence}"),
            Action::Say(Level::Error, sentence) => error!("{sentence}"),
            Action::Mark(Level::Info, event, sentence) => info!(event, "{sentence}"),
            Action::Mark(Level::Warn, event, sentence) => warn!(event, "{sentence}"),
            Action::Mark(Level::Error, event, sentence) => error!(event, "{sentence}"),
            Action::Fact(name, value) => self.timeline.fact(name, value),
            Action::Label(name, value) => {
                records::label(name, &value);
                self.timeline.fact(name, value);
            }
            Action::Exit(_) => unreachable!("the loop takes it"),
        }
    }

    fn signal(&mut self, target: Target<V::Role>, signal: Signal, events: &mut VecDeque<Event<V>>) {
        if target == Target::Everything {
            // Who has no children is told so at once, and spares the search through /proc.
            self.awaiting_alone = true;
            self.reap(events);
            if !self.awaiting_alone && !self.children.is_pid_1() {
                return;
            }
        }
        let target = match target {
            Target::Child(role) => Target::Child(Who::Role(role)),
            Target::Group(role) => Target::Group(Who::Role(role)),
            Target::Named(role, name) => Target::Named(Who::Role(role), name),
            Target::Everything => Target::Everything,
        };
        self.send(target, signal);
    }

    fn send(&self, target: Target<Who<V::Role>>, signal: Signal) {
        if let Err(error) = self.children.signal(target, signal) {
            warn!(%signal, ?target, %error, "a signal could not be sent");
        }
    }

    fn spawn(&mut self, role: V::Role, events: &mut VecDeque<Event<V>>) {
        let program = self.effects.program(role);
        if let Some(name) = self.effects.called(Doing::Child(role)) {
            self.roles.insert(role, self.timeline.begin(name, Instant::now()));
        }
        match self.children.spawn(Who::Role(role), &program, None) {
            Err(error) => {
                let work = self.roles.remove(&role);
                self.job_ended(work, Verdict::Failed);
                events.push_back(Event::SpawnFailed(role, error));
            }
            Ok(None) => {}
            Ok(Some(pipes)) => {
                let (send_end, end) = oneshot::channel();
                self.ends.insert(Who::Role(role), send_end);
                let (inbox, output) = (self.inbox.clone(), program.output);
                tokio::task::spawn_local(lines::pump(pipes, lines::LOG_LINE, end, move |told| {
                    let _ = inbox.send(match told {
                        lines::Told::Line(_, line) => Message::Line(role, output, line),
                        lines::Told::Ended(end) => Message::Ended(role, end),
                    });
                }));
            }
        }
    }

    fn arm(&mut self, timer: V::Timer, ends: Instant) {
        let id = self.id();
        let inbox = self.inbox.clone();
        let task = tokio::task::spawn_local(async move {
            tokio::time::sleep_until(ends).await;
            let _ = inbox.send(Message::Expired(timer, id));
        });
        let set = Timer { id, ends, task: task.abort_handle() };
        if let Some(before) = self.timers.insert(timer, set) {
            before.task.abort();
        }
    }

    fn publish(&mut self, state: &State) {
        let came_to = records::set_phase(state.phase);
        self.timeline.reached(state, came_to, Instant::now());
        let Some(file) = &mut self.state_file else { return };
        match file.write(state) {
            Ok(()) => self.state_unseen = false,
            Err(_) if self.state_unseen => {}
            Err(error) => {
                self.state_unseen = true;
                warn!(%error, "the state file cannot be written; `health` and the other container do not see this program");
            }
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
