//! Whole lives of `runner-entrypoint` against the GitHub stand-in and the stand-in runner.

mod limits;

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{Bed, Launch, Subject},
    boxed::Boxed,
    github::{Job, Order, Route, Rules, Step},
    need::{Need, need},
    process::Ending,
};

const DEADLINE: Duration = Duration::from_secs(40);
const LISTENING: &str = "Listening for Jobs";

fn listening(launch: Launch<'_>) -> Subject {
    let life = launch.start();
    life.wait_for_line(LISTENING, DEADLINE);
    life
}

/// A job that has begun and goes on until `go` exists.
fn waiting_job(bed: &Bed) -> Job {
    let script = format!("touch {}; until [ -e {} ]; do sleep 0.02; done", bed.path("begun").display(), bed.path("go").display());
    Job::new("build", &script).cancel_pace(Duration::from_millis(200), Duration::from_millis(200))
}

fn begun(bed: &Bed) {
    bed.wait_for("the job to begin", DEADLINE, || bed.path("begun").exists());
}

fn let_it_end(bed: &Bed) {
    fs::write(bed.path("go"), "").unwrap();
}

fn requests(bed: &Bed, route: Route) -> usize {
    bed.github().requests_of(route).len()
}

#[test]
fn one_job_is_run_and_nobody_is_left() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "echo hello from the job"));
    let mut life = bed.entrypoint().start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let finished = bed.github().finished();
    assert_eq!((finished.len(), finished[0].result.as_str()), (1, "Succeeded"));
    bed.github().assert_nobody_registered();
    bed.github().assert_no_secret_in_urls();
    assert_eq!((requests(&bed, Route::GenerateJit), requests(&bed, Route::DeleteRunner)), (1, 0));
}

#[test]
fn a_failed_job_is_no_failed_runner() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "exit 1"));
    assert_eq!(bed.entrypoint().start().wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].result, "Failed");
}

#[test]
fn an_organisation_an_enterprise_and_a_server_of_ones_own_are_registered_the_same_way() {
    for (scope, variable) in [("org", "ORG_NAME"), ("enterprise", "ENTERPRISE_NAME")] {
        let bed = Bed::with_rules(Rules::for_account("acme").enterprise_server().with_group("builders"));
        bed.github().queue_job(Job::new("build", "true"));
        let life = bed.entrypoint().without("REPO_URL").env("RUNNER_SCOPE", scope).env(variable, "acme").env("RUNNER_GROUP", "builders");
        assert_eq!(life.start().wait(DEADLINE), Ending::Code(0), "{scope}");
        let asked = bed.github().requests_of(Route::GenerateJit);
        assert_eq!(asked[0].json()["runner_group_id"], 3, "{scope}");
        assert!(asked[0].path.starts_with("/api/v3/"), "{}", asked[0].path);
        assert!(asked[0].header("user-agent").is_some_and(|agent| agent.starts_with("runner-entrypoint")));
    }
}

#[test]
fn a_stop_while_idle_removes_the_registration_before_the_listener_hears_of_it() {
    let bed = Bed::new();
    let mut life = listening(bed.entrypoint());
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    bed.github().assert_nobody_registered();
    let order: Vec<Route> = bed.github().requests().iter().map(|seen| seen.route).collect();
    let removal = order.iter().position(|route| *route == Route::DeleteRunner).expect("a removal");
    let goodbye = order.iter().position(|route| *route == Route::Disconnect).unwrap_or(order.len());
    assert!(removal < goodbye, "{order:?}");
}

#[test]
fn a_job_that_was_just_assigned_is_not_lost_to_a_stop() {
    let bed = Bed::new();
    let mut life = listening(bed.entrypoint());
    bed.github().script(Route::DeleteRunner, [Step::real().at_gate("removal")]);
    life.signal(Signal::SIGTERM);
    bed.github().gate("removal").wait_reached(DEADLINE);
    // The removal is on its way, and GitHub gives the runner a job.
    bed.github().queue_job(waiting_job(&bed));
    begun(&bed);
    bed.github().gate("removal").open();
    life.wait_for_line("a job is running", DEADLINE);
    let_it_end(&bed);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
    bed.github().assert_nobody_registered();
}

