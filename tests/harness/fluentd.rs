//! A receiver of fluentd's forward protocol, as Fluent Bit's `forward` input would be: lines of containers come in as
//! `[tag, time, record]` in MessagePack over TCP.
//!
//! Owns the socket and what came; knows as much of MessagePack as docker's driver writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

/// How long a thread looks away from the wish to end.
const BETWEEN: Duration = Duration::from_millis(20);

/// A line that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The tag.
    pub tag: String,
    /// The record: `log`, `container_name`, `source` and more.
    pub record: BTreeMap<String, String>,
}

/// A receiver on loopback of some network. On drop it is gone, with its connections.
#[derive(Debug)]
pub struct Receiver {
    received: Arc<Mutex<Vec<Received>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens at `127.0.0.1:port` of the network that the process is in.
    ///
    /// # Panics
    /// When that network can not be entered (needs root), or the port is taken there.
    #[must_use]
    pub fn listen(pid: Pid, port: u16) -> Self {
        let network = File::open(format!("/proc/{pid}/ns/net")).expect("open the network of the process");
        let (received, stop) = (Arc::<Mutex<Vec<Received>>>::default(), Arc::<AtomicBool>::default());
        let (bound, is_bound) = mpsc::channel();
        let (log, over) = (Arc::clone(&received), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            // Of this thread only; a socket belongs to the network it was made in.
            setns(network, CloneFlags::CLONE_NEWNET).expect("join the network of the process");
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free there");
            listener.set_nonblocking(true).expect("a socket that does not block");
            let _ = bound.send(());
            accept(|| listener.accept().map(|(stream, _)| stream), &log, &over);
        });
        is_bound.recv().expect("the receiver listens");
        Self { received, stop, thread: Some(thread) }
    }

    /// Listens at a socket in the file system, as a log router of ECS does for the containers beside it.
    ///
    /// # Panics
    /// When it can not be made there.
    #[must_use]
    pub fn listen_at(socket: &Path) -> Self {
        let (received, stop) = (Arc::<Mutex<Vec<Received>>>::default(), Arc::<AtomicBool>::default());
        let listener = UnixListener::bind(socket).expect("the socket can be made");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let (log, over) = (Arc::clone(&received), Arc::clone(&stop));
        let thread = std::thread::spawn(move || accept(|| listener.accept().map(|(stream, _)| stream), &log, &over));
        Self { received, stop, thread: Some(thread) }
    }

    /// Everything that came so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn accept<S: Connection + Send>(next: impl Fn() -> std::io::Result<S>, log: &Mutex<Vec<Received>>, over: &AtomicBool) {
    std::thread::scope(|scope| {
        while !over.load(Ordering::Relaxed) {
            match next() {
                Ok(stream) => drop(scope.spawn(|| read(stream, log, over))),
                Err(_) => drop(crate::clock::holds_within(BETWEEN, || over.load(Ordering::Relaxed))),
            }
        }
    });
}

/// A connection whose reads end after a while.
trait Connection: Read {
    fn limit(&self, limit: Duration) -> std::io::Result<()>;
}

impl Connection for TcpStream {
    fn limit(&self, limit: Duration) -> std::io::Result<()> {
        self.set_nonblocking(false).and_then(|()| self.set_read_timeout(Some(limit)))
    }
}

impl Connection for UnixStream {
    fn limit(&self, limit: Duration) -> std::io::Result<()> {
        self.set_nonblocking(false).and_then(|()| self.set_read_timeout(Some(limit)))
    }
}

fn read(mut stream: impl Connection, log: &Mutex<Vec<Received>>, over: &AtomicBool) {
    stream.limit(BETWEEN).expect("a socket with a limit");
    let (mut waiting, mut buffer) = (Vec::new(), [0; 4096]);
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => waiting.extend(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
        while let Some((value, used)) = decode(&waiting) {
            waiting.drain(..used);
            log.lock().unwrap_or_else(PoisonError::into_inner).extend(line(value));
        }
    }
}

fn line(value: Value) -> Option<Received> {
    let Value::List(mut parts) = value else { return None };
    parts.truncate(3);
    match <[Value; 3]>::try_from(parts) {
        Ok([Value::Text(tag), _, Value::Map(record)]) => Some(Received { tag, record }),
        _ => None,
    }
}

