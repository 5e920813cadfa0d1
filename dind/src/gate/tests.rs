//! The gate as a server, with clients that mean harm and a daemon that notes every byte.

use std::{cell::RefCell, path::Path};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::*;
use crate::api::stand_in::on_loop;

/// A daemon that notes what it reads, gives a scripted answer to the first request of each connection, and then goes on reading.
struct Daemon {
    heard: Rc<RefCell<Vec<u8>>>,
    closed: Rc<RefCell<usize>>,
}

struct Bed {
    dir: tempfile::TempDir,
    daemon: Daemon,
}

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";

impl Bed {
    /// With this answer to everything but the question for the network `host`.
    fn new(answer: &'static [u8]) -> Self {
        Self::allowing(answer, &[])
    }

    fn allowing(answer: &'static [u8], entries: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (heard, closed) = (Rc::<RefCell<Vec<u8>>>::default(), Rc::<RefCell<usize>>::default());
        let daemon = tokio::net::UnixListener::bind(dir.path().join("daemon")).unwrap();
        let (noted, ended) = (Rc::clone(&heard), Rc::clone(&closed));
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = daemon.accept().await {
                let (noted, ended) = (Rc::clone(&noted), Rc::clone(&ended));
                tokio::task::spawn_local(async move {
                    serve_one(stream, answer, &noted).await;
                    *ended.borrow_mut() += 1;
                });
            }
        });
        let gate = tokio::net::UnixListener::bind(dir.path().join("gate")).unwrap();
        let allow = Allow::read(entries.iter().copied()).unwrap();
        tokio::task::spawn_local(serve(gate, Rc::new(Relay::new(dir.path().join("daemon"), allow))));
        Self { dir, daemon: Daemon { heard, closed } }
    }

    fn gate(&self) -> std::path::PathBuf {
        self.dir.path().join("gate")
    }

    /// Sends these bytes, says no more, and reads all that comes back.
    async fn say(&self, bytes: &[u8]) -> String {
        say(&self.gate(), bytes).await
    }

    /// What the daemon heard, without the gate's own question.
    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.daemon.heard.borrow()).into_owned()
    }
}

async fn serve_one(mut stream: UnixStream, answer: &'static [u8], noted: &RefCell<Vec<u8>>) {
    let (mut own, mut answered) = (Vec::new(), false);
    while let Ok(1..) = stream.read_buf(&mut own).await {
        let Some(head) = own.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&own[..head]).into_owned();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if own.len() >= head + 4 + length && !std::mem::replace(&mut answered, true) {
            let network = text.starts_with("GET /networks/host ");
            let request = std::mem::take(&mut own);
            noted.borrow_mut().extend(if network { Vec::new() } else { request });
            let answer = if network { b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"Id\":\"2f0a\"}" } else { answer };
            stream.write_all(answer).await.unwrap();
        }
    }
    noted.borrow_mut().extend(own);
}

async fn say(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    // A gate that closes early is an answer, too.
    let _ = stream.write_all(bytes).await;
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told).await;
    String::from_utf8_lossy(&told).into_owned()
}

fn closing(head: &str, body: &str) -> Vec<u8> {
    format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn what_the_daemon_hears_is_written_by_the_gate() {
    on_loop(async {
        let bed = Bed::new(FINE);
        let body = "{ \"Image\" : \"x\",\n \"HostConfig\":{\"Memory\": 1, \"newer\": null} }";
        let told = bed.say(&closing("POST /v1.45/containers/%63reate?name=a", body)).await;
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.ends_with("OK"), "{told}");
        let json = r#"{"HostConfig":{"Memory":1},"Image":"x"}"#;
        let head = format!("POST /v1.45/containers/create?name=a HTTP/1.1\r\nhost: docker\r\ncontent-length: {}\r\n\r\n", json.len());
        assert_eq!(bed.heard(), head + json);
    });
}

#[test]
fn one_request_stays_one_however_its_length_is_told() {
    on_loop(async {
        let hidden = "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n\r\n{\"HostConfig\":{\"Privileged\":true}}   ";
        for (lengths, start) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
            ("Content-Length: 0\r\nContent-Length: 136\r\n", ""),
            ("Content-Length: +0\r\n", ""),
            ("Content-Length: 0, 136\r\n", ""),
            ("", ""),
        ] {
            let bed = Bed::new(FINE);
            let stream = format!("POST /containers/x/stop HTTP/1.1\r\nHost: x\r\n{lengths}\r\n{start}{hidden}");
            let mut client = UnixStream::connect(bed.gate()).await.unwrap();
            client.write_all(stream.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let _ = client.read_to_end(&mut Vec::new()).await;
            let heard = bed.heard();
            assert!(!heard.contains("Privileged"), "{lengths:?}: {heard}");
            assert!(heard.matches("HTTP/1.1").count() <= 1, "{lengths:?}: {heard}");
        }
    });
}

