//! The deeds of a stop, and the undoing.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use supervise::{StateFile, Work, off_loop};
use tracing::{info, warn};

use super::{Task, World, collapse, from_now};
use crate::{
    api::Docker,
    stages,
    storage::{Cleanup, DataRoot, Space},
    words::{Obligation, Outcome, Words},
};

/// Containers that a job starts while they are being killed make another round necessary; it cannot go on for ever.
const KILL_ROUNDS: usize = 5;

impl World {
    pub(super) fn await_runner(&self) -> Work<Words> {
        let folder = self.config.runner_folder();
        Work::here(async move {
            if StateFile::is_held(&folder) {
                info!("waiting for the runner to end");
            }
            off_loop("await-runner", move || StateFile::wait_until_free(&folder)).await;
            Outcome::RunnerGone
        })
    }

    pub(super) fn kill_containers(&self) -> Work<Words> {
        let (socket, measures) = (self.own_socket(), Rc::clone(&self.measures));
        Work::here(async move {
            let Some(socket) = socket else { return Outcome::ContainersKilled(Ok(0)) };
            let killed = kill_containers(&Docker::at(&socket)).await.map_err(|error| error.to_string());
            measures.borrow_mut().extend(killed.iter().map(|&count| ("containers_killed", count as u64)));
            Outcome::ContainersKilled(killed)
        })
    }

    pub(super) fn pay(&self, obligation: Obligation) -> Work<Words> {
        match obligation {
            Obligation::RemoveSocket => {
                let socket = self.socket();
                Work::here(async move {
                    let withdrawn = off_loop("withdraw", move || socket.map_or(Ok(()), |socket| socket.withdraw())).await;
                    Outcome::Paid(obligation, flatten(withdrawn))
                })
            }
            Obligation::Unmount => {
                let (slot, measures) = (Rc::clone(&self.task), Rc::clone(&self.measures));
                Work::here(async move {
                    let Some(root) = take(&slot) else { return Outcome::Paid(obligation, Ok(())) };
                    let unmounted = off_loop("unmount", move || {
                        // While a file system of the task's own is still there to be asked.
                        let room = Space::of(&root.data()).ok();
                        let result = root.unmount();
                        (root, room, result)
                    });
                    let result = match unmounted.await {
                        Some((root, room, result)) => {
                            measures.borrow_mut().extend(room.iter().flat_map(Space::measures));
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
                let (slot, cleanup) = (Rc::clone(&self.task), self.config.storage.cleanup);
                Work::here(async move {
                    let Some(root) = take(&slot) else { return Outcome::Paid(obligation, Ok(())) };
                    let path = root.path().to_owned();
                    // The machine's own deadline ends the process, and with it the thread; this one only keeps the thread finite.
                    let removed = off_loop("remove", move || match cleanup {
                        Cleanup::Now => root.remove(from_now(stages::UNHURRIED)).map(|()| None),
                        Cleanup::Later => root.leave().map(Some),
                    });
                    let removed = removed.await;
                    match &removed {
                        Some(Ok(None)) => info!(event = "data_root_removed", path = %path.display(), "the data-root is removed"),
                        Some(Ok(Some(name))) => {
                            info!(event = "data_root_left", path = %path.display(), now = name, "the data-root is left for the next sweep to delete")
                        }
                        _ => {}
                    }
                    Outcome::Paid(obligation, flatten(removed.map(|removed| removed.map(drop))))
                })
            }
        }
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
    // Their bridges and rules would stay in the network namespace, which is not always ours alone, when the data-root that knows of them is
    // gone: one bridge and five rules for each network of each job.
    if let Err(error) = docker.prune_networks().await {
        warn!(%error, "networks of the job are not removed; they go with this network namespace");
    }
    Ok(killed.len())
}

fn take(slot: &RefCell<Option<Task>>) -> Option<DataRoot> {
    slot.borrow_mut().as_mut()?.root.take()
}

fn flatten<E: std::fmt::Display>(result: Option<Result<(), E>>) -> Result<(), String> {
    result.map_or_else(|| Err(collapse("undoing").why), |result| result.map_err(|error| error.to_string()))
}
