//! A plain HTTP/1.1 client, one connection per call: for the stand-in runner and for tests that look at raw answers.
//!
//! Owns one request and one answer over TCP. Must not know GitHub; no TLS, no redirects, no retries: a test wants to
//! see what really came.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code of the first line.
    pub status: u16,
    /// Header fields in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Answer {
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

/// A request being written.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    limit: Duration,
}

impl Request {
    /// A request for an `http://host:port/...` address; 30 s limit for each read.
    #[must_use]
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: None, limit: Duration::from_secs(30) }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets a JSON body and its content type.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets how long one read may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// No connection, no answer in time, an answer that ends early (`UnexpectedEof`) or is none (`InvalidData`).
    pub fn send(&self) -> io::Result<Answer> {
        self.send_on(|_| ())
    }

    /// Like [`Request::send`], and shows the connection to `keep` first, so that another thread can shut it down.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub fn send_on(&self, keep: impl FnOnce(&TcpStream)) -> io::Result<Answer> {
        let rest = self.url.strip_prefix("http://").ok_or_else(|| invalid("address must begin with http://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(self.limit))?;
        keep(&stream);
        let body = self.body.as_deref().unwrap_or("");
        let mut text = format!("{} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n", self.method);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes())?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw)?;
        let _ = stream.shutdown(Shutdown::Both);
        parse(&raw)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn parse(raw: &[u8]) -> io::Result<Answer> {
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer ended early");
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(k, v)| (k.trim().to_lowercase(), v.trim().to_owned())).collect();
    let body = &raw[end + 4..];
    let promised = headers.iter().find(|(k, _)| k == "content-length").and_then(|(_, v)| v.parse::<usize>().ok());
    if promised.is_some_and(|length| body.len() < length) {
        return Err(cut());
    }
    Ok(Answer { status: status.ok_or_else(|| invalid("no status line"))?, headers, body: String::from_utf8_lossy(body).into_owned() })
}
