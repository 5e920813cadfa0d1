//! Owns what must be right underneath before docker is started: kernel file systems opened up, the host checked, cgroups nested, mounts
//! shared. Knows the real paths; the nouns it puts together take them as parameters.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    path::Path,
};

use tracing::{debug, info, warn};

use crate::{
    cgroup::{self, Home},
    config::Config,
    daemon::environment,
    host::{
        Places, Prerequisite, Weight,
        cures::{self, Platform},
        facts,
        judge::{findings, judge},
    },
    mounts, stages, task_folder,
    words::{Failure, exit},
};

const PROC: &str = "/proc";
const OWN_GROUPS: &str = "/proc/self/cgroup";
const CGROUP: &str = "/sys/fs/cgroup";
const SYSCTL: &str = "/proc/sys";

/// Opens up what a container engine mounts read-only for a container that is not privileged. What stays closed shows in the checks.
pub(crate) fn open_up() {
    let table = Path::new(mounts::MOUNTINFO);
    let closed = mounts::read(table).unwrap_or_default();
    // Of cgroup v1 each hierarchy is a mount of its own.
    for point in [CGROUP, SYSCTL].iter().flat_map(|top| mounts::read_only_within(&closed, Path::new(top))) {
        match mounts::make_writable(table, &point) {
            Ok(_) => info!(point = %point.display(), "remounted read-write"),
            Err(error) => debug!(%error, "stays read-only"),
        }
    }
}

/// Where programs are searched for.
pub(crate) fn search(environment: &BTreeMap<OsString, OsString>) -> OsString {
    environment.get(OsStr::new("PATH")).cloned().unwrap_or_else(|| environment::PATH.into())
}

/// Everything docker stands on here, but for the socket.
pub(crate) fn examine(config: &Config, environment: &BTreeMap<OsString, OsString>) -> Vec<Prerequisite> {
    let search = search(environment);
    let places = Places {
        proc: Path::new(PROC),
        cgroup: Path::new(CGROUP),
        search: &search,
        dockerd: config.engine.dockerd.as_deref(),
        storage: &config.storage.root,
        wish: config.storage.wish,
        task: &config.task,
        remap: config.engine.remap.is_some(),
    };
    judge(&facts::look(&places), &places)
}

/// Before a start: tells the log of every warning, makes the shared folder, and returns all refusals as one failure.
pub(crate) fn check(config: &Config, environment: &BTreeMap<OsString, OsString>) -> Result<(), Failure> {
    let platform = Platform::of(environment.keys().map(OsString::as_os_str));
    let (refusals, warnings): (Vec<_>, Vec<_>) =
        findings(examine(config, environment)).into_iter().partition(|finding| finding.weight == Weight::Refusal);
    for warning in &warnings {
        warn!("{}", cures::render([warning], platform));
    }
    let mut count = refusals.len();
    let mut why = cures::render(&refusals, platform);
    let mut add = |what: String| {
        count += 1;
        why = format!("{}\n{what}", std::mem::take(&mut why));
    };
    if let Err(error) = config.socket("").check() {
        add(error.to_string());
    } else if refusals.is_empty() {
        if let Err(error) = task_folder::make(&config.task) {
            add(error.to_string());
        }
        // A socket there means that docker is usable, so one that a predecessor in this container left must go now and not at ready.
        if let Err(error) = config.socket("").withdraw() {
            add(error.to_string());
        }
    }
    let count = match count {
        0 => return Ok(()),
        1 => "1 thing stands".to_owned(),
        count => format!("{count} things stand"),
    };
    Err(Failure { code: exit::HOST, why: format!("{count} in the way of docker here; nothing was started\n{}", why.trim_start()) })
}

/// This container's own group.
pub(crate) fn home() -> Home {
    let table = mounts::read(Path::new(mounts::MOUNTINFO)).unwrap_or_default();
    Home::find(Path::new(CGROUP), &fs::read_to_string(OWN_GROUPS).unwrap_or_default(), &table)
}

/// Passes on the cgroup controllers, in as many rounds as it takes in bounded time, and shares the mounts.
pub(crate) async fn nest() -> Result<(), Failure> {
    let failure = |why: String| Failure { code: exit::HOST, why };
    if let Err(error) = mounts::share_root(Path::new(mounts::MOUNTINFO)) {
        warn!(%error, "jobs cannot use shared mounts");
    }
    if !cgroup::is_unified(Path::new(CGROUP)) {
        return Ok(());
    }
    let home = home();
    let give_up = tokio::time::Instant::now() + stages::NESTING;
    loop {
        match cgroup::nest(&home.path) {
            Ok(nested) => {
                for (controller, cause) in &nested.refused {
                    warn!(controller, cause, "a cgroup controller cannot be passed on; its limits are not for containers");
                }
                info!(controllers = nested.enabled.join(" "), group = %home.path.display(), "cgroups are nested");
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
