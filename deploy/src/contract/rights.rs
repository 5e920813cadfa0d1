//! What the containers may do, and what they are made of.

use crate::{
    report::Findings,
    rules,
    task::{Container, Network, Platform, Role, Seccomp, Task},
};

/// capabilities(7), without `CAP_`, which no platform writes.
const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Where a host's docker listens.
const HOSTS_SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

pub(super) fn judge(task: &Task, findings: &mut Findings) {
    for container in &task.containers {
        capabilities(task.platform, container, findings);
        user(container, findings);
        image(container, findings);
        if let Some(mount) = container.mounts.iter().find(|mount| HOSTS_SOCKETS.contains(&mount.volume.as_str())) {
            findings.add(
                rules::HOSTS_DOCKER,
                mount.at,
                format!("{} has the docker of the host: every job is root there", container.name),
                "the sidecar's docker is of this task alone",
            );
        }
    }
    for at in &task.host_namespaces {
        findings.add(
            rules::HOST_NAMESPACE,
            *at,
            "jobs would see, and as root end, processes of the host",
            "leave it out: neither program needs the host's processes",
        );
    }
    if let Some(runner) = task.of(Role::Runner) {
        of_runner(runner, findings);
    }
    if let Some(dind) = task.of(Role::Dind) {
        of_dind(task, dind, findings);
    }
    for container in task.containers.iter().filter(|container| container.role != Role::Other) {
        health(task, container, findings);
        if let Some(at) = container.init {
            findings.add(
                rules::INIT,
                at,
                format!("{} gets an init process above ours, which reaps and passes signals on by itself", container.name),
                "leave it out: it changes nothing but one more process",
            );
        }
    }
    if task.of(Role::Dind).is_none()
        && let Network::Host(at) = task.network
    {
        findings.add(
            rules::NETWORK_OF_HOST,
            at,
            "the network is the host's: jobs reach what listens there",
            "give the task a network of its own",
        );
    }
}

/// `SYS_ADMIN`, `CAP_SYS_ADMIN` and `sys_admin` are one.
fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").map_or(name.clone(), str::to_owned)
}

/// Whether a capability was added, or all.
fn has(container: &Container, wanted: &str) -> bool {
    container.added.iter().map(|(name, _)| plain(name)).any(|name| name == wanted || name == "ALL")
}

fn capabilities(platform: Platform, container: &Container, findings: &mut Findings) {
    for (name, at) in container.added.iter().chain(&container.dropped) {
        let plain = plain(name);
        // Docker takes any spelling; ECS and kubelet take one.
        let lenient = matches!(platform, Platform::Compose | Platform::Nomad);
        if CAPABILITIES.contains(&plain.as_str()) && (lenient || plain == *name) {
            continue;
        }
        let hint = match settings::nearest(&plain, CAPABILITIES) {
            Some(meant) => format!("{meant} is meant, probably"),
            None => "capabilities(7) lists them; they are written here without CAP_, as in SYS_ADMIN".to_owned(),
        };
        findings.add(rules::CAPABILITY, *at, format!("there is no capability {name}"), hint);
    }
}

/// `user[:group]`, each a name (useradd(8)) or a number of at most 31 bits, as docker takes them.
fn user(container: &Container, findings: &mut Findings) {
    let Some((user, at)) = &container.user else { return };
    // kubelet's runAsNonRoot has no number.
    if user.contains('$') || user.starts_with("a user") {
        return;
    }
    let is_one = |part: &str| {
        let name = part.strip_suffix('$').unwrap_or(part);
        let mut letters = name.chars();
        let first = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        part.parse::<u32>().is_ok_and(|id| id <= i32::MAX.cast_unsigned() && !part.starts_with('+'))
            || first && name.len() <= 32 && letters.all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter))
    };
    let parts: Vec<&str> = user.split(':').collect();
    if parts.len() > 2 || !parts.iter().all(|part| is_one(part)) {
        findings.add(rules::USER, *at, format!("{user} is no user"), "a name or number, and after a colon a group, as in 1001:1001");
    }
}

