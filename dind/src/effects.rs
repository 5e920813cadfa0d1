//! Owns what the machine's words mean in the world: the only file that sees the ground, the data-root, the daemons, their API and their
//! socket together. Decides nothing.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use supervise::{Doing, Effects, Measure, Output, Program, Tell, Work};

use crate::{
    config::Config,
    daemon::{Daemon, environment},
    gate, ground, host,
    socket::Socket,
    storage::{DataRoot, Disk, StorageRoot},
    words::{Failure, Job, Note, Obligation, Outcome, Role, Words, exit},
};

mod guarding;
mod meeting;
mod serving;
mod starting;
mod stopping;
mod storage;

/// The impure half of this program.
#[derive(Debug)]
pub struct World {
    config: Rc<Config>,
    environment: BTreeMap<OsString, OsString>,
    task: Rc<RefCell<Option<Task>>>,
    version: serving::Known,
    /// What was measured and not told yet.
    measures: Rc<RefCell<Vec<Measure>>>,
}

/// What belongs to this task once it is made.
#[derive(Debug)]
struct Task {
    storage: StorageRoot,
    /// Empty while a job has it, and when it has been removed.
    root: Option<DataRoot>,
    /// Its own file system, if it is to have one.
    disk: Option<Disk>,
    daemon: Daemon,
    socket: Socket,
    /// Whom jobs reach through a gate, if through one.
    guard: Option<gate::Order>,
}

impl World {
    /// `environment` is this process's own.
    pub fn new(config: Config, environment: BTreeMap<OsString, OsString>) -> Self {
        Self { config: Rc::new(config), environment, task: Rc::default(), version: Rc::default(), measures: Rc::default() }
    }

    fn search(&self) -> OsString {
        ground::search(&self.environment)
    }

    /// Where the daemon itself answers before its socket is published, and behind a gate always.
    fn hidden_socket(&self) -> Option<PathBuf> {
        self.task.borrow().as_ref().map(|task| task.daemon.socket.clone())
    }

    /// Where it answers when its socket is published.
    fn own_socket(&self) -> Option<PathBuf> {
        self.task.borrow().as_ref().map(|task| if task.guard.is_some() { &task.daemon.socket } else { &task.socket.shared }.clone())
    }

    fn socket(&self) -> Option<Socket> {
        self.task.borrow().as_ref().map(|task| task.socket.clone())
    }
}

impl Effects<Words> for World {
    fn program(&mut self, role: Role) -> Program {
        if role == Role::Gate {
            return self.gate();
        }
        let configured = self.config.engine.dockerd.clone().filter(|_| role != Role::Containerd);
        let file = configured.or_else(|| host::find(role.name(), &self.search())).unwrap_or_else(|| role.name().into());
        let arguments = |task: &Task| match role {
            Role::Containerd => task.daemon.containerd_arguments(),
            Role::Dockerd => task.daemon.dockerd_arguments(),
            Role::Mkfs => task.disk.as_ref().map(|disk| disk.format_arguments(Path::new("/"))).unwrap_or_default(),
            Role::Version | Role::Gate => vec![],
        };
        let ask = (role == Role::Version).then(|| vec!["--version".into()]);
        Program {
            file: file.into_os_string(),
            arguments: ask.or_else(|| self.task.borrow().as_ref().map(arguments)).unwrap_or_default(),
            environment: Some(environment::environment(self.environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())))),
            directory: Some("/".into()),
            output: match role {
                Role::Mkfs => Output::Lines(role.name()),
                // What it says is understood, and written with its own level.
                _ => Output::Watched,
            },
            ..Program::default()
        }
    }

    fn work(&mut self, job: Job, tell: Tell<Words>) -> Work<Words> {
        match job {
            Job::Check => self.check(),
            Job::Nest => Work::here(async { Outcome::Nested(ground::nest().await) }),
            Job::Prepare => self.prepare(),
            Job::Mount => self.mount(),
            Job::Sweep => self.sweep(),
            Job::Furnish => self.furnish(),
            Job::Clear => self.clear(),
            Job::WatchSpace => self.watch_space(tell),
            Job::Probe => self.probe(),
            Job::Publish => self.publish(),
            Job::WatchDaemon => self.watch_daemon(tell),
            Job::AwaitRunner => self.await_runner(),
            Job::MeetRunners => self.meet_runners(),
            Job::FollowRunner => self.follow_runner(),
            Job::KillContainers => self.kill_containers(),
            Job::Pay(obligation) => self.pay(obligation),
        }
    }

    fn answered(&mut self, _: &Job, _: &str) -> Option<Outcome> {
        None
    }

    fn collapsed(&mut self, job: &Job, _: &str) -> Outcome {
        match *job {
            Job::Check => Outcome::Checked(Err(collapse("checking the host"))),
            Job::Nest => Outcome::Nested(Err(collapse("nesting cgroups"))),
            Job::Prepare => Outcome::Prepared(Err(collapse("making the data-root"))),
            Job::Mount => Outcome::Mounted(Err(collapse("mounting this task's file system"))),
            Job::Sweep => Outcome::Swept,
            Job::Furnish => Outcome::Furnished(Err(collapse("configuring docker"))),
            Job::Clear => Outcome::Cleared(Err(collapse("clearing up"))),
            Job::WatchSpace => Outcome::SpaceUnseen,
            Job::Probe => Outcome::Usable(Err(collapse("probing docker"))),
            Job::Publish => Outcome::Published(Err(collapse("publishing the socket"))),
            Job::WatchDaemon => Outcome::Unwatched,
            Job::AwaitRunner => Outcome::RunnerGone,
            Job::MeetRunners => Outcome::Met,
            // Better a sidecar that stays than one that leaves a living runner.
            Job::FollowRunner => Outcome::Met,
            Job::KillContainers => Outcome::ContainersKilled(Err(collapse("killing containers").why)),
            Job::Pay(obligation) => Outcome::Paid(obligation, Err(collapse("undoing").why)),
        }
    }

    fn watch(&mut self, role: Role, line: &str) -> Option<Note> {
        match role {
            Role::Gate => (line == gate::LISTENING).then_some(Note::Listening),
            // It is quiet unless something is wrong.
            Role::Mkfs => Some(Note::Complaint(line.to_owned())),
            Role::Containerd | Role::Dockerd | Role::Version => self.hear(role, line),
        }
    }

    fn called(&self, doing: Doing<'_, Words>) -> Option<&'static str> {
        Some(match doing {
            Doing::Child(Role::Mkfs) => "format",
            Doing::Job(Job::Furnish) => "configure",
            Doing::Job(Job::Probe) => "probe",
            Doing::Job(Job::Sweep) => "sweep",
            Doing::Job(Job::Clear) => "clear",
            Doing::Job(Job::AwaitRunner) => "await runner",
            Doing::Job(Job::KillContainers) => "kill",
            Doing::Job(Job::Pay(Obligation::Unmount)) => "unmount",
            Doing::Job(Job::Pay(Obligation::RemoveDataRoot)) => "remove",
            // What a phase is for, what lasts as long as the life, and what takes no time.
            Doing::Use | Doing::Child(_) | Doing::Job(_) => return None,
        })
    }

    fn failed(&self, outcome: &Outcome) -> bool {
        matches!(
            outcome,
            Outcome::Furnished(Err(_))
                | Outcome::Usable(Err(_))
                | Outcome::Cleared(Err(_))
                | Outcome::ContainersKilled(Err(_))
                | Outcome::Paid(_, Err(_))
        )
    }

    fn measured(&mut self) -> Vec<Measure> {
        std::mem::take(&mut *self.measures.borrow_mut())
    }
}

