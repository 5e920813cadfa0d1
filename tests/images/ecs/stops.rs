//! StopTask, at every moment, by the agent's order.

use std::fs;
use std::time::Duration;

use super::{IMPORT, SOON, UNTIL_TOLD, busy, definition, idle, instance, run, text};
use runner_tests::{
    agent::Definition,
    engine::Form,
    github::{Job, Route, Step},
    need::{Need, need},
};

const WHOLE: [&str; 6] = ["start dind", "start runner", "stop runner", "ended runner", "stop dind", "ended dind"];

#[test]
fn a_stop_while_idle_removes_the_registration_and_both_end_with_0_the_runner_first() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let mut task = idle(&instance, &definition);
    task.stop();
    let codes = task.wait(SOON);
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [("dind".to_owned(), 0), ("runner".to_owned(), 0)]);
    assert_eq!(task.course(), WHOLE);
    assert!(task.log("runner").contains("stopped_idle"), "{}", task.log("runner"));
    assert!(instance.ecs().protections().iter().all(|put| !put.enabled), "an idle runner may be scaled in");
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}

#[test]
fn a_stop_while_busy_lets_the_job_end_with_its_docker() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let script = format!("{IMPORT}{UNTIL_TOLD}; docker run --rm tiny:1 echo docker still serves");
    let (mut task, folder) = busy(&instance, &definition, Job::new("build", &script));
    let protected = |wanted: bool| instance.ecs().protections().last().is_some_and(|put| put.granted && put.enabled == wanted);
    task.wait_for("the task to be protected from scale-in", SOON, |_| protected(true));
    task.stop();
    task.wait_for("the runner to say that it waits", SOON, |task| task.log("runner").contains("a job is running"));
    assert_eq!(task.course(), WHOLE[..3], "the sidecar is not told before the runner has ended");
    fs::write(folder.join("go"), "").unwrap();
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (0, 0));
    assert_eq!(task.course(), WHOLE);
    let finished = &instance.bed().github().finished()[0];
    assert!(finished.result == "Succeeded" && finished.log.ends_with("docker still serves\n"), "{}", finished.log);
    assert!(protected(false));
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}

/// The definition's own file with shorter times: 20 seconds for the runner instead of 85.
fn hasty() -> Definition {
    let whole = text("ec2.json");
    let shorter =
        [("\"stopTimeout\": 85", "\"stopTimeout\": 20"), ("\"STOP_TIMEOUT\", \"value\": \"85\"", "\"STOP_TIMEOUT\", \"value\": \"20\"")];
    let text = shorter.iter().fold(whole, |text, (long, short)| {
        assert!(text.contains(long), "the times of ec2.json are not where they were: {long}");
        text.replace(long, short)
    });
    Definition::parse(&text).unwrap()
}

#[test]
fn a_stop_past_the_budget_cuts_the_job_and_still_removes_the_runner_within_its_time() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = hasty();
    let instance = instance(&definition, Form::default());
    // A step that heeds a cancel: of one that does not, GitHub says "busy" until the time is over, and takes the registration back itself.
    let pace = Duration::from_millis(100);
    let script = format!("{IMPORT}docker run -d tiny:1 sleep 1000 >/dev/null; {UNTIL_TOLD}");
    let (mut task, _) = busy(&instance, &definition, Job::new("build", &script).cancel_pace(pace, pace));
    task.stop();
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (143, 0));
    let took = task.at("ended", "runner") - task.at("stop", "runner");
    assert!(took < Duration::from_secs(20), "killed by the agent: {took:?}");
    assert_eq!(task.course(), WHOLE);
    let finished = instance.bed().github().finished();
    assert!(finished.iter().all(|job| job.result == "Canceled"), "{finished:?}");
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}

/// The moment at which a registration is asked for and not yet answered.
#[test]
fn a_stop_while_the_runner_is_registered_leaves_no_registration() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let github = instance.bed().github();
    github.script(Route::GenerateJit, [Step::real().then_gate("registered")]);
    let mut task = run(&instance, &definition);
    task.wait_for("the runner to be made", SOON, |_| !github.registered().is_empty());
    task.stop();
    github.gate("registered").open();
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (0, 0));
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}

#[test]
fn a_stop_before_the_sidecar_is_ready_ends_both() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let mut task = run(&instance, &definition);
    task.wait_for("both to be started", SOON, |task| task.course().len() == 2);
    task.stop();
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (0, 0));
    assert_eq!(task.course(), WHOLE);
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}
