//! `TOOL_CACHE_RESTORE=before-job`: the runner listens while the cache is restored, and its job waits in a hook.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use nix::sys::signal::{Signal, kill};
use runner_tests::{
    bed::{Bed, Launch, Subject},
    boxed::Boxed,
    fixtures::Tool,
    github::{Job, Route},
    need::{Need, need},
    process::Ending,
    programs::Program,
};

use super::{DEADLINE, INSTALL, child, gone, hold_restore, large_remote, on_the_remote, slowly, with_cache};
use crate::cache::picture;

const LISTENING: &str = "Listening for Jobs";
const HOOK: &str = "ACTIONS_RUNNER_HOOK_JOB_STARTED";

/// Says whether the whole of the large tool is there.
const LOOK: &str = "test -e $RUNNER_TOOL_CACHE/go/1.22.0/x64.complete && echo restored || echo not restored";

fn beside(bed: &Bed) -> Launch<'_> {
    slowly(bed).env("TOOL_CACHE_RESTORE", "before-job")
}

/// What the state file says goes on.
fn pending(bed: &Bed) -> Vec<String> {
    let state = fs::read(bed.path("task/runner/state.json")).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
    state["pending"].as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

/// A job of this bed is in its hook.
fn waits(bed: &Bed) -> bool {
    let state = bed.path("task/runner").display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    lines.any(|line| line.contains("\0hook\0job-started\0") && line.contains(&state))
}

fn script(bed: &Bed, name: &str, text: &str) -> PathBuf {
    let file = bed.path(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// A life that listens and holds its restore, and whose job waits.
fn waiting(bed: &Bed, launch: Launch<'_>) -> (Subject, nix::unistd::Pid) {
    let life = launch.start();
    let restore = hold_restore(&life);
    life.wait_for_line(LISTENING, DEADLINE);
    bed.wait_for("the job to wait in its hook", DEADLINE, || waits(bed));
    (life, restore)
}

#[test]
fn the_runner_listens_meanwhile_and_the_job_begins_with_the_whole_cache() {
    let bed = Bed::new();
    let _remote = large_remote(&bed);
    let install = INSTALL.replace("go/1.22.0", "ruby/3.3.0");
    let begun = bed.path("begun");
    bed.github().queue_job(Job::new("build", &format!("touch {}; {LOOK}; {install}", begun.display())));
    let (mut life, restore) = waiting(&bed, beside(&bed));
    assert_eq!(pending(&bed), ["restoring"]);
    assert!(!begun.exists(), "the job did not wait");
    let task = bed.path("task").display().to_string();
    let mut health = bed.program(Program::Entrypoint).args(&["health", "--ready", "--task-dir", &task]).start();
    assert_eq!(health.wait(DEADLINE), Ending::Code(0));
    kill(restore, Signal::SIGCONT).unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let finished = bed.github().finished();
    assert_eq!(finished[0].result, "Succeeded");
    let log: Vec<&str> = finished[0].log.lines().collect();
    assert!(
        log.len() == 2 && log[0].starts_with("waited ") && log[0].ends_with(" s for the tool cache") && log[1] == "restored",
        "{log:?}"
    );
    assert_eq!(on_the_remote(&bed).len(), 2, "what the job installed was not saved");
}

#[test]
fn a_cache_that_is_there_in_time_is_not_mentioned() {
    let bed = Bed::new();
    let _remote = bed.tool_cache("remote").with(Tool::Node, "20.1.0");
    let life = beside(&bed).start();
    life.wait_for_line(LISTENING, DEADLINE);
    bed.wait_for("the restore", DEADLINE, || life.stdout().contains("restored 1 version ") && pending(&bed).is_empty());
    let mut life = life;
    bed.github().queue_job(Job::new("build", "echo step"));
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].log, "step\n");
}

#[test]
fn the_configured_hook_runs_after_the_wait_and_its_failure_is_the_jobs() {
    for (ending, result) in [("exit 0", "Succeeded"), ("exit 3", "Failed"), ("false | true", "Failed")] {
        let bed = Bed::new();
        let _remote = large_remote(&bed);
        let hook = script(&bed, "their-hook.sh", &format!("{LOOK}; echo hook of $GITHUB_JOB\n{ending}\n"));
        bed.github().queue_job(Job::new("build", "echo step"));
        let (mut life, restore) = waiting(&bed, beside(&bed).env(HOOK, hook.display().to_string()));
        kill(restore, Signal::SIGCONT).unwrap();
        assert_eq!(life.wait(DEADLINE), Ending::Code(0));
        let finished = &bed.github().finished()[0];
        let (waited, said) = finished.log.split_once('\n').unwrap();
        let steps = if result == "Succeeded" { "step\n" } else { "" };
        assert!(waited.starts_with("waited "), "{}", finished.log);
        assert_eq!((finished.result.as_str(), said), (result, format!("restored\nhook of build\n{steps}").as_str()), "{ending}");
    }
}

#[test]
fn a_configured_hook_in_javascript_is_run_by_the_runners_own_node() {
    let bed = Bed::new();
    let _remote = bed.tool_cache("remote").with(Tool::Node, "20.1.0");
    let node = bed.runner_home().path().join("externals/node20/bin/node");
    fs::write(&node, "#!/bin/sh\necho node runs $(basename $1)\n").unwrap();
    fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
    let hook = script(&bed, "hook.js", "");
    bed.github().queue_job(Job::new("build", "echo step"));
    let mut life = beside(&bed).env(HOOK, hook.display().to_string()).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let log = &bed.github().finished()[0].log;
    assert!(log.ends_with("node runs hook.js\nstep\n"), "{log}");
}

/// The runner fails a job whose hook is not there, in its own words; we would only hide why.
#[test]
fn a_hook_that_cannot_be_chained_is_the_runners_and_the_cache_comes_first() {
    let bed = Bed::new();
    let _remote = bed.tool_cache("remote").with(Tool::Node, "20.1.0");
    bed.github().queue_job(Job::new("build", "echo step"));
    let mut life = beside(&bed).env(HOOK, bed.path("none.sh").display().to_string()).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let finished = &bed.github().finished()[0];
    assert_eq!((finished.result.as_str(), finished.log.contains("File doesn't exist")), ("Failed", true));
    let line = |text: &str| life.lines().iter().position(|line| line.text.contains(text)).unwrap_or_else(|| panic!("no line: {text}"));
    assert!(line("the tool cache is restored before the runner starts") < line("restored 1 version "));
    assert!(line("restored 1 version ") < line(LISTENING));
}

/// The runner reads it over what it is given, so our hook would never run.
#[test]
fn a_hook_in_the_runners_own_file_is_left_to_it_and_the_cache_comes_first() {
    let bed = Bed::new();
    let _remote = bed.tool_cache("remote").with(Tool::Node, "20.1.0");
    let hook = script(&bed, "hook.sh", "echo theirs\n");
    fs::write(bed.runner_home().path().join(".env"), format!("LANG=C\n{HOOK}={}\n", hook.display())).unwrap();
    bed.github().queue_job(Job::new("build", "echo step"));
    let mut life = beside(&bed).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].log, "theirs\nstep\n");
    let line = |text: &str| life.lines().iter().position(|line| line.text.contains(text)).unwrap_or_else(|| panic!("no line: {text}"));
    assert!(line("restored 1 version ") < line(LISTENING));
}

