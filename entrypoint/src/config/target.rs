//! Which repository, organisation or enterprise the runner is for.

use settings::Reader;

use crate::github::Scope;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Repo,
    Org,
    Enterprise,
}

/// A target, and the setting and address it was read from, if it was one: its host is GitHub's.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) scope: Scope,
    pub(super) address: Option<(&'static str, String)>,
}

/// Exactly one target, from the variables of other images. None at all is a problem only if one is `required`.
pub(super) fn read(reader: &mut Reader, required: bool) -> Option<Target> {
    let named = Named::read(reader);
    let org_runner = reader.switch("ORG_RUNNER");
    // `org*` and `ent*` count, as in the image where the variable comes from.
    let wanted = match reader.text("RUNNER_SCOPE").map(|text| text.trim().to_ascii_lowercase()) {
        Some(text) if text.starts_with("org") => Some(Kind::Org),
        Some(text) if text.starts_with("ent") => Some(Kind::Enterprise),
        Some(text) if text.starts_with("repo") => Some(Kind::Repo),
        Some(text) => {
            reader.problem("RUNNER_SCOPE", &format!("`{text}` is not one of its values"), Some("allowed: repo, org, enterprise"));
            return None;
        }
        None => org_runner.then_some(Kind::Org),
    };
    let kind = match (wanted, named.kinds().as_slice()) {
        (Some(kind), _) => kind,
        (None, [kind]) => *kind,
        (None, []) => return named.page(reader, required),
        (None, _) => {
            reader.problem(
                "RUNNER_SCOPE",
                "more than one of repository, organisation and enterprise is named",
                Some("set RUNNER_SCOPE to repo, org or enterprise, or keep one of REPO_URL, ORG_NAME and ENTERPRISE_NAME"),
            );
            return None;
        }
    };
    named.target(kind, reader)
}

struct Named {
    url: Option<String>,
    owner: Option<String>,
    repository: Option<String>,
    org: Option<String>,
    enterprise: Option<String>,
    /// Of any of the three.
    page: Option<String>,
}

const PAGE: &str = "ACTIONS_RUNNER_INPUT_URL";
const NAME_ONE: &str =
    "set REPO_URL=https://github.com/OWNER/NAME for a repository, ORG_NAME for an organisation or ENTERPRISE_NAME for an enterprise";

impl Named {
    fn read(reader: &mut Reader) -> Self {
        let mut text = |name| reader.text(name).map(|text| text.trim().to_owned());
        Self {
            url: text("REPO_URL"),
            owner: text("GITHUB_OWNER"),
            repository: text("GITHUB_REPOSITORY"),
            org: text("ORG_NAME"),
            enterprise: text("ENTERPRISE_NAME"),
            page: text("ACTIONS_RUNNER_INPUT_URL"),
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        let repo = self.url.is_some() || self.repository.is_some();
        // An organisation beside a bare repository name is its owner.
        let owner = self.url.is_none() && self.owner.is_none() && self.repository.as_ref().is_some_and(|name| !name.contains('/'));
        let org = (self.org.is_some() && !owner) || (self.owner.is_some() && !repo);
        [(repo, Kind::Repo), (org, Kind::Org), (self.enterprise.is_some(), Kind::Enterprise)]
            .into_iter()
            .filter(|(named, _)| *named)
            .map(|(_, kind)| kind)
            .collect()
    }

    /// What is left when nothing is named by its kind.
    fn page(self, reader: &mut Reader, required: bool) -> Option<Target> {
        match self.page {
            Some(url) => match Scope::from_web_url(&url) {
                Ok(scope) => Some(Target { scope, address: Some((PAGE, url)) }),
                Err(error) => {
                    let error = error.to_string();
                    let (what, hint) = error.split_once("\nhint: ").unwrap_or((&error, ""));
                    reader.problem(PAGE, what, Some(hint));
                    None
                }
            },
            None => {
                if required {
                    reader.problem("REPO_URL", "no repository, organisation or enterprise is named", Some(NAME_ONE));
                }
                None
            }
        }
    }

    fn target(mut self, kind: Kind, reader: &mut Reader) -> Option<Target> {
        let missing = |reader: &mut Reader, name: &str, hint: &str| {
            let asking = if reader.given_as("RUNNER_SCOPE").is_some() { "RUNNER_SCOPE" } else { "ORG_RUNNER" };
            reader.problem(name, &format!("is not set, and {asking} asks for it"), Some(hint));
        };
        let page = self.page.take().filter(|_| self.kinds().is_empty());
        let of_page = page.as_deref().and_then(|url| Scope::from_web_url(url).ok());
        let kind_of_page = of_page.as_ref().map(|scope| match scope {
            Scope::Repo { .. } => Kind::Repo,
            Scope::Org(_) => Kind::Org,
            Scope::Enterprise(_) => Kind::Enterprise,
        });
        if let (Some(scope), Some(url), true) = (of_page, page, kind_of_page == Some(kind)) {
            return Some(Target { scope, address: Some((PAGE, url)) });
        }
        let plain = |scope| Target { scope, address: None };
        match kind {
            Kind::Org => {
                let org = self.org.or(self.owner);
                if org.is_none() {
                    missing(reader, "ORG_NAME", "set it to the organisation's name");
                }
                org.map(Scope::Org).map(plain)
            }
            Kind::Enterprise => {
                if self.enterprise.is_none() {
                    missing(reader, "ENTERPRISE_NAME", "set it to the enterprise's slug");
                }
                self.enterprise.map(Scope::Enterprise).map(plain)
            }
            Kind::Repo => {
                let address = self.url.clone().map(|url| ("REPO_URL", url));
                self.repo(reader).map(|scope| Target { scope, address })
            }
        }
    }

    fn repo(self, reader: &mut Reader) -> Option<Scope> {
        let full = match (self.url, self.owner.or(self.org), self.repository) {
            (Some(url), _, _) => {
                let scope = Scope::from_web_url(&url);
                if let Ok(scope @ Scope::Repo { .. }) = scope {
                    return Some(scope);
                }
                let what = scope.err().map_or_else(|| format!("`{url}` is no repository's address"), |error| error.to_string());
                reader.problem("REPO_URL", what.lines().next().unwrap_or_default(), Some("write it as https://github.com/OWNER/NAME"));
                return None;
            }
            (None, _, Some(repository)) if repository.contains('/') => repository,
            (None, Some(owner), Some(repository)) => format!("{owner}/{repository}"),
            _ => {
                let hint = "set REPO_URL=https://github.com/OWNER/NAME, or GITHUB_OWNER and GITHUB_REPOSITORY";
                reader.problem("REPO_URL", "is not set, and RUNNER_SCOPE asks for it", Some(hint));
                return None;
            }
        };
        match full.split('/').collect::<Vec<_>>().as_slice() {
            [owner, name] if !owner.is_empty() && !name.is_empty() => {
                Some(Scope::Repo { owner: (*owner).to_owned(), name: (*name).to_owned() })
            }
            _ => {
                reader.problem(
                    "GITHUB_REPOSITORY",
                    &format!("`{full}` does not name one repository"),
                    Some("write it as NAME, or as OWNER/NAME"),
                );
                None
            }
        }
    }
}
