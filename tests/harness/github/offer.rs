//! JIT configurations that somebody else made, behind addresses that are good once. Not GitHub's: a fleet manager's.

use super::blob::{self, random_text};
use super::rest::Answer;
use super::route::Scope;
use super::server::Asked;
use super::world::{NewRunner, World};

/// Where a JIT configuration waits for its runner.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The address, with a secret in its query.
    pub url: String,
    /// What must be sent as `Authorization: Bearer`.
    pub bearer: String,
    /// The registered runner's number.
    pub id: u64,
}

#[derive(Debug)]
pub(super) struct Waiting {
    path: String,
    bearer: String,
    /// Empty when it was fetched.
    body: Option<String>,
}

/// Registers a runner and puts its configuration behind an address.
pub(super) fn make(world: &mut World, scope: &Scope, name: &str, as_json: bool, root: &str) -> Offer {
    let labels = vec!["self-hosted".to_owned()];
    let runner = world.register(NewRunner { scope: scope.clone(), name, group: 1, labels, ephemeral: true });
    let facts = blob::Facts { id: runner.id, name, group: 1, work_folder: "_work", server: root, session_secret: &runner.session_secret };
    let encoded = blob::encode(&facts);
    let body = if as_json { serde_json::json!({"encoded_jit_config": encoded}).to_string() } else { format!("{encoded}\n") };
    let (path, bearer) = (format!("/_jit/{}?signature={}", runner.id, random_text(40)), random_text(60));
    world.waiting.push(Waiting { path: path.clone(), bearer: bearer.clone(), body: Some(body) });
    Offer { url: format!("{root}{path}"), bearer, id: runner.id }
}

/// 200 once, 410 after; 401 without its bearer, which costs nothing; 404 elsewhere.
pub(super) fn answer(world: &mut World, asked: &Asked) -> Answer {
    let Some(waiting) = world.waiting.iter_mut().find(|waiting| waiting.path == asked.seen.path) else { return Answer::not_found() };
    if asked.seen.header("authorization") != Some(&format!("Bearer {}", waiting.bearer)) {
        return Answer::problem(401, "this is not yours");
    }
    match waiting.body.take() {
        None => Answer::problem(410, "this was fetched already"),
        Some(body) => {
            let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
            Answer { status: 200, headers: vec![("content-type".into(), kind.into())], body: Some(body) }
        }
    }
}
