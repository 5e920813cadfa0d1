//! What the sidecar and the pair say when something goes wrong while they live: the runbook's texts, from a real docker.

use std::{fs, path::Path};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{Launch, Subject},
    boxed::Boxed,
    github::Job,
    need::{Need, need},
    pair::{Pair, STORAGE},
    process::{Ending, Running},
    rootfs::Rootfs,
};

use crate::dind::{IMAGE, SOON, sh};

const EXTERNALS: &str = "/home/runner/externals";

/// Where the name of a child ends, in a line that is the child's.
const BAR: usize = 29;

fn readably(launch: Launch<'_>) -> Launch<'_> {
    launch.env("LOG_FORMAT", "human").env("NO_COLOR", "1")
}

fn ready(launch: Launch<'_>) -> Subject {
    let dind = readably(launch).start();
    dind.wait_for_line(" ready  ", SOON);
    dind
}

/// Our records of trouble so far, with the lines below each, and those that have one of `words`: compared with what was reviewed.
#[track_caller]
fn told(name: &str, life: &Running, words: &[&str]) {
    let mut told = false;
    let mut text = String::new();
    for line in life.stdout().lines() {
        if !line.starts_with("                    ") {
            let trouble = [" WARN ", " ERROR ", "  ended  exit_code="].iter().any(|word| line.contains(word));
            // This machine's own limits and controllers.
            let host = ["files may be open", "containers can have no limits", "old hierarchies"].iter().any(|word| line.contains(word));
            told = trouble && line.as_bytes().get(BAR) != Some(&b'|') && !host || words.iter().any(|word| line.contains(word));
        }
        if told {
            text.push_str(line);
            text.push('\n');
        }
        if line.contains("  ended  exit_code=") {
            break;
        }
    }
    let own = [
        (r"\d\d:\d\d:\d\d\.\d{3}", "[CLOCK]"),
        (r"total_ms=\d+.*", "total_ms=[MS]  phases=[PHASES]"),
        (r"busy_ms=\d+", "busy_ms=[MS]"),
        (r"runner-[a-z0-9]{12}", "runner-[SUFFIX]"),
        (r"task-[a-z0-9]+", "task-[ID]"),
        (r"\b\d+(\.\d+)? [KMG]iB\b", "[SIZE]"),
        (r"for \d+ s\b", "for [SECONDS] s"),
        (r"after \d+ s\b", "after [SECONDS] s"),
        (r"killed=\d+", "killed=[COUNT]"),
        (r"dead-[a-z0-9]+", "dead-[ID]"),
    ];
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    own.into_iter().for_each(|(pattern, text)| settings.add_filter(pattern, text));
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// On a busy machine the sidecar kills all that is below it before `pkill` has ended.
fn kill(dind: &Subject, daemon: &str) {
    let (ending, output) = dind.boxed().sh(&format!("pkill -KILL -x {daemon}"), SOON);
    assert!([Ending::Code(0), Ending::Signal(9)].contains(&ending), "{ending:?} {output}");
}

/// What a daemon complained of before it was killed is chance.
const NO_COMPLAINT: [(&str, &str); 1] = [(r"(?m)^ +its last complaint: .*\n", "")];

#[test]
fn a_daemon_that_dies_and_dies_again() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = ready(pair.dind());
    kill(&dind, "dockerd");
    dind.wait_for_line("restart 1 of 3", SOON);
    insta::with_settings!({filters => NO_COMPLAINT}, { told("docker_died", &dind, &[]) });
    for restart in 2..=3 {
        kill(&dind, "dockerd");
        dind.wait_for_line(&format!("restart {restart} of 3"), SOON);
    }
    kill(&dind, "dockerd");
    assert_eq!(dind.wait(SOON), Ending::Code(69));
    insta::with_settings!({filters => NO_COMPLAINT}, { told("docker_given_up", &dind, &[]) });
}

#[test]
fn a_daemon_that_hangs() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(pair.dind().env("DOCKER_PING_INTERVAL", "1"));
    sh(&dind, "pkill -STOP -x dockerd");
    dind.wait_for_line("docker has not answered for", SOON);
    sh(&dind, "pkill -CONT -x dockerd");
    dind.wait_for_line("docker answers again, after", SOON);
    told("docker_hangs", &dind, &[]);
}

#[test]
fn settings_that_dockerd_does_not_know() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let file = pair.bed().path("daemon.json");
    fs::write(&file, r#"{ "mtuu": 1400 }"#).unwrap();
    let file = file.to_string_lossy();
    let mut dind = readably(pair.dind().env("DOCKER_DAEMON_JSON", file.clone())).start();
    assert_eq!(dind.wait(SOON), Ending::Code(78));
    told("docker_settings_refused", &dind, &[]);
}

/// An iptables for tables that the host's kernel has not: dockerd dies at its first rule.
#[test]
fn a_kernel_without_the_tables_of_the_images_iptables() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let script = "#!/bin/sh\n[ \"$1\" != --version ] || exec echo 'iptables v1.8.9 (legacy)'\n\
                  echo \"iptables v1.8.9 (legacy): can't initialize iptables table \\`nat': Table does not exist (do you need to insmod?)\" >&2\n\
                  exit 3\n";
    let programs = pair.bed().directory("programs");
    for name in ["iptables", "ip6tables"] {
        fs::write(programs.join(name), script).unwrap();
        fs::set_permissions(programs.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", programs.display());
    let mut dind = readably(pair.dind().env("PATH", path)).start();
    assert_eq!(dind.wait(SOON), Ending::Code(69), "{}", dind.stdout());
    // The last of four that are the same.
    let before = r"(?m)^\S+ ERROR starting .*\n +its last complaint: .*\n +both daemons are started again.*\n";
    insta::with_settings!({filters => [(before, "")]}, { told("docker_iptables", &dind, &[]) });
}

/// What a host does that lets docker start and no container.
#[test]
fn a_docker_in_which_no_container_runs() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    // As runc tells containerd: in the file that it names.
    let script = r#"#!/bin/sh
case " $* " in
*' create '*)
    for word; do [ "$before" = --log ] && log=$word; before=$word; done
    echo '{"level": "error", "msg": "unable to apply cgroup configuration: cannot enter cgroupv2 \"/sys/fs/cgroup/docker\" with domain controllers -- it is in an invalid state"}' > "$log"
    exit 1
    ;;
