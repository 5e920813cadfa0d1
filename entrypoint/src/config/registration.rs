//! Which of the three ways a registration comes: just in time, ready-made, or with `config.sh`.

use std::ffi::OsString;

use settings::{Reader, Secret};
use zeroize::Zeroizing;

use crate::github::Scope;

use super::{Ready, Registration, credential, shown_url, wanted};

/// A way that was chosen, as far as it is known before the target.
#[derive(Debug)]
pub(super) enum Way {
    Jit,
    Ready(Option<Ready>),
    Classic(Option<Secret>),
    /// None can be gone; the reader knows why.
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Auto,
    Jit,
    Classic,
}

const THREE_WAYS: &str = "there are three ways, and every secret can also be a file: ACCESS_TOKEN_FILE=/path
ACCESS_TOKEN, or APP_ID and APP_PRIVATE_KEY: a registration of its own for each task (best)
ACTIONS_RUNNER_INPUT_JITCONFIG or JITCONFIG_URL: registered elsewhere; needs no target
RUNNER_TOKEN: a registration token, younger than one hour";

pub(super) fn read(reader: &mut Reader, credential: &credential::Found, warnings: &mut Vec<String>) -> Way {
    let asked =
        reader.choice("REGISTRATION", &[("auto", Asked::Auto), ("jit", Asked::Jit), ("classic", Asked::Classic)]).unwrap_or(Asked::Auto);
    let token = reader.secret("RUNNER_TOKEN");
    let token_given = reader.given_as("RUNNER_TOKEN");
    let ready = ready(reader, asked, warnings);
    if let Some(ready) = ready {
        if let Some(token) = token_given {
            reader.problem(
                &token,
                "is set beside a JIT configuration that is ready",
                Some("keep one of the two: the token registers a runner, a JIT configuration is a runner that is registered already"),
            );
        }
        return Way::Ready(ready);
    }
    match (asked, token_given) {
        (Asked::Jit, Some(given)) if credential.is_some() => {
            warnings.push(format!("{given} is not used: REGISTRATION=jit registers with the token or the App"));
            Way::Jit
        }
        (Asked::Jit, Some(given)) => {
            reader.problem(
                "REGISTRATION",
                &format!("`jit` cannot be done with {given} alone"),
                Some("a registration token makes classic runners only: leave REGISTRATION out, or set ACCESS_TOKEN or an App"),
            );
            Way::Nowhere
        }
        (Asked::Auto | Asked::Classic, Some(_)) => Way::Classic(token),
        (_, None) if !credential.is_some() => {
            reader.problem("ACCESS_TOKEN", "is not set, nor is anything else that a runner can be registered with", Some(THREE_WAYS));
            Way::Nowhere
        }
        (Asked::Classic, None) => Way::Classic(None),
        (Asked::Auto | Asked::Jit, None) => Way::Jit,
    }
}

/// The outer `None` is none at all, the inner one that is wrong.
fn ready(reader: &mut Reader, asked: Asked, warnings: &mut Vec<String>) -> Option<Option<Ready>> {
    let blob = reader.secret("ACTIONS_RUNNER_INPUT_JITCONFIG");
    // Its query may be as good as a token.
    let url = reader.text("JITCONFIG_URL").map(|url| Zeroizing::new(url).trim().to_owned());
    let bearer = reader.secret("JITCONFIG_TOKEN");
    let given = reader.given_as("ACTIONS_RUNNER_INPUT_JITCONFIG");
    if let (Some(token), None) = (reader.given_as("JITCONFIG_TOKEN"), &url) {
        reader.problem(&token, "is set, and JITCONFIG_URL is not", Some("set JITCONFIG_URL, or take the token away"));
    }
    let named = given.clone().or_else(|| reader.given_as("JITCONFIG_URL"))?;
    if asked == Asked::Classic {
        let hint = "a JIT configuration is a registration already: leave REGISTRATION out, or take it away";
        reader.problem("REGISTRATION", &format!("`classic` contradicts {named}"), Some(hint));
    }
    if let (Some(given), Some(_)) = (&given, &url) {
        reader.problem("JITCONFIG_URL", &format!("is set, and {given} too"), Some("keep one of the two"));
        return Some(None);
    }
    let Some(url) = url else {
        if let Some(blob) = &blob
            && let Ok(text) = blob.reveal()
            && !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
        {
            let hint = "give encoded_jit_config as GitHub answered it, in base64, without quotes around it";
            reader.problem(&named, "is not a JIT configuration", Some(hint));
            return Some(None);
        }
        return Some(blob.map(Ready::Blob));
    };
    if let Err((what, hint)) = judged(&url) {
        reader.problem("JITCONFIG_URL", &format!("`{}` {what}", shown_url(&url)), Some(hint));
        return Some(None);
    }
    if url.starts_with("http://") && !is_near(&url) {
        warnings.push("JITCONFIG_URL is plain http: whoever listens on the way can become this runner".to_owned());
    }
    let budget = wanted::budget(reader);
    Some(Some(Ready::Url { url, bearer, budget }))
}

/// What is wrong with an address, and what to do.
fn judged(url: &str) -> Result<(), (&'static str, &'static str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match host {
        Some(host) if host.contains('@') => {
            Err(("has a user or a password in it", "take it out, and give a bearer token as JITCONFIG_TOKEN"))
        }
        Some(host) if !host.is_empty() && !url.contains(char::is_whitespace) => Ok(()),
        _ => Err(("is not an http address", "write it as https://HOST/PATH")),
    }
}

/// On this machine or its own link.
fn is_near(url: &str) -> bool {
    ["http://127.", "http://localhost", "http://[::1]", "http://169.254."].iter().any(|near| url.starts_with(near))
}

impl Way {
    /// Whether the registration is made already, so that no target needs to be named.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// The whole of it; `None` when the reader knows of a problem.
    pub(super) fn registration(
        self,
        reader: &mut Reader,
        scope: Option<&Scope>,
        environment: &[(OsString, OsString)],
        warnings: &mut Vec<String>,
    ) -> Option<Registration> {
        let disable_update = reader.switch("DISABLE_AUTO_UPDATE");
        match self {
            Self::Ready(ready) => ready.map(Registration::Ready),
            Self::Jit => Some(Registration::Jit(wanted::read(reader, scope, environment, warnings))),
            Self::Classic(token) => {
                Some(Registration::Classic { wanted: wanted::read(reader, scope, environment, warnings), token, disable_update })
            }
            // For the problems that are in there too.
            Self::Nowhere => {
                wanted::read(reader, scope, environment, warnings);
                None
            }
        }
    }
}
