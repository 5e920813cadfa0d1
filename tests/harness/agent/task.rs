//! A task that runs: every look at it does what the agent would do by then.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::definition::Definition;
use super::firelens::Router;
use super::instance::Instance;
use super::network::Network;
use super::order::{Act, Rule, State, next};
use super::plan::{self, Overrides, Place, Source};
use crate::clock;
use crate::engine::Engine;
use crate::fluentd::Received;

/// What docker calls the log router's socket.
const FIRELENS: &str = "firelens";
/// Of a task's file system on a disk of its own: sparse.
const DISK_GIGABYTES: u64 = 8;

/// What the agent did or saw, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since the task was asked for.
    pub at: Duration,
    /// `start`, `stop` or `ended`.
    pub what: &'static str,
    /// The container.
    pub container: String,
}

/// A task of an instance.
#[derive(Debug)]
pub struct Task<'a> {
    instance: &'a Instance,
    id: String,
    network: Network,
    router: Option<Router>,
    volumes: Vec<Source>,
    containers: Vec<Placed>,
    rules: Vec<Rule>,
    asked: bool,
    started: Instant,
    entries: Vec<Entry>,
    is_removed: bool,
}

#[derive(Debug)]
struct Placed {
    name: String,
    id: String,
    state: State,
    since: Option<Instant>,
}

impl<'a> Task<'a> {
    pub(super) fn start(instance: &'a Instance, definition: &Definition, overrides: &Overrides) -> Self {
        let engine = instance.engine();
        let id = format!("{:08x}", getrandom::u32().expect("the kernel gives random numbers"));
        let network = Network::make(engine, &id);
        instance.bed().github().reach_from(network.pid);
        instance.ecs().reach_from(network.pid);
        let (efs, ebs) = instance.folders();
        let (sockets_here, sockets_there) = engine.shared(FIRELENS);
        let place = Place {
            task: id.clone(),
            pause: network.id.clone(),
            environment: BTreeMap::from([
                ("AWS_REGION".to_owned(), "eu-central-1".to_owned()),
                ("ECS_CONTAINER_METADATA_URI_V4".to_owned(), instance.ecs().metadata_uri()),
                ("ECS_AGENT_URI".to_owned(), instance.ecs().agent_uri()),
            ]),
            efs,
            ebs,
            firelens: format!("{sockets_there}/{id}.sock"),
            open_files: engine.open_files(),
        };
        let plan = plan::plan(definition, overrides, instance.secrets(), &place).unwrap_or_else(|faults| panic!("{}", faults.join("\n")));
        let has_router = definition.containers.iter().any(|container| container.firelens_configuration.is_some());
        let router = has_router.then(|| Router::listen(&sockets_here.join(format!("{id}.sock")), network.pid));
        for volume in &plan.volumes {
            make(engine, volume);
        }
        let containers = definition.containers.iter().zip(&plan.bodies).map(|(container, body)| {
            name_image(engine, &container.image);
            let name = format!("ecs-{}-1-{}-{id}", definition.family, container.name);
            let made = engine.api("POST", &format!("/containers/create?name={name}"), Some(body));
            let id = made["Id"].as_str().expect("an id").to_owned();
            Placed { name: container.name.clone(), id, state: State::Waiting, since: None }
        });
        let containers = containers.collect();
        let (entries, started) = (Vec::new(), Instant::now());
        let mut task = Self {
            instance,
            id,
            network,
            router,
            volumes: plan.volumes,
            containers,
            rules: plan.rules,
            asked: false,
            started,
            entries,
            is_removed: false,
        };
        task.look();
        task
    }

