//! A look at what a credential may do, without registering anything.
//!
//! To list runners needs a smaller right than to register one, so the look asks for what a start asks for, in a way that GitHub must refuse:
//! `generate-jitconfig` with no label at all. Who lacks the right gets 403 or 404; who has it gets 422 for the labels. What is not
//! promised anywhere is that GitHub judges the right before the labels; should it ever be the other way round, the scopes of a classic
//! token and the permissions of an App's installation still tell, because they are read from what GitHub says of itself. A server that
//! takes the request made a runner, which is deleted at once.
//!
//! A registration token is looked at with the first of the two calls of `config.sh`, which gives a session and registers nobody.

use std::collections::BTreeMap;

use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Client, DEFAULT_GROUP, Deleted, Endpoint, RunnerId, RunnerName,
    error::{CallError, Fault},
    installation::time_of_day,
    scope::Scope,
    secret::SecretText,
    transport::{Answer, exchange},
    wire,
};

/// The name that the request bears. It registers nobody, but a person may find it in an audit log.
pub(crate) const NAME: &str = "runner-entrypoint-check";

/// Which call of a start is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A runner just in time.
    Jit,
    /// A registration token for `config.sh`. That is really made, lives an hour, and is dropped.
    Token,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Look {
    /// Whether a runner may be registered.
    pub(crate) right: Result<(), CallError>,
    /// Whether runners may be looked at; asked only when they may not be registered.
    pub(crate) may_read: Option<bool>,
    /// What the credential turned out to be.
    pub(crate) holder: Holder,
    /// The account wants the token to be authorised for its single sign-on.
    pub(crate) wants_sign_on: bool,
    /// When the token ends, in seconds from now.
    pub(crate) expires_in: Option<i64>,
    /// What is left of the hour.
    pub(crate) quota: Option<Quota>,
    /// GitHub's clock minus ours, in seconds.
    pub(crate) clock: Option<i64>,
    /// A runner that a strange server made of the request, and what became of it.
    pub(crate) made: Option<Result<Deleted, CallError>>,
}

/// Who bears a right, as far as GitHub tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A classic token with these scopes.
    Classic(Vec<String>),
    /// An App whose installation has these permissions, each with its level; `None` if it could not be asked.
    App(Option<BTreeMap<String, String>>),
    /// A fine-grained token, or a server that does not say.
    Token,
}

/// Calls of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) left: u64,
    pub(crate) limit: u64,
    /// Seconds until it is full again.
    pub(crate) full_in: u64,
}

impl Client {
    /// Looks whether a runner may be registered in `scope`.
    pub(crate) async fn look(&self, scope: &Scope, way: Way) -> Look {
        let call = format!("ask whether runners may be registered for {scope}");
        let mut holder = Holder::Token;
        if self.can_renew() {
            holder = Holder::App(self.permissions(scope).await.ok());
        }
        let answer = match self.try_way(scope, way).await {
            Ok(answer) => answer,
            Err(fault) => return Look::without_answer(holder, CallError::new(call, scope, fault)),
        };
        let made = match way {
            Way::Jit if (200..300).contains(&answer.status) => Some(self.undo(scope, &answer).await),
            _ => None,
        };
        let right = match (way, answer.status) {
            (_, 200..=299) => Ok(()),
            (Way::Jit, 422) if !matches!(answer.fault(), Fault::GroupFull(_)) => Ok(()),
            _ => Err(CallError::new(call, scope, answer.fault())),
        };
        let refused = right.as_ref().is_err_and(|error| matches!(error.fault(), Fault::Forbidden { .. } | Fault::NotFound(_)));
        let may_read = if refused { Some(self.find_runner(scope, &RunnerName::new(NAME)).await.is_ok()) } else { None };
        if let (Holder::Token, Some(scopes)) = (&holder, scopes(&answer.headers)) {
            holder = Holder::Classic(scopes);
        }
        let now = time_of_day();
        Look {
            right,
            may_read,
            holder,
            wants_sign_on: answer
                .headers
                .get("x-github-sso")
                .and_then(|value| value.to_str().ok())
                .is_some_and(|sso| sso.starts_with("required")),
            expires_in: wire::text(&answer.headers, "github-authentication-token-expiration").and_then(expiration).map(|ends| ends - now),
            quota: quota(&answer.headers),
            clock: wire::date(&answer.headers).map(|theirs| theirs - now),
            made,
        }
    }

    async fn try_way(&self, scope: &Scope, way: Way) -> Result<Answer, Fault> {
        let token = self.token(scope, None).await?;
        match way {
            Way::Jit => {
                let body = wire::JitRequest { name: NAME, runner_group_id: DEFAULT_GROUP, labels: &[], work_folder: "_work" };
                self.follow(Method::POST, self.url(scope, "/actions/runners/generate-jitconfig"), Some(&body), &token).await
            }
            Way::Token => self.follow(Method::POST, self.url(scope, "/actions/runners/registration-token"), None::<&()>, &token).await,
        }
    }

