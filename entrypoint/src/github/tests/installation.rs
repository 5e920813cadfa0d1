//! What an App asks for before it may ask for a runner, and what becomes of it when clocks or rights are wrong.

use super::*;

/// A GitHub that knows one App, installed on `o` as number 9, and gives tokens `ghs_1`, `ghs_2`, ... of which only `good` ones are good.
struct AppServer {
    server: Server,
    keys: &'static Keys,
    /// The server's clock minus `NOW`.
    clock: Arc<AtomicI64>,
    /// Tokens up to this number have expired.
    expired: Arc<AtomicI64>,
}

fn obey_app(
    keys: &'static Keys,
    clock: &Arc<AtomicI64>,
    expired: &Arc<AtomicI64>,
    installed: &'static str,
) -> impl FnMut(&Request, &mut stand_in::State) -> Reply + Send + 'static {
    let (clock, expired) = (Arc::clone(clock), Arc::clone(expired));
    let mut given = 0;
    let mut seen = Vec::new();
    move |request, state| {
        let bearer = request.bearer.clone().unwrap_or_default();
        let now = NOW + clock.load(Ordering::SeqCst);
        let date = httpdate(now);
        let refused = |why: &str| Reply::json(401, &json!({"message": why}).to_string()).header(&format!("Date: {date}"));
        if request.line.contains("installation") {
            let Some(said) = claims(keys, &bearer) else { return refused("A JSON web token could not be decoded") };
            let at = |name: &str| said[name].as_i64().unwrap();
            if at("iat") > now || at("exp") <= now || at("exp") > now + 600 || said["iss"] != "77" || seen.contains(&said["jti"]) {
                return refused("'Expiration time' or 'Issued at' claim is wrong");
            }
            seen.push(said["jti"].clone());
            return match request.line.as_str() {
                "POST /app/installations/9/access_tokens" => {
                    given += 1;
                    Reply::json(201, &json!({"token": format!("ghs_{given}"), "expires_at": "later"}).to_string())
                }
                line if line == format!("GET {installed}/installation") => Reply::json(200, r#"{"id":9,"account":{}}"#),
                _ => Reply::json(404, r#"{"message":"Not Found"}"#),
            };
        }
        let number: i64 = bearer.strip_prefix("ghs_").and_then(|text| text.parse().ok()).unwrap_or(0);
        if number <= expired.load(Ordering::SeqCst) { refused("Bad credentials") } else { state.obey(request) }
    }
}

/// The date as servers write it, by the test's own counting.
fn httpdate(seconds: i64) -> String {
    let text = humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap())).to_string();
    let (year, month, day, clock) = (&text[..4], text[5..7].parse::<usize>().unwrap(), &text[8..10], &text[11..19]);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!("Xxx, {day} {} {year} {clock} GMT", months[month - 1])
}

impl AppServer {
    fn new(keys: &'static Keys, installed: &'static str) -> Self {
        let (clock, expired) = (Arc::default(), Arc::default());
        let server = Server::with(obey_app(keys, &clock, &expired, installed));
        Self { server, keys, clock, expired }
    }

    fn client(&self, login: Option<&str>) -> Client {
        let app = AppKey { id: "77".into(), key: SecretText::new(&*self.keys.pkcs1), login: login.map(str::to_owned) };
        let senses = Senses { now: || NOW, ..Senses::default() };
        Client::sensing(&self.server.endpoint(), Credential::App(app), senses).unwrap()
    }

    /// Method and path of every request, with the last part of long paths.
    fn asked(&self) -> Vec<String> {
        self.server.requests().into_iter().map(|request| request.line).collect()
    }
}

const FIND: &str = "GET /repos/o/r/installation";
const MINT: &str = "POST /app/installations/9/access_tokens";
const DELETE: &str = "DELETE /repos/o/r/actions/runners/1";

#[tokio::test]
async fn an_app_makes_one_narrow_token_and_uses_it_for_every_call() {
    let app = AppServer::new(keys!(), "/repos/o/r");
    app.server.add("ours", "offline");
    let client = app.client(None);
    for expected in [Deleted::Gone, Deleted::AlreadyGone] {
        assert_eq!(client.delete_runner(&repo(), RunnerId(1)).await.unwrap(), expected);
    }
    assert_eq!(app.asked(), [FIND, MINT, DELETE, DELETE]);
    let requests = app.server.requests();
    assert_eq!(requests[1].body, r#"{"repositories":["r"],"permissions":{"administration":"write"}}"#);
    assert_eq!(requests[2].bearer.as_deref(), Some("ghs_1"));
    assert_eq!(client.clock_off(), None);
}

#[tokio::test]
async fn an_installation_is_looked_for_where_the_scope_or_the_login_says() {
    let cases: [(Scope, Option<&str>, &str, &[&str]); 5] = [
        (repo(), None, "/repos/o/r", &[FIND]),
        (Scope::Org("o".into()), None, "/orgs/o", &["GET /orgs/o/installation"]),
        (Scope::Enterprise("e".into()), None, "/enterprises/e", &["GET /enterprises/e/installation"]),
        (repo(), Some("o"), "/orgs/o", &["GET /orgs/o/installation"]),
        (repo(), Some("o"), "/users/o", &["GET /orgs/o/installation", "GET /users/o/installation"]),
    ];
    for (scope, login, installed, places) in cases {
        let app = AppServer::new(keys!(), installed);
        app.client(login).authenticate(&scope).await.unwrap();
        assert_eq!(app.asked(), [places, &[MINT]].concat());
    }
}

#[tokio::test]
async fn a_token_that_expired_is_made_anew_once() {
    let app = AppServer::new(keys!(), "/repos/o/r");
    let client = app.client(None);
    client.authenticate(&repo()).await.unwrap();
    app.expired.store(1, Ordering::SeqCst);
    assert_eq!(client.delete_runner(&repo(), RunnerId(1)).await.unwrap(), Deleted::AlreadyGone);
    assert_eq!(app.asked(), [FIND, MINT, DELETE, FIND, MINT, DELETE]);

    app.expired.store(i64::MAX, Ordering::SeqCst);
    let error = client.delete_runner(&repo(), RunnerId(1)).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Unauthorized(_)), "{error}");
    assert_eq!(app.asked().len(), 10);
}

