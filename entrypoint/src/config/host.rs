//! Where GitHub is: the address of its pages and of its API.

use settings::Reader;

use super::target::Target;

/// Two addresses without a slash at their ends.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) api: String,
    pub(super) web: String,
}

/// A host and who named it.
struct Named {
    by: String,
    /// `https` unless an address says otherwise.
    scheme: &'static str,
    host: String,
}

pub(super) fn read(reader: &mut Reader, target: Option<&Target>) -> Host {
    let mut named = Vec::new();
    for setting in ["GITHUB_HOST", "GITHUB_URL"] {
        let Some(by) = reader.given_as(setting) else { continue };
        let text = reader.text(setting).unwrap_or_default();
        match split(&text) {
            // The host's own variable holds a host; a scheme before it never meant anything.
            Some((_, host, "")) if setting == "GITHUB_HOST" => named.push(Named { by, scheme: "https", host }),
            Some((scheme, host, "")) if text.contains("://") => named.push(Named { by, scheme, host }),
            _ => {
                let (what, hint) = match setting {
                    "GITHUB_HOST" => ("a host name", "write only the name, as in github.example.com"),
                    _ => ("the address of a GitHub", "write it as https://github.example.com, without a path"),
                };
                reader.problem(&by, &format!("`{}` is not {what}", super::shown_url(text.trim())), Some(hint));
            }
        }
    }
    if let Some((by, url)) = target.and_then(|target| target.address.as_ref())
        && let Some((scheme, host, _)) = split(url)
    {
        named.push(Named { by: (*by).to_owned(), scheme, host });
    }
    if let Some((first, other)) = named.first().and_then(|first| Some((first, named.iter().find(|other| other.host != first.host)?))) {
        let what = format!("is at `{}`, and {} says `{}`", other.host, first.by, first.host);
        reader.problem(&other.by, &what, Some("both must name the same GitHub; one of them is enough"));
    }
    let named = named.into_iter().next().unwrap_or(Named { by: String::new(), scheme: "https", host: "github.com".to_owned() });
    Host { api: api(reader, &named), web: format!("{}://{}", named.scheme, named.host) }
}

/// Scheme, host in lower case and path of an address; a missing scheme is https. `None` if it holds what no host holds.
fn split(text: &str) -> Option<(&'static str, String, &str)> {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some(("https", rest)) => ("https", rest),
        Some(("http", rest)) => ("http", rest),
        Some(_) => return None,
        None => ("https", text),
    };
    let (host, path) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
    let host = host.to_ascii_lowercase();
    let host = host.strip_prefix("www.").filter(|host| *host == "github.com").unwrap_or(&host).to_owned();
    let good = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_'));
    good.then_some((scheme, host, path))
}

/// The API's base address: given, or by the host (actions/scaleset `config.go`).
fn api(reader: &mut Reader, named: &Named) -> String {
    let given = reader.text("GITHUB_API_URL").map(|url| url.trim().to_owned());
    let parts = (reader.text("GITHUB_API_HOST"), reader.text("GITHUB_API_PATH"));
    if let Some(given) = given {
        for part in ["GITHUB_API_HOST", "GITHUB_API_PATH"] {
            if let Some(part) = reader.given_as(part) {
                reader.problem(&part, "is set, and GITHUB_API_URL too", Some("keep GITHUB_API_URL: it holds both"));
            }
        }
        let rest = given.strip_prefix("https://").or_else(|| given.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.trim_matches('/').is_empty() || rest.contains(char::is_whitespace) || rest.contains('@')) {
            reader.problem(
                "GITHUB_API_URL",
                &format!("`{}` is not an http address", super::shown_url(&given)),
                Some("write it as https://api.github.com or https://HOST/api/v3"),
            );
        }
        return given.trim_end_matches('/').to_owned();
    }
    let of_github = named.host == "github.com" || named.host.ends_with(".ghe.com");
    let host = match parts.0 {
        None if of_github => format!("api.{}", named.host),
        None => named.host.clone(),
        Some(text) => match split(&text) {
            Some((_, host, "")) => host,
            _ => {
                let hint = "write only the name, as in api.github.example.com";
                reader.problem("GITHUB_API_HOST", &format!("`{}` is not a host", text.trim()), Some(hint));
                String::new()
            }
        },
    };
    let path = match parts.1.as_deref().map(str::trim) {
        None if of_github => "",
        None => "/api/v3",
        Some(path) if path.starts_with('/') && !path.contains(['?', '#', ' ']) => path.trim_end_matches('/'),
        Some(path) => {
            let hint = "write it as /api/v3, or / for none";
            reader.problem("GITHUB_API_PATH", &format!("`{path}` is not a path"), Some(hint));
            ""
        }
    };
    format!("{}://{host}{path}", named.scheme)
}
