//! Kubernetes: pods, whatever makes them, and values of ARC's runner scale sets.

use crate::{
    contract, known,
    report::Findings,
    roles, rules,
    task::{Container, Mount, Network, Platform, Reach, Role, Seccomp, Task, Variable},
    tree::{Node, Place},
};

use super::{Uses, variable};

/// Where a document has a pod.
pub(crate) enum Pod<'a> {
    /// Of a manifest, which starts it again unless told not to.
    Plain(&'a Node),
    /// Of a scale set's values: the controller sets what is not said.
    OfScaleSet(&'a Node),
}

/// The pods of a document; a `List` has several.
pub(crate) fn pods(document: &Node) -> Vec<Pod<'_>> {
    const PLACES: [&[&str]; 3] = [&["spec", "jobTemplate", "spec", "template", "spec"], &["spec", "template", "spec"], &["spec"]];
    if document.get("kind").is_none() {
        return document.dig(&["template", "spec"]).map(Pod::OfScaleSet).into_iter().collect();
    }
    if document.word_of("kind") == Some("List") {
        return document.list("items").iter().flat_map(pods).collect();
    }
    let spec = PLACES.iter().filter_map(|place| document.dig(place)).find(|spec| spec.get("containers").is_some());
    spec.map(Pod::Plain).into_iter().collect()
}

pub(crate) fn judge(document: &Node, pod: &Pod<'_>, findings: &mut Findings) {
    let (Pod::Plain(spec) | Pod::OfScaleSet(spec)) = *pod;
    let mut uses = Uses::default();
    let plain = spec.list("containers").iter().map(|node| (node, false));
    let nodes: Vec<(&Node, bool)> = spec.list("initContainers").iter().map(|node| (node, true)).chain(plain).collect();
    let yes = |field: &str| spec.get(field).filter(|value| value.is_yes()).map(|value| value.at);
    let grace = spec.get("terminationGracePeriodSeconds");
    let mut task = Task {
        platform: Platform::Kubernetes,
        at: spec.entry("containers").map_or(spec.at, |entry| entry.at),
        containers: nodes.iter().map(|(node, init)| container(spec, node, *init, &mut uses)).collect(),
        network: yes("hostNetwork").map_or(Network::One, Network::Host),
        grace: Some((grace.and_then(Node::number), grace.map_or(spec.at, |grace| grace.at))),
        host_namespaces: [yes("hostPID"), yes("hostIPC")].into_iter().flatten().collect(),
    };
    for volume in spec.list("volumes") {
        if let Some(name) = volume.get("name") {
            uses.declare(name.word().unwrap_or_default(), name.at);
        }
    }
    roles::assign(&mut task, findings);
    let sidecars: Vec<String> = nodes
        .iter()
        .filter(|(node, init)| *init && is_sidecar(node))
        .filter_map(|(node, _)| node.word_of("name"))
        .map(str::to_owned)
        .collect();
    let dind = task.of(Role::Dind).map(|dind| dind.name.clone());
    restart(pod, spec, &mut task);
    if let Some(runner) = task.containers.iter_mut().find(|container| container.role == Role::Runner) {
        // A plain neighbour gets its signal with the runner, and waits for it; what it lacks is said below.
        runner.after = sidecars.iter().cloned().chain(dind).collect();
    }
    contract::judge(&task, findings);
    sidecar(&task, &sidecars, findings);
    token(spec, &task, findings);
    storage(spec, &task, findings);
    if matches!(pod, Pod::OfScaleSet(_))
        && let Some(mode) = document.dig(&["containerMode", "type"]).filter(|mode| mode.word() == Some("dind"))
        && task.of(Role::Dind).is_some()
    {
        findings.add(
            rules::ARC_CONTAINER_MODE,
            mode.at,
            "the chart adds a docker of its own beside the one in the template",
            "leave containerMode out",
        );
    }
    uses.judge(findings);
}

fn is_sidecar(node: &Node) -> bool {
    node.word_of("restartPolicy") == Some("Always")
}

fn container(spec: &Node, node: &Node, init: bool, uses: &mut Uses) -> Container {
    let name = node.get("name");
    let mut container = Container::new(name.and_then(Node::word).unwrap_or("(no name)"), name.map_or(node.at, |name| name.at));
    let said = |node: Option<&Node>| node.and_then(|value| Some((value.word()?.to_owned(), value.at)));
    let context = |key: &str| node.get("securityContext").and_then(|context| context.get(key));
    let of_pod = |key: &str| spec.get("securityContext").and_then(|context| context.get(key));
    container.prepares = init && !is_sidecar(node);
    container.image = said(node.get("image"));
    container.words = ["command", "args"].iter().flat_map(|key| node.list(key)).filter_map(Node::word).map(str::to_owned).collect();
    container.variables = node.list("env").iter().filter_map(environment).collect();
    container.unseen = node.get("envFrom").is_some();
    container.mounts = node.list("volumeMounts").iter().filter_map(|item| mount(spec, item, &container.name, uses)).collect();
    let not_root =
        |value: Option<&Node>| value.filter(|value| value.is_yes()).map(|value| ("a user that is not root".to_owned(), value.at));
    container.user = said(context("runAsUser").or(of_pod("runAsUser"))).or(not_root(context("runAsNonRoot").or(of_pod("runAsNonRoot"))));
    container.privileged = context("privileged").filter(|value| value.is_yes()).map(|value| value.at);
    let capabilities = |key: &str| {
        let list = context("capabilities").map_or(&[][..], |capabilities| capabilities.list(key));
        list.iter().filter_map(|name| said(Some(name))).collect()
    };
    container.added = capabilities("add");
    container.dropped = capabilities("drop");
    // Without a word kubelet sets no profile, unless its seccompDefault says so.
    let profile = context("seccompProfile").or(of_pod("seccompProfile")).and_then(|profile| profile.word_of("type"));
    container.seccomp = if profile.is_none_or(|kind| kind == "Unconfined") { Seccomp::Unconfined } else { Seccomp::Confined };
    container.read_only_root = context("readOnlyRootFilesystem").filter(|value| value.is_yes()).map(|value| value.at);
    let probe = ["startupProbe", "readinessProbe", "livenessProbe"].iter().find_map(|probe| node.dig(&[probe, "exec", "command"]));
    container.health = probe.map(|command| (command.words().into_iter().map(str::to_owned).collect(), command.at));
    container
}

