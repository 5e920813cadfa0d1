//! The output of a job's containers: to a real rsyslog and to a receiver of fluentd's protocol, and never in the way of a container.

use std::{collections::BTreeMap, fs, time::Duration};

use nix::unistd::Pid;
use runner_tests::{
    bed::Subject,
    boxed::{Boxed, BoxedProcess},
    fluentd::Receiver,
    need::{Need, need},
    pair::Pair,
    process::Ending,
    rootfs::Rootfs,
};

use crate::dind::{IMAGE, SOON, ready, sh};

const FLUENTD: u16 = 24224;

/// Runs a container to its end and returns what `docker logs` has of it, sorted: its two outputs are two pipes.
fn logs(dind: &Subject, name: &str, script: &str) -> Vec<String> {
    let run = format!("docker run -d --name {name} tiny:1 sh -c '{script}' > /dev/null && docker wait {name} > /dev/null");
    let mut lines: Vec<String> = sh(dind, &format!("{run} && docker logs {name} 2>&1")).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// A container that writes a line ten times a second until it is removed.
const TICKS: &str = "docker run -d --name ticks tiny:1 sh -c 'while :; do echo tick; busybox usleep 100000; done'";

fn ticks(dind: &Subject) -> usize {
    sh(dind, "docker logs ticks").lines().count()
}

fn goes_on(dind: &Subject, pair: &Pair) {
    let before = ticks(dind);
    pair.bed().wait_for("more of the container's output", SOON, || ticks(dind) > before + 5);
    assert_eq!(sh(dind, "docker inspect -f '{{.State.Running}}' ticks").trim(), "true");
}

#[test]
fn fluentd_hears_containers_and_its_absence_stops_none() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(pair.dind().env("DOCKER_LOG_FORWARD", format!("fluentd://127.0.0.1:{FLUENTD}")));
    sh(&dind, IMAGE);
    // Nobody listens: containers start, and `docker logs` has what they said, as the runner asks for it.
    assert_eq!(logs(&dind, "early", "echo out; echo err >&2"), ["err", "out"]);
    assert_eq!(sh(&dind, "docker run --rm tiny:1 busybox echo attached"), "attached\n");

    let receiver = Receiver::listen(dind.pid(), FLUENTD);
    assert_eq!(logs(&dind, "heard", "echo out; echo err >&2"), ["err", "out"]);
    let lines = || -> BTreeMap<String, (String, String)> {
        let own = receiver.received().into_iter().filter(|line| line.tag.starts_with("heard/"));
        own.map(|line| (line.record["source"].clone(), (line.record["log"].clone(), line.record["container_name"].clone()))).collect()
    };
    pair.bed().wait_for("both lines", SOON, || lines().len() == 2);
    assert_eq!(lines()["stdout"], ("out".into(), "/heard".into()));
    assert_eq!(lines()["stderr"], ("err".into(), "/heard".into()));

    sh(&dind, TICKS);
    let heard = |receiver: &Receiver| receiver.received().iter().any(|line| line.tag.starts_with("ticks/"));
    pair.bed().wait_for("a tick", SOON, || heard(&receiver));
    drop(receiver);
    goes_on(&dind, &pair);
    assert_eq!(logs(&dind, "meanwhile", "echo out"), ["out"]);
    let receiver = Receiver::listen(dind.pid(), FLUENTD);
    pair.bed().wait_for("ticks at the new receiver", SOON, || heard(&receiver));
    drop(receiver);
    // A receiver that is away does not hold up the end of a container either.
    let before = dind.age();
    sh(&dind, "docker rm -f ticks");
    assert!(dind.age() - before < Duration::from_secs(20));
}

/// A real rsyslog in the network of the sidecar, that writes `TAG SEVERITY MESSAGE` a line.
fn rsyslog(pair: &Pair, network: Pid) -> BoxedProcess {
    let folder = pair.bed().directory("rsyslog");
    let config = format!(
        "module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"5140\")\n\
         template(name=\"line\" type=\"string\" string=\"%app-name% %syslogseverity-text% %msg%\\n\")\n\
         action(type=\"omfile\" file=\"{}\" template=\"line\")\n",
        folder.join("out").display()
    );
    let file = folder.join("rsyslog.conf");
    fs::write(&file, config).unwrap();
    let boxed = Boxed::new(&Rootfs::Services.path()).bind(&folder, &folder).network_of(network);
    let rsyslog = boxed.spawn("rsyslog", &["rsyslogd", "-n", "-i", "NONE", "-f", &file.to_string_lossy()]);
    // 1414 in hexadecimal is 5140.
    let listens = || fs::read_to_string(format!("/proc/{network}/net/udp")).is_ok_and(|sockets| sockets.contains("0100007F:1414"));
    pair.bed().wait_for("rsyslog to listen", SOON, listens);
    rsyslog
}

#[test]
fn rsyslog_hears_containers_and_its_absence_stops_none() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(pair.dind().env("DOCKER_LOG_FORWARD", "syslog://localhost:5140"));
    sh(&dind, IMAGE);
    assert_eq!(logs(&dind, "early", "echo out; echo err >&2"), ["err", "out"]);

    let receiver = rsyslog(&pair, dind.pid());
    assert_eq!(logs(&dind, "heard", "echo out; echo err >&2"), ["err", "out"]);
    let file = pair.bed().path("rsyslog/out");
    let id = sh(&dind, "docker inspect -f '{{.Id}}' heard")[..12].to_owned();
    let expected = [format!("heard/{id} info out"), format!("heard/{id} err err")];
    let written = || fs::read_to_string(&file).unwrap_or_default();
    let all = runner_tests::clock::holds_within(Duration::from_secs(5), || {
        expected.iter().all(|line| written().lines().any(|written| written == line))
    });
    assert!(all, "{}", written());

    sh(&dind, TICKS);
    pair.bed().wait_for("a tick", SOON, || written().contains("ticks/"));
    drop(receiver);
    goes_on(&dind, &pair);
    assert_eq!(logs(&dind, "meanwhile", "echo out"), ["out"]);
    let _receiver = rsyslog(&pair, dind.pid());
    let before = written().lines().count();
    pair.bed().wait_for("ticks at the new rsyslog", SOON, || written().lines().count() > before);
}

#[test]
fn a_receiver_of_logs_that_is_not_to_be_found_costs_the_forwarding_and_not_the_task() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(pair.dind().env("DOCKER_LOG_FORWARD", "syslog://no-such-host.invalid"));
    assert!(dind.stdout().contains("DOCKER_LOG_FORWARD names a host that is not to be found"), "{}", dind.stdout());
    sh(&dind, IMAGE);
    assert_eq!(logs(&dind, "local", "echo out"), ["out"]);
    assert_eq!(
        dind.boxed().sh("docker run --rm --log-driver syslog --log-opt syslog-address=tcp://127.0.0.1:5140 tiny:1 busybox true", SOON).0,
        Ending::Code(125),
        "why TCP is refused"
    );
}
