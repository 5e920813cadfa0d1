//! What GitHub answers: the rules of its REST API for self-hosted runners, as far as they are known.
//!
//! Owns status codes, messages and shapes; must not know how answers get lost or late.

use serde_json::{Value, json};

use super::blob;
use super::route::Scope;
use super::rules::Group;
use super::server::Asked;
use super::world::{NewRunner, Runner, World};
use super::{Route, Token, app, config_side, limits, token};

/// Longest runner name GitHub takes.
const NAME_LIMIT: usize = 64;
/// API versions the service knows.
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];
/// The newest runner; older ones get no job for long.
const NEWEST: &str = "2.336.0";

/// An answer before it becomes HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body.to_string()) }
    }

    pub(super) fn problem(status: u16, message: &str) -> Self {
        let body = json!({"message": message, "documentation_url": "https://docs.github.com/rest/actions/self-hosted-runners", "status": status.to_string()});
        Self::json(status, &body)
    }

    pub(super) fn not_found() -> Self {
        Self::problem(404, "Not Found")
    }
}

/// The answer to anything but a runner's own calls.
pub(super) fn answer(world: &mut World, asked: &Asked, root: &str, api: &str) -> Answer {
    let mut answer = judged(world, asked, root, api);
    token::sign(world, asked, &mut answer);
    answer
}

