//! The forms in which a platform starts the sidecar: runner-dind as PID 1 of a real container of a real docker, with what `docker run`
//! says of rights. Each form becomes ready and runs a container, or is refused with all that is missing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runner_tests::{
    bed::Subject,
    need::{Need, need},
    pair::Pair,
    process::Ending,
    programs::Program,
    sidecar::TOOLS,
    xfs::{Ftype, Xfs},
};

const SOON: Duration = Duration::from_secs(120);

/// What a platform can give without `--privileged`.
const CAPABILITIES: &str = "--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined";

/// A docker to start sidecars in, and an XFS for them.
struct Outer {
    dind: Subject,
    _xfs: Xfs,
    _pair: Pair,
}

impl Outer {
    fn start() -> Self {
        let (pair, xfs) = (Pair::new(), Xfs::make(8, Ftype::With).unwrap());
        let boxed = pair.sidecar().bind(xfs.path(), Path::new("/xfs")).bind_read_only(&programs(), &programs());
        let dind = pair.dind().as_pid_1(boxed).start();
        dind.wait_for_line("\"ready\"", SOON);
        let outer = Self { dind, _xfs: xfs, _pair: pair };
        outer.sh("image; mkdir -p /run/forms");
        outer
    }

    fn try_sh(&self, script: &str) -> (Ending, String) {
        let names = format!("set -u; BUILT={} DIND={}\n", programs().display(), Program::Dind.path().display());
        self.dind.boxed().sh(&format!("{names}{TOOLS}\n{script}"), SOON)
    }

    fn sh(&self, script: &str) -> String {
        let (ending, output) = self.try_sh(script);
        assert_eq!(ending, Ending::Code(0), "{script}\n{output}");
        output
    }

    /// A sidecar of this form lives a whole life: ready, a container with a network and a built layer, a stop, and nothing left.
    fn serves(&self, name: &str, options: &str) -> String {
        let options = format!("--volume /xfs/{name}:/var/docker-storage {options}");
        self.sh(&format!("sidecar {name} {options} && ready {name} && inside {name} \"$TINY\""));
        let said = self.sh(&format!(
            "inside {name} 'docker run --rm tiny:1 sh -c \"busybox cat /proc/self/cgroup; busybox ip route\" && docker run --name layer \
             tiny:1 busybox touch /made && docker commit layer tiny:2 >/dev/null && docker run --rm tiny:2 busybox ls /made'"
        ));
        assert!(said.contains("default via") && said.contains("/made"), "{name}: {said}");
        let log = self.sh(&format!("docker stop --time 30 {name} >/dev/null; docker logs {name}"));
        let code =
            self.sh(&format!("docker inspect -f '{{{{.State.ExitCode}}}}' {name}; docker rm -v {name} >/dev/null; ls -A /xfs/{name}"));
        assert_eq!(code.trim(), "0", "{name}\n{log}");
        log
    }

    /// What a sidecar of this form says before it ends with 71.
    fn refuses(&self, name: &str, options: &str) -> String {
        let code = self.sh(&format!("sidecar {name} {options} && docker wait {name}"));
        let said = self.sh(&format!("docker logs {name}; docker rm -v {name} >/dev/null"));
        assert_eq!(code.trim(), "71", "{name}\n{said}");
        said
    }
}

/// Where the program under test is: cargo's directory, or that of a release.
fn programs() -> PathBuf {
    Program::Dind.path().parent().unwrap().to_path_buf()
}

fn snapshot(name: &str, said: &str) {
    let own = [
        (r"\d\d:\d\d:\d\d\.\d{3}", "[CLOCK]"),
        (r"\b\d+ ms\b", "[SPAN]"),
        (r"_ms=\d+", "_ms=[MS]"),
        // Of this machine: its limits and its controllers.
        (r"(?m)^.*(only \d+ files may be open|containers can have no limits).*\n(?: {20,}.*\n)*", ""),
        (r"(?m)^.*runner-dind starts.*\n", ""),
    ];
    insta::with_settings!({filters => own, prepend_module_to_snapshot => false}, { insta::assert_snapshot!(name, said) });
}

const XFS: &str = "--volume /xfs/refused:/var/docker-storage";

