//! Owns every setting of this program, once: the table, and a [`Config`] that is valid by construction. No I/O.

pub mod access;
mod describe;
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
use telemetry::Wishes;
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
        "Storage",
        "DOCKER_STORAGE_ROOT",
        "DIR",
        "/var/docker-storage",
        "a volume, XFS with ftype=1 unless DOCKER_STORAGE_MODE says otherwise; each task gets a directory of its own there, which is removed at the end",
    ),
    setting(
        "Storage",
        "DOCKER_STORAGE_MODE",
        "xfs|loop|any",
        "xfs",
        "xfs: the storage root must be XFS; loop: each task makes an XFS of its own in a sparse file there (needs mkfs.xfs and loop devices); \
         any: whatever overlay works on, as ext4",
    ),
    setting(
        "Storage",
        "DOCKER_STORAGE_QUOTA",
        "SIZE",
        "",
        "the most that a task may write, as in 20G: a project quota in mode xfs (mount the volume with pquota), the size of the file in mode \
         loop (unset: 90 % of what is free at the start; set it where tasks share a volume)",
    ),
    setting(
        "Storage",
        "DOCKER_STORAGE_CLEANUP",
        "now|later",
        "now",
        "now: a task's directory is deleted before the end, as far as STOP_TIMEOUT allows; later: it is only renamed, and the next start \
         on this storage root or a living neighbour deletes it",
    ),
    setting("Access", "DOCKER_GROUP_GID", "GID", "123", "the group that may use the docker socket"),
    setting(
        "Access",
        "DOCKER_API_POLICY",
        "off|guarded",
        "off",
        "guarded: jobs get no privileged containers, host namespaces, devices, extra capabilities or folders but the shared ones",
    ),
    setting(
        "Access",
        "DOCKER_API_ALLOW",
        "ENTRY,...",
        "",
        "what is allowed all the same: privileged, host-network, devices, cap:NET_ADMIN, bind:/folder and more",
    ),
    setting("Registries", "DOCKER_REGISTRY_MIRROR", "URL,...", "", "pull-through mirrors of Docker Hub"),
    setting("The daemon", "DOCKER_START_TIMEOUT", "SECONDS", "60", "how long docker may take to become usable"),
    setting("The daemon", "DOCKERD_PATH", "FILE", "", "the dockerd to start; found in PATH when unset"),
    setting(
        "The daemon",
        "DOCKER_DAEMON_JSON",
        "FILE",
        "",
        "dockerd's own settings to take in; /etc/docker/daemon.json when unset and there. What this program must decide it refuses by name",
    ),
    setting("The daemon", "DOCKERD_ARGS", "WORDS", "", "more flags for dockerd, split as a shell does, with nothing expanded"),
    Setting {
        aliases: &["DOCKER_INSECURE_REGISTRY"],
        ..setting(
            "Registries",
            "DOCKER_INSECURE_REGISTRIES",
            "HOST,...",
            "",
            "registries that may be spoken to without TLS, or with a certificate of their own",
        )
    },
    setting(
        "Network",
        "DOCKER_ADDRESS_POOLS",
        "BASE/SIZE,...",
        "",
        "networks for those of containers, as in 10.200.0.0/16/24: set it where docker's own choice clashes with yours",
    ),
    Setting {
        aliases: &["MTU"],
        ..setting(
            "Network",
            "DOCKER_MTU",
            "auto|BYTES",
            "auto",
            "the largest packet of containers; auto is that of the default route where it is below 1500. Also for networks made later, from Docker 24 on",
        )
    },
    setting("Network", "DOCKER_DNS", "IP,...", "", "name servers of containers"),
    setting("Containers", "DOCKER_ULIMITS", "NAME=SOFT:HARD,...", "", "limits of containers, as in nofile=1024:2048"),
    setting(
        "Containers",
        "DOCKER_NO_NEW_PRIVILEGES",
        "yes|no",
        "no",
        "no process in a container gains rights, so that sudo does not work there",
    ),
    setting("Network", "DOCKER_ICC", "yes|no", "yes", "containers on docker's default network reach each other"),
    setting(
        "Containers",
        "DOCKER_USERNS_REMAP",
        "yes|no",
        "no",
        "root of a container is RUNNER_UID outside, and its other users are nobody: what a container makes in the work folder is the runner's",
    ),
    setting("Containers", "RUNNER_UID", "UID", "1001", "the runner's user, for DOCKER_USERNS_REMAP"),
    setting("Containers", "RUNNER_GID", "GID", "1001", "the runner's group, for DOCKER_USERNS_REMAP"),
    setting(
        "Access",
        "DOCKER_TCP",
        "ADDRESS:PORT",
        "",
        "listen there, too, as in 127.0.0.1:2375 for a health check; anything but loopback needs DOCKER_TLS_DIR",
    ),
    setting("Access", "DOCKER_TLS_DIR", "DIR", "", "ca.pem, cert.pem and key.pem; only clients with a certificate of that ca are let in"),
    setting(
        "Containers",
        "DOCKER_LOG_FORWARD",
        "URL",
        "",
        "where the output of containers goes besides `docker logs`: syslog://HOST:PORT over UDP, fluentd://HOST:PORT or fluentd:///SOCKET",
    ),
    setting(
        "The daemon",
        "DOCKER_PING_INTERVAL",
        "SECONDS",
        "10",
        "how often docker is asked whether it lives; one that does not answer for as long is not healthy",
    ),
    setting(
        "Stop",
        "STOP_TIMEOUT",
        "SECONDS",
        "30",
        "what the platform allows between its SIGTERM and its SIGKILL; split among the steps of a stop",
    ),
    setting(
        "Stop",
        "EXIT_WITH_RUNNER",
        "yes|no",
        "no",
        "end by ourselves when the runner has ended: for platforms that do not stop a sidecar after its main container",
    ),
    setting("Output and state", "TASK_DIR", "DIR", "/run/task", "the folder shared with the runner's container; docker.sock appears there"),
    setting("Output and state", "LOG_FORMAT", "auto|human|json", "auto", "auto is human on a terminal and JSON elsewhere"),
    setting("Output and state", "LOG_LEVEL", "error|warn|info|debug", "info", "the least important lines that are written"),
    setting(
        "Metrics and traces",
        "AWS_EMF_NAMESPACE",
        "NAME",
        "",
        "write CloudWatch metrics into the log (embedded metric format), in this namespace",
    ),
    setting(
        "Metrics and traces",
        "METRICS_FILE",
        "FILE",
        "",
        "keep metrics as Prometheus' text in this file; the runner's METRICS_LISTEN serves TASK_DIR/dind/metrics.prom, too",
    ),
    setting("Metrics and traces", "TRACE_FILE", "FILE", "", "write the life there at its end, as a trace that ui.perfetto.dev opens"),
    setting(
        "Metrics and traces",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "URL",
        "",
        "send the life there as spans at its end, as to http://localhost:4318; needs a build with the feature otlp",
    ),
    Setting {
        secret: true,
        ..setting(
            "Metrics and traces",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "LIST",
            "",
            "what the collector wants to be told, as in api-key=VALUE",
        )
    },
    setting("Metrics and traces", "TRACEPARENT", "ID", "", "the span that the life belongs to, as W3C's trace context has it"),
]);

