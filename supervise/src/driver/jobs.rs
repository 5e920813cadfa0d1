//! Jobs beside the loop: begun on it or as errands, given up, recalled, and what they come back with.

use std::collections::VecDeque;

use tokio::{sync::oneshot, task::AbortHandle, time::Instant};

use super::{Driver, Message, Who};
use crate::{
    ChildEnd, Doing, Effects, Errand, Event, Machine, Output, Program, Signal, Target, Tell, Verdict, Vocabulary, Work,
    lines::{self, Stream},
    records, timeline,
};

/// A job that goes on.
pub(super) struct Job<V: Vocabulary> {
    job: V::Job,
    hand: Hand,
    /// An answer of its errand was understood.
    answered: bool,
    /// What the timeline knows of it.
    work: Option<timeline::Work>,
    /// Whether the last answer says that it failed.
    failed: bool,
}

/// Who does a job.
enum Hand {
    Task(AbortHandle),
    Errand,
}

impl<V, M, E> Driver<V, M, E>
where
    V: Vocabulary,
    M: Machine<V>,
    E: Effects<V>,
{
    pub(super) fn start(&mut self, job: V::Job, events: &mut VecDeque<Event<V>>) {
        let id = self.id();
        let inbox = self.inbox.clone();
        let tell: Tell<V> = Box::new(move |outcome| {
            let _ = inbox.send(Message::Told(id, outcome));
        });
        let span = self.effects.called(Doing::Job(&job)).map(|name| self.timeline.begin(name, Instant::now()));
        match self.effects.work(job.clone(), tell) {
            Work::Here(work) => {
                let work = tokio::task::spawn_local(work);
                self.jobs.insert(id, Job { job, hand: Hand::Task(work.abort_handle()), answered: false, work: span, failed: false });
                let inbox = self.inbox.clone();
                tokio::task::spawn_local(async move {
                    let _ = inbox.send(Message::Done(id, work.await.ok()));
                });
            }
            Work::Errand(errand) => self.send_out(id, job, span, errand, events),
        }
    }

    fn send_out(&mut self, id: u64, job: V::Job, span: Option<timeline::Work>, errand: Errand, events: &mut VecDeque<Event<V>>) {
        let program = Program { output: Output::Watched, ..errand.program };
        match self.children.spawn(Who::Errand(id), &program, Some(&errand.order)) {
            Err(error) => {
                let outcome = self.effects.collapsed(&job, &error.to_string());
                self.job_ended(span, Verdict::Failed);
                events.push_back(Event::Told(outcome));
            }
            Ok(pipes) => {
                self.jobs.insert(id, Job { job, hand: Hand::Errand, answered: false, work: span, failed: false });
                let Some(pipes) = pipes else { return };
                let (send_end, end) = oneshot::channel();
                self.ends.insert(Who::Errand(id), send_end);
                let inbox = self.inbox.clone();
                tokio::task::spawn_local(lines::pump(pipes, lines::ANSWER, end, move |told| match told {
                    lines::Told::Line(Stream::Out, line) => drop(inbox.send(Message::Answer(id, line))),
                    lines::Told::Line(Stream::Err, line) => records::child_line(errand.name, &line),
                    lines::Told::Ended(end) => drop(inbox.send(Message::Returned(id, end))),
                }));
            }
        }
    }

    /// An errand's process is gone, and all that it said was heard.
    pub(super) fn returned(&mut self, id: u64, end: ChildEnd, events: &mut VecDeque<Event<V>>) {
        let Some(Job { job, answered, work, failed, .. }) = self.jobs.remove(&id) else { return };
        let understood = end == ChildEnd::Code(0) && answered;
        self.job_ended(work, came_to(failed || !understood));
        let how = match end {
            _ if understood => return,
            ChildEnd::Code(0) => "ended with nothing that is understood".to_owned(),
            end => format!("ended early ({end})"),
        };
        let outcome = self.effects.collapsed(&job, &how);
        events.push_back(Event::Told(outcome));
    }

    pub(super) fn abandon(&mut self, job: &V::Job) {
        let dropped: Vec<u64> = self.jobs.iter().filter(|(_, running)| running.job == *job).map(|(&id, _)| id).collect();
        for id in dropped {
            let Some(Job { hand, work, .. }) = self.jobs.remove(&id) else { continue };
            self.job_ended(work, Verdict::GivenUp);
            match hand {
                Hand::Task(task) => task.abort(),
                Hand::Errand => self.send(Target::Group(Who::Errand(id)), Signal::KILL),
            }
        }
    }

    pub(super) fn recall(&self, job: &V::Job) {
        for (&id, running) in self.jobs.iter().filter(|(_, running)| running.job == *job) {
            match &running.hand {
                Hand::Task(task) => task.abort(),
                Hand::Errand => self.send(Target::Group(Who::Errand(id)), Signal::KILL),
            }
        }
    }

    /// A job on the loop is over; `None` when it panicked or was recalled.
    pub(super) fn done(&mut self, id: u64, outcome: Option<V::Outcome>, events: &mut VecDeque<Event<V>>) {
        let Some(Job { job, work, .. }) = self.jobs.remove(&id) else { return };
        let outcome = outcome.unwrap_or_else(|| self.effects.collapsed(&job, "panicked"));
        self.timeline.measured(self.effects.measured());
        self.job_ended(work, came_to(self.effects.failed(&outcome)));
        events.push_back(Event::Told(outcome));
    }

    /// An errand says something.
    pub(super) fn answered(&mut self, id: u64, line: &str, events: &mut VecDeque<Event<V>>) {
        let Some(Job { job, answered, failed, work, .. }) = self.jobs.get_mut(&id) else { return };
        let outcome = self.effects.answered(job, line);
        *answered |= outcome.is_some();
        *failed = outcome.as_ref().is_some_and(|outcome| self.effects.failed(outcome));
        if let (Some(_), &mut Some(work)) = (&outcome, work) {
            self.timeline.told(work, came_to(*failed), Instant::now());
        }
        self.timeline.measured(self.effects.measured());
        events.extend(outcome.map(Event::Told));
    }

    /// A job is over, and this is what it came to.
    pub(super) fn job_ended(&mut self, work: Option<timeline::Work>, verdict: Verdict) {
        if let Some(work) = work {
            self.timeline.end(work, verdict, Instant::now());
        }
    }
}

fn came_to(failed: bool) -> Verdict {
    if failed { Verdict::Failed } else { Verdict::Well }
}
