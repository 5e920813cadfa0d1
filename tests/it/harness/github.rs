//! The GitHub stand-in's rules, seen by a raw client.

use std::time::{Duration, Instant};

use runner_tests::github::{GitHub, Job, Route, Rules, Scope, SecondaryLimit, Step, Token};
use runner_tests::http::{Answer, Request};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);

struct Client {
    github: GitHub,
    token: String,
}

impl Client {
    fn new(rules: Rules) -> Self {
        let token = rules.token();
        Self { github: GitHub::start(rules), token }
    }

    fn ask(&self, method: &str, path: &str) -> Request {
        Request::new(method, format!("{}{path}", self.github.url()))
            .header("Authorization", &format!("Bearer {}", self.token))
            .header("User-Agent", "raw")
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send().unwrap()
    }

    fn jit_request(&self, scope: &str, body: &Value) -> Request {
        self.ask("POST", &format!("{scope}/actions/runners/generate-jitconfig")).json(body)
    }

    fn jit(&self, scope: &str, name: &str) -> Answer {
        self.jit_request(scope, &good(name)).send().unwrap()
    }

    /// A runner's own call.
    fn runner(&self, call: &str, registered: &Answer, extra: Value) -> Answer {
        let (id, secret) = session(registered);
        let mut body = json!({"agent_id": id, "secret": secret, "version": "2.336.0"});
        body.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
        Request::new("POST", format!("{}/_runner/{call}", self.github.url())).json(&body).send().unwrap()
    }
}

fn good(name: &str) -> Value {
    json!({"name": name, "runner_group_id": 1, "labels": ["self-hosted", "Linux"], "work_folder": "_work"})
}

