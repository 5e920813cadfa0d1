//! Owns how containerd and dockerd are started: command lines, configuration and environment, as values; and what their lines mean.
//! Starts nothing.
//!
//! containerd is started beside dockerd and not by it. dockerd looks after a containerd of its own only once a second; measured with
//! Docker 26.1, from its start to its first answer took 1.4 s that way and 0.3 s this way, and its end 1.0 s and 0.01 s.

pub mod arguments;
pub mod containerd;
pub mod document;
pub mod environment;
pub mod forward;
pub mod line;
pub mod mtu;
pub mod ownership;
pub mod remap;
pub mod tls;
pub mod values;
pub mod version;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::json;

use self::document::{By, Entry};

/// dockerd's process id, in the directory of the task. It does not start while another process of that number lives.
pub const PID_FILE: &str = "docker.pid";

/// Where dockerd and its containerd have their things. All of it is this task's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// The directory of the task, for configuration and the pid file.
    pub folder: PathBuf,
    /// Images, containers, volumes.
    pub data: PathBuf,
    /// What only living daemons need: sockets, pids, the state of containerd.
    pub exec: PathBuf,
    /// The unix socket that dockerd listens on.
    pub socket: PathBuf,
    /// The group that may use the socket.
    pub group: u32,
    /// Words that a user adds to dockerd's command line.
    pub arguments: Vec<String>,
    /// The level of their logs.
    pub log_level: &'static str,
    /// The group of cgroups that containers get theirs in, if not docker's default.
    pub cgroup_parent: Option<String>,
}

impl Daemon {
    /// Where dockerd's configuration is.
    pub fn document_file(&self) -> PathBuf {
        self.folder.join("daemon.json")
    }

    /// Where containerd's configuration is.
    pub fn containerd_file(&self) -> PathBuf {
        self.folder.join("containerd.toml")
    }

    /// containerd's configuration.
    pub fn containerd_configuration(&self) -> String {
        containerd::configuration(&self.data, &self.exec)
    }

    /// containerd's command line, without the program.
    pub fn containerd_arguments(&self) -> Vec<OsString> {
        containerd::arguments(&self.containerd_file(), self.log_level)
    }

    /// dockerd's command line, without the program.
    pub fn dockerd_arguments(&self) -> Vec<OsString> {
        let file = std::iter::once(flag("--config-file", &self.document_file()));
        file.chain(self.arguments.iter().map(OsString::from)).collect()
    }

    /// What dockerd's configuration must say whatever anybody wants; `others` are addresses to listen on beside the socket.
    pub fn entries(&self, driver: &str, others: &[String]) -> Vec<Entry> {
        // The socket first: dockerd waits a second before it listens on TCP without TLS.
        let hosts: Vec<String> = std::iter::once(format!("unix://{}", self.socket.display())).chain(others.iter().cloned()).collect();
        let ours = |key, value| Entry { key, value, by: By::Us };
        let mut entries = vec![
            ours("containerd", json!(containerd::socket(&self.exec))),
            ours("data-root", json!(self.data)),
            ours("exec-root", json!(self.exec)),
            ours("pidfile", json!(self.folder.join(PID_FILE))),
            ours("hosts", json!(hosts)),
            // By number: the image needs no group of that name.
            ours("group", json!(self.group.to_string())),
            // Named, so that dockerd fails where it would otherwise choose vfs in silence.
            ours("storage-driver", json!(driver)),
            Entry { key: "log-level", value: json!(self.log_level), by: By::Default },
        ];
        entries.extend(self.cgroup_parent.iter().map(|parent| Entry { key: "cgroup-parent", value: json!(parent), by: By::Default }));
        entries
    }
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_and_the_configuration_are_all_they_are_told() {
        let daemon = Daemon {
            folder: "/var/docker-storage/task-0123456789abcdef".into(),
            data: "/var/docker-storage/task-0123456789abcdef/data".into(),
            exec: "/var/docker-storage/task-0123456789abcdef/exec".into(),
            socket: "/run/task/.docker-0123456789abcdef.sock".into(),
            group: 123,
            arguments: vec!["--experimental".into()],
            log_level: "warn",
            cgroup_parent: Some("/docker/x/docker".into()),
        };
        let lines = |arguments: Vec<OsString>| arguments.into_iter().map(|argument| argument.into_string().unwrap()).collect::<Vec<_>>();
        let entries = daemon.entries("overlay2", &["tcp://127.0.0.1:2375".into()]);
        let document = document::compose(&entries, None, &arguments::Arguments::default()).unwrap();
        insta::assert_snapshot!(format!(
            "dockerd\n{}\n\ncontainerd\n{}\n\n{}",
            lines(daemon.dockerd_arguments()).join("\n"),
            lines(daemon.containerd_arguments()).join("\n"),
            serde_json::to_string_pretty(&document).unwrap(),
        ));
    }
}