/// A value of MessagePack, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    List(Vec<Value>),
    /// Of texts; other entries are left out.
    Map(BTreeMap<String, String>),
    Other,
}

/// The value at the start of the bytes and its length; `None` when it is not there as a whole yet.
fn decode(bytes: &[u8]) -> Option<(Value, usize)> {
    let mut rest = bytes;
    let value = take(&mut rest)?;
    Some((value, bytes.len() - rest.len()))
}

fn take(rest: &mut &[u8]) -> Option<Value> {
    let kind = number(rest, 1)?;
    Some(match kind {
        0x80..=0x8f => map(rest, kind & 0x0f)?,
        0x90..=0x9f => list(rest, kind & 0x0f)?,
        0xa0..=0xbf => text(rest, kind & 0x1f)?,
        0xc4..=0xc6 | 0xd9..=0xdb => {
            let length = number(rest, width(kind))?;
            text(rest, length)?
        }
        0xc7..=0xc9 => {
            let length = number(rest, width(kind))?;
            skip(rest, length + 1)?
        }
        0xca => skip(rest, 4)?,
        0xcb => skip(rest, 8)?,
        0xcc..=0xcf => skip(rest, 1 << (kind - 0xcc))?,
        0xd0..=0xd3 => skip(rest, 1 << (kind - 0xd0))?,
        0xd4..=0xd8 => skip(rest, (1 << (kind - 0xd4)) + 1)?,
        0xdc | 0xdd => {
            let length = number(rest, if kind == 0xdc { 2 } else { 4 })?;
            list(rest, length)?
        }
        0xde | 0xdf => {
            let length = number(rest, if kind == 0xde { 2 } else { 4 })?;
            map(rest, length)?
        }
        // Small numbers, nil, true and false are one byte.
        _ => Value::Other,
    })
}

/// Of the length of a text, of bytes or of an extension.
fn width(kind: u64) -> usize {
    match kind {
        0xc4 | 0xc7 | 0xd9 => 1,
        0xc5 | 0xc8 | 0xda => 2,
        _ => 4,
    }
}

fn number(rest: &mut &[u8], width: usize) -> Option<u64> {
    let (bytes, after) = rest.split_at_checked(width)?;
    *rest = after;
    Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

fn skip(rest: &mut &[u8], length: u64) -> Option<Value> {
    *rest = rest.get(usize::try_from(length).ok()?..)?;
    Some(Value::Other)
}

fn text(rest: &mut &[u8], length: u64) -> Option<Value> {
    let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(Value::Text(String::from_utf8_lossy(bytes).into_owned()))
}

fn list(rest: &mut &[u8], length: u64) -> Option<Value> {
    (0..length).map(|_| take(rest)).collect::<Option<_>>().map(Value::List)
}

fn map(rest: &mut &[u8], length: u64) -> Option<Value> {
    let mut entries = BTreeMap::new();
    for _ in 0..length {
        if let (Value::Text(name), Value::Text(value)) = (take(rest)?, take(rest)?) {
            entries.insert(name, value);
        }
    }
    Some(Value::Map(entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `["a/b", EventTime(0), {"log": "hi", "n": 1}, nil]`, as docker's driver writes it.
    const LINE: &[u8] = b"\x94\xa3a/b\xd7\x00\0\0\0\0\0\0\0\0\x82\xa3log\xa2hi\xa1n\x01\xc0";

    #[test]
    fn a_line_is_read_when_it_is_whole() {
        for length in 0..LINE.len() {
            assert_eq!(decode(&LINE[..length]), None, "{length}");
        }
        let (value, used) = decode(LINE).unwrap();
        assert_eq!(used, LINE.len());
        let record = BTreeMap::from([("log".to_owned(), "hi".to_owned())]);
        assert_eq!(line(value), Some(Received { tag: "a/b".into(), record }));
    }

    #[test]
    fn texts_of_all_lengths_are_read() {
        for (head, length) in [(&b"\xd9\x28"[..], 40), (b"\xda\x01\x00", 256), (b"\xdb\x00\x01\x00\x00", 65536), (b"\xc4\x03", 3)] {
            let bytes = [head, &vec![b'x'; length]].concat();
            assert_eq!(decode(&bytes), Some((Value::Text("x".repeat(length)), bytes.len())));
        }
    }
}