#[tokio::test]
async fn a_token_for_one_scope_is_not_used_for_another() {
    let app = AppServer::new(keys!(), "/orgs/o");
    let client = app.client(Some("o"));
    for scope in [repo(), Scope::Org("o".into())] {
        client.authenticate(&scope).await.unwrap();
        client.authenticate(&scope).await.unwrap();
    }
    assert_eq!(app.asked().iter().filter(|line| *line == MINT).count(), 2);
}

#[tokio::test]
async fn a_wrong_clock_here_is_corrected_by_the_servers_date() {
    for off in [-3600, -200, 900, 86_400] {
        let app = AppServer::new(keys!(), "/repos/o/r");
        app.clock.store(off, Ordering::SeqCst);
        let client = app.client(None);
        client.authenticate(&repo()).await.unwrap();
        assert_eq!(client.clock_off(), Some(off));
        assert_eq!(app.asked(), [FIND, FIND, MINT], "one refusal, and the correction stays");
    }
}

#[tokio::test]
async fn a_refused_signature_is_tried_twice_at_most_and_a_wrong_clock_is_told() {
    for (off, calls, words) in [
        (0, 1, "APP_ID and APP_PRIVATE_KEY must be of one and the same GitHub App"),
        (600, 2, "the clock of this host is 600 s off, behind GitHub's\nhint: set the clock"),
        (-600, 2, "the clock of this host is 600 s off, ahead of GitHub's"),
    ] {
        let keys = keys!();
        let server = Server::with(move |_, _| {
            Reply::json(401, r#"{"message":"A JSON web token could not be decoded"}"#).header(&format!("date: {}", httpdate(NOW + off)))
        });
        let app = AppServer { server, keys, clock: Arc::default(), expired: Arc::default() };
        let error = app.client(None).authenticate(&repo()).await.unwrap_err();
        assert_eq!(error.class(), Class::Credentials);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(app.asked().len(), calls);
    }
}

#[tokio::test]
async fn a_clock_that_runs_wild_is_followed_once() {
    let mut hours = 0;
    let server = Server::with(move |_, _| {
        hours += 1;
        Reply::json(401, "{}").header(&format!("date: {}", httpdate(NOW + hours * 3600)))
    });
    let app = AppServer { server, keys: keys!(), clock: Arc::default(), expired: Arc::default() };
    assert!(app.client(None).authenticate(&repo()).await.is_err());
    assert_eq!(app.asked().len(), 2);
}

#[tokio::test]
async fn an_app_that_is_not_installed_or_lacks_the_right_is_not_mistaken_for_a_missing_runner() {
    let app = AppServer::new(keys!(), "/nowhere");
    let error = app.client(None).delete_runner(&repo(), RunnerId(1)).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::NotInstalled { .. }) && error.class() == Class::Credentials, "{error}");
    assert!(error.to_string().contains("the GitHub App 77 is not installed there"), "{error}");

    let server = Server::with(|request, _| match request.line.starts_with("GET") {
        true => Reply::json(200, r#"{"id":9}"#),
        false => Reply::json(422, r#"{"message":"The permissions requested are not granted to this installation."}"#),
    });
    let app = AppServer { server, keys: keys!(), clock: Arc::default(), expired: Arc::default() };
    let error = app.client(None).delete_runner(&repo(), RunnerId(1)).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::NotGranted(_)) && error.class() == Class::Credentials, "{error}");
}

#[tokio::test]
async fn an_app_that_gets_no_token_owes_no_runner() {
    let server = Server::with(|_, _| Reply::json(502, ""));
    let app = AppServer { server, keys: keys!(), clock: Arc::default(), expired: Arc::default() };
    let wish = Wish { names: Names::Prefixed("t".into()), group: "Default".into(), labels: vec!["x".into()], work_folder: "_work".into() };
    let policy = Policy { first_wait: Duration::from_millis(2), ..Policy::default() };
    let mut owed = 0;
    let budget = Duration::from_millis(200);
    let failed = register(&app.client(None), &repo(), &wish, &policy, budget, |notice| {
        owed += usize::from(matches!(notice, Notice::MayExist(_)));
    })
    .await
    .unwrap_err();
    assert_eq!((failed.error.class(), failed.may_exist.len(), owed), (Class::Temporary, 0, 0));
    assert!(app.asked().len() > 1, "what is transient is tried again");
}

#[tokio::test]
async fn callers_side_by_side_make_one_token() {
    let app = AppServer::new(keys!(), "/repos/o/r");
    let client = app.client(None);
    let scope = repo();
    let (one, two) = tokio::join!(client.authenticate(&scope), client.authenticate(&scope));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(app.asked(), [FIND, MINT]);
}
