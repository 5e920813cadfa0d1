//! The long-lived right to ask GitHub: a personal access token or an App.

use settings::{Reader, Secret};

use super::Credential;

/// What was found of a credential.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Complete(Credential),
    /// Something is there and is wrong; the reader knows what.
    Broken,
    None,
}

impl Found {
    pub(super) fn complete(self) -> Option<Credential> {
        match self {
            Self::Complete(credential) => Some(credential),
            Self::Broken | Self::None => None,
        }
    }

    /// Whether the user named any, complete or not.
    pub(super) fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }
}

pub(super) fn read(reader: &mut Reader) -> Found {
    let token = reader.secret("ACCESS_TOKEN");
    let app = app(reader);
    match (reader.given_as("ACCESS_TOKEN"), app) {
        (Some(given), Some(_)) => {
            let other = reader.given_as("APP_ID").or_else(|| reader.given_as("APP_PRIVATE_KEY")).unwrap_or_default();
            reader.problem(&given, &format!("is set, and {other} too"), Some("keep one of the two: a token, or an App"));
            Found::Broken
        }
        (Some(_), None) => token.map_or(Found::Broken, |token| Found::Complete(Credential::Token(token))),
        (None, Some(app)) => app.map_or(Found::Broken, Found::Complete),
        (None, None) => Found::None,
    }
}

/// The outer `None` is no App at all, the inner one that is wrong.
fn app(reader: &mut Reader) -> Option<Option<Credential>> {
    let id = reader.text("APP_ID").map(|id| id.trim().to_owned());
    let key = reader.secret_text("APP_PRIVATE_KEY", check_key);
    let login = reader.text("APP_LOGIN").map(|login| login.trim().to_owned());
    match (reader.given_as("APP_ID"), reader.given_as("APP_PRIVATE_KEY")) {
        (None, None) => return None,
        (Some(given), None) => reader.problem(
            "APP_PRIVATE_KEY",
            &format!("is not set, and {given} is"),
            Some("set it, or APP_PRIVATE_KEY_FILE, to the private key (PEM) that the App's settings page made"),
        ),
        (None, Some(given)) => {
            let hint = "set it to the App ID or the Client ID on the App's settings page";
            reader.problem("APP_ID", &format!("is not set, and {given} is"), Some(hint));
        }
        (Some(given), Some(_)) => {
            let id = id.unwrap_or_default();
            if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
                let shown: String = id.escape_debug().take(40).collect();
                let hint = "write the App ID, a number, or the Client ID, as in Iv23liAbCdEf";
                reader.problem(&given, &format!("`{shown}` is not the id of an App"), Some(hint));
                return Some(None);
            }
            return Some(key.map(|key: Secret| Credential::App { id, key, login }));
        }
    }
    Some(None)
}

/// Whether a text looks like a private key. Nothing of the text is told.
fn check_key(pem: &str) -> Result<(), String> {
    let begins = pem.trim_start().starts_with("-----BEGIN ") && pem.contains("PRIVATE KEY-----");
    let ends = pem.trim_end().ends_with("-----") && pem.contains("-----END ");
    match (begins, ends) {
        (true, true) => Ok(()),
        (true, false) => Err("is cut off: it has no line -----END ... PRIVATE KEY-----\ngive the whole file; in a variable write each line break as `\\n`, or use APP_PRIVATE_KEY_FILE".to_owned()),
        (false, _) => Err("is not a private key in PEM\ngive the .pem file that the App's settings page made; it begins with -----BEGIN RSA PRIVATE KEY-----".to_owned()),
    }
}
