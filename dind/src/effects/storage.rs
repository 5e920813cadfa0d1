//! The deeds around a task's storage: made, formatted, mounted, watched; and the sweep of what the dead left.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use supervise::{Tell, Work, off_loop};
use tracing::{info, warn};

use super::{Task, World, collapse, from_now, guarding};
use crate::{
    daemon::Daemon,
    ground, host, mounts,
    outfit::{self, Places},
    stages,
    storage::{Change, DataRoot, Gauge, Layout, Mode, Space, StorageError, StorageRoot, Wish, readable},
    words::{Failure, Outcome, Words, exit},
};

impl World {
    pub(super) fn prepare(&self) -> Work<Words> {
        let (config, slot) = (Rc::clone(&self.config), Rc::clone(&self.task));
        let search = self.search();
        Work::here(async move {
            let (path, wish) = (config.storage.root.clone(), config.storage.wish);
            let (storage, root) = match off_loop("prepare", move || make(&path, &wish)).await {
                Some(Ok(made)) => made,
                Some(Err(error)) => return Outcome::Prepared(Err(host(error.to_string()))),
                None => return Outcome::Prepared(Err(collapse("making the data-root"))),
            };
            info!(event = "data_root_made", path = %root.path().display(), "the data-root is made");
            let socket = config.socket(&root.id().to_string());
            let guard = guarding::order(&config, &root, &socket);
            let daemon = Daemon {
                cgroup_parent: ground::home().parent,
                ..outfit::daemon(&config, &Places::of(&root), guard.as_ref().map_or(&socket.hidden, |order| &order.daemon))
            };
            let given = daemon.clone();
            let (guarded, own) = (guard.clone(), root.path().to_owned());
            let disk = root.disk().cloned();
            let formatted = disk.is_none();
            // From here on there is something to remove, whatever else fails.
            *slot.borrow_mut() = Some(Task { storage, root: Some(root), disk, daemon, socket, guard });
            let furnish = move || {
                outfit::furnish_containerd(&given)?;
                guarded.map_or(Ok(()), |order| guarding::furnish(&own, &order, host::find("runc", &search)))
            };
            match off_loop("furnish", furnish).await {
                Some(Ok(())) if !formatted => Outcome::Unformatted,
                Some(result) => Outcome::Prepared(result),
                None => Outcome::Prepared(Err(collapse("configuring the daemons"))),
            }
        })
    }

    pub(super) fn mount(&self) -> Work<Words> {
        let disk = self.task.borrow().as_ref().and_then(|task| task.disk.clone());
        Work::here(async move {
            let mounted = off_loop("mount", move || {
                let disk = disk?;
                Some(disk.mount().map_err(|error| host(error.to_string())).map(|()| disk))
            });
            Outcome::Mounted(match mounted.await.flatten() {
                Some(Ok(disk)) => {
                    info!(path = %disk.point().display(), "this task's own file system is mounted");
                    Ok(())
                }
                Some(Err(failure)) => Err(failure),
                None => Err(collapse("mounting this task's file system")),
            })
        })
    }

    pub(super) fn sweep(&self) -> Work<Words> {
        let storage = self.task.borrow().as_ref().map(|task| task.storage.clone());
        Work::here(async move {
            if let Some(storage) = storage {
                off_loop("sweep", move || sweep(&storage, stages::SWEEP)).await;
            }
            Outcome::Swept
        })
    }

    pub(super) fn watch_space(&self, tell: Tell<Words>) -> Work<Words> {
        let mut gauges: Vec<Gauge> = self.watched().into_iter().map(Gauge::at).collect();
        Work::here(async move {
            loop {
                // Its own thread: statvfs hangs with its file system.
                let read = off_loop("watch-space", move || {
                    let changes: Vec<Change> = gauges
                        .iter_mut()
                        .flat_map(|gauge| Space::of(gauge.place()).map(|space| gauge.read(&space)).unwrap_or_default())
                        .collect();
                    (gauges, changes)
                });
                let Some((same, changes)) = read.await else { return Outcome::SpaceUnseen };
                gauges = same;
                for change in changes {
                    tell(match change {
                        Change::Short(what) => Outcome::Space { short: true, what },
                        Change::Recovered(what) => Outcome::Space { short: false, what },
                    });
                }
                tokio::time::sleep(stages::BETWEEN_LOOKS).await;
            }
        })
    }

    /// What this task writes to, and what that lies on where it is limited to less.
    fn watched(&self) -> Vec<PathBuf> {
        let task = self.task.borrow();
        let Some(task) = task.as_ref() else { return vec![] };
        let wish = &self.config.storage.wish;
        let mut places = vec![task.daemon.data.clone()];
        if wish.quota.is_some() || wish.mode == Mode::Loop {
            places.push(task.storage.path().to_owned());
        }
        places
    }
}

/// Ends what still runs for dead tasks: a daemon of theirs answers at our socket and shares networks and addresses with ours. What
/// stands in the way here stands in the way of the start too, and is told there.
pub(super) fn end_the_dead(path: &Path) {
    let storage = StorageRoot::open(path, Path::new(mounts::MOUNTINFO));
    if let Ok(ended) = storage.and_then(|storage| storage.end_the_dead(from_now(stages::SWEEP_FIRST)))
        && ended.killed > 0
    {
        warn!(killed = ended.killed, "killed what still ran for dead tasks");
    }
}

fn make(path: &Path, wish: &Wish) -> Result<(StorageRoot, DataRoot), StorageError> {
    let storage = StorageRoot::open(path, Path::new(mounts::MOUNTINFO))?;
    let space = || Space::of(storage.path()).map_err(|cause| StorageError::Storage { path: path.to_owned(), cause: cause.into() });
    // Deleting what they left can wait until the service is up, see the machine; unless that room is needed to start at all.
    if !space()?.shortages(path).is_empty() {
        sweep(&storage, stages::SWEEP_FIRST);
    }
    let layout = match (wish.mode, wish.quota) {
        (Mode::Loop, _) => Layout::OnDisk(wish.disk_size(&space()?)),
        (Mode::Xfs, Some(bytes)) => Layout::Limited(bytes),
        (Mode::Xfs | Mode::Any, _) => Layout::Plain,
    };
    if let Layout::OnDisk(bytes) = layout {
        info!(size = readable(bytes), "this task gets a file system of its own");
    }
    let root = storage.create(layout)?;
    Ok((storage, root))
}

fn sweep(storage: &StorageRoot, limit: Duration) {
    match storage.sweep(from_now(limit)) {
        Ok(swept) => {
            for error in &swept.left {
                warn!(%error, "what a dead task left is still there");
            }
            if !swept.removed.is_empty() {
                let (removed, killed, alive) = (swept.removed.join(" "), swept.killed, swept.alive);
                info!(event = "swept", removed, killed, alive, "removed what dead tasks left");
            }
        }
        Err(error) => warn!(%error, "cannot look for what dead tasks left"),
    }
}

fn host(why: String) -> Failure {
    Failure { code: exit::HOST, why }
}
