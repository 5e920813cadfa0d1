//! Nomad job files (HCL), with the docker driver.

use crate::{
    contract,
    report::Findings,
    roles, rules,
    task::{Container, Mount, Network, Platform, Reach, Role, Seccomp, Task, trimmed},
    tree::{LABEL, Node, Place},
};

use super::{Uses, seconds, variable};

pub(crate) fn judge(document: &Node, findings: &mut Findings) {
    for job in document.all("job") {
        meta(job, "the job's meta", findings);
        for group in job.all("group") {
            meta(group, "the group's meta", findings);
            self::group(group, findings);
        }
    }
}

/// What stands in meta is in every answer of the API, and in the task's environment.
fn meta(node: &Node, whose: &str, findings: &mut Findings) {
    for entry in node.all("meta").flat_map(Node::entries) {
        let name = entry.key.as_str();
        let value = variable(name, entry.at, &entry.value).value;
        if let Some((_, at)) = value.filter(|(value, _)| !value.is_empty() && crate::known::is_secret(name)) {
            contract::complain_of_secret(Platform::Nomad, whose, name, at, findings);
        }
    }
}

fn group(group: &Node, findings: &mut Findings) {
    let mut uses = Uses::default();
    let nodes: Vec<&Node> = group.all("task").collect();
    let host = |field: &str| {
        nodes.iter().filter_map(|task| task.dig(&["config", field])).find(|mode| mode.word() == Some("host")).map(|mode| mode.at)
    };
    let mut task = Task {
        platform: Platform::Nomad,
        at: group.get(LABEL).map_or(group.at, |label| label.at),
        containers: nodes.iter().map(|node| container(group, node, &mut uses)).collect(),
        network: Network::One,
        grace: None,
        host_namespaces: [host("pid_mode"), host("ipc_mode")].into_iter().flatten().collect(),
    };
    for volume in group.all("volume") {
        if let Some(label) = volume.get(LABEL) {
            uses.declare(label.word().unwrap_or_default(), label.at);
        }
    }
    roles::assign(&mut task, findings);
    task.network = network(group, &nodes, &task);
    let first: Vec<String> =
        nodes.iter().filter(|node| is_sidecar(node)).filter_map(|node| node.word_of(LABEL)).map(str::to_owned).collect();
    let again = restart(group, &nodes, &task);
    if let Some(runner) = task.containers.iter_mut().find(|container| container.role == Role::Runner) {
        runner.after = first;
        runner.restart = again;
    }
    contract::judge(&task, findings);
    for (node, container) in nodes.iter().zip(&task.containers) {
        meta(node, "the task's meta", findings);
        if container.role != Role::Other {
            templates(node, container, findings);
        }
    }
    uses.judge(findings);
}

fn is_sidecar(task: &Node) -> bool {
    task.get("lifecycle").is_some_and(|lifecycle| lifecycle.word_of("hook") == Some("prestart") && lifecycle.says("sidecar"))
}

/// Runtime variables that are paths in the container (Nomad, "Runtime environment settings").
fn in_container(text: &str) -> String {
    [("${NOMAD_ALLOC_DIR}", "/alloc"), ("${NOMAD_TASK_DIR}", "/local"), ("${NOMAD_SECRETS_DIR}", "/secrets")]
        .iter()
        .fold(text.to_owned(), |text, (name, path)| text.replace(name, path))
}

