//! Apps at the GitHub stand-in, seen by a raw client that signs for itself.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use runner_tests::github::{Account, App, GitHub, Rules};
use runner_tests::http::{Answer, Request};
use runner_tests::need::{Need, need};
use serde_json::{Value, json};

fn now() -> i64 {
    i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

fn unique() -> String {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).unwrap();
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signed(key: &App, header: &Value, claims: &Value) -> String {
    let body: String = key.private_key().lines().filter(|line| !line.starts_with("-----")).collect();
    let key = RsaKeyPair::from_der(&STANDARD.decode(body).unwrap()).unwrap();
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn good_claims(app: &App) -> Value {
    json!({"iat": now() - 60, "exp": now() + 480, "iss": app.client_id, "jti": unique()})
}

fn signature(app: &App) -> String {
    signed(app, &json!({"alg": "RS256"}), &good_claims(app))
}

fn ask(github: &GitHub, method: &str, path: &str, bearer: &str, body: Option<&Value>) -> Answer {
    let request = Request::new(method, format!("{}{path}", github.url()));
    let request = request.header("Authorization", &format!("Bearer {bearer}")).header("User-Agent", "raw");
    body.map_or_else(|| request.clone(), |body| request.clone().json(body)).send().unwrap()
}

fn mint(github: &GitHub, app: &App, body: &Value) -> Answer {
    ask(github, "POST", &format!("/app/installations/{}/access_tokens", app.id + 1_000), &signature(app), Some(body))
}

fn token(github: &GitHub, app: &App, body: &Value) -> String {
    let made = mint(github, app, body);
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["token"].as_str().unwrap().to_owned()
}

fn list(github: &GitHub, scope: &str, bearer: &str) -> u16 {
    ask(github, "GET", &format!("{scope}/actions/runners"), bearer, None).status
}

#[test]
fn an_app_finds_its_installation_and_gets_a_long_token_for_its_account() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on("acme");
    let github = GitHub::start(Rules::for_account("acme").with_app(app.clone()));
    for path in ["/orgs/acme/installation", "/repos/acme/widgets/installation"] {
        let found = ask(&github, "GET", path, &signature(&app), None);
        assert_eq!((found.status, &found.json()["id"]), (200, &json!(app.id + 1_000)));
    }
    for path in ["/orgs/other/installation", "/users/acme/installation", "/repos/other/widgets/installation"] {
        assert_eq!(ask(&github, "GET", path, &signature(&app), None).status, 404, "{path}");
    }
    let token = token(&github, &app, &json!({}));
    assert!(token.len() > 300);
    assert_eq!([list(&github, "/orgs/acme", &token), list(&github, "/repos/acme/widgets", &token)], [200, 200]);
    assert_eq!([list(&github, "/orgs/other", &token), list(&github, "/enterprises/acme", &token)], [404, 403]);
    assert!(ask(&github, "POST", "/app/installations/5/access_tokens", &signature(&app), None).status == 404);
}

#[test]
fn an_app_of_a_person_or_an_enterprise_is_found_under_its_own_path() {
    if !need(&[Need::Openssl]) {
        return;
    }
    for (kind, good) in [(Account::User, "/users/ann/installation"), (Account::Enterprise, "/enterprises/ann/installation")] {
        let app = App::installed_on("ann").of_kind(kind);
        let github = GitHub::start(Rules::for_account("ann").with_app(app.clone()));
        for path in ["/orgs/ann/installation", "/users/ann/installation", "/enterprises/ann/installation"] {
            let expected = if path == good { 200 } else { 404 };
            assert_eq!(ask(&github, "GET", path, &signature(&app), None).status, expected, "{path}");
        }
    }
}

#[test]
fn a_signature_is_judged_by_key_times_issuer_and_novelty() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on("acme");
    let stranger = App::installed_on("acme").with_a_fresh_key();
    let github = GitHub::start(Rules::for_account("acme").with_app(app.clone()));
    let ask = |bearer: &str| ask(&github, "GET", "/orgs/acme/installation", bearer, None);
    let with = |name: &str, value: Value| {
        let mut claims = good_claims(&app);
        claims[name] = value;
        signed(&app, &json!({"alg": "RS256"}), &claims)
    };
    let cases = [
        (with("iss", json!(app.id)), 200, ""),
        (with("iss", json!(app.id.to_string())), 200, ""),
        (with("iss", json!("Iv1.other")), 404, "Integration not found"),
        (with("iat", json!(now() + 30)), 401, "'Issued at'"),
        (with("exp", json!(now() - 1)), 401, "must be a numeric value"),
        (with("exp", json!(now() + 700)), 401, "too far in the future"),
        (with("iat", json!(now() - 300)), 401, "too far in the future"),
        (with("exp", json!("soon")), 401, "could not be decoded"),
        (signed(&stranger, &json!({"alg": "RS256"}), &good_claims(&app)), 401, "could not be decoded"),
        (signed(&app, &json!({"alg": "none"}), &good_claims(&app)), 401, "could not be decoded"),
        ("nonsense".into(), 401, "could not be decoded"),
    ];
    for (bearer, status, words) in cases {
        let answer = ask(&bearer);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.json()["message"].as_str().unwrap_or_default().contains(words), "{answer:?}");
    }
    let once = signature(&app);
    assert_eq!([ask(&once).status, ask(&once).status], [200, 401]);
}

