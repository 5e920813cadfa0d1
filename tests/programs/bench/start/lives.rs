//! One life up to "Listening for Jobs", of either entrypoint: the same home, cache, daemon and GitHub.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{ACCOUNT, REPOSITORY},
    fixtures::{RunnerHome, Tool, ToolCache},
    github::{GitHub, Route, Rules, Step},
    http::Request,
    process::Running,
    scratch::Scratch,
};
use serde_json::json;

use super::{Settings, daemon::Daemon};
use crate::Programs;

const ENTRYPOINT: &str = include_str!("entrypoint.sh");
const CONFIG: &str = include_str!("config.sh");
/// For machines without docker's own client: the same question with less work.
const DOCKER: &str = "#!/bin/sh\nexec curl -fsS --unix-socket \"${DOCKER_HOST#unix://}\" http://docker/containers/json\n";

/// What both ask the API.
const ROUTES: [Route; 4] = [Route::RegistrationToken, Route::GenerateJit, Route::ListGroups, Route::ListRunners];
/// More than anybody asks at a start and at an end.
const ANSWERS: usize = 20;

const LISTENING: &str = "Listening for Jobs";
const PATIENCE: Duration = Duration::from_secs(120);

/// What happens besides the registration.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wants {
    pub(crate) cache: bool,
    pub(crate) docker: bool,
}

/// Where the shell entrypoint waits for docker.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// Before everything else.
    DockerFirst,
    /// After everything else.
    DockerLast,
}

/// How one start went.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// From exec to the line.
    pub(crate) total: Duration,
    /// How often the API was asked before the line, each time one after the other.
    pub(crate) answers: u32,
}

/// Everything that the lives have in common.
pub(crate) struct Lives {
    entrypoint: PathBuf,
    latency: Duration,
    docker_ready: Duration,
    dir: Scratch,
    home: RunnerHome,
    remote: ToolCache,
    path: String,
    own_client: bool,
}

impl Lives {
    pub(crate) fn new(programs: &Programs, settings: &Settings) -> Self {
        let dir = Scratch::new();
        let at = |name: &str| dir.path().join(name);
        let home = RunnerHome::make(&at("home"));
        script(&home.path().join("config.sh"), CONFIG);
        script(&at("entrypoint.sh"), ENTRYPOINT);
        let mut path = std::env::var("PATH").unwrap_or_default();
        let own_client = !crate::find("docker");
        if own_client {
            fs::create_dir_all(at("bin")).expect("make a folder");
            script(&at("bin/docker"), DOCKER);
            path = format!("{}:{path}", at("bin").display());
        }
        let remote = ToolCache::at(&at("remote"))
            .scale(settings.scale)
            .with(Tool::Node, "20.1.0")
            .with(Tool::Python, "3.12.4")
            .with(Tool::Go, "1.22.0");
        let (latency, docker_ready) = (settings.latency, settings.docker);
        Self { entrypoint: programs.entrypoint.clone(), latency, docker_ready, home, remote, path, own_client, dir }
    }

    /// Whether the shell entrypoint finds its programs.
    pub(crate) fn can_run(&self) -> bool {
        ["bash", "curl", "jq", "rsync"].iter().all(|program| crate::find(program))
    }

    /// How many files the cache has.
    pub(crate) fn files(&self) -> usize {
        walkdir::WalkDir::new(self.remote.path()).into_iter().flatten().filter(|entry| entry.file_type().is_file()).count()
    }

