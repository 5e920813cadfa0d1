//! Owns what the machine's words mean in the world: the only file that sees the ground, the data-root, the daemons, their API and their
//! socket together. Decides nothing.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use supervise::{Effects, Output, Program, Tell, Work};

use crate::{
    config::Config,
    daemon::{self, Daemon},
    data_root::{DataRoot, StorageRoot},
    ground, host,
    socket::Socket,
    words::{Failure, Job, Note, Outcome, Role, Words, exit},
};

mod starting;
mod stopping;

/// The impure half of this program.
#[derive(Debug)]
pub struct World {
    config: Rc<Config>,
    environment: BTreeMap<OsString, OsString>,
    task: Rc<RefCell<Option<Task>>>,
}

/// What belongs to this task once it is made.
#[derive(Debug)]
struct Task {
    storage: StorageRoot,
    /// Empty while a job has it, and when it has been removed.
    root: Option<DataRoot>,
    daemon: Daemon,
    socket: Socket,
}

impl World {
    /// `environment` is this process's own.
    pub fn new(config: Config, environment: BTreeMap<OsString, OsString>) -> Self {
        Self { config: Rc::new(config), environment, task: Rc::default() }
    }

    fn search(&self) -> OsString {
        ground::search(&self.environment)
    }

    fn hidden_socket(&self) -> Option<PathBuf> {
        self.task.borrow().as_ref().map(|task| task.socket.hidden.clone())
    }

    fn socket(&self) -> Option<Socket> {
        self.task.borrow().as_ref().map(|task| task.socket.clone())
    }
}

impl Effects<Words> for World {
    fn program(&mut self, role: Role) -> Program {
        let configured = self.config.engine.dockerd.clone().filter(|_| role == Role::Dockerd);
        let file = configured.or_else(|| host::find(role.name(), &self.search())).unwrap_or_else(|| role.name().into());
        let arguments = |task: &Task| match role {
            Role::Containerd => task.daemon.containerd_arguments(),
            Role::Dockerd => task.daemon.arguments(),
        };
        Program {
            file: file.into_os_string(),
            arguments: self.task.borrow().as_ref().map(arguments).unwrap_or_default(),
            environment: Some(daemon::environment(self.environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())))),
            directory: Some("/".into()),
            output: Output::Lines(role.name()),
            ..Program::default()
        }
    }

    fn work(&mut self, job: Job, _tell: Tell<Words>) -> Work<Words> {
        match job {
            Job::Check => self.check(),
            Job::Nest => Work::here(async { Outcome::Nested(ground::nest().await) }),
            Job::Prepare => self.prepare(),
            Job::Sweep => self.sweep(),
            Job::Probe => self.probe(),
            Job::Publish => self.publish(),
            Job::AwaitRunner => self.await_runner(),
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
            Job::Sweep => Outcome::Swept,
            Job::Probe => Outcome::Usable(Err(collapse("probing docker"))),
            Job::Publish => Outcome::Published(Err(collapse("publishing the socket"))),
            Job::AwaitRunner => Outcome::RunnerGone,
            Job::KillContainers => Outcome::ContainersKilled(Err(collapse("killing containers").why)),
            Job::Pay(obligation) => Outcome::Paid(obligation, Err(collapse("undoing").why)),
        }
    }

    fn watch(&mut self, _: Role, line: &str) -> Option<Note> {
        complaint(line).map(|line| Note::Complaint(line.to_owned()))
    }
}

/// Lines of both daemons at `error` or `fatal`, and the one line without a level that dockerd ends
/// with: `failed to start daemon: ...`.
fn complaint(line: &str) -> Option<&str> {
    let loud = ["level=error", "level=fatal", "failed to start daemon", "unable to configure the Docker daemon"];
    loud.iter().any(|mark| line.contains(mark)).then_some(line)
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
    use crate::words::Obligation;

    #[test]
    fn only_what_went_wrong_is_a_complaint() {
        for line in [
            r#"time="2026-01-01T00:00:00Z" level=error msg="failed to mount overlay""#,
            "failed to start daemon: error initializing graphdriver: driver not supported: overlay2",
        ] {
            assert_eq!(complaint(line), Some(line));
        }
        assert_eq!(complaint(r#"time="2026-01-01T00:00:00Z" level=warning msg="no buildkit""#), None);
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
