//! Apps, tokens, ready configurations and TLS, against the few lines of GitHub in `stand_in`.
//!
//! Keys and certificates are made by the `openssl` command at test time: no private key is committed, `ring` makes no RSA keys, and the
//! crates that do are slow without optimisation and drag a second set of number crates in.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};

use super::{
    app::{KEY_HINT, check_key},
    stand_in::{Reply, Request, Server},
    *,
};

const NOW: i64 = 1_700_000_000;
const SOON: Duration = Duration::from_secs(20);

/// Skips where there is no `openssl`, and fails where CI promised it.
macro_rules! keys {
    () => {
        match Keys::made() {
            Some(keys) => keys,
            None => return,
        }
    };
}

struct Keys {
    dir: tempfile::TempDir,
    pkcs1: String,
    pkcs8: String,
}

fn openssl(arguments: &[&str]) -> Option<Vec<u8>> {
    #[expect(clippy::disallowed_methods, reason = "a test without children of its own to mix up")]
    let done = Command::new("openssl").args(arguments).output().ok()?;
    assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Some(done.stdout)
}

fn pem(arguments: &[&str]) -> String {
    String::from_utf8(openssl(arguments).unwrap()).unwrap()
}

impl Keys {
    fn made() -> Option<&'static Self> {
        static MADE: OnceLock<Option<Keys>> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            openssl(&["version"])?;
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("app.pem");
            let file = file.to_str().unwrap();
            openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", file])?;
            Some(Self { pkcs8: pem(&["pkey", "-in", file]), pkcs1: pem(&["rsa", "-in", file, "-traditional"]), dir })
        });
        #[expect(clippy::disallowed_methods, reason = "the tests' own switch, as in the harness")]
        let promised = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        assert!(made.is_some() || !promised, "CI promised openssl");
        made.as_ref()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A self-signed certificate for 127.0.0.1 in a file of that name, and the server's side of it.
    fn certificate(&self, name: &str) -> (PathBuf, Arc<rustls::ServerConfig>) {
        let (certificate, key) = (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")));
        let (shown, shown_key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=stand-in",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            shown_key,
            "-out",
            shown,
        ]);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let chain = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
        let config = config.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap()).unwrap();
        (certificate, Arc::new(config))
    }
}

fn repo() -> Scope {
    Scope::Repo { owner: "o".into(), name: "r".into() }
}

fn token(text: &str) -> Credential {
    Credential::Token(SecretText::new(text))
}

// --- keys and signatures

#[test]
fn a_key_is_taken_in_every_form_in_which_a_setting_can_hold_it() {
    let keys = keys!();
    for pem in [&keys.pkcs1, &keys.pkcs8] {
        let forms = [
            pem.clone(),
            format!("\n  {}", pem.replace('\n', "\n    ")),
            pem.replace('\n', "\r\n"),
            pem.replace('\n', "\\n"),
            pem.replace('\n', "\\r\\n"),
            pem.replace('\n', " "),
            STANDARD.encode(pem),
            STANDARD.encode(pem).as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect(),
        ];
        for form in forms {
            assert_eq!(check_key(&form), Ok(()), "{}", &form[..30]);
        }
    }
}

#[test]
fn a_key_that_cannot_be_used_is_refused_by_name_and_never_quoted() {
    let keys = keys!();
    let file = keys.path("app.pem");
    let file = file.to_str().unwrap();
    let body = keys.pkcs8.lines().nth(1).unwrap().to_owned();
    let cases = [
        (String::new(), "is not a private key"),
        ("hunter2-hunter2".into(), "is not a private key"),
        (STANDARD.encode("hunter2-hunter2"), "is not a private key"),
        (keys.pkcs8[..400].to_owned(), "is cut"),
        (keys.pkcs8.replacen(&body, &body.replace('A', "!"), 1), "is damaged"),
        (keys.pkcs8.replacen(&body, "AAAA", 1), "is not a usable RSA key"),
        (pem(&["pkey", "-in", file, "-pubout"]), "something public"),
        (pem(&["pkey", "-in", file, "-aes128", "-passout", "pass:x"]), "passphrase"),
        (pem(&["rsa", "-in", file, "-traditional", "-aes128", "-passout", "pass:x"]), "passphrase"),
        (pem(&["ecparam", "-name", "prime256v1", "-genkey", "-noout"]), "another kind"),
        (pem(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]), "is not a usable RSA key"),
    ];
    for (key, words) in cases {
        let told = check_key(&key).unwrap_err();
        assert!(told.contains(words), "{words}: {told}");
        assert!(!told.contains("hunter2") && !told.contains(&body[..20]), "{told}");
        let app = AppKey { id: "1".into(), key: SecretText::new(key), login: None };
        let endpoint = Endpoint { api: "http://127.0.0.1:1".into(), proxies: Proxies::default(), ca_file: None };
        let error = Client::new(&endpoint, Credential::App(app)).unwrap_err();
        assert_eq!(error.class(), Class::Configuration);
        assert!(error.to_string().contains(&format!(": APP_PRIVATE_KEY {told}\nhint: {KEY_HINT}")), "{error}");
    }
}

