//! What the machine's words mean in the world. The only file that sees GitHub, cache, runner and docker together.

use std::{cell::RefCell, path::PathBuf, rc::Rc, time::Duration};

use settings::Secret;
use supervise::{Output, Program, Tell, Work, off_loop};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::{
    config::{self, Config, Credential, Name},
    docker,
    github::{self, Claim, Class, Client, Names, Notice, Policy, RunnerId, RunnerName, Settled, Wish},
    runner,
    stages::Ending,
    words::{Job, Note, Outcome, Registration, Removal, Role, Words},
};

/// The longest a removal may take; the machine's own deadline is shorter when a stop presses.
const REMOVAL: Duration = Duration::from_secs(60);

/// `_update.sh` swaps the runner's folders and then leaves this file; `run-helper.sh` waits as long for it.
const UPDATE_FINISHED: &str = "update.finished";
const UPDATE: Duration = Duration::from_secs(31);

/// The impure half of a runner's life.
pub(crate) struct Effects {
    config: Rc<Config>,
    /// Handed from the registration to the runner without passing through the machine, whose every word may be logged.
    jit_config: Rc<RefCell<Option<Secret>>>,
    itself: PathBuf,
}

impl Effects {
    pub(crate) fn new(config: Config) -> Self {
        let itself = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        Self { config: Rc::new(config), jit_config: Rc::default(), itself }
    }

    /// Restore and save are this program once more, as the runner's user: a mount that hangs can then be left with SIGKILL, and
    /// nothing of root reads what a job wrote.
    fn cache(&self, verb: &str) -> Program {
        let runner = &self.config.runner;
        let remote = self.config.cache.as_ref().map(|cache| cache.remote.clone()).unwrap_or_default();
        let (from, to) = match verb {
            "restore" => (remote, runner.tool_cache.clone()),
            _ => (runner.tool_cache.clone(), remote),
        };
        Program {
            file: self.itself.clone().into_os_string(),
            arguments: vec!["cache".into(), verb.into(), "--from".into(), from.into(), "--to".into(), to.into()],
            environment: Some([].into()),
            directory: Some("/".into()),
            identity: runner::user(runner).ok().flatten().map(|user| runner::identity_of(&user, None)),
            output: Output::Lines("cache"),
        }
    }

    fn runner(&self) -> Program {
        let runner = &self.config.runner;
        let blob = self.jit_config.borrow().clone().unwrap_or_else(|| Secret::new(""));
        let user = runner::user(runner).ok().flatten();
        let group = self.config.docker.as_ref().and_then(|docker| runner::socket_group(&docker.host));
        runner::program(runner, &blob, user.as_ref(), group)
    }
}

impl supervise::Effects<Words> for Effects {
    fn program(&mut self, role: Role) -> Program {
        match role {
            Role::Restore => self.cache("restore"),
            Role::Save => self.cache("save"),
            Role::Runner => self.runner(),
        }
    }

    fn work(&mut self, job: Job, tell: Tell<Words>) -> Work<Words> {
        let config = Rc::clone(&self.config);
        match job {
            Job::Check => Box::pin(check(config)),
            Job::WaitForDocker => Box::pin(wait_for_docker(config)),
            Job::Register => Box::pin(register(config, Rc::clone(&self.jit_config), tell)),
            Job::Deregister(registration) => Box::pin(deregister(config, registration)),
            Job::AwaitUpdate => Box::pin(await_update(config)),
        }
    }

    fn collapsed(&mut self, job: &Job) -> Outcome {
        let why = || format!("{job:?} collapsed; this is a bug in runner-entrypoint");
        match job {
            Job::Check => Outcome::Checked(Err(why())),
            Job::WaitForDocker => Outcome::Docker(Err(why())),
            Job::Register => Outcome::RegisterFailed { ending: Ending::Bug, why: why() },
            Job::Deregister(_) => Outcome::Deregistered(Removal::Failed(why())),
            Job::AwaitUpdate => Outcome::Updated,
        }
    }

    fn watch(&mut self, role: Role, line: &str) -> Option<Note> {
        match role {
            Role::Runner => runner::note(line),
            Role::Restore | Role::Save => None,
        }
    }
}

