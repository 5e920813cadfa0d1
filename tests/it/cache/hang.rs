//! A mount that answers nothing any more, for ever: whoever asked it cannot even be killed. The job runs all the same.

use std::{fs, time::Duration};

use runner_tests::{
    bed::Bed,
    fixtures::Tool,
    github::Job,
    need::{Need, need},
    process::Ending,
    slow_mount::{Profile, SlowMount},
};

use super::say;

const DEADLINE: Duration = Duration::from_secs(60);
/// Requests that are still answered: none, some of the listing, some of the restore.
const ANSWERED: [u64; 4] = [0, 3, 12, 60];

#[test]
fn a_mount_that_hangs_for_ever_costs_the_cache_and_not_the_job() {
    if !need(&[Need::Fuse]) {
        return;
    }
    std::thread::scope(|scope| {
        for answered in ANSWERED {
            scope.spawn(move || hanging_after(answered));
        }
    });
}

fn hanging_after(answered: u64) {
    let bed = Bed::new();
    let remote = bed.tool_cache("remote").with(Tool::Node, "20.1.0");
    let mount = SlowMount::over(remote.path()).profile(Profile::INSTANT).hang_after(answered).mount();
    bed.github().queue_job(Job::new("build", "echo the job runs"));
    let life = bed.entrypoint().env("TOOL_CACHE_REMOTE", mount.path().to_string_lossy());
    let mut life = life.env("TOOL_CACHE_RESTORE_TIMEOUT", "1").env("TOOL_CACHE_SAVE_TIMEOUT", "1").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "hanging after {answered} requests: {}", life.stdout());
    assert_eq!(bed.github().finished()[0].result, "Succeeded", "hanging after {answered} requests");
    // Nothing half is where a job would find it.
    let local = bed.path("hostedtoolcache/node/20.1.0");
    assert!(!local.join("x64.complete").exists() || fs::read_dir(local.join("x64")).is_ok(), "hanging after {answered} requests");
    say(&format!("hanging after {answered} requests: the job ran, {:.1} s", life.age().as_secs_f64()));
}