fn image(container: &Container, findings: &mut Findings) {
    let Some((image, at)) = container.image.as_ref().filter(|_| !container.built) else { return };
    if image.is_empty() || image.contains('$') || image.contains("{{") || image.contains('@') {
        return;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    let tag = last.split_once(':').map(|(_, tag)| tag);
    if tag.is_none_or(|tag| tag == "latest") {
        findings.add(
            rules::IMAGE_LATEST,
            *at,
            format!("{} runs whatever is newest: {image}", container.name),
            "a version or a digest: tasks that start a minute apart would run different programs",
        );
    }
}

fn of_runner(runner: &Container, findings: &mut Findings) {
    if let Some(at) = runner.privileged {
        findings.add(
            rules::RUNNER_PRIVILEGED,
            at,
            format!("{} is privileged: every job owns the host", runner.name),
            "only the sidecar needs it",
        );
    }
    if let Some(at) = runner.read_only_root {
        findings.add(
            rules::RUNNER_READ_ONLY,
            at,
            format!("{} cannot write to its own file system, where the runner keeps its registration, logs and updates", runner.name),
            "leave it out for the runner",
        );
    }
    let drops_all = runner.dropped.iter().find(|(name, _)| name.eq_ignore_ascii_case("ALL"));
    if let Some((_, at)) = drops_all
        && runner.is_root()
        && runner.setting("RUN_AS_ROOT").text() != Some("yes")
    {
        let lacking: Vec<&str> = ["KILL", "SETGID", "SETUID"].into_iter().filter(|wanted| !has(runner, wanted)).collect();
        if !lacking.is_empty() {
            findings.add(
                rules::RUNNER_CAPABILITIES,
                *at,
                format!(
                    "{} starts as root without {}: it could not become the runner's user, or not end what a job left",
                    runner.name,
                    lacking.join(", ")
                ),
                "add them, or start it as user 1001",
            );
        }
    }
}

fn of_dind(task: &Task, dind: &Container, findings: &mut Findings) {
    if let (false, Some((user, at))) = (dind.is_root(), &dind.user)
        && !user.contains('$')
    {
        findings.add(rules::DIND_NOT_ROOT, *at, format!("{} runs as {user}, and dockerd must be root", dind.name), "leave the user out");
    }
    // Fargate has a rule of its own.
    if dind.privileged.is_some() || task.platform == (Platform::Ecs { fargate: true }) {
        return;
    }
    let lacking: Vec<&str> = ["NET_ADMIN", "SYS_ADMIN"].into_iter().filter(|wanted| !has(dind, wanted)).collect();
    let first = dind.added.first().map_or(dind.at, |(_, at)| *at);
    if !lacking.is_empty() {
        findings.add(
            rules::DIND_RIGHTS,
            first,
            format!("{} is not privileged and lacks {}: dockerd cannot mount, or make networks", dind.name, lacking.join(" and ")),
            "privileged, or both capabilities and no seccomp profile",
        );
        return;
    }
    match dind.seccomp {
        Seccomp::Unconfined => {}
        Seccomp::Confined => findings.add(
            rules::DIND_SECCOMP,
            first,
            format!("{} has the capabilities, and a seccomp profile that forbids their use", dind.name),
            match task.platform {
                Platform::Kubernetes => "securityContext: {seccompProfile: {type: Unconfined}}",
                Platform::Nomad => "config { security_opt = [\"seccomp=unconfined\", \"apparmor=unconfined\"] }",
                _ => "security_opt: [\"seccomp=unconfined\", \"apparmor=unconfined\"]",
            },
        ),
        Seccomp::HostsChoice => findings.add(
            rules::DIND_SECCOMP_OF_HOST,
            first,
            format!(
                "{} with capabilities alone runs only on hosts whose dockerd has no seccomp profile: ECS has no field for it",
                dind.name
            ),
            "\"seccomp-profile\": \"unconfined\" in the host's daemon.json, or \"privileged\": true",
        ),
    }
}

fn health(task: &Task, container: &Container, findings: &mut Findings) {
    let Some(program) = container.role.program().map(|program| program.name()) else { return };
    let Some((words, at)) = &container.health else {
        // Docker takes the check from the image, and Nomad has none for a container.
        let (field, example) = match task.platform {
            Platform::Ecs { .. } => (
                "healthCheck",
                format!("\"healthCheck\": {{\"command\": [\"CMD\", \"/usr/local/bin/{program}\", \"health\"]}}; ECS ignores the image's"),
            ),
            Platform::Kubernetes if container.role == Role::Dind => {
                ("startupProbe", format!("startupProbe: {{exec: {{command: [/usr/local/bin/{program}, health]}}}}"))
            }
            _ => return,
        };
        findings.add(
            rules::HEALTH_MISSING,
            container.at,
            format!("{} has no {field}: one that hangs looks as well as one that works", container.name),
            example,
        );
        return;
    };
    let words: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
    let named = |word: &str| matches!(word.rsplit('/').next(), Some("runner-dind" | "runner-entrypoint"));
    if let Some(index) = words.iter().position(|word| named(word))
        && (words[index].rsplit('/').next() != Some(program) || words.get(index + 1) != Some(&"health"))
    {
        findings.add(
            rules::HEALTH_COMMAND,
            *at,
            format!(
                "the health check of {} runs `{}`",
                container.name,
                words.iter().skip(index).take(2).copied().collect::<Vec<_>>().join(" ")
            ),
            format!("`/usr/local/bin/{program} health` answers it, silently and within a second"),
        );
    }
}
