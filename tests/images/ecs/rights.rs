//! What root, as PID 1 of the runner's container, must be able to do when it can do nothing else.

use serde_json::{Value, json};

use super::{IMPORT, SOON, instance, life, overrides, text};
use runner_tests::{
    agent::Definition,
    engine::Form,
    github::Job,
    need::{Need, need},
};

/// The privileged form with something else in the runner's container.
fn changed(change: impl FnOnce(&mut Value)) -> Definition {
    let mut whole: Value = serde_json::from_str(&text("ec2.json")).unwrap();
    let containers = whole["containerDefinitions"].as_array_mut().unwrap();
    change(containers.iter_mut().find(|container| container["name"] == "runner").unwrap());
    Definition::parse(&whole.to_string()).unwrap_or_else(|faults| panic!("{}", faults.join("\n")))
}

/// What a life with these capabilities comes to: exit code, result of the job, and what was said of a fault.
fn outcome(capabilities: &[&str]) -> String {
    let definition = changed(|runner| runner["linuxParameters"] = json!({"capabilities": {"drop": ["ALL"], "add": capabilities}}));
    let instance = instance(&definition, Form::default());
    // Leaves a process of another session, and a tool to be saved.
    let script = format!(
        "{IMPORT}setsid sleep 1000 </dev/null >/dev/null 2>&1 &\n\
         mkdir -p $RUNNER_TOOL_CACHE/made/1.0.0/x64; touch $RUNNER_TOOL_CACHE/made/1.0.0/x64.complete; docker run --rm tiny:1 true"
    );
    instance.bed().github().queue_job(Job::new("build", &script));
    let mut task = instance.run(&definition, &overrides(&instance));
    let codes = task.wait(SOON);
    let log = task.log("runner");
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let faults = records.filter(|record| record["level"] == "warn" || record["level"] == "error");
    let faults: Vec<String> = faults.map(|record| record["message"].as_str().unwrap_or_default().to_owned()).collect();
    let finished = instance.bed().github().finished();
    let job = finished.first().map_or("no job".to_owned(), |job| job.result.clone());
    task.remove();
    let left = instance.left_behind();
    format!("{} {job} {left:?}\n{}", codes["runner"], faults.join("\n"))
}

#[test]
fn each_capability_of_the_runners_container_is_needed_and_no_other_is() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let all = ["DAC_OVERRIDE", "KILL", "SETGID", "SETUID"];
    eprintln!("ALL: {}", outcome(&all));
    for (index, one) in all.iter().enumerate() {
        let mut rest = all.to_vec();
        rest.remove(index);
        eprintln!("WITHOUT {one}: {}", outcome(&rest));
    }
    eprintln!("NONE: {}", outcome(&[]));
}

/// No root at all in the runner's container: the runner's user is the job's user, so the job could read PID 1's memory; nothing else differs.
#[test]
fn the_runners_container_works_without_root_too() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = changed(|runner| {
        runner["user"] = json!("1001");
        runner["linuxParameters"] = json!({"capabilities": {"drop": ["ALL"]}});
    });
    let instance = instance(&definition, Form::default());
    let log = life(&instance, &definition, &format!("{IMPORT}id -u; docker run --rm tiny:1 echo from a container"));
    assert_eq!(log, "1001\nfrom a container\n");
}
