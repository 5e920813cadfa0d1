//! GitHub's REST API as far as one runner needs it: register just in time, find, delete, and pay what a lost answer owes.
//!
//! Everything comes in as values: this file knows no setting, no environment variable, no lifecycle and no tool cache.
//! The credential is a type that cannot be printed; text from the network is escaped and cut before it reaches a message.

mod app;
mod endpoint;
mod error;
mod installation;
mod look;
mod names;
mod notice;
mod patience;
mod quote;
mod ready;
mod register;
mod retry;
mod scope;
mod secret;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod tests;
mod transport;
mod wire;

use std::{fmt, sync::Arc};

use reqwest::{Method, Url};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub(crate) use endpoint::{Endpoint, Proxies};
pub(crate) use error::{CallError, Class, Fault};
pub(crate) use look::{Holder, Look, Quota, Way, try_registration_token};
pub(crate) use names::{NAME_PLACE, Names, RunnerName};
pub(crate) use notice::Notice;
pub(crate) use ready::{JitConfig, fetch_jit};
pub(crate) use register::{Claim, Settled, Wish, insist, register, settle};
pub(crate) use retry::Policy;
pub(crate) use scope::Scope;
pub(crate) use secret::{AppKey, Blob, Credential, SecretText};

use installation::{Auth, Senses};

/// The group that every scope has and that its first runners are in. Repositories have no groups and take only this one.
pub(crate) const DEFAULT_GROUP: u64 = 1;

const PAGES_AT_MOST: usize = 110;

/// GitHub's number of a runner, unique in its scope for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RunnerId(pub u64);

impl fmt::Display for RunnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a new runner is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRunner<'a> {
    /// Unique in the scope.
    pub name: &'a RunnerName,
    /// See [`Client::runner_group_id`].
    pub group_id: u64,
    /// 1 to 100; GitHub adds none of its own, not even `self-hosted`.
    pub labels: &'a [String],
    /// Relative to the runner's home, or absolute.
    pub work_folder: &'a str,
}

/// A runner that exists and has not been started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registered {
    /// Its number.
    pub id: RunnerId,
    /// Its name as GitHub has it.
    pub name: RunnerName,
    /// What starts it.
    pub blob: Blob,
}

/// What became of a wish to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// It existed and does no more.
    Gone,
    /// There was none.
    AlreadyGone,
    /// A job runs on it, or ran a moment ago; GitHub's words.
    Busy(String),
}

/// A runner as GitHub shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Its number.
    pub id: RunnerId,
    /// Whether a Listener is connected.
    pub online: bool,
    /// Whether a job runs on it.
    pub busy: bool,
}

impl From<wire::RunnerEntry> for Found {
    fn from(runner: wire::RunnerEntry) -> Self {
        Self { id: RunnerId(runner.id), online: runner.status == "online", busy: runner.busy }
    }
}

