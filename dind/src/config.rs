//! Owns every setting of this program, once: the table, and a [`Config`] that is valid by construction. No I/O.

pub mod access;
pub mod engine;
pub mod storage;

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use settings::{Problems, Reader, Setting, Table};
use supervise::records::Format;
use tracing::Level;

use self::{access::Access, engine::Engine, storage::Storage};
use crate::socket::{self, Socket};

/// Where programs look for docker unless told otherwise.
pub const USUAL_SOCKET: &str = "/var/run/docker.sock";

const fn setting(group: &'static str, name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, aliases: &[], group, value, default, secret: false, help }
}

/// All settings.
pub const SETTINGS: Table = Table(&[
    setting(
        "Docker",
        "DOCKER_STORAGE_ROOT",
        "DIR",
        "/var/docker-storage",
        "a volume, XFS with ftype=1 unless DOCKER_STORAGE_MODE says otherwise; each task gets a directory of its own there, which is removed at the end",
    ),
    setting(
        "Docker",
        "DOCKER_STORAGE_MODE",
        "xfs|loop|any",
        "xfs",
        "xfs: the storage root must be XFS; loop: each task makes an XFS of its own in a sparse file there (needs mkfs.xfs and loop devices); \
         any: whatever overlay works on, as ext4",
    ),
    setting(
        "Docker",
        "DOCKER_STORAGE_QUOTA",
        "SIZE",
        "",
        "the most that a task may write, as in 20G: a project quota in mode xfs (mount the volume with pquota), the size of the file in mode \
         loop (unset: 90 % of what is free at the start; set it where tasks share a volume)",
    ),
    setting(
        "Docker",
        "DOCKER_STORAGE_CLEANUP",
        "now|later",
        "now",
        "now: a task's directory is deleted before the end, as far as STOP_TIMEOUT allows; later: it is only renamed, and the next start \
         on this storage root or a living neighbour deletes it",
    ),
    setting("Docker", "DOCKER_GROUP_GID", "GID", "123", "the group that may use the docker socket"),
    setting("Docker", "DOCKER_REGISTRY_MIRROR", "URL,...", "", "pull-through mirrors of Docker Hub"),
    setting("Docker", "DOCKER_START_TIMEOUT", "SECONDS", "60", "how long docker may take to become usable"),
    setting("Docker", "DOCKERD_PATH", "FILE", "", "the dockerd to start; found in PATH when unset"),
    setting(
        "Stop",
        "STOP_TIMEOUT",
        "SECONDS",
        "30",
        "what the platform allows between its SIGTERM and its SIGKILL; split among the steps of a stop",
    ),
    setting("Output and state", "TASK_DIR", "DIR", "/run/task", "the folder shared with the runner's container; docker.sock appears there"),
    setting("Output and state", "LOG_FORMAT", "auto|human|json", "auto", "auto is human on a terminal and JSON elsewhere"),
    setting("Output and state", "LOG_LEVEL", "error|warn|info|debug", "info", "the least important lines that are written"),
]);

/// What the settings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where docker's data goes.
    pub storage: Storage,
    /// How the daemon is started.
    pub engine: Engine,
    /// Who may use it.
    pub access: Access,
    /// `DOCKER_START_TIMEOUT`.
    pub start_timeout: Duration,
    /// `TASK_DIR`.
    pub task: PathBuf,
    /// `STOP_TIMEOUT`.
    pub stop_timeout: Duration,
    /// `LOG_FORMAT`; `None` is auto.
    pub format: Option<Format>,
    /// `LOG_LEVEL`.
    pub level: Level,
}

impl Config {
    /// Reads everything from an environment and from flags; also returns warnings about variables that look like settings.
    ///
    /// # Errors
    /// All problems at once.
    pub fn read(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: impl IntoIterator<Item = (String, OsString)>,
    ) -> Result<(Self, Vec<String>), Problems> {
        let mut reader = Reader::new(SETTINGS, environment, flags);
        let warnings = reader.misspelt(&[]);
        let hour = Duration::from_secs(3600);
        let config = Self {
            storage: Storage::read(&mut reader),
            engine: Engine::read(&mut reader),
            access: Access::read(&mut reader),
            start_timeout: reader.duration("DOCKER_START_TIMEOUT", Duration::from_secs(1), hour),
            task: task(&mut reader),
            stop_timeout: reader.duration("STOP_TIMEOUT", Duration::from_secs(2), 24 * hour),
            format: reader.choice("LOG_FORMAT", &[("auto", None), ("human", Some(Format::Human)), ("json", Some(Format::Json))]).flatten(),
            level: reader
                .choice("LOG_LEVEL", &[("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG)])
                .unwrap_or(Level::INFO),
        };
        reader.finish()?;
        Ok((config, warnings))
    }

    /// The folder of this program in the shared one: lock and state.
    pub fn own_folder(&self) -> PathBuf {
        self.task.join("dind")
    }

    /// The folder of the runner's container in the shared one.
    pub fn runner_folder(&self) -> PathBuf {
        self.task.join("runner")
    }

    /// The places of the docker socket for the task named `id`.
    pub fn socket(&self, id: &str) -> Socket {
        Socket::new(&self.task, Path::new(USUAL_SOCKET), id)
    }

    /// dockerd's own log level: at `info` it tells some thirty things at each start that only its developers ask for.
    pub fn dockerd_log_level(&self) -> &'static str {
        match self.level {
            Level::ERROR => "error",
            Level::DEBUG | Level::TRACE => "debug",
            _ => "warn",
        }
    }
}

fn task(reader: &mut Reader) -> PathBuf {
    let Some(path) = reader.path("TASK_DIR") else { return PathBuf::new() };
    let hidden = Socket::new(&path, Path::new(USUAL_SOCKET), "0123456789abcdef").hidden;
    let length = hidden.as_os_str().as_bytes().len();
    if length > socket::LONGEST {
        let longest = path.as_os_str().len().saturating_sub(length - socket::LONGEST);
        let what = format!("`{}` is too long: a socket in it would not fit into a socket address", path.display());
        reader.problem("TASK_DIR", &what, Some(&format!("allowed: at most {longest} bytes")));
    }
    path
}

#[cfg(test)]
mod tests;
