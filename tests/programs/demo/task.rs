//! The task that is shown: both programs with docker, or the runner's half without it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner_tests::bed::{Bed, Subject};
use runner_tests::fixtures::{Tool, ToolCache};
use runner_tests::github::{Finished, Job, Route};
use runner_tests::pair::{IMAGE, Pair, STORAGE, Witness};
use runner_tests::process::Ending;

use crate::screen::{Screen, short};
use crate::timeline::{self, Clock, Life};
use crate::verdict::{Verdict, listed, versions};

/// Far more than it takes.
const SOON: Duration = Duration::from_secs(120);

const USE_A_TOOL: &str = "echo '* a tool of the cache'; $RUNNER_TOOL_CACHE/node/20.11.0/x64/bin/node --version";

const INSTALL_A_TOOL: &str = "echo '* a new version of a tool'; mkdir -p $RUNNER_TOOL_CACHE/node/22.1.0; \
    cp -a $RUNNER_TOOL_CACHE/node/20.11.0/x64 $RUNNER_TOOL_CACHE/node/22.1.0/x64; \
    touch $RUNNER_TOOL_CACHE/node/22.1.0/x64.complete; echo node 22.1.0 installed";

/// What a signal must end beside the boxes.
static PLAIN: AtomicI32 = AtomicI32::new(0);