    /// What it is called in names of containers and volumes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One round of the agent: what changed, and what follows from it.
    fn look(&mut self) {
        let instance = self.instance;
        for index in 0..self.containers.len() {
            let placed = &self.containers[index];
            if !matches!(placed.state, State::Running { .. } | State::Stopping) {
                continue;
            }
            let now = instance.engine().api("GET", &format!("/containers/{}/json", placed.id), None);
            let ended = now["State"]["Running"] == false;
            let age = placed.since.map(|since| since.elapsed()).unwrap_or_default();
            if ended {
                self.containers[index].state = State::Stopped(now["State"]["ExitCode"].as_i64().unwrap_or(-1));
                self.note("ended", index);
            } else if placed.state != State::Stopping {
                self.containers[index].state = State::Running { age, healthy: now["State"]["Health"]["Status"] == "healthy" };
            }
        }
        let states: Vec<State> = self.containers.iter().map(|placed| placed.state).collect();
        for act in next(&self.rules, &states, self.asked) {
            match act {
                Act::Start(index) => {
                    instance.engine().api("POST", &format!("/containers/{}/start", self.containers[index].id), None);
                    self.containers[index].state = State::Running { age: Duration::ZERO, healthy: false };
                    self.containers[index].since = Some(Instant::now());
                    self.note("start", index);
                }
                Act::Stop(index) => {
                    let seconds = self.rules[index].stop_timeout.as_secs();
                    let path = format!("/containers/{}/stop?t={seconds}", self.containers[index].id);
                    let socket = instance.engine().socket();
                    // The daemon answers when the container has ended; nobody waits for the answer.
                    std::thread::spawn(move || drop(crate::engine::ask(&socket, "POST", &path, None)));
                    self.containers[index].state = State::Stopping;
                    self.note("stop", index);
                }
                Act::Skip(index) => self.containers[index].state = State::Skipped,
            }
        }
    }

    fn note(&mut self, what: &'static str, index: usize) {
        self.entries.push(Entry { at: self.started.elapsed(), what, container: self.containers[index].name.clone() });
    }

    /// StopTask.
    pub fn stop(&mut self) {
        self.asked = true;
        self.look();
    }

    /// Goes on until `condition` holds.
    ///
    /// # Panics
    /// When `deadline` passes first.
    pub fn wait_for(&mut self, what: &str, deadline: Duration, mut condition: impl FnMut(&Self) -> bool) {
        let held = clock::holds_within(deadline, || {
            self.look();
            condition(self)
        });
        assert!(held, "waited {deadline:?} for: {what}");
    }

    /// Goes on until every container has ended, and gives their exit codes; one that was never started has none.
    ///
    /// # Panics
    /// When `deadline` passes first.
    pub fn wait(&mut self, deadline: Duration) -> BTreeMap<String, i64> {
        self.wait_for("the end of the task", deadline, |task| {
            task.containers.iter().all(|placed| matches!(placed.state, State::Stopped(_) | State::Skipped))
        });
        let ended = self.containers.iter().filter_map(|placed| match placed.state {
            State::Stopped(code) => Some((placed.name.clone(), code)),
            _ => None,
        });
        ended.collect()
    }

    /// What the agent did and saw so far, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The same as words, without times: `start dind`.
    #[must_use]
    pub fn course(&self) -> Vec<String> {
        self.entries.iter().map(|entry| format!("{} {}", entry.what, entry.container)).collect()
    }

    /// When something was noted first.
    ///
    /// # Panics
    /// When it was not.
    #[must_use]
    pub fn at(&self, what: &str, container: &str) -> Duration {
        let found = self.entries.iter().find(|entry| entry.what == what && entry.container == container);
        found.unwrap_or_else(|| panic!("no {what} of {container}: {:?}", self.entries)).at
    }

