//! The daemon in the sidecar: what it is told, what it takes, and what happens when it dies or hangs.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::Subject,
    boxed::Boxed,
    need::{Need, need},
    pair::{Pair, RUNNER, STORAGE, Witness},
    process::Ending,
    rootfs::Rootfs,
};

use crate::dind::{IMAGE, SOON, ready, refused, sh, snapshot};

/// Runs something in a container and returns what it wrote.
fn run(dind: &Subject, options: &str, command: &str) -> String {
    sh(dind, &format!("docker run --rm {options} tiny:1 {command}")).trim().to_owned()
}

#[test]
fn networks_have_the_packet_size_of_the_default_route_also_those_made_later() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let network = Boxed::new(&Rootfs::Docker.path()).spawn("network", &["sleep", "600"]);
    let (made, said) = network.sh(
        "ip link add tun0 mtu 1400 type veth peer name tun1 && ip link set tun1 up && ip link set tun0 up && ip addr add 192.0.2.2/24 dev tun0 && ip route add default via 192.0.2.1",
        SOON,
    );
    assert_eq!(made, Ending::Code(0), "{said}");
    let dind = ready(pair.dind().as_pid_1(pair.sidecar().network_of(network.pid())));
    sh(&dind, &format!("{IMAGE} && docker network create later"));
    for network in ["bridge", "later"] {
        assert_eq!(run(&dind, &format!("--network {network}"), "busybox cat /sys/class/net/eth0/mtu"), "1400", "{network}");
    }
    assert!(dind.stdout().contains("containers get the packet size of the default route"), "{}", dind.stdout());
}

#[test]
fn settings_the_users_file_and_flags_all_reach_the_daemon_and_its_containers() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let file = pair.bed().path("daemon.json");
    fs::write(&file, r#"{ "experimental": true, "shutdown-timeout": 3, "features": { "buildkit": true } }"#).unwrap();
    let dind = ready(
        pair.dind()
            .env("DOCKER_DAEMON_JSON", file.to_string_lossy())
            .env("DOCKERD_ARGS", "--label 'team=build tools' --max-concurrent-downloads=7")
            .env("DOCKER_MTU", "1300")
            .env("DOCKER_ADDRESS_POOLS", "10.77.0.0/16/24")
            .env("DOCKER_DNS", "192.0.2.53,192.0.2.54")
            .env("DOCKER_ULIMITS", "nofile=1234:2345,core=0")
            .env("DOCKER_NO_NEW_PRIVILEGES", "yes")
            .env("DOCKER_ICC", "no")
            .env("DOCKER_INSECURE_REGISTRY", "registry.example:5000")
            .env("DOCKER_TCP", "127.0.0.1:2375"),
    );
    sh(&dind, &format!("{IMAGE} && docker network create later"));
    let info = sh(
        &dind,
        "docker -H tcp://127.0.0.1:2375 info --format '{{.Labels}} {{.ExperimentalBuild}} {{json .RegistryConfig.IndexConfigs}}'",
    );
    assert!(info.starts_with("[team=build tools] true") && info.contains("registry.example:5000"), "{info}");
    assert_eq!(run(&dind, "--network later", "busybox cat /sys/class/net/eth0/mtu"), "1300");
    let limits = run(&dind, "", "sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c'");
    assert_eq!(limits.split_whitespace().collect::<Vec<_>>(), ["1234", "2345", "0"]);
    assert_eq!(run(&dind, "", "busybox grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1");
    assert!(run(&dind, "", "busybox cat /etc/resolv.conf").contains("nameserver 192.0.2.53\nnameserver 192.0.2.54"));
    for network in ["bridge", "later"] {
        let address = run(&dind, &format!("--network {network}"), "busybox ip -4 addr show eth0");
        assert!(address.contains("inet 10.77."), "{network}: {address}");
    }
    // One container of the default network does not reach another.
    let other =
        "docker run -d --name other tiny:1 busybox sleep 600 > /dev/null && docker inspect -f '{{.NetworkSettings.IPAddress}}' other";
    let other = sh(&dind, other);
    let reached = dind.boxed().sh(&format!("docker run --rm tiny:1 busybox ping -c 1 -W 1 {}", other.trim()), SOON);
    assert_ne!(reached.0, Ending::Code(0), "{}", reached.1);
}

#[test]
fn what_root_of_a_container_makes_in_the_work_folder_is_the_runners() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = ready(pair.dind().env("DOCKER_USERNS_REMAP", "yes").env("DOCKER_GROUP_GID", RUNNER.to_string()));
    let work = pair.bed().path("home/_work");
    fs::write(work.join("of-the-runner"), "x").unwrap();
    std::os::unix::fs::chown(work.join("of-the-runner"), Some(RUNNER), Some(RUNNER)).unwrap();
    std::os::unix::fs::chown(&work, Some(RUNNER), Some(RUNNER)).unwrap();
    sh(&dind, IMAGE);
    let script = "sh -c 'busybox touch /w/of-root && busybox rm /w/of-the-runner && busybox cat /proc/self/uid_map'";
    let map = run(&dind, "-v /home/runner/_work:/w", script);
    let map: Vec<Vec<&str>> = map.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(map, [["0", "1001", "1"], ["1", "100000", "65536"]]);
    let made = fs::metadata(work.join("of-root")).unwrap();
    assert_eq!((made.uid(), made.gid()), (RUNNER, RUNNER));
    assert!(!work.join("of-the-runner").exists(), "root of a container may do what the runner may");
    // Another user of a container is nobody outside; a container may use docker if its root's group may.
    run(&dind, "-v /home/runner/_work:/w", "sh -c 'busybox chown 5:6 /w/of-root'");
    let made = fs::metadata(work.join("of-root")).unwrap();
    assert_eq!((made.uid(), made.gid()), (100_004, 100_005));
    run(&dind, "-v /var/run/docker.sock:/s -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro", "/usr/bin/docker -H unix:///s ps");
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    assert_eq!(pair.left_behind(), [""; 0]);
}

