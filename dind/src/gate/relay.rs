//! Passing requests on, each over a connection of its own to the daemon: heads are written anew, bodies stream with back-pressure, a
//! connection that is taken over is copied both ways until both sides have ended.

use std::{cell::Cell, path::PathBuf, rc::Rc, time::Duration};

use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use supervise::records;
use tokio::{
    net::UnixStream,
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    allow::{Allow, Word},
    body::Judge,
    refusal::Refusal,
    route::{self, Kind, Route},
};

/// Of a body that is judged. A container's description is a few kilobytes.
const LONGEST_BODY: usize = 1024 * 1024;

/// Bodies that are read at a time, and how long one may take: clients that send slowly hold up only each other.
const BODIES: usize = 16;
const BODY: Duration = Duration::from_secs(10);

/// Of a body that is refused unseen, so that small ones do not cost the client its answer.
const DRAINED: usize = 16 * 1024 * 1024;

/// A daemon accepts at once, unless it hangs and its queue is full.
const CONNECT: Duration = Duration::from_secs(10);

/// Refusals that are told in the log each second: a job can ask faster than anybody reads.
const TOLD: u32 = 5;

/// Headers of one connection and not of the request (RFC 9110, 7.6.1), and what is written anew.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    header::HOST,
];

type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// What stands between the clients and one daemon.
#[derive(Debug)]
pub(super) struct Relay {
    daemon: PathBuf,
    allow: Allow,
    /// The id of the daemon's network `host`, once it was asked for.
    host_network: OnceCell<String>,
    bodies: Semaphore,
    told: Cell<Option<(Instant, u32)>>,
}

/// Why there is no answer of the daemon's.
enum Stop {
    Refused(Refusal),
    Failed(StatusCode, String),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn unreachable(why: impl std::fmt::Display) -> Stop {
    Stop::Failed(StatusCode::BAD_GATEWAY, format!("docker does not answer behind the gate of this runner: {why}"))
}

impl Relay {
    pub(super) fn new(daemon: PathBuf, allow: Allow) -> Self {
        Self { daemon, allow, host_network: OnceCell::new(), bodies: Semaphore::new(BODIES), told: Cell::new(None) }
    }

    /// The answer to one request; `seat` is held as long as the connection is used.
    pub(super) async fn answer(&self, request: Request<Incoming>, seat: Rc<OwnedSemaphorePermit>) -> Answer {
        let asked = format!("{} {}", request.method(), request.uri().path());
        let passed = match self.look(&request) {
            Ok(route) => self.pass(route, request, seat).await,
            Err(refusal) => {
                // A client that is still sending hears an answer only when it is done, or too late.
                let _ = tokio::time::timeout(BODY, drain(request.into_body())).await;
                Err(refusal.into())
            }
        };
        let (status, message) = match passed {
            Ok(answer) => return answer,
            Err(Stop::Refused(refusal)) => {
                self.tell(&asked, &refusal);
                (StatusCode::FORBIDDEN, refusal.body())
            }
            Err(Stop::Failed(status, why)) => (status, serde_json::json!({ "message": why }).to_string()),
        };
        let mut answer = Response::new(Either::Right(Full::new(Bytes::from(message))));
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }

    /// What can be told from the head alone.
    fn look(&self, request: &Request<Incoming>) -> Result<Route, Refusal> {
        form(request.headers())?;
        route::route(request.method().as_str(), request.uri().path(), request.uri().query(), &self.allow)
    }

