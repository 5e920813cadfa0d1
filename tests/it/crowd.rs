//! Two hundred tasks at once, as when a fleet scales out in the morning.

use std::{fs, path::Path, time::Duration};

use runner_tests::{
    bed::{ACCOUNT, Bed},
    github::{Job, Route, Rules, SecondaryLimit},
    process::Ending,
};

const TASKS: usize = 200;
const DEADLINE: Duration = Duration::from_secs(180);

/// A runner's home made of the same files as another one.
fn linked(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let place = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(place).unwrap();
        } else {
            fs::hard_link(entry.path(), place).unwrap();
        }
    }
}

#[test]
fn two_hundred_starts_below_githubs_secondary_limit_all_end_registered_and_none_twice() {
    let _turn = super::heavy();
    let limit = SecondaryLimit { mutating_per_second: 40, retry_after: Some(1) };
    let bed = Bed::with_rules(Rules::for_account(ACCOUNT).secondary_limit(limit));
    let home = bed.runner_home().path().to_owned();
    let mut lives: Vec<_> = (0..TASKS)
        .map(|task| {
            let own = bed.directory(&format!("task-{task}"));
            linked(&home, &own.join("home"));
            let path = |name: &str| own.join(name).to_string_lossy().into_owned();
            bed.entrypoint().env("RUNNER_HOME", path("home")).env("TASK_DIR", path("state")).env("REGISTRATION_TIMEOUT", "120").start()
        })
        .collect();
    bed.wait_for("every runner to listen", DEADLINE, || bed.github().registered().iter().filter(|runner| runner.online).count() == TASKS);
    assert_eq!(bed.github().ever_registered().len(), TASKS, "one of them registered twice");
    let refused = bed.github().requests_of(Route::GenerateJit).len() - TASKS;
    assert!(refused > 0, "the limit was never met: this test shows nothing");

    for _ in &lives {
        bed.github().queue_job(Job::new("build", "true"));
    }
    for life in &mut lives {
        assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    }
    bed.github().assert_nobody_registered();
    assert_eq!(bed.github().finished().len(), TASKS);
}
