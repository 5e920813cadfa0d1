//! Compose files (the compose specification).

use crate::{
    contract,
    report::Findings,
    roles,
    task::{Container, Mount, Network, Platform, Reach, Role, Seccomp, Task, Variable},
    tree::{Entry, Node, Value},
};

use super::{Uses, seconds};

pub(crate) fn judge(node: &Node, findings: &mut Findings) {
    let services = node.get("services").map_or(&[][..], Node::entries);
    let mut uses = Uses::default();
    let host = |service: &Entry, field: &str| service.value.get(field).filter(|mode| mode.word() == Some("host")).map(|mode| mode.at);
    let mut task = Task {
        platform: Platform::Compose,
        at: node.entry("services").map_or(node.at, |entry| entry.at),
        containers: services.iter().map(|service| container(service, &mut uses)).collect(),
        network: Network::One,
        grace: None,
        host_namespaces: services.iter().flat_map(|service| [host(service, "pid"), host(service, "ipc")]).flatten().collect(),
    };
    for volume in node.get("volumes").map_or(&[][..], Node::entries) {
        uses.declare(&volume.key, volume.at);
    }
    roles::assign(&mut task, findings);
    task.network = network(services, &task);
    contract::judge(&task, findings);
    uses.judge(findings);
}

/// What compose would put there: defaults of `${NAME:-default}` are in the file, other variables are not.
fn filled_in(text: &str) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if let Some((inner, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            let (_, default) = inner.split_once(":-").or_else(|| inner.split_once('-'))?;
            filled.push_str(default);
            rest = after;
        } else {
            return None;
        }
    }
    Some(filled + rest)
}

fn word(node: Option<&Node>) -> Option<(String, crate::tree::Place)> {
    let node = node?;
    Some((filled_in(node.word()?)?, node.at))
}

fn words(node: Option<&Node>) -> Vec<(String, crate::tree::Place)> {
    node.map_or(&[][..], Node::items).iter().filter_map(|item| word(Some(item))).collect()
}

fn container(service: &Entry, uses: &mut Uses) -> Container {
    let node = &service.value;
    let mut container = Container::new(&service.key, service.at);
    container.image = word(node.get("image"));
    container.built = node.get("build").is_some();
    container.words = ["entrypoint", "command"].iter().filter_map(|key| node.get(key)).flat_map(Node::words).map(str::to_owned).collect();
    container.variables = variables(node);
    container.unseen = node.get("env_file").is_some();
    container.mounts = mounts(&service.key, node, uses);
    container.user = word(node.get("user"));
    container.privileged = node.get("privileged").filter(|value| value.is_yes()).map(|value| value.at);
    container.added = words(node.get("cap_add"));
    container.dropped = words(node.get("cap_drop"));
    let options = words(node.get("security_opt"));
    let unconfined = options.iter().any(|(option, _)| matches!(option.as_str(), "seccomp=unconfined" | "seccomp:unconfined"));
    container.seccomp = if unconfined { Seccomp::Unconfined } else { Seccomp::Confined };
    container.stop = word(node.get("stop_grace_period")).and_then(|(text, at)| Some((seconds(&text)?, at)));
    container.after = after(node);
    container.restart = word(node.get("restart")).filter(|(policy, _)| policy != "no" && policy != "false");
    container.read_only_root = node.get("read_only").filter(|value| value.is_yes()).map(|value| value.at);
    container.health = node.dig(&["healthcheck", "test"]).map(|test| (test.words().into_iter().map(str::to_owned).collect(), test.at));
    container.init = node.get("init").filter(|value| value.is_yes()).map(|value| value.at);
    container
}

