//! What the machine's words mean in the world. The only file that sees GitHub, cache, runner and docker together.

mod cache;

use std::{ffi::OsString, future::ready, io, path::PathBuf, rc::Rc, time::Duration};

use settings::Secret;
use supervise::{Doing, Errand, Measure, Output, Program, Tell, Work, off_loop, records};
use tokio::time::{Instant, sleep};
use tracing::warn;
use zeroize::Zeroizing;

use crate::{
    config::{self, Config, Name, Ready, Registration as By, Wanted},
    docker::Company,
    errand::{self, Access, Answer, Order},
    exposed,
    github::{AppKey, Blob, Claim, Credential, Endpoint, NAME_PLACE, Names, RunnerId, RunnerName, SecretText, Wish},
    hook,
    runner::{self, Start},
    stages::Ending,
    words::{Job, Note, Outcome, Protection, Registration, Removal, Role, SpotNotice, Task, Words},
};

/// `_update.sh` swaps the runner's folders and then leaves this file; `run-helper.sh` waits as long for it.
const UPDATE_FINISHED: &str = "update.finished";
const UPDATE: Duration = Duration::from_secs(31);

/// How much of a task's id goes into a runner's name. The whole would leave no room for a prefix.
const TASK_IN_NAME: usize = 12;

/// Where the docker CLI looks by itself. A deployment that only mounts it must not lose its group.
const DEFAULT_DOCKER: &str = "unix:///var/run/docker.sock";

/// The impure half of a runner's life.
pub(crate) struct Effects {
    config: Rc<Config>,
    /// Handed from a registration to the runner without passing through the machine, whose every word may be logged.
    start: Option<Start>,
    task: Option<Task>,
    itself: PathBuf,
    /// What the job waits in for its cache.
    hook: Option<PathBuf>,
    /// What was counted and not told yet.
    measures: Vec<Measure>,
    /// How often GitHub was asked once more for a registration.
    retries: u64,
}

impl Effects {
    pub(crate) fn new(config: Config, hook: Option<PathBuf>) -> Self {
        let itself = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        Self { config: Rc::new(config), start: None, task: None, itself, hook, measures: Vec::new(), retries: 0 }
    }

    fn program_of_runner(&self, which: runner::Which<'_>) -> Program {
        let runner = &self.config.runner;
        let user = runner::user(runner).ok().flatten();
        let host = self.config.docker.as_ref().map_or(DEFAULT_DOCKER, |docker| &docker.host);
        let group = runner::socket_group(host);
        runner::program(runner, which, user.as_ref(), group)
    }

    fn configure(&self) -> Program {
        let (name, token) = match &self.start {
            Some(Start::Token { name, token }) => (name.as_str(), token.clone()),
            _ => ("", Secret::new("")),
        };
        let (wanted, disable_update) = match &self.config.registration {
            By::Classic { wanted, disable_update, .. } => (Some(wanted), *disable_update),
            By::Jit(_) | By::Ready(_) => (None, false),
        };
        let Some((wanted, scope)) = wanted.zip(self.config.github.scope.as_ref()) else { return Program::default() };
        let mut arguments: Vec<OsString> = ["--unattended", "--ephemeral", "--replace"].map(OsString::from).into();
        let mut with = |option: &str, value: &str| arguments.extend([option.into(), value.into()]);
        with("--url", &format!("{}/{}", self.config.github.web, scope.web_path()));
        with("--name", name);
        with("--work", &wanted.work_folder.replace(NAME_PLACE, name));
        if !wanted.own_labels.is_empty() {
            with("--labels", &wanted.own_labels.join(","));
        }
        if !wanted.group.eq_ignore_ascii_case("default") {
            with("--runnergroup", &wanted.group);
        }
        for (option, set) in [("--disableupdate", disable_update), ("--no-default-labels", !wanted.default_labels)] {
            arguments.extend(set.then(|| option.into()));
        }
        self.program_of_runner(runner::Which::Configure { arguments, token: &token })
    }

