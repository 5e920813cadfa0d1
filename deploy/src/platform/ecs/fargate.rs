//! What Fargate has not, and what only Fargate has (ECS developer guide, "Task definition differences for Fargate").

use crate::{
    report::Findings,
    rules,
    task::{Role, Task},
    tree::{Node, Place, Value},
};

use super::{Definition, name_of};

pub(super) fn judge(definition: &Definition<'_>, task: &Task, findings: &mut Findings) {
    if !definition.fargate {
        let explicit = definition.node.get("requiresCompatibilities").is_some();
        if let (true, Some(entry)) = (explicit, definition.node.entry("ephemeralStorage")) {
            findings.add(
                rules::FARGATE_ONLY,
                entry.at,
                "ephemeralStorage is Fargate's: on EC2 it is refused",
                "a volume, on the disk of the host or an EBS volume of the task",
            );
        }
        return;
    }
    let mut refuse =
        |at: Place, what: String, hint: &str| findings.add(rules::FARGATE_UNSUPPORTED, at, format!("Fargate has no {what}"), hint);
    let node = definition.node;
    match node.get("networkMode") {
        Some(mode) if mode.word() == Some("awsvpc") => {}
        mode => refuse(mode.map_or(node.at, |mode| mode.at), "network mode but awsvpc".to_owned(), super::AWSVPC),
    }
    for (field, wrong) in [("pidMode", "host"), ("ipcMode", "")] {
        if let Some(mode) = node.get(field).filter(|mode| wrong.is_empty() || mode.word() == Some(wrong)) {
            refuse(mode.at, format!("{field} {}", mode.word().unwrap_or_default()), "leave it out");
        }
    }
    for volume in node.list("volumes") {
        if let Some(path) = volume.dig(&["host", "sourcePath"]) {
            refuse(path.at, "host whose folders could be mounted".to_owned(), "leave host out: the volume is the task's own then");
        }
        if let Some(entry) = volume.entry("dockerVolumeConfiguration") {
            refuse(entry.at, "docker volumes".to_owned(), "a volume with its name alone is the task's own");
        }
    }
    for container in definition.containers {
        let (name, _) = name_of(container);
        if let Some(privileged) = container.get("privileged").filter(|value| value.is_yes()) {
            refuse(privileged.at, format!("privileged containers, as {name}"), "the runner alone, without a docker sidecar");
        }
        for added in container.dig(&["linuxParameters", "capabilities", "add"]).map_or(&[][..], Node::items) {
            if added.word() != Some("SYS_PTRACE") {
                refuse(added.at, format!("capability {} to add, but SYS_PTRACE", added.word().unwrap_or_default()), "leave it out");
            }
        }
        for field in ["devices", "tmpfs", "sharedMemorySize", "maxSwap", "swappiness"] {
            if let Some(entry) =
                container.get("linuxParameters").and_then(|parameters| parameters.entry(field)).filter(|entry| !is_empty(&entry.value))
            {
                refuse(entry.at, format!("linuxParameters.{field}"), "leave it out");
            }
        }
        if let Some(entry) = container.entry("dockerSecurityOptions").filter(|entry| !is_empty(&entry.value)) {
            refuse(entry.at, "dockerSecurityOptions".to_owned(), "leave it out");
        }
    }
    if let Some(dind) = task.of(Role::Dind).filter(|dind| dind.privileged.is_none() && dind.added.is_empty()) {
        refuse(dind.at, "rights with which a docker sidecar could start".to_owned(), "the runner alone, from an image without docker");
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.value, Value::List(items) if items.is_empty()) || matches!(node.value, Value::Null)
}
