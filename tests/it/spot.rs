//! The host's helper for standalone tasks, `ami/files/spot`, with a stand-in for instance metadata and the agent, and for docker.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use runner_tests::{
    clock,
    ecs::{Ecs, Rules},
    scratch::Scratch,
};

const SOON: Duration = Duration::from_secs(60);

/// A docker that has one container of a task; `killed` gets a line for each signal.
const DOCKER: &str = r#"#!/bin/sh
here=$(dirname "$0")
case $1 in
ps) echo "$*" >> "$here/asked"; cat "$here/containers" ;;
inspect) printf 'PATH=/bin\nECS_CONTAINER_METADATA_URI_V4=%s\n' "$(cat "$here/uri")" ;;
kill) echo "$*" >> "$here/killed" ;;
esac
"#;

struct Host {
    scratch: Scratch,
    helper: Child,
}

impl Host {
    fn start(ecs: &Ecs) -> Self {
        let scratch = Scratch::new();
        let file = |name: &str, text: &str| fs::write(scratch.path().join(name), text).unwrap();
        file("docker", DOCKER);
        fs::set_permissions(scratch.path().join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
        file("containers", "c0ffee0000000000\n");
        file("uri", &ecs.metadata_uri());
        let agent = ecs.metadata_uri().split("/v4/").next().unwrap().to_owned();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("ami/files/spot");
        let said = fs::File::create(scratch.path().join("said")).unwrap();
        let helper = Command::new("bash")
            .arg(script)
            .env("PATH", format!("{}:{}", scratch.path().display(), std::env::var("PATH").unwrap()))
            .envs([("SPOT_METADATA", ecs.instance_metadata_url()), ("SPOT_AGENT", agent), ("SPOT_PAUSE", "0.05".into())])
            .stdout(said)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { scratch, helper }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn wait_for(&self, name: &str, text: &str) {
        let there = clock::poll(SOON, || self.read(name).contains(text).then_some(()));
        assert!(there.is_some(), "no {text:?} in {name}: {}\n{}", self.read(name), self.read("said"));
    }

    /// That many looks later.
    fn wait_for_looks(&self, more: usize) {
        let before = self.read("asked").lines().count();
        let there = clock::poll(SOON, || (self.read("asked").lines().count() >= before + more).then_some(()));
        assert!(there.is_some(), "it looks no more: {}", self.read("said"));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.helper.kill();
        let _ = self.helper.wait();
    }
}

/// How often instance metadata was asked for the notice.
fn looks(ecs: &Ecs) -> usize {
    ecs.requests().iter().filter(|seen| seen.path.ends_with("/spot/instance-action")).count()
}

fn two_looks(ecs: &Ecs) {
    let before = looks(ecs);
    ecs.wait_for("two looks", SOON, |ecs| looks(ecs) >= before + 2);
}

#[test]
fn a_standalone_task_is_told_of_a_spot_notice_once() {
    let ecs = Ecs::start(Rules::standalone());
    let host = Host::start(&ecs);
    two_looks(&ecs);
    assert_eq!(host.read("asked"), "", "without a notice nobody's containers are looked at");
    ecs.announce_spot(Duration::from_secs(120));
    host.wait_for("killed", "c0ffee");
    host.wait_for_looks(3);
    assert_eq!(host.read("killed"), "kill --signal TERM c0ffee0000000000\n", "a second signal would mean: now");
    assert!(host.read("asked").contains("label=com.amazonaws.ecs.container-name=runner"), "{}", host.read("asked"));
    assert!(host.read("said").contains("this host is taken away: {\"action\":\"terminate\""), "{}", host.read("said"));
}

#[test]
fn a_task_of_a_service_is_left_to_the_agent() {
    let ecs = Ecs::start(Rules::service("runners"));
    let host = Host::start(&ecs);
    ecs.announce_spot(Duration::from_secs(120));
    host.wait_for("said", "c0ffee000000: a service's, the agent stops it");
    host.wait_for_looks(3);
    assert_eq!(host.read("killed"), "");
}

#[test]
fn an_agent_that_does_not_answer_is_asked_again_and_a_token_that_ended_is_renewed() {
    let ecs = Ecs::start(Rules::standalone());
    let host = Host::start(&ecs);
    fs::write(host.path("uri"), "http://169.254.170.2/v4/another").unwrap();
    two_looks(&ecs);
    ecs.expire_tokens();
    two_looks(&ecs);
    ecs.announce_spot(Duration::from_secs(120));
    host.wait_for("said", "the agent does not say whose it is; asking again");
    host.wait_for_looks(2);
    assert_eq!(host.read("killed"), "", "whoever it is might be told twice");
    fs::write(host.path("uri"), ecs.metadata_uri()).unwrap();
    host.wait_for("killed", "c0ffee");
}