/// Certificates of an authority, of a server at 127.0.0.1 and of a client, in a folder.
/// Kills a daemon. The sidecar then kills all that is below it before it starts another; on a busy machine `pkill` has not ended by then, and
/// is among that.
fn kill(dind: &Subject, daemon: &str) {
    let (ending, output) = dind.boxed().sh(&format!("pkill -KILL -x {daemon}"), SOON);
    assert!([Ending::Code(0), Ending::Signal(9)].contains(&ending), "{ending:?} {output}");
}

const CERTIFICATES: &str = r#"
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ca -keyout ca-key.pem -out ca.pem
    for name in server client; do
        openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name-key.pem -out $name.csr
        printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' > ext
        openssl x509 -req -days 1 -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile ext -out $name-cert.pem
    done"#;

#[test]
fn an_address_that_others_reach_answers_only_to_clients_with_a_certificate() {
    let _alone = crate::alone();
    if !need(&[Need::Docker, Need::Openssl]) {
        return;
    }
    let pair = Pair::new();
    let folder = pair.bed().directory("certificates");
    let made = std::process::Command::new("sh").args(["-ec", CERTIFICATES]).current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let dind = ready(pair.dind().env("DOCKER_TCP", "0.0.0.0:2376").env("DOCKER_TLS_DIR", folder.to_string_lossy()));
    let ask = |options: &str| {
        let command = format!("cd {} && docker -H tcp://127.0.0.1:2376 {options} version --format '{{{{.Server.Os}}}}'", folder.display());
        dind.boxed().sh(&command, SOON)
    };
    let (ending, said) = ask("--tlsverify --tlscacert ca.pem --tlscert client-cert.pem --tlskey client-key.pem");
    assert_eq!((ending, said.trim()), (Ending::Code(0), "linux"));
    assert_ne!(ask("--tls").0, Ending::Code(0), "no certificate");
    assert_ne!(ask("").0, Ending::Code(0), "no TLS");
}

