//! ECS task definitions, as RegisterTaskDefinition takes them. What each field allows: the ECS API reference and developer guide, and
//! the agent's source where they differ. Shapes and enumerations are left to botocore and cfn-lint, which know them.

mod fargate;
mod limits;
mod logs;
mod order;
mod volumes;

use crate::{
    contract,
    report::Findings,
    roles, rules,
    task::{Container, Network, Platform, Seccomp, Task},
    tree::{Node, Place},
};

use super::variable;

/// The most containers that are looked at: ECS takes ten, and what follows who waits for whom may recurse.
const MOST: usize = 100;

/// A definition and the parts that everybody asks for.
struct Definition<'a> {
    node: &'a Node,
    containers: &'a [Node],
    fargate: bool,
}

impl<'a> Definition<'a> {
    fn container(&self, name: &str) -> Option<&'a Node> {
        self.containers.iter().find(|container| container.word_of("name") == Some(name))
    }

    /// Whether somebody waits for its end.
    fn is_waited_for(&self, name: &str) -> bool {
        let dependencies = self.containers.iter().flat_map(|container| container.list("dependsOn"));
        dependencies.into_iter().any(|dependency| {
            dependency.word_of("containerName") == Some(name)
                && matches!(dependency.word_of("condition"), Some("COMPLETE" | "SUCCESS"))
                && !self.container(name).is_some_and(Self::is_essential)
        })
    }

    /// Unless it says otherwise (ContainerDefinition).
    fn is_essential(container: &Node) -> bool {
        container.get("essential").is_none_or(Node::is_yes)
    }
}

/// Where a container's name is, or it.
fn name_of(container: &Node) -> (&str, Place) {
    container.get("name").map_or(("(no name)", container.at), |name| (name.word().unwrap_or("(no name)"), name.at))
}

/// A task definition; or, as Terraform and CDK have it, its list of containers alone.
pub(crate) fn judge(node: &Node, findings: &mut Findings) {
    let alone = !node.items().is_empty();
    let containers = if alone { node.items() } else { node.list("containerDefinitions") };
    if containers.len() > MOST {
        let at = node.entry("containerDefinitions").map_or(node.at, |entry| entry.at);
        findings.add(rules::NOT_A_DEPLOYMENT, at, format!("{} containers, which are more than {MOST}", containers.len()), "ECS takes ten");
        return;
    }
    let fargate = node.list("requiresCompatibilities").iter().any(|word| word.word() == Some("FARGATE"));
    let definition = Definition { node, containers, fargate };
    let mut task = task(&definition, alone);
    roles::assign(&mut task, findings);
    contract::judge(&task, findings);
    order::judge(&definition, &task, findings);
    limits::judge(&definition, &task, alone, findings);
    logs::judge(&definition, findings);
    if !alone {
        volumes::judge(&definition, findings);
        fargate::judge(&definition, &task, findings);
    }
}

/// RunTask's overrides: environments alone.
pub(crate) fn judge_overrides(node: &Node, findings: &mut Findings) {
    for container in node.dig(&["overrides", "containerOverrides"]).map_or(&[][..], Node::items) {
        let (name, _) = name_of(container);
        for variable in variables(container) {
            if let Some((value, at)) = &variable.value
                && !value.is_empty()
                && crate::known::is_secret(&variable.name)
            {
                contract::complain_of_secret(Platform::Ecs { fargate: false }, name, &variable.name, *at, findings);
            }
        }
    }
}

