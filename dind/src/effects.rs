//! Owns what the machine's words mean in the world: the only file that sees the ground, the data-root, the daemons, their API and their
//! socket together. Decides nothing.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use supervise::{Effects, Output, Program, StateFile, Tell, Work, off_loop};
use tracing::{info, warn};

use crate::{
    api::Docker,
    config::Config,
    daemon::{self, Daemon},
    data_root::{DataRoot, StorageRoot},
    ground::{self, Purpose},
    host, mounts, probe,
    socket::Socket,
    stages,
    words::{Failure, Job, Note, Obligation, Outcome, Role, Words, exit},
};

/// Containers that a job starts while they are being killed make another round necessary; it cannot go on for ever.
const KILL_ROUNDS: usize = 5;

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
        self.environment.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_else(|| daemon::PATH.into())
    }

    fn hidden_socket(&self) -> Option<PathBuf> {
        self.task.borrow().as_ref().map(|task| task.socket.hidden.clone())
    }

    fn socket(&self) -> Option<Socket> {
        self.task.borrow().as_ref().map(|task| task.socket.clone())
    }

    fn check(&self) -> Work<Words> {
        let (config, search) = (Config::clone(&self.config), self.search());
        Work::here(async move {
            let checked = off_loop("check", move || {
                ground::open_up();
                ground::check(&config, &search, Purpose::Start)
            });
            Outcome::Checked(checked.await.unwrap_or_else(|| Err(collapse("checking the host"))))
        })
    }

    fn prepare(&self) -> Work<Words> {
        let (config, slot) = (Rc::clone(&self.config), Rc::clone(&self.task));
        Work::here(async move {
            let path = config.storage.clone();
            let made = off_loop("prepare", move || {
                let storage = StorageRoot::open(&path, Path::new(mounts::MOUNTINFO))?;
                let root = storage.create()?;
                Ok::<_, crate::data_root::DataRootError>((storage, root))
            });
            let (storage, root) = match made.await {
                Some(Ok(made)) => made,
                Some(Err(error)) => return Outcome::Prepared(Err(Failure { code: exit::HOST, why: error.to_string() })),
                None => return Outcome::Prepared(Err(collapse("making the data-root"))),
            };
            info!(path = %root.path().display(), "the data-root is made");
            let socket = config.socket(&root.id().to_string());
            let daemon = Daemon {
                data: root.data(),
                exec: root.exec(),
                pid_file: root.path().join("docker.pid"),
                socket: socket.hidden.clone(),
                group: config.group,
                mirrors: config.mirrors.clone(),
                log_level: config.dockerd_log_level(),
            };
            let (file, text) = (daemon.containerd_config_file(), daemon.containerd_config());
            // From here on there is something to remove, whatever else fails.
            *slot.borrow_mut() = Some(Task { storage, root: Some(root), daemon, socket });
            Outcome::Prepared(match off_loop("configure", move || write_new(&file, &text)).await {
                Some(result) => result,
                None => Err(collapse("configuring containerd")),
            })
        })
    }

    fn sweep(&self) -> Work<Words> {
        let storage = self.task.borrow().as_ref().map(|task| task.storage.clone());
        Work::here(async move {
            if let Some(storage) = storage {
                off_loop("sweep", move || sweep(&storage)).await;
            }
            Outcome::Swept
        })
    }

    fn probe(&self) -> Work<Words> {
        let socket = self.hidden_socket();
        Work::here(async move {
            let Some(socket) = socket else { return Outcome::Usable(Err(collapse("probing docker"))) };
            let probed = match Docker::at(&socket) {
                Ok(docker) => probe::probe(&docker).await,
                Err(error) => Err(error.into()),
            };
            Outcome::Usable(match probed {
                Ok(_) => Ok(()),
                Err(error) => {
                    let code = if error.is_final() { exit::HOST } else { exit::UNAVAILABLE };
                    Err(Failure { code, why: error.to_string() })
                }
            })
        })
    }

    fn publish(&self) -> Work<Words> {
        let socket = self.socket();
        Work::here(async move {
            let published = off_loop("publish", move || socket.map(|socket| socket.publish())).await;
            Outcome::Published(match published.flatten() {
                Some(result) => result.map_err(|error| Failure { code: exit::UNAVAILABLE, why: error.to_string() }),
                None => Err(collapse("publishing the socket")),
            })
        })
    }

    fn await_runner(&self) -> Work<Words> {
        let folder = self.config.runner_folder();
        Work::here(async move {
            if StateFile::is_held(&folder) {
                info!("waiting for the runner to end");
            }
            off_loop("await-runner", move || StateFile::wait_until_free(&folder)).await;
            Outcome::RunnerGone
        })
    }

    fn kill_containers(&self) -> Work<Words> {
        let socket = self.socket();
        Work::here(async move {
            let Some(socket) = socket else { return Outcome::ContainersKilled(Ok(0)) };
            Outcome::ContainersKilled(match Docker::at(&socket.shared) {
                Ok(docker) => kill_containers(&docker).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            })
        })
    }

    fn pay(&self, obligation: Obligation) -> Work<Words> {
        match obligation {
            Obligation::RemoveSocket => {
                let socket = self.socket();
                Work::here(async move {
                    let withdrawn = off_loop("withdraw", move || socket.map_or(Ok(()), |socket| socket.withdraw())).await;
                    Outcome::Paid(obligation, flatten(withdrawn))
                })
            }
            Obligation::Unmount => {
                let slot = Rc::clone(&self.task);
                Work::here(async move {
                    let Some(root) = take(&slot) else { return Outcome::Paid(obligation, Ok(())) };
                    let unmounted = off_loop("unmount", move || {
                        let result = root.unmount();
                        (root, result)
                    });
                    let result = match unmounted.await {
                        Some((root, result)) => {
                            if let Some(task) = slot.borrow_mut().as_mut() {
                                task.root = Some(root);
                            }
                            Some(result.map(drop))
                        }
                        None => None,
                    };
                    Outcome::Paid(obligation, flatten(result))
                })
            }
            Obligation::RemoveDataRoot => {
                let slot = Rc::clone(&self.task);
                Work::here(async move {
                    let Some(root) = take(&slot) else { return Outcome::Paid(obligation, Ok(())) };
                    let path = root.path().to_owned();
                    // The machine's own deadline ends the process, and with it the thread; this one only keeps the thread finite.
                    let removed = off_loop("remove", move || root.remove(from_now(stages::UNHURRIED))).await;
                    if let Some(Ok(())) = removed {
                        info!(path = %path.display(), "the data-root is removed");
                    }
                    Outcome::Paid(obligation, flatten(removed))
                })
            }
        }
    }
}

