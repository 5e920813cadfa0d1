//! What root, as PID 1 of the runner's container, must be able to do when it can do nothing else.

use serde_json::{Value, json};

use super::{IMPORT, SOON, definition, instance, life, overrides, text};
use runner_tests::{
    agent::{Definition, Instance, Task},
    engine::Form,
    need::{Need, need},
};

/// The privileged form with something else in the runner's container.
fn changed(change: impl FnOnce(&mut Value)) -> Definition {
    let mut whole: Value = serde_json::from_str(&text("ec2.json")).unwrap();
    let containers = whole["containerDefinitions"].as_array_mut().unwrap();
    change(containers.iter_mut().find(|container| container["name"] == "runner").unwrap());
    Definition::parse(&whole.to_string()).unwrap_or_else(|faults| panic!("{}", faults.join("\n")))
}

/// What is missing without each one: the runner's exit code when it is told to stop, and words of what is said. Without KILL the idle Listener
/// leaves because its registration is gone; one with a job could not be told anything.
const NEEDED: [(&str, i64, &str); 4] = [
    ("DAC_OVERRIDE", 69, "the runner's externals are not published: cannot make /run/externals"),
    ("KILL", 0, "a signal could not be sent"),
    ("SETGID", 69, "cannot start /home/runner/bin/Runner.Listener: Operation not permitted"),
    ("SETUID", 69, "cannot start /home/runner/bin/Runner.Listener: Operation not permitted"),
];

/// What a life with these capabilities comes to: the runner's exit code, and the worst that was said. It is idle, and told to stop.
fn outcome(instance: &Instance, capabilities: &[&str]) -> (i64, String) {
    let definition = changed(|runner| {
        runner["linuxParameters"] = json!({"capabilities": {"drop": ["ALL"], "add": capabilities}});
        runner["stopTimeout"] = json!(10);
    });
    let overrides = overrides(instance).env("runner", "WAIT_FOR_DOCKER_SECONDS", "6").env("runner", "STOP_TIMEOUT", "9");
    let mut task = instance.run(&definition, &overrides);
    let listens = |task: &Task<'_>| {
        task.course().contains(&"ended runner".to_owned()) || instance.bed().github().registered().iter().any(|runner| runner.online)
    };
    task.wait_for("the runner to listen, or to end", SOON, listens);
    task.stop();
    let codes = task.wait(SOON);
    let log = task.log("runner");
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let faults = records.filter(|record| record["level"] == "warn" || record["level"] == "error");
    let faults: Vec<String> = faults.map(|record| record["message"].as_str().unwrap_or_default().to_owned()).collect();
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0], "{capabilities:?}");
    (codes["runner"], faults.join("\n"))
}

#[test]
fn each_capability_of_the_runners_container_is_needed_and_no_other_is() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let given = &definition.container("runner").unwrap().linux_parameters.capabilities;
    assert_eq!(
        (given.drop.clone(), given.add.iter().map(String::as_str).collect::<Vec<_>>()),
        (vec!["ALL".to_owned()], NEEDED.map(|(one, _, _)| one).to_vec())
    );
    let all: Vec<&str> = NEEDED.iter().map(|(one, _, _)| *one).collect();
    assert_eq!(outcome(&instance, &all), (0, String::new()));
    for (one, code, said) in NEEDED {
        let others: Vec<&str> = all.iter().copied().filter(|other| *other != one).collect();
        let found = outcome(&instance, &others);
        assert!(found.0 == code && found.1.contains(said), "without {one}: {found:?}");
    }
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