fn container(group: &Node, node: &Node, uses: &mut Uses) -> Container {
    let label = node.get(LABEL);
    let name = label.and_then(Node::word).unwrap_or("(no name)");
    let mut container = Container::new(name, label.map_or(node.at, |label| label.at));
    let config = |key: &str| node.get("config").and_then(|config| config.get(key));
    let said = |node: Option<&Node>| node.and_then(|value| Some((value.word()?.to_owned(), value.at)));
    let yes = |node: Option<&Node>| node.filter(|value| value.is_yes()).map(|value| value.at);
    let list = |key: &str| config(key).map_or(&[][..], Node::items).iter().filter_map(|item| said(Some(item))).collect::<Vec<_>>();
    container.prepares = node.get("lifecycle").is_some_and(|lifecycle| !lifecycle.says("sidecar"));
    container.image = said(config("image"));
    container.words =
        ["entrypoint", "command", "args"].iter().filter_map(|key| config(key)).flat_map(Node::words).map(str::to_owned).collect();
    for entry in node.all("env").flat_map(Node::entries) {
        let mut value = entry.value.clone();
        if let crate::tree::Value::Text(text) = &mut value.value {
            *text = in_container(text);
        }
        container.variables.push(variable(&entry.key, entry.at, &value));
    }
    container.unseen = node.all("template").any(|template| template.says("env"))
        || node.get("dispatch_payload").is_some() && container.variables.is_empty();
    container.mounts = mounts(group, node, name, uses);
    container.user = said(node.get("user"));
    container.privileged = yes(config("privileged"));
    container.added = list("cap_add");
    container.dropped = list("cap_drop");
    let unconfined = list("security_opt").iter().any(|(option, _)| matches!(option.as_str(), "seccomp=unconfined" | "seccomp:unconfined"));
    container.seccomp = if unconfined { Seccomp::Unconfined } else { Seccomp::Confined };
    container.stop = node.get("kill_timeout").and_then(|value| Some((seconds(value.word()?)?, value.at)));
    container.read_only_root = yes(config("readonly_rootfs"));
    container.init = yes(config("init"));
    container
}

fn mounts(group: &Node, node: &Node, task: &str, uses: &mut Uses) -> Vec<Mount> {
    let mut mounts = Vec::new();
    let mut add = |source: &str, path: &str, at: Place, read_only: Option<Place>| {
        // Relative to the task's folder, beside which the group's shared one lies.
        let shared = source.strip_prefix("../alloc").map(|below| format!("alloc{below}"));
        let own = if source.starts_with('/') { source.to_owned() } else { format!("{task}/{source}") };
        let reach = if source.starts_with('/') { Reach::Host } else { Reach::Task };
        mounts.push(Mount { volume: trimmed(&shared.unwrap_or(own)).to_owned(), path: in_container(path), at, read_only, reach });
    };
    for item in node.dig(&["config", "volumes"]).map_or(&[][..], Node::items) {
        let Some(text) = item.word() else { continue };
        let mut parts = text.split(':');
        if let (Some(source), Some(path)) = (parts.next(), parts.next()) {
            let read_only = parts.next().is_some_and(|options| options.split(',').any(|option| option == "ro"));
            add(source, path, item.at, read_only.then_some(item.at));
        }
    }
    add("../alloc", "/alloc", node.at, None);
    add("local", "/local", node.at, None);
    let blocks = node.get("config").into_iter().flat_map(|config| config.all("mount").chain(config.list("mounts")));
    for block in blocks {
        let Some((target, at)) = block.get("target").and_then(|target| Some((target.word()?, target.at))) else { continue };
        let read_only = block.get("readonly").filter(|value| value.is_yes()).map(|value| value.at);
        let source = block.word_of("source").unwrap_or_default();
        match block.word_of("type") {
            Some("volume") => {
                // A volume of docker's outlives the allocation, unless it is named for it.
                let reach = if source.contains("NOMAD_ALLOC_ID") { Reach::Task } else { Reach::Host };
                mounts.push(Mount { volume: source.to_owned(), path: in_container(target), at, read_only, reach });
            }
            Some("tmpfs") => {
                mounts.push(Mount { volume: format!("{task} {target}"), path: in_container(target), at, read_only, reach: Reach::Task })
            }
            _ => {
                let shared = source.strip_prefix("../alloc").map(|below| format!("alloc{below}"));
                let volume = shared.unwrap_or_else(|| if source.starts_with('/') { source.to_owned() } else { format!("{task}/{source}") });
                let reach = if source.starts_with('/') { Reach::Host } else { Reach::Task };
                mounts.push(Mount { volume, path: in_container(target), at, read_only, reach });
            }
        }
    }
    for block in node.all("volume_mount") {
        let (Some(volume), Some(path)) = (block.get("volume"), block.get("destination")) else { continue };
        let (name, Some(destination)) = (volume.word().unwrap_or_default(), path.word()) else { continue };
        uses.mount(name, volume.at, task);
        let declared = group.all("volume").find(|declared| declared.word_of(LABEL) == Some(name));
        let reach = if declared.is_some_and(|declared| declared.word_of("type") == Some("csi")) { Reach::Remote } else { Reach::Host };
        let read_only = block.get("read_only").filter(|value| value.is_yes()).map(|value| value.at);
        mounts.push(Mount { volume: name.to_owned(), path: in_container(destination), at: path.at, read_only, reach });
    }
    mounts
}