/// What the settings say.
#[derive(Debug, Clone)]
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
    /// `EXIT_WITH_RUNNER`.
    pub exit_with_runner: bool,
    /// `LOG_FORMAT`; `None` is auto.
    pub format: Option<Format>,
    /// `LOG_LEVEL`.
    pub level: Level,
    /// Where the life is told besides the log.
    pub telemetry: Wishes,
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
        let mut warnings = reader.misspelt(&["DOCKER_TLS_CERTDIR", "DOCKER_OPTS"]);
        warnings.extend(engine::foreign(&reader));
        let hour = Duration::from_secs(3600);
        let config = Self {
            storage: Storage::read(&mut reader),
            engine: Engine::read(&mut reader),
            access: Access::read(&mut reader),
            start_timeout: reader.duration("DOCKER_START_TIMEOUT", Duration::from_secs(1), hour),
            task: task(&mut reader),
            stop_timeout: reader.duration("STOP_TIMEOUT", Duration::from_secs(2), 24 * hour),
            exit_with_runner: reader.switch("EXIT_WITH_RUNNER"),
            format: reader.choice("LOG_FORMAT", &[("auto", None), ("human", Some(Format::Human)), ("json", Some(Format::Json))]).flatten(),
            level: reader
                .choice("LOG_LEVEL", &[("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG)])
                .unwrap_or(Level::INFO),
            telemetry: Wishes::read(&mut reader),
        };
        if config.access.guard.is_some() && config.engine.tcp.is_some() {
            let what = "is set, and DOCKER_API_POLICY is not off: over TCP a job would go around the policy";
            reader.problem("DOCKER_TCP", what, Some("take it out; `runner-dind health` needs no TCP"));
        }
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
