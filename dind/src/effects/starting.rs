//! The deeds of a start.

use std::{path::Path, rc::Rc};

use supervise::{Work, off_loop};
use tracing::{info, warn};

use super::{Task, World, collapse, from_now};
use crate::{
    api::Docker,
    config::Config,
    daemon::Daemon,
    data_root::StorageRoot,
    ground, mounts, probe, stages,
    words::{Failure, Outcome, Words, exit},
};

impl World {
    pub(super) fn check(&self) -> Work<Words> {
        let (config, environment) = (Config::clone(&self.config), self.environment.clone());
        Work::here(async move {
            let checked = off_loop("check", move || {
                ground::open_up();
                ground::check(&config, &environment)
            });
            Outcome::Checked(checked.await.unwrap_or_else(|| Err(collapse("checking the host"))))
        })
    }

    pub(super) fn prepare(&self) -> Work<Words> {
        let (config, slot) = (Rc::clone(&self.config), Rc::clone(&self.task));
        Work::here(async move {
            let path = config.storage.root.clone();
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
                group: config.access.group,
                mirrors: config.engine.mirrors.clone(),
                log_level: config.dockerd_log_level(),
                cgroup_parent: ground::home().parent,
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

    pub(super) fn sweep(&self) -> Work<Words> {
        let storage = self.task.borrow().as_ref().map(|task| task.storage.clone());
        Work::here(async move {
            if let Some(storage) = storage {
                off_loop("sweep", move || sweep(&storage)).await;
            }
            Outcome::Swept
        })
    }

    pub(super) fn probe(&self) -> Work<Words> {
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

    pub(super) fn publish(&self) -> Work<Words> {
        let socket = self.socket();
        Work::here(async move {
            let published = off_loop("publish", move || socket.map(|socket| socket.publish())).await;
            Outcome::Published(match published.flatten() {
                Some(result) => result.map_err(|error| Failure { code: exit::UNAVAILABLE, why: error.to_string() }),
                None => Err(collapse("publishing the socket")),
            })
        })
    }
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

fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let made = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(file, text));
    made.map_err(|cause| Failure { code: exit::HOST, why: format!("cannot write {}: {cause}", file.display()) })
}
