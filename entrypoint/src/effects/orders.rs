//! Which jobs are errands, what each is sent with, and as whom.

use std::{future::ready, io};

use nix::unistd::Uid;
use settings::Secret;
use supervise::{Errand, Identity, Output, Program, Work, records};
use zeroize::Zeroizing;

use super::Effects;
use crate::{
    config::{self, Config, Name, Ready, Registration as By, Wanted},
    docker::Company,
    errand::{self, Access, Order},
    github::{AppKey, Claim, Credential, Endpoint, Names, RunnerId, RunnerName, SecretText, Wish},
    runner,
    stages::Ending,
    words::{Job, Outcome, Protection, Registration, Removal, SpotNotice, Words},
};

/// How much of a task's id goes into a runner's name. The whole would leave no room for a prefix.
const TASK_IN_NAME: usize = 12;

/// The kernel's overflow user, whom every distribution calls nobody (user_namespaces(7)).
const NOBODY: u32 = 65_534;

impl Effects {
    pub(super) fn order(&self, job: &Job) -> io::Result<Order> {
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
            Job::ServeMetrics => match config.metrics_listen {
                Some(address) => Order::ServeMetrics { address, files: config.metrics_files() },
                None => return Err(io::Error::other("METRICS_LISTEN is not set")),
            },
            Job::ReadPerf => Order::ReadPerf { file: config.runner.perf_file().unwrap_or_default() },
            Job::Check | Job::ReadRegistration | Job::AwaitUpdate => return Err(io::Error::other("this is no errand")),
        })
    }

    pub(super) fn names(&self, wanted: &Wanted) -> Names {
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
        let environment = self.config.runner.environment.iter().filter(|(name, _)| name == "SSL_CERT_FILE" || name == "SSL_CERT_DIR");
        let program = Program {
            file: self.itself.clone().into_os_string(),
            arguments: vec![errand::COMMAND.into()],
            // Whom to trust is all that it needs from outside.
            environment: Some(environment.cloned().collect()),
            directory: Some("/".into()),
            identity: match job {
                Job::ReadPerf => runner::user(&self.config.runner).ok().flatten().map(|user| runner::identity_of(&user, None)),
                // Whoever reaches the port talks to it.
                Job::ServeMetrics => Uid::effective().is_root().then(|| Identity { uid: NOBODY, gid: NOBODY, groups: vec![] }),
                _ => None,
            },
            output: Output::Watched,
        };
        Ok(Errand { program, order: written, name: "errand" })
    }

    pub(super) fn sent(&self, job: &Job) -> Work<Words> {
        match self.send(job) {
            Ok(errand) => Work::Errand(errand),
            Err(error) => Work::here(ready(not_done(job, error.to_string()))),
        }
    }
}

/// The outcome of a job that came to nothing.
pub(super) fn not_done(job: &Job, why: String) -> Outcome {
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
        Job::ServeMetrics => Outcome::Unserved(why),
    }
}

pub(super) fn text(secret: &Secret) -> io::Result<SecretText> {
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
