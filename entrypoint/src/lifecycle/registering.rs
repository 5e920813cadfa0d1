//! How a registration comes to be: by one request, by `config.sh`, or ready-made; and what may exist meanwhile.

use supervise::{Action, ChildEnd, Level, Signal, Target};

use super::{Actions, Job, Lifecycle, Obligation, Outcome, Part, Phase, Register, Registration, RemovedBy, Role, Timer};
use crate::stages::Ending;

impl Lifecycle {
    pub(super) fn told_of_registration(&mut self, outcome: Outcome) -> Actions {
        let Phase::Preparing { register, .. } = self.phase else { return vec![] };
        let recalled = register == Register::Recalled;
        match outcome {
            Outcome::MayExist(name) => {
                self.registering(if recalled { register } else { Register::Asked });
                self.owe(Obligation::Deregister(Registration::MayExist(name)));
                vec![self.publish()]
            }
            Outcome::Absent(name) => {
                self.paid(&Registration::MayExist(name));
                let mut actions = vec![self.publish()];
                if !recalled {
                    self.registering(Register::Going);
                    actions.extend(self.unless_wanted());
                }
                actions
            }
            Outcome::Waiting(_) if recalled => vec![],
            Outcome::Waiting(why) => {
                self.registering(Register::Going);
                let mut actions = vec![Action::Say(Level::Warn, why)];
                actions.extend(self.unless_wanted());
                actions
            }
            // The token is of no use to anybody any more.
            Outcome::Permitted(_) if recalled => self.prepared(Part::Register),
            Outcome::Permitted(name) => {
                self.registering(Register::Configuring);
                self.owe(Obligation::Deregister(Registration::MayExist(name)));
                vec![self.publish(), Action::Spawn(Role::Configure), Action::Arm(Timer::Configure, self.plan.configure)]
            }
            Outcome::Registered { id, name } => self.registered(id, name),
            // It was registered, or recalled: that its errand did not come to an end is no failure.
            Outcome::RegisterFailed { .. } if register == Register::Over => vec![],
            Outcome::RegisterFailed { .. } if recalled => self.prepared(Part::Register),
            Outcome::RegisterFailed { ending, why } => {
                let mut actions = vec![Action::Disarm(Timer::Answer)];
                actions.extend(self.give_up(Part::Register, ending, why));
                actions
            }
            Outcome::Checked(_)
            | Outcome::Task(_)
            | Outcome::Docker(_)
            | Outcome::Updated
            | Outcome::Deregistered(_)
            | Outcome::Protected(_)
            | Outcome::Spot(_)
            | Outcome::Perf(_) => vec![],
        }
    }

    fn registered(&mut self, id: Option<u64>, name: String) -> Actions {
        let said = match (id, self.plan.removal) {
            (Some(id), RemovedBy::Api | RemovedBy::ConfigSh) => {
                self.paid(&Registration::MayExist(name.clone()));
                self.owe(Obligation::Deregister(Registration::Runner { id, name: name.clone() }));
                format!("registered runner {name} (id {id})")
            }
            (None, RemovedBy::Api | RemovedBy::ConfigSh) => format!("registered runner {name}"),
            (_, RemovedBy::Others) => format!("runner {name} was registered for us, and is for others to remove"),
        };
        let mut actions = vec![
            Action::Label("runner", name),
            Action::Mark(Level::Info, "registered", said),
            self.publish(),
            Action::Disarm(Timer::Answer),
        ];
        actions.extend(self.prepared(Part::Register));
        actions
    }

    fn registering(&mut self, now: Register) {
        if let Phase::Preparing { register, .. } = &mut self.phase {
            *register = now;
        }
    }

    /// With no request on its way a registration that nobody wants any more can be given up.
    fn unless_wanted(&mut self) -> Actions {
        if !self.is_unwanted() {
            return vec![];
        }
        let mut actions = vec![Action::Disarm(Timer::Answer)];
        actions.extend(self.stop_preparing());
        actions
    }

    /// `config.sh` ended.
    pub(super) fn configured(&mut self, end: ChildEnd) -> Actions {
        if !matches!(self.phase, Phase::Preparing { register: Register::Configuring, .. }) {
            return vec![];
        }
        let mut actions = vec![Action::Disarm(Timer::Configure)];
        if end != ChildEnd::Code(0) && self.token_refused {
            // It certainly made none.
            self.owed.retain(|owed| !matches!(owed, Obligation::Deregister(Registration::MayExist(_))));
            actions.push(self.publish());
        }
        if end == ChildEnd::Code(0) {
            // Also when nobody wants it any more: what it wrote is what its removal needs.
            self.registering(Register::Reading);
            actions.push(Action::Run(Job::ReadRegistration));
        } else if self.is_unwanted() {
            actions.push(Action::Disarm(Timer::Answer));
            actions.extend(self.prepared(Part::Register));
        } else {
            let ending = if self.token_refused { Ending::CredentialsRefused } else { Ending::GitHubUnreachable };
            let why = format!("config.sh did not register the runner ({end}); its lines above say why");
            actions.extend(self.give_up(Part::Register, ending, why));
        }
        actions
    }

    pub(super) fn registering_expired(&mut self, timer: Timer) -> Actions {
        let Phase::Preparing { register, .. } = self.phase else { return vec![] };
        match (timer, register) {
            (Timer::Configure, Register::Configuring) => {
                let most = self.plan.configure.as_secs();
                vec![
                    Action::Say(Level::Error, format!("config.sh did not end within {most} s (REGISTRATION_TIMEOUT); killing it")),
                    Action::Signal(Target::Group(Role::Configure), Signal::KILL),
                ]
            }
            (Timer::Answer, Register::Asked | Register::Configuring | Register::Reading) => {
                if register == Register::Asked {
                    self.registering(Register::Recalled);
                    return vec![Action::Recall(Job::Register)];
                }
                let mut actions = match register {
                    Register::Configuring => {
                        vec![Action::Disarm(Timer::Configure), Action::Signal(Target::Group(Role::Configure), Signal::KILL)]
                    }
                    _ => vec![Action::Abandon(Job::ReadRegistration)],
                };
                actions.extend(self.prepared(Part::Register));
                actions
            }
            _ => vec![],
        }
    }
}
