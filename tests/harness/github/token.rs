//! What GitHub tells of a token in the headers of every answer, and what a token of each kind may do.
//!
//! A classic token has scopes and shows them; one without the scope does not see the place at all. A fine-grained token has permissions that
//! may be for reading alone, and a refusal names the permission that would have been enough. Either may have an end.

use super::clock;
use super::rest::Answer;
use super::route::Scope;
use super::rules::{Rules, Token};
use super::server::Asked;
use super::world::World;

/// What is special about a token.
#[derive(Debug, Clone, Default)]
pub struct Traits {
    /// It is a classic one with these scopes.
    pub scopes: Option<Vec<String>>,
    /// It is a fine-grained one that may only look.
    pub only_reads: bool,
    /// Seconds until it ends; it has ended if that is negative.
    pub ends_in: Option<i64>,
}

impl Rules {
    /// Adds a classic token with these scopes.
    #[must_use]
    pub fn with_classic_token(self, secret: &str, account: &str, scopes: &[&str]) -> Self {
        let scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
        self.with_special(secret, account, Traits { scopes, ..Traits::default() })
    }

    /// Adds a fine-grained token that may look at runners and change none.
    #[must_use]
    pub fn with_reading_token(self, secret: &str, account: &str) -> Self {
        self.with_special(secret, account, Traits { only_reads: true, ..Traits::default() })
    }

    /// Adds a good token that ends, or has ended, so many seconds from now.
    #[must_use]
    pub fn with_ending_token(self, secret: &str, account: &str, seconds: i64) -> Self {
        self.with_special(secret, account, Traits { ends_in: Some(seconds), ..Traits::default() })
    }

    fn with_special(mut self, secret: &str, account: &str, traits: Traits) -> Self {
        self.traits.insert(secret.into(), traits);
        self.with_token(Token { secret: secret.into(), accounts: vec![account.into()], permitted: true })
    }
}

/// The scopes of a classic token that open the runners of a place.
fn scopes_for(scope: &Scope) -> &'static [&'static str] {
    match scope {
        Scope::Repo { .. } => &["repo"],
        Scope::Org(_) => &["admin:org"],
        Scope::Enterprise(_) => &["manage_runners:enterprise", "admin:enterprise"],
    }
}

/// The permission that opens them to anybody else, as the header names it.
fn permission_for(scope: &Scope) -> &'static str {
    if matches!(scope, Scope::Repo { .. }) { "administration=write" } else { "organization_self_hosted_runners=write" }
}

/// The refusal of who has a permission too few.
pub(super) fn forbidden(scope: &Scope, bearer: &str) -> Answer {
    let mut refusal = Answer::problem(403, &format!("Resource not accessible by {bearer}"));
    refusal.headers.push(("x-accepted-github-permissions".into(), permission_for(scope).into()));
    refusal
}

/// Whether it was good once.
pub(super) fn has_ended(world: &World, token: &Token) -> bool {
    world.rules.traits.get(&token.secret).is_some_and(|traits| traits.ends_in.is_some_and(|left| left < 0))
}

/// Whether a known token's traits let this call through.
pub(super) fn permits(world: &World, token: &Token, scope: &Scope, method: &str) -> Result<(), Answer> {
    let Some(traits) = world.rules.traits.get(&token.secret) else { return Ok(()) };
    if let Some(scopes) = &traits.scopes
        && !scopes_for(scope).iter().any(|enough| scopes.iter().any(|has| has == enough))
    {
        return Err(Answer::not_found());
    }
    if traits.only_reads && method != "GET" { Err(forbidden(scope, "personal access token")) } else { Ok(()) }
}

/// Puts on an answer what GitHub tells its bearer about the token.
pub(super) fn sign(world: &World, asked: &Asked, answer: &mut Answer) {
    let bearer = asked.seen.header("authorization").and_then(|value| value.split_once(' ')).map_or("", |(_, secret)| secret);
    let Some(traits) = world.rules.traits.get(bearer) else { return };
    if traits.ends_in.is_some_and(|left| left < 0) {
        return;
    }
    if let Some(scopes) = &traits.scopes {
        answer.headers.push(("x-oauth-scopes".into(), scopes.join(", ")));
        if let Some(scope) = &asked.place.scope {
            answer.headers.push(("x-accepted-oauth-scopes".into(), scopes_for(scope).join(", ")));
        }
    }
    if let Some(left) = traits.ends_in.and_then(|left| u64::try_from(left).ok()) {
        let text = clock::text(&world.rules, std::time::Duration::from_secs(left));
        let text = text.replace('T', " ").replace('Z', " UTC");
        answer.headers.push(("github-authentication-token-expiration".into(), text));
    }
}