#[test]
fn every_form_with_enough_rights_serves_and_leaves_nothing() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let outer = Outer::start();
    outer.serves("privileged", "--privileged");
    let log = outer.serves("capabilities", CAPABILITIES);
    for point in ["/sys/fs/cgroup", "/proc/sys"] {
        assert!(log.contains(&format!("remounted read-write  point={point}")), "{log}");
    }
    outer.serves("noroot", &format!("{CAPABILITIES} --security-opt systempaths=unconfined --security-opt no-new-privileges"));
    // Nothing of the image is written: what docker needs is on volumes and in memory.
    outer.serves("readonly", &format!("{CAPABILITIES} --read-only --tmpfs /run --tmpfs /tmp"));
}

/// The top of the tree is the host's there: nesting at the top would move the host's processes, and docker's default for its containers,
/// `/docker`, is the group of the host's own docker.
#[test]
fn with_the_hosts_cgroup_namespace_it_keeps_to_its_own_group() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let outer = Outer::start();
    let top = || outer.sh("find /sys/fs/cgroup -maxdepth 1 -type d | sort");
    let before = top();
    for (name, rights) in [("hostgroups", "--privileged"), ("hostgroupscaps", CAPABILITIES)] {
        let options = format!("--cgroupns=host --volume /xfs/{name}:/var/docker-storage {rights}");
        outer.sh(&format!("sidecar {name} {options} && ready {name} && inside {name} \"$TINY\""));
        let where_to = outer.sh(&format!("inside {name} 'docker run --rm --cgroupns=host tiny:1 busybox cat /proc/self/cgroup'"));
        let id = outer.sh(&format!("docker inspect -f '{{{{.Id}}}}' {name}"));
        assert!(where_to.contains(&format!("0::/docker/{}/docker/", id.trim())), "{name}: {where_to}");
        // PID 1 of the sidecar as its host sees it.
        let first = outer.sh(&format!("cat /proc/$(docker inspect -f '{{{{.State.Pid}}}}' {name})/cgroup"));
        assert!(first.contains(&format!("0::/docker/{}/init", id.trim())), "{name}: {first}");
        assert_eq!(top(), before, "{name}: the host has no group more");
        outer.sh(&format!("docker stop --time 30 {name} && docker rm -v {name}"));
    }
}

#[test]
fn every_form_without_enough_rights_is_refused_with_all_that_is_missing() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let outer = Outer::start();
    let without = |option: &str| CAPABILITIES.replace(option, "");
    for (name, options) in [
        ("form_nothing_asked", XFS.to_owned()),
        ("form_usual_seccomp", format!("{XFS} {}", without("--security-opt seccomp=unconfined"))),
        ("form_without_net_admin", format!("{XFS} {}", without("--cap-add NET_ADMIN"))),
        ("form_without_sys_admin", format!("{XFS} {}", without("--cap-add SYS_ADMIN"))),
        ("form_one_dropped", format!("{XFS} --cap-drop NET_RAW {CAPABILITIES}")),
        ("form_all_dropped", format!("{XFS} --cap-drop ALL {CAPABILITIES}")),
        ("form_storage_in_the_container", CAPABILITIES.to_owned()),
        ("form_storage_on_its_overlay", format!("{CAPABILITIES} --env DOCKER_STORAGE_ROOT=/root")),
        ("form_on_ecs", format!("{XFS} --env ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/x")),
        ("form_on_kubernetes", format!("{XFS} --env KUBERNETES_SERVICE_HOST=10.0.0.1")),
        ("form_on_nomad", format!("{XFS} --env NOMAD_ALLOC_ID=1")),
    ] {
        snapshot(name, &outer.refuses(name, &options));
    }
}

