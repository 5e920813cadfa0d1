//! A daemon that answers from a script, on a real unix socket.

use std::{cell::RefCell, rc::Rc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

/// What a request begins with, the status it gets (none: the daemon hangs), and the body.
pub(crate) type Answer = (&'static str, Option<u16>, &'static str);

/// Answers by script; what is not in it is 404.
pub(crate) struct StandIn {
    _dir: tempfile::TempDir,
    pub(crate) socket: std::path::PathBuf,
    /// Request lines, in order.
    pub(crate) heard: Rc<RefCell<Vec<String>>>,
}

impl StandIn {
    /// Needs a LocalSet.
    pub(crate) fn start(script: &'static [Answer]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&heard);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream, script, Rc::clone(&log)));
            }
        });
        Self { _dir: dir, socket, heard }
    }
}

async fn serve(mut stream: tokio::net::UnixStream, script: &'static [Answer], heard: Rc<RefCell<Vec<String>>>) {
    let mut buffer = Vec::new();
    loop {
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            match stream.read_buf(&mut buffer).await {
                Ok(1..) => continue,
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        while buffer.len() < end + 4 + length {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let line = String::from_utf8_lossy(&buffer[..end]).lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        buffer.drain(..end + 4 + length);
        let answer = script.iter().find(|(prefix, ..)| line.starts_with(prefix));
        heard.borrow_mut().push(line);
        let (status, body) = match answer {
            Some((_, Some(status), body)) => (*status, *body),
            Some((_, None, _)) => return std::future::pending().await,
            None => (404, r#"{"message":"no such thing"}"#),
        };
        let text = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Runs a test on the kind of loop the driver has.
pub(crate) fn on_loop<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}