/// A map, or a list of `NAME=value`; a name alone takes the value of the shell.
fn variables(node: &Node) -> Vec<Variable> {
    let Some(environment) = node.get("environment") else { return Vec::new() };
    let from_map =
        environment.entries().iter().map(|entry| Variable { name: entry.key.clone(), at: entry.at, value: word(Some(&entry.value)) });
    let from_list = environment.items().iter().filter_map(|item| {
        let (name, value) = item.word()?.split_once('=').map_or((item.word()?, None), |(name, value)| (name, Some(value)));
        let value = value.and_then(filled_in).map(|value| (value, item.at));
        Some(Variable { name: name.to_owned(), at: item.at, value })
    });
    from_map.chain(from_list).collect()
}

fn mounts(service: &str, node: &Node, uses: &mut Uses) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for item in node.list("volumes") {
        let long = matches!(item.value, Value::Map(_));
        let (source, path, read_only, at) = if long {
            let Some((path, at)) = word(item.get("target")) else { continue };
            let source = item.get("source").and_then(Node::word).filter(|_| item.word_of("type") != Some("tmpfs"));
            (source.map(str::to_owned), path, item.get("read_only").filter(|value| value.is_yes()).map(|value| value.at), at)
        } else {
            let Some(text) = item.word() else { continue };
            let text = filled_in(text).unwrap_or_else(|| text.to_owned());
            let parts: Vec<&str> = text.split(':').collect();
            let read_only = parts.get(2).is_some_and(|options| options.split(',').any(|option| option == "ro"));
            let (source, path) = if let [source, path, ..] = parts[..] { (Some(source.to_owned()), path) } else { (None, parts[0]) };
            (source, path.to_owned(), read_only.then_some(item.at), item.at)
        };
        let of_host = source.as_ref().is_some_and(|source| source.starts_with(['.', '/', '~', '$']));
        if let Some(name) = source.as_ref().filter(|_| !of_host && item.word_of("type") != Some("bind")) {
            uses.mount(name, if long { item.get("source").map_or(at, |source| source.at) } else { at }, service);
        }
        let volume = source.unwrap_or_else(|| format!("{service} {path}"));
        mounts.push(Mount { volume, path, at, read_only, reach: if of_host { Reach::Host } else { Reach::Task } });
    }
    mounts
}

/// What starts first: `network_mode` and `ipc` of another service imply it.
fn after(node: &Node) -> Vec<String> {
    let depends = node.get("depends_on");
    let listed = depends.into_iter().flat_map(|depends| {
        let keys = depends.entries().iter().map(|entry| entry.key.as_str());
        keys.chain(depends.items().iter().filter_map(Node::word)).collect::<Vec<_>>()
    });
    let implied = ["network_mode", "ipc", "pid"].iter().filter_map(|key| node.word_of(key)?.strip_prefix("service:"));
    listed.chain(implied).map(str::to_owned).collect()
}

fn network(services: &[Entry], task: &Task) -> Network {
    let mode = |role: Role| {
        let container = task.of(role)?;
        let service = services.iter().find(|service| service.key == container.name)?;
        Some((container, service.value.get("network_mode")))
    };
    let is_host = |node: Option<&Node>| node.filter(|node| node.word() == Some("host")).map(|node| node.at);
    let Some((runner, of_runner)) = mode(Role::Runner) else { return Network::One };
    let Some((dind, of_dind)) = mode(Role::Dind) else { return is_host(of_runner).map_or(Network::One, Network::Host) };
    if let (Some(at), Some(_)) = (is_host(of_runner), is_host(of_dind)) {
        return Network::Host(at);
    }
    let (to_dind, to_runner) = (format!("service:{}", dind.name), format!("service:{}", runner.name));
    let words = (of_runner.and_then(Node::word), of_dind.and_then(Node::word));
    let common = matches!(words, (Some(one), Some(other)) if one == other && one.contains(':'));
    if common || words.0 == Some(&to_dind) || words.1 == Some(&to_runner) {
        return Network::One;
    }
    let how = words.0.map_or_else(|| "network_mode is not set".to_owned(), |mode| format!("network_mode {mode}"));
    Network::Apart(
        of_runner.map_or(runner.at, |mode| mode.at),
        how,
        "network_mode: \"service:…\" in the runner, with the name of the sidecar",
    )
}
