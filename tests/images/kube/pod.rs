//! A pod that podman made, started and stopped in the kubelet's order (kubernetes.io, "Sidecar Containers").

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use runner_tests::{bed::Bed, podman::Podman, process::Ending};

use super::manifest;

/// On the node.
const FILE: &str = "/run/pod/pod.yaml";
/// Volumes of the pod that are on the node's disk.
const FOLDERS: [&str; 4] = ["work", "externals", "tools", "docker-storage"];
/// What the kubelet gives a container at least (`minimumGracePeriodInSeconds`, pkg/kubelet/kuberuntime).
const LEAST: Duration = Duration::from_secs(2);

/// A pod whose containers run.
pub(super) struct Pod<'a> {
    node: &'a Podman,
    is_removed: bool,
}

impl<'a> Pod<'a> {
    /// The pod's namespaces, then the sidecar, then the runner at once: nothing waits for a probe.
    pub(super) fn run(node: &'a Podman, bed: &Bed) -> Self {
        for image in manifest::images() {
            let name = image.rsplit('/').next().and_then(|last| last.split(':').next()).unwrap();
            let _ = node.sh(&format!("podman tag localhost/{name}:test {image}"));
        }
        let _ = node.sh("mkdir -p /run/pod/task && mount -t tmpfs -o size=16m,mode=1777,nosuid,nodev task /run/pod/task");
        let text = manifest::playable(bed.token(), &bed.github().url(), node.has_limits());
        std::fs::write(node.path(FILE), text).unwrap();
        let pod = Self { node, is_removed: false };
        let _ = node.sh(&format!("podman kube play --start=false --network none {FILE}"));
        let infra = node.sh("set -e; infra=$(podman pod inspect --format '{{.InfraContainerID}}' runner); podman start $infra >/dev/null; podman inspect --format '{{.State.Pid}}' $infra");
        bed.github().reach_from(node.pid(infra.trim().parse().unwrap()));
        // podman fills new volumes from the image, owners and all; the kubelet's are empty, root's, and open to everybody.
        let _ = node.sh("podman init runner-dind runner-runner");
        for name in FOLDERS {
            let _ = node.sh(&format!("set -e; at={}; rm -rf $at/*; chown 0:0 $at; chmod 0777 $at", folder(name)));
        }
        let _ = node.sh("podman start runner-dind && podman start runner-runner");
        pod
    }

    /// Whether the sidecar's own readiness probe holds.
    pub(super) fn is_ready(&self) -> bool {
        self.node.try_sh("podman exec runner-dind /usr/local/bin/runner-dind health").0 == Ending::Code(0)
    }

    /// Waits for the runner's own end; its code.
    pub(super) fn wait_for_the_runner(&self) -> i32 {
        self.node.sh("podman wait runner-runner").trim().parse().unwrap()
    }

    /// What the kubelet does when the last of the containers has ended: the sidecar's code.
    pub(super) fn stop_the_sidecar(&self) -> i32 {
        self.stop("dind", manifest::grace())
    }

    /// `kubectl delete pod`: the codes of the runner and, after it, of the sidecar.
    pub(super) fn delete(&self) -> (i32, i32) {
        let (began, grace) = (Instant::now(), manifest::grace());
        let runner = self.stop("runner", grace);
        (runner, self.stop("dind", grace.saturating_sub(began.elapsed()).max(LEAST)))
    }

    /// SIGTERM, after its time SIGKILL.
    fn stop(&self, container: &str, grace: Duration) -> i32 {
        let seconds = grace.as_secs();
        let code = format!("podman stop --time {seconds} runner-{container} >/dev/null && podman wait runner-{container}");
        self.node.sh(&code).trim().parse().unwrap()
    }

    /// What docker left of its data, where the kubelet would empty the folder anyway.
    pub(super) fn docker_data(&self) -> String {
        self.node.sh(&format!("ls -A {}", folder("docker-storage")))
    }

    /// The folder of a volume, as this machine sees it.
    pub(super) fn volume(&self, name: &str) -> PathBuf {
        self.node.path(self.node.sh(&format!("echo {}", folder(name))).trim())
    }

    /// What a container said.
    pub(super) fn log(&self, container: &str) -> String {
        self.node.try_sh(&format!("podman logs runner-{container} 2>&1")).1
    }

    /// Warnings and errors of the runner's container: a right that it lacks is one.
    pub(super) fn complaints(&self) -> String {
        let is_one = |line: &&str| [r#""level":"warn""#, r#""level":"error""#].iter().any(|level| line.contains(level));
        self.log("runner").lines().filter(is_one).collect::<Vec<_>>().join("\n")
    }

    /// Takes the pod, its volumes and the secret away; a mount that somebody still had would fail.
    pub(super) fn remove(mut self) {
        let _ = self.node.sh(&format!("podman kube down --force {FILE} && umount /run/pod/task"));
        self.is_removed = true;
    }
}

impl Drop for Pod<'_> {
    #[expect(clippy::print_stderr, reason = "the message of a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() && !self.is_removed {
            let mut text = self.node.try_sh("podman ps --all").1;
            for container in ["dind", "runner"] {
                let _ = write!(text, "--- {container}\n{}", self.log(container));
            }
            eprintln!("{text}");
        }
    }
}

fn folder(volume: &str) -> String {
    format!("$(podman volume inspect --format '{{{{.Mountpoint}}}}' {volume})")
}
