//! How it ends: in which order, within which time, and that nothing starts again.

use std::time::Duration;

use crate::{
    report::Findings,
    rules,
    task::{Container, Platform, Role, Set, Task},
};

pub(super) fn judge(task: &Task, findings: &mut Findings) {
    let ours: Vec<&Container> = task.containers.iter().filter(|container| container.role != Role::Other).collect();
    for container in &ours {
        timeout(task, container, findings);
        if let Some((policy, at)) = &container.restart {
            findings.add(
                rules::RESTART,
                *at,
                format!(
                    "{} is started again when it ends ({policy}): a task is one job, and the next would find this one's files",
                    container.name
                ),
                match task.platform {
                    Platform::Ecs { .. } => "leave restartPolicy out; a service or RunTask starts the next task",
                    Platform::Compose => "restart: \"no\"",
                    Platform::Kubernetes => "restartPolicy: Never, in a Job, a Pod or a scale set",
                    Platform::Nomad => "restart { attempts = 0, mode = \"fail\" }",
                },
            );
        }
    }
    if let Some((runner, dind)) = task.pair()
        && !runner.after.contains(&dind.name)
    {
        findings.add(
            rules::STOP_ORDER,
            runner.at,
            format!("{} does not start after {}, so both are stopped at once, and docker dies under a running job", runner.name, dind.name),
            match task.platform {
                Platform::Ecs { .. } => {
                    format!("in {}: \"dependsOn\": [{{\"containerName\": \"{}\", \"condition\": \"START\"}}]", runner.name, dind.name)
                }
                Platform::Compose => format!("in {}: network_mode: \"service:{}\", or depends_on: [{}]", runner.name, dind.name, dind.name),
                Platform::Kubernetes => format!("make {} a native sidecar: an init container with restartPolicy: Always", dind.name),
                Platform::Nomad => format!("in {}: lifecycle {{ hook = \"prestart\", sidecar = true }}", dind.name),
            },
        );
    }
    together(task, &ours, findings);
}

fn timeout(task: &Task, container: &Container, findings: &mut Findings) {
    let (field, usual) = task.platform.stop();
    let set = container.setting("STOP_TIMEOUT");
    let wants = match &set {
        Set::Unknown(_) => return,
        Set::ByDefault(_) if container.unseen => return,
        Set::Here(text, at) => match seconds(text) {
            Some(seconds) => seconds,
            None => {
                findings.add(
                    rules::STOP_TIMEOUT_MALFORMED,
                    *at,
                    format!("STOP_TIMEOUT of {} is no time span: {text}", container.name),
                    format!("whole seconds, or with a unit as in `90s` or `2m`: the same as {field}"),
                );
                return;
            }
        },
        Set::ByDefault(text) => text.parse().unwrap_or(30.0),
    };
    // Where one time is for all, the sum counts; and a place in the file is needed that says how long.
    let (gets, said) = match (&task.grace, container.stop) {
        (Some((Some(all), at)), _) => (*all, Some(*at)),
        (Some((None, _)), _) => (usual, None),
        (None, Some((seconds, at))) => (seconds, Some(at)),
        (None, None) => (usual, None),
    };
    let at = set.place().or(said).unwrap_or(container.at);
    if wants > gets {
        let (source, platform) = (
            if set.place().is_some() { format!("STOP_TIMEOUT={wants}") } else { format!("STOP_TIMEOUT, unset, is {wants} s") },
            if said.is_some() { format!("{field} is {gets} s") } else { format!("{field}, unset, is {gets} s") },
        );
        findings.add(
            rules::STOP_TIMEOUT_TOO_LONG,
            at,
            format!("{} plans with more time than it gets: {source}, and {platform}: it would be killed while it settles", container.name),
            format!("{field} and STOP_TIMEOUT say the same; a job can only finish within it"),
        );
    } else if set.place().is_none() && gets > wants {
        findings.add(
            rules::STOP_TIMEOUT_UNSET,
            at,
            format!("{} has {gets} s to stop and plans with {wants}: STOP_TIMEOUT is not set", container.name),
            match task.platform {
                Platform::Kubernetes => {
                    "to each its share of the pod's time, as 85 for the runner and 30 for the sidecar of 120".to_owned()
                }
                platform => platform.setting("STOP_TIMEOUT", &gets.to_string()),
            },
        );
    }
}

/// As both programs read a time span.
fn seconds(text: &str) -> Option<f64> {
    let whole = text.parse::<u64>().ok().map(Duration::from_secs);
    whole.or_else(|| humantime::parse_duration(text).ok()).map(|span| span.as_secs_f64())
}

/// Kubernetes: one time for the whole pod, and the sidecar is stopped after the runner.
fn together(task: &Task, ours: &[&Container], findings: &mut Findings) {
    let (Some((all, at)), [_, _, ..]) = (&task.grace, ours) else { return };
    let (field, usual) = task.platform.stop();
    let all = all.unwrap_or(usual);
    let each: Option<Vec<f64>> = ours.iter().map(|container| seconds(container.setting("STOP_TIMEOUT").text()?)).collect();
    let Some(each) = each else { return };
    let sum: f64 = each.iter().sum();
    // One alone that is too long is said of it.
    if sum > all && each.iter().all(|&seconds| seconds <= all) {
        findings.add(
            rules::STOP_BUDGET,
            *at,
            format!("the containers stop one after the other within {field}, {all} s, and plan with {sum} s together"),
            format!("{field}: {sum}, or shorter STOP_TIMEOUTs"),
        );
    }
}