/// A connection to one API with one credential. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    api: Url,
    auth: Arc<Auth>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api", &self.api.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the API of `endpoint`. TLS trusts what the image trusts and the endpoint's own bundle; plain http works in an image
    /// without any certificate.
    ///
    /// # Errors
    /// A [`Fault::Setup`]: the address or a proxy is none, an App's key or a CA bundle cannot be used, or the image has no CA
    /// certificates.
    pub(crate) fn new(endpoint: &Endpoint, credential: Credential) -> Result<Self, CallError> {
        Self::sensing(endpoint, credential, Senses::default())
    }

    fn sensing(endpoint: &Endpoint, credential: Credential, senses: Senses) -> Result<Self, CallError> {
        const CALL: &str = "prepare the connection to the GitHub API";
        let api = endpoint.address(CALL)?;
        let auth = Auth::new(CALL, credential, senses)?;
        let http = endpoint.connection(CALL, api.scheme())?;
        Ok(Self { http, api, auth: Arc::new(auth) })
    }

    /// Registers a runner for one job. **Not idempotent**: after an error for which the outcome is unknown the runner may
    /// exist; [`register`] deals with that.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub(crate) async fn generate_jitconfig(&self, scope: &Scope, new: NewRunner<'_>) -> Result<Registered, CallError> {
        let call = format!("register runner {} for {scope}", new.name);
        let body =
            wire::JitRequest { name: new.name.as_str(), runner_group_id: new.group_id, labels: new.labels, work_folder: new.work_folder };
        let url = self.url(scope, "/actions/runners/generate-jitconfig");
        // The group was found a moment ago, so what is missing now is the group.
        let wrong = |fault| match fault {
            Fault::NotFound(_) if new.group_id != DEFAULT_GROUP => {
                CallError::new(&call, scope, Fault::NoSuchGroup(new.group_id.to_string()))
            }
            fault => CallError::new(&call, scope, fault),
        };
        let answer = self.call(scope, Method::POST, url, Some(&body)).await.map_err(wrong)?;
        let made: wire::JitAnswer = answer.parsed().map_err(wrong)?;
        if made.encoded_jit_config.is_empty() {
            return Err(wrong(Fault::Garbled { status: answer.status, message: "the JIT configuration is empty".into() }));
        }
        Ok(Registered {
            id: RunnerId(made.runner.id),
            name: RunnerName::from_github(made.runner.name),
            blob: Blob::new(made.encoded_jit_config),
        })
    }

    /// Deletes a runner, which GitHub refuses while a job is on it: that makes this the one safe way to find out whether
    /// a job was just assigned.
    ///
    /// # Errors
    /// Any [`Fault`] but `NotFound`, which is [`Deleted::AlreadyGone`].
    pub(crate) async fn delete_runner(&self, scope: &Scope, id: RunnerId) -> Result<Deleted, CallError> {
        let call = format!("delete runner {id} of {scope}");
        let url = self.url(scope, &format!("/actions/runners/{id}"));
        match self.call(scope, Method::DELETE, url, None::<&()>).await {
            Ok(_) => Ok(Deleted::Gone),
            Err(Fault::NotFound(_)) => Ok(Deleted::AlreadyGone),
            Err(Fault::Invalid { status: 422, message }) => Ok(Deleted::Busy(message)),
            Err(fault) => Err(CallError::new(call, scope, fault)),
        }
    }

    /// Looks a runner up by its exact name.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub(crate) async fn find_runner(&self, scope: &Scope, name: &RunnerName) -> Result<Option<Found>, CallError> {
        let call = format!("look for runner {name} of {scope}");
        let first = self.url(scope, &format!("/actions/runners?per_page=100&name={}", scope::encoded(name.as_str())));
        // A server that does not know the filter sends all runners, so pages are walked and names compared here too.
        self.first_on_pages(scope, first, |page: wire::RunnerPage| page.runners.into_iter().find(|runner| runner.name == name.as_str()))
            .await
            .map(|runner| runner.map(Found::from))
            .map_err(|fault| CallError::new(call, scope, fault))
    }

    /// A token for `config.sh`, good for an hour.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub(crate) async fn registration_token(&self, scope: &Scope) -> Result<SecretText, CallError> {
        let wrong = |fault| CallError::new(format!("make a registration token for {scope}"), scope, fault);
        let url = self.url(scope, "/actions/runners/registration-token");
        let answer = self.call(scope, Method::POST, url, None::<&()>).await.map_err(wrong)?;
        answer.parsed::<wire::TokenAnswer>().map(|made| made.token).map_err(wrong)
    }

    /// The number of a runner group. A repository has only group 1, and `Default` is group 1 everywhere: neither costs a
    /// call. Names are compared without regard to case.
    ///
    /// # Errors
    /// [`Fault::NoSuchGroup`], or any other.
    pub(crate) async fn runner_group_id(&self, scope: &Scope, name: &str) -> Result<u64, CallError> {
        if matches!(scope, Scope::Repo { .. }) || name.eq_ignore_ascii_case("default") {
            return Ok(DEFAULT_GROUP);
        }
        let call = format!("look for runner group \"{}\" of {scope}", quote::printable(name));
        let first = self.url(scope, "/actions/runner-groups?per_page=100");
        let wanted = name.to_lowercase();
        self.first_on_pages(scope, first, |page: wire::GroupPage| {
            page.runner_groups.into_iter().find(|group| group.name.to_lowercase() == wanted).map(|group| group.id)
        })
        .await
        .and_then(|id| id.ok_or_else(|| Fault::NoSuchGroup(quote::printable(name))))
        .map_err(|fault| CallError::new(call, scope, fault))
    }

    /// Walks a paged list until `pick` finds something.
    async fn first_on_pages<P: DeserializeOwned, T>(
        &self,
        scope: &Scope,
        first: String,
        pick: impl Fn(P) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let mut url = first;
        for _ in 0..PAGES_AT_MOST {
            let answer = self.call(scope, Method::GET, url, None::<&()>).await?;
            if let Some(found) = pick(answer.parsed()?) {
                return Ok(Some(found));
            }
            match wire::next_page(&answer.headers) {
                None => return Ok(None),
                Some(next) => url = next.to_owned(),
            }
        }
        Err(Fault::Garbled { status: 200, message: "the list has no end".into() })
    }

    fn url(&self, scope: &Scope, rest: &str) -> String {
        self.address(&format!("{}{rest}", scope.path()))
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.api.as_str().trim_end_matches('/'))
    }
}
