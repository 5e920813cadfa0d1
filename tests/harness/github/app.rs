//! GitHub Apps: who signs, where an App is installed, the tokens it makes. Owns the judgement of a signature.
//!
//! A key is made by the `openssl` command when a test first wants one: none is committed, `ring` makes no RSA keys, and the crates that
//! do take seconds without optimisation. `openssl` is on every machine that can build this.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::blob::random_text;
use super::rest::Answer;
use super::route::Scope;
use super::server::Asked;
use super::world::World;
use super::{Route, clock, token};

/// What a repository's runners need.
const ADMINISTRATION: &str = "administration";
/// What an organisation's runners need.
const SELF_HOSTED: &str = "organization_self_hosted_runners";

/// What an App is installed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// An organisation.
    Organisation,
    /// A person.
    User,
    /// An enterprise.
    Enterprise,
}

/// A GitHub App, installed on one account.
#[derive(Debug, Clone)]
pub struct App {
    /// Its number; the installation's is a thousand more.
    pub id: u64,
    /// Its client id, good as `iss` as well.
    pub client_id: String,
    /// Where it is installed.
    pub account: String,
    /// What that is.
    pub kind: Account,
    /// What it may write.
    pub permissions: Vec<String>,
    /// The repositories it was given; `None`: all.
    pub repositories: Option<Vec<String>>,
    key: Key,
}

#[derive(Debug, Clone)]
struct Key {
    pem: String,
    public: Vec<u8>,
}

impl Key {
    fn made() -> Self {
        let openssl = |arguments: &[&str], input: &str| {
            use std::io::Write as _;
            let mut child = Command::new("openssl")
                .args(arguments)
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .expect("run openssl");
            child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("write to openssl");
            let done = child.wait_with_output().expect("openssl ends");
            assert!(done.status.success(), "openssl {arguments:?}");
            String::from_utf8(done.stdout).expect("PEM is text")
        };
        let key = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "");
        // GitHub hands keys out in the older form.
        let pem = openssl(&["rsa", "-traditional"], &key);
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body).expect("PEM is base64");
        let public = RsaKeyPair::from_der(&der).expect("a key").public_key().as_ref().to_vec();
        Self { pem, public }
    }

    /// One for all Apps of a process that do not care.
    fn shared() -> Self {
        static SHARED: OnceLock<Key> = OnceLock::new();
        SHARED.get_or_init(Self::made).clone()
    }
}

impl App {
    /// An App with both rights on every repository of an organisation.
    ///
    /// # Panics
    /// When there is no `openssl`: see [`crate::need::Need::Openssl`].
    #[must_use]
    pub fn installed_on(account: &str) -> Self {
        Self {
            id: 77,
            client_id: format!("Iv1.{}", random_text(16)),
            account: account.into(),
            kind: Account::Organisation,
            permissions: vec![ADMINISTRATION.into(), SELF_HOSTED.into()],
            repositories: None,
            key: Key::shared(),
        }
    }

    /// Installed on something else than an organisation.
    #[must_use]
    pub fn of_kind(mut self, kind: Account) -> Self {
        self.kind = kind;
        self
    }

    /// With these rights only.
    #[must_use]
    pub fn permitted(mut self, permissions: &[&str]) -> Self {
        self.permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// For these repositories only, without their owner.
    #[must_use]
    pub fn only(mut self, repositories: &[&str]) -> Self {
        self.repositories = Some(repositories.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// With a key that no other App has.
    #[must_use]
    pub fn with_a_fresh_key(mut self) -> Self {
        self.key = Key::made();
        self
    }

    /// The private key as GitHub hands it out: PEM, PKCS#1.
    #[must_use]
    pub fn private_key(&self) -> &str {
        &self.key.pem
    }

    fn installation(&self) -> u64 {
        self.id + 1_000
    }

    fn may_see(&self, repository: &str) -> bool {
        self.repositories.as_ref().is_none_or(|known| known.iter().any(|name| name.eq_ignore_ascii_case(repository)))
    }

    fn is_at(&self, account: &str, kinds: &[Account]) -> bool {
        kinds.contains(&self.kind) && self.account.eq_ignore_ascii_case(account)
    }

    fn show(&self) -> Value {
        let kind = match self.kind {
            Account::Organisation => "Organization",
            Account::User => "User",
            Account::Enterprise => "Enterprise",
        };
        let selection = if self.repositories.is_none() { "all" } else { "selected" };
        json!({"id": self.installation(), "app_id": self.id, "client_id": self.client_id, "account": {"login": self.account, "type": kind},
               "target_type": kind, "repository_selection": selection, "permissions": written(&self.permissions)})
    }
}

fn written(permissions: &[String]) -> Value {
    permissions.iter().map(|name| (name.clone(), json!("write"))).collect::<serde_json::Map<String, Value>>().into()
}

/// What an App made for itself.
#[derive(Debug)]
pub(super) struct InstallationToken {
    secret: String,
    account: String,
    permissions: Vec<String>,
    repositories: Option<Vec<String>>,
    pub(super) expires: Instant,
}

impl InstallationToken {
    /// Whether it opens the runners of `scope`.
    pub(super) fn permits(&self, scope: &Scope) -> Result<(), Answer> {
        let forbidden = || token::forbidden(scope, "integration");
        if !self.account.eq_ignore_ascii_case(scope.account()) {
            return Err(Answer::not_found());
        }
        let needed = match scope {
            Scope::Repo { repo, .. } => {
                if self.repositories.as_ref().is_some_and(|known| !known.iter().any(|name| name.eq_ignore_ascii_case(repo))) {
                    return Err(Answer::not_found());
                }
                ADMINISTRATION
            }
            Scope::Org(_) => SELF_HOSTED,
            Scope::Enterprise(_) => return Err(forbidden()),
        };
        if self.permissions.iter().any(|name| name == needed) { Ok(()) } else { Err(forbidden()) }
    }
}

/// The token of that text, when it lives.
pub(super) fn living<'a>(world: &'a World, secret: &str) -> Option<&'a InstallationToken> {
    world.installation_tokens.iter().find(|token| token.secret == secret && token.expires > Instant::now())
}

/// The calls that only an App may make.
pub(super) fn answer(world: &mut World, asked: &Asked) -> Answer {
    let app = match signed_by(world, asked) {
        Ok(app) => app,
        Err(refusal) => return refusal,
    };
    match asked.place.route {
        Route::AccessTokens => mint(world, asked, &app).unwrap_or_else(|refusal| refusal),
        _ => find(world, asked, &app),
    }
}

fn find(world: &World, asked: &Asked, app: &App) -> Answer {
    let path = asked.seen.path.split('?').next().unwrap_or_default();
    let path = path.strip_prefix(world.rules.prefix.text()).unwrap_or(path);
    let installed = match path.trim_start_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["repos", owner, repo, _] => app.is_at(owner, &[Account::Organisation, Account::User]) && app.may_see(repo),
        ["orgs", org, _] => app.is_at(org, &[Account::Organisation]),
        ["users", user, _] => app.is_at(user, &[Account::User]),
        ["enterprises", slug, _] => app.is_at(slug, &[Account::Enterprise]),
        _ => false,
    };
    if installed { Answer::json(200, &app.show()) } else { Answer::not_found() }
}