    async fn undo(&self, scope: &Scope, answer: &Answer) -> Result<Deleted, CallError> {
        let made: wire::JitAnswer = answer.parsed().map_err(|fault| CallError::new("read the answer to a look", scope, fault))?;
        self.delete_runner(scope, RunnerId(made.runner.id)).await
    }
}

impl Look {
    fn without_answer(holder: Holder, error: CallError) -> Self {
        let clock = match error.fault() {
            Fault::AppRefused { clock, .. } => *clock,
            _ => None,
        };
        Self { right: Err(error), may_read: None, holder, wants_sign_on: false, expires_in: None, quota: None, clock, made: None }
    }
}

/// Whether `config.sh` could register with this token at the target whose page this is.
///
/// # Errors
/// Any [`Fault`].
pub(crate) async fn try_registration_token(endpoint: &Endpoint, scope: &Scope, token: &SecretText, page: &str) -> Result<(), CallError> {
    #[derive(Serialize)]
    struct Event<'a> {
        url: &'a str,
        runner_event: &'a str,
    }
    const CALL: &str = "try the registration token";
    let api = endpoint.address(CALL)?;
    let http = endpoint.connection(CALL, api.scheme())?;
    let wrong = |fault| CallError::new(format!("{CALL} for {scope}"), scope, fault);
    let text = Zeroizing::new(format!("RemoteAuth {}", token.reveal()));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| wrong(Fault::Unauthorized("the token holds characters that no header can carry, not sent".into())))?;
    value.set_sensitive(true);
    let url = format!("{}/actions/runner-registration", api.as_str().trim_end_matches('/'));
    let request = http.post(url).header(AUTHORIZATION, value).json(&Event { url: page, runner_event: "register" });
    let answer = exchange(request).await.map_err(wrong)?;
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(wrong(answer.fault())) }
}

/// The scopes of a classic token; other credentials have no such header.
fn scopes(headers: &HeaderMap) -> Option<Vec<String>> {
    let listed = wire::text(headers, "x-oauth-scopes")?;
    Some(listed.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(super::quote::printable).collect())
}

fn quota(headers: &HeaderMap) -> Option<Quota> {
    let number = |name| wire::text(headers, name)?.trim().parse::<u64>().ok();
    let now = u64::try_from(wire::date(headers)?).ok()?;
    let full_in = number("x-ratelimit-reset")?.saturating_sub(now);
    Some(Quota { left: number("x-ratelimit-remaining")?, limit: number("x-ratelimit-limit")?, full_in })
}

/// Seconds since 1970 of `2026-12-31 10:00:00 UTC`, or with an offset as in `-0800`.
fn expiration(text: &str) -> Option<i64> {
    let (day, rest) = text.trim().split_once(' ')?;
    let (clock, zone) = rest.split_once(' ')?;
    let utc = humantime::parse_rfc3339(&format!("{day}T{clock}Z")).ok()?;
    let utc = i64::try_from(utc.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let ahead = match zone {
        "UTC" | "GMT" | "Z" => 0,
        _ => {
            let (sign, digits) = zone.split_at_checked(1)?;
            let (hours, minutes) = digits.split_at_checked(2)?;
            let minutes = hours.parse::<u16>().ok()? * 60 + minutes.trim_start_matches(':').parse::<u16>().ok()?;
            let seconds = i64::from(minutes) * 60;
            if sign == "-" { -seconds } else { seconds }
        }
    };
    Some(utc - ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_in_every_zone() {
        for (text, expected) in [
            ("1994-11-06 08:49:37 UTC", Some(784_111_777)),
            ("1994-11-06 00:49:37 -0800", Some(784_111_777)),
            ("1994-11-06 14:19:37 +05:30", Some(784_111_777)),
            ("1994-11-06", None),
            ("1994-11-06 08:49:37", None),
            ("soon at noon", None),
            ("1994-11-06 08:49:37 +é", None),
        ] {
            assert_eq!(expiration(text), expected, "{text}");
        }
    }

    #[test]
    fn scopes_are_those_of_a_classic_token_and_of_no_other() {
        let of = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert("x-oauth-scopes", HeaderValue::from_static(value));
            }
            scopes(&headers)
        };
        assert_eq!(of(None), None);
        assert_eq!(of(Some("")), Some(vec![]));
        assert_eq!(of(Some("repo, admin:org")), Some(vec!["repo".to_owned(), "admin:org".to_owned()]));
    }
}