impl Effects<Words> for World {
    fn program(&mut self, role: Role) -> Program {
        let configured = self.config.dockerd.clone().filter(|_| role == Role::Dockerd);
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

fn sweep(storage: &StorageRoot) {
    match storage.sweep(from_now(stages::SWEEP)) {
        Ok(swept) => {
            for error in &swept.left {
                warn!(%error, "what a dead task left is still there");
            }
            if !swept.removed.is_empty() {
                info!(removed = swept.removed.join(" "), alive = swept.alive, "removed what dead tasks left");
            }
        }
        Err(error) => warn!(%error, "cannot look for what dead tasks left"),
    }
}

async fn kill_containers(docker: &Docker) -> Result<usize, crate::api::ApiError> {
    // By id: one that is being killed is still listed for a moment.
    let mut killed = BTreeSet::new();
    for _ in 0..KILL_ROUNDS {
        let running = docker.running().await?;
        if running.is_empty() {
            break;
        }
        let mut round = tokio::task::JoinSet::new();
        for container in running {
            killed.insert(container.id.clone());
            let docker = docker.clone();
            round.spawn(async move { docker.kill(&container.id).await });
        }
        while let Some(result) = round.join_next().await {
            if let Ok(Err(error)) = result {
                warn!(%error, "a container is not killed");
            }
        }
    }
    Ok(killed.len())
}

fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let made = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(file, text));
    made.map_err(|cause| Failure { code: exit::HOST, why: format!("cannot write {}: {cause}", file.display()) })
}

fn take(slot: &RefCell<Option<Task>>) -> Option<DataRoot> {
    slot.borrow_mut().as_mut()?.root.take()
}

fn from_now(span: Duration) -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the deadline of a job")]
    let now = Instant::now();
    now + span
}

fn flatten<E: std::fmt::Display>(result: Option<Result<(), E>>) -> Result<(), String> {
    result.map_or_else(|| Err(collapse("undoing").why), |result| result.map_err(|error| error.to_string()))
}

fn collapse(what: &str) -> Failure {
    Failure { code: exit::BUG, why: format!("{what} failed by a bug of this program; the record above has the place") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
