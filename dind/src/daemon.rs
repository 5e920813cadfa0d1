//! Owns how dockerd is started: its arguments and its environment, as values. Starts nothing.

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

/// A dockerd to start.
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
}

impl Daemon {
    /// Its command line, without the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![
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
        arguments.extend(self.mirrors.iter().map(|mirror| format!("--registry-mirror={mirror}").into()));
        arguments
    }
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
    fn the_command_line_is_all_it_is_told() {
        let daemon = Daemon {
            data: "/var/docker-storage/task-0123456789abcdef/data".into(),
            exec: "/var/docker-storage/task-0123456789abcdef/exec".into(),
            pid_file: "/var/docker-storage/task-0123456789abcdef/docker.pid".into(),
            socket: "/run/task/.docker-0123456789abcdef.sock".into(),
            group: 123,
            mirrors: vec!["https://mirror.example".into(), "http://127.0.0.1:5000".into()],
            log_level: "warn",
        };
        let lines: Vec<String> = daemon.arguments().into_iter().map(|argument| argument.into_string().unwrap()).collect();
        insta::assert_snapshot!(lines.join("\n"));
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
