//! Lives on ECS: the task's own names, protection from scale-in, and the notice before a Spot machine goes.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{Bed, Launch},
    ecs::{Ecs, Rules},
    github::Job,
    process::Ending,
};

const DEADLINE: Duration = Duration::from_secs(40);
const LISTENING: &str = "Listening for Jobs";

fn on<'a>(bed: &'a Bed, ecs: &Ecs) -> Launch<'a> {
    bed.entrypoint()
        .env("ECS_CONTAINER_METADATA_URI_V4", ecs.metadata_uri())
        .env("ECS_AGENT_URI", ecs.agent_uri())
        .env("LOG_FORMAT", "json")
}

fn waiting_job(bed: &Bed) -> Job {
    Job::new("build", &format!("touch {0}/begun; until [ -e {0}/go ]; do sleep 0.02; done", bed.path("").display()))
}

fn begun(bed: &Bed) {
    bed.wait_for("the job to begin", DEADLINE, || bed.path("begun").exists());
}

#[test]
fn the_task_is_in_the_runners_name_and_in_every_record() {
    let (bed, ecs) = (Bed::new(), Ecs::start(Rules::service("runners")));
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = on(&bed, &ecs).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    let name = &bed.github().ever_registered()[0].name;
    assert!(name.contains(&ecs.task_id()[..12]) && name.len() <= 64, "{name}");
    let last: serde_json::Value = serde_json::from_str(life.stdout().lines().last().unwrap()).unwrap();
    assert_eq!(last["labels"]["task"], ecs.task_id(), "{last}");
    assert!(last["labels"]["cluster"].is_string(), "{last}");
}

#[test]
fn metadata_that_does_not_answer_costs_a_warning_and_no_runner() {
    let (bed, ecs) = (Bed::new(), Ecs::start(Rules::service("runners")));
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = on(&bed, &ecs).env("ECS_CONTAINER_METADATA_URI_V4", format!("{}-not-there", ecs.metadata_uri())).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    assert!(life.stdout().contains(r#""level":"warn""#), "{}", life.stdout());
}

#[test]
fn a_task_is_protected_while_its_job_runs_and_not_before_or_after() {
    let (bed, ecs) = (Bed::new(), Ecs::start(Rules::service("runners")));
    let mut life = on(&bed, &ecs).start();
    life.wait_for_line(LISTENING, DEADLINE);
    assert!(ecs.protections().is_empty(), "an idle runner must stay what a scale-in can take");
    bed.github().queue_job(waiting_job(&bed));
    begun(&bed);
    ecs.wait_for("the protection", DEADLINE, |ecs| ecs.protected_until().is_some());
    fs::write(bed.path("go"), "").unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    let wishes: Vec<bool> = ecs.protections().iter().map(|put| put.enabled).collect();
    assert_eq!(wishes, [true, false]);
    assert!(ecs.protected_until().is_none());
}

#[test]
fn a_task_of_no_service_or_without_a_role_is_told_so_once_and_runs_its_job() {
    for rules in [Rules::standalone(), Rules::service("runners").without_task_role()] {
        let (bed, ecs) = (Bed::new(), Ecs::start(rules));
        bed.github().queue_job(Job::new("build", "true"));
        let mut life = on(&bed, &ecs).start();
        assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
        assert_eq!(ecs.protections().len(), 1, "asked again, or to end what never was: {:?}", ecs.protections());
    }
}

#[test]
fn a_task_whose_protection_is_not_wanted_asks_for_none() {
    let (bed, ecs) = (Bed::new(), Ecs::start(Rules::service("runners")));
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = on(&bed, &ecs).env("ECS_TASK_PROTECTION", "no").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    assert!(ecs.protections().is_empty());
}

#[test]
fn a_spot_notice_drains_and_a_signal_after_it_is_the_first_one() {
    let (bed, ecs) = (Bed::new(), Ecs::start(Rules::service("runners")));
    let spot = |launch: Launch<'_>| launch.env("SPOT_NOTICE", "yes").env("SPOT_METADATA_URL", ecs.instance_metadata_url()).start();
    let mut life = spot(on(&bed, &ecs));
    life.wait_for_line(LISTENING, DEADLINE);
    bed.github().queue_job(waiting_job(&bed));
    begun(&bed);
    ecs.announce_spot(Duration::from_secs(120));
    life.wait_for_line("Spot notice", DEADLINE);
    life.wait_for_line("a job is running; it may take", DEADLINE);
    // Draining a host, the agent sends its own stop later: the job still has the time that this gives.
    life.signal(Signal::SIGTERM);
    life.wait_for_line("SIGTERM: stopping within 30 s", DEADLINE);
    assert!(!life.stdout().contains("hurrying"), "{}", life.stdout());
    fs::write(bed.path("go"), "").unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
}

#[test]
fn an_idle_runner_on_a_machine_that_goes_is_removed() {
    let (bed, ecs) = (Bed::new(), Ecs::start(Rules::service("runners")));
    ecs.announce_spot(Duration::from_secs(120));
    let launch = on(&bed, &ecs).env("SPOT_NOTICE", "yes").env("SPOT_METADATA_URL", ecs.instance_metadata_url());
    let mut life = launch.start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    bed.github().assert_nobody_registered();
    assert!(life.stdout().contains(r#""reason":"spot_notice""#), "{}", life.stdout());
}

#[test]
fn instance_metadata_that_is_blocked_is_said_once_and_the_job_runs() {
    let (bed, ecs) = (Bed::new(), Ecs::start(Rules::service("runners").without_instance_metadata()));
    let launch = on(&bed, &ecs).env("SPOT_NOTICE", "yes").env("SPOT_METADATA_URL", ecs.instance_metadata_url());
    let mut life = launch.start();
    life.wait_for_line(LISTENING, DEADLINE);
    life.wait_for_line("HttpPutResponseHopLimit", DEADLINE);
    bed.github().queue_job(Job::new("build", "true"));
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
}