    /// What asks the daemon, for the heading.
    pub(crate) fn docker_client(&self) -> &'static str {
        if self.own_client { "curl as `docker` (no docker client here)" } else { "the docker client" }
    }

    /// What no entrypoint can save: one answer of the API to a bare client, and the Listener's start with a configuration that it has.
    pub(crate) fn alone(&self) -> (Duration, Duration) {
        let rules = Rules::for_account(ACCOUNT);
        let token = rules.token();
        let github = GitHub::start(rules);
        github.script(Route::GenerateJit, [Step::real().after(self.latency)]);
        let asked = Instant::now();
        let blob = jit_configuration(&github, &token);
        let answer = asked.elapsed();
        let environment = [("PATH", self.path.clone()), ("RUNNER_ALLOW_RUNASROOT", "1".into()), ("ACTIONS_RUNNER_INPUT_JITCONFIG", blob)];
        let listener = self.home.path().join("bin/Runner.Listener");
        (answer, until_listening(Running::start_clean("Listener", &listener, &["run"], environment)))
    }

    /// A start of runner-entrypoint.
    pub(crate) fn ours(&self, wants: Wants) -> Start {
        let tasks = self.dir.path().join("task");
        let entrypoint = self.entrypoint.clone();
        self.start(&entrypoint, wants, |environment| {
            environment.push(("REPO_URL", format!("https://github.com/{REPOSITORY}")));
            environment.push(("TASK_DIR", tasks.display().to_string()));
            environment.push(("TOOL_CACHE_SAVE", "no".into()));
            if nix::unistd::geteuid().is_root() {
                environment.push(("RUN_AS_ROOT", "yes".into()));
            }
        })
    }

    /// A start of the shell entrypoint, with a `config.sh` that takes so long.
    pub(crate) fn shell(&self, wants: Wants, order: Order, cost: Duration) -> Start {
        let entrypoint = self.dir.path().join("entrypoint.sh");
        self.start(&entrypoint, wants, |environment| {
            environment.push(("REPOSITORY", REPOSITORY.into()));
            let order = match order {
                Order::DockerFirst => "first",
                Order::DockerLast => "last",
            };
            environment.push(("WAIT_FOR_DOCKER", order.into()));
            environment.push(("RUNNER_NAME", "runner-shell".into()));
            environment.push(("RUNNER_ALLOW_RUNASROOT", "1".into()));
            environment.push(("CONFIG_COST", if cost.is_zero() { "0".into() } else { cost.as_secs_f64().to_string() }));
        })
    }

    fn start(&self, program: &Path, wants: Wants, own: impl FnOnce(&mut Vec<(&'static str, String)>)) -> Start {
        let rules = Rules::for_account(ACCOUNT);
        let token = rules.token();
        let github = GitHub::start(rules);
        for route in ROUTES {
            github.script(route, vec![Step::real().after(self.latency); ANSWERS]);
        }
        let (local, socket) = (self.dir.path().join("local"), self.dir.path().join("docker.sock"));
        fs::create_dir_all(&local).expect("make the local cache");
        let mut environment = vec![
            ("PATH", self.path.clone()),
            ("HOME", self.dir.path().display().to_string()),
            ("ACCESS_TOKEN", token),
            ("GITHUB_API_URL", github.url()),
            ("RUNNER_HOME", self.home.path().display().to_string()),
            ("RUNNER_TOOL_CACHE", local.display().to_string()),
        ];
        if wants.cache {
            environment.push(("TOOL_CACHE_REMOTE", self.remote.path().display().to_string()));
        }
        if wants.docker {
            environment.push(("DOCKER_HOST", format!("unix://{}", socket.display())));
        }
        own(&mut environment);
        if wants.cache {
            // What the life before left to be written is not for this one to wait for.
            nix::unistd::sync();
        }
        let daemon = wants.docker.then(|| Daemon::ready_after(self.docker_ready, &socket));
        let total = until_listening(Running::start_clean("entrypoint", program, &[], environment));
        drop(daemon);
        let asked = github.requests().iter().filter(|seen| ROUTES.contains(&seen.route)).count();
        let restored = self.remote.marker(Tool::Go, "1.22.0");
        let restored = restored.strip_prefix(self.remote.path()).map(|marker| local.join(marker).is_file());
        assert_eq!(restored, Ok(wants.cache), "{} restored the cache when it should", program.display());
        fs::remove_dir_all(&local).expect("remove the local cache");
        Start { total, answers: u32::try_from(asked).unwrap_or(u32::MAX) }
    }
}

/// Registers a runner as anybody could and gives the configuration that starts it.
pub(crate) fn jit_configuration(github: &GitHub, token: &str) -> String {
    let body = json!({"name": "alone", "runner_group_id": 1, "labels": ["self-hosted"], "work_folder": "_work"});
    let answer = Request::new("POST", format!("{}/repos/{REPOSITORY}/actions/runners/generate-jitconfig", github.url()))
        .header("Authorization", &format!("Bearer {token}"))
        .header("User-Agent", "bench")
        .json(&body)
        .send()
        .expect("the stand-in answers");
    answer.json()["encoded_jit_config"].as_str().expect("a configuration").to_owned()
}

/// From exec to the line; then the program is stopped and gone.
fn until_listening(mut running: Running) -> Duration {
    let span = running.wait_for_line(LISTENING, PATIENCE).at;
    running.signal(Signal::SIGTERM);
    let _ = running.wait(PATIENCE);
    span
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("write a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("make it executable");
}
