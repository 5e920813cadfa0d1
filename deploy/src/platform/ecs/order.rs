//! dependsOn, essential, and the time that a stop takes. The agent stops a container when those that depend on it have ended, so the
//! times add up along a chain (agent/engine/dependencygraph/graph.go, verifyShutdownOrder).

use std::collections::HashMap;

use crate::{
    report::Findings,
    rules,
    task::{Platform, Role, Task},
    tree::{Node, Place},
};

use super::{Definition, duplicates, name_of};

/// What a Spot interruption leaves, in seconds (EC2 and Fargate Spot).
const NOTICE: f64 = 120.0;

pub(super) fn judge(definition: &Definition<'_>, task: &Task, findings: &mut Findings) {
    duplicates(definition.containers, "container", findings);
    for container in definition.containers {
        for dependency in container.list("dependsOn") {
            self::dependency(definition, task, container, dependency, findings);
        }
    }
    let cyclic = cycle(definition, findings);
    for container in &task.containers {
        let node = definition.container(&container.name);
        if container.role != Role::Other
            && let Some(essential) = node.and_then(|node| node.get("essential")).filter(|essential| !essential.is_yes())
        {
            findings.add(
                rules::NOT_ESSENTIAL,
                essential.at,
                format!("{} is not essential: when it ends, the other would run on alone", container.name),
                "\"essential\": true for both",
            );
        }
        if let (Platform::Ecs { fargate: true }, Some((seconds, at))) = (task.platform, container.stop)
            && !(2.0..=120.0).contains(&seconds)
        {
            findings.add(
                rules::STOP_TIMEOUT_RANGE,
                at,
                format!("stopTimeout of {} is {seconds} s, and Fargate takes 2 to 120", container.name),
                "120 is what a Fargate Spot interruption leaves, too",
            );
        }
    }
    if !cyclic {
        budget(task, findings);
    }
}

fn dependency(definition: &Definition<'_>, task: &Task, container: &Node, dependency: &Node, findings: &mut Findings) {
    let (Some(target), Some(condition)) = (dependency.get("containerName"), dependency.get("condition")) else { return };
    let (own, _) = name_of(container);
    let name = target.word().unwrap_or_default();
    let Some(node) = definition.container(name) else {
        let names: Vec<&str> = definition.containers.iter().map(|other| name_of(other).0).filter(|other| *other != own).collect();
        findings.add(
            rules::DEPENDS_ON_UNKNOWN,
            target.at,
            format!("{own} depends on {name}, which is no container of this task"),
            format!("there are: {}", names.join(", ")),
        );
        return;
    };
    match condition.word() {
        Some("HEALTHY") if node.get("healthCheck").is_none() => findings.add(
            rules::HEALTHY_WITHOUT_CHECK,
            condition.at,
            format!("{own} waits until {name} is healthy, and {name} has no healthCheck: it would wait for ever"),
            "give it a healthCheck (ECS ignores the image's), or wait for START",
        ),
        Some("HEALTHY") if task.pair().is_some_and(|(runner, dind)| runner.name == own && dind.name == name) => findings.add(
            rules::HEALTHY_WAITS,
            condition.at,
            format!("{own} starts only when {name} is healthy, which ECS asks every 5 s at most"),
            "START: runner-entrypoint registers meanwhile and waits for docker itself",
        ),
        Some(word @ ("COMPLETE" | "SUCCESS")) if Definition::is_essential(node) => findings.add(
            rules::COMPLETE_ON_ESSENTIAL,
            condition.at,
            format!("{own} waits for the end ({word}) of {name}, which is essential: its end ends the task"),
            "\"essential\": false for what only prepares, or START",
        ),
        _ => {}
    }
}

/// Says the first circle, at the step that closes it.
fn cycle(definition: &Definition<'_>, findings: &mut Findings) -> bool {
    let edges: HashMap<&str, Vec<(&str, Place)>> = definition
        .containers
        .iter()
        .map(|container| {
            let targets = container.list("dependsOn").iter().filter_map(|dependency| dependency.get("containerName"));
            (name_of(container).0, targets.filter_map(|target| Some((target.word()?, target.at))).collect())
        })
        .collect();
    let mut done = Vec::new();
    for container in definition.containers {
        if let Some((circle, at)) = walk(name_of(container).0, &edges, &mut Vec::new(), &mut done) {
            findings.add(
                rules::DEPENDS_ON_CYCLE,
                at,
                format!("containers wait for each other: {}", circle.join(" -> ")),
                "the runner depends on the sidecar, both on a log router, and none of these on the runner",
            );
            return true;
        }
    }
    false
}

fn walk<'a>(
    name: &'a str,
    edges: &HashMap<&'a str, Vec<(&'a str, Place)>>,
    way: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
) -> Option<(Vec<&'a str>, Place)> {
    if done.contains(&name) {
        return None;
    }
    way.push(name);
    for &(target, at) in edges.get(name).map_or(&[][..], Vec::as_slice) {
        if let Some(start) = way.iter().position(|step| *step == target) {
            let circle = way[start..].iter().copied().chain([target]).collect();
            return Some((circle, at));
        }
        if let Some(found) = walk(target, edges, way, done) {
            return Some(found);
        }
    }
    way.pop();
    done.push(name);
    None
}

/// The longest chain: of a circle that was said before nothing is asked.
fn budget(task: &Task, findings: &mut Findings) {
    type Chain<'a> = (f64, Vec<(&'a str, f64)>);

    fn total<'a>(task: &'a Task, name: &str, known: &mut HashMap<&'a str, Chain<'a>>) -> Chain<'a> {
        if let Some(chain) = known.get(name) {
            return chain.clone();
        }
        let Some(container) = task.containers.iter().find(|container| container.name == name) else { return Chain::default() };
        let own = container.stop.map_or(task.platform.stop().1, |(seconds, _)| seconds);
        let next = container.after.iter().map(|next| total(task, next, known)).max_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap_or_default();
        let chain: Chain<'_> = (own + next.0, [(container.name.as_str(), own)].into_iter().chain(next.1).collect());
        known.insert(&container.name, chain.clone());
        chain
    }

    let mut known = HashMap::new();
    let chains = task.containers.iter().map(|container| (container, total(task, &container.name, &mut known)));
    let Some((container, (sum, chain))) = chains.max_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b)) else { return };
    if sum > NOTICE {
        let parts: Vec<String> = chain.iter().map(|(name, seconds)| format!("{name} {seconds}")).collect();
        findings.add(
            rules::STOP_BUDGET,
            container.stop.map_or(container.at, |(_, at)| at),
            format!("a stop may take {sum} s ({}), one after the other, and a Spot interruption leaves {NOTICE}", parts.join(", then ")),
            "85 for the runner and 30 for the sidecar fit; on machines that are not Spot, and without a limit of their own, more is fine",
        );
    }
}