    fn order(&self, job: &Job) -> io::Result<Order> {
        let config = &self.config;
        let github = &config.github;
        let platform = &config.platform;
        Ok(match job {
            Job::FindTask => Order::FindTask { metadata: platform.metadata.clone().unwrap_or_default() },
            Job::WaitForDocker => {
                let (host, budget) = config.docker.as_ref().map(|docker| (docker.host.clone(), docker.budget)).unwrap_or_default();
                let company = Company {
                    own: config.task_dir.join("runner"),
                    folders: config.shared_folders(),
                    externals: config.published_externals(),
                };
                Order::WaitForDocker { host, sidecar: config.task_dir.join("dind"), budget, company }
            }
            Job::Deregister(registration) => Order::Deregister { access: access(config)?, claim: claim(registration) },
            Job::Protect(on) => Order::Protect { agent: platform.agent.clone().unwrap_or_default(), on: *on },
            Job::WatchSpot => Order::WatchSpot { metadata: platform.spot.clone().unwrap_or_default() },
            Job::Register => match &config.registration {
                By::Jit(wanted) => Order::Register { access: access(config)?, wish: self.wish(wanted), budget: wanted.budget },
                By::Classic { wanted, .. } => {
                    let name = self.names(wanted).pick().map_err(io::Error::other)?;
                    Order::MakeToken { access: access(config)?, name: name.as_str().to_owned(), budget: wanted.budget }
                }
                By::Ready(Ready::Url { url, bearer, budget }) => Order::FetchJit {
                    url: SecretText::new(url.as_str()),
                    bearer: bearer.as_ref().map(text).transpose()?,
                    endpoint: endpoint(github),
                    budget: *budget,
                },
                By::Ready(Ready::Blob(_)) => return Err(io::Error::other("a ready JIT configuration is no errand")),
            },
            Job::ReadPerf => Order::ReadPerf { file: config.runner.perf_file().unwrap_or_default() },
            Job::Check | Job::ReadRegistration | Job::AwaitUpdate => return Err(io::Error::other("this is no errand")),
        })
    }

    fn names(&self, wanted: &Wanted) -> Names {
        match (&wanted.name, &self.task) {
            (Name::Exactly(name), _) => Names::Exact(name.clone()),
            (Name::Prefixed(prefix), None) => Names::Prefixed(prefix.clone()),
            (Name::Prefixed(prefix), Some(task)) => {
                let task: String = task.id.chars().take(TASK_IN_NAME).collect();
                Names::Prefixed(if prefix.is_empty() { task } else { format!("{prefix}-{task}") })
            }
        }
    }

    fn wish(&self, wanted: &Wanted) -> Wish {
        Wish {
            names: self.names(wanted),
            group: wanted.group.clone(),
            labels: wanted.labels.clone(),
            work_folder: wanted.work_folder.clone(),
        }
    }

    fn send(&self, job: &Job) -> io::Result<Errand> {
        let order = self.order(job)?;
        let mut written = Zeroizing::new(Vec::with_capacity(errand::ORDER));
        serde_json::to_writer(&mut *written, &order)?;
        let as_runner = *job == Job::ReadPerf;
        let environment = self.config.runner.environment.iter().filter(|(name, _)| name == "SSL_CERT_FILE" || name == "SSL_CERT_DIR");
        let program = Program {
            file: self.itself.clone().into_os_string(),
            arguments: vec![errand::COMMAND.into()],
            // Whom to trust is all that it needs from outside.
            environment: Some(environment.cloned().collect()),
            directory: Some("/".into()),
            identity: as_runner
                .then(|| runner::user(&self.config.runner).ok().flatten())
                .flatten()
                .map(|user| runner::identity_of(&user, None)),
            output: Output::Watched,
        };
        Ok(Errand { program, order: written, name: "errand" })
    }

    fn sent(&self, job: &Job) -> Work<Words> {
        match self.send(job) {
            Ok(errand) => Work::Errand(errand),
            Err(error) => Work::here(ready(not_done(job, error.to_string()))),
        }
    }

    /// Begins a registration that needs no errand, if it is one.
    fn register_here(&mut self) -> Option<Outcome> {
        let failed = |why: String| Outcome::RegisterFailed { ending: Ending::Configuration, why };
        let config = Rc::clone(&self.config);
        match &config.registration {
            By::Ready(Ready::Blob(blob)) => Some(match blob.reveal() {
                Ok(text) => {
                    let blob = Blob::new(text.trim());
                    let outcome = errand::ready(&blob);
                    self.start = Some(Start::Jit(Secret::new(blob.reveal())));
                    outcome
                }
                Err(error) => failed(format!("the JIT configuration cannot be read: {error}")),
            }),
            By::Classic { wanted, token: Some(token), .. } => Some(match (token.reveal(), self.names(wanted).pick()) {
                (Ok(_), Ok(name)) => {
                    // Not its text: a token in a file stays there until it is used.
                    self.start = Some(Start::Token { name: name.as_str().to_owned(), token: token.clone() });
                    Outcome::Permitted(name.as_str().to_owned())
                }
                (Err(error), _) => failed(format!("RUNNER_TOKEN cannot be read: {error}")),
                (_, Err(error)) => failed(format!("no name for the runner: {error}")),
            }),
            By::Jit(_) | By::Classic { .. } | By::Ready(_) => None,
        }
    }
}

