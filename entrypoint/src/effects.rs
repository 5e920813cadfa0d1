//! What the machine's words mean in the world. The only file that sees GitHub, cache, runner and docker together.

mod cache;
mod orders;

use std::{ffi::OsString, future::ready, path::PathBuf, rc::Rc, time::Duration};

use settings::Secret;
use supervise::{Doing, Measure, Program, Tell, Work, off_loop, records};
use tokio::time::{Instant, sleep};
use tracing::warn;

pub(crate) use orders::access;

use crate::{
    config::{Config, Ready, Registration as By},
    errand::{self, Answer},
    exposed,
    github::{Blob, NAME_PLACE},
    hook,
    runner::{self, Start},
    setup_info::SetupInfo,
    stages::Ending,
    words::{Job, Note, Outcome, Removal, Role, Task, Words},
};

/// `_update.sh` swaps the runner's folders and then leaves this file; `run-helper.sh` waits as long for it.
const UPDATE_FINISHED: &str = "update.finished";
const UPDATE: Duration = Duration::from_secs(31);

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
    /// For developers, and since when.
    setup: SetupInfo,
    began: Instant,
}

impl Effects {
    pub(crate) fn new(config: Config, hook: Option<PathBuf>) -> Self {
        let itself = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        let setup = SetupInfo::begin(&config);
        Self {
            setup,
            began: Instant::now(),
            config: Rc::new(config),
            start: None,
            task: None,
            itself,
            hook,
            measures: Vec::new(),
            retries: 0,
        }
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

    /// What developers may read of a part of the start.
    fn prepared(&mut self, outcome: &Outcome) {
        let since = self.began.elapsed();
        match outcome {
            Outcome::Registered { name, .. } => {
                self.measures.push(("register_retries", self.retries));
                self.setup.who.insert(0, name.clone());
                self.setup.parts.push(("registered", since));
            }
            // With config.sh the name is known, and the registration is nobody's errand.
            Outcome::Permitted(name) => self.setup.who.insert(0, name.clone()),
            Outcome::Docker(Ok(_)) => self.setup.parts.push(("docker", since)),
            Outcome::Task(Ok(task)) => self.setup.who.push(format!("task {} in {}", task.id, task.cluster)),
            _ => {}
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
                self.setup.tell();
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
                Some(outcome) => {
                    self.prepared(&outcome);
                    Work::here(ready(outcome))
                }
                None => self.sent(&job),
            },
            Job::FindTask
            | Job::WaitForDocker
            | Job::Deregister(_)
            | Job::Protect(_)
            | Job::WatchSpot
            | Job::ReadPerf
            | Job::ServeMetrics => self.sent(&job),
        }
    }

    fn answered(&mut self, job: &Job, line: &str) -> Option<Outcome> {
        match serde_json::from_str(line) {
            Ok(Answer::Outcome(outcome)) => {
                self.prepared(&outcome);
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
            Ok(Answer::Docker(version)) => {
                self.setup.docker = self.config.docker.as_ref().map(|docker| format!("{version} at {}", docker.host));
                None
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
        orders::not_done(job, format!("{job:?} {how}; this is a bug in runner-entrypoint, or the memory of the container is used up"))
    }

    fn watch(&mut self, role: Role, line: &str) -> Option<Note> {
        match role {
            Role::Runner => {
                let note = runner::note(line);
                if note == Some(Note::Listening) {
                    self.setup.tell_at_ready(self.began.elapsed());
                }
                note
            }
            Role::Configure | Role::Unconfigure => runner::note_of_config(line),
            Role::Restore | Role::Save => {
                match cache::Tally::read(line) {
                    Some(tally) => self.measures.extend(tally.measures(role)),
                    None => {
                        if role == Role::Restore && line.starts_with("restored ") {
                            self.setup.cache = vec![line.to_owned()];
                            self.setup.parts.push(("tool cache", self.began.elapsed()));
                        }
                        records::relay("cache", None, line, vec![]);
                    }
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
            Doing::Job(Job::ReadRegistration | Job::Protect(_) | Job::WatchSpot | Job::ReadPerf | Job::ServeMetrics) => return None,
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
