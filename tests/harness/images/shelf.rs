//! What GitHub's release page is to a Dockerfile: one file over HTTP on loopback, at every address that ends in a name.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A server of files by the last part of the address. Serves for as long as the process lives; drop only forgets it.
#[derive(Debug)]
pub struct Shelf {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Shelf {
    /// Serves `files`, each by its name: `(name, path)`.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn serve(files: &[(String, PathBuf)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen on loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let files = files.to_vec();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Who hangs up is curl's matter: it says so, and the build fails.
                let _ = answer(&client, &files, &seen);
            }
        });
        Self { address, asked }
    }

    /// Its address, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths that were asked for.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer(client: &TcpStream, files: &[(String, PathBuf)], asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let file = files.iter().find(|(name, _)| path.rsplit('/').next() == Some(name));
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    let (status, body) = match file {
        Some((_, path)) => ("200 OK", std::fs::read(path)?),
        None => ("404 Not Found", Vec::new()),
    };
    let mut client = client;
    write!(client, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    client.write_all(&body)
}
