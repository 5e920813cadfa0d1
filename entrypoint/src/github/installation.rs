//! What a credential sends: a token as it is, or an App's installation token, made when first needed and again when GitHub no longer
//! takes it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    Client,
    app::Signer,
    error::{CallError, Fault},
    quote::printable,
    scope::{Scope, encoded},
    secret::{Credential, SecretText},
    transport::Answer,
    wire,
};

/// Clocks that differ by less are no reason for a refusal.
const SKEW: i64 = 30;

/// What is not ours to decide: the time of day and chance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Senses {
    /// Seconds since 1970.
    pub(super) now: fn() -> i64,
    pub(super) random: fn() -> Result<[u8; 16], getrandom::Error>,
}

impl Default for Senses {
    fn default() -> Self {
        Self { now: time_of_day, random: bytes }
    }
}

#[expect(clippy::disallowed_methods, reason = "a signature is good for minutes of the time of day; tests bring their own clock")]
pub(super) fn time_of_day() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

fn bytes() -> Result<[u8; 16], getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

pub(super) enum Auth {
    Token(SecretText),
    App(Box<App>),
}

pub(super) struct App {
    signer: Signer,
    login: Option<String>,
    senses: Senses,
    /// GitHub's clock minus ours, in seconds, once a refusal made us look.
    offset: AtomicI64,
    minted: Mutex<Option<Minted>>,
}

/// Good for this scope only: a token is narrowed to what it is for.
struct Minted {
    scope: Scope,
    token: SecretText,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct InstallationToken {
    token: SecretText,
}

/// Body of `POST /app/installations/{id}/access_tokens`: no more rights than a runner's registration needs.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Narrowed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    repositories: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Permissions>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Permissions {
    Administration(Write),
    OrganizationSelfHostedRunners(Write),
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Write {
    Write,
}

fn narrowed(scope: &Scope) -> Narrowed<'_> {
    match scope {
        Scope::Repo { name, .. } => Narrowed { repositories: Some([name]), permissions: Some(Permissions::Administration(Write::Write)) },
        Scope::Org(_) => Narrowed { repositories: None, permissions: Some(Permissions::OrganizationSelfHostedRunners(Write::Write)) },
        // No permission is documented that opens an enterprise's runners to an App: ask for all the installation has.
        Scope::Enterprise(_) => Narrowed::default(),
    }
}

impl Auth {
    pub(super) fn new(call: &str, credential: Credential, senses: Senses) -> Result<Self, CallError> {
        Ok(match credential {
            Credential::Token(token) => Self::Token(token),
            Credential::App(app) => {
                let signer = Signer::new(&app.id, app.key.reveal()).map_err(|why| CallError::setup(call, why))?;
                Self::App(Box::new(App { signer, login: app.login, senses, offset: AtomicI64::new(0), minted: Mutex::default() }))
            }
        })
    }
}

impl App {
    fn sign(&self) -> Result<SecretText, Fault> {
        let unique = (self.senses.random)().map_err(|cause| Fault::Setup(format!("no randomness for the App's token: {cause}")))?;
        let now = (self.senses.now)() + self.offset.load(Ordering::Relaxed);
        self.signer.token(u64::try_from(now).unwrap_or(0), unique).map_err(Fault::Setup)
    }

    /// Where to ask for the installation, in this order.
    fn places(&self, scope: &Scope) -> Vec<String> {
        match &self.login {
            Some(login) => ["orgs", "users"].map(|kind| format!("/{kind}/{}/installation", encoded(login))).into(),
            None => vec![format!("{}/installation", scope.path())],
        }
    }
}

impl Client {
    /// Makes sure that there is a token for `scope`, so that the next call is one request. A plain token costs nothing.
    ///
    /// # Errors
    /// Any [`Fault`]; an App that is refused, not installed or without the right is a [`Fault`] of its own.
    pub(crate) async fn authenticate(&self, scope: &Scope) -> Result<(), CallError> {
        self.token(scope, None).await.map(drop).map_err(|fault| CallError::new(format!("get a token for {scope}"), scope, fault))
    }

