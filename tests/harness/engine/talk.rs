//! One question to dockerd over its socket: HTTP/1.0, so that the answer ends with the connection.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

/// What the daemon answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP's.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Reply {
    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

pub(crate) fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    let body = body.map(ToString::to_string).unwrap_or_default();
    let kind = "Content-Type: application/json";
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: docker\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    let mut raw = String::new();
    stream.read_to_string(&mut raw)?;
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not an answer of HTTP");
    let (head, text) = raw.split_once("\r\n\r\n").ok_or_else(invalid)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(invalid)?;
    Ok(Reply { status, text: text.to_owned() })
}