    async fn pass(&self, route: Route, mut request: Request<Incoming>, seat: Rc<OwnedSemaphorePermit>) -> Result<Answer, Stop> {
        let Route { mut path, kind } = route;
        if kind == Kind::Connect {
            let name = path.split('/').rev().nth(1).unwrap_or_default();
            self.network(name).await?;
        }
        if kind == Kind::Archive {
            path = self.archive(&path).await?;
        }
        let protocol = if kind == Kind::Upgrade { protocol(request.headers())? } else { None };
        let client = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let uri = request.uri().query().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let (head, body) = request.into_parts();
        let mut onward = Request::new(match kind {
            Kind::Free | Kind::Upgrade | Kind::Connect | Kind::Archive => Either::Left(body),
            kind => Either::Right(Full::new(self.judged(kind, body).await?)),
        });
        *onward.method_mut() = head.method;
        *onward.uri_mut() = uri.parse().map_err(|_| Refusal::unclear("this address", "escape it as RFC 3986 has it"))?;
        copy(&head.headers, onward.headers_mut(), &[header::CONTENT_LENGTH]);
        onward.headers_mut().insert(header::HOST, HeaderValue::from_static("docker"));
        if let Some(protocol) = &protocol {
            take_over(onward.headers_mut(), protocol);
        }

        let mut sender = self.connect().await?;
        let mut response = sender.send_request(onward).await.map_err(unreachable)?;
        let theirs = (response.status() == StatusCode::SWITCHING_PROTOCOLS).then(|| hyper::upgrade::on(&mut response));
        let (head, body) = response.into_parts();
        let mut answer = Response::new(Either::Left(body));
        *answer.status_mut() = head.status;
        copy(&head.headers, answer.headers_mut(), &[]);
        match (client, theirs) {
            (Some(client), Some(theirs)) => {
                let protocol = head.headers.get(header::UPGRADE).cloned().or(protocol).unwrap_or(HeaderValue::from_static("tcp"));
                take_over(answer.headers_mut(), &protocol);
                tokio::task::spawn_local(async move {
                    if let (Ok(client), Ok(theirs)) = (client.await, theirs.await) {
                        let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(theirs)).await;
                    }
                    drop(seat);
                });
            }
            (None, Some(_)) => return Err(unreachable("it took over a connection that nobody offered")),
            (_, None) => {}
        }
        Ok(answer)
    }

