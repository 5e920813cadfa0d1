//! What the two containers must have in common: seen from both sides, and named with its cure where it is not so.

use std::{fs, path::Path, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::Subject,
    boxed::Boxed,
    github::Job,
    need::{Need, need},
    pair::{IMAGE, Pair, TOOLS},
    process::Ending,
};

const SOON: Duration = Duration::from_secs(60);
const WORK: &str = "/home/runner/_work";
const EXTERNALS: &str = "/home/runner/externals";

fn sidecar(pair: &Pair, boxed: Boxed) -> Subject {
    let dind = pair.dind().as_pid_1(boxed).start();
    dind.wait_for_line("\"ready\"", SOON);
    dind
}

/// The log of a runner's whole life beside a sidecar, and that of its job.
fn life(pair: &Pair, network_of: Option<&Subject>, script: &str) -> (String, String) {
    pair.bed().github().queue_job(Job::new("build", script));
    let mut entrypoint = pair.entrypoint(network_of).start();
    assert_eq!(entrypoint.wait(SOON), Ending::Code(0), "{}", entrypoint.stdout());
    (entrypoint.stdout(), pair.bed().github().finished().last().map(|job| job.log.clone()).unwrap_or_default())
}

#[test]
fn a_pair_that_shares_all_is_told_so_and_nothing_else() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = sidecar(&pair, pair.sidecar());
    let (log, _) = life(&pair, Some(&dind), "true");
    assert!(!log.contains("the docker sidecar"), "{log}");
    dind.wait_for_line("the runner has the same folders and the same network", SOON);
}

#[test]
fn each_volume_that_is_not_shared_is_named_by_both_sides_with_its_line() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let another = pair.bed().directory("another");
    let boxed = pair.sidecar().without(WORK).without(EXTERNALS).bind(&another, Path::new(EXTERNALS)).without(TOOLS);
    let dind = sidecar(&pair, boxed);
    // The runner stays in this machine's network.
    let (log, _) = life(&pair, None, "true");
    let said = [
        "the docker sidecar has nothing at /home/runner/_work, the runner's work folder",
        "the docker sidecar has another folder at /home/runner/externals, the runner's externals",
        "the docker sidecar has nothing at /opt/hostedtoolcache, the runner's tool cache",
        "the runner and the docker sidecar have a network each",
        "-v …:/home/runner/_work (docker run)",
    ];
    for said in said {
        dind.wait_for_line(said, SOON);
        assert!(log.contains(said), "the runner does not say: {said}\n{log}");
    }
}

#[test]
fn externals_of_the_image_reach_job_containers_through_a_volume_beside_them() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let volume = pair.bed().directory("volume");
    fs::create_dir_all(pair.bed().path("home/externals/node20/bin")).unwrap();
    fs::write(pair.bed().path("home/externals/node20/bin/node"), "the node of the runner's image\n").unwrap();
    // In the runner's box they are in the home, as in an image; the sidecar has the volume there.
    let dind = sidecar(&pair, pair.sidecar().without(EXTERNALS).bind(&volume, Path::new(EXTERNALS)));
    let script = format!("docker import {IMAGE} tiny:1\ndocker run --rm -v {EXTERNALS}:/__e:ro tiny:1 cat /__e/node20/bin/node");
    pair.bed().github().queue_job(Job::new("build", &script));
    let mut entrypoint =
        pair.entrypoint(Some(&dind)).env("EXTERNALS_SHARED_DIR", "/mnt/externals").also_bind(&volume, Path::new("/mnt/externals")).start();
    assert_eq!(entrypoint.wait(SOON), Ending::Code(0), "{}", entrypoint.stdout());
    let job = pair.bed().github().finished().pop().expect("a job that ended");
    assert!(job.log.ends_with("the node of the runner's image\n"), "{}", job.log);
    assert!(!entrypoint.stdout().contains("the docker sidecar"), "{}", entrypoint.stdout());
}

#[test]
fn a_sidecar_can_end_with_its_runner_where_the_platform_does_not_end_it() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = pair.dind().env("EXIT_WITH_RUNNER", "yes").start();
    dind.wait_for_line("\"ready\"", SOON);
    let (_, job) = life(&pair, Some(&dind), "echo done");
    assert_eq!(job, "done\n");
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    assert!(dind.stdout().contains("the runner has ended; docker is not needed any more"), "{}", dind.stdout());
    assert_eq!(pair.left_behind(), [""; 0]);
}

#[test]
fn a_sidecar_that_is_told_nothing_stays_when_its_runner_has_ended() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = sidecar(&pair, pair.sidecar());
    life(&pair, Some(&dind), "true");
    let (_, second) = life(&pair, Some(&dind), "docker ps --quiet; echo docker serves the next one");
    assert!(second.ends_with("docker serves the next one\n"), "{second}");
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
}
