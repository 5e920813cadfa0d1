//! Numbers and names that ECS refuses at registration, or that the agent does.

use crate::{
    report::Findings,
    rules,
    task::{Role, Task},
};

use super::{Definition, name_of};

/// HealthCheck: field, least, most.
const HEALTH: [(&str, f64, f64); 4] =
    [("interval", 5.0, 300.0), ("timeout", 2.0, 60.0), ("retries", 1.0, 10.0), ("startPeriod", 0.0, 300.0)];

pub(super) fn judge(definition: &Definition<'_>, task: &Task, alone: bool, findings: &mut Findings) {
    if let Some(family) = definition.node.get("family") {
        let name = family.word().unwrap_or_default();
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if name.is_empty() || name.len() > 255 || !name.chars().all(allowed) {
            findings.add(
                rules::FAMILY,
                family.at,
                format!("{name} is no name for a family"),
                "up to 255 letters (without accents), digits, hyphens and underscores",
            );
        }
    }
    let of_task = definition.node.get("memory").is_some();
    for (node, container) in definition.containers.iter().zip(&task.containers) {
        let (name, at) = name_of(node);
        let check = node.get("healthCheck");
        for (field, least, most) in HEALTH {
            if let Some(value) = check.and_then(|check| check.get(field))
                && value.number().is_some_and(|number| !(least..=most).contains(&number))
            {
                findings.add(
                    rules::HEALTH_RANGE,
                    value.at,
                    format!("{field} of the health check of {name} is {}", value.word().unwrap_or_default()),
                    format!("{least} to {most}"),
                );
            }
        }
        let own = node.get("memory").is_some();
        if alone {
            continue;
        }
        if !own && !of_task && node.get("memoryReservation").is_none() {
            findings.add(
                rules::MEMORY_MISSING,
                at,
                format!("{name} has no memory, and the task has none"),
                "memory for the task, or for each container",
            );
        } else if !own && container.role != Role::Other && task.pair().is_some() {
            findings.add(
                rules::MEMORY_OF_CONTAINER,
                at,
                format!("{name} has no memory of its own: on cgroup v2 it sees no limit, and tools size themselves by the whole machine"),
                "\"memory\" on both, or ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2=true for the agent",
            );
        }
    }
}