#[test]
fn what_contradicts_is_told_all_at_once_before_anything_starts() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let file = pair.bed().path("daemon.json");
    let boxed = Boxed::new(&Rootfs::Docker.path()).bind(pair.storage(), Path::new(STORAGE));
    let with = |text: &str, settings: &[(&str, &str)]| {
        fs::write(&file, text).unwrap();
        let boxed = boxed.clone().bind_read_only(&file, Path::new("/etc/docker/daemon.json"));
        refused(&boxed.envs(settings.iter().copied()), &[])
    };
    let owned = r#"{ "data-root": "/x", "hosts": ["tcp://0.0.0.0:2375"], "live-restore": true, "storage-driver": "vfs", "userns-remap": "default" }"#;
    snapshot("daemon_json_owned", &with(owned, &[]));
    snapshot("daemon_json_twice", &with(r#"{ "mtu": 1200, "debug": true }"#, &[("DOCKER_MTU", "1300"), ("DOCKERD_ARGS", "--debug")]));
    snapshot("daemon_json_broken", &with("{ mtu: 1200 }", &[]));
    snapshot("daemon_json_missing", &with("{}", &[("DOCKER_DAEMON_JSON", "/nowhere/daemon.json")]));
    let settings = [
        ("DOCKERD_ARGS", "-H tcp://0.0.0.0:2375 --data-root=/x experimental"),
        ("DOCKER_TCP", "0.0.0.0:2375"),
        ("DOCKER_ADDRESS_POOLS", "10.0.0.0/8"),
        ("DOCKER_MTU", "big"),
        ("DOCKER_DNS", "dns.example"),
        ("DOCKER_ULIMITS", "files=5"),
        ("DOCKER_INSECURE_REGISTRIES", "http://registry.example"),
        ("DOCKER_LOG_FORWARD", "syslog+tcp://127.0.0.1:514"),
        ("DOCKER_PING_INTERVAL", "0"),
        ("DOCKER_TLS_CERTDIR", "/certs"),
    ];
    snapshot("engine_settings", &with("{}", &settings));
}

#[test]
fn settings_that_dockerd_does_not_know_end_the_start_without_another_try() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let file = pair.bed().path("daemon.json");
    fs::write(&file, r#"{ "mtuu": 1400 }"#).unwrap();
    let mut dind = pair.dind().env("DOCKER_DAEMON_JSON", file.to_string_lossy()).start();
    assert_eq!(dind.wait(SOON), Ending::Code(78));
    let said = dind.stdout();
    assert!(said.contains("the following directives don't match any configuration option: mtuu"), "{said}");
    assert!(!said.contains("started again"), "{said}");
    assert_eq!(pair.left_behind(), [""; 0]);
}

/// Issue: a dockerd that died took the whole task with it, with a job that had no container under way.
#[test]
fn a_daemon_that_dies_is_started_again_with_its_images_and_without_its_containers() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    for (daemon, restart) in [("dockerd", "restart 1 of 3"), ("containerd", "restart 1 of 3")] {
        let pair = Pair::new();
        let mut dind = ready(pair.dind());
        let container = "docker run -d --name lost -v kept:/kept -p 8080:80 tiny:1 busybox sleep 600";
        sh(&dind, &format!("{IMAGE} && docker network create job && {container} && docker run -d --network job tiny:1 busybox sleep 600"));
        let socket = pair.bed().path("task/docker.sock");
        let before = fs::metadata(&socket).unwrap().ino();
        // In a container numbers of processes come back soon: the dead daemon's may be that of a living one.
        sh(&dind, &format!("echo 1 | tee {STORAGE}/task-*/docker.pid"));
        kill(&dind, daemon);
        dind.wait_for_line("containers, and builds under way, are lost", SOON);
        pair.bed().wait_for("the dead socket to go", SOON, || !socket.exists());
        dind.wait_for_line(restart, SOON);
        let said = dind.stdout();
        assert!(said.contains(&format!("{daemon} ended with SIGKILL")) && said.contains("hint: if nobody killed it"), "{said}");
        assert_ne!(fs::metadata(&socket).unwrap().ino(), before, "the dead socket is replaced");
        assert_eq!(sh(&dind, "docker ps --quiet"), "", "no container of before runs");
        assert_eq!(sh(&dind, "pgrep -x busybox || true"), "", "and no process of one");
        assert_eq!(sh(&dind, "docker volume ls --quiet"), "kept\n");
        assert_eq!(run(&dind, "-v kept:/kept -p 8080:80 --network job", "busybox echo alive"), "alive");
        let mut witness = Witness::of(&dind);
        dind.signal(Signal::SIGTERM);
        assert_eq!(dind.wait(SOON), Ending::Code(0), "{daemon}");
        assert_eq!([pair.left_behind(), witness.left_behind(STORAGE)].concat(), [""; 0], "{daemon}");
    }
}

