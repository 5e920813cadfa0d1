use super::*;
use crate::storage::{Cleanup, Mode, Wish};

fn read(environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment.iter().map(|&(name, value)| (name.into(), value.into()));
    Config::read(environment, []).map(|(config, _)| config).map_err(|problems| problems.to_string())
}

#[test]
fn everything_has_a_default() {
    let config = read(&[]).unwrap();
    assert_eq!(config.storage.root, Path::new("/var/docker-storage"));
    assert_eq!(config.storage.wish, Wish { mode: Mode::Xfs, quota: None });
    assert_eq!(config.storage.cleanup, Cleanup::Now);
    assert_eq!(config.task, Path::new("/run/task"));
    assert_eq!((config.access.group, config.engine.dockerd.as_deref(), config.engine.mirrors.len()), (123, None, 0));
    assert_eq!((config.start_timeout.as_secs(), config.stop_timeout.as_secs()), (60, 30));
}

#[test]
fn every_problem_is_told_at_once() {
    let long = "/".to_owned() + &"x".repeat(90);
    let problems = read(&[
        ("DOCKER_STORAGE_ROOT", &long),
        ("TASK_DIR", &long),
        ("DOCKER_GROUP_GID", "docker"),
        ("DOCKER_API_POLICY", "strict"),
        ("DOCKER_API_ALLOW", "everything,cap:"),
        ("DOCKER_REGISTRY_MIRROR", "https://good.example, mirror:5000"),
        ("DOCKER_START_TIMEOUT", "0"),
        ("DOCKERD_PATH", "dockerd"),
        ("STOP_TIMEOUT", "soon"),
        ("LOG_FORMAT", "xml"),
        ("DOCKER_STORAGE_MODE", "zfs"),
        ("DOCKER_STORAGE_QUOTA", "20GB"),
        ("DOCKER_STORAGE_CLEANUP", "never"),
    ]);
    insta::assert_snapshot!(problems.unwrap_err());
}

#[test]
fn the_longest_allowed_paths_leave_room_for_their_sockets() {
    let storage = "/".to_owned() + &"x".repeat(socket::LONGEST - storage::DEEPEST_SOCKET.len() - 1);
    let task = "/".to_owned() + &"x".repeat(76);
    let config = read(&[("DOCKER_STORAGE_ROOT", &storage), ("TASK_DIR", &task)]).unwrap();
    let hidden = config.socket("0123456789abcdef").hidden;
    assert_eq!(hidden.as_os_str().len(), socket::LONGEST);
    let error = read(&[("TASK_DIR", &(task + "x"))]).unwrap_err();
    assert!(error.contains("at most 77 bytes"), "{error}");
}

#[test]
fn a_file_system_of_its_own_needs_a_shorter_path() {
    let storage = "/".to_owned() + &"x".repeat(socket::LONGEST - storage::DEEPEST_SOCKET.len() - 1);
    let error = read(&[("DOCKER_STORAGE_ROOT", &storage), ("DOCKER_STORAGE_MODE", "loop")]).unwrap_err();
    assert!(error.contains("allowed: at most 42 bytes"), "{error}");
    let shorter = &storage[..storage.len() - storage::DISK.len()];
    read(&[("DOCKER_STORAGE_ROOT", shorter), ("DOCKER_STORAGE_MODE", "loop")]).unwrap();
}

#[test]
fn a_quota_is_a_size_and_needs_something_that_holds_a_task_to_it() {
    let wish = |mode: &str| read(&[("DOCKER_STORAGE_MODE", mode), ("DOCKER_STORAGE_QUOTA", "20G")]).map(|config| config.storage.wish);
    assert_eq!(wish("xfs").unwrap(), Wish { mode: Mode::Xfs, quota: Some(20 << 30) });
    assert_eq!(wish("LOOP").unwrap(), Wish { mode: Mode::Loop, quota: Some(20 << 30) });
    let error = wish("any").unwrap_err();
    assert!(error.contains("DOCKER_STORAGE_QUOTA: is set with DOCKER_STORAGE_MODE=any"), "{error}");
    assert!(read(&[("DOCKER_STORAGE_QUOTA", "20M")]).unwrap_err().contains("300 MiB or more"));
}

