//! Which container is the runner's and which is the sidecar.

use crate::{
    known::{self, Program},
    report::Findings,
    rules,
    task::{Container, Role, Task},
};

/// How sure one can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    Name,
    Settings,
    Image,
    Command,
}

/// Gives every container its role, and says what had to be assumed.
pub(crate) fn assign(task: &mut Task, findings: &mut Findings) {
    let told: Vec<Option<(Role, Evidence)>> = task.containers.iter().map(tell).collect();
    for role in [Role::Runner, Role::Dind] {
        let mut candidates: Vec<(Evidence, usize)> = told
            .iter()
            .enumerate()
            .filter_map(|(index, told)| told.filter(|(other, _)| *other == role).map(|(_, evidence)| (evidence, index)))
            .collect();
        // The surest, and of those the first.
        candidates.sort_by_key(|(evidence, index)| (std::cmp::Reverse(*evidence), *index));
        let Some(&(evidence, index)) = candidates.first() else { continue };
        task.containers[index].role = role;
        let container = &task.containers[index];
        let what = if role == Role::Runner { "the runner" } else { "the docker sidecar" };
        if let Some((_, second)) = candidates.iter().find(|(other, second)| *other == evidence && *second != index) {
            findings.add(
                rules::ROLE_UNCLEAR,
                task.containers[*second].at,
                format!("{} and {} both look like {what}; the first is taken for it", container.name, task.containers[*second].name),
                "one task is one runner and at most one docker sidecar: give each pair a file or a task of its own",
            );
        } else if evidence == Evidence::Name {
            findings.add(
                rules::ROLE_UNCLEAR,
                container.at,
                format!("{} is taken for {what} by its name alone", container.name),
                format!("nothing else tells: an image named runner or runner-dind does, or {} as its command", program(role)),
            );
        }
    }
    if task.of(Role::Runner).is_none() {
        findings.add(
            rules::NO_RUNNER,
            task.at,
            "none of the containers is the runner",
            "it is told by its command (runner-entrypoint), its image (runner), or its settings; what needs one was not checked",
        );
    }
}

fn program(role: Role) -> &'static str {
    role.program().map_or("", Program::name)
}

fn tell(container: &Container) -> Option<(Role, Evidence)> {
    if container.prepares {
        return None;
    }
    let says = |program: &str| container.words.iter().any(|word| word.rsplit('/').next() == Some(program));
    if says("runner-dind") {
        return Some((Role::Dind, Evidence::Command));
    }
    if says("runner-entrypoint") {
        return Some((Role::Runner, Evidence::Command));
    }
    if let Some(role) = container.image.as_ref().and_then(|(image, _)| by_image(image)) {
        return Some((role, Evidence::Image));
    }
    if let Some(role) = by_settings(container) {
        return Some((role, Evidence::Settings));
    }
    let role = match container.name.as_str() {
        "runner" => Role::Runner,
        "dind" | "runner-dind" | "docker" => Role::Dind,
        _ => return None,
    };
    Some((role, Evidence::Name))
}

/// By the last part of its name: `ghcr.io/octo-org/runner-dind:0.1.0@sha256:…` is `runner-dind`.
fn by_image(image: &str) -> Option<Role> {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or(image);
    let (name, tag) = last.split_once(':').unwrap_or((last, ""));
    if name.contains("dind") || name == "docker" && tag.contains("dind") {
        return Some(Role::Dind);
    }
    (name == "runner" || name.starts_with("runner-") || name.ends_with("-runner")).then_some(Role::Runner)
}

/// By the variables that only one of the programs knows.
fn by_settings(container: &Container) -> Option<Role> {
    let only = |program: Program| {
        let mine = |name: &str| known::is_known(program, name) && !known::is_known(program.other(), name);
        container.variables.iter().filter(|variable| mine(&variable.name)).count()
    };
    match (only(Program::Entrypoint), only(Program::Dind)) {
        (0, 0) => None,
        (runner, dind) if dind > runner => Some(Role::Dind),
        (runner, dind) if runner > dind => Some(Role::Runner),
        _ => None,
    }
}
