//! A server of a few lines for the tests of this folder: each connection gets the next answer, the last one again and again.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The first line as sent.
    pub(super) line: String,
    /// All of the head in lower case.
    pub(super) head: String,
    pub(super) body: String,
}

pub(super) struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// An answer; `headers` are whole lines.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

impl Server {
    /// An empty answer is a connection that ends without one.
    pub(super) async fn start(answers: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), seen: Arc::default() };
        let mut answers: std::collections::VecDeque<String> = answers.into_iter().collect();
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else { continue };
                seen.lock().unwrap().push(request);
                let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
                let _ = stream.write_all(next.unwrap_or_default().as_bytes()).await;
            }
        });
        server
    }

    pub(super) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut raw = Vec::new();
    loop {
        let mut piece = [0; 2048];
        let length = stream.read(&mut piece).await.ok().filter(|&length| length > 0)?;
        raw.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&raw).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let line = head.lines().next()?.to_owned();
        let head = head.to_ascii_lowercase();
        let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if body.len() >= promised {
            return Some(Request { line, head, body: body.to_owned() });
        }
    }
}
