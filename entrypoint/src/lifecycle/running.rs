//! While the runner lives: what its lines mean, and what its end means.

use supervise::{Action, ChildEnd, Level};

use super::{Actions, Job, JobState, Lifecycle, Note, Obligation, Phase, Registration, Role, Timer, Words};
use crate::stages::{Ending, RELAUNCH_PAUSE, RELAUNCHES};

impl Lifecycle {
    pub(super) fn start_runner(&mut self) -> Actions {
        self.listener_code = None;
        vec![self.enter(Phase::Running { alive: true, listening: false }), Action::Spawn(Role::Runner)]
    }

    pub(super) fn noted(&mut self, note: Note) -> Actions {
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
}