fn network(group: &Node, nodes: &[&Node], task: &Task) -> Network {
    const HINT: &str = "in the group: network { mode = \"bridge\" }, and no network_mode in the tasks";
    let ours = nodes.iter().zip(&task.containers).filter(|(_, container)| container.role != Role::Other);
    for (node, _) in ours {
        if let Some(mode) = node.dig(&["config", "network_mode"]).filter(|mode| !mode.word().unwrap_or_default().starts_with("container:"))
        {
            return Network::Apart(mode.at, format!("network_mode {} of a task", mode.word().unwrap_or_default()), HINT);
        }
    }
    match group.dig(&["network", "mode"]) {
        Some(mode) if mode.word() == Some("bridge") || mode.word().is_some_and(|mode| mode.starts_with("cni/")) => Network::One,
        Some(mode) if mode.word() == Some("host") && task.pair().is_none() => Network::Host(mode.at),
        Some(mode) => Network::Apart(mode.at, format!("network mode {}", mode.word().unwrap_or_default()), HINT),
        None if task.pair().is_none() => Network::One,
        None => Network::Apart(task.at, "the group has no network, so each task gets its own".to_owned(), HINT),
    }
}

/// The restart block of the runner's task, or of the group; without one Nomad tries again.
fn restart(group: &Node, nodes: &[&Node], task: &Task) -> Option<(String, Place)> {
    let runner = task.of(Role::Runner)?;
    let node = nodes.iter().find(|node| node.word_of(LABEL) == Some(&runner.name));
    let block = node.and_then(|node| node.get("restart")).or(group.get("restart"));
    match block.and_then(|block| block.get("attempts")) {
        Some(attempts) if attempts.word() == Some("0") => None,
        Some(attempts) => Some((format!("restart attempts {}", attempts.word().unwrap_or_default()), attempts.at)),
        None => Some(("restart attempts, unset, are not 0".to_owned(), runner.at)),
    }
}

/// A secret that Vault renews must not end a job.
fn templates(node: &Node, container: &Container, findings: &mut Findings) {
    for entry in node.entries().iter().filter(|entry| entry.key == "template") {
        let mode = entry.value.get("change_mode");
        let signal = entry.value.word_of("change_signal").unwrap_or("SIGHUP");
        let (what, at) = match mode.and_then(|mode| Some((mode.word()?, mode.at))) {
            Some(("signal", at)) if matches!(signal, "SIGINT" | "SIGTERM") => {
                (format!("{signal}, which asks {} to stop", container.name), at)
            }
            Some(("restart", at)) => (format!("a restart of {}", container.name), at),
            None => (format!("a restart of {} (change_mode, unset, is restart)", container.name), entry.at),
            _ => continue,
        };
        findings.add(
            rules::TEMPLATE_ENDS_JOB,
            at,
            format!("a value that changes means {what}"),
            "change_mode = \"noop\": one job needs its secret once",
        );
    }
}
