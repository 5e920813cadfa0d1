//! A docker of the tests: a real dockerd in a box, to run images and containers in.
//!
//! Owns the daemon, its disk and how it is spoken to; what runs in it is for others. The disk is a copy of one that was made once: the
//! images of [`crate::images`] are loaded in a minute and copied in a second.

mod disk;
mod talk;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Pid;
use serde_json::Value;

use crate::boxed::{Boxed, BoxedProcess};
use crate::clock;
use crate::process::Ending;
use crate::rootfs::Rootfs;
use crate::scratch::Scratch;

use disk::Disk;
pub use talk::Reply;
pub(crate) use talk::ask;

/// How long the daemon may take to answer, and a script to end.
const SOON: Duration = Duration::from_secs(120);
/// In the box: what the daemon keeps, and an XFS as an AMI would have it at docker-storage's place.
const DISK: &str = "/engine";
/// Where the host's XFS for sidecars is, as task definitions name it.
pub const STORAGE: &str = "/var/docker-storage";
/// Where the harness and the box both see a directory of this machine.
const SHARED: &str = "/mnt/shared";
/// The old hierarchies of a machine that has them.
const OLD_GROUPS: &str = "/sys/fs/cgroup";

/// Where Debian has the plugin.
const COMPOSE: &str = "/usr/libexec/docker/cli-plugins/docker-compose";

/// PID 1 of the box. On cgroup v2 the daemon must leave the group that is to have groups with limits below it.
const START: &str = r#"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p /sys/fs/cgroup/engine && echo 1 > /sys/fs/cgroup/engine/cgroup.procs
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control; done
fi
mkdir -p /engine/docker /engine/docker-storage
[ -d /var/docker-storage ] || ln -s /engine/docker-storage /var/docker-storage
dockerd --data-root /engine/docker --bridge none --iptables=false --ip6tables=false --storage-driver overlay2 --log-level error $OPTIONS &
wait $!
"#;

/// What the host's owner decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form {
    /// No seccomp profile for containers that ask for none: `"seccomp-profile": "unconfined"` in the host's `daemon.json`.
    pub without_seccomp: bool,
    /// Containers' limits must hold. On a machine whose controllers are on the old hierarchies, those are used.
    pub limits: bool,
    /// The CLI knows `docker compose`.
    pub compose: bool,
}

/// A dockerd that runs. No network of its own: containers have none, or another container's.
#[derive(Debug)]
pub struct Engine {
    // In the order in which they can go.
    boxed: BoxedProcess,
    shared: Scratch,
    _groups: Option<OldGroups>,
    disk: Disk,
}

impl Engine {
    /// Starts one that has the images: those of [`crate::images`], and `tiny:1`, a busybox.
    ///
    /// # Panics
    /// When it does not come up: ask for [`crate::need::Need::Docker`] first.
    #[must_use]
    pub fn start(form: Form) -> Self {
        Self::on(Disk::with_images(), form)
    }

    fn on(disk: Disk, form: Form) -> Self {
        let shared = Scratch::new();
        let mut boxed = Boxed::new(&Rootfs::Docker.path()).hostname("host").bind(disk.path(), Path::new(DISK));
        boxed = boxed.bind(shared.path(), Path::new(SHARED));
        if form.compose {
            boxed = boxed.bind_read_only(&Rootfs::Compose.path().join(&COMPOSE[1..]), Path::new(COMPOSE));
        }
        let groups = (form.limits && Path::new(OLD_GROUPS).join("memory").is_dir()).then(OldGroups::new);
        let mut options = Vec::new();
        if form.without_seccomp {
            options.push("--seccomp-profile=unconfined".to_owned());
        }
        if let Some(groups) = &groups {
            boxed = boxed.bind(Path::new(OLD_GROUPS), Path::new(OLD_GROUPS));
            options.push(format!("--cgroup-parent=/{} --default-cgroupns-mode=private", groups.name));
        }
        let process = boxed.env("OPTIONS", options.join(" ")).spawn("dockerd", &["/bin/sh", "-c", START]);
        let mut engine = Self { boxed: process, shared, _groups: groups, disk };
        let up = clock::poll(SOON, || match engine.boxed.ended() {
            Some(_) => Some(false),
            None => engine.try_api("GET", "/_ping", None).is_ok_and(|reply| reply.status == 200).then_some(true),
        });
        assert_eq!(up, Some(true), "dockerd did not come up\n{}", engine.boxed.transcript());
        engine
    }

    /// Runs a shell script on the host, beside the daemon; its end and all that it said.
    #[must_use]
    pub fn try_sh(&self, script: &str) -> (Ending, String) {
        self.boxed.sh(script, SOON)
    }