    /// The body to pass on instead of this one.
    async fn judged(&self, kind: Kind, body: Incoming) -> Result<Bytes, Stop> {
        let _turn = self.bodies.acquire().await.map_err(unreachable)?;
        let read = tokio::time::timeout(BODY, Limited::new(body, LONGEST_BODY).collect()).await;
        let text = match read {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                let why = format!("the body is longer than {LONGEST_BODY} bytes, which is all that the gate of this runner reads");
                return Err(Stop::Failed(StatusCode::PAYLOAD_TOO_LARGE, why));
            }
            Ok(Err(error)) => return Err(Stop::Failed(StatusCode::BAD_REQUEST, format!("the body ended early: {error}"))),
            Err(_) => return Err(Stop::Failed(StatusCode::REQUEST_TIMEOUT, format!("the body took longer than {} s", BODY.as_secs()))),
        };
        let host_network = self.host_network().await?;
        Ok(Judge { allow: &self.allow, host_network }.body(kind, &text)?.into())
    }

    async fn network(&self, name: &str) -> Result<(), Stop> {
        let judge = Judge { allow: &self.allow, host_network: self.host_network().await? };
        if judge.is_host_network(name) && !self.allow.has(Word::HostNetwork) {
            return Err(Refusal::unless(Word::HostNetwork, "the network `host`").into());
        }
        Ok(())
    }

    async fn host_network(&self) -> Result<&str, Stop> {
        #[derive(Deserialize)]
        struct Network {
            #[serde(rename = "Id")]
            id: String,
        }
        let asked = self.host_network.get_or_try_init(|| async {
            let (status, text) = self.ask("/networks/host").await?;
            let network: Network = serde_json::from_slice(&text).map_err(|error| unreachable(format!("{error} ({status})")))?;
            Ok(network.id)
        });
        asked.await.map(String::as_str)
    }

    /// The path of an archive with the container's id in it: a name could be another's in a moment.
    ///
    /// The daemon mounts what the container has for this, and follows links on the way (moby, `daemon/containerfs_linux.go`), without the
    /// runtime that would hold it. What is below a shared folder can become a link at any time; the shared folder itself cannot.
    async fn archive(&self, path: &str) -> Result<String, Stop> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Container {
            id: String,
            #[serde(default)]
            mounts: Vec<Mount>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Mount {
            #[serde(rename = "Type")]
            kind: String,
            source: String,
        }
        let mut parts: Vec<&str> = path.split('/').collect();
        let at = parts.len() - 2;
        let (status, text) = self.ask(&format!("/containers/{}/json", parts[at])).await?;
        if !status.is_success() {
            let message =
                serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|told| Some(told.get("message")?.as_str()?.to_owned()));
            return Err(Stop::Failed(status, message.unwrap_or_default()));
        }
        let container: Container = serde_json::from_slice(&text).map_err(unreachable)?;
        let firm = |mount: &Mount| mount.kind != "bind" || self.allow.root_of(&mount.source).is_some_and(|(_, rest)| rest.is_empty());
        if let Some(mount) = container.mounts.iter().find(|mount| !firm(mount)) {
            let what = format!("copying in or out of a container that has {}", mount.source);
            return Err(Refusal::unclear(what, "copy without docker: the folder is shared; or mount the whole shared folder").into());
        }
        parts[at] = &container.id;
        Ok(parts.join("/"))
    }

    /// A question of the gate's own.
    async fn ask(&self, path: &str) -> Result<(StatusCode, Bytes), Stop> {
        let mut sender = self.connect().await?;
        let request = Request::builder().method(Method::GET).uri(path).header(header::HOST, "docker");
        let request = request.body(Either::Right(Full::default())).map_err(unreachable)?;
        let response = sender.send_request(request).await.map_err(unreachable)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_BODY).collect().await.map_err(unreachable)?;
        Ok((status, body.to_bytes()))
    }

    async fn connect(&self) -> Result<http1::SendRequest<Either<Incoming, Full<Bytes>>>, Stop> {
        let stream = tokio::time::timeout(CONNECT, UnixStream::connect(&self.daemon)).await;
        let stream = stream.map_err(|_| unreachable("it does not accept connections"))?.map_err(unreachable)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
        // It ends when nobody has its sender or its body any more: a client that goes away leaves no daemon streaming to nobody.
        tokio::task::spawn_local(async move {
            let _ = connection.with_upgrades().await;
        });
        Ok(sender)
    }

    fn tell(&self, asked: &str, refusal: &Refusal) {
        let now = Instant::now();
        let (since, count) = self.told.get().filter(|(since, _)| now - *since < Duration::from_secs(1)).unwrap_or((now, 0));
        self.told.set(Some((since, count + 1)));
        if count < TOLD {
            records::answer(&format!("refused {}: {}\n", asked.escape_debug(), refusal.what.escape_debug()));
        }
    }
}

async fn drain(mut body: Incoming) {
    let mut left = DRAINED;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// A body that is a form is read by Go as if it were part of the query, behind the back of whoever judged that.
fn form(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let first = types.next().map(|value| value.as_bytes().to_ascii_lowercase());
    let is_form = first.is_some_and(|value| value.windows(4).any(|part| part == b"form"));
    if is_form || types.next().is_some() {
        return Err(Refusal::unclear("a body sent as a form", "docker's API takes application/json and application/x-tar"));
    }
    Ok(())
}

/// What the client wants to go on with, if anything: docker's own stream, or HTTP/2 for BuildKit.
fn protocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    match headers.get(header::UPGRADE) {
        None => Ok(None),
        Some(protocol) if [&b"tcp"[..], b"h2c"].contains(&protocol.as_bytes()) => Ok(Some(protocol.clone())),
        Some(_) => Err(Refusal::never("another protocol than `tcp` and `h2c`")),
    }
}

fn take_over(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

fn copy(from: &HeaderMap, to: &mut HeaderMap, but: &[HeaderName]) {
    for (name, value) in from.iter().filter(|(name, _)| !HOP_BY_HOP.contains(name) && !but.contains(name)) {
        to.append(name.clone(), value.clone());
    }
}
