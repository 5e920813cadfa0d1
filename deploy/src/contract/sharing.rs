//! What the two must both see: folders at their paths, the socket, the network.

use crate::{
    report::Findings,
    rules::{self, Rule},
    task::{Container, Mount, Network, Platform, Reach, Role, Set, Task, trimmed},
};

/// The socket's name in the task's folder.
const SOCKET: &str = "docker.sock";

pub(super) fn judge(task: &Task, findings: &mut Findings) {
    let Some((runner, dind)) = task.pair() else {
        without_sidecar(task, findings);
        return;
    };
    let sharing = Sharing { platform: task.platform, runner, dind };
    sharing.task_folder(findings);
    sharing.work(findings);
    sharing.externals(task, findings);
    sharing.tools(findings);
    storage(task.platform, runner, dind, findings);
    docker_host(task.platform, runner, dind, findings);
    network(&task.network, findings);
}

struct Sharing<'a> {
    platform: Platform,
    runner: &'a Container,
    dind: &'a Container,
}

/// A folder of the pair: who has it where, and which rules speak of it.
struct Folder<'a> {
    what: &'a str,
    volume: &'a str,
    in_runner: &'a str,
    in_dind: &'a str,
    why: &'a str,
    missing: Rule,
    elsewhere: Rule,
    read_only: Rule,
}