#[test]
fn a_running_job_may_end_within_the_time_of_the_platform() {
    let bed = Bed::new();
    let mut life = listening(bed.entrypoint().env("STOP_TIMEOUT", "120"));
    bed.github().queue_job(waiting_job(&bed));
    begun(&bed);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("a job is running; it may take 71 s more", DEADLINE);
    let_it_end(&bed);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
}

#[test]
fn a_job_that_outlasts_the_time_is_cancelled_and_the_exit_code_says_so() {
    let bed = Bed::new();
    let mut life = listening(bed.entrypoint().env("STOP_TIMEOUT", "6"));
    bed.github().queue_job(waiting_job(&bed));
    begun(&bed);
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(143));
    assert_eq!(bed.github().finished()[0].result, "Canceled");
    bed.github().assert_nobody_registered();
}

#[test]
fn a_second_signal_does_not_wait_for_the_job() {
    let bed = Bed::new();
    let mut life = listening(bed.entrypoint().env("STOP_TIMEOUT", "600"));
    bed.github().queue_job(waiting_job(&bed));
    begun(&bed);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("a job is running", DEADLINE);
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(143));
}

#[test]
fn an_answer_that_was_lost_leaves_no_runner_behind() {
    for lost in [Step::lost_after_commit(), Step::status_after_commit(502, "Bad Gateway"), Step::cut_body(40)] {
        let bed = Bed::new();
        bed.github().script(Route::GenerateJit, [lost]);
        bed.github().queue_job(Job::new("build", "true"));
        assert_eq!(bed.entrypoint().start().wait(DEADLINE), Ending::Code(0));
        assert_eq!(bed.github().ever_registered().len(), 2);
        bed.github().assert_nobody_registered();
    }
}

#[test]
fn a_stop_while_github_has_not_answered_leaves_no_runner_behind() {
    let bed = Bed::new();
    bed.github().script(Route::GenerateJit, [Step::real().then_gate("answer")]);
    let mut life = bed.entrypoint().start();
    bed.github().gate("answer").wait_reached(DEADLINE);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("stopping", DEADLINE);
    bed.github().gate("answer").open();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().ever_registered().len(), 1);
    bed.github().assert_nobody_registered();
    assert!(!life.stdout().contains(LISTENING));
}

#[test]
fn a_limit_is_waited_for_and_a_refusal_is_final() {
    let bed = Bed::new();
    let limit = Step::status(403, "You have exceeded a secondary rate limit").header("retry-after", "1");
    bed.github().script(Route::GenerateJit, [limit]);
    bed.github().queue_job(Job::new("build", "true"));
    assert_eq!(bed.entrypoint().start().wait(DEADLINE), Ending::Code(0));
    for (status, code) in [(401, 77), (403, 77), (404, 77), (422, 78)] {
        let bed = Bed::new();
        bed.github().script(Route::GenerateJit, [Step::status(status, "No")]);
        assert_eq!(bed.entrypoint().start().wait(DEADLINE), Ending::Code(code), "{status}");
        assert_eq!(requests(&bed, Route::GenerateJit), 1, "{status}");
    }
}

#[test]
fn how_the_listener_ends_is_how_the_container_ends() {
    for (order, code) in [(Order::Exit(1), 69), (Order::Conflict, 75), (Order::Exit(7), 7), (Order::Die, 69)] {
        let bed = Bed::new();
        bed.github().order_next_runner(order);
        assert_eq!(bed.entrypoint().start().wait(DEADLINE), Ending::Code(code), "{order:?}");
        bed.github().assert_nobody_registered();
    }
}

