//! `check` of the runner's container beside a real sidecar: what it sees of it, and that the sidecar does not take it for a runner.

use std::{path::Path, time::Duration};

use runner_tests::{
    bed::Subject,
    need::{Need, need},
    pair::{Pair, TOOLS},
    process::Ending,
};

const SOON: Duration = Duration::from_secs(60);

fn said(pair: &Pair, network_of: Option<&Subject>) -> String {
    let mut check = pair.entrypoint(network_of).arg("check").start();
    assert_eq!(check.wait(SOON), Ending::Code(0), "{}", check.stdout());
    check.stdout()
}

#[test]
fn a_check_before_the_start_asks_the_sidecar_and_is_no_runner_to_it() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = pair.dind().env("EXIT_WITH_RUNNER", "yes").start();
    dind.wait_for_line("\"ready\"", SOON);
    for _ in 0..2 {
        let said = said(&pair, Some(&dind));
        assert!(said.contains("ok    daemon") && said.contains("Docker/"), "{said}");
        assert!(said.contains("sidecar") && said.contains("serving since "), "{said}");
        assert!(said.contains("the same folders and the same network"), "{said}");
        assert!(!pair.bed().path("task/runner/pair.json").exists(), "the question is taken away");
    }
    pair.bed().github().assert_nobody_registered();
    // The first runner is the one that it ends with.
    pair.bed().github().queue_job(runner_tests::github::Job::new("build", "docker ps --quiet && echo done"));
    let mut runner = pair.entrypoint(Some(&dind)).start();
    assert_eq!(runner.wait(SOON), Ending::Code(0));
    assert_eq!(pair.bed().github().finished()[0].log, "done\n");
    assert_eq!(dind.wait(SOON), Ending::Code(0));
}

#[test]
fn what_the_sidecar_has_not_is_named_before_the_start() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let another = pair.bed().directory("another");
    let boxed = pair.sidecar().without(TOOLS).without("/home/runner/_work").bind(&another, Path::new("/home/runner/_work"));
    let dind = pair.dind().as_pid_1(boxed).start();
    dind.wait_for_line("\"ready\"", SOON);
    let said = said(&pair, None);
    for expected in [
        "warn  shared with it",
        "the docker sidecar has another folder at /home/runner/_work, the runner's work folder",
        "the docker sidecar has nothing at /opt/hostedtoolcache, the runner's tool cache",
        "the runner and the docker sidecar have a network each",
        "hint: ECS: give both one network: \"networkMode\": \"awsvpc\"",
        "would run, with 3 warnings",
    ] {
        assert!(said.contains(expected), "not said: {expected}\n{said}");
    }
}
