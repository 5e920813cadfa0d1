//! Owns how containerd and dockerd are started: arguments, environment and containerd's configuration, as values. Starts nothing.
//!
//! containerd is started beside dockerd and not by it. dockerd looks after a containerd of its own only once a second; measured with
//! Docker 26.1, from its start to its first answer took 1.4 s that way and 0.3 s this way, and its end 1.0 s and 0.01 s.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

/// What dockerd may know of our environment: how to reach registries, and which certificates to trust.
pub const INHERITED: [&str; 9] =
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"];

/// Where programs are searched for when our own environment does not say.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A dockerd and its containerd to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// `--data-root`.
    pub data: PathBuf,
    /// `--exec-root`; the sockets of containerd and of networks lie below it.
    pub exec: PathBuf,
    /// `--pidfile`.
    pub pid_file: PathBuf,
    /// The unix socket it listens on; nothing listens on TCP.
    pub socket: PathBuf,
    /// The group that may use the socket.
    pub group: u32,
    /// Pull-through mirrors of Docker Hub.
    pub mirrors: Vec<String>,
    /// Its own log level.
    pub log_level: &'static str,
    /// The group of cgroups that containers get theirs in, if not docker's default.
    pub cgroup_parent: Option<String>,
}

impl Daemon {
    /// Where containerd's configuration is to be written.
    pub fn containerd_config_file(&self) -> PathBuf {
        self.exec.join("containerd/containerd.toml")
    }

    /// containerd's configuration: everything in this task's directory, and without what dockerd never asks for.
    pub fn containerd_config(&self) -> String {
        let path = |path: PathBuf| quoted(&path.to_string_lossy());
        let unused: Vec<String> = UNUSED_PLUGINS.iter().map(|plugin| quoted(plugin)).collect();
        format!(
            "version = 2\nroot = {root}\nstate = {state}\ndisabled_plugins = [{unused}]\n\n[grpc]\n  address = {socket}\n",
            root = path(self.data.join("containerd")),
            state = path(self.exec.join("containerd/state")),
            unused = unused.join(", "),
            socket = path(self.containerd_socket()),
        )
    }

    fn containerd_socket(&self) -> PathBuf {
        self.exec.join("containerd/containerd.sock")
    }

    /// containerd's command line, without the program.
    pub fn containerd_arguments(&self) -> Vec<OsString> {
        vec![flag("--config", &self.containerd_config_file()), format!("--log-level={}", self.log_level).into()]
    }

    /// dockerd's command line, without the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![
            flag("--containerd", &self.containerd_socket()),
            flag("--data-root", &self.data),
            flag("--exec-root", &self.exec),
            flag("--pidfile", &self.pid_file),
            {
                let mut host = OsString::from("--host=unix://");
                host.push(&self.socket);
                host
            },
            // By number: the image needs no group of that name.
            format!("--group={}", self.group).into(),
            // Named, so that dockerd fails where it would otherwise choose vfs in silence.
            "--storage-driver=overlay2".into(),
            format!("--log-level={}", self.log_level).into(),
        ];
        arguments.extend(self.cgroup_parent.iter().map(|parent| format!("--cgroup-parent={parent}").into()));
        arguments.extend(self.mirrors.iter().map(|mirror| format!("--registry-mirror={mirror}").into()));
        arguments
    }
}

/// containerd's plugins for Kubernetes, and for snapshots on file systems that this program does not run on: each costs time to load.
const UNUSED_PLUGINS: [&str; 6] = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
];

/// A TOML basic string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}

/// Its whole environment, made from nothing: secrets that somebody gave this container by mistake must not reach the daemon, whose
/// environment every process of its user can read.
pub fn environment<'a>(ours: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> = ours
        .into_iter()
        .filter(|(name, _)| *name == "PATH" || INHERITED.iter().any(|inherited| *name == *inherited))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    environment.entry("PATH".into()).or_insert_with(|| PATH.into());
    environment.insert("HOME".into(), "/root".into());
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_and_the_configuration_are_all_they_are_told() {
        let daemon = Daemon {
            data: "/var/docker-storage/task-0123456789abcdef/data".into(),
            exec: "/var/docker-storage/task-0123456789abcdef/exec".into(),
            pid_file: "/var/docker-storage/task-0123456789abcdef/docker.pid".into(),
            socket: "/run/task/.docker-0123456789abcdef.sock".into(),
            group: 123,
            mirrors: vec!["https://mirror.example".into(), "http://127.0.0.1:5000".into()],
            log_level: "warn",
            cgroup_parent: Some("/docker/x/docker".into()),
        };
        let lines =
            |arguments: Vec<OsString>| -> Vec<String> { arguments.into_iter().map(|argument| argument.into_string().unwrap()).collect() };
        insta::assert_snapshot!(format!(
            "dockerd\n{}\n\ncontainerd\n{}\n\n{}",
            lines(daemon.arguments()).join("\n"),
            lines(daemon.containerd_arguments()).join("\n"),
            daemon.containerd_config()
        ));
    }

    #[test]
    fn a_path_with_quotes_stays_one_string() {
        assert_eq!(quoted(r#"/a"b\c"#), r#""/a\"b\\c""#);
    }

    #[test]
    fn the_environment_holds_proxies_and_certificates_and_no_secret() {
        let ours = [("ACCESS_TOKEN", "x"), ("HTTPS_PROXY", "http://proxy:3128"), ("PATH", "/opt/bin"), ("DOCKER_HOST", "tcp://x")];
        let environment = environment(ours.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(*value))));
        let names: Vec<&str> = environment.keys().map(|name| name.to_str().unwrap()).collect();
        assert_eq!(names, ["HOME", "HTTPS_PROXY", "PATH"]);
        assert_eq!(environment[OsStr::new("PATH")], "/opt/bin");
    }
}
