//! While the runner lives: what its lines mean, and what its end means.

use supervise::{Action, ChildEnd, Level};

use super::{Actions, Drain, Job, JobState, Lifecycle, Note, Obligation, Phase, Registration, Role, Timer, Words};
use crate::stages::{Ending, RELAUNCHES, relaunch_pause};

impl Lifecycle {
    pub(super) fn start_runner(&mut self) -> Actions {
        self.listener_code = None;
        vec![self.enter(Phase::Running { alive: true, listening: false }), Action::Spawn(Role::Runner)]
    }

    pub(super) fn noted(&mut self, note: Note) -> Actions {
        match note {
            Note::Listening => self.listens(),
            Note::JobStarted(job) => self.job_started(job),
            Note::JobCompleted { job, result } => {
                self.job = JobState::Completed;
                let said = Action::Mark(Level::Info, "job_completed", format!("job completed: {job}: {result}"));
                vec![said, Action::Fact("result", result), self.publish()]
            }
            Note::ListenerEnded(code) => {
                self.listener_code = Some(code);
                vec![]
            }
            Note::TokenRefused => {
                self.token_refused = true;
                vec![]
            }
            Note::RemovalRefused => {
                self.removal_refused = true;
                vec![]
            }
        }
    }

    fn listens(&mut self) -> Actions {
        let Phase::Running { listening, .. } = &mut self.phase else { return vec![] };
        *listening = true;
        let mut actions = vec![self.publish()];
        actions.extend(self.watch_idleness());
        actions
    }

    /// An idle runner may be too long idle.
    pub(super) fn watch_idleness(&self) -> Option<Action<Words>> {
        self.plan.idle_timeout.filter(|_| self.job == JobState::None).map(|most| Action::Arm(Timer::Idle, most))
    }

    fn job_started(&mut self, job: String) -> Actions {
        // A line that comes after the end of the Listener changes nothing any more.
        if !matches!(self.phase, Phase::Running { .. } | Phase::Draining(_)) {
            return vec![];
        }
        self.job = JobState::Running;
        if self.plan.save.is_some() {
            self.owe(Obligation::SaveCache);
        }
        let mut actions = vec![
            Action::Mark(Level::Info, "job_started", format!("job started: {job}")),
            Action::Fact("job", job),
            Action::Disarm(Timer::Idle),
        ];
        if self.stopping.is_none() {
            actions.extend(self.protect());
        }
        actions.push(self.publish());
        actions
    }

    pub(super) fn runner_ended(&mut self, end: ChildEnd) -> Actions {
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
        // Ended by us.
        if self.ending.is_some() || matches!(self.phase, Phase::Draining(Drain::Ending | Drain::Killed)) {
            return self.leave();
        }
        // A relaunched runner whose registration is used up would only be refused, and a second job is never wanted.
        let again = self.job == JobState::None && matches!(self.phase, Phase::Running { .. });
        match code {
            Some(2) if again => {
                self.relaunch("after an error it calls retryable", |turn| Action::Arm(Timer::Relaunch, relaunch_pause(turn)))
            }
            Some(3 | 4) if again => self.relaunch("after an update of itself", |_| Action::Run(Job::AwaitUpdate)),
            _ => {
                let (ending, level, why) = self.why(code, end);
                self.end_as(ending);
                let mut actions = vec![Action::Say(level, why)];
                // Its answer is as good as there; without it the end would ask GitHub once more.
                if self.phase == Phase::Draining(Drain::Asking) && self.job == JobState::None {
                    self.phase = Phase::Draining(Drain::Answering);
                } else {
                    actions.extend(self.leave());
                }
                actions
            }
        }
    }

    /// Listener exit codes: actions/runner `Runner.Common/Constants.cs`, `ReturnCode`.
    fn why(&self, code: Option<u8>, end: ChildEnd) -> (Ending, Level, String) {
        let job = match self.job {
            JobState::None => "before any job",
            JobState::Running => "with its job unfinished",
            JobState::Completed => "after its job",
        };
        match code {
            Some(0) if self.job == JobState::None && self.reason.is_none() => {
                (Ending::Withdrawn, Level::Warn, "the runner ended without a job: its registration was withdrawn".to_owned())
            }
            Some(0 | 100..=105) => (self.as_intended(), Level::Info, format!("the runner ended {job}")),
            Some(1) => (Ending::Unavailable, Level::Error, "the runner gave up (exit code 1); its own lines above say why".to_owned()),
            Some(5) => (Ending::GitHubUnreachable, Level::Error, "GitHub already has a session for this runner (exit code 5)".to_owned()),
            Some(7) => (
                Ending::VersionRefused,
                Level::Error,
                "GitHub refuses this version of the runner (exit code 7)\nhint: rebuild the image with the newest actions/runner release"
                    .to_owned(),
            ),
            // The job is over; what the Listener met afterwards is not its failure.
            Some(2..=4) if self.job == JobState::Completed => (Ending::JobDone, Level::Info, format!("the runner ended {job} ({end})")),
            _ => (Ending::Unavailable, Level::Error, format!("the runner died {job} ({end})")),
        }
    }

    fn relaunch(&mut self, why: &str, wait: impl FnOnce(u8) -> Action<Words>) -> Actions {
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
            Action::Disarm(Timer::Idle),
            Action::Say(Level::Warn, format!("the runner ended {why}; starting it again ({} of {RELAUNCHES})", self.relaunches)),
            wait(self.relaunches),
        ]
    }
}