fn decode(text: &str) -> Value {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn file(registered: &Answer, name: &str) -> Value {
    decode(decode(registered.json()["encoded_jit_config"].as_str().unwrap())[name].as_str().unwrap())
}

fn session(registered: &Answer) -> (u64, String) {
    let id = file(registered, ".runner")["AgentId"].as_str().unwrap().parse().unwrap();
    (id, file(registered, ".credentials")["Data"]["ClientId"].as_str().unwrap().to_owned())
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_registration_has_labels_as_sent_in_lower_case_and_none_added() {
    let client = Client::new(Rules::for_account("acme"));
    let answer = client.jit("/repos/acme/widgets", "one");
    assert_eq!(answer.status, 201);
    let runner = &answer.json()["runner"];
    let labels: Vec<&str> = runner["labels"].as_array().unwrap().iter().map(|label| label["name"].as_str().unwrap()).collect();
    assert_eq!(labels, ["self-hosted", "linux"]);
    assert_eq!((&runner["os"], &runner["status"], &runner["version"]), (&json!("unknown"), &json!("offline"), &Value::Null));
    assert_eq!(client.github.registered().len(), 1);
}

#[test]
fn the_blob_holds_three_files_and_is_as_long_as_real_ones() {
    let client = Client::new(Rules::for_account("acme"));
    let answer = client.jit("/orgs/acme", "one");
    let blob = answer.json()["encoded_jit_config"].as_str().unwrap().to_owned();
    assert!((4_000..10_000).contains(&blob.len()), "{} characters", blob.len());
    let files: Vec<String> = decode(&blob).as_object().unwrap().keys().cloned().collect();
    assert_eq!(files, [".credentials", ".credentials_rsaparams", ".runner"]);
    assert_eq!(file(&answer, ".runner")["AgentId"], json!(answer.json()["runner"]["id"].to_string()));
    assert_eq!(file(&answer, ".runner")["ServerUrl"], json!(client.github.url()));
}

#[test]
fn tokens_are_known_permitted_and_at_home_or_refused_in_three_ways() {
    let rules = Rules::for_account("acme")
        .with_token(Token { secret: "weak-token".into(), accounts: vec!["acme".into()], permitted: false })
        .with_token(Token { secret: "other-token".into(), accounts: vec!["other".into()], permitted: true });
    let mut client = Client::new(rules);
    let path = "/orgs/acme/actions/runners";
    assert_eq!(client.get(path).status, 200);
    for (token, status, text) in
        [("nonsense", 401, "Bad credentials"), ("weak-token", 403, "Resource not"), ("other-token", 404, "Not Found")]
    {
        client.token = token.into();
        let answer = client.get(path);
        assert_eq!(answer.status, status);
        assert!(message(&answer).starts_with(text), "{answer:?}");
    }
    let bare = Request::new("GET", format!("{}{path}", client.github.url())).header("User-Agent", "raw").send().unwrap();
    assert_eq!(bare.status, 401);
}

#[test]
fn a_token_of_each_kind_says_what_it_is_and_may_do_what_its_kind_may() {
    let rules = Rules::for_account("acme")
        .with_classic_token("classic", "acme", &["repo", "gist"])
        .with_reading_token("reading", "acme")
        .with_ending_token("ending", "acme", 86_400)
        .with_ending_token("ended", "acme", -1);
    let mut client = Client::new(rules);
    let refused =
        |client: &Client, scope: &str| client.jit_request(scope, &json!({"name": "x", "runner_group_id": 1, "labels": []})).send().unwrap();
    client.token = "classic".into();
    let answer = refused(&client, "/repos/acme/widgets");
    assert_eq!((answer.status, answer.header("x-oauth-scopes")), (422, Some("repo, gist")), "the right is judged before the labels");
    let answer = refused(&client, "/orgs/acme");
    assert_eq!(
        (answer.status, answer.header("x-oauth-scopes"), answer.header("x-accepted-oauth-scopes")),
        (404, Some("repo, gist"), Some("admin:org"))
    );
    client.token = "reading".into();
    assert_eq!(client.get("/orgs/acme/actions/runners").status, 200);
    let answer = refused(&client, "/orgs/acme");
    let named = answer.header("x-accepted-github-permissions");
    assert_eq!((answer.status, named, answer.header("x-oauth-scopes")), (403, Some("organization_self_hosted_runners=write"), None));
    client.token = "ending".into();
    let answer = client.get("/orgs/acme/actions/runners");
    assert!(
        answer.header("github-authentication-token-expiration").is_some_and(|ends| ends.ends_with(" UTC") && ends.len() == 23),
        "{answer:?}"
    );
    client.token = "ended".into();
    assert_eq!((client.get("/orgs/acme/actions/runners").status, client.github.registered().len()), (401, 0));
}

#[test]
fn a_body_that_breaks_a_rule_is_refused_and_registers_nothing() {
    let client = Client::new(Rules::for_account("acme").with_group("big"));
    let with = |key: &str, value: Value| {
        let mut body = good("one");
        body[key] = value;
        body
    };
    let without = |key: &str| {
        let mut body = good("one");
        body.as_object_mut().unwrap().remove(key);
        body
    };
    let many: Vec<String> = (0..101).map(|n| format!("label-{n}")).collect();
    let cases = [
        (without("name"), 422),
        (without("runner_group_id"), 422),
        (without("labels"), 422),
        (with("labels", json!([])), 422),
        (with("labels", json!(many)), 422),
        (with("labels", json!([7])), 422),
        (with("runner_group_id", json!("1")), 422),
        (with("name", json!("n".repeat(65))), 422),
        (with("runner_group_id", json!(2)), 403),
        (with("runner_group_id", json!(99)), 404),
    ];
    for (body, status) in cases {
        assert_eq!(client.jit_request("/orgs/acme", &body).send().unwrap().status, status, "{body}");
    }
    let text = client.ask("POST", "/orgs/acme/actions/runners/generate-jitconfig").body(good("one").to_string());
    assert_eq!(text.send().unwrap().status, 422);
    client.github.assert_nobody_registered();
    assert_eq!(client.jit_request("/orgs/acme", &with("runner_group_id", json!(3))).send().unwrap().status, 201);
}

#[test]
fn a_name_is_unique_in_its_scope_while_registered() {
    let client = Client::new(Rules::for_account("acme"));
    assert_eq!(client.jit("/orgs/acme", "one").status, 201);
    let again = client.jit("/orgs/acme", "one");
    assert_eq!((again.status, message(&again).as_str()), (409, "Already exists - A runner with the name *** already exists."));
    assert_eq!(client.jit("/repos/acme/widgets", "one").status, 201);
}

#[test]
fn a_full_group_takes_no_more() {
    let mut rules = Rules::for_account("acme");
    rules.group_limit = 1;
    let client = Client::new(rules);
    assert_eq!(client.jit("/orgs/acme", "one").status, 201);
    let refused = client.jit("/orgs/acme", "two");
    assert_eq!(refused.status, 422);
    assert!(message(&refused).contains("max limit of 1 runners"));
}

#[test]
fn deleting_answers_204_once_and_404_after() {
    let client = Client::new(Rules::for_account("acme"));
    let id = client.jit("/orgs/acme", "one").json()["runner"]["id"].clone();
    let path = format!("/orgs/acme/actions/runners/{id}");
    let statuses: Vec<u16> = (0..2).map(|_| client.ask("DELETE", &path).send().unwrap().status).collect();
    assert_eq!(statuses, [204, 404]);
    assert_eq!(client.get(&path).status, 404);
}

#[test]
fn a_busy_runner_can_not_be_deleted_until_the_delay_after_its_job() {
    let client = Client::new(Rules::for_account("acme").removal_delay(Duration::from_millis(300)));
    let registered = client.jit("/orgs/acme", "one");
    let path = format!("/orgs/acme/actions/runners/{}", registered.json()["runner"]["id"]);
    client.github.queue_job(Job::new("build", "true"));
    client.runner("connect", &registered, json!({}));
    assert_eq!(client.runner("poll", &registered, json!({})).json()["job"]["name"], json!("build"));
    let refused = client.ask("DELETE", &path).send().unwrap();
    assert_eq!(refused.status, 422);
    assert!(message(&refused).ends_with("is currently running a job and cannot be deleted."));
    assert_eq!(client.runner("done", &registered, json!({"job": "build", "result": "Succeeded"})).status, 204);
    assert_eq!(client.ask("DELETE", &path).send().unwrap().status, 422);
    assert_eq!(client.jit("/orgs/acme", "one").status, 409);
    client.github.wait_for("removal", SOON, |github| github.registered().is_empty());
    assert_eq!(client.ask("DELETE", &path).send().unwrap().status, 404);
}

#[test]
fn a_job_goes_to_nobody_whose_registration_is_gone() {
    let client = Client::new(Rules::for_account("acme"));
    let registered = client.jit("/orgs/acme", "one");
    client.runner("connect", &registered, json!({}));
    client.github.forget(client.github.registered()[0].id);
    client.github.queue_job(Job::new("build", "true"));
    assert_eq!(client.runner("poll", &registered, json!({})).status, 410);
    assert_eq!(client.github.queued(), 1);
}

#[test]
fn lists_filter_by_exact_name_and_page_with_links() {
    let client = Client::new(Rules::for_account("acme"));
    let scope = Scope::Org("acme".into());
    for n in 0..120 {
        client.github.plant(&scope, &format!("runner-{n}"));
    }
    let found = client.get("/orgs/acme/actions/runners?name=runner-1").json();
    assert_eq!((found["total_count"].as_u64(), found["runners"][0]["name"].as_str()), (Some(1), Some("runner-1")));
    assert_eq!(client.get("/orgs/acme/actions/runners?name=runner%2D119").json()["total_count"], json!(1));
    let length = |path: &str| client.get(path).json()["runners"].as_array().unwrap().len();
    assert_eq!(length("/orgs/acme/actions/runners"), 30);
    assert_eq!(length("/orgs/acme/actions/runners?per_page=500"), 100);
    assert_eq!(length("/orgs/acme/actions/runners?per_page=100&page=2"), 20);
    let first = client.get("/orgs/acme/actions/runners?per_page=100");
    let link = first.header("link").unwrap();
    assert!(link.contains("&page=2>; rel=\"next\""), "{link}");
    let next = link.split(['<', '>']).nth(1).unwrap();
    assert!(next.starts_with(&client.github.url()), "{next}");
}

#[test]
fn groups_exist_for_organisations_and_enterprises_only() {
    let client = Client::new(Rules::for_account("acme").with_group("big"));
    for scope in ["/orgs/acme", "/enterprises/acme"] {
        let groups = client.get(&format!("{scope}/actions/runner-groups")).json();
        assert_eq!(
            groups["runner_groups"][1],
            client.get(&format!("{scope}/actions/runner-groups?per_page=1&page=2")).json()["runner_groups"][0]
        );
        assert_eq!(groups["runner_groups"][1]["name"], json!("big"));
    }
    assert_eq!(client.get("/repos/acme/widgets/actions/runner-groups").status, 404);
}

#[test]
fn tokens_for_classic_registration_live_an_hour() {
    let client = Client::new(Rules::for_account("acme"));
    for kind in ["registration-token", "remove-token"] {
        let answer = client.ask("POST", &format!("/orgs/acme/actions/runners/{kind}")).send().unwrap();
        assert_eq!(answer.status, 201);
        assert!(answer.json()["expires_at"].as_str().unwrap().ends_with('Z'));
    }
}

#[test]
fn an_enterprise_server_has_its_paths_below_api_v3() {
    let client = Client::new(Rules::for_account("acme").enterprise_server());
    assert!(client.github.url().ends_with("/api/v3"));
    assert_eq!(client.jit("/orgs/acme", "one").status, 201);
    let root = client.github.url().replace("/api/v3", "");
    let answer = Request::new("GET", format!("{root}/orgs/acme/actions/runners")).send().unwrap();
    assert_eq!((answer.status, message(&answer).as_str()), (404, "Not Found"));
}

#[test]
fn every_answer_tells_the_rate_limit() {
    let client = Client::new(Rules::for_account("acme"));
    client.github.script(Route::ListRunners, [Step::status(403, "API rate limit exceeded").header("x-ratelimit-remaining", "0")]);
    assert_eq!(client.get("/orgs/acme/actions/runners").header("x-ratelimit-remaining"), Some("0"));
    for path in ["/orgs/acme/actions/runners", "/nowhere"] {
        let answer = client.get(path);
        for name in ["limit", "remaining", "used", "reset", "resource"] {
            assert!(answer.header(&format!("x-ratelimit-{name}")).is_some(), "{path} {name}");
        }
    }
}

#[test]
fn an_answer_lost_after_the_commit_leaves_a_registration() {
    let client = Client::new(Rules::for_account("acme"));
    client.github.script(Route::GenerateJit, [Step::lost_after_commit(), Step::closed()]);
    for _ in 0..2 {
        assert!(client.jit_request("/orgs/acme", &good("one")).send().is_err());
    }
    assert_eq!(client.github.registered().len(), 1);
    assert_eq!(client.jit("/orgs/acme", "one").status, 409);
    let statuses: Vec<Option<u16>> = client.github.requests_of(Route::GenerateJit).iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [None, None, Some(409)]);
}

#[test]
fn a_proxy_error_can_hide_a_registration() {
    let client = Client::new(Rules::for_account("acme"));
    client
        .github
        .script(Route::GenerateJit, [Step::status_after_commit(502, "Bad Gateway"), Step::status(500, "Oops").header("retry-after", "3")]);
    assert_eq!(client.jit("/orgs/acme", "one").status, 502);
    assert_eq!(client.github.registered().len(), 1);
    let failed = client.jit("/orgs/acme", "two");
    assert_eq!((failed.status, failed.header("retry-after")), (500, Some("3")));
    assert_eq!(client.github.registered().len(), 1);
}

#[test]
fn a_cut_body_ends_before_its_length() {
    let client = Client::new(Rules::for_account("acme"));
    client.github.script(Route::GenerateJit, [Step::cut_body(100)]);
    let error = client.jit_request("/orgs/acme", &good("one")).send().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!(client.github.registered().len(), 1);
}

#[test]
fn a_hanging_answer_never_comes() {
    let client = Client::new(Rules::for_account("acme"));
    client.github.script(Route::GenerateJit, [Step::hang(), Step::hang_after_commit()]);
    for registered in [0, 1] {
        let error = client.jit_request("/orgs/acme", &good("one")).limit(Duration::from_millis(200)).send().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        assert_eq!(client.github.registered().len(), registered);
    }
}

#[test]
fn a_request_stops_at_its_gates_before_and_after_the_deed() {
    let client = Client::new(Rules::for_account("acme"));
    client.github.script(Route::GenerateJit, [Step::real().at_gate("asked").then_gate("done")]);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| client.jit("/orgs/acme", "one"));
        client.github.gate("asked").wait_reached(SOON);
        client.github.assert_nobody_registered();
        client.github.gate("asked").open();
        client.github.gate("done").wait_reached(SOON);
        assert_eq!(client.github.registered().len(), 1);
        assert!(!asking.is_finished());
        client.github.gate("done").open();
        assert_eq!(asking.join().unwrap().status, 201);
    });
}