    /// The id of a container.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn container(&self, name: &str) -> &str {
        &self.containers.iter().find(|placed| placed.name == name).unwrap_or_else(|| panic!("no container {name}")).id
    }

    /// What docker knows of a container.
    #[must_use]
    pub fn inspect(&self, name: &str) -> Value {
        self.instance.engine().api("GET", &format!("/containers/{}/json", self.container(name)), None)
    }

    /// What a container said so far.
    #[must_use]
    pub fn log(&self, name: &str) -> String {
        self.instance.engine().sh(&format!("docker logs {} 2>&1", self.container(name)))
    }

    /// The folder of a volume that docker made, as this machine sees it.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn volume(&self, volume: &str) -> PathBuf {
        let mark = format!("-{volume}-{}", self.id);
        let named = self.volumes.iter().find_map(|source| match source {
            Source::Made { name, .. } if name.ends_with(&mark) => Some(name),
            _ => None,
        });
        let named = named.unwrap_or_else(|| panic!("docker made no volume {volume}"));
        let found = self.instance.engine().api("GET", &format!("/volumes/{named}"), None);
        self.instance.engine().path(found["Mountpoint"].as_str().expect("a path"))
    }

    /// What came to the log router of this task, if it has one.
    #[must_use]
    pub fn routed(&self) -> Vec<Received> {
        self.router.as_ref().map(Router::received).unwrap_or_default()
    }

    /// Runs a shell script in a container, as root.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn exec(&self, name: &str, script: &str) -> String {
        let script = script.replace('\'', "'\\''");
        self.instance.engine().sh(&format!("docker exec --user 0 {} sh -c '{script}'", self.container(name)))
    }

    /// Kills the first process of a container that has this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill(&self, container: &str, process: &str) {
        let top = self.instance.engine().api("GET", &format!("/containers/{}/top?ps_args=-eo%20pid,comm", self.container(container)), None);
        let rows = top["Processes"].as_array().expect("rows");
        let row = rows.iter().find(|row| row[1].as_str().is_some_and(|name| process.starts_with(name) && !name.is_empty()));
        let pid = row.unwrap_or_else(|| panic!("no {process} in {container}: {top}"))[0].as_str().expect("a number");
        let _ = self.instance.engine().sh(&format!("kill -9 {pid}"));
    }

    /// Kills a container, as an operator's `docker kill` would.
    pub fn kill_container(&self, name: &str) {
        self.instance.engine().api("POST", &format!("/containers/{}/kill", self.container(name)), None);
    }

    /// Removes what the agent removes some time after the end (`ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION`): containers, volumes, disks.
    ///
    /// # Panics
    /// When something can not be removed.
    pub fn remove(&mut self) {
        let engine = self.instance.engine();
        for id in self.containers.iter().map(|placed| &placed.id).chain([&self.network.id]) {
            engine.api("DELETE", &format!("/containers/{id}?v=true&force={}", *id == self.network.id), None);
        }
        for volume in &self.volumes {
            match volume {
                Source::Made { name, .. } => drop(engine.api("DELETE", &format!("/volumes/{name}"), None)),
                Source::Folder(_) => {}
                Source::Disk(at) => drop(engine.sh(&format!("umount {at} && rmdir {at} && rm {}", disk_file(at)))),
            }
        }
        self.is_removed = true;
    }

    /// What everybody said, with the states of the containers.
    #[must_use]
    pub fn transcript(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            let _ = writeln!(text, "{:>9.3?} agent: {} {}", entry.at, entry.what, entry.container);
        }
        for placed in &self.containers {
            let (_, log) = self.instance.engine().try_sh(&format!("docker logs {} 2>&1", placed.id));
            let state = self.instance.engine().try_api("GET", &format!("/containers/{}/json", placed.id), None);
            let state = state.map(|reply| reply.json()["State"].clone()).unwrap_or(json!(null));
            let _ = writeln!(text, "--- {} {:?} {state}\n{log}", placed.name, placed.state);
        }
        text
    }
}

impl Drop for Task<'_> {
    #[expect(clippy::print_stderr, reason = "the message of a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() && !self.is_removed {
            eprintln!("{}", self.transcript());
        }
    }
}

fn make(engine: &Engine, volume: &Source) {
    match volume {
        Source::Made { body, .. } => drop(engine.api("POST", "/volumes/create", Some(body))),
        // docker makes a folder that is not there, as it does for the agent.
        Source::Folder(_) => {}
        Source::Disk(at) => {
            let file = disk_file(at);
            let script =
                format!("mkdir -p {at} && truncate -s {DISK_GIGABYTES}G {file} && mkfs.xfs -q {file} && mount -o loop {file} {at}");
            let _ = engine.sh(&script);
        }
    }
}

fn disk_file(at: &str) -> String {
    format!("/engine/{}.disk", at.rsplit('/').next().unwrap_or_default())
}

/// The images have the names of this repository here and those of a registry there: the last word counts. A log router is any program
/// that waits.
fn name_image(engine: &Engine, image: &str) {
    let word = image.rsplit('/').next().and_then(|last| last.split([':', '@']).next()).unwrap_or(image);
    let ours = if word.contains("fluent-bit") { "tiny:1".to_owned() } else { format!("{word}:test") };
    if engine.try_api("GET", &format!("/images/{image}/json"), None).is_ok_and(|reply| reply.status == 200) {
        return;
    }
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    engine.api("POST", &format!("/images/{ours}/tag?repo={name}&tag={tag}"), None);
}
