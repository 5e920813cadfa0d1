//! A GitHub of a few lines on loopback for the tests of this folder: it keeps runners, and a script decides each answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{Endpoint, Proxies};

#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Method and target.
    pub(super) line: String,
    /// The header lines in lower case.
    pub(super) head: String,
    /// The bearer as it was sent.
    pub(super) bearer: Option<String>,
    pub(super) body: String,
}

pub(super) enum Reply {
    Answer {
        status: u16,
        headers: Vec<String>,
        body: String,
    },
    /// The connection ends in the middle of the answer.
    Cut,
    /// Nothing, until the client goes away.
    Hang,
}

impl Reply {
    pub(super) fn json(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_owned() }
    }

    pub(super) fn header(mut self, line: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push(line.to_owned());
        }
        self
    }
}

#[derive(Default)]
pub(super) struct State {
    runners: Vec<(u64, String, String)>,
    last: u64,
    requests: Vec<Request>,
}

impl State {
    pub(super) fn add(&mut self, name: &str, status: &str) -> u64 {
        self.last += 1;
        self.runners.push((self.last, name.to_owned(), status.to_owned()));
        self.last
    }

    /// What GitHub would do.
    pub(super) fn obey(&mut self, request: &Request) -> Reply {
        let line = request.line.as_str();
        if line.starts_with("POST") {
            let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            let name = body["name"].as_str().unwrap().to_owned();
            if self.runners.iter().any(|(_, taken, _)| *taken == name) {
                return Reply::json(409, r#"{"message":"Already exists"}"#);
            }
            let id = self.add(&name, "offline");
            let answer = serde_json::json!({
                "runner": {"id": id, "name": name, "os": "unknown", "status": "offline", "busy": false},
                "encoded_jit_config": "YmxvYg==",
            });
            return Reply::json(201, &answer.to_string());
        }
        if let Some(id) = line.strip_prefix("DELETE ") {
            let id: u64 = id.rsplit('/').next().unwrap().parse().unwrap();
            let before = self.runners.len();
            self.runners.retain(|(known, ..)| *known != id);
            return Reply::json(if self.runners.len() < before { 204 } else { 404 }, "");
        }
        let name = line.rsplit("name=").next().unwrap();
        let runners: Vec<_> = self
            .runners
            .iter()
            .filter(|(_, known, _)| known == name)
            .map(|(id, name, status)| serde_json::json!({"id": id, "name": name, "status": status, "busy": false}))
            .collect();
        let answer = serde_json::json!({"total_count": runners.len(), "runners": runners});
        Reply::json(200, &answer.to_string())
    }
}

type Script = Box<dyn FnMut(&Request, &mut State) -> Reply + Send>;

pub(super) struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
    script: Arc<Mutex<Script>>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn with(script: impl FnMut(&Request, &mut State) -> Reply + Send + 'static) -> Self {
        Self::speaking(None, script)
    }

    /// Speaks TLS when it has a configuration for that.
    pub(super) fn speaking(
        tls: Option<Arc<rustls::ServerConfig>>,
        script: impl FnMut(&Request, &mut State) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let closing = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (state, script, closing) = (state.clone(), script.clone(), closing.clone());
            move || {
                for stream in listener.incoming() {
                    if closing.load(Ordering::SeqCst) {
                        return;
                    }
                    let (state, script, tls) = (state.clone(), script.clone(), tls.clone());
                    std::thread::spawn(move || match tls {
                        None => serve(stream.unwrap(), &state, &script),
                        Some(tls) => {
                            let session = rustls::ServerConnection::new(tls).unwrap();
                            serve(rustls::StreamOwned::new(session, stream.unwrap()), &state, &script);
                        }
                    });
                }
            }
        });
        Self { port, state, script, closing, thread: Some(thread) }
    }

    pub(super) fn obedient() -> Self {
        Self::with(|request, state| state.obey(request))
    }

    /// Carries the first `count` registrations out and then cuts the connection.
    pub(super) fn losing_answers(mut count: u32) -> Self {
        Self::with(move |request, state| {
            let reply = state.obey(request);
            if request.line.starts_with("POST") && count > 0 {
                count -= 1;
                return Reply::Cut;
            }
            reply
        })
    }

    pub(super) fn become_obedient(&self) {
        *self.script.lock().unwrap() = Box::new(|request, state| state.obey(request));
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { api: self.address(), proxies: Proxies::default(), ca_file: None }
    }

    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn add(&self, name: &str, status: &str) {
        self.state.lock().unwrap().add(name, status);
    }

    pub(super) fn registered(&self) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        state.runners.iter().map(|(id, ..)| *id).collect()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(super) fn verbs(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.line.split(' ').next().unwrap().to_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: impl Read + Write, state: &Mutex<State>, script: &Mutex<Script>) {
    let Some(request) = read_request(&mut stream) else {
        return;
    };
    let reply = {
        let mut state = state.lock().unwrap();
        state.requests.push(request.clone());
        (script.lock().unwrap())(&request, &mut state)
    };
    match reply {
        Reply::Answer { status, headers, body } => {
            let extra: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{extra}\r\n", body.len());
            // The client may be gone already.
            let _ = stream.write_all((head + &body).as_bytes());
        }
        Reply::Cut => {
            let _ = stream.write_all(b"HTTP/1.1 201 X\r\ncontent-length: 100\r\n\r\n{\"runner\"");
        }
        Reply::Hang => {
            let _ = stream.read(&mut [0]);
        }
    }
}

fn read_request(stream: &mut impl Read) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut head = String::new();
    let mut bearer = None;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(("Authorization" | "authorization", value)) = line.trim().split_once(": ") {
            bearer = value.strip_prefix("Bearer ").map(str::to_owned);
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        head.push_str(&line);
        head.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = first.trim().strip_suffix(" HTTP/1.1")?.to_owned();
    Some(Request { line, head, bearer, body: String::from_utf8(body).ok()? })
}