#[test]
fn dockerd_is_as_quiet_as_we_are() {
    for (ours, its) in [("error", "error"), ("warn", "warn"), ("info", "warn"), ("debug", "debug")] {
        assert_eq!(read(&[("LOG_LEVEL", ours)]).unwrap().dockerd_log_level(), its);
    }
}

#[test]
fn a_guard_knows_the_folders_of_the_runner_and_what_the_list_adds() {
    let guard = |allow| read(&[("DOCKER_API_POLICY", "guarded"), ("DOCKER_API_ALLOW", allow)]).map(|config| config.access.guard.unwrap());
    let usual = ["bind:/home/runner/_work", "bind:/home/runner/externals", "bind:/opt/hostedtoolcache"];
    assert_eq!(guard("").unwrap().entries(), usual);
    assert_eq!(guard("privileged, bind:/srv").unwrap().entries(), [&["privileged"], &usual[..], &["bind:/srv"]].concat());
    assert_eq!(read(&[]).unwrap().access.guard, None);
    let error = read(&[("DOCKER_API_ALLOW", "privileged")]).unwrap_err();
    assert!(error.contains("DOCKER_API_ALLOW: it stands there without a policy"), "{error}");
}

#[test]
fn the_daemon_has_docker_s_own_ways_unless_told_otherwise() {
    let engine = read(&[]).unwrap().engine;
    assert!(engine.between_containers && !engine.no_new_privileges);
    assert_eq!((engine.mtu, engine.remap, engine.tcp, engine.forward), (None, None, None, None));
    assert_eq!(engine.ping.as_secs(), 10);
    assert!(engine.arguments.words().is_empty() && engine.document.is_none());
}

#[test]
fn an_address_without_tls_is_loopback_and_one_with_tls_is_not() {
    let tcp = |settings: &[(&str, &str)]| read(settings).map(|config| config.engine.tcp.is_some());
    assert_eq!(tcp(&[("DOCKER_TCP", "127.0.0.1:2375")]), Ok(true));
    assert_eq!(tcp(&[("DOCKER_TCP", "tcp://[::1]:2375")]), Ok(true));
    assert_eq!(tcp(&[("DOCKER_TCP", "0.0.0.0:2376"), ("DOCKER_TLS_DIR", "/certs/server")]), Ok(true));
    for (settings, why) in [
        (&[("DOCKER_TCP", "0.0.0.0:2375")][..], "whoever reaches docker is root here"),
        (&[("DOCKER_TCP", "localhost:2375"), ("DOCKER_TLS_DIR", "/certs")], "where docker speaks without TLS"),
        (&[("DOCKER_TLS_DIR", "/certs")], "is set, and DOCKER_TCP is not"),
        (&[("DOCKER_TCP", "2375")], "is not an address with a port"),
    ] {
        let problem = tcp(settings).unwrap_err();
        assert!(problem.starts_with("1 setting is wrong") && problem.contains(why), "{problem}");
    }
}

#[test]
fn the_runners_user_cannot_be_root_or_one_of_those_that_are_nobody() {
    assert_eq!(read(&[("DOCKER_USERNS_REMAP", "on"), ("RUNNER_UID", "1000")]).unwrap().engine.remap, Some((1000, 1001)));
    for uid in ["0", "100000", "-1"] {
        assert!(read(&[("DOCKER_USERNS_REMAP", "on"), ("RUNNER_UID", uid)]).unwrap_err().contains("RUNNER_UID"));
    }
}

#[test]
fn names_of_other_images_are_understood_or_explained() {
    let environment = [("MTU", "1400"), ("DOCKER_INSECURE_REGISTRY", "r:5000"), ("DOCKER_TLS_CERTDIR", "/certs"), ("DOCKER_DRIVER", "vfs")];
    let environment = environment.map(|(name, value)| (name.into(), value.into()));
    let (config, warnings) = Config::read(environment, []).unwrap();
    assert_eq!((config.engine.mtu, config.engine.insecure), (Some(1400), vec!["r:5000".to_owned()]));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("DOCKER_TLS_CERTDIR is of docker:dind and not read"));
    let problem = read(&[("MTU", "12")]).unwrap_err();
    assert!(problem.contains("  MTU: `12` is not a packet size"), "{problem}");
}
