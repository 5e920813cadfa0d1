//! Every form of the task definition, each with a job and with a stop of an idle runner.

use super::{IMPORT, SOON, definition, idle, instance, life};
use runner_tests::{
    agent::longest_stop,
    engine::Form,
    need::{Need, need},
};

/// What a host's owner must have decided for it.
const FORMS: [(&str, Form); 5] = [
    ("ec2.json", Form { without_seccomp: false, limits: false }),
    ("ec2-capabilities.json", Form { without_seccomp: true, limits: false }),
    ("ec2-ebs.json", Form { without_seccomp: false, limits: false }),
    ("ec2-firelens.json", Form { without_seccomp: false, limits: false }),
    ("fargate.json", Form { without_seccomp: false, limits: false }),
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

/// What Spot and Fargate give before they take the machine away.
#[test]
fn the_stop_of_every_form_fits_into_two_minutes() {
    for (name, _) in FORMS {
        let longest = longest_stop(&definition(name).rules());
        assert!(longest.as_secs() <= 120, "{name}: {longest:?}");
    }
}
