//! What `config.sh` asks with a registration or remove token (actions/runner, `ConfigurationManager.cs`, `RunnerDotcomServer.cs`).
//!
//! The paths and the scheme `RemoteAuth` are GitHub's. Ours is that a group goes by its name and that replacing is a key of the body,
//! which saves the stand-in look-ups.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::blob::random_text;
use super::clock;
use super::rest::{self, Answer};
use super::route::{Route, Scope};
use super::server::Asked;
use super::world::{NewRunner, World};

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Register,
    Remove,
}

/// A token for `config.sh`.
#[derive(Debug)]
pub(super) struct ConfigToken {
    secret: String,
    scope: Scope,
    purpose: Purpose,
    pub(super) expires: Instant,
}

/// `registration-token` and `remove-token`, for who may administer runners.
pub(super) fn hand_out(world: &mut World, asked: &Asked, scope: Scope) -> Answer {
    let purpose = if asked.place.route == Route::RemoveToken { Purpose::Remove } else { Purpose::Register };
    let life = world.rules.config_token_lifetime;
    let secret = random_text(29).to_uppercase();
    let answer = json!({"token": secret, "expires_at": clock::text(&world.rules, life)});
    world.config_tokens.push(ConfigToken { secret, scope, purpose, expires: Instant::now() + life });
    Answer::json(201, &answer)
}

/// The calls of `config.sh`.
pub(super) fn answer(world: &mut World, asked: &Asked, root: &str) -> Answer {
    let given = asked.seen.header("authorization").and_then(|value| value.split_once(' '));
    let token = given
        .filter(|(scheme, _)| *scheme == "RemoteAuth")
        .and_then(|(_, secret)| world.config_tokens.iter().find(|token| token.secret == secret && token.expires > Instant::now()));
    // To who has no good token the address does not exist.
    let Some(token) = token else { return Answer::not_found() };
    let (scope, purpose) = (token.scope.clone(), token.purpose);
    let body = asked.seen.json();
    if asked.place.route != Route::RemoveRunner && body["url"].as_str().and_then(scope_of) != Some(scope.clone()) {
        return Answer::not_found();
    }
    match (asked.place.route, purpose) {
        (Route::RunnerRegistration, _) => {
            // A registration token removes as well: every shell entrypoint in use removes its runner with the token that made it.
            let good: &[&str] = if purpose == Purpose::Register { &["register", "remove"] } else { &["remove"] };
            if !good.iter().any(|event| body["runner_event"] == **event) {
                return Answer::not_found();
            }
            Answer::json(200, &json!({"url": root, "token": random_text(900), "token_schema": "OAuthAccessToken", "use_v2_flow": true}))
        }
        (Route::RegisterRunner, Purpose::Register) => register(world, &body, scope, root).unwrap_or_else(|refusal| refusal),
        (Route::RemoveRunner, _) => rest::delete(world, asked, &scope),
        _ => Answer::not_found(),
    }
}

fn register(world: &mut World, body: &Value, scope: Scope, root: &str) -> Result<Answer, Answer> {
    let invalid = |why: &str| Answer::problem(422, &format!("Invalid input: {why}"));
    let name = body["name"].as_str().filter(|name| !name.is_empty()).ok_or_else(|| invalid("name is missing"))?;
    let group_name = body["group"].as_str().unwrap_or("Default");
    let group = world.rules.groups.iter().find(|group| group.ours && group.name.eq_ignore_ascii_case(group_name));
    let group = group.ok_or_else(|| invalid("there is no such runner group"))?.id;
    let labels = body["labels"].as_array().into_iter().flatten().filter_map(|label| label.as_str().map(str::to_lowercase)).collect();
    let same = |world: &World| world.runners.iter().position(|runner| runner.scope == scope && runner.name.eq_ignore_ascii_case(name));
    if let Some(taken) = same(world) {
        if body["replace"] != true {
            return Err(Answer::problem(409, "Already exists - A runner with the name *** already exists."));
        }
        if world.runners[taken].busy {
            return Err(rest::busy(&world.runners[taken]));
        }
        world.runners.remove(taken);
    }
    let ephemeral = body["ephemeral"] == true;
    let runner = world.register(NewRunner { scope, name, group, labels, ephemeral });
    let authorization = json!({"authorization_url": format!("{root}/_runner/oauth/{}", random_text(100)), "server_url": root,
                               "client_id": runner.session_secret});
    Ok(Answer::json(200, &json!({"id": runner.id, "name": runner.name, "authorization": authorization})))
}

/// What a page's address names.
fn scope_of(url: &str) -> Option<Scope> {
    let path = url.split_once("://")?.1.split_once('/')?.1.trim_end_matches('/');
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["enterprises", slug] => Some(Scope::Enterprise((*slug).into())),
        [org] if !org.is_empty() => Some(Scope::Org((*org).into())),
        [owner, repo] => Some(Scope::Repo { owner: (*owner).into(), repo: (*repo).into() }),
        _ => None,
    }
}

/// The life of registration and remove tokens.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
