//! Owns every setting of this program, once: the table, and a [`Config`] that is valid by construction. No I/O.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use settings::{Problems, Reader, Setting, Table};
use supervise::records::Format;
use tracing::Level;

use crate::socket::{self, Socket};

/// What docker puts below its exec-root with the longest name that must be a socket, and what this program puts above that.
const DEEPEST_SOCKET: &str = "/task-0123456789abcdef/exec/containerd/containerd-debug.sock";

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
        "an XFS volume with ftype=1; each task gets a directory of its own there, which is removed at the end",
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
    /// `DOCKER_STORAGE_ROOT`.
    pub storage: PathBuf,
    /// `DOCKER_GROUP_GID`.
    pub group: u32,
    /// `DOCKER_REGISTRY_MIRROR`.
    pub mirrors: Vec<String>,
    /// `DOCKER_START_TIMEOUT`.
    pub start_timeout: Duration,
    /// `DOCKERD_PATH`.
    pub dockerd: Option<PathBuf>,
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
            storage: storage(&mut reader),
            group: reader.number("DOCKER_GROUP_GID", 0, u32::MAX - 1),
            mirrors: mirrors(&mut reader),
            start_timeout: reader.duration("DOCKER_START_TIMEOUT", Duration::from_secs(1), hour),
            dockerd: reader.path("DOCKERD_PATH"),
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

fn storage(reader: &mut Reader) -> PathBuf {
    let Some(path) = reader.path("DOCKER_STORAGE_ROOT") else { return PathBuf::new() };
    let longest = socket::LONGEST - DEEPEST_SOCKET.len();
    if path.as_os_str().len() > longest {
        let what = format!("`{}` is too long: containerd's sockets below it would not fit into a socket address", path.display());
        reader.problem("DOCKER_STORAGE_ROOT", &what, Some(&format!("allowed: at most {longest} bytes")));
    }
    path
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

fn mirrors(reader: &mut Reader) -> Vec<String> {
    let mirrors = reader.list("DOCKER_REGISTRY_MIRROR");
    for mirror in &mirrors {
        let host = mirror.strip_prefix("https://").or_else(|| mirror.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            let what = format!("`{mirror}` is not an address");
            reader.problem("DOCKER_REGISTRY_MIRROR", &what, Some("write it as https://mirror.example, more than one with commas"));
        }
    }
    mirrors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|&(name, value)| (name.into(), value.into()));
        Config::read(environment, []).map(|(config, _)| config).map_err(|problems| problems.to_string())
    }

    #[test]
    fn everything_has_a_default() {
        let config = read(&[]).unwrap();
        assert_eq!(config.storage, Path::new("/var/docker-storage"));
        assert_eq!(config.task, Path::new("/run/task"));
        assert_eq!((config.group, config.dockerd.as_deref(), config.mirrors.len()), (123, None, 0));
        assert_eq!((config.start_timeout.as_secs(), config.stop_timeout.as_secs()), (60, 30));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let long = "/".to_owned() + &"x".repeat(90);
        let problems = read(&[
            ("DOCKER_STORAGE_ROOT", &long),
            ("TASK_DIR", &long),
            ("DOCKER_GROUP_GID", "docker"),
            ("DOCKER_REGISTRY_MIRROR", "https://good.example, mirror:5000"),
            ("DOCKER_START_TIMEOUT", "0"),
            ("DOCKERD_PATH", "dockerd"),
            ("STOP_TIMEOUT", "soon"),
            ("LOG_FORMAT", "xml"),
        ]);
        insta::assert_snapshot!(problems.unwrap_err());
    }

    #[test]
    fn the_longest_allowed_paths_leave_room_for_their_sockets() {
        let storage = "/".to_owned() + &"x".repeat(socket::LONGEST - DEEPEST_SOCKET.len() - 1);
        let task = "/".to_owned() + &"x".repeat(76);
        let config = read(&[("DOCKER_STORAGE_ROOT", &storage), ("TASK_DIR", &task)]).unwrap();
        let hidden = config.socket("0123456789abcdef").hidden;
        assert_eq!(hidden.as_os_str().len(), socket::LONGEST);
        let error = read(&[("TASK_DIR", &(task + "x"))]).unwrap_err();
        assert!(error.contains("at most 77 bytes"), "{error}");
    }

    #[test]
    fn dockerd_is_as_quiet_as_we_are() {
        for (ours, its) in [("error", "error"), ("warn", "warn"), ("info", "warn"), ("debug", "debug")] {
            assert_eq!(read(&[("LOG_LEVEL", ours)]).unwrap().dockerd_log_level(), its);
        }
    }
}