    /// How far GitHub's clock is from ours, in seconds (positive: ours is behind), when that had to be corrected for.
    #[must_use]
    #[cfg(test)]
    pub(super) fn clock_off(&self) -> Option<i64> {
        match &*self.auth {
            Auth::Token(_) => None,
            Auth::App(app) => Some(app.offset.load(Ordering::Relaxed)).filter(|off| *off != 0),
        }
    }

    /// What the App may do where it is installed: the API's name of each permission and its level. Nothing is known of a token.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub(super) async fn permissions(&self, scope: &Scope) -> Result<BTreeMap<String, String>, Fault> {
        let Auth::App(app) = &*self.auth else { return Ok(BTreeMap::new()) };
        let found = self.installation(app, scope).await?.permissions;
        Ok(found.into_iter().map(|(name, level)| (printable(&name), printable(&level))).collect())
    }

    pub(super) fn can_renew(&self) -> bool {
        matches!(*self.auth, Auth::App(_))
    }

    /// The token for `scope`; never again `stale`, which GitHub refused.
    pub(super) async fn token(&self, scope: &Scope, stale: Option<&SecretText>) -> Result<SecretText, Fault> {
        let app = match &*self.auth {
            Auth::Token(token) => return Ok(token.clone()),
            Auth::App(app) => app,
        };
        // Held while a token is made: callers side by side need only one.
        let mut minted = app.minted.lock().await;
        if let Some(known) = &*minted
            && known.scope == *scope
            && Some(&known.token) != stale
        {
            return Ok(known.token.clone());
        }
        let token = self.mint(app, scope).await?;
        *minted = Some(Minted { scope: scope.clone(), token: token.clone() });
        Ok(token)
    }

    async fn mint(&self, app: &App, scope: &Scope) -> Result<SecretText, Fault> {
        let Installation { id, .. } = self.installation(app, scope).await?;
        let url = self.address(&format!("/app/installations/{id}/access_tokens"));
        let answer = self.as_app(app, Method::POST, url, Some(&narrowed(scope))).await?;
        match answer.status {
            200..=299 => answer.parsed::<InstallationToken>().map(|made| made.token),
            404 => Err(Fault::NotInstalled { app: app.signer.id().to_owned(), message: answer.complaint() }),
            // The App lacks a right that we ask for, or its installation leaves the repository out.
            422 => Err(Fault::NotGranted(answer.complaint())),
            _ => Err(answer.fault()),
        }
    }

    async fn installation(&self, app: &App, scope: &Scope) -> Result<Installation, Fault> {
        let mut message = String::new();
        for place in app.places(scope) {
            let answer = self.as_app(app, Method::GET, self.address(&place), None::<&()>).await?;
            match answer.status {
                200..=299 => return answer.parsed(),
                404 => message = answer.complaint(),
                _ => return Err(answer.fault()),
            }
        }
        Err(Fault::NotInstalled { app: app.signer.id().to_owned(), message })
    }

    /// A call with a signature instead of a token. A refusal beside a `Date` that is not ours is taken for a wrong clock here, once.
    async fn as_app<B: Serialize>(&self, app: &App, method: Method, url: String, body: Option<&B>) -> Result<Answer, Fault> {
        let mut corrected = false;
        loop {
            let answer = self.follow(method.clone(), url.clone(), body, &app.sign()?).await?;
            if answer.status != 401 {
                return Ok(answer);
            }
            let off = wire::date(&answer.headers).map(|theirs| theirs - (app.senses.now)());
            match off {
                Some(off) if !corrected && (off - app.offset.load(Ordering::Relaxed)).abs() > SKEW => {
                    app.offset.store(off, Ordering::Relaxed);
                    corrected = true;
                }
                _ => return Err(Fault::AppRefused { message: answer.complaint(), clock: off.filter(|off| off.abs() > SKEW) }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_with_no_more_than_its_scope_needs() {
        let cases = [
            (Scope::Repo { owner: "o".into(), name: "r".into() }, r#"{"repositories":["r"],"permissions":{"administration":"write"}}"#),
            (Scope::Org("o".into()), r#"{"permissions":{"organization_self_hosted_runners":"write"}}"#),
            (Scope::Enterprise("e".into()), "{}"),
        ];
        for (scope, body) in cases {
            assert_eq!(serde_json::to_string(&narrowed(&scope)).unwrap(), body);
        }
    }
}
