//! A podman of the tests, in a box: what plays the pods of `images/kubernetes`, since a kubelet wants a cluster.
//!
//! Owns the box, the disk and podman's configuration; what is played, and in which order, is for others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Pid;

use crate::boxed::{Boxed, BoxedProcess};
use crate::clock;
use crate::engine;
use crate::process::Ending;
use crate::rootfs::Rootfs;
use crate::xfs::{Ftype, Xfs};

/// How long a script may take to end: longer than a pod's grace.
const SOON: Duration = Duration::from_secs(180);
/// In the box: images, containers and volumes.
const DISK: &str = "/node";
/// In the box: what `docker save` wrote.
const ARCHIVE: &str = "/images.tar.zst";
/// Sparse.
const GIGABYTES: u64 = 16;

/// How long the node may take to come up.
const UP: Duration = Duration::from_secs(20);

/// PID 1: a shell that waits reaps whom podman leaves. On cgroup v2 it must leave the group that is to have groups with limits below it, before
/// it has a child there. There is no systemd, and a container's limit of processes is podman's own idea: the kubelet sets none.
const START: &str = r#"set -e
mkdir /sys/fs/cgroup/node && echo 1 > /sys/fs/cgroup/node/cgroup.procs
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control || true; done
mkdir -p /etc/containers
printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\npids_limit = 0\n' > /etc/containers/containers.conf
printf '[storage]\ndriver = "overlay"\ngraphroot = "/node/containers"\nrunroot = "/run/containers/storage"\n' > /etc/containers/storage.conf
printf '{"default": [{"type": "insecureAcceptAnything"}]}' > /etc/containers/policy.json
: > /run/up
sleep 2147483647 &
wait $!
"#;

/// A node with a podman. Pods have no network but the loopback.
#[derive(Debug)]
pub struct Podman {
    // In the order in which they can go.
    boxed: BoxedProcess,
    _disk: Xfs,
}

impl Podman {
    /// One with the images of [`crate::images`], by the names that they have there.
    ///
    /// # Panics
    /// When it does not come up: ask for [`crate::need::Need::Images`] first.
    #[must_use]
    pub fn with_images() -> Self {
        let archive = crate::images::archive();
        let node = Self::on(|boxed| boxed.bind_read_only(&archive, Path::new(ARCHIVE)));
        let _ = node.sh(&format!("podman load --quiet --input {ARCHIVE}"));
        node
    }

    /// One with no images.
    ///
    /// # Panics
    /// When it does not come up: ask for [`crate::need::Need::Docker`] first, which wants the same.
    #[must_use]
    pub fn bare() -> Self {
        Self::on(|boxed| boxed)
    }

    fn on(more: impl FnOnce(Boxed) -> Boxed) -> Self {
        let disk = Xfs::make(GIGABYTES, Ftype::With).unwrap_or_else(|error| panic!("{error}"));
        let boxed = Boxed::new(&Rootfs::Podman.path()).hostname("node").bind(disk.path(), Path::new(DISK));
        let mut node = Self { boxed: more(boxed).spawn("podman's node", &["/bin/sh", "-c", START]), _disk: disk };
        let up = clock::poll(UP, || match node.boxed.ended() {
            Some(_) => Some(false),
            None => node.path("/run/up").exists().then_some(true),
        });
        assert_eq!(up, Some(true), "the node did not come up\n{}", node.boxed.transcript());
        node
    }

    /// Runs a shell script on the node; its end and all that it said.
    #[must_use]
    pub fn try_sh(&self, script: &str) -> (Ending, String) {
        self.boxed.sh(script, SOON)
    }

    /// Runs a shell script on the node; what it said.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn sh(&self, script: &str) -> String {
        let (ending, output) = self.try_sh(script);
        assert_eq!(ending, Ending::Code(0), "{script}\n{output}");
        output
    }

    /// A path of the node as this machine sees it.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.boxed.path(inside)
    }

    /// A process of the node by its number there.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn pid(&self, there: u64) -> Pid {
        engine::process(&self.boxed, there)
    }

    /// Whether the node can hold containers to what they may have. crun refuses a limit that it can not set, where docker only says so.
    ///
    /// # Panics
    /// When the node is gone.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        let given = std::fs::read_to_string(self.path("/sys/fs/cgroup/cgroup.subtree_control")).expect("the node lives");
        ["cpu", "memory"].iter().all(|wanted| given.split_whitespace().any(|controller| controller == *wanted))
    }
}
