//! Which of the known places a request goes to. Owns paths; must not know state.

use std::fmt;

/// What a runner belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `/repos/{owner}/{repo}`
    Repo {
        /// Account that owns the repository.
        owner: String,
        /// Repository without its owner.
        repo: String,
    },
    /// `/orgs/{org}`
    Org(String),
    /// `/enterprises/{slug}`
    Enterprise(String),
}

impl Scope {
    /// A repository given as `owner/repo`.
    ///
    /// # Panics
    /// When there is no slash.
    #[must_use]
    pub fn repo(full: &str) -> Self {
        let (owner, repo) = full.split_once('/').expect("owner/repo");
        Self::Repo { owner: owner.into(), repo: repo.into() }
    }

    /// The account whose tokens are good here: owner, organisation or enterprise.
    #[must_use]
    pub fn account(&self) -> &str {
        match self {
            Self::Repo { owner, .. } => owner,
            Self::Org(name) | Self::Enterprise(name) => name,
        }
    }

    /// The path prefix, without the address' own one.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Repo { owner, repo } => format!("/repos/{owner}/{repo}"),
            Self::Org(org) => format!("/orgs/{org}"),
            Self::Enterprise(slug) => format!("/enterprises/{slug}"),
        }
    }
}

/// A place that can be scripted and looked up in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `POST .../actions/runners/generate-jitconfig`
    GenerateJit,
    /// `POST .../actions/runners/registration-token`
    RegistrationToken,
    /// `POST .../actions/runners/remove-token`
    RemoveToken,
    /// `GET .../actions/runners`
    ListRunners,
    /// `GET .../actions/runners/{id}`
    GetRunner,
    /// `DELETE .../actions/runners/{id}`
    DeleteRunner,
    /// `GET .../actions/runner-groups`
    ListGroups,
    /// `GET .../actions/runners/downloads`
    Downloads,
    /// `GET .../actions/runners/deprecations/{version}`
    Deprecations,
    /// `GET /{repos/o/r|orgs/o|users/u|enterprises/e}/installation`
    Installation,
    /// `POST /app/installations/{id}/access_tokens`
    AccessTokens,
    /// `POST /actions/runner-registration`
    RunnerRegistration,
    /// `POST /actions/runners/register`
    RegisterRunner,
    /// `DELETE /actions/runners/{id}`, as `config.sh remove` asks
    RemoveRunner,
    /// `GET /_jit/...`: an address that somebody else gave out.
    Offer,
    /// The stand-in runner says that it is there.
    Connect,
    /// The stand-in runner asks for a job.
    Poll,
    /// The stand-in runner reports a job's end.
    Done,
    /// The stand-in runner deletes its session.
    Disconnect,
    /// Everything else.
    Unknown,
}

impl Route {
    /// GitHub's API, not what the stand-ins have among themselves.
    pub(super) fn is_api(self) -> bool {
        !matches!(self, Self::Connect | Self::Poll | Self::Done | Self::Disconnect | Self::Offer)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A path taken apart.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) route: Route,
    pub(super) scope: Option<Scope>,
    pub(super) id: Option<u64>,
}

/// Finds the place of a request; `prefix` is what stands before the API's own paths.
pub(super) fn place(method: &str, path: &str, prefix: &str) -> Place {
    let nowhere = Place { route: Route::Unknown, scope: None, id: None };
    let simple = |route| Place { route, ..nowhere.clone() };
    match (method, path) {
        ("POST", "/_runner/connect") => return simple(Route::Connect),
        ("POST", "/_runner/poll") => return simple(Route::Poll),
        ("POST", "/_runner/done") => return simple(Route::Done),
        ("POST", "/_runner/disconnect") => return simple(Route::Disconnect),
        _ => {}
    }
    if method == "GET" && path.starts_with("/_jit/") {
        return simple(Route::Offer);
    }
    // `config.sh` takes every host that is not github.com for a GitHub Enterprise Server.
    let of_config = path.strip_prefix("/api/v3").unwrap_or(path);
    match (method, of_config.trim_start_matches('/').split('/').collect::<Vec<_>>().as_slice()) {
        ("POST", ["actions", "runner-registration"]) => return simple(Route::RunnerRegistration),
        ("POST", ["actions", "runners", "register"]) => return simple(Route::RegisterRunner),
        ("DELETE", ["actions", "runners", id]) => {
            return id.parse().map_or(nowhere.clone(), |id| Place { route: Route::RemoveRunner, scope: None, id: Some(id) });
        }
        _ => {}
    }
    let Some(path) = path.strip_prefix(prefix) else { return nowhere };
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("POST", ["app", "installations", id, "access_tokens"]) => {
            return Place { route: Route::AccessTokens, scope: None, id: id.parse().ok() };
        }
        ("GET", ["repos", _, _, "installation"] | ["orgs" | "users" | "enterprises", _, "installation"]) => {
            return simple(Route::Installation);
        }
        _ => {}
    }
    let (scope, rest) = match parts.as_slice() {
        ["repos", owner, repo, rest @ ..] => (Scope::Repo { owner: (*owner).into(), repo: (*repo).into() }, rest),
        ["orgs", org, rest @ ..] => (Scope::Org((*org).into()), rest),
        ["enterprises", slug, rest @ ..] => (Scope::Enterprise((*slug).into()), rest),
        _ => return nowhere,
    };
    let in_repo = matches!(scope, Scope::Repo { .. });
    let (route, id) = match (method, rest) {
        ("POST", ["actions", "runners", "generate-jitconfig"]) => (Route::GenerateJit, None),
        ("POST", ["actions", "runners", "registration-token"]) => (Route::RegistrationToken, None),
        ("POST", ["actions", "runners", "remove-token"]) => (Route::RemoveToken, None),
        ("GET", ["actions", "runners"]) => (Route::ListRunners, None),
        ("GET", ["actions", "runners", "downloads"]) => (Route::Downloads, None),
        ("GET", ["actions", "runners", "deprecations", _]) => (Route::Deprecations, None),
        ("GET", ["actions", "runner-groups"]) if !in_repo => (Route::ListGroups, None),
        ("GET" | "DELETE", ["actions", "runners", id]) => match id.parse() {
            Ok(id) => (if method == "GET" { Route::GetRunner } else { Route::DeleteRunner }, Some(id)),
            Err(_) => return nowhere,
        },
        _ => return nowhere,
    };
    Place { route, scope: Some(scope), id }
}
