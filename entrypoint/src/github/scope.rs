//! Where a runner belongs: a repository, an organisation or an enterprise. Owns the path of each and how a web address
//! names one; knows nothing of requests.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The one place a runner is registered at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Scope {
    /// One repository.
    Repo {
        /// User or organisation that owns it.
        owner: String,
        /// Its name, without the owner.
        name: String,
    },
    /// One organisation.
    Org(String),
    /// One enterprise, by its slug.
    Enterprise(String),
}

/// A web address that names no repository, organisation or enterprise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{shown}\" names no repository, organisation or enterprise\nhint: write https://github.com/OWNER/REPO, https://github.com/ORG or https://github.com/enterprises/NAME"
)]
pub(crate) struct NotAScope {
    shown: String,
}

impl Scope {
    /// Reads the address of a repository, organisation or enterprise page as a browser shows it. The host is not judged
    /// here: which API belongs to it is the caller's matter. A trailing slash or `.git` is tolerated; an address that
    /// carries a user, a query or a fragment is not, because such a part may be a secret and never means a scope.
    pub(crate) fn from_web_url(url: &str) -> Result<Self, NotAScope> {
        let refuse = || NotAScope { shown: super::quote::printable(url.split(['?', '#', '@']).next().unwrap_or_default()) };
        let trimmed = url.trim();
        let rest = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://")).ok_or_else(refuse)?;
        if rest.contains(['?', '#', '@', '\\']) {
            return Err(refuse());
        }
        let (host, path) = rest.split_once('/').ok_or_else(refuse)?;
        if host.is_empty() {
            return Err(refuse());
        }
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(refuse());
        }
        match parts[..] {
            ["enterprises", slug] => Ok(Self::Enterprise(slug.to_owned())),
            ["orgs" | "enterprises"] => Err(refuse()),
            [org] | ["orgs", org] => Ok(Self::Org(org.to_owned())),
            [owner, name] => Ok(Self::Repo { owner: owner.to_owned(), name: name.strip_suffix(".git").unwrap_or(name).to_owned() }),
            _ => Err(refuse()),
        }
    }

    /// The prefix of every API path of this scope, without a slash at its end.
    #[must_use]
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Repo { owner, name } => format!("/repos/{}/{}", encoded(owner), encoded(name)),
            Self::Org(name) => format!("/orgs/{}", encoded(name)),
            Self::Enterprise(name) => format!("/enterprises/{}", encoded(name)),
        }
    }

    /// The path of its page below the host, for `config.sh --url`.
    #[must_use]
    pub(crate) fn web_path(&self) -> String {
        match self {
            Self::Repo { owner, name } => format!("{}/{}", encoded(owner), encoded(name)),
            Self::Org(name) => encoded(name),
            Self::Enterprise(name) => format!("enterprises/{}", encoded(name)),
        }
    }

    /// What a credential needs to register runners here, for the hint of a refusal.
    pub(super) fn needed_permission(&self) -> &'static str {
        match self {
            Self::Repo { .. } => {
                "the repository permission \"Administration\": write (fine-grained token or app) or the scope \"repo\" (classic token), and its owner must administer the repository"
            }
            Self::Org(_) => {
                "the organisation permission \"Self-hosted runners\": write (fine-grained token or app) or the scope \"admin:org\" (classic token), and its owner must be an owner of the organisation"
            }
            Self::Enterprise(_) => {
                "the scope \"manage_runners:enterprise\" of a classic token of an enterprise owner; apps and fine-grained tokens are not accepted there"
            }
        }
    }

    /// The permission without which nobody registers here, as GitHub's pages call it: of an App or a fine-grained token, with the name it
    /// has in the API; `None` where neither is accepted.
    pub(crate) fn permission(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Repo { .. } => Some(("Repository permissions > Administration", "administration")),
            Self::Org(_) => Some(("Organization permissions > Self-hosted runners", "organization_self_hosted_runners")),
            Self::Enterprise(_) => None,
        }
    }

    /// The scopes of a classic token that are enough to register here, the least of them first.
    pub(crate) fn classic_scopes(&self) -> &'static [&'static str] {
        match self {
            Self::Repo { .. } => &["repo"],
            Self::Org(_) => &["admin:org", "manage_runners:org"],
            Self::Enterprise(_) => &["manage_runners:enterprise", "admin:enterprise"],
        }
    }

    /// Who may give a token these rights at all.
    pub(crate) fn needed_role(&self) -> &'static str {
        match self {
            Self::Repo { .. } => "administer the repository",
            Self::Org(_) => "be an owner of the organisation",
            Self::Enterprise(_) => "be an owner of the enterprise",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo { owner, name } => write!(f, "repository {owner}/{name}"),
            Self::Org(name) => write!(f, "organisation {name}"),
            Self::Enterprise(name) => write!(f, "enterprise {name}"),
        }
    }
}