#[test]
fn a_retryable_end_starts_the_listener_again() {
    let bed = Bed::new();
    bed.github().order_next_runner(Order::Exit(2));
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = bed.entrypoint().start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(life.stdout().contains("starting it again (1 of 5)"));
    assert_eq!(bed.github().finished().len(), 1);
}

#[test]
fn a_registration_withdrawn_while_idle_is_a_good_end() {
    let bed = Bed::new();
    let mut life = listening(bed.entrypoint());
    bed.github().forget(bed.github().registered()[0].id);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(life.stdout().contains("its registration was withdrawn"));
}

#[test]
fn run_sh_works_as_well_and_does_not_hide_the_outcome() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "true"));
    assert_eq!(bed.entrypoint().env("RUNNER_COMMAND", "run.sh").start().wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished().len(), 1);

    let bed = Bed::new();
    bed.github().order_next_runner(Order::Exit(1));
    assert_eq!(bed.entrypoint().env("RUNNER_COMMAND", "run.sh").start().wait(DEADLINE), Ending::Code(69));

    let bed = Bed::new();
    let mut life = listening(bed.entrypoint().env("RUNNER_COMMAND", "run.sh"));
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    bed.github().assert_nobody_registered();
}

#[test]
fn without_docker_the_task_gives_up_and_takes_its_registration_back() {
    let bed = Bed::new();
    let socket = format!("unix://{}", bed.path("task/docker.sock").display());
    let mut life = bed.entrypoint().env("DOCKER_HOST", socket).env("WAIT_FOR_DOCKER_SECONDS", "1").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(69));
    assert!(life.stdout().contains("docker is not ready after 1 s"), "{}", life.stdout());
    bed.github().assert_nobody_registered();
}

#[test]
fn health_is_silent_and_tells_alive_from_ready() {
    let bed = Bed::new();
    let ask = |words: &[&str]| {
        let mut health = bed.entrypoint().arg("health").args(words).start();
        let ending = health.wait(DEADLINE);
        assert_eq!(health.stdout() + &health.stderr(), "");
        ending
    };
    assert_eq!(ask(&[]), Ending::Code(1));
    bed.github().script(Route::GenerateJit, [Step::real().then_gate("answer")]);
    let mut life = bed.entrypoint().start();
    bed.github().gate("answer").wait_reached(DEADLINE);
    assert_eq!((ask(&[]), ask(&["--ready"])), (Ending::Code(0), Ending::Code(1)));
    bed.github().gate("answer").open();
    life.wait_for_line(LISTENING, DEADLINE);
    bed.wait_for("ready to be published", DEADLINE, || ask(&["--ready"]) == Ending::Code(0));
    life.signal(Signal::SIGKILL);
    life.wait(DEADLINE);
    assert_eq!((ask(&[]), ask(&["--ready"])), (Ending::Code(1), Ending::Code(1)));
}

/// A box in which the runner is a user of its own, as in a good image.
fn boxed(bed: &Bed) -> Boxed {
    let _ = bed.runner_home().owned_by(1001, 1001);
    for name in ["hostedtoolcache", "task"] {
        nix::unistd::chown(&bed.directory(name), Some(1001.into()), Some(1001.into())).unwrap();
    }
    Boxed::host().user("runner", 1001, 1001).host_network()
}

#[test]
fn what_the_job_leaves_behind_is_dead_before_the_end() {
    if !need(&[Need::Root, Need::Boxes]) {
        return;
    }
    let bed = Bed::new();
    let boxed = boxed(&bed);
    let left = bed.path("task/left");
    let script = format!(
        "env -u RUNNER_TRACKING_ID setsid sh -c 'trap \"echo ended > {0}; exit\" TERM; touch {0}; while :; do sleep 0.1; done' >/dev/null 2>&1 & until [ -e {0} ]; do sleep 0.02; done",
        left.display()
    );
    bed.github().queue_job(Job::new("leaves a daemon", &script));
    let mut life = bed.entrypoint().without("RUN_AS_ROOT").as_pid_1(boxed).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(fs::read_to_string(left).unwrap(), "ended\n");
}
