//! Ends that nobody asked for: of the runner, of the sidecar, of memory.

use std::time::Duration;

use super::{IMPORT, SOON, UNTIL_TOLD, busy, definition, idle, instance, life, overrides};
use runner_tests::{
    engine::Form,
    github::Job,
    need::{Need, need},
};

#[test]
fn a_listener_that_is_killed_ends_the_task_and_leaves_no_registration() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let mut task = idle(&instance, &definition);
    task.kill("runner", "Runner.Listener");
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (69, 0), "{}", task.log("runner"));
    assert_eq!(task.course(), ["start dind", "start runner", "ended runner", "stop dind", "ended dind"]);
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}

/// Nobody is left who could remove its registration: GitHub does, a day later (ephemeral runners that stay offline). All else is gone, and
/// the sidecar ends in order although its runner did not.
#[test]
fn a_runner_container_that_is_killed_takes_the_sidecar_with_it_in_order() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let job = Job::new("build", &format!("{IMPORT}docker run -d tiny:1 sleep 1000 >/dev/null; {UNTIL_TOLD}"));
    let (mut task, _) = busy(&instance, &definition, job);
    task.kill_container("runner");
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (137, 0));
    assert_eq!(task.course(), ["start dind", "start runner", "ended runner", "stop dind", "ended dind"]);
    let took = task.at("ended", "dind") - task.at("stop", "dind");
    assert!(took < Duration::from_secs(15), "the dead are not waited for: {took:?}");
    task.remove();
    let registered = instance.bed().github().registered();
    let left = instance.left_behind();
    assert_eq!(left, registered.iter().map(|runner| format!("registered at GitHub: {}", runner.name)).collect::<Vec<_>>());
}

#[test]
fn a_sidecar_that_is_killed_while_the_runner_is_idle_ends_the_task_and_leaves_no_registration() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let mut task = idle(&instance, &definition);
    task.kill_container("dind");
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (0, 137), "{}", task.log("runner"));
    assert_eq!(task.course(), ["start dind", "start runner", "ended dind", "stop runner", "ended runner"]);
    task.remove();
    // What a killed sidecar leaves on the shared volume, the next one of this host removes.
    let left = instance.left_behind();
    assert!(left.iter().all(|line| line.starts_with("below /var/docker-storage: task-")), "{left:?}");
    assert_eq!(life(&instance, &definition, &format!("{IMPORT}docker run --rm tiny:1 echo the next task")), "the next task\n");
}

#[test]
fn a_docker_daemon_that_is_killed_is_started_again_and_the_next_job_goes_well() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let mut task = idle(&instance, &definition);
    task.kill("dind", "dockerd");
    task.wait_for("docker to answer again", SOON, |task| task.log("dind").contains("docker is usable again"));
    assert!(task.log("dind").contains("dockerd ended with SIGKILL"), "{}", task.log("dind"));
    instance.bed().github().queue_job(Job::new("build", &format!("{IMPORT}docker run --rm tiny:1 echo served again")));
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (0, 0));
    assert_eq!(instance.bed().github().finished()[0].log, "served again\n");
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}

/// The kernel takes the largest process of the group: the job's, not the runner. The job fails, the task ends as after any job.
#[test]
fn a_job_that_takes_more_memory_than_its_container_has_is_killed_alone() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form { limits: true, ..Form::default() });
    assert!(instance.engine().has_limits(), "this machine has no memory controller for boxes");
    instance.bed().github().queue_job(Job::new("build", "echo before; tail /dev/zero || { echo ended with $?; exit 1; }"));
    let mut task = instance.run(&definition, &overrides(&instance).memory("runner", 256, 64));
    let codes = task.wait(SOON);
    let finished = &instance.bed().github().finished()[0];
    assert!(finished.result == "Failed" && finished.log.contains("ended with 137"), "{}", finished.log);
    assert_eq!((codes["runner"], codes["dind"]), (0, 0), "{}", task.log("runner"));
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}
