//! Before the runner: cache, docker and registration, side by side.

use supervise::{Action, Level, Signal, Target};

use super::{Actions, Job, Lifecycle, Obligation, Outcome, Phase, Register, Registration, Restore, Role, Timer};
use crate::stages::{AFTER_KILL, Ending};

/// What is prepared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Restore,
    Docker,
    Register,
}

impl Lifecycle {
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
    pub(super) fn prepared(&mut self, part: Part) -> Actions {
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
    pub(super) fn stop_preparing(&mut self) -> Actions {
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
    pub(super) fn told(&mut self, outcome: Outcome) -> Actions {
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

    pub(super) fn restore_expired(&mut self) -> Actions {
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
}