fn task(definition: &Definition<'_>, alone: bool) -> Task {
    let node = definition.node;
    let network = match (node.get("networkMode"), definition.fargate || alone) {
        (Some(mode), _) if mode.word() == Some("awsvpc") => Network::One,
        (Some(mode), _) if mode.word() == Some("host") => Network::Host(mode.at),
        (Some(mode), _) => Network::Apart(mode.at, format!("networkMode {}", mode.word().unwrap_or_default()), AWSVPC),
        (None, true) => Network::One,
        (None, false) => Network::Apart(node.at, "networkMode, unset, is bridge".to_owned(), AWSVPC),
    };
    let host = |field: &str| node.get(field).filter(|mode| mode.word() == Some("host")).map(|mode| mode.at);
    let mut containers: Vec<Container> = definition.containers.iter().map(|container| self::container(definition, container)).collect();
    // volumesFrom: the mounts of another container.
    for (index, node) in definition.containers.iter().enumerate() {
        for source in node.list("volumesFrom").iter().filter_map(|from| from.word_of("sourceContainer")) {
            let mounts = containers.iter().find(|other| other.name == source).map_or_else(Vec::new, |other| other.mounts.clone());
            containers[index].mounts.extend(mounts);
        }
    }
    Task {
        platform: Platform::Ecs { fargate: definition.fargate },
        at: node.entry("containerDefinitions").map_or(node.at, |entry| entry.at),
        containers,
        network,
        grace: None,
        host_namespaces: host("pidMode").into_iter().chain(host("ipcMode")).collect(),
    }
}

const AWSVPC: &str = "\"networkMode\": \"awsvpc\"";

fn variables(container: &Node) -> Vec<crate::task::Variable> {
    let plain = container.list("environment").iter().filter_map(|pair| {
        let name = pair.get("name")?;
        Some(variable(name.word()?, name.at, pair.get("value")?))
    });
    let secret = container.list("secrets").iter().filter_map(|pair| {
        let name = pair.get("name")?;
        Some(crate::task::Variable { name: name.word()?.to_owned(), at: name.at, value: None })
    });
    plain.chain(secret).collect()
}

fn container(definition: &Definition<'_>, node: &Node) -> Container {
    let (name, at) = name_of(node);
    let mut container = Container::new(name, at);
    let said = |key: &str| node.get(key).and_then(|value| Some((value.word()?.to_owned(), value.at)));
    let yes = |value: Option<&Node>| value.filter(|value| value.is_yes()).map(|value| value.at);
    container.prepares = definition.is_waited_for(name);
    container.unseen = node.get("environmentFiles").is_some();
    container.image = said("image");
    container.words = ["entryPoint", "command"].iter().flat_map(|key| node.list(key)).filter_map(Node::word).map(str::to_owned).collect();
    container.variables = variables(node);
    container.mounts = node.list("mountPoints").iter().filter_map(|mount| volumes::mount(definition, mount)).collect();
    container.user = said("user");
    container.privileged = yes(node.get("privileged"));
    let capabilities = |key: &str| {
        let list = node.dig(&["linuxParameters", "capabilities", key]).map_or(&[][..], Node::items);
        list.iter().filter_map(|name| Some((name.word()?.to_owned(), name.at))).collect()
    };
    container.added = capabilities("add");
    container.dropped = capabilities("drop");
    container.seccomp = Seccomp::HostsChoice;
    container.stop = node.get("stopTimeout").and_then(|value| Some((value.number()?, value.at)));
    container.after =
        node.list("dependsOn").iter().filter_map(|dependency| dependency.word_of("containerName")).map(str::to_owned).collect();
    container.restart = yes(node.dig(&["restartPolicy", "enabled"])).map(|at| ("restartPolicy".to_owned(), at));
    container.read_only_root = yes(node.get("readonlyRootFilesystem"));
    container.health =
        node.dig(&["healthCheck", "command"]).map(|command| (command.words().into_iter().map(str::to_owned).collect(), command.at));
    container.init = yes(node.dig(&["linuxParameters", "initProcessEnabled"]));
    container
}

/// The second of two that are called the same.
fn duplicates(nodes: &[Node], what: &str, findings: &mut Findings) {
    for (index, node) in nodes.iter().enumerate() {
        let (name, at) = name_of(node);
        if nodes[..index].iter().any(|other| name_of(other).0 == name) {
            findings.add(
                rules::DUPLICATE_NAME,
                at,
                format!("a second {what} is called {name}"),
                "names tell them apart: give each its own",
            );
        }
    }
}
