//! What the stand-in knows before anybody asks: tokens, groups, delays. Data only.

use std::collections::HashMap;
use std::time::Duration;

use super::blob::random_text;
use super::config_side::TOKEN_LIFE;
use super::{App, SecondaryLimit, Traits};

/// Where the API's paths begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// As on api.github.com.
    Root,
    /// `/api/v3`, as on GitHub Enterprise Server.
    ApiV3,
}

impl Prefix {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::ApiV3 => "/api/v3",
        }
    }
}

/// A credential the stand-in accepts.
#[derive(Debug, Clone)]
pub struct Token {
    /// The text after `Bearer`.
    pub secret: String,
    /// Accounts it can see; elsewhere it gets 404.
    pub accounts: Vec<String>,
    /// May administer runners; otherwise it gets 403.
    pub permitted: bool,
}

/// A runner group of an organisation or enterprise.
#[derive(Debug, Clone)]
pub struct Group {
    /// Number used in requests; 1 is `Default`.
    pub id: u64,
    /// Name as shown.
    pub name: String,
    /// Whether the caller may put runners there; a foreign group gets 403.
    pub ours: bool,
}

/// The rules of one stand-in.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Where paths begin.
    pub prefix: Prefix,
    /// Known credentials.
    pub tokens: Vec<Token>,
    /// What is special about some of them, by their secret.
    pub traits: HashMap<String, Traits>,
    /// Runner groups; 1 and 2 (hosted, not ours) are always there.
    pub groups: Vec<Group>,
    /// How long after its job an ephemeral runner stays registered; until then DELETE is 422 and its name 409.
    pub removal_delay: Duration,
    /// Runners a group can hold; GitHub says 10,000.
    pub group_limit: usize,
    /// How long a runner's question for a job stays open before it is told "nothing".
    pub poll_limit: Duration,
    /// Known Apps.
    pub apps: Vec<App>,
    /// Life of an App's installation tokens; GitHub says an hour.
    pub installation_token_lifetime: Duration,
    /// Life of registration and remove tokens; GitHub says an hour.
    pub config_token_lifetime: Duration,
    /// This GitHub's clock minus the host's, in seconds: in its `Date`, and in what it thinks of a signature's times.
    pub clock_offset: i64,
    /// Changes in a short time; none on a GitHub Enterprise Server, by default.
    pub secondary_limit: Option<SecondaryLimit>,
    /// Before every answer of the API.
    pub latency: Duration,
}

impl Rules {
    /// Rules with one good token (several hundred characters, random) for `account`: owner, organisation or enterprise.
    #[must_use]
    pub fn for_account(account: &str) -> Self {
        let token = Token { secret: random_text(300), accounts: vec![account.into()], permitted: true };
        Self {
            prefix: Prefix::Root,
            tokens: vec![token],
            traits: HashMap::new(),
            groups: vec![Group { id: 1, name: "Default".into(), ours: true }, Group { id: 2, name: "GitHub-hosted".into(), ours: false }],
            removal_delay: Duration::ZERO,
            group_limit: 10_000,
            poll_limit: Duration::from_secs(20),
            apps: Vec::new(),
            installation_token_lifetime: Duration::from_secs(3_600),
            config_token_lifetime: TOKEN_LIFE,
            clock_offset: 0,
            secondary_limit: None,
            latency: Duration::ZERO,
        }
    }

    /// The first token's secret: the good one.
    ///
    /// # Panics
    /// When all tokens were taken out.
    #[must_use]
    pub fn token(&self) -> String {
        self.tokens[0].secret.clone()
    }

    /// Paths begin with `/api/v3`.
    #[must_use]
    pub fn enterprise_server(mut self) -> Self {
        self.prefix = Prefix::ApiV3;
        self
    }

    /// Sets how long a runner stays registered after its job.
    #[must_use]
    pub fn removal_delay(mut self, delay: Duration) -> Self {
        self.removal_delay = delay;
        self
    }

    /// Adds a credential.
    #[must_use]
    pub fn with_token(mut self, token: Token) -> Self {
        self.tokens.push(token);
        self
    }

    /// Adds a group the caller may use; numbers go on from 3.
    #[must_use]
    pub fn with_group(mut self, name: &str) -> Self {
        let id = self.groups.iter().map(|group| group.id).max().unwrap_or(0) + 1;
        self.groups.push(Group { id, name: name.into(), ours: true });
        self
    }

    /// Adds an App.
    #[must_use]
    pub fn with_app(mut self, app: App) -> Self {
        self.apps.push(app);
        self
    }

    /// Sets how long an App's installation tokens live.
    #[must_use]
    pub fn installation_token_lifetime(mut self, life: Duration) -> Self {
        self.installation_token_lifetime = life;
        self
    }

    /// Sets this GitHub's clock so many seconds ahead of the host's, or behind.
    #[must_use]
    pub fn clock_offset(mut self, seconds: i64) -> Self {
        self.clock_offset = seconds;
        self
    }

    /// Refuses more changes than that within a second.
    #[must_use]
    pub fn secondary_limit(mut self, limit: SecondaryLimit) -> Self {
        self.secondary_limit = Some(limit);
        self
    }

    /// Lets every answer of the API take so long.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }
}
