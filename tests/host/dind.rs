//! The sidecar alone: when it is ready, how it ends, and what it says about hosts that can not carry docker.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{Launch, Subject},
    boxed::Boxed,
    need::{Need, need},
    pair::{Pair, STORAGE, Witness},
    process::Ending,
    programs::Program,
    rootfs::Rootfs,
};

pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) fn ready(launch: Launch<'_>) -> Subject {
    let dind = launch.start();
    dind.wait_for_line("\"ready\"", SOON);
    dind
}

/// An image of busybox in the daemon of this box.
pub(crate) const IMAGE: &str = "mkdir -p /tmp/i/bin && cp /usr/bin/busybox /tmp/i/bin/busybox && ln -s busybox /tmp/i/bin/sh && tar -C /tmp/i -c . | docker import - tiny:1";

pub(crate) fn sh(dind: &Subject, script: &str) -> String {
    let (ending, output) = dind.boxed().sh(script, SOON);
    assert_eq!(ending, Ending::Code(0), "{output}");
    output
}

/// A sidecar that has a runc which makes no container before the file `go` is in the task folder.
fn gated(pair: &Pair) -> Subject {
    let (rootfs, gate) = (Rootfs::Docker.path(), pair.bed().path("runc"));
    let script =
        "#!/bin/sh\ncase \" $* \" in *' create '*) until [ -e /run/task/go ]; do sleep 0.02; done ;; esac\nexec /opt/runc \"$@\"\n";
    fs::write(&gate, script).unwrap();
    fs::set_permissions(&gate, fs::Permissions::from_mode(0o755)).unwrap();
    let sidecar = pair.sidecar().bind_read_only(&rootfs.join("usr/sbin/runc"), Path::new("/opt/runc"));
    let dind = pair.dind().as_pid_1(sidecar.bind_read_only(&gate, Path::new("/usr/sbin/runc"))).start();
    dind.wait_for_line("docker answers", SOON);
    dind
}

fn open_gate(pair: &Pair, dind: &Subject) {
    fs::write(pair.bed().path("task/go"), "").unwrap();
    dind.wait_for_line("\"ready\"", SOON);
}

#[test]
fn there_is_no_socket_before_a_container_has_run() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let socket = pair.bed().path("task/docker.sock");
    let dind = gated(&pair);
    assert!(!socket.exists());
    open_gate(&pair, &dind);
    assert!(socket.exists());
    assert_eq!(sh(&dind, "docker ps --all --quiet; docker images --quiet"), "", "the probe leaves nothing");
}

#[test]
fn health_is_silent_and_follows_the_daemon() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let program = Program::Dind.path();
    let ask = |dind: &Subject| {
        let mut health = dind.boxed().enter(&[&program.to_string_lossy(), "health"]);
        let ending = health.wait(SOON);
        assert_eq!(health.stdout() + &health.stderr(), "");
        ending
    };
    let dind = gated(&pair);
    assert_eq!(ask(&dind), Ending::Code(1), "docker answers, and no container has run");
    open_gate(&pair, &dind);
    pair.bed().wait_for("health to see it", SOON, || ask(&dind) == Ending::Code(0));
    sh(&dind, "pkill -STOP -x dockerd");
    assert_eq!(ask(&dind), Ending::Code(1), "a daemon that does not answer is not healthy");
}

#[test]
fn a_container_that_ignores_term_does_not_hold_up_a_stop() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = ready(pair.dind());
    sh(&dind, &format!("{IMAGE} && docker run -d tiny:1 sh -c 'trap \"\" TERM; while :; do busybox sleep 1; done'"));
    let mut witness = Witness::of(&dind);
    let before = dind.age();
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    // dockerd by itself gives such a container 10 s.
    let took = dind.age() - before;
    assert!(took < Duration::from_secs(9), "{took:?}");
    assert!(dind.stdout().contains("1 container was still running and was killed"), "{}", dind.stdout());
    assert_eq!([pair.left_behind(), witness.left_behind(STORAGE)].concat(), [""; 0]);
}

#[test]
fn a_registry_mirror_reaches_the_daemon() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(pair.dind().env("DOCKER_REGISTRY_MIRROR", "https://mirror.example,http://127.0.0.1:5000"));
    let mirrors = sh(&dind, "docker info --format '{{json .RegistryConfig.Mirrors}}'");
    assert_eq!(mirrors.trim(), r#"["https://mirror.example/","http://127.0.0.1:5000/"]"#);
}

/// What a start says, in a box without an XFS, and how it ends.
pub(crate) fn refused(boxed: &Boxed, words: &[&str]) -> String {
    let task = tempfile::tempdir().unwrap();
    let program = Program::Dind.path();
    let before: Vec<&str> = words.iter().copied().chain([program.to_str().unwrap()]).collect();
    let boxed = boxed.clone().bind(task.path(), Path::new("/run/task")).env("LOG_FORMAT", "human").env("NO_COLOR", "1");
    let mut dind = boxed.spawn("dind", &before);
    let ending = dind.wait(SOON);
    assert!(!task.path().join("docker.sock").exists());
    format!("{ending:?}\n{}{}", dind.stdout(), dind.stderr())
}

pub(crate) fn snapshot(name: &str, said: &str) {
    let own = [
        (r"\d\d:\d\d:\d\d\.\d{3}", "[CLOCK]"),
        (r"\b\d+ ms\b", "[SPAN]"),
        (r"_ms=\d+", "_ms=[MS]"),
        // Of this machine: its limits, its controllers, how much memory it has for a tmpfs.
        (r"(?m)^.*(only \d+ files may be open|containers can have no limits).*\n(?: {20,}.*\n)*", ""),
        (r"(?m)^.* has only .*\n.*\n", ""),
    ];
    insta::with_settings!({filters => own, prepend_module_to_snapshot => false}, { insta::assert_snapshot!(name, said) });
}

#[test]
fn a_storage_root_that_is_not_xfs_is_refused_with_what_to_do() {
    let _alone = crate::alone();
    if !need(&[Need::Boxes, Need::Mmdebstrap]) {
        return;
    }
    let boxed = Boxed::new(&Rootfs::Docker.path());
    snapshot("storage_on_tmpfs", &refused(&boxed.clone().tmpfs(STORAGE), &[]));
    // The image's own folder, with no volume mounted on it.
    let folder = refused(&boxed, &["sh", "-ec", "mkdir -p /var/docker-storage; exec \"$0\""]);
    snapshot("storage_in_the_image", &folder);
    snapshot("no_storage", &refused(&boxed, &[]));
}

#[test]
fn a_container_without_privileges_is_told_which_are_missing() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let boxed = Boxed::new(&Rootfs::Docker.path()).bind(pair.storage(), Path::new(STORAGE));
    let bounded = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];
    snapshot("without_sys_admin", &refused(&boxed, &bounded));
    snapshot("as_a_user", &refused(&boxed, &["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]));
    assert_eq!(pair.left_behind(), [""; 0]);
}

#[test]
fn wrong_settings_are_told_all_at_once() {
    let _alone = crate::alone();
    if !need(&[Need::Boxes, Need::Mmdebstrap]) {
        return;
    }
    let boxed = Boxed::new(&Rootfs::Docker.path());
    let boxed = boxed.env("STOP_TIMEOUT", "soon").env("DOCKER_REGISTRY_MIRROR", "mirror:5000").env("DOCKER_STORAGE_ROOT", "storage");
    snapshot("wrong_settings", &refused(&boxed, &[]));
}
