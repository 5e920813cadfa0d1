//! Which repository, organisation or enterprise the runner is for, and where its API is.

use settings::Reader;

use crate::github::Scope;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Repo,
    Org,
    Enterprise,
}

/// Exactly one target, from the variables of three other images.
pub(super) fn scope(reader: &mut Reader) -> Option<Scope> {
    let named = Named::read(reader);
    // `org*` and `ent*` count, as in the image where the variable comes from.
    let wanted = match reader.text("RUNNER_SCOPE").map(|text| text.to_ascii_lowercase()) {
        Some(text) if text.starts_with("org") => Some(Kind::Org),
        Some(text) if text.starts_with("ent") => Some(Kind::Enterprise),
        Some(text) if text.starts_with("repo") => Some(Kind::Repo),
        Some(text) => {
            reader.problem("RUNNER_SCOPE", &format!("`{text}` is not one of its values"), Some("allowed: repo, org, enterprise"));
            return None;
        }
        None => None,
    };
    let kind = match (wanted, named.kinds().as_slice()) {
        (Some(kind), _) => kind,
        (None, [kind]) => *kind,
        (None, []) => {
            reader.problem(
                "REPO_URL",
                "no repository, organisation or enterprise is named",
                Some("set REPO_URL=https://github.com/OWNER/NAME for a repository, ORG_NAME for an organisation or ENTERPRISE_NAME for an enterprise"),
            );
            return None;
        }
        (None, _) => {
            reader.problem(
                "RUNNER_SCOPE",
                "more than one of repository, organisation and enterprise is named",
                Some("set RUNNER_SCOPE to repo, org or enterprise, or keep one of REPO_URL, ORG_NAME and ENTERPRISE_NAME"),
            );
            return None;
        }
    };
    named.scope(kind, reader)
}

struct Named {
    url: Option<String>,
    owner: Option<String>,
    repository: Option<String>,
    org: Option<String>,
    enterprise: Option<String>,
}

impl Named {
    fn read(reader: &mut Reader) -> Self {
        let mut text = |name| reader.text(name).map(|text| text.trim().to_owned());
        Self {
            url: text("REPO_URL"),
            owner: text("GITHUB_OWNER"),
            repository: text("GITHUB_REPOSITORY"),
            org: text("ORG_NAME"),
            enterprise: text("ENTERPRISE_NAME"),
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        let repo = self.url.is_some() || self.repository.is_some();
        let org = self.org.is_some() || (self.owner.is_some() && !repo);
        [(repo, Kind::Repo), (org, Kind::Org), (self.enterprise.is_some(), Kind::Enterprise)]
            .into_iter()
            .filter(|(named, _)| *named)
            .map(|(_, kind)| kind)
            .collect()
    }

    fn scope(self, kind: Kind, reader: &mut Reader) -> Option<Scope> {
        let missing =
            |reader: &mut Reader, name: &str, hint: &str| reader.problem(name, "is not set, and RUNNER_SCOPE asks for it", Some(hint));
        match kind {
            Kind::Org => {
                let org = self.org.or(self.owner);
                if org.is_none() {
                    missing(reader, "ORG_NAME", "set it to the organisation's name");
                }
                org.map(Scope::Org)
            }
            Kind::Enterprise => {
                if self.enterprise.is_none() {
                    missing(reader, "ENTERPRISE_NAME", "set it to the enterprise's slug");
                }
                self.enterprise.map(Scope::Enterprise)
            }
            Kind::Repo => self.repo(reader),
        }
    }

    fn repo(self, reader: &mut Reader) -> Option<Scope> {
        let full = match (self.url, self.owner, self.repository) {
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

/// The API's base address: given, or by the host (actions/scaleset `config.go`).
pub(super) fn api(reader: &mut Reader) -> String {
    if let Some(given) = reader.text("GITHUB_API_URL") {
        let rest = given.strip_prefix("https://").or_else(|| given.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.trim_matches('/').is_empty() || rest.contains(char::is_whitespace)) {
            reader.problem(
                "GITHUB_API_URL",
                &format!("`{given}` is not an http address"),
                Some("write it as https://api.github.com or https://HOST/api/v3"),
            );
        }
        return given.trim_end_matches('/').to_owned();
    }
    let host = reader.text("GITHUB_HOST").unwrap_or_default();
    let host = host.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_ascii_lowercase();
    match host.as_str() {
        "github.com" => "https://api.github.com".to_owned(),
        data_residency if data_residency.ends_with(".ghe.com") => format!("https://api.{host}"),
        _ => format!("https://{host}/api/v3"),
    }
}