/// The claims of a token whose signature is good.
fn claims(keys: &Keys, token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let der = PrivateKeyDer::from_pem_slice(keys.pkcs1.as_bytes()).ok()?;
    let key = RsaKeyPair::from_der(der.secret_der()).ok()?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key());
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

#[test]
fn a_signature_is_good_for_nine_minutes_from_a_minute_ago_and_unlike_any_other() {
    let keys = keys!();
    let signer = app::Signer::new(" Iv1.abc ", &keys.pkcs8).unwrap();
    let token = signer.token(1_000_000, [7; 16]).unwrap();
    let said = claims(keys, token.reveal()).unwrap();
    assert_eq!(said, json!({"iat": 999_940, "exp": 1_000_480, "iss": "Iv1.abc", "jti": URL_SAFE_NO_PAD.encode([7; 16])}));
    assert_ne!(signer.token(1_000_000, [8; 16]).unwrap(), token);
    assert_eq!(format!("{token:?}"), "SecretText(not shown)");
}

// --- installation tokens

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

// --- small calls

#[tokio::test]
async fn a_token_for_config_sh_is_asked_for_by_its_path() {
    let server = Server::with(|request, _| match request.line.as_str() {
        "POST /repos/o/r/actions/runners/registration-token" => Reply::json(201, r#"{"token":"REG","expires_at":"x"}"#),
        _ => Reply::json(404, r#"{"message":"Not Found"}"#),
    });
    let client = Client::new(&server.endpoint(), token("t")).unwrap();
    assert_eq!(client.registration_token(&repo()).await.unwrap().reveal(), "REG");
}

#[tokio::test]
async fn an_insisted_call_outlives_what_is_transient() {
    let mut failures = 2;
    let server = Server::with(move |_, _| {
        failures -= 1;
        if failures >= 0 { Reply::json(502, "") } else { Reply::json(201, r#"{"token":"REG"}"#) }
    });
    let client = Client::new(&server.endpoint(), token("t")).unwrap();
    let policy = Policy { first_wait: Duration::from_millis(2), ..Policy::default() };
    let mut waits = 0;
    let scope = repo();
    let made = insist(&scope, "get a token", &policy, SOON, || client.registration_token(&scope), |_| waits += 1).await;
    assert_eq!((made.unwrap().reveal(), waits), ("REG", 2));
}

#[tokio::test]
async fn a_group_that_went_after_it_was_found_is_named() {
    let server = Server::with(|request, _| match request.line.starts_with("GET") {
        true => Reply::json(200, r#"{"runner_groups":[{"id":7,"name":"Big"}]}"#),
        false => Reply::json(404, r#"{"message":"Not Found"}"#),
    });
    let client = Client::new(&server.endpoint(), token("t")).unwrap();
    let org = Scope::Org("o".into());
    let group_id = client.runner_group_id(&org, "big").await.unwrap();
    let new = NewRunner { name: &RunnerName::new("n"), group_id, labels: &["x".into()], work_folder: "_work" };
    let error = client.generate_jitconfig(&org, new).await.unwrap_err();
    assert_eq!((error.fault(), error.class()), (&Fault::NoSuchGroup("7".into()), Class::Configuration));
    let new = NewRunner { group_id: DEFAULT_GROUP, ..new };
    assert_eq!(client.generate_jitconfig(&org, new).await.unwrap_err().class(), Class::Credentials);
}

#[test]
fn requests_and_answers_of_an_errand_travel_through_json() {
    fn there_and_back<T: Serialize + DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }
    let endpoint = Endpoint { api: "http://h".into(), proxies: Proxies::default(), ca_file: Some("/ca".into()) };
    assert_eq!(there_and_back(&endpoint).ca_file.as_deref(), Some(Path::new("/ca")));
    let wish = Wish { names: Names::Exact("n".into()), group: "g".into(), labels: vec!["l".into()], work_folder: "_work".into() };
    assert_eq!(there_and_back(&wish), wish);
    for claim in [Claim::MayExist(RunnerName::new("n")), Claim::Runner { id: RunnerId(4), name: RunnerName::new("n") }] {
        assert_eq!(there_and_back(&claim), claim);
    }
    for scope in [repo(), Scope::Org("o".into()), Scope::Enterprise("e".into())] {
        assert_eq!(there_and_back(&scope), scope);
    }
    let fault = Fault::Limited { status: 403, message: "slow down".into(), wait: Some(Duration::from_secs(7)) };
    let settled = Settled::Unknown(CallError::new("delete", &repo(), fault));
    assert_eq!(there_and_back(&settled), settled);
    assert_eq!(there_and_back(&Class::Temporary), Class::Temporary);
}

// --- ready configurations

fn blob(files: &[(&str, &str)]) -> String {
    let files: serde_json::Map<String, Value> =
        files.iter().map(|(name, text)| ((*name).to_owned(), Value::String(STANDARD.encode(text)))).collect();
    STANDARD.encode(Value::Object(files).to_string())
}

fn good_blob() -> String {
    blob(&[(".runner", r#"{"AgentId":"41","AgentName":"one","WorkFolder":"_work","Ephemeral":"True"}"#), (".credentials", "{}")])
}

#[test]
fn a_ready_configuration_tells_who_its_runner_is() {
    let full = JitConfig { id: Some(41), name: Some("one".into()), work_folder: Some("_work".into()), ephemeral: Some(true) };
    let cases = [
        (good_blob(), full.clone()),
        (format!("\n  {}\n", good_blob()), full.clone()),
        (good_blob().as_bytes().chunks(60).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect(), full.clone()),
        (blob(&[(".runner", "\u{feff}{\"agentId\":41,\"agentName\":\"one\",\"workFolder\":\"_work\",\"ephemeral\":true}")]), full),
        (blob(&[(".runner", "{}")]), JitConfig::default()),
        (blob(&[(".runner", r#"{"AgentId":"x","Ephemeral":"maybe","WorkFolder":null}"#)]), JitConfig::default()),
    ];
    for (text, facts) in cases {
        assert_eq!(JitConfig::decode(&text), Ok(facts), "{text}");
    }
}

#[test]
fn what_is_no_configuration_or_would_write_elsewhere_is_refused_without_its_contents() {
    let mut cases = vec![
        (String::new(), "not a JSON object"),
        ("%%%".into(), "not base64"),
        (good_blob()[..101].to_owned(), "not base64"),
        (STANDARD.encode("hunter2"), "not a JSON object"),
        (STANDARD.encode("[]"), "not a JSON object"),
        (STANDARD.encode(r#"{".runner":"hunter2!"}"#), "file .runner in the JIT configuration is not base64"),
        (STANDARD.encode(r#"{".runner":5}"#), "not base64"),
        (blob(&[(".credentials", "{}")]), "no file .runner"),
        (blob(&[(".runner", "hunter2")]), "not a JSON object"),
    ];
    for name in ["../.bashrc", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "a\0b"] {
        cases.push((blob(&[(".runner", "{}"), (name, "hunter2")]), "written elsewhere"));
    }
    for (text, words) in cases {
        let told = JitConfig::decode(&text).unwrap_err();
        assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
    }
}

const BEARER: &str = "bearer-that-nobody-may-see";

async fn fetch(server: &Server, path: &str) -> Result<Blob, CallError> {
    fetch_jit(&format!("{}{path}", server.address()), Some(&SecretText::new(BEARER)), &server.endpoint(), SOON).await
}

#[tokio::test]
async fn a_configuration_is_fetched_once_as_text_or_as_json() {
    for body in [good_blob(), format!(" {}\n", good_blob()), json!({"encoded_jit_config": good_blob(), "runner": {}}).to_string()] {
        let server = Server::with(move |_, _| Reply::json(200, &body));
        assert_eq!(fetch(&server, "/jit").await.unwrap().reveal(), good_blob());
        let requests = server.requests();
        assert_eq!((requests.len(), requests[0].line.as_str(), requests[0].bearer.as_deref()), (1, "GET /jit", Some(BEARER)));
    }
}

#[tokio::test]
async fn an_address_that_answered_is_never_asked_again() {
    let cases = [
        (404, "gone?", Class::Configuration, "good for one start only"),
        (410, "", Class::Configuration, "(410)"),
        (401, r#"{"message":"no"}"#, Class::Credentials, "(401)"),
        (403, "", Class::Credentials, "(403)"),
        (500, "", Class::Temporary, "500"),
        (200, "<html>sign in</html>", Class::Configuration, "not base64"),
        (200, r#"{"other":1}"#, Class::Temporary, "not the expected JSON"),
    ];
    for (status, body, class, words) in cases {
        let server = Server::with(move |_, _| Reply::json(status, body));
        let error = fetch(&server, "/jit?signature=hunter2").await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        let told = error.to_string();
        assert!(told.contains(words) && !told.contains("hunter2") && !told.contains(BEARER), "{told}");
        assert_eq!(server.requests().len(), 1);
    }
    let server = Server::with(|_, _| Reply::Cut);
    let error = fetch(&server, "/jit").await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Lost(_) | Fault::Garbled { .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_keeps_the_bearer_at_home() {
    let other = Server::with(|_, _| Reply::json(200, &good_blob()));
    let away = other.address();
    let server = Server::with(move |request, _| match request.line.as_str() {
        "GET /jit" => Reply::json(302, "").header("location: /next"),
        _ => Reply::json(307, "").header(&format!("location: {away}/blob")),
    });
    assert!(fetch(&server, "/jit").await.is_ok());
    let bearers = |server: &Server| server.requests().into_iter().map(|request| request.bearer).collect::<Vec<_>>();
    assert_eq!(bearers(&server), [Some(BEARER.to_owned()), Some(BEARER.to_owned())]);
    assert_eq!(bearers(&other), [None]);

    let server = Server::with(|_, _| Reply::json(302, "").header("location: /again"));
    assert!(fetch(&server, "/jit").await.is_err());
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_tried_until_the_budget_ends() {
    let server = Server::obedient();
    let (address, endpoint) = (server.address(), server.endpoint());
    drop(server);
    let error = fetch_jit(&address, None, &endpoint, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Unreachable(_)) && error.class() == Class::Temporary, "{error}");
    let error = fetch_jit("jit.example.com/x", None, &endpoint, SOON).await.unwrap_err();
    assert_eq!(error.class(), Class::Configuration);
}

// --- TLS

async fn answers(server: &Server, ca_file: Option<PathBuf>) -> Result<(), CallError> {
    let endpoint = Endpoint { api: server.address().replace("http:", "https:"), proxies: Proxies::default(), ca_file };
    Client::new(&endpoint, token("t"))?.delete_runner(&repo(), RunnerId(1)).await.map(drop)
}

fn tls_server(config: Arc<rustls::ServerConfig>) -> Server {
    Server::speaking(Some(config), |_, _| Reply::json(404, "{}"))
}

#[tokio::test]
async fn a_bundle_of_ones_own_is_trusted_beside_the_image_and_nothing_else_is() {
    let (certificate, config) = keys!().certificate("own");
    let (other, _) = keys!().certificate("other");
    let server = tls_server(config);
    answers(&server, Some(certificate.clone())).await.unwrap();
    let bundle = keys!().path("bundle.pem");
    let text = [&other, &certificate].map(|file| std::fs::read_to_string(file).unwrap()).join("# a comment\n");
    std::fs::write(&bundle, text).unwrap();
    answers(&server, Some(bundle)).await.unwrap();
    for unknown in [None, Some(other)] {
        let Err(error) = answers(&server, unknown).await else { panic!("an unknown certificate was taken") };
        // Without any certificate in the image it is the set-up that fails.
        assert!(matches!(error.fault(), Fault::Unreachable(_) | Fault::Setup(_)), "{error}");
    }
}

#[test]
fn a_bundle_that_cannot_be_used_is_refused_by_the_name_of_its_setting() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let cases = [
        (dir.path().join("missing"), "No such file"),
        (dir.path().to_path_buf(), "directory"),
        (file("empty", ""), "no certificate in it"),
        (file("text", "hello"), "no certificate in it"),
        (file("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1 cannot be used"),
        (file("damaged", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"), "cannot be used"),
    ];
    for (ca_file, words) in cases {
        for api in ["https://127.0.0.1:1", "http://127.0.0.1:1"] {
            let endpoint = Endpoint { api: api.into(), proxies: Proxies::default(), ca_file: Some(ca_file.clone()) };
            let error = Client::new(&endpoint, token("t")).unwrap_err();
            assert_eq!(error.class(), Class::Configuration);
            let told = error.to_string();
            assert!(told.contains("GITHUB_CA_FILE") && told.contains(words), "{told}");
        }
    }
}

/// The environment of a process is one for all its tests, so each case is this test once more in a process of its own.
#[tokio::test]
async fn the_image_can_name_its_certificates_with_ssl_cert_file_and_ssl_cert_dir() {
    const NAME: &str = "github::tests::the_image_can_name_its_certificates_with_ssl_cert_file_and_ssl_cert_dir";
    #[expect(clippy::disallowed_methods, reason = "the tests' own switch")]
    if let Ok(address) = std::env::var("TLS_SERVER") {
        let endpoint = Endpoint { api: address.replace("http:", "https:"), proxies: Proxies::default(), ca_file: None };
        let client = Client::new(&endpoint, token("t")).unwrap();
        assert_eq!(client.delete_runner(&repo(), RunnerId(1)).await.unwrap(), Deleted::AlreadyGone);
        // A bundle of one's own takes nothing away.
        #[expect(clippy::disallowed_methods, reason = "the tests' own switch")]
        let endpoint = Endpoint { ca_file: std::env::var_os("OWN_BUNDLE").map(PathBuf::from), ..endpoint };
        let client = Client::new(&endpoint, token("t")).unwrap();
        assert_eq!(client.delete_runner(&repo(), RunnerId(1)).await.unwrap(), Deleted::AlreadyGone);
        return;
    }
    let (certificate, config) = keys!().certificate("image");
    let (own, _) = keys!().certificate("beside");
    let server = tls_server(config);
    let dir = keys!().path("certificates");
    std::fs::create_dir_all(&dir).unwrap();
    // A directory holds certificates under their hash, as `c_rehash` names them.
    let hash = pem(&["x509", "-in", certificate.to_str().unwrap(), "-noout", "-subject_hash"]);
    std::fs::copy(&certificate, dir.join(format!("{}.0", hash.trim()))).unwrap();
    for (name, value) in [("SSL_CERT_FILE", &certificate), ("SSL_CERT_DIR", &dir)] {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again
            .args(["--exact", NAME, "--nocapture"])
            .env_clear()
            .env(name, value)
            .env("TLS_SERVER", server.address())
            .env("OWN_BUNDLE", &own);
        #[expect(clippy::disallowed_methods, reason = "a test without children of its own to mix up")]
        let done = again.output().unwrap();
        let shown = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && shown.contains("1 passed"), "{name}: {shown}");
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_configuration_is_not_fetched_from_https_over_http() {
    let plain = Server::with(|_, _| Reply::json(200, &good_blob()));
    let (certificate, config) = keys!().certificate("downgrade");
    let away = plain.address();
    let server = Server::speaking(Some(config), move |_, _| Reply::json(302, "").header(&format!("location: {away}/blob")));
    let endpoint = Endpoint { ca_file: Some(certificate), ..server.endpoint() };
    let error = fetch_jit(&server.address().replace("http:", "https:"), None, &endpoint, SOON).await.unwrap_err();
    assert!(error.to_string().contains("a redirect away from https"), "{error}");
    assert_eq!(plain.requests().len(), 0);
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