impl Sharing<'_> {
    fn path(container: &Container, setting: &str) -> Option<String> {
        container.setting(setting).text().map(|path| trimmed(path).to_owned())
    }

    fn task_folder(&self, findings: &mut Findings) {
        let (Some(in_runner), Some(in_dind)) = (Self::path(self.runner, "TASK_DIR"), Self::path(self.dind, "TASK_DIR")) else { return };
        let folder = Folder {
            what: "the task's folder",
            volume: "task",
            in_runner: &in_runner,
            in_dind: &in_dind,
            why: "docker.sock is there, and by its locks each knows that the other lives",
            missing: rules::TASK_FOLDER_NOT_SHARED,
            elsewhere: rules::TASK_FOLDER_NOT_SHARED,
            read_only: rules::TASK_FOLDER_READ_ONLY,
        };
        self.compare(&folder, findings);
    }

    fn work(&self, findings: &mut Findings) {
        let Some(home) = Self::path(self.runner, "RUNNER_HOME") else { return };
        let (root, workdir) = (self.runner.setting("RUNNER_WORKDIR_ROOT"), self.runner.setting("RUNNER_WORKDIR"));
        // A root counts only where no folder is named (settings reference).
        let named = if matches!(workdir, Set::ByDefault(_)) && root != Set::ByDefault(String::new()) { root } else { workdir };
        let Some(named) = named.text() else { return };
        let work = if named.starts_with('/') { trimmed(named).to_owned() } else { format!("{home}/{}", trimmed(named)) };
        let folder = Folder {
            what: "the work folder",
            volume: "work",
            in_runner: &work,
            in_dind: &work,
            why: "docker resolves -v $GITHUB_WORKSPACE:… in the sidecar, where another folder or none would be found",
            missing: rules::WORK_NOT_SHARED,
            elsewhere: rules::WORK_PATH,
            read_only: rules::WORK_READ_ONLY,
        };
        self.compare(&folder, findings);
    }

    fn externals(&self, task: &Task, findings: &mut Findings) {
        let Some(home) = Self::path(self.runner, "RUNNER_HOME") else { return };
        let place = format!("{home}/externals");
        let shared = self.runner.setting("EXTERNALS_SHARED_DIR");
        if shared == Set::ByDefault(String::new())
            && let Some(mount) = other_mount(self.runner, &self.dind.seen(&place))
            && trimmed(&mount.path) != place
        {
            findings.add(
                rules::EXTERNALS_NOT_SHARED,
                mount.at,
                format!("{} has a volume for its externals at {}, and is not told to copy them there", self.runner.name, mount.path),
                format!("in {}: {}", self.runner.name, self.platform.setting("EXTERNALS_SHARED_DIR", &mount.path)),
            );
            return;
        }
        let Some(in_runner) = shared.text().map(|path| if path.is_empty() { place.as_str() } else { trimmed(path) }) else { return };
        let folder = Folder {
            what: "the runner's externals",
            volume: "externals",
            in_runner,
            in_dind: &place,
            why: "the node of JavaScript actions in job containers is there",
            missing: rules::EXTERNALS_NOT_SHARED,
            elsewhere: rules::EXTERNALS_NOT_SHARED,
            read_only: rules::EXTERNALS_NOT_SHARED,
        };
        if !self.compare(&folder, findings) || in_runner != place {
            return;
        }
        // Docker fills an empty volume from the image it is mounted over; kubelet and Nomad do not. Others may have filled it before.
        let Some((mount, seen)) = self.runner.seen(&place) else { return };
        let filled = task.containers.iter().any(|other| other.role == Role::Other && shows(other, &seen).is_some());
        if matches!(self.platform, Platform::Kubernetes | Platform::Nomad) && !filled {
            findings.add(
                rules::EXTERNALS_HIDDEN,
                mount.at,
                format!("a volume at {place} hides the externals of the runner's image, and nothing fills it"),
                format!(
                    "mount it in the runner at another place and say so: {}",
                    self.platform.setting("EXTERNALS_SHARED_DIR", "/run/externals")
                ),
            );
        }
    }

    fn tools(&self, findings: &mut Findings) {
        let Some(tools) = Self::path(self.runner, "RUNNER_TOOL_CACHE") else { return };
        let folder = Folder {
            what: "the tool cache",
            volume: "tools",
            in_runner: &tools,
            in_dind: &tools,
            why: "job containers use what setup actions put there",
            missing: rules::TOOLS_NOT_SHARED,
            elsewhere: rules::TOOLS_NOT_SHARED,
            read_only: rules::TOOLS_NOT_SHARED,
        };
        self.compare(&folder, findings);
    }

    /// Whether both have it; what is wrong otherwise is said.
    fn compare(&self, folder: &Folder<'_>, findings: &mut Findings) -> bool {
        let Folder { what, volume, in_runner, in_dind, why, .. } = *folder;
        let (runner, dind) = (self.runner.seen(in_runner), self.dind.seen(in_dind));
        let known = runner.as_ref().or(dind.as_ref()).map_or(volume, |(mount, _)| mount.volume.as_str());
        let name = if known.contains('/') { volume } else { known };
        let mut missing = |container: &Container, path: &str| {
            findings.add(
                folder.missing,
                container.at,
                format!("{} has no volume at {path}, where {what} must be: {why}", container.name),
                format!("the same volume in both containers; in {}: {}", container.name, self.platform.mounting(name, path)),
            );
            false
        };
        match (&runner, &dind) {
            (None, _) if other_mount(self.runner, &dind).is_some() => {
                self.elsewhere(folder, self.runner, in_runner, other_mount(self.runner, &dind), findings)
            }
            (_, None) if other_mount(self.dind, &runner).is_some() => {
                self.elsewhere(folder, self.dind, in_dind, other_mount(self.dind, &runner), findings)
            }
            (None, None) => missing(self.runner, in_runner) | missing(self.dind, in_dind),
            (None, Some(_)) => missing(self.runner, in_runner),
            (Some(_), None) => missing(self.dind, in_dind),
            (Some((one, one_seen)), Some((other, other_seen))) if one_seen != other_seen => {
                let (rule, at) = (folder.missing, other.at);
                findings.add(
                    rule,
                    at,
                    format!(
                        "{what} is not the same in both: {} has {} at {in_runner}, {} has {} at {in_dind}",
                        self.runner.name, one.volume, self.dind.name, other.volume
                    ),
                    format!("one volume for both: {why}"),
                );
                false
            }
            (Some((one, _)), Some((other, _))) => {
                for (container, mount) in [(self.runner, one), (self.dind, other)] {
                    if let Some(at) = mount.read_only {
                        findings.add(
                            folder.read_only,
                            at,
                            format!("{} cannot write to {what} at {}", container.name, mount.path),
                            "mount it without read-only: both programs, and what jobs run in containers, write there",
                        );
                    }
                }
                if one.reach != Reach::Task && self.platform != Platform::Compose {
                    findings.add(
                        rules::VOLUME_OF_MANY_TASKS,
                        one.at,
                        format!("{what} is on {}, which every task of the host has in common", one.volume),
                        "a volume of the task: two jobs would write into each other's files, and the next finds what the last left",
                    );
                }
                true
            }
        }
    }

    fn elsewhere(&self, folder: &Folder<'_>, container: &Container, path: &str, mount: Option<&Mount>, findings: &mut Findings) -> bool {
        if let Some(mount) = mount {
            // A folder of the host is named by its path, which ECS and Kubernetes write in another place.
            let of_host = mount.volume.starts_with('/') && self.platform != Platform::Compose;
            let name = if of_host { folder.volume } else { mount.volume.as_str() };
            findings.add(
                folder.elsewhere,
                mount.at,
                format!("{} has {} at {}, and not at {path}: {}", container.name, folder.what, mount.path, folder.why),
                format!("in {}: {}", container.name, self.platform.mounting(name, path)),
            );
        }
        false
    }
}

/// The mount of the same volume, which is then at another path.
fn other_mount<'a>(container: &'a Container, seen: &Option<(&Mount, String)>) -> Option<&'a Mount> {
    let (_, seen) = seen.as_ref()?;
    shows(container, seen)
}

fn shows<'a>(container: &'a Container, seen: &str) -> Option<&'a Mount> {
    container.mounts.iter().find(|mount| trimmed(&mount.volume) == seen)
}

