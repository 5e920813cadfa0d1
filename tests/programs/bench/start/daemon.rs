//! A docker daemon that is not there at first: a socket that appears and then answers what `docker ps` asks.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Gone on drop.
pub(crate) struct Daemon {
    socket: PathBuf,
    closing: Arc<AtomicBool>,
    hurry: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Ready after `span`, at once with its socket, as runner-dind does it.
    pub(crate) fn ready_after(span: Duration, socket: &Path) -> Self {
        let (hurry, hurried) = channel::<()>();
        let closing = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (socket, closing) = (socket.to_owned(), Arc::clone(&closing));
            move || {
                if hurried.recv_timeout(span) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let listener = UnixListener::bind(&socket).expect("the socket's name is free");
                for stream in listener.incoming().flatten() {
                    if closing.load(Ordering::SeqCst) {
                        return;
                    }
                    std::thread::spawn(move || answer(&stream));
                }
            }
        });
        Self { socket: socket.to_owned(), closing, hurry, thread: Some(thread) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = self.hurry.send(());
        // Wakes the accepting thread.
        let _ = UnixStream::connect(&self.socket);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.socket);
    }
}

/// One question on each connection.
fn answer(mut stream: &UnixStream) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    // All of the head must be read before the connection is closed.
    lines.for_each(drop);
    let (status, body) = match first.split(' ').nth(1).unwrap_or_default() {
        path if path.ends_with("/_ping") => ("200 OK", "OK"),
        path if path.contains("/containers/json") => ("200 OK", "[]\n"),
        _ => ("404 Not Found", "{\"message\":\"page not found\"}\n"),
    };
    let shown = if first.starts_with("HEAD") { "" } else { body };
    let length = body.len();
    // The client takes the version of the API from here.
    let head = format!(
        "HTTP/1.1 {status}\r\nApi-Version: 1.47\r\nOstype: linux\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all((head + shown).as_bytes());
}