#[test]
fn a_check_beside_a_daemon_that_serves_and_before_a_start_says_what_is_there() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let outer = Outer::start();
    outer.sh(&format!("sidecar asked --volume /xfs/asked:/var/docker-storage {CAPABILITIES} && ready asked"));
    let said = outer.sh("docker exec asked \"$DIND\" check");
    assert!(said.contains("is that of a runner-dind that runs, serving since "), "{said}");
    assert!(said.trim_end().ends_with("ready to run") || said.contains("\nwould run, with "), "{said}");
    // Before a start nothing is remounted, and yet it is known that a start can.
    let run = "docker run --rm --volume /usr:/usr:ro --volume \"$BUILT:$BUILT:ro\" --volume /xfs/asked2:/var/docker-storage";
    let before = outer.sh(&format!("{run} --volume task-asked2:/run/task {CAPABILITIES} base:1 \"$DIND\" check; ls -A /xfs/asked2"));
    assert_eq!(before.matches("read-only; a start can remount it").count(), 2, "{before}");
    let last = before.trim_end().lines().last().unwrap_or_default();
    assert!(last == "ready to run" || last.starts_with("would run, with "), "nothing is left on the volume: {before}");
    let (_, json) = outer.try_sh(&format!("{run} base:1 \"$DIND\" check --json"));
    let report: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!((report["exit_code"].as_u64(), report["status"].as_str()), (Some(71), Some("fail")), "{json}");
}

/// With a user namespace for containers, privileged is enough; capabilities alone want two more.
#[test]
fn user_namespaces_for_containers_work_with_two_rights_more() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let outer = Outer::start();
    let remap = "--env DOCKER_USERNS_REMAP=yes";
    for (name, rights) in [
        ("remapped", "--privileged".to_owned()),
        ("remappedcaps", format!("{CAPABILITIES} --cap-add SYS_PTRACE --security-opt systempaths=unconfined")),
    ] {
        outer.sh(&format!(
            "sidecar {name} --volume /xfs/{name}:/var/docker-storage {remap} {rights} && ready {name} && inside {name} \"$TINY\""
        ));
        let map = outer.sh(&format!("inside {name} 'docker run --rm tiny:1 busybox cat /proc/self/uid_map'"));
        assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "1001", "1", "1", "100000", "65536"], "{name}");
        outer.sh(&format!("docker rm -vf {name}"));
    }
}

#[test]
fn a_sidecar_runs_in_a_sidecars_docker() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let outer = Outer::start();
    outer.sh("sidecar second --volume /xfs/second:/var/docker-storage --volume /xfs/third:/third --privileged && ready second");
    let third = format!(
        "{TOOLS}\nimage && sidecar third --volume /third:/var/docker-storage --privileged && ready third && inside third \"$TINY\" && \
         inside third 'docker run --rm tiny:1 busybox echo three levels down' && docker stop --time 30 third >/dev/null && docker inspect \
         -f '{{{{.State.ExitCode}}}}' third"
    );
    let said =
        outer.sh(&format!("cat > /run/forms/third <<'END'\n{third}\nEND\ninside second \"$(cat /run/forms/third)\"; ls -A /xfs/third"));
    assert_eq!(said.lines().collect::<Vec<_>>(), ["three levels down", "0"]);
}

/// Where this machine itself is on the old hierarchies, there is a host to try: docker decides by what is mounted at the top.
#[test]
fn a_host_on_the_old_hierarchies_is_warned_of_and_serves() {
    let _alone = crate::alone();
    let old = Path::new("/sys/fs/cgroup");
    if !need(&[Need::Docker]) || old.join("cgroup.controllers").exists() {
        return;
    }
    let pair = Pair::new();
    let mut dind = pair.dind().as_pid_1(pair.sidecar().bind(old, old)).start();
    dind.wait_for_line("\"ready\"", SOON);
    assert!(dind.stdout().contains("limits of containers follow the host's old hierarchies"), "{}", dind.stdout());
    let (ending, said) = dind.boxed().sh(
        &format!("{TOOLS}\neval \"$TINY\"; docker info -f '{{{{.CgroupVersion}}}}'; docker run --rm -m 64m tiny:1 busybox grep -c memory /proc/self/cgroup"),
        SOON,
    );
    dind.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    // The groups are this machine's own; empty ones can be removed.
    for hierarchy in std::fs::read_dir(old).unwrap().flatten() {
        let groups = walkdir::WalkDir::new(hierarchy.path().join("docker")).contents_first(true).into_iter().flatten();
        groups.filter(|entry| entry.file_type().is_dir()).for_each(|entry| drop(std::fs::remove_dir(entry.path())));
    }
    assert_eq!((ending, said.lines().collect::<Vec<_>>()), (Ending::Code(0), vec!["1", "1"]));
    assert_eq!(pair.left_behind(), [""; 0]);
}