fn storage(platform: Platform, runner: &Container, dind: &Container, findings: &mut Findings) {
    let Some(root) = dind.setting("DOCKER_STORAGE_ROOT").text().map(str::to_owned) else { return };
    let mode = dind.setting("DOCKER_STORAGE_MODE");
    match dind.seen(&root) {
        None if mode.text().is_some_and(|mode| mode != "loop") => findings.add(
            rules::STORAGE_NOT_MOUNTED,
            dind.at,
            format!("{} has no volume at {root}, and docker cannot lay its images over the container's own file system", dind.name),
            format!(
                "a volume with XFS: {}; or {}",
                platform.mounting("docker-storage", &root),
                platform.setting("DOCKER_STORAGE_MODE", "loop")
            ),
        ),
        Some((mount, seen)) => {
            if let Some(at) = mount.read_only {
                findings.add(
                    rules::STORAGE_READ_ONLY,
                    at,
                    format!("{} cannot write to docker's storage at {root}", dind.name),
                    "mount it without read-only",
                );
            }
            if let Some(mount) = shows(runner, &seen) {
                findings.add(
                    rules::STORAGE_IN_RUNNER,
                    mount.at,
                    format!("{} has docker's storage, with the images and files of every task on it", runner.name),
                    "mount it in the sidecar alone",
                );
            }
        }
        None => {}
    }
}

fn docker_host(platform: Platform, runner: &Container, dind: &Container, findings: &mut Findings) {
    let (Some(in_runner), Some(in_dind)) = (Sharing::path(runner, "TASK_DIR"), Sharing::path(dind, "TASK_DIR")) else { return };
    let right = format!("unix://{in_runner}/{SOCKET}");
    let hint = format!("in {}: {}", runner.name, platform.setting("DOCKER_HOST", &right));
    let (host, at) = match runner.setting("DOCKER_HOST") {
        Set::Unknown(_) => return,
        Set::ByDefault(_) if runner.unseen => return,
        Set::Here(host, at) => (host, at),
        Set::ByDefault(_) => {
            findings.add(
                rules::DOCKER_HOST_MISSING,
                runner.at,
                format!("{} has no DOCKER_HOST: jobs would not find the docker of {}, and nothing waits for it", runner.name, dind.name),
                hint,
            );
            return;
        }
    };
    if let Some(path) = host.strip_prefix("unix://") {
        // Any path to the same file will do.
        let there = dind.seen(&format!("{in_dind}/{SOCKET}")).map(|(_, seen)| seen);
        let here = runner.seen(path).map(|(_, seen)| seen);
        let agrees = match (&here, &there) {
            (Some(here), Some(there)) => here == there,
            // That the folder is not shared is said elsewhere.
            _ => host == right || path == format!("{in_dind}/{SOCKET}"),
        };
        if !agrees {
            findings.add(
                rules::DOCKER_HOST,
                at,
                format!("{} listens at {in_dind}/{SOCKET}, which is not {host} in {}", dind.name, runner.name),
                hint,
            );
        }
    } else if let (Some(address), Set::ByDefault(_) | Set::Here(..)) = (host.strip_prefix("tcp://"), dind.setting("DOCKER_TCP")) {
        let port = |address: &str| address.rsplit(':').next().map(|port| trimmed(port).to_owned());
        let listens = dind.setting("DOCKER_TCP").text().filter(|listens| !listens.is_empty()).map(str::to_owned);
        if listens.as_deref().and_then(port) != port(address) {
            let listens = listens.map_or_else(|| "on no TCP port".to_owned(), |listens| format!("on {listens}"));
            findings.add(rules::DOCKER_HOST, at, format!("{} listens {listens}, which is not {host}", dind.name), hint);
        }
    } else if !host.starts_with("tcp://") {
        findings.add(rules::DOCKER_HOST, at, format!("{host} is no address of docker: unix:///path or tcp://host:port"), hint);
    }
}

fn network(network: &Network, findings: &mut Findings) {
    match network {
        Network::One => {}
        Network::Apart(at, how, hint) => findings.add(
            rules::NETWORK_NOT_SHARED,
            *at,
            format!("runner and sidecar have no common network ({how}): ports of service containers would not be on the job's localhost"),
            *hint,
        ),
        Network::Host(at) => findings.add(
            rules::NETWORK_OF_HOST,
            *at,
            "the network is the host's: two tasks on it fight for ports, and jobs reach what listens on the host",
            "give the task a network of its own",
        ),
    }
}

fn without_sidecar(task: &Task, findings: &mut Findings) {
    let Some(runner) = task.of(Role::Runner) else { return };
    if let Set::Here(host, at) = runner.setting("DOCKER_HOST")
        && let Some(path) = host.strip_prefix("unix://")
        && runner.seen(path).is_none_or(|(mount, _)| mount.reach == Reach::Task)
    {
        findings.add(
            rules::DOCKER_HOST_WITHOUT_DIND,
            at,
            format!("{} waits for docker at {host}, and no container of this task makes it", runner.name),
            "add the sidecar, or leave DOCKER_HOST out",
        );
    }
}
