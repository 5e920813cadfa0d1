//! Limits that a life has of its own: too long idle, too old; and what is said at its end.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::Bed,
    github::{Job, Order, Route, Step},
    process::Ending,
};

use super::{DEADLINE, LISTENING, begun, let_it_end, listening, waiting_job};

/// The last record of a life, as it stands in the termination log.
fn last_record(bed: &Bed) -> serde_json::Value {
    let text = fs::read_to_string(bed.path("termination-log")).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn with_termination_log(bed: &Bed) -> String {
    fs::write(bed.path("termination-log"), "what was there before is longer than what comes now ".repeat(100)).unwrap();
    bed.path("termination-log").to_string_lossy().into_owned()
}

#[test]
fn an_idle_runner_leaves_after_its_time() {
    let bed = Bed::new();
    let log = with_termination_log(&bed);
    let mut life = bed.entrypoint().env("IDLE_TIMEOUT", "1").env("TERMINATION_LOG", log).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    bed.github().assert_nobody_registered();
    assert_eq!(last_record(&bed)["fields"]["reason"], "idle_timeout");
}

#[test]
fn a_job_that_comes_with_the_idle_timeout_has_all_the_time_it_wants() {
    let bed = Bed::new();
    bed.github().script(Route::DeleteRunner, [Step::real().at_gate("removal")]);
    let mut life = listening(bed.entrypoint().env("IDLE_TIMEOUT", "1").env("STOP_TIMEOUT", "2"));
    bed.github().gate("removal").wait_reached(DEADLINE);
    bed.github().queue_job(waiting_job(&bed));
    begun(&bed);
    bed.github().gate("removal").open();
    // Longer than STOP_TIMEOUT would give a job: nobody asked for a stop.
    bed.wait_for("the removal to be answered", DEADLINE, || bed.github().requests_of(Route::DeleteRunner)[0].status == Some(422));
    std::thread::sleep(Duration::from_secs(3));
    let_it_end(&bed);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
}

#[test]
fn a_life_that_is_long_enough_is_stopped_as_by_a_signal() {
    let bed = Bed::new();
    let log = with_termination_log(&bed);
    let mut life = bed.entrypoint().env("MAX_LIFETIME", "1").env("TERMINATION_LOG", log.clone()).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    bed.github().assert_nobody_registered();
    assert_eq!(last_record(&bed)["fields"]["reason"], "max_lifetime");

    let bed = Bed::new();
    let log = with_termination_log(&bed);
    bed.github().queue_job(waiting_job(&bed));
    let mut life = bed.entrypoint().env("MAX_LIFETIME", "2").env("STOP_TIMEOUT", "4").env("TERMINATION_LOG", log).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(143));
    let last = last_record(&bed);
    assert_eq!((&last["fields"]["reason"], &last["fields"]["exit_code"]), (&"job_cut".into(), &143.into()), "{last}");
}

#[test]
fn the_last_record_tells_the_job_its_result_and_how_long_it_took() {
    let bed = Bed::new();
    let log = with_termination_log(&bed);
    bed.github().queue_job(Job::new("build", "exit 1"));
    let mut life = bed.entrypoint().env("TERMINATION_LOG", log).env("LOG_FORMAT", "json").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let last = last_record(&bed);
    let fields = &last["fields"];
    assert_eq!((&fields["exit_code"], &fields["reason"], &fields["result"]), (&0.into(), &"job_done".into(), &"Failed".into()), "{last}");
    assert!(fields["busy_ms"].as_u64().is_some() && fields["total_ms"].as_u64() >= fields["busy_ms"].as_u64(), "{last}");
    assert_eq!(last["labels"]["runner"], bed.github().ever_registered()[0].name, "{last}");
    let ready = life.stdout().lines().any(|line| line.contains(r#""message":"ready""#) && line.contains(r#""ready_ms":"#));
    assert!(ready, "time to ready is not in the log as a number");
}

#[test]
fn what_the_listener_measures_of_itself_is_told_when_it_is_asked_to() {
    let bed = Bed::new();
    let log = with_termination_log(&bed);
    bed.github().queue_job(Job::new("build", "true"));
    let folder = bed.directory("perf").to_string_lossy().into_owned();
    let mut life = bed.entrypoint().env("RUNNER_PERFLOG", folder).env("TERMINATION_LOG", log).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let last = last_record(&bed);
    let perf = last["fields"]["perf"].as_str().unwrap_or_else(|| panic!("{last}"));
    assert!(perf.starts_with("SessionCreated +0 ms, ") && perf.contains("StartingWorkerProcess +"), "{perf}");
}

#[test]
fn a_hostile_job_name_cannot_forge_a_record() {
    let bed = Bed::new();
    let name = "build\n{\"level\":\"error\",\"message\":\"forged\"}\r\u{1b}[2J";
    bed.github().queue_job(Job::new(name, "true"));
    let mut life = bed.entrypoint().env("LOG_FORMAT", "json").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let stdout = life.stdout();
    for line in stdout.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(record["message"] != "forged" && !line.contains(['\u{1b}', '\r']), "{line}");
    }
    assert!(stdout.contains("forged"), "the name was never told: {stdout}");

    let bed = Bed::new();
    bed.github().queue_job(Job::new(name, "true"));
    let mut life = bed.entrypoint().env("LOG_FORMAT", "human").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(!life.stdout().contains('\u{1b}'), "{}", life.stdout());
}

#[test]
fn what_the_platform_did_not_make_for_us_is_not_made() {
    let bed = Bed::new();
    let missing = bed.path("nobody-made-this");
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = bed.entrypoint().env("TERMINATION_LOG", missing.to_string_lossy()).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(!missing.exists());
}

#[test]
fn signals_that_ask_for_no_stop_are_nothing_to_the_job() {
    let bed = Bed::new();
    let mut life = listening(bed.entrypoint().env("STOP_SIGNALS", "TERM"));
    bed.github().queue_job(waiting_job(&bed));
    begun(&bed);
    // Nomad tells of a changed secret so.
    life.signal(Signal::SIGINT);
    life.signal(Signal::SIGHUP);
    let_it_end(&bed);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
    assert!(!life.stdout().contains("stopping"), "{}", life.stdout());
}

#[test]
fn a_retryable_end_after_the_job_starts_nothing_again() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "true").then(Order::Exit(2)));
    let mut life = bed.entrypoint().start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(life.stdout().matches(LISTENING).count(), 1);
}