fn judged(world: &mut World, asked: &Asked, root: &str, api: &str) -> Answer {
    if asked.place.route == Route::Unknown {
        return Answer::not_found();
    }
    if asked.seen.header("user-agent").is_none() {
        return Answer::problem(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header");
    }
    if asked.seen.header("x-github-api-version").is_some_and(|version| !VERSIONS.contains(&version)) {
        return Answer::problem(400, "The requested API version is not supported");
    }
    if let Some(refusal) = limits::refusal(world, asked) {
        return refusal;
    }
    match asked.place.route {
        Route::Installation | Route::AccessTokens => return app::answer(world, asked),
        Route::RunnerRegistration | Route::RegisterRunner | Route::RemoveRunner => return config_side::answer(world, asked, root),
        _ => {}
    }
    let Some(scope) = asked.place.scope.clone() else { return Answer::not_found() };
    if let Err(refusal) = authorise(world, asked, &scope) {
        return refusal;
    }
    match asked.place.route {
        Route::GenerateJit => generate_jit(world, asked, scope, root).unwrap_or_else(|refusal| refusal),
        Route::RegistrationToken | Route::RemoveToken => config_side::hand_out(world, asked, scope),
        Route::Downloads => downloads(),
        Route::Deprecations => deprecations(asked),
        Route::ListRunners => list_runners(world, asked, &scope, api),
        Route::GetRunner => find(world, asked, &scope).map_or_else(Answer::not_found, |runner| Answer::json(200, &show(runner))),
        Route::DeleteRunner => delete(world, asked, &scope),
        Route::ListGroups => list_groups(world, asked, &scope, api),
        _ => Answer::not_found(),
    }
}

fn authorise(world: &World, asked: &Asked, scope: &Scope) -> Result<(), Answer> {
    let given = asked.seen.header("authorization").and_then(|value| value.split_once(' '));
    let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token"));
    if let Some(token) = given.and_then(|(_, secret)| app::living(world, secret)) {
        return token.permits(scope);
    }
    let token: Option<&Token> = given.and_then(|(_, secret)| world.rules.tokens.iter().find(|token| token.secret == secret));
    let token = token.filter(|token| !token::has_ended(world, token)).ok_or_else(|| Answer::problem(401, "Bad credentials"))?;
    if !token.accounts.iter().any(|account| account.eq_ignore_ascii_case(scope.account())) {
        return Err(Answer::not_found());
    }
    if !token.permitted {
        return Err(token::forbidden(scope, "personal access token"));
    }
    token::permits(world, token, scope, &asked.seen.method)
}

fn generate_jit(world: &mut World, asked: &Asked, scope: Scope, root: &str) -> Result<Answer, Answer> {
    let invalid = |why: String| Answer::problem(422, &format!("Invalid input: {why}"));
    if !asked.seen.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(invalid("the body must be application/json".into()));
    }
    let body: Value = serde_json::from_str(&asked.seen.body).map_err(|_| Answer::problem(400, "Problems parsing JSON"))?;
    for key in ["name", "runner_group_id", "labels"] {
        if body.get(key).is_none() {
            return Err(invalid(format!("object is missing required key: {key}")));
        }
    }
    let name = body["name"].as_str().ok_or_else(|| invalid("name must be a string".into()))?;
    let group = body["runner_group_id"].as_u64().ok_or_else(|| invalid("runner_group_id must be an integer".into()))?;
    let labels = body["labels"].as_array().ok_or_else(|| invalid("labels must be an array".into()))?;
    let labels: Option<Vec<String>> = labels.iter().map(|label| label.as_str().map(str::to_lowercase)).collect();
    let labels = labels.ok_or_else(|| invalid("labels must be strings".into()))?;
    let work_folder = body.get("work_folder").map_or(Some("_work"), Value::as_str);
    let work_folder = work_folder.ok_or_else(|| invalid("work_folder must be a string".into()))?;
    if labels.is_empty() || labels.len() > 100 {
        return Err(invalid("labels must have 1 to 100 items".into()));
    }
    if labels.iter().any(|label| label.is_empty() || label.chars().count() > 256) {
        return Err(invalid("a label must have 1 to 256 characters".into()));
    }
    if name.is_empty() || name.chars().count() > NAME_LIMIT {
        return Err(invalid(format!("name must have 1 to {NAME_LIMIT} characters")));
    }
    match world.rules.groups.iter().find(|known| known.id == group) {
        None => return Err(Answer::not_found()),
        Some(Group { ours: false, .. }) => return Err(Answer::problem(403, "Resource not accessible by integration")),
        Some(_) => {}
    }
    let siblings: Vec<&Runner> = world.runners.iter().filter(|runner| runner.scope == scope).collect();
    if siblings.iter().any(|runner| runner.name.eq_ignore_ascii_case(name)) {
        return Err(Answer::problem(409, "Already exists - A runner with the name *** already exists."));
    }
    let limit = world.rules.group_limit;
    if siblings.iter().filter(|runner| runner.group == group).count() >= limit {
        return Err(Answer::problem(422, &format!("Invalid Argument - Runner group {group} has reached max limit of {limit} runners.")));
    }
    let runner = world.register(NewRunner { scope, name, group, labels, ephemeral: true });
    let facts = blob::Facts { id: runner.id, name, group, work_folder, server: root, session_secret: &runner.session_secret };
    Ok(Answer::json(201, &json!({"runner": show(&runner), "encoded_jit_config": blob::encode(&facts)})))
}

fn find<'a>(world: &'a World, asked: &Asked, scope: &Scope) -> Option<&'a Runner> {
    world.runners.iter().find(|runner| Some(runner.id) == asked.place.id && runner.scope == *scope)
}

/// The refusal to touch a runner that has a job.
pub(super) fn busy(runner: &Runner) -> Answer {
    Answer::problem(422, &format!("Bad request - Runner \"{}\" is currently running a job and cannot be deleted.", runner.name))
}

pub(super) fn delete(world: &mut World, asked: &Asked, scope: &Scope) -> Answer {
    let Some(runner) = find(world, asked, scope) else { return Answer::not_found() };
    if runner.busy {
        return busy(runner);
    }
    let id = runner.id;
    world.runners.retain(|runner| runner.id != id);
    Answer::empty(204)
}

fn list_runners(world: &World, asked: &Asked, scope: &Scope, api: &str) -> Answer {
    let name = query(&asked.seen.path, "name");
    let found = world.runners.iter().filter(|runner| runner.scope == *scope);
    let found = found.filter(|runner| name.as_ref().is_none_or(|name| runner.name == *name));
    page(asked, "runners", &found.map(show).collect::<Vec<_>>(), api)
}