#[test]
fn a_restore_that_hangs_is_given_up_and_the_job_goes_on_without_it() {
    let bed = Bed::new();
    let remote = large_remote(&bed);
    let before = picture(remote.path());
    bed.github().queue_job(Job::new("build", &format!("{LOOK}; {}", INSTALL.replace("go/1.22.0", "ruby/3.3.0"))));
    let mut life = beside(&bed).env("TOOL_CACHE_RESTORE_TIMEOUT", "1").start();
    let restore = hold_restore(&life);
    life.wait_for_line(LISTENING, DEADLINE);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let finished = &bed.github().finished()[0];
    assert!(finished.result == "Succeeded" && finished.log.ends_with("not restored\n"), "{}", finished.log);
    assert!(gone(restore));
    assert!(life.stdout().contains("the tool cache was not restored in time"), "{}", life.stdout());
    assert!(picture(remote.path()) == before, "something was saved beside what was not restored");
}

#[test]
fn a_stop_beside_an_idle_runner_ends_the_restore_and_leaves_nobody_registered() {
    let bed = Bed::new();
    let _remote = large_remote(&bed);
    let mut life = beside(&bed).env("STOP_TIMEOUT", "10").start();
    let restore = hold_restore(&life);
    life.wait_for_line(LISTENING, DEADLINE);
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(gone(restore));
    assert!(life.stdout().contains("stopped_idle"), "{}", life.stdout());
    bed.github().assert_nobody_registered();
    assert_eq!(bed.github().requests_of(Route::DeleteRunner).len(), 1);
}

