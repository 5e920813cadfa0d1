//! Spans on their way to a collector: a stand-in on loopback that keeps what it is sent.
#![cfg(feature = "otlp")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use settings::Secret;
use supervise::{Life, Span, Verdict};
use telemetry::{Collector, Table, Wishes};

const TABLE: Table = Table { prefix: "x", busy: "job", metrics: &[], labels: &[] };

fn life() -> Life {
    let span = |name, begins, ends| Span {
        name,
        begins: Duration::from_millis(begins),
        ends: Duration::from_millis(ends),
        verdict: Verdict::Well,
    };
    Life {
        program: "runner-entrypoint",
        began: SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_000_000),
        lasted: Duration::from_millis(900),
        phases: vec![span("preparing", 0, 500), span("running", 500, 900)],
        works: vec![span("restore", 10, 400)],
        facts: vec![("reason", "job_done".to_owned())],
        measures: vec![("restored_files", 7)],
        ready: Some(Duration::from_millis(500)),
        is_ready: false,
        is_busy: false,
        exit_code: Some(0),
    }
}

fn told_to(endpoint: String, headers: Option<Secret>) {
    let parent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let wishes = Wishes { collector: Some(Collector { endpoint, headers, parent }), ..Wishes::default() };
    let (mut observers, problems) = telemetry::observers(&wishes, TABLE);
    assert!(observers.len() == 1 && problems.is_empty(), "{problems:?}");
    observers[0].changed(&life());
    observers[0].ended(&life());
}

/// Answers one request, and has it.
fn collector() -> (String, JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (address, std::thread::spawn(move || answered(listener.accept().unwrap().0)))
}

fn answered(mut stream: TcpStream) -> (String, Vec<u8>) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = stream.read(&mut part).unwrap();
        request.extend_from_slice(&part[..length]);
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let wanted: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap();
        if request.len() >= end + 4 + wanted {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            return (head, request.split_off(end + 4));
        }
    }
}

#[test]
fn a_life_arrives_as_spans_with_its_headers_and_its_trace() {
    let (address, asked) = collector();
    told_to(address, Some(Secret::new("api-key=hidden, team = ci")));
    let (head, body) = asked.join().unwrap();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    for header in ["api-key: hidden", "team: ci", "content-type: application/x-protobuf"] {
        assert!(head.lines().any(|line| line == header), "{header} is not in {head}");
    }
    let has = |bytes: &[u8]| body.windows(bytes.len()).any(|part| part == bytes);
    for text in ["runner-entrypoint", "service.name", "preparing", "running", "restore", "job_done", "restored_files", "outcome"] {
        assert!(has(text.as_bytes()), "{text} is not in the spans");
    }
    assert!(has(&[0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c]), "another trace");
}

#[test]
fn a_collector_that_is_not_there_or_does_not_answer_costs_a_second_at_most() {
    told_to("http://127.0.0.1:1".to_owned(), None);
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    // It returns although nobody ever answers: that is the test.
    told_to(format!("http://{}", deaf.local_addr().unwrap()), None);
}