fn list_groups(world: &World, asked: &Asked, scope: &Scope, api: &str) -> Answer {
    let groups = world.rules.groups.iter().filter(|group| group.ours);
    let shown = groups.map(|group| {
        let runners = format!("{api}{}/actions/runner-groups/{}/runners", scope.path(), group.id);
        json!({"id": group.id, "name": group.name, "visibility": "all", "default": group.id == 1, "inherited": false,
               "allows_public_repositories": false, "restricted_to_workflows": false, "selected_workflows": [], "runners_url": runners})
    });
    page(asked, "runner_groups", &shown.collect::<Vec<_>>(), api)
}

fn page(asked: &Asked, key: &str, all: &[Value], api: &str) -> Answer {
    let number = |name: &str, default: usize| query(&asked.seen.path, name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let per_page = number("per_page", 30).clamp(1, 100);
    let current = number("page", 1).max(1);
    let last = all.len().div_ceil(per_page).max(1);
    let items: Vec<&Value> = all.iter().skip((current - 1) * per_page).take(per_page).collect();
    let mut body = json!({"total_count": all.len()});
    body[key] = json!(items);
    let mut answer = Answer::json(200, &body);
    let base = asked.seen.path.split('?').next().unwrap_or_default();
    // The prefix is already part of the path that was asked for.
    let host = api.split("/api/v3").next().unwrap_or(api);
    let link = |to: usize, rel: &str| format!("<{host}{base}?per_page={per_page}&page={to}>; rel=\"{rel}\"");
    let mut links = Vec::new();
    if current > 1 {
        links.push(link(current - 1, "prev"));
        links.push(link(1, "first"));
    }
    if current < last {
        links.push(link(current + 1, "next"));
        links.push(link(last, "last"));
    }
    if !links.is_empty() {
        answer.headers.push(("link".into(), links.join(", ")));
    }
    answer
}

fn show(runner: &Runner) -> Value {
    let labels: Vec<Value> = runner.labels.iter().map(|name| json!({"id": 0, "name": name, "type": "custom"})).collect();
    json!({
        "id": runner.id,
        "name": runner.name,
        "os": if runner.version.is_some() { "linux" } else { "unknown" },
        "status": if runner.online { "online" } else { "offline" },
        "busy": runner.busy,
        "labels": labels,
        "runner_group_id": runner.group,
        "ephemeral": runner.ephemeral,
        "version": runner.version,
    })
}

/// A query parameter, percent-decoded.
fn query(path: &str, name: &str) -> Option<String> {
    let (_, query) = path.split_once('?')?;
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let pair: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8(pair).ok()?;
                bytes.push(u8::from_str_radix(&digits, 16).ok()?);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The archives of the newest runner.
fn downloads() -> Answer {
    let archives = ["x64", "arm64", "arm"].map(|architecture| {
        let filename = format!("actions-runner-linux-{architecture}-{NEWEST}.tar.gz");
        json!({"os": "linux", "architecture": architecture, "filename": filename, "sha256_checksum": "0".repeat(64),
               "download_url": format!("https://github.com/actions/runner/releases/download/v{NEWEST}/{filename}")})
    });
    Answer::json(200, &json!(archives))
}

/// When a version of the runner stops being taken; the newest has no date yet.
fn deprecations(asked: &Asked) -> Answer {
    let number = |text: &str| text.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>().filter(|all| all.len() == 3);
    let version = asked.seen.path.rsplit('/').next().unwrap_or_default();
    let Some(version) = number(version) else { return Answer::not_found() };
    let old = Some(version) < number(NEWEST);
    let date = |old_date: &str| if old { json!(old_date) } else { Value::Null };
    let (registration, runtime) = (date("2026-09-25T00:00:00Z"), date("2026-10-25T00:00:00Z"));
    Answer::json(200, &json!({"registration_deprecates_at": registration, "runtime_deprecates_at": runtime}))
}
