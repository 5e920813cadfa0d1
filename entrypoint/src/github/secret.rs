//! Text that can be sent and never shown: tokens, keys, what starts a runner. Wiped when dropped.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A secret. Its memory is wiped on drop; it is written out only where somebody serialises what holds it, which is the pipe between
/// this program and its own errands.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Wraps a secret.
    #[must_use]
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(not shown)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A right to ask GitHub for something. Neither length nor form of a token is judged: GitHub changes both.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Credential {
    /// A personal access token, or an installation token somebody else made.
    Token(SecretText),
    /// A GitHub App, which makes its own tokens.
    App(AppKey),
}

/// A GitHub App's identity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AppKey {
    /// App id or client id; GitHub takes both for the claim `iss`.
    pub(crate) id: String,
    /// The private key in PEM.
    pub(crate) key: SecretText,
    /// The account the App is installed on; without it the installation is found from the scope.
    pub(crate) login: Option<String>,
}

/// The blob that makes a Listener this runner: whoever starts it first *is* the runner.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Blob(SecretText);

impl Blob {
    /// Wraps the base64 text.
    #[must_use]
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretText::new(text))
    }

    /// The base64 text for the one process that may have it.
    #[must_use]
    pub(crate) fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes, not shown)", self.0.reveal().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_travels_through_json_and_is_shown_nowhere() {
        let app = AppKey { id: "Iv1.1".into(), key: SecretText::new("hunter2"), login: Some("acme".into()) };
        for credential in [Credential::Token(SecretText::new("hunter2")), Credential::App(app)] {
            let shown = format!("{credential:?}");
            assert!(!shown.contains("hunter2") && shown.contains("not shown"), "{shown}");
            let json = serde_json::to_string(&credential).unwrap();
            let back: Credential = serde_json::from_str(&json).unwrap();
            let (Credential::Token(text) | Credential::App(AppKey { key: text, .. })) = &back;
            assert_eq!(text.reveal(), "hunter2");
        }
        assert_eq!(format!("{:?}", Blob::new("YmxvYg==")), "Blob(8 bytes, not shown)");
    }
}