#[test]
fn tokens_and_signatures_are_not_taken_for_each_other_and_tokens_end() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on("acme");
    let rules = Rules::for_account("acme").with_app(app.clone());
    let personal = rules.token();
    let github = GitHub::start(rules);
    let token = token(&github, &app, &json!({}));
    for bearer in [&personal, &token] {
        assert_eq!(ask(&github, "GET", "/orgs/acme/installation", bearer, None).status, 401);
    }
    assert_eq!(list(&github, "/orgs/acme", &signature(&app)), 401);
    assert_eq!(list(&github, "/orgs/acme", &token), 200);
    github.expire_tokens();
    assert_eq!(list(&github, "/orgs/acme", &token), 401);

    let short = Rules::for_account("acme").with_app(app.clone()).installation_token_lifetime(Duration::ZERO);
    let github = GitHub::start(short);
    assert_eq!(list(&github, "/orgs/acme", &self::token(&github, &app, &json!({}))), 401);
}

#[test]
fn a_token_has_the_rights_it_was_narrowed_to_and_no_others() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on("acme").only(&["widgets", "gears"]);
    let github = GitHub::start(Rules::for_account("acme").with_app(app.clone()));
    let narrow = token(&github, &app, &json!({"repositories": ["widgets"], "permissions": {"administration": "write"}}));
    assert_eq!(["/repos/acme/widgets", "/repos/acme/gears", "/orgs/acme"].map(|scope| list(&github, scope, &narrow)), [200, 404, 403]);
    let wide = token(&github, &app, &json!({"permissions": {"organization_self_hosted_runners": "write"}}));
    assert_eq!(["/repos/acme/widgets", "/orgs/acme"].map(|scope| list(&github, scope, &wide)), [403, 200]);
    assert_eq!(mint(&github, &app, &json!({"repositories": ["secrets"]})).status, 422);
    assert_eq!(ask(&github, "GET", "/repos/acme/secrets/installation", &signature(&app), None).status, 404);

    let weak = App::installed_on("acme").permitted(&["administration"]);
    let github = GitHub::start(Rules::for_account("acme").with_app(weak.clone()));
    let refused = mint(&github, &weak, &json!({"permissions": {"organization_self_hosted_runners": "write"}}));
    assert_eq!(refused.status, 422);
    assert!(refused.json()["message"].as_str().unwrap().starts_with("The permissions requested"), "{refused:?}");
}

#[test]
fn a_clock_that_is_off_shows_in_the_date_and_in_the_judgement() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on("acme");
    for off in [-3_600, 3_600] {
        let github = GitHub::start(Rules::for_account("acme").with_app(app.clone()).clock_offset(off));
        let refused = ask(&github, "GET", "/orgs/acme/installation", &signature(&app), None);
        assert_eq!(refused.status, 401);
        let date = refused.header("date").unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now() + off).unwrap());
        let expected = humantime::format_rfc3339_seconds(at).to_string();
        // The hour and the minute; a second may pass in between.
        assert!(date.ends_with(" GMT") && date.contains(&expected[11..16]), "{date} {expected}");
        let claims = json!({"iat": now() + off - 60, "exp": now() + off + 480, "iss": app.id, "jti": unique()});
        let right = signed(&app, &json!({"alg": "RS256"}), &claims);
        assert_eq!(ask(&github, "GET", "/orgs/acme/installation", &right, None).status, 200);
    }
}