/// Lets a runner without a box clean up by itself.
pub(crate) fn end_what_runs_plainly() {
    let pid = PLAIN.load(Ordering::SeqCst);
    if pid > 0 {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

/// The whole task; `true` when all was as it should be.
pub(crate) fn with_docker(screen: &Screen) -> bool {
    let pair = screen.step("an XFS volume, the shared folders, a stand-in for GitHub", Pair::new);
    let remote = screen.step("a directory as EFS, with a tool cache in it", || {
        let cache = fill(pair.fill_remote());
        pair.give_remote_away();
        cache
    });
    let before = versions(remote.path());
    let image = format!("echo '* a container'; docker import {IMAGE} busybox:demo >/dev/null; echo from the workspace >note");
    let container = "docker run --rm --hostname container --volume $GITHUB_WORKSPACE:/github/workspace busybox:demo \
        sh -c 'echo hello from $(hostname); cat /github/workspace/note'";
    pair.bed().github().queue_job(Job::new("demo", USE_A_TOOL).step(&format!("{image}; {container}")).step(INSTALL_A_TOOL));

    screen.title("Both containers start; docker is stopped when the runner is gone");
    let mut docker = plain_log(pair.dind()).start();
    let mut runner = plain_log(pair.entrypoint(Some(&docker))).start();
    let mut witnesses = [("docker", Witness::of(&docker)), ("runner", Witness::of(&runner))];
    let voices = screen.follow(vec![("docker", docker.record()), ("runner", runner.record())]);
    let runner_end = runner.wait(SOON);
    docker.signal(Signal::SIGTERM);
    let docker_end = docker.wait(SOON);
    let left_out = voices.finish();
    if left_out > 0 {
        screen.note(&format!("        ({left_out} lines of dockerd and containerd themselves are left out; --all shows them)"));
    }

    let mut verdict = Verdict::default();
    verdict.expect(docker_end == Ending::Code(0), &format!("runner-dind ended with {docker_end:?}"));
    let lives = [("docker", &docker), ("runner", &runner)];
    judge(screen, pair.bed(), &lives, runner_end, &mut verdict);
    judge_cache(screen, &remote, &pair.bed().path("hostedtoolcache"), &before, &mut verdict);
    let mut left = pair.left_behind();
    for (name, witness) in &mut witnesses {
        left.extend(witness.left_behind(STORAGE).iter().map(|what| format!("{what} ({name})")));
    }
    screen.fact("left behind", if left.is_empty() { "nothing (registrations, data-roots, mounts, processes, sockets)" } else { "" });
    end(screen, &left, &verdict)
}

/// The runner alone, as this user.
pub(crate) fn without_docker(screen: &Screen) -> bool {
    println!();
    let bed = screen.step("a runner's home, a stand-in for GitHub", Bed::new);
    let remote = screen.step("a directory as EFS, with a tool cache in it", || fill(bed.tool_cache("remote")));
    let before = versions(remote.path());
    bed.github().queue_job(Job::new("demo", USE_A_TOOL).step(INSTALL_A_TOOL));

    screen.title("The runner starts");
    let launch = bed.entrypoint().env("TOOL_CACHE_REMOTE", remote.path().to_string_lossy());
    let mut runner = plain_log(launch).start();
    PLAIN.store(runner.pid().as_raw(), Ordering::SeqCst);
    let voices = screen.follow(vec![("runner", runner.record())]);
    let ending = runner.wait(SOON);
    PLAIN.store(0, Ordering::SeqCst);
    voices.finish();

    let mut verdict = Verdict::default();
    judge(screen, &bed, &[("runner", &runner)], ending, &mut verdict);
    judge_cache(screen, &remote, &bed.path("hostedtoolcache"), &before, &mut verdict);
    let left: Vec<String> = bed.github().registered().iter().map(|runner| format!("registered at GitHub: {}", runner.name)).collect();
    screen.fact("left behind", if left.is_empty() { "no registration" } else { "" });
    end(screen, &left, &verdict)
}

/// As people see it.
fn plain_log(launch: runner_tests::bed::Launch<'_>) -> runner_tests::bed::Launch<'_> {
    launch.env("LOG_FORMAT", "human").env("NO_COLOR", "1")
}

fn fill(cache: ToolCache) -> ToolCache {
    cache.scale(2).with(Tool::Node, "20.11.0").with(Tool::Python, "3.12.1").with(Tool::Go, "1.22.0")
}

/// The job, the timeline, GitHub's side.
fn judge(screen: &Screen, bed: &Bed, programs: &[(&'static str, &Subject)], runner_end: Ending, verdict: &mut Verdict) {
    let github = bed.github();
    verdict.expect(runner_end == Ending::Code(0), &format!("runner-entrypoint ended with {runner_end:?}"));
    screen.title("The job's log, as GitHub has it");
    let finished = github.finished();
    finished.iter().flat_map(|job| job.set_up.lines().chain(job.log.lines())).for_each(|line| screen.note(line));
    let results: Vec<&str> = finished.iter().map(|Finished { result, .. }| result.as_str()).collect();
    verdict.expect(results == ["Succeeded"], &format!("the job's result is {results:?}"));

    screen.title("When what happened");
    let lives: Vec<(&'static str, Life)> =
        programs.iter().filter_map(|(name, subject)| Some((*name, Life::read(&subject.record())?))).collect();
    verdict.expect(lives.len() == programs.len(), "a program did not sum up its life");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let began = Duration::from_millis(u64::try_from((now - github.age()).as_millis() % 86_400_000).unwrap_or_default());
    let clock = Clock::of(&lives, began);
    timeline::table(&lives, &github.requests(), clock).iter().for_each(|line| println!("{line}"));
    println!();
    for (name, life) in &lives {
        let after = life.ready.map_or_else(|| "never".to_owned(), |millis| format!("after {}", short(Duration::from_millis(millis))));
        screen.note(&format!("{name} was ready {after}"));
    }

    screen.title("What is there at the end");
    let at = |route| github.requests_of(route).iter().map(|seen| clock.shown(seen)).collect::<Vec<_>>();
    let names: Vec<String> = github.ever_registered().iter().map(|runner| runner.name.clone()).collect();
    let removed = [at(Route::Done), at(Route::DeleteRunner)].concat();
    let registered = at(Route::GenerateJit);
    let result = listed(finished.iter().map(|job| &job.result));
    screen.fact(
        "GitHub",
        &format!("{}: registered at {}, removed at {}; job: {result}", listed(&names), listed(&registered), listed(&removed)),
    );
    let of_runner = [Route::Connect, Route::Poll, Route::Done, Route::Disconnect];
    let (from_runner, from_us): (Vec<_>, Vec<_>) = github.requests().into_iter().partition(|seen| of_runner.contains(&seen.route));
    screen.fact("requests", &format!("{} of runner-entrypoint, {} of the runner itself", from_us.len(), from_runner.len()));
}

fn judge_cache(screen: &Screen, remote: &ToolCache, local: &Path, before: &BTreeSet<String>, verdict: &mut Verdict) {
    let (here, there) = (versions(local), versions(remote.path()));
    let restored: Vec<&String> = here.intersection(before).collect();
    let saved: Vec<&String> = there.difference(before).collect();
    screen.fact("restored", &listed(restored.iter().copied()));
    screen.fact("saved", &listed(saved.iter().copied()));
    verdict.expect(restored.len() == before.len(), "not every version was restored");
    verdict.expect(saved == ["node 22.1.0"], "the new version was not saved");
    let stages = [".stage", ".packs/stage"].map(|stage| fs::read_dir(remote.path().join(stage)));
    let unfinished = stages.into_iter().flatten().flatten().flatten().count();
    verdict.expect(unfinished == 0, "something unfinished is in the remote cache");
}

fn end(screen: &Screen, left: &[String], verdict: &Verdict) -> bool {
    left.iter().for_each(|what| screen.fact("", what));
    println!();
    if left.is_empty() && verdict.wrong().is_empty() {
        screen.good("All is as it should be.");
        return true;
    }
    screen.bad("Not as it should be:");
    verdict.wrong().iter().chain(left).for_each(|what| screen.note(&format!("- {what}")));
    false
}