    /// Runs a shell script on the host; what it said.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn sh(&self, script: &str) -> String {
        let (ending, output) = self.try_sh(script);
        assert_eq!(ending, Ending::Code(0), "{script}\n{output}");
        output
    }

    /// Asks the daemon's API (docs.docker.com/reference/api/engine), as the ECS agent does. Waits for as long as the daemon does.
    ///
    /// # Errors
    /// When the daemon can not be reached, or answers what is no HTTP.
    pub fn try_api(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Reply> {
        talk::ask(&self.socket(), method, path, body)
    }

    /// Like [`Engine::try_api`], for what must succeed.
    ///
    /// # Panics
    /// When it does not; the message has the daemon's.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let reply = self.try_api(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!((200..400).contains(&reply.status), "{method} {path}: {} {}", reply.status, reply.text);
        reply.json()
    }

    /// The daemon's socket as this machine sees it, for a thread that asks what takes long.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("/run/docker.sock")
    }

    /// A path of the host as this machine sees it.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.boxed.path(inside)
    }

    /// A directory of this machine that the host sees, too: here, and there.
    ///
    /// # Panics
    /// When it can not be made.
    #[must_use]
    pub fn shared(&self, name: &str) -> (PathBuf, String) {
        let here = self.shared.path().join(name);
        fs::create_dir_all(&here).expect("make a shared directory");
        (here, format!("{SHARED}/{name}"))
    }

    /// A process of the host by its number there.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn pid(&self, there: u64) -> Pid {
        process(&self.boxed, there)
    }

    /// The most files that a process of the host may open: whoever is not the machine's own root can not raise it.
    ///
    /// # Panics
    /// When it can not be read.
    #[must_use]
    pub fn open_files(&self) -> i64 {
        let limits = fs::read_to_string(self.path("/proc/1/limits")).expect("PID 1 lives");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit of files");
        line.split_whitespace().nth(4).and_then(|most| most.parse().ok()).unwrap_or(i64::MAX)
    }

    /// Whether the limits of containers hold here.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.api("GET", "/info", None)["MemoryLimit"] == true
    }

    /// Ends the daemon and gives the disk back.
    fn into_disk(mut self) -> Disk {
        let _ = self.sh("kill $(cat /run/docker.pid)");
        assert_eq!(self.boxed.wait(SOON), Ending::Code(0), "{}", self.boxed.transcript());
        self.disk
    }

    /// What the daemon said, for the message of a failed test.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.boxed.transcript()
    }
}

/// A process of a box by its number there.
pub(crate) fn process(boxed: &BoxedProcess, there: u64) -> Pid {
    let network = fs::read_link(boxed.path(&format!("/proc/{there}/ns/net"))).expect("the process lives");
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found = numbers.map(Pid::from_raw).find(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // One number for each namespace it is in, from this machine's inwards.
        let its = status.lines().find_map(|line| line.strip_prefix("NSpid:")).and_then(|line| line.split_whitespace().nth(1));
        its == Some(there.to_string().as_str()) && fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link == network)
    });
    found.unwrap_or_else(|| panic!("no process {there} on the host"))
}

/// A group of its own in each of this machine's hierarchies, shared with everybody: gone on drop.
#[derive(Debug)]
struct OldGroups {
    name: String,
}

impl OldGroups {
    fn new() -> Self {
        Self { name: format!("engine-{}-{:08x}", std::process::id(), getrandom::u32().expect("the kernel gives random numbers")) }
    }
}

impl Drop for OldGroups {
    fn drop(&mut self) {
        for hierarchy in fs::read_dir(OLD_GROUPS).into_iter().flatten().flatten() {
            let top = hierarchy.path().join(&self.name);
            let _ = clock::holds_within(Duration::from_secs(10), || {
                let groups = walkdir::WalkDir::new(&top).contents_first(true).into_iter().flatten();
                groups.filter(|entry| entry.file_type().is_dir()).for_each(|entry| drop(fs::remove_dir(entry.path())));
                !top.exists()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::need::{Need, need};

    #[test]
    fn an_engine_of_the_tests_runs_a_container_and_tells_its_processes() {
        if !need(&[Need::Docker]) {
            return;
        }
        let engine = Engine::on(Disk::bare(), Form::default());
        assert_eq!(engine.sh("docker run --rm tiny:1 echo from a container"), "from a container\n");
        let _ = engine.sh("docker run -d --name sleeper tiny:1 sleep 100");
        let there = engine.api("GET", "/containers/sleeper/json", None)["State"]["Pid"].as_u64().unwrap();
        let comm = fs::read_to_string(format!("/proc/{}/comm", engine.pid(there))).unwrap();
        assert_eq!(comm, "sleep\n");
    }
}