#[test]
fn what_is_refused_never_reaches_the_daemon_and_is_said_as_docker_says_things() {
    on_loop(async {
        let bed = Bed::new(FINE);
        for (head, body) in [
            ("POST /containers/create", r#"{"HostConfig":{"Privileged":true}}"#),
            ("POST http://docker/containers/create", r#"{"HostConfig":{"Privileged":true}}"#),
            ("POST /v1.45/networks/host/connect", r#"{"Container":"x"}"#),
            ("POST /v1.45/networks/2f/connect", r#"{"Container":"x"}"#),
            ("POST /swarm/init", "{}"),
            ("POST /build?networkmode=host", ""),
        ] {
            let told = bed.say(&closing(head, body)).await;
            assert!(told.starts_with("HTTP/1.1 403 Forbidden\r\n") && told.contains("content-type: application/json"), "{told}");
            assert!(told.contains(r#"{"message":"refused by DOCKER_API_POLICY=guarded of this runner: "#), "{told}");
        }
        // Go reads a form as if it stood in the query.
        let form = "POST /build HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-Form-urlencoded\r\nContent-Length: 16\r\n\r\nnetworkmode=host";
        assert!(bed.say(form.as_bytes()).await.starts_with("HTTP/1.1 403"));
        let upgrade = "POST /containers/x/attach HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n";
        assert!(bed.say(upgrade.as_bytes()).await.starts_with("HTTP/1.1 403"));
        assert_eq!(bed.heard(), "");
    });
}

#[test]
fn bodies_that_are_judged_are_bounded_and_others_are_not() {
    on_loop(async {
        let bed = Bed::new(FINE);
        let long = " ".repeat(1024 * 1024 + 1);
        let told = bed.say(&closing("POST /containers/create", &long)).await;
        assert!(told.starts_with("HTTP/1.1 413"), "{}", &told[..told.len().min(100)]);
        bed.say(&closing("POST /images/load", &long)).await;
        assert!(bed.heard().ends_with(&long) && bed.heard().len() < long.len() + 200);
    });
}

#[test]
fn a_connection_that_is_taken_over_is_passed_on_both_ways_until_both_have_ended() {
    on_loop(async {
        let bed = Bed::new(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfrom docker");
        let mut client = UnixStream::connect(bed.gate()).await.unwrap();
        // With what comes after the head already on its way.
        let head =
            "POST /v1.45/exec/x/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}early";
        client.write_all(head.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        while !told.ends_with(b"from docker") {
            assert_ne!(client.read_buf(&mut told).await.unwrap(), 0, "{}", String::from_utf8_lossy(&told));
        }
        let told = String::from_utf8(told).unwrap();
        assert!(told.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && told.contains("vnd.docker.raw-stream"), "{told}");
        client.write_all(b" late").await.unwrap();
        // The end of the input reaches the daemon, which then ends its side.
        client.shutdown().await.unwrap();
        assert_eq!(client.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        assert!(bed.heard().ends_with("{}early late"), "{}", bed.heard());
        assert!(bed.heard().contains("connection: Upgrade\r\nupgrade: tcp\r\n"), "{}", bed.heard());
    });
}

#[test]
fn a_client_that_goes_away_takes_its_connection_to_the_daemon_with_it() {
    on_loop(async {
        // An answer that never ends, as events are.
        for answer in [&b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"[..], b""] {
            let bed = Bed::new(answer);
            let mut client = UnixStream::connect(bed.gate()).await.unwrap();
            client.write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            if answer.is_empty() {
                while bed.heard().is_empty() {
                    tokio::task::yield_now().await;
                }
            } else {
                assert_ne!(client.read(&mut [0; 1024]).await.unwrap(), 0);
            }
            drop(client);
            let gone = async {
                while *bed.daemon.closed.borrow() == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the daemon is left alone");
        }
    });
}

#[test]
fn a_daemon_that_is_not_there_is_said_as_docker_says_things() {
    on_loop(async {
        let bed = Bed::new(FINE);
        fs::remove_file(bed.dir.path().join("daemon")).unwrap();
        let told = bed.say(&closing("GET /info", "")).await;
        assert!(told.starts_with("HTTP/1.1 502") && told.contains("docker does not answer behind the gate"), "{told}");
    });
}

/// Heads without end, rubbish, a thousand connections that say nothing: whoever comes after them is served.
#[test]
fn hostile_clients_harm_nobody_but_themselves() {
    on_loop(async {
        let bed = Bed::new(FINE);
        let bomb = format!("GET /_ping HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024));
        let many = format!("GET /_ping HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(10_000));
        let target = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1024 * 1024));
        for bytes in [
            bomb.as_bytes(),
            many.as_bytes(),
            target.as_bytes(),
            b"\0\0\0\0",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01",
        ] {
            let mut client = UnixStream::connect(bed.gate()).await.unwrap();
            let _ = client.write_all(bytes).await;
            let _ = client.shutdown().await;
            let mut told = Vec::new();
            let _ = client.read_to_end(&mut told).await;
            assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&told));
        }
        let mut silent = Vec::new();
        // The kernel's queue takes what the gate does not; beyond both a connect waits.
        while silent.len() < 1000 {
            match tokio::time::timeout(Duration::from_secs(2), UnixStream::connect(bed.gate())).await {
                Ok(Ok(mut client)) => {
                    let _ = client.write_all(b"GET /_ping HTTP/1.1\r\nX:").await;
                    silent.push(client);
                }
                _ => break,
            }
        }
        assert!(silent.len() > CLIENTS, "{}", silent.len());
        drop(silent);
        assert!(bed.say(&closing("GET /_ping", "")).await.ends_with("OK"));
        assert!(!bed.heard().contains("X:"));
    });
}

#[test]
fn an_order_reads_as_it_was_written() {
    let allow = Allow::read(["privileged", "bind:/srv"]).unwrap();
    let order = Order { listen: "/run/task/.docker-1.sock".into(), daemon: "/var/x/docker.sock".into(), group: 123, allow };
    let arguments = order.arguments();
    assert_eq!(arguments[0], "gate");
    assert_eq!(Order::read(arguments[1..].to_vec()).unwrap(), order);
    let empty = Order { allow: Allow::default(), ..order };
    assert_eq!(Order::read(empty.arguments()[1..].to_vec()).unwrap(), empty);
    for wrong in [&["a", "b", "c", ""][..], &["a", "b", "1"], &["a", "b", "1", "x"], &[]] {
        assert!(Order::read(wrong.iter().map(OsString::from).collect()).is_err(), "{wrong:?}");
    }
}
