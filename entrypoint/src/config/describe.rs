//! A configuration in words, for `check`. No secret and no address that may hold one.

use std::time::Duration;

use super::{Cache, Config, Credential, Name, Ready, Registration, Wanted, shown_url};

impl Config {
    /// What this configuration amounts to: pairs of a heading and a line.
    pub(crate) fn described(&self) -> Vec<(&'static str, String)> {
        let github = &self.github;
        let mut lines = vec![
            ("target", github.scope.as_ref().map_or("as in the JIT configuration".to_owned(), ToString::to_string)),
            ("GitHub", format!("{}, API {}", github.web, github.api)),
            ("credential", github.credential.as_ref().map_or("none".to_owned(), credential)),
            ("register", self.registration.described()),
        ];
        for (name, proxy) in [("proxy", &github.proxies.https), ("http proxy", &github.proxies.http)] {
            lines.extend(proxy.as_ref().map(|address| (name, shown_url(address))));
        }
        if let Some(bundle) = &github.ca_file {
            lines.push(("CA bundle", bundle.display().to_string()));
        }
        if let Registration::Jit(wanted) | Registration::Classic { wanted, .. } = &self.registration {
            lines.extend(wanted.described());
        }
        lines.extend([
            ("runner", format!("{} as {}", self.runner.home.display(), self.runner.user.as_deref().unwrap_or("this user"))),
            ("docker", self.docker.as_ref().map_or("none".to_owned(), |docker| docker.host.clone())),
            ("tool cache", self.cache.as_ref().map_or("none".to_owned(), Cache::described)),
            (
                "stop",
                format!(
                    "{} s: a job may run on for {:.1} s, then {:.1} s to cancel it, {:.1} s to save and deregister",
                    self.stop.total.as_secs(),
                    self.stop.drain.as_secs_f64(),
                    self.stop.cancel.as_secs_f64(),
                    self.stop.settle.as_secs_f64()
                ),
            ),
            (
                "limits",
                format!(
                    "idle {}, lifetime {}, start delay {} s",
                    limit(self.idle_timeout),
                    limit(self.max_lifetime),
                    self.start_delay.as_secs()
                ),
            ),
            ("platform", self.platform.described()),
        ]);
        if self.termination_log.exists() {
            lines.push(("last words", self.termination_log.display().to_string()));
        }
        lines
    }
}

impl Registration {
    fn described(&self) -> String {
        match self {
            Self::Jit(wanted) => format!("just in time, within {} s", wanted.budget.as_secs()),
            Self::Ready(Ready::Blob(_)) => "with the JIT configuration that was given".to_owned(),
            Self::Ready(Ready::Url { url, bearer, budget }) => {
                let with = if bearer.is_some() { "with" } else { "without" };
                format!("with the JIT configuration at {} ({with} a bearer token), within {} s", shown_url(url), budget.as_secs())
            }
            Self::Classic { wanted, token, disable_update } => {
                let with = if token.is_some() { "given" } else { "made for it" };
                let update = if *disable_update { ", without self-update" } else { "" };
                format!("classic, with a registration token {with}{update}, within {} s", wanted.budget.as_secs())
            }
        }
    }
}

impl Wanted {
    fn described(&self) -> [(&'static str, String); 4] {
        let name = match &self.name {
            Name::Exactly(name) => name.clone(),
            Name::Prefixed(prefix) => format!("{prefix}-... (a random end)"),
        };
        let only = if self.default_labels { String::new() } else { format!(" (the {} given alone)", self.own_labels.len()) };
        [
            ("name", name),
            ("labels", format!("{}{only}", self.labels.join(", "))),
            ("group", self.group.clone()),
            ("work folder", self.work_folder.replace("{name}", "<name>")),
        ]
    }
}

impl super::Platform {
    fn described(&self) -> String {
        let mut parts = Vec::new();
        if self.metadata.is_some() {
            parts.push("ECS task metadata".to_owned());
        }
        if self.agent.is_some() {
            parts.push(format!("ECS task protection {}", if self.protect { "while a job runs" } else { "off" }));
        }
        if let Some(spot) = &self.spot {
            parts.push(format!("spot notices from {spot}"));
        }
        if parts.is_empty() { "nothing special".to_owned() } else { parts.join(", ") }
    }
}

fn credential(credential: &Credential) -> String {
    match credential {
        Credential::Token(_) => "an access token".to_owned(),
        Credential::App { id, login, .. } => {
            let at = login.as_ref().map(|login| format!(" as installed on {login}")).unwrap_or_default();
            format!("GitHub App {id}{at}")
        }
    }
}

fn limit(span: Option<Duration>) -> String {
    span.map_or("unlimited".to_owned(), |span| format!("{} s", span.as_secs()))
}
