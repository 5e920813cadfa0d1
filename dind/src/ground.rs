//! Owns what must be right underneath before docker is started: kernel file systems opened up, the host checked, cgroups nested, mounts
//! shared. Knows the real paths; the nouns it puts together take them as parameters.

use std::{ffi::OsStr, path::Path};

use supervise::StateFile;
use tracing::{debug, info, warn};

use crate::{
    cgroup,
    config::Config,
    host::{self, Places, Weight},
    mounts, stages, task_folder,
    words::{Failure, exit},
};

const STATUS: &str = "/proc/self/status";
const CGROUP: &str = "/sys/fs/cgroup";
const SYSCTL: &str = "/proc/sys";

/// Opens up what a container engine mounts read-only for a container that is not privileged. What stays closed shows in the checks.
pub(crate) fn open_up() {
    for point in [CGROUP, SYSCTL] {
        match mounts::make_writable(Path::new(mounts::MOUNTINFO), Path::new(point)) {
            Ok(false) => {}
            Ok(true) => info!(point, "remounted read-write"),
            Err(error) => debug!(%error, "stays read-only"),
        }
    }
}

/// What a check is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A start follows: the shared folder is made.
    Start,
    /// Somebody wants to know; nothing is changed.
    Report,
}

/// Checks the host, tells the log of every warning and returns all refusals as one failure.
pub(crate) fn check(config: &Config, search: &OsStr, purpose: Purpose) -> Result<(), Failure> {
    let places = Places {
        status: Path::new(STATUS),
        cgroup: Path::new(CGROUP),
        search,
        dockerd: config.engine.dockerd.as_deref(),
        storage: &config.storage.root,
        wish: config.storage.wish,
        task: &config.task,
        remounted: purpose == Purpose::Start,
    };
    let mut refusals = Vec::new();
    for finding in host::judge(&host::look(&places), &places) {
        match finding.weight {
            Weight::Warning => warn!("{finding}"),
            Weight::Refusal => refusals.push(finding.to_string()),
        }
    }
    // The socket of a living runner-dind is in its place: `check` may be asked beside `run`.
    let serves = purpose == Purpose::Report && StateFile::is_held(&config.own_folder());
    if !serves && let Err(error) = config.socket("").check() {
        refusals.push(error.to_string());
    }
    if purpose == Purpose::Start && refusals.is_empty() {
        if let Err(error) = task_folder::make(&config.task) {
            refusals.push(error.to_string());
        }
        // A socket there means that docker is usable, so one that a predecessor in this container left must go now and not at ready.
        if let Err(error) = config.socket("").withdraw() {
            refusals.push(error.to_string());
        }
    }
    if refusals.is_empty() {
        return Ok(());
    }
    let count = match refusals.len() {
        1 => "1 thing stands".to_owned(),
        count => format!("{count} things stand"),
    };
    Err(Failure { code: exit::HOST, why: format!("{count} in the way of docker here; nothing was started\n{}", refusals.join("\n")) })
}

/// Passes on the cgroup controllers, in as many rounds as it takes in bounded time, and shares the mounts.
pub(crate) async fn nest() -> Result<(), Failure> {
    let failure = |why: String| Failure { code: exit::HOST, why };
    if let Err(error) = mounts::share_root(Path::new(mounts::MOUNTINFO)) {
        warn!(%error, "jobs cannot use shared mounts");
    }
    let root = Path::new(CGROUP);
    if !cgroup::is_unified(root) {
        return Ok(());
    }
    let give_up = tokio::time::Instant::now() + stages::NESTING;
    loop {
        match cgroup::nest(root) {
            Ok(nested) => {
                for (controller, cause) in &nested.refused {
                    warn!(controller, cause, "a cgroup controller cannot be passed on; its limits are not for containers");
                }
                info!(controllers = nested.enabled.join(" "), "cgroups are nested");
                return Ok(());
            }
            Err(error) if error.is_passing() && tokio::time::Instant::now() < give_up => {
                debug!(%error, "another round");
                tokio::time::sleep(stages::NESTING_PAUSE).await;
            }
            Err(error) => return Err(failure(error.to_string())),
        }
    }
}
