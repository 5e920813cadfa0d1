//! What both programs tell of one task besides their logs, with a real docker.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    github::Job,
    need::{Need, need},
    pair::{IMAGE, Pair},
    process::Ending,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn a_task_is_counted_and_drawn_on_both_sides() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let told = pair.bed().task_dir().join("dind");
    let dind = pair.dind().env("METRICS_FILE", "/run/task/dind/metrics.prom").env("TRACE_FILE", "/run/task/dind/trace.json");
    let mut dind = dind.env("AWS_EMF_NAMESPACE", "Runners").start();
    dind.wait_for_line("\"ready\"", SOON);
    let metrics = || fs::read_to_string(told.join("metrics.prom")).unwrap_or_default();
    pair.bed().wait_for("the sidecar to be counted as ready", SOON, || sample(&metrics(), "gha_dind_ready") == Some(1.0));
    assert!(sample(&metrics(), "gha_dind_time_to_ready_seconds") > Some(0.0), "{}", metrics());

    let script = format!("docker import {IMAGE} tiny:1\ndocker run --detach --name left tiny:1 sleep 600");
    pair.bed().github().queue_job(Job::new("build", &script));
    let mut runner = pair.entrypoint(Some(&dind)).env("AWS_EMF_NAMESPACE", "Runners").start();
    assert_eq!(runner.wait(SOON), Ending::Code(0));
    let set_up = pair.bed().github().finished()[0].set_up.clone();
    assert!(set_up.contains("##[group]Runner: docker\nDocker/") && set_up.contains(" at unix:///run/task/docker.sock\n"), "{set_up}");
    assert!(set_up.contains("\ndocker: "), "the wait for docker is not among the parts of the start: {set_up}");

    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    let text = metrics();
    assert_eq!(sample(&text, "gha_dind_containers_killed"), Some(1.0), "{text}");
    for name in [
        "gha_dind_storage_used_bytes",
        "gha_dind_storage_free_bytes",
        "gha_dind_remove_duration_seconds",
        "gha_dind_probe_duration_seconds",
    ] {
        assert!(sample(&text, name) > Some(0.0), "{name}: {text}");
    }
    let trace: Value = serde_json::from_str(&fs::read_to_string(told.join("trace.json")).unwrap()).unwrap();
    let names: Vec<&str> = trace["traceEvents"].as_array().unwrap().iter().filter_map(|event| event["name"].as_str()).collect();
    for name in ["runner-dind", "serving", "probe", "kill", "unmount", "remove"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    for log in [dind.stdout(), runner.stdout()] {
        let objects: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let counted: Vec<&Value> = objects.iter().filter(|object| object.get("_aws").is_some()).collect();
        assert_eq!(counted.len(), 2, "{log}");
        assert!(counted[0]["TimeToReady"].as_f64() > Some(0.0) && counted[1]["Failures"] == 0.0, "{log}");
    }
}