#[test]
fn a_delayed_answer_is_late_and_right() {
    let client = Client::new(Rules::for_account("acme"));
    client.github.script(Route::GenerateJit, [Step::real().after(Duration::from_millis(150))]);
    let start = Instant::now();
    assert_eq!(client.jit("/orgs/acme", "one").status, 201);
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[test]
#[should_panic(expected = "a secret in the address")]
fn a_secret_in_an_address_is_found() {
    let client = Client::new(Rules::for_account("acme"));
    client.github.assert_no_secret_in_urls();
    client.get(&format!("/orgs/acme/actions/runners?token={}", client.token));
    client.github.assert_no_secret_in_urls();
}

#[test]
fn more_changes_than_allowed_within_a_second_are_refused_and_reading_is_not() {
    for retry_after in [None, Some(7)] {
        let limit = SecondaryLimit { mutating_per_second: 3, retry_after };
        let client = Client::new(Rules::for_account("acme").secondary_limit(limit));
        let start = Instant::now();
        let answers: Vec<Answer> = (0..5).map(|number| client.jit("/orgs/acme", &format!("n{number}"))).collect();
        assert_eq!(client.get("/orgs/acme/actions/runners").status, 200);
        if start.elapsed() > Duration::from_millis(900) {
            // A machine that slow was not too fast.
            continue;
        }
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [201, 201, 201, 403, 403]);
        assert!(message(&answers[3]).contains("secondary rate limit"), "{answers:?}");
        assert_eq!(answers[3].header("retry-after").map(str::to_owned), retry_after.map(|seconds| seconds.to_string()));
        client.github.wait_for("the second to pass", SOON, |_| start.elapsed() > Duration::from_millis(1_100));
        assert_eq!(client.jit("/orgs/acme", "later").status, 201);
    }
}