/// Percent-encodes one path segment or query value: everything but the unreserved characters of RFC 3986.
pub(super) fn encoded(text: &str) -> String {
    // A dot segment is folded away by every URL parser, even when it is encoded once: the request would go to another
    // path. Encoded twice it is a name that does not exist.
    if matches!(text, "." | "..") {
        return text.replace('.', "%252E");
    }
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_its_path_with_strange_characters_encoded() {
        let repo = |owner: &str, name: &str| Scope::Repo { owner: owner.into(), name: name.into() };
        let cases = [
            (repo("acme", "web.site_1-x"), "/repos/acme/web.site_1-x"),
            (repo("a/b", "c d"), "/repos/a%2Fb/c%20d"),
            (repo("..", "é?#%"), "/repos/%252E%252E/%C3%A9%3F%23%25"),
            (Scope::Org("acme".into()), "/orgs/acme"),
            (Scope::Enterprise("big corp".into()), "/enterprises/big%20corp"),
        ];
        for (scope, path) in cases {
            assert_eq!(scope.path(), path);
        }
    }

    #[test]
    fn the_page_of_a_scope_is_read_back_as_the_scope() {
        for scope in [Scope::Repo { owner: "acme".into(), name: "site".into() }, Scope::Org("acme".into()), Scope::Enterprise("big".into())]
        {
            assert_eq!(Scope::from_web_url(&format!("https://github.com/{}", scope.web_path())), Ok(scope));
        }
    }

    #[test]
    fn a_page_address_names_one_scope() {
        let repo = Scope::Repo { owner: "acme".into(), name: "site".into() };
        let cases = [
            ("https://github.com/acme/site", repo.clone()),
            ("https://github.com/acme/site.git", repo.clone()),
            (" https://ghe.example.com/acme/site/ ", repo),
            ("https://github.com/acme", Scope::Org("acme".into())),
            ("https://github.com/orgs/acme", Scope::Org("acme".into())),
            ("http://h/enterprises/big", Scope::Enterprise("big".into())),
        ];
        for (url, scope) in cases {
            assert_eq!(Scope::from_web_url(url), Ok(scope), "{url}");
        }
    }

    #[test]
    fn an_address_of_something_else_is_refused_and_its_secret_part_not_repeated() {
        for url in [
            "",
            "acme/site",
            "https://github.com",
            "https://github.com/",
            "https:///acme",
            "https://github.com/a/b/c",
            "https://github.com/a//b",
            "https://github.com/../b",
            "https://github.com/enterprises",
            "https://github.com/acme?x=hunter2",
            "ftp://github.com/acme",
        ] {
            let told = Scope::from_web_url(url).unwrap_err().to_string();
            assert!(!told.contains("hunter2"), "{told}");
        }
        let told = Scope::from_web_url("https://me:hunter2@github.com/acme").unwrap_err();
        assert!(!told.to_string().contains("@github"), "{told}");
    }
}