fn environment(item: &Node) -> Option<Variable> {
    let name = item.get("name")?;
    let (word, at) = (name.word()?, name.at);
    if let Some(value) = item.get("value") {
        return Some(variable(word, at, value));
    }
    // A ConfigMap is read by everybody who may read the deployment.
    let map = item.dig(&["valueFrom", "configMapKeyRef"]).filter(|_| known::is_secret(word));
    Some(Variable { name: word.to_owned(), at, value: map.map(|map| ("in a ConfigMap".to_owned(), map.at)) })
}

fn mount(spec: &Node, node: &Node, container: &str, uses: &mut Uses) -> Option<Mount> {
    let (name, path) = (node.get("name")?, node.get("mountPath")?);
    let word = name.word()?;
    uses.mount(word, name.at, container);
    let volume = spec.list("volumes").iter().find(|volume| volume.word_of("name") == Some(word));
    let host = volume.and_then(|volume| volume.dig(&["hostPath", "path"])).and_then(Node::word);
    let remote = volume.is_some_and(|volume| ["persistentVolumeClaim", "nfs"].iter().any(|kind| volume.get(kind).is_some()));
    let root = host.unwrap_or(word).to_owned();
    let volume = node.word_of("subPath").map_or(root.clone(), |below| format!("{root}/{below}"));
    let reach = if host.is_some() {
        Reach::Host
    } else if remote {
        Reach::Remote
    } else {
        Reach::Task
    };
    let read_only = node.get("readOnly").filter(|value| value.is_yes()).map(|value| value.at);
    Some(Mount { volume, path: path.word()?.to_owned(), at: path.at, read_only, reach })
}

/// A pod that says nothing is started again for ever.
fn restart(pod: &Pod<'_>, spec: &Node, task: &mut Task) {
    let policy = spec.get("restartPolicy");
    let again: Option<(String, Place)> = match (policy, pod) {
        (Some(policy), _) if policy.word() == Some("Never") => None,
        (Some(policy), _) => Some((policy.word().unwrap_or_default().to_owned(), policy.at)),
        (None, Pod::OfScaleSet(_)) => None,
        (None, Pod::Plain(_)) => Some(("restartPolicy, unset, is Always".to_owned(), spec.at)),
    };
    if let Some(runner) = task.containers.iter_mut().find(|container| container.role == Role::Runner) {
        runner.restart = again;
    }
}

fn sidecar(task: &Task, sidecars: &[String], findings: &mut Findings) {
    let Some((_, dind)) = task.pair() else { return };
    let leaves = matches!(dind.setting("EXIT_WITH_RUNNER").text(), Some("yes" | "true" | "1" | "on"));
    match (sidecars.contains(&dind.name), leaves) {
        (false, false) => findings.add(
            rules::PLAIN_SIDECAR,
            dind.at,
            format!("nobody stops {} when the runner has ended: the pod would run on", dind.name),
            "an init container with restartPolicy: Always, or EXIT_WITH_RUNNER=yes",
        ),
        (true, true) => findings.add(
            rules::SIDECAR_FLAPS,
            dind.setting("EXIT_WITH_RUNNER").place().unwrap_or(dind.at),
            format!("{} ends with the runner, and kubelet starts it again until the pod is gone", dind.name),
            "leave EXIT_WITH_RUNNER out: kubelet stops a native sidecar after the runner",
        ),
        _ => {}
    }
}

fn token(spec: &Node, task: &Task, findings: &mut Findings) {
    let Some(runner) = task.of(Role::Runner) else { return };
    let hooks = runner.variables.iter().any(|variable| variable.name == "ACTIONS_RUNNER_CONTAINER_HOOKS");
    let said = spec.get("automountServiceAccountToken");
    if !hooks && said.and_then(Node::word) != Some("false") {
        findings.add(
            rules::SERVICE_ACCOUNT_TOKEN,
            said.map_or(spec.at, |said| said.at),
            "jobs can read the pod's token for the Kubernetes API",
            "automountServiceAccountToken: false",
        );
    }
}

/// A folder of the host that must be a mounted disk.
fn storage(spec: &Node, task: &Task, findings: &mut Findings) {
    let Some(dind) = task.of(Role::Dind) else { return };
    let root = dind.setting("DOCKER_STORAGE_ROOT").text().map(str::to_owned).unwrap_or_default();
    let Some((mount, _)) = dind.seen(&root) else { return };
    let path =
        spec.list("volumes").iter().filter_map(|volume| volume.get("hostPath")).find(|path| path.word_of("path") == Some(&mount.volume));
    if let Some(path) = path.filter(|path| path.word_of("type") != Some("Directory")) {
        let at = path.get("type").or(path.get("path")).map_or(path.at, |node| node.at);
        findings.add(
            rules::HOST_PATH_TYPE,
            at,
            "where the disk for docker is not mounted, this makes a folder on the node's own, or says nothing",
            "hostPath: {…, type: Directory}",
        );
    }
}