#[test]
fn a_stop_while_the_job_waits_lets_it_run_without_the_cache_and_saves_nothing() {
    let bed = Bed::new();
    let remote = large_remote(&bed);
    let before = picture(remote.path());
    bed.github().queue_job(Job::new("build", &format!("{LOOK}; {}", INSTALL.replace("go/1.22.0", "ruby/3.3.0"))));
    let (mut life, restore) = waiting(&bed, beside(&bed).env("STOP_TIMEOUT", "60"));
    life.wait_for_line("job started", DEADLINE);
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let finished = &bed.github().finished()[0];
    assert!(finished.result == "Succeeded" && finished.log.ends_with("not restored\n"), "{}", finished.log);
    assert!(gone(restore));
    assert!(picture(remote.path()) == before);
    assert!(!life.stdout().contains("left undone"), "{}", life.stdout());
}

/// As when somebody cancels it on the page: SIGINT ends the hook at once, and the restore with the job.
#[test]
fn a_job_that_is_cancelled_while_it_waits_ends_at_once_and_so_does_the_restore() {
    let bed = Bed::new();
    let remote = large_remote(&bed);
    let before = picture(remote.path());
    bed.github().queue_job(Job::new("build", "echo step").cancel_pace(Duration::from_secs(3600), Duration::from_secs(3600)));
    let (mut life, restore) = waiting(&bed, beside(&bed));
    kill(child(&life, "Runner.Listener"), Signal::SIGINT).unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let finished = &bed.github().finished()[0];
    assert!(finished.result == "Canceled" && finished.log.contains("step ended signal 2"), "{}", finished.log);
    assert!(gone(restore));
    assert!(picture(remote.path()) == before);
}

#[test]
fn without_a_restore_there_is_no_hook() {
    for (when, mount) in [("off", true), ("before-job", false)] {
        let bed = Bed::new();
        let launch = if mount { with_cache(&bed) } else { bed.entrypoint() };
        bed.github().queue_job(Job::new("build", &format!("echo hook: ${HOOK}")));
        assert_eq!(launch.env("TOOL_CACHE_RESTORE", when).start().wait(DEADLINE), Ending::Code(0));
        assert_eq!(bed.github().finished()[0].log, "hook:\n");
        assert!(!bed.path("task/runner/job-started.sh").exists());
    }
}

#[test]
fn a_job_of_another_user_waits_in_a_hook_that_it_cannot_change() {
    if !need(&[Need::Root, Need::Boxes]) {
        return;
    }
    let bed = Bed::new();
    bed.give_runner_to(1001, 1001);
    let _remote = large_remote(&bed);
    let boxed = Boxed::host().user("runner", 1001, 1001).host_network();
    let tries = format!("id -u; echo : > ${HOOK} || echo kept; rm -f ${HOOK} || echo kept; {LOOK}");
    bed.github().queue_job(Job::new("build", &tries));
    let mut life = beside(&bed).without("RUN_AS_ROOT").as_pid_1(boxed).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let log = &bed.github().finished()[0].log;
    let ours = log.lines().filter(|line| matches!(*line, "1001" | "kept" | "restored")).collect::<Vec<_>>();
    assert_eq!(ours, ["1001", "kept", "kept", "restored"], "{log}");
}