#[test]
fn a_daemon_that_dies_again_and_again_ends_the_sidecar_and_leaves_nothing() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = ready(pair.dind());
    let mut witness = Witness::of(&dind);
    for restart in 1..=3 {
        kill(&dind, "dockerd");
        dind.wait_for_line(&format!("restart {restart} of 3"), SOON);
    }
    kill(&dind, "containerd");
    assert_eq!(dind.wait(SOON), Ending::Code(69));
    assert!(dind.stdout().contains("it was started again 3 times, and is given up"), "{}", dind.stdout());
    assert!(dind.stdout().contains(r#""docker_restarts":3"#), "{}", dind.stdout());
    assert_eq!([pair.left_behind(), witness.left_behind(STORAGE)].concat(), [""; 0]);
}

#[test]
fn a_stop_while_a_daemon_is_to_be_started_again_is_obeyed_and_leaves_nothing() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = ready(pair.dind());
    sh(&dind, &format!("{IMAGE} && docker run -d tiny:1 busybox sleep 600"));
    kill(&dind, "dockerd");
    let mut witness = Witness::of(&dind);
    dind.wait_for_line("both daemons are started again in", SOON);
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    assert_eq!([pair.left_behind(), witness.left_behind(STORAGE)].concat(), [""; 0]);
}

#[test]
fn a_daemon_that_hangs_is_said_and_not_ready_until_it_answers() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(pair.dind().env("DOCKER_PING_INTERVAL", "1"));
    let is_ready = || fs::read_to_string(pair.bed().path("task/dind/state.json")).unwrap().contains(r#""ready":true"#);
    assert!(is_ready());
    sh(&dind, "pkill -STOP -x dockerd");
    dind.wait_for_line("docker has not answered for", SOON);
    pair.bed().wait_for("the state file", Duration::from_secs(10), || !is_ready());
    sh(&dind, "pkill -CONT -x dockerd");
    dind.wait_for_line("docker answers again, after", SOON);
    pair.bed().wait_for("the state file", Duration::from_secs(10), is_ready);
}

#[test]
fn what_the_daemons_say_keeps_its_level_and_its_fields() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(pair.dind().env("LOG_LEVEL", "debug"));
    let said = dind.stdout();
    let records: Vec<serde_json::Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for daemon in ["dockerd", "containerd"] {
        let own: Vec<_> = records.iter().filter(|record| record["source"] == daemon).collect();
        for level in ["debug", "info"] {
            assert!(own.iter().any(|record| record["level"] == level), "{daemon} {level}: {said}");
        }
        assert!(own.iter().any(|record| record["fields"].is_object()), "{daemon}");
        assert!(own.iter().all(|record| !record["message"].as_str().unwrap().starts_with("time=")), "{daemon}");
    }
}

/// The keys of the configuration are those that the oldest docker knows, too.
#[test]
fn the_oldest_docker_works_and_is_told_what_it_can_not_do() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let sidecar = Boxed::new(&Rootfs::OldDocker.path())
        .bind(pair.storage(), Path::new(STORAGE))
        .bind(&pair.bed().directory("task"), Path::new("/run/task"));
    let dind = pair
        .dind()
        .env("DOCKER_MTU", "1400")
        .env("DOCKER_ULIMITS", "nofile=1234")
        .env("DOCKER_ADDRESS_POOLS", "10.77.0.0/16/24")
        .env("DOCKER_INSECURE_REGISTRIES", "registry.example:5000")
        .env("DOCKER_DNS", "192.0.2.53")
        .env("DOCKER_ICC", "no")
        .env("DOCKER_NO_NEW_PRIVILEGES", "yes")
        .env("DOCKER_LOG_FORWARD", "fluentd://127.0.0.1:24224")
        .env("DOCKER_USERNS_REMAP", "yes")
        .env("DOCKER_TCP", "127.0.0.1:2375");
    let mut dind = ready(dind.as_pid_1(sidecar));
    assert!(dind.stdout().contains("Docker version 20.10"), "{}", dind.stdout());
    assert!(dind.stdout().contains("networks that jobs make keep 1500 bytes"), "{}", dind.stdout());
    sh(&dind, IMAGE);
    assert_eq!(run(&dind, "", "busybox cat /sys/class/net/eth0/mtu"), "1400");
    assert_eq!(run(&dind, "", "sh -c 'ulimit -n'"), "1234");
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    assert_eq!(pair.left_behind(), [""; 0]);
}

#[test]
fn containerds_image_store_works_where_a_user_wants_it() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let file = pair.bed().path("daemon.json");
    fs::write(&file, r#"{ "features": { "containerd-snapshotter": true } }"#).unwrap();
    let dind = ready(pair.dind().env("DOCKER_DAEMON_JSON", file.to_string_lossy()));
    sh(&dind, IMAGE);
    assert_eq!(sh(&dind, "docker info --format '{{.Driver}}'").trim(), "overlayfs");
    assert_eq!(run(&dind, "", "busybox echo alive"), "alive");
}