impl supervise::Effects<Words> for Effects {
    fn program(&mut self, role: Role) -> Program {
        match role {
            Role::Restore | Role::Save => cache::program(&self.config, &self.itself, role),
            Role::Configure => self.configure(),
            Role::Unconfigure => {
                let token = match &self.start {
                    Some(Start::Token { token, .. }) => token.clone(),
                    _ => Secret::new(""),
                };
                self.program_of_runner(runner::Which::Unconfigure { token: &token })
            }
            Role::Runner => {
                let mut program = self.program_of_runner(runner::Which::Run(self.start.as_ref()));
                if let (Some(hook), Some(environment)) = (&self.hook, &mut program.environment) {
                    environment.insert(hook::VARIABLE.into(), hook.into());
                }
                program
            }
        }
    }

    fn work(&mut self, job: Job, _: Tell<Words>) -> Work<Words> {
        let config = Rc::clone(&self.config);
        match job {
            Job::Check => Work::here(check(config)),
            Job::ReadRegistration => Work::here(read_registration(config)),
            Job::AwaitUpdate => Work::here(await_update(config)),
            Job::Register => match self.register_here() {
                Some(outcome) => Work::here(ready(outcome)),
                None => self.sent(&job),
            },
            Job::FindTask | Job::WaitForDocker | Job::Deregister(_) | Job::Protect(_) | Job::WatchSpot | Job::ReadPerf => self.sent(&job),
        }
    }

    fn answered(&mut self, job: &Job, line: &str) -> Option<Outcome> {
        match serde_json::from_str(line) {
            Ok(Answer::Outcome(outcome)) => {
                match &outcome {
                    Outcome::Task(Ok(task)) => self.task = Some(task.clone()),
                    Outcome::Waiting(_) => {
                        self.retries += 1;
                        self.measures.push(("register_retries", self.retries));
                    }
                    Outcome::Permitted(name) => {
                        if let Some(Start::Token { name: known, .. }) = &mut self.start {
                            known.clone_from(name);
                        }
                    }
                    _ => {}
                }
                Some(outcome)
            }
            Ok(Answer::JitConfig(blob)) => {
                records::mask(blob.reveal());
                self.start = Some(Start::Jit(Secret::new(blob.reveal())));
                None
            }
            Ok(Answer::Token(token)) => {
                records::mask(token.reveal());
                self.start = Some(Start::Token { name: String::new(), token: Secret::new(token.reveal()) });
                None
            }
            Err(_) => {
                warn!(?job, "an errand's answer is not understood; this is a bug in runner-entrypoint");
                None
            }
        }
    }

    fn collapsed(&mut self, job: &Job, how: &str) -> Outcome {
        not_done(job, format!("{job:?} {how}; this is a bug in runner-entrypoint, or the memory of the container is used up"))
    }

    fn watch(&mut self, role: Role, line: &str) -> Option<Note> {
        match role {
            Role::Runner => runner::note(line),
            Role::Configure | Role::Unconfigure => runner::note_of_config(line),
            Role::Restore | Role::Save => {
                match cache::Tally::read(line) {
                    Some(tally) => self.measures.extend(tally.measures(role)),
                    None => records::relay("cache", None, line, vec![]),
                }
                None
            }
        }
    }

