//! Volumes and their mounts.

use crate::{
    report::Findings,
    rules,
    task::{Mount, Reach},
    tree::Node,
};

use super::{super::Uses, Definition, duplicates, name_of};

fn declared<'a>(definition: &Definition<'a>, name: &str) -> Option<&'a Node> {
    definition.node.list("volumes").iter().find(|volume| volume.word_of("name") == Some(name))
}

/// A mount as the pair sees it: a folder of the host by its path, which is what makes two volumes one.
pub(super) fn mount(definition: &Definition<'_>, node: &Node) -> Option<Mount> {
    let (name, path) = (node.word_of("sourceVolume")?, node.get("containerPath")?);
    let volume = declared(definition, name);
    let source = volume.and_then(|volume| volume.dig(&["host", "sourcePath"])).and_then(Node::word);
    let shared = volume.and_then(|volume| volume.dig(&["dockerVolumeConfiguration", "scope"])).and_then(Node::word) == Some("shared");
    let remote = |volume: &Node| volume.entries().iter().any(|entry| ["efs", "fsx", "s3"].iter().any(|kind| entry.key.starts_with(kind)));
    let reach = match volume {
        Some(volume) if remote(volume) => Reach::Remote,
        _ if source.is_some() || shared => Reach::Host,
        _ => Reach::Task,
    };
    Some(Mount {
        volume: source.unwrap_or(name).to_owned(),
        path: path.word()?.to_owned(),
        at: path.at,
        read_only: node.get("readOnly").filter(|value| value.is_yes()).map(|value| value.at),
        reach,
    })
}

pub(super) fn judge(definition: &Definition<'_>, findings: &mut Findings) {
    let volumes = definition.node.list("volumes");
    duplicates(volumes, "volume", findings);
    let mut uses = Uses::default();
    for container in definition.containers {
        for source in container.list("mountPoints").iter().filter_map(|mount| mount.get("sourceVolume")) {
            uses.mount(source.word().unwrap_or_default(), source.at, name_of(container).0);
        }
    }
    for volume in volumes {
        let (name, at) = name_of(volume);
        uses.declare(name, at);
        if let Some(efs) = volume.get("efsVolumeConfiguration") {
            access_point(efs, findings);
        }
    }
    uses.judge(findings);
}

/// EFSVolumeConfiguration: an access point and IAM both want TLS, and an access point is a root of its own.
fn access_point(efs: &Node, findings: &mut Findings) {
    let Some(authorization) = efs.get("authorizationConfig") else { return };
    let point = authorization.get("accessPointId");
    let iam = authorization.get("iam").filter(|iam| iam.word() == Some("ENABLED"));
    let encrypted = efs.word_of("transitEncryption") == Some("ENABLED");
    if let (Some(wants), false) = (point.or(iam), encrypted) {
        findings.add(
            rules::EFS_WITHOUT_TLS,
            efs.get("transitEncryption").unwrap_or(wants).at,
            "an access point, or IAM, without encryption on the way: ECS refuses it",
            "\"transitEncryption\": \"ENABLED\"",
        );
    }
    if let (Some(_), Some(root)) = (point, efs.get("rootDirectory").filter(|root| root.word() != Some("/"))) {
        findings.add(
            rules::EFS_ROOT_DIRECTORY,
            root.at,
            "an access point with another root directory: ECS refuses it",
            "leave rootDirectory out: the access point has its own",
        );
    }
}
