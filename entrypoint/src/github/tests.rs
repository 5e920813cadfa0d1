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

mod installation;
mod ready;
mod tls;

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

#[tokio::test]
async fn a_proxy_is_asked_in_githubs_place_but_for_hosts_that_are_excepted() {
    let proxy = Server::with(|_, _| Reply::json(404, r#"{"message":"Not Found"}"#));
    let through = |except: Option<&str>| Endpoint {
        api: "http://github.invalid".to_owned(),
        proxies: Proxies { http: Some(proxy.address()), https: None, except: except.map(str::to_owned) },
        ca_file: None,
    };
    let client = Client::new(&through(Some("elsewhere.invalid")), token("t")).unwrap();
    assert_eq!(client.delete_runner(&repo(), RunnerId(1)).await.unwrap(), Deleted::AlreadyGone);
    let asked: Vec<String> = proxy.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("DELETE http://github.invalid/repos/o/r/actions/runners/1"), "{asked:?}");

    let client = Client::new(&through(Some(".invalid")), token("t")).unwrap();
    let error = client.delete_runner(&repo(), RunnerId(1)).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Unreachable(_)), "{error}");
    assert_eq!(proxy.requests().len(), 1, "a host that is excepted went through the proxy");
}

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