esac
exec /opt/runc "$@"
"#;
    let runc = pair.bed().path("runc");
    fs::write(&runc, script).unwrap();
    fs::set_permissions(&runc, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let real = Rootfs::Docker.path().join("usr/sbin/runc");
    let sidecar = pair.sidecar().bind_read_only(&real, Path::new("/opt/runc")).bind_read_only(&runc, Path::new("/usr/sbin/runc"));
    let mut dind = readably(pair.dind().as_pid_1(sidecar)).start();
    assert_eq!(dind.wait(SOON), Ending::Code(69), "{}", dind.stdout());
    told("docker_no_container", &dind, &[]);
}

#[test]
fn a_volume_that_becomes_full() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let volume = pair.bed().directory("volume");
    let launch = pair.dind().env("DOCKER_STORAGE_MODE", "loop").env("DOCKER_STORAGE_QUOTA", "600M");
    let mut dind = ready(launch.as_pid_1(pair.sidecar().without(STORAGE).bind(&volume, Path::new(STORAGE))));
    let fill = format!("{IMAGE} && docker run --name filler tiny:1 busybox dd if=/dev/zero of=/fill bs=1M");
    let (ending, said) = dind.boxed().sh(&fill, SOON);
    assert!(ending == Ending::Code(1) && said.contains("No space left on device"), "{ending:?} {said}");
    dind.wait_for_line("builds and pulls will fail with ENOSPC", SOON);
    told("docker_room", &dind, &[]);
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
}

#[test]
fn what_a_killed_task_left() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut killed = ready(pair.dind());
    sh(&killed, IMAGE);
    killed.signal(Signal::SIGKILL);
    killed.wait(SOON);
    drop(killed);
    let mut next = ready(pair.dind());
    next.wait_for_line("removed what dead tasks left", SOON);
    next.signal(Signal::SIGTERM);
    assert_eq!(next.wait(SOON), Ending::Code(0));
    told("docker_left_by_the_dead", &next, &["what dead tasks left"]);
    assert_eq!(pair.left_behind(), [""; 0]);
}

#[test]
fn networks_behind_a_tunnel() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let network = Boxed::new(&Rootfs::Docker.path()).spawn("network", &["sleep", "600"]);
    let tunnel = "ip link add tun0 mtu 1400 type veth peer name tun1 && ip link set tun1 up && ip link set tun0 up && \
                  ip addr add 192.0.2.2/24 dev tun0 && ip route add default via 192.0.2.1";
    assert_eq!(network.sh(tunnel, SOON).0, Ending::Code(0));
    let dind = ready(pair.dind().as_pid_1(pair.sidecar().network_of(network.pid())));
    told("docker_packet_size", &dind, &["packet size"]);
}

#[test]
fn folders_and_a_network_that_the_two_do_not_share() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let another = pair.bed().directory("another");
    let sidecar = pair.sidecar().without("/home/runner/_work").without(EXTERNALS).bind(&another, Path::new(EXTERNALS));
    let _dind = ready(pair.dind().as_pid_1(sidecar.without("/opt/hostedtoolcache")));
    pair.bed().github().queue_job(Job::new("build", "true"));
    let mut runner = readably(pair.entrypoint(None)).start();
    assert_eq!(runner.wait(SOON), Ending::Code(0), "{}", runner.stdout());
    told("pair_not_shared", &runner, &[]);
}

#[test]
fn a_sidecar_that_is_stopped_before_its_runner() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = ready(pair.dind().env("STOP_TIMEOUT", "6"));
    let runner = pair.entrypoint(Some(&dind)).start();
    runner.wait_for_line("Listening for Jobs", SOON);
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(143));
    told("docker_taken_away", &dind, &["SIGTERM", "the runner"]);
}

/// Found before the runner is registered: a job that needs docker would only fail.
#[test]
fn a_sidecar_that_ends_while_its_runner_waits_for_it() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    // A runc that never makes a container keeps docker from being ready.
    let stuck = pair.bed().path("runc");
    fs::write(&stuck, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&stuck, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let sidecar = pair.sidecar().bind_read_only(&stuck, Path::new("/usr/sbin/runc"));
    let mut dind = readably(pair.dind().as_pid_1(sidecar)).env("DOCKER_START_TIMEOUT", "4").start();
    let mut runner = readably(pair.entrypoint(Some(&dind))).start();
    assert_eq!(dind.wait(SOON), Ending::Code(69), "{}", dind.stdout());
    // How its end goes then is chance.
    insta::with_settings!({filters => vec![(r"(?m)^.*dockerd does not end.*\n", "")]}, { told("docker_not_in_time", &dind, &[]) });
    assert_eq!(runner.wait(SOON), Ending::Code(69), "{}", runner.stdout());
    told("pair_sidecar_ended", &runner, &[]);
}
