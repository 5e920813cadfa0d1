//! Before the runner: the check, then cache, docker and registration, side by side.

use supervise::{Action, Level};

use super::{Actions, Job, Lifecycle, Outcome, Phase, Register, Restore, Timer};
use crate::{
    stages::Ending,
    words::{SpotNotice, Task},
};

/// What is prepared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Restore,
    Docker,
    Register,
}

impl Lifecycle {
    pub(super) fn started(&mut self) -> Actions {
        if self.stopping.is_some() {
            return self.leave();
        }
        let mut actions = vec![self.publish()];
        actions.extend(self.plan.max_lifetime.map(|most| Action::Arm(Timer::Lifetime, most)));
        match self.phase {
            Phase::Checking { delayed: true, .. } => actions.push(Action::Arm(Timer::StartDelay, self.plan.start_delay)),
            _ => actions.extend(self.begin()),
        }
        actions
    }

    pub(super) fn begin(&mut self) -> Actions {
        let Phase::Checking { delayed, finding, .. } = &mut self.phase else { return vec![] };
        *delayed = false;
        let mut actions = vec![Action::Run(Job::Check)];
        actions.extend(finding.then_some(Action::Run(Job::FindTask)));
        actions
    }

    fn checked(&mut self, checked: Result<(), String>) -> Actions {
        if let Err(problems) = checked {
            self.end_as(Ending::Configuration);
            let mut actions = vec![Action::Say(Level::Error, problems)];
            actions.extend(self.finish());
            return actions;
        }
        if let Phase::Checking { looking, .. } = &mut self.phase {
            *looking = false;
        }
        self.go_on_if_checked()
    }

    fn found(&mut self, task: Result<Task, String>) -> Actions {
        let mut actions = match task {
            Ok(Task { cluster, id }) => vec![Action::Label("cluster", cluster), Action::Label("task", id)],
            Err(why) => vec![Action::Say(Level::Warn, why)],
        };
        if let Phase::Checking { finding, .. } = &mut self.phase {
            *finding = false;
        }
        actions.extend(self.go_on_if_checked());
        actions
    }

    pub(super) fn go_on_if_checked(&mut self) -> Actions {
        match (&self.phase, self.stopping) {
            (Phase::Checking { delayed: false, looking: false, finding: false }, None) => self.prepare(),
            (Phase::Checking { delayed: false, looking: false, finding: false }, Some(_)) => self.leave(),
            _ => vec![],
        }
    }

    fn prepare(&mut self) -> Actions {
        self.restore = if self.plan.restore.is_some() { Restore::Going } else { Restore::Over };
        let mut actions =
            vec![self.enter(Phase::Preparing { docker: self.plan.docker, register: Register::Going }), Action::Run(Job::Register)];
        if self.plan.docker {
            actions.push(Action::Run(Job::WaitForDocker));
        }
        actions.extend(self.start_restore());
        if self.plan.spot {
            actions.push(Action::Run(Job::WatchSpot));
        }
        if self.plan.serve {
            actions.push(Action::Run(Job::ServeMetrics));
        }
        actions
    }

    /// A part of the preparation is over.
    pub(super) fn prepared(&mut self, part: Part) -> Actions {
        if let Phase::Preparing { docker, register } = &mut self.phase {
            match part {
                Part::Restore => {}
                Part::Docker => *docker = false,
                Part::Register => *register = Register::Over,
            }
        }
        self.go_on()
    }

    /// With all that it needs over the runner can start or, when the life is already ending, end.
    fn go_on(&mut self) -> Actions {
        match self.phase {
            Phase::Preparing { docker: false, register: Register::Over } if !self.cache_lets_go_on() => vec![],
            Phase::Preparing { docker: false, register: Register::Over } if self.is_unwanted() => self.leave(),
            Phase::Preparing { docker: false, register: Register::Over } => self.start_runner(),
            _ => vec![],
        }
    }

    /// Nobody needs the runner any more that is being prepared.
    pub(super) fn is_unwanted(&self) -> bool {
        self.stopping.is_some() || self.ending.is_some()
    }

    /// A part failed in a way that ends the life.
    pub(super) fn give_up(&mut self, part: Part, ending: Ending, why: String) -> Actions {
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
    /// looked would stay for ever. One that has not been asked for as far as we know is recalled and not dropped: a stop that met the
    /// errand between its word and our hearing it left a runner that nobody knew of.
    pub(super) fn stop_preparing(&mut self) -> Actions {
        let settle = self.budget.settle;
        let mut actions = self.end_restore();
        let Phase::Preparing { docker, register } = &mut self.phase else { return vec![] };
        if std::mem::take(docker) {
            actions.push(Action::Abandon(Job::WaitForDocker));
        }
        match register {
            Register::Over | Register::Recalled => {}
            Register::Asked | Register::Configuring | Register::Reading => actions.push(Action::Tighten(Timer::Answer, settle)),
            Register::Going => {
                *register = Register::Recalled;
                actions.push(Action::Recall(Job::Register));
            }
        }
        actions.extend(self.go_on());
        actions
    }

    /// An outcome means something only in the phase that asked for it.
    pub(super) fn told(&mut self, outcome: Outcome) -> Actions {
        match (&self.phase, outcome) {
            (Phase::Checking { .. }, Outcome::Checked(checked)) => self.checked(checked),
            (Phase::Checking { .. }, Outcome::Task(task)) => self.found(task),
            (Phase::Preparing { .. }, Outcome::Docker(Ok(warnings))) => {
                let said: Actions = warnings.into_iter().map(|warning| Action::Say(Level::Warn, warning)).collect();
                said.into_iter().chain(self.prepared(Part::Docker)).collect()
            }
            (Phase::Preparing { .. }, Outcome::Docker(Err(why))) => self.give_up(Part::Docker, Ending::Unavailable, why),
            (Phase::Running { alive: false, .. }, Outcome::Updated) => self.start_runner(),
            (_, Outcome::Deregistered(removal)) => self.asked(removal),
            (_, Outcome::Protected(answer)) => self.protected(answer),
            (_, Outcome::Perf(perf)) => self.measured(perf),
            (_, Outcome::Spot(SpotNotice::Ends(left))) => self.machine_ends(left),
            (_, Outcome::Spot(SpotNotice::Unreachable(why)) | Outcome::Unserved(why)) => vec![Action::Say(Level::Warn, why)],
            (Phase::Preparing { .. }, outcome) => self.told_of_registration(outcome),
            _ => vec![],
        }
    }
}