async fn check(config: Rc<Config>) -> Outcome {
    let home = config.runner.clone();
    let problems = off_loop("check", move || runner::problems(&home)).await;
    Outcome::Checked(match problems {
        Some(problems) if problems.is_empty() => Ok(()),
        Some(problems) => Err(problems.join("\n")),
        None => Err("the check collapsed; this is a bug in runner-entrypoint".to_owned()),
    })
}

async fn wait_for_docker(config: Rc<Config>) -> Outcome {
    let Some(docker) = &config.docker else { return Outcome::Docker(Ok(())) };
    Outcome::Docker(docker::wait(&docker.host, &config.task_dir.join("dind"), docker.budget).await)
}

/// The client for this configuration's API.
///
/// # Errors
/// A sentence for the user, and how the life ends because of it. `None` without a token that can be had.
pub(crate) fn client(config: &Config) -> Option<Result<Client, github::CallError>> {
    let Some(Credential::Token(token)) = &config.github.credential else { return None };
    let token = token.reveal().ok()?.to_string();
    Some(Client::new(&config.github.api, github::Credential::new(token), &config.github.proxies))
}

async fn register(config: Rc<Config>, jit_config: Rc<RefCell<Option<Secret>>>, tell: Tell<Words>) -> Outcome {
    let failed = |error: &github::CallError| Outcome::RegisterFailed { ending: ending(error.class()), why: error.to_string() };
    let (config::Registration::Jit(wanted), Some(scope), Some(client)) = (&config.registration, &config.github.scope, client(&config))
    else {
        return Outcome::RegisterFailed { ending: Ending::Bug, why: "only a just-in-time registration with a token is there yet".into() };
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let wish = Wish {
        names: match &wanted.name {
            Name::Exactly(name) => Names::Exact(name.clone()),
            Name::Prefixed(prefix) => Names::Prefixed(prefix.clone()),
        },
        group: wanted.group.clone(),
        labels: wanted.labels.clone(),
        work_folder: wanted.work_folder.clone(),
    };
    let registered = github::register(&client, scope, &wish, &Policy::default(), wanted.budget, |notice| match notice {
        Notice::MayExist(name) => tell(Outcome::MayExist(name.as_str().to_owned())),
        Notice::Absent(name) => tell(Outcome::Absent(name.as_str().to_owned())),
        Notice::Waiting { error, wait } => tell(Outcome::Waiting(format!("{error}\ntrying again in {:.1} s", wait.as_secs_f64()))),
        // The machine hears of it with the outcome, when there is also what starts the runner.
        Notice::Registered { id, name } => debug!(%id, %name, "GitHub has registered the runner"),
    })
    .await;
    match registered {
        Ok(registered) => {
            *jit_config.borrow_mut() = Some(Secret::new(registered.blob.reveal()));
            Outcome::Registered { id: registered.id.0, name: registered.name.as_str().to_owned() }
        }
        Err(refused) => failed(&refused.error),
    }
}

pub(crate) fn ending(class: Class) -> Ending {
    match class {
        Class::Credentials => Ending::CredentialsRefused,
        Class::Temporary => Ending::GitHubUnreachable,
        Class::Configuration => Ending::Configuration,
    }
}

async fn deregister(config: Rc<Config>, registration: Registration) -> Outcome {
    let claim = match registration {
        Registration::MayExist(name) => Claim::MayExist(RunnerName::new(&name)),
        Registration::Runner { id, name } => Claim::Runner { id: RunnerId(id), name: RunnerName::new(&name) },
    };
    let Some((scope, client)) = config.github.scope.as_ref().zip(client(&config)) else {
        return Outcome::Deregistered(Removal::Failed("there is no token to remove the registration with".into()));
    };
    Outcome::Deregistered(match client {
        Err(error) => Removal::Failed(error.to_string()),
        Ok(client) => match github::settle(&client, scope, &claim, &Policy::default(), REMOVAL).await {
            Settled::Gone => Removal::Gone,
            Settled::Busy => Removal::Busy,
            Settled::Unknown(error) => Removal::Failed(error.to_string()),
        },
    })
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
