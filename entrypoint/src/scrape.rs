//! Metrics for a Prometheus that asks: an errand that serves files which others keep.
//!
//! A process of its own, because whoever can reach the port can talk to it, the job first of all: it has no right but to read these files
//! and no secret to lose.

use std::{
    convert::Infallible,
    fs::OpenOptions,
    io::Read as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, task::LocalSet, time::timeout};

/// Who asks at once; Prometheus keeps one connection.
const GUESTS: usize = 16;

/// For a request's head, and for the whole of an exchange.
const HEAD: Duration = Duration::from_secs(5);
const EXCHANGE: Duration = Duration::from_secs(60);

/// Of one file.
const LONGEST: u64 = 256 * 1024;

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves them at `/metrics`, for ever.
///
/// # Returns
/// Why it cannot.
pub(crate) async fn serve(address: SocketAddr, files: Vec<PathBuf>) -> String {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            return format!(
                "METRICS_LISTEN: cannot listen at {address}: {error}; metrics are not served\nhint: the containers of a task share their ports: take one that none of them has"
            );
        }
    };
    let (files, room) = (Rc::new(files), Arc::new(Semaphore::new(GUESTS)));
    LocalSet::new()
        .run_until(async move {
            loop {
                let Ok(place) = Arc::clone(&room).acquire_owned().await else { return String::new() };
                // Out of descriptors, most likely: the next guest may find one.
                let Ok((stream, _)) = listener.accept().await else { continue };
                let files = Rc::clone(&files);
                tokio::task::spawn_local(async move {
                    let answered = service_fn(move |request| {
                        let answer = answer(&request, &files);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD)
                        .serve_connection(TokioIo::new(stream), answered);
                    let _ = timeout(EXCHANGE, connection).await;
                    drop(place);
                });
            }
        })
        .await
}

fn answer(request: &Request<Incoming>, files: &[PathBuf]) -> Response<Full<Bytes>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, files.iter().map(|file| read(file)).collect()),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(TEXT));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// One that is not there yet has no metrics.
fn read(file: &Path) -> String {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let mut text = String::new();
    if let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(file)
        && file.metadata().is_ok_and(|file| file.is_file())
    {
        let _ = file.take(LONGEST).read_to_string(&mut text);
    }
    text
}