    fn called(&self, doing: Doing<'_, Words>) -> Option<&'static str> {
        Some(match doing {
            Doing::Use => "job",
            Doing::Child(Role::Restore) => "restore",
            Doing::Child(Role::Save) => "save",
            Doing::Child(Role::Configure) => "config.sh",
            Doing::Child(Role::Unconfigure) | Doing::Job(Job::Deregister(_)) => "deregister",
            Doing::Job(Job::FindTask) => "find task",
            Doing::Job(Job::WaitForDocker) => "docker",
            Doing::Job(Job::Register) => "register",
            Doing::Job(Job::AwaitUpdate) => "update",
            // The phases tell of it.
            Doing::Child(Role::Runner) | Doing::Job(Job::Check) => return None,
            Doing::Job(Job::ReadRegistration | Job::Protect(_) | Job::WatchSpot | Job::ReadPerf) => return None,
        })
    }

    fn failed(&self, outcome: &Outcome) -> bool {
        matches!(
            outcome,
            Outcome::Checked(Err(_))
                | Outcome::Task(Err(_))
                | Outcome::Docker(Err(_))
                | Outcome::RegisterFailed { .. }
                | Outcome::Deregistered(Removal::Failed(_))
        )
    }

    fn measured(&mut self) -> Vec<Measure> {
        std::mem::take(&mut self.measures)
    }
}

/// The outcome of a job that came to nothing.
fn not_done(job: &Job, why: String) -> Outcome {
    match job {
        Job::Check => Outcome::Checked(Err(why)),
        Job::FindTask => Outcome::Task(Err(why)),
        Job::WaitForDocker => Outcome::Docker(Err(why)),
        Job::Register | Job::ReadRegistration => Outcome::RegisterFailed { ending: Ending::Bug, why },
        Job::Deregister(_) => Outcome::Deregistered(Removal::Failed(why)),
        Job::AwaitUpdate => Outcome::Updated,
        Job::Protect(_) => Outcome::Protected(Protection::Failed(why)),
        Job::WatchSpot => Outcome::Spot(SpotNotice::Unreachable(why)),
        Job::ReadPerf => Outcome::Perf(None),
    }
}

fn text(secret: &Secret) -> io::Result<SecretText> {
    let text = secret.reveal()?;
    // A file may hold another one by now.
    records::mask(&text);
    Ok(SecretText::new(text.as_str()))
}

fn endpoint(github: &config::GitHub) -> Endpoint {
    Endpoint { api: github.api.clone(), proxies: github.proxies.clone(), ca_file: github.ca_file.clone() }
}

/// How GitHub is asked, with the credential as it is now.
///
/// # Errors
/// The credential's file cannot be read any more, or there is none.
pub(crate) fn access(config: &Config) -> io::Result<Access> {
    let github = &config.github;
    let credential = match &github.credential {
        Some(config::Credential::Token(token)) => Credential::Token(text(token)?),
        Some(config::Credential::App { id, key, login }) => {
            Credential::App(AppKey { id: id.clone(), key: text(key)?, login: login.clone() })
        }
        None => return Err(io::Error::other("there is no credential for GitHub")),
    };
    let scope = github.scope.clone().ok_or_else(|| io::Error::other("no repository, organisation or enterprise is named"))?;
    Ok(Access { endpoint: endpoint(github), credential, scope })
}

fn claim(registration: &Registration) -> Claim {
    match registration {
        Registration::MayExist(name) => Claim::MayExist(RunnerName::new(name)),
        Registration::Runner { id, name } => Claim::Runner { id: RunnerId(*id), name: RunnerName::new(name) },
    }
}

async fn check(config: Rc<Config>) -> Outcome {
    let (home, classic) = (config.runner.clone(), matches!(config.registration, By::Classic { .. }));
    let allow = config.allow_list().cloned();
    let problems = off_loop("check", move || {
        let mut problems = runner::problems(&home, classic);
        problems.extend(allow.iter().flat_map(|file| exposed::problems(file, &home)));
        problems
    })
    .await;
    Outcome::Checked(match problems {
        Some(problems) if problems.is_empty() => Ok(()),
        Some(problems) => Err(problems.join("\n")),
        None => Err("the check collapsed; this is a bug in runner-entrypoint".to_owned()),
    })
}

async fn read_registration(config: Rc<Config>) -> Outcome {
    let home = config.runner.home.clone();
    let read = off_loop("registration", move || runner::registration(&home)).await;
    match read.unwrap_or_else(|| Err("reading it panicked".to_owned())) {
        Ok((id, name)) => Outcome::Registered { id: Some(id), name },
        Err(why) => Outcome::RegisterFailed { ending: Ending::Unavailable, why },
    }
}

async fn await_update(config: Rc<Config>) -> Outcome {
    let marker = config.runner.home.join(UPDATE_FINISHED);
    let ends = Instant::now() + UPDATE;
    while !marker.exists() && Instant::now() < ends {
        sleep(Duration::from_millis(200)).await;
    }
    if let Err(error) = std::fs::remove_file(&marker) {
        warn!(%error, "the runner's update did not say that it finished");
    }
    Outcome::Updated
}
