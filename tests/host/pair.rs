//! Both programs for real: a dockerd on XFS in the sidecar's box, the runner's box beside it, jobs that use docker.

use std::{fs, process::Command, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{Bed, Subject},
    fixtures::{Tool, ToolCache},
    github::Job,
    need::{Need, need},
    pair::{IMAGE, Pair, STORAGE, Witness},
    process::Ending,
    programs::Program,
    trees::{Strictness, assert_same},
};

const SOON: Duration = Duration::from_secs(60);

/// A sidecar that is ready.
fn ready(pair: &Pair) -> Subject {
    let dind = pair.dind().start();
    dind.wait_for_line("\"ready\"", SOON);
    dind
}

/// The whole life of a runner with this job; its log when it succeeded.
fn run(pair: &Pair, dind: &Subject, script: &str) -> String {
    pair.bed().github().queue_job(Job::new("build", &format!("docker import {IMAGE} tiny:1\n{script}")));
    let mut entrypoint = pair.entrypoint(Some(dind)).start();
    assert_eq!(entrypoint.wait(SOON), Ending::Code(0));
    let finished = pair.bed().github().finished();
    let last = finished.last().expect("a job that ended");
    assert_eq!(last.result, "Succeeded", "{}", last.log);
    last.log.clone()
}

/// Stops the sidecar as a platform does, and says what the task left.
fn stop(pair: &Pair, mut dind: Subject) -> Vec<String> {
    let mut witness = Witness::of(&dind);
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    [pair.left_behind(), witness.left_behind(STORAGE)].concat()
}

/// A step that tells that it began and goes on until `go` is there.
const UNTIL_TOLD: &str = "touch $GITHUB_WORKSPACE/begun; until [ -e $GITHUB_WORKSPACE/go ]; do sleep 0.02; done";

fn workspace(bed: &Bed, name: &str) -> std::path::PathBuf {
    bed.path("home/_work/repo/repo").join(name)
}

#[test]
fn a_job_uses_a_restored_tool_runs_a_container_installs_a_tool_and_leaves_nothing() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let remote = pair.fill_remote().with(Tool::Node, "20.11.0").with(Tool::Python, "3.12.1");
    pair.give_remote_away();
    let dind = ready(&pair);
    let log = run(
        &pair,
        &dind,
        "$RUNNER_TOOL_CACHE/node/20.11.0/x64/bin/node --version\n\
         docker run --rm tiny:1 echo from a container\n\
         mkdir -p $RUNNER_TOOL_CACHE/node/22.1.0\n\
         cp -a $RUNNER_TOOL_CACHE/node/20.11.0/x64 $RUNNER_TOOL_CACHE/node/22.1.0/x64\n\
         touch $RUNNER_TOOL_CACHE/node/22.1.0/x64.complete",
    );
    assert!(log.contains("node 20.11.0 --version\nfrom a container\n"), "{log}");
    let export = tempfile::tempdir().unwrap();
    let exported =
        Command::new(Program::Entrypoint.path()).args(["cache", "export"]).arg(remote.path()).arg(export.path()).output().unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let export = ToolCache::at(export.path());
    assert_same(&remote.tree(Tool::Node, "20.11.0"), &export.tree(Tool::Node, "22.1.0"), Strictness::USUAL);
    assert!(export.marker(Tool::Node, "22.1.0").is_file());
    assert_eq!(stop(&pair, dind), [""; 0]);
}

#[test]
fn the_job_and_its_containers_share_the_socket_the_workspace_the_ports_and_nothing_by_name_of_group() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(&pair);
    let log = run(
        &pair,
        &dind,
        "id -u; id -G; getent group docker || echo no group docker here\n\
         stat -c '%g %a' /run/task/docker.sock\n\
         echo from the workspace > $GITHUB_WORKSPACE/file\n\
         docker run --rm -v $GITHUB_WORKSPACE:/github/workspace tiny:1 cat /github/workspace/file\n\
         mkdir cli; cp /usr/bin/docker $(ldd /usr/bin/docker | grep -o '/[^ ]*') cli; mv cli/ld-linux* cli/ld\n\
         docker run --rm -v /var/run/docker.sock:/var/run/docker.sock -v $GITHUB_WORKSPACE/cli:/cli tiny:1 \
           /cli/ld --library-path /cli /cli/docker ps --all --format '{{.Image}} sees itself'\n\
         docker run -d -p 18080:80 -v $GITHUB_WORKSPACE:/www tiny:1 httpd -f -p 80 -h /www >/dev/null\n\
         bash -c 'exec 3<>/dev/tcp/localhost/18080; printf \"GET /file HTTP/1.0\\r\\n\\r\\n\" >&3; tail -1 <&3'",
    );
    assert!(log.contains("\n1001\n1001 123\nno group docker here\n123 660\n"), "{log}");
    assert!(log.contains("123 660\nfrom the workspace\ntiny:1 sees itself\nfrom the workspace\n"), "{log}");
    assert_eq!(stop(&pair, dind), [""; 0]);
}

#[test]
fn a_stop_of_both_at_once_takes_no_docker_from_a_job_that_still_runs() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = ready(&pair);
    let script = format!("docker import {IMAGE} tiny:1; {UNTIL_TOLD}; docker run --rm tiny:1 echo docker still serves");
    pair.bed().github().queue_job(Job::new("build", &script));
    let mut entrypoint = pair.entrypoint(Some(&dind)).env("STOP_TIMEOUT", "120").start();
    pair.bed().wait_for("the job to begin", SOON, || workspace(pair.bed(), "begun").exists());
    let mut witness = Witness::of(&dind);
    for program in [&dind, &entrypoint] {
        program.signal(Signal::SIGTERM);
    }
    dind.wait_for_line("waiting for the runner to end", SOON);
    entrypoint.wait_for_line("a job is running", SOON);
    fs::write(workspace(pair.bed(), "go"), "").unwrap();
    assert_eq!((entrypoint.wait(SOON), dind.wait(SOON)), (Ending::Code(0), Ending::Code(0)));
    let finished = &pair.bed().github().finished()[0];
    assert!(finished.log.ends_with("docker still serves\n") && finished.result == "Succeeded", "{}", finished.log);
    assert_eq!([pair.left_behind(), witness.left_behind(STORAGE)].concat(), [""; 0]);
}

#[test]
fn what_a_killed_sidecar_left_is_swept_by_the_next_one() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut first = ready(&pair);
    first.signal(Signal::SIGKILL);
    first.wait(SOON);
    drop(first);
    assert!(!pair.left_behind().is_empty());
    let second = ready(&pair);
    second.wait_for_line("removed what dead tasks left", SOON);
    assert_eq!(stop(&pair, second), [""; 0]);
}

#[test]
fn a_runner_whose_docker_never_comes_ends_unavailable_and_is_not_registered() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut entrypoint = pair.entrypoint(None).env("WAIT_FOR_DOCKER_SECONDS", "1").start();
    assert_eq!(entrypoint.wait(SOON), Ending::Code(69));
    assert!(entrypoint.stdout().contains("there is no socket at /run/task/docker.sock"), "{}", entrypoint.stdout());
    assert_eq!(pair.bed().github().ever_registered().len(), 1);
    assert_eq!(pair.left_behind(), [""; 0]);
}
