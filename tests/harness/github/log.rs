//! The request log. Owns what is kept of a request; must not judge it.

use std::time::Duration;

use super::Route;

/// One request as it was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Where it went.
    pub route: Route,
    /// Method as sent.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body as text.
    pub body: String,
    /// Status of the answer; `None` while there is none, and for good when it was lost.
    pub status: Option<u16>,
    /// Time since the stand-in started.
    pub at: Duration,
}

impl Seen {
    /// The value of the first header called `name` (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}