fn from_now(span: Duration) -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the deadline of a job")]
    let now = Instant::now();
    now + span
}

fn collapse(what: &str) -> Failure {
    Failure { code: exit::BUG, why: format!("{what} failed by a bug of this program; the record above has the place") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemons_say_is_a_note_only_where_it_matters() {
        let (config, _) = Config::read([], []).unwrap();
        let mut world = World::new(config, BTreeMap::new());
        let complaint = r#"time="2026-01-01T00:00:00Z" level=error msg="failed to mount overlay""#;
        assert_eq!(world.watch(Role::Dockerd, complaint), Some(Note::Complaint("failed to mount overlay".into())));
        assert_eq!(world.watch(Role::Dockerd, r#"time="2026-01-01T00:00:00Z" level=warning msg="no buildkit""#), None);
        let refusal = "unable to configure the Docker daemon with file /x: mtuu";
        assert_eq!(world.watch(Role::Dockerd, refusal), Some(Note::Refusal(refusal.into())));
        let version = crate::daemon::version::Version { major: 26, minor: 1 };
        assert_eq!(world.watch(Role::Version, "Docker version 26.1.5+dfsg1, build a72d7cd"), Some(Note::Version(version)));
        assert_eq!(world.watch(Role::Version, "podman"), None);
        assert_eq!(world.version.get(), Some(version), "what is not understood does not make it forgotten");
    }

    #[test]
    fn a_panic_of_any_job_is_an_outcome_of_that_job() {
        let (config, _) = Config::read([], []).unwrap();
        let mut world = World::new(config, BTreeMap::new());
        assert!(matches!(world.collapsed(&Job::Check, "panicked"), Outcome::Checked(Err(Failure { code: exit::BUG, .. }))));
        assert!(matches!(world.collapsed(&Job::Pay(Obligation::Unmount), "panicked"), Outcome::Paid(Obligation::Unmount, Err(_))));
    }

    #[test]
    fn dockerd_gets_an_environment_made_from_nothing() {
        let (config, _) = Config::read([("DOCKERD_PATH".into(), "/opt/dockerd".into())], []).unwrap();
        let environment = [("ACCESS_TOKEN".into(), "x".into()), ("PATH".into(), "/opt".into())].into();
        let program = World::new(config, environment).program(Role::Dockerd);
        assert_eq!(program.file, "/opt/dockerd");
        assert_eq!(program.environment.unwrap().keys().collect::<Vec<_>>(), ["HOME", "PATH"]);
    }
}