#[test]
fn an_offered_configuration_is_given_once_to_who_shows_the_bearer() {
    let client = Client::new(Rules::for_account("acme"));
    let scope = Scope::Org("acme".into());
    for as_json in [false, true] {
        let offer = client.github.offer_jit(&scope, "one", as_json);
        let fetch = |url: &str, bearer: &str| Request::new("GET", url).header("Authorization", &format!("Bearer {bearer}")).send().unwrap();
        assert_eq!(fetch(&offer.url, "wrong").status, 401);
        assert_eq!(fetch(offer.url.split('?').next().unwrap(), &offer.bearer).status, 404);
        let given = fetch(&offer.url, &offer.bearer);
        let blob = if as_json { given.json()["encoded_jit_config"].as_str().unwrap().to_owned() } else { given.body.trim().to_owned() };
        assert_eq!(decode(decode(&blob)[".runner"].as_str().unwrap())["AgentId"], json!(offer.id.to_string()));
        assert_eq!(fetch(&offer.url, &offer.bearer).status, 410);
    }
}

#[test]
fn every_answer_of_the_api_takes_as_long_as_the_rules_say() {
    let client = Client::new(Rules::for_account("acme").latency(Duration::from_millis(120)));
    let start = Instant::now();
    assert_eq!(client.get("/orgs/acme/actions/runners").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(120));
}

#[test]
fn archives_and_the_end_of_versions_are_told() {
    let client = Client::new(Rules::for_account("acme"));
    let archives = client.get("/orgs/acme/actions/runners/downloads").json();
    assert_eq!(archives.as_array().unwrap().iter().filter(|archive| archive["os"] == "linux").count(), 3);
    let end = |version: &str| client.get(&format!("/orgs/acme/actions/runners/deprecations/{version}"));
    assert_eq!(end("2.336.0").json()["registration_deprecates_at"], Value::Null);
    assert!(end("2.328.0").json()["registration_deprecates_at"].is_string());
    assert_eq!(end("new").status, 404);
}