fn mint(world: &mut World, asked: &Asked, app: &App) -> Result<Answer, Answer> {
    if asked.place.id != Some(app.installation()) {
        return Err(Answer::not_found());
    }
    let wish = asked.seen.json();
    let permissions = match wish.get("permissions").and_then(Value::as_object) {
        None => app.permissions.clone(),
        Some(wanted) => wanted.keys().cloned().collect(),
    };
    if permissions.iter().any(|name| !app.permissions.contains(name)) {
        return Err(Answer::problem(422, "The permissions requested are not granted to this installation."));
    }
    let repositories = match wish.get("repositories").and_then(Value::as_array) {
        None => app.repositories.clone(),
        Some(wanted) => Some(wanted.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()),
    };
    if repositories.iter().flatten().any(|name| !app.may_see(name)) {
        let why = "There is at least one repository that does not exist or is not accessible to the parent installation.";
        return Err(Answer::problem(422, why));
    }
    let life = world.rules.installation_token_lifetime;
    let secret = format!("ghs_{}", random_text(420));
    let answer = json!({"token": secret, "expires_at": clock::text(&world.rules, life), "permissions": written(&permissions),
                        "repository_selection": if repositories.is_none() { "all" } else { "selected" }});
    let expires = Instant::now() + life;
    let account = app.account.clone();
    world.installation_tokens.push(InstallationToken { secret, account, permissions, repositories, expires });
    Ok(Answer::json(201, &answer))
}

/// The App whose signature the bearer is.
fn signed_by(world: &mut World, asked: &Asked) -> Result<App, Answer> {
    let refused = |why: &str| Answer::problem(401, why);
    const UNREADABLE: &str = "A JSON web token could not be decoded";
    let bearer = asked.seen.header("authorization").and_then(|value| value.split_once(' ')).map_or("", |(_, token)| token);
    let part = |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
    let read = || {
        let (signed, signature) = bearer.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        (part(header)?["alg"] == "RS256").then_some((signed, URL_SAFE_NO_PAD.decode(signature).ok()?, part(claims)?))
    };
    let (signed, signature, claims) = read().ok_or_else(|| refused(UNREADABLE))?;
    let issuer = claims["iss"].as_str().map_or_else(|| claims["iss"].to_string(), str::to_owned);
    let app = world.rules.apps.iter().find(|app| app.client_id == issuer || app.id.to_string() == issuer).cloned();
    let app = app.ok_or_else(|| Answer::problem(404, "Integration not found"))?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &app.key.public);
    public.verify(signed.as_bytes(), &signature).map_err(|_| refused(UNREADABLE))?;
    let now = clock::now(&world.rules);
    match (claims["iat"].as_i64(), claims["exp"].as_i64()) {
        (Some(issued), _) if issued > now => {
            Err(refused("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"))
        }
        (_, Some(expires)) if expires <= now => Err(refused(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        )),
        (Some(issued), Some(expires)) if expires > now + 600 || expires - issued > 600 => {
            Err(refused("'Expiration time' claim ('exp') is too far in the future"))
        }
        (Some(_), Some(_)) => Ok(()),
        _ => Err(refused(UNREADABLE)),
    }?;
    // Two equal signatures of one second have been seen to collide.
    if let Some(unique) = claims["jti"].as_str()
        && !world.signatures.insert(unique.to_owned())
    {
        return Err(refused("'JWT ID' claim ('jti') was used before"));
    }
    Ok(app)
}
