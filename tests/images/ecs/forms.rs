//! Every form of the task definition, each with a job and with a stop of an idle runner.

use super::{IMPORT, SOON, definition, idle, instance, life, run};
use runner_tests::{
    agent::{Task, longest_stop},
    engine::Form,
    github::Job,
    need::{Need, need},
};

const PLAIN: Form = Form { without_seccomp: false, limits: false, compose: false };

/// What a host's owner must have decided for it.
const FORMS: [(&str, Form); 5] = [
    ("ec2.json", PLAIN),
    ("ec2-capabilities.json", Form { without_seccomp: true, ..PLAIN }),
    ("ec2-ebs.json", PLAIN),
    ("ec2-firelens.json", PLAIN),
    ("fargate.json", PLAIN),
];

fn lives(number: usize) {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let (name, form) = FORMS[number];
    let definition = definition(name);
    let instance = instance(&definition, form);
    let (script, wanted) = if definition.is_fargate() {
        ("id -u; ls $RUNNER_TOOL_CACHE".to_owned(), "1001\nbusybox\n")
    } else {
        (format!("{IMPORT}docker run --rm tiny:1 echo from a container"), "from a container\n")
    };
    assert_eq!(life(&instance, &definition, &script), wanted);

    let mut task = idle(&instance, &definition);
    task.stop();
    let codes = task.wait(SOON);
    assert!(codes.iter().all(|(name, code)| *code == 0 || name == "log-router"), "{codes:?}");
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}

#[test]
fn the_privileged_form_serves_a_job_and_stops() {
    lives(0);
}

#[test]
fn the_form_with_capabilities_alone_serves_a_job_and_stops() {
    lives(1);
}

#[test]
fn the_form_with_a_disk_of_its_own_serves_a_job_and_stops() {
    lives(2);
}

#[test]
fn the_form_with_a_log_router_serves_a_job_and_stops() {
    lives(3);
}

#[test]
fn the_form_for_fargate_serves_a_job_and_stops() {
    lives(4);
}

/// The last words of the pair are not lost: the router is told to end when both have ended.
#[test]
fn the_log_router_gets_lines_of_the_pair_and_of_the_jobs_containers_and_ends_last() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2-firelens.json");
    let instance = instance(&definition, PLAIN);
    instance.bed().github().queue_job(Job::new("build", &format!("{IMPORT}docker run --rm --name said tiny:1 echo from a container")));
    let mut task = run(&instance, &definition);
    let codes = task.wait(SOON);
    assert_eq!((codes["runner"], codes["dind"]), (0, 0));
    let wanted = [
        "start log-router",
        "start dind",
        "start runner",
        "ended runner",
        "stop dind",
        "ended dind",
        "stop log-router",
        "ended log-router",
    ];
    assert_eq!(task.course(), wanted);
    let has = |task: &Task<'_>, tag: &str, words: &str| {
        task.routed().iter().any(|line| line.tag.starts_with(tag) && line.record.get("log").is_some_and(|log| log.contains(words)))
    };
    for (tag, words) in [
        ("runner-firelens-", "Listening for Jobs"),
        ("runner-firelens-", "job_done"),
        ("dind-firelens-", "exit_code"),
        ("", "from a container"),
    ] {
        task.wait_for(&format!("{words:?} of {tag}"), SOON, |task| has(task, tag, words));
    }
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
}

/// What Spot and Fargate give before they take the machine away.
#[test]
fn the_stop_of_every_form_fits_into_two_minutes() {
    for (name, _) in FORMS {
        let longest = longest_stop(&definition(name).rules());
        assert!(longest.as_secs() <= 120, "{name}: {longest:?}");
    }
}
