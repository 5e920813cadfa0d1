//! A curious job: looks for secrets in all of /proc that its user may open, and tells what it could open.
//!
//! `seeker MARKERS [PID]`: the file has a line `NAME TEXT` for each secret, TEXT back to front, so that nothing here ever holds one as it
//! is and finds itself. Of each process (or of the one) it reads every file of its folder, what its descriptors lead to and its memory,
//! and tries to attach to it and to take a descriptor from it. Nothing that it looks at is changed: what waits in a pipe stays there.
//!
//! One line of JSON: the processes with the kinds of files that could be read, and every find.
#![expect(clippy::print_stdout, reason = "its line is what tests read")]
#![expect(unsafe_code, reason = "four system calls for which nix has no wrapper in the features in use")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{PipeReader, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;
use serde_json::{Value, json};

/// So much is read at once.
const PIECE: usize = 1 << 20;

/// Of what has no end.
const MOST: usize = 16 << 20;

/// Not to be read from front to back: memory has holes, and the map of its pages is as long as all addresses.
const NO_TEXT: &[&str] = &["mem", "pagemap", "clear_refs"];

struct Marker {
    name: String,
    /// Back to front.
    text: Vec<u8>,
}

/// What was learned of one process.
#[derive(Default)]
struct Found {
    opened: BTreeSet<String>,
    hits: BTreeMap<(String, String), usize>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let markers = markers(Path::new(&arguments[0]));
    let only: Option<i32> = arguments.get(1).map(|pid| pid.parse().expect("a pid"));
    let own = i32::try_from(std::process::id()).expect("a pid");
    let mut pids: Vec<i32> =
        fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.retain(|pid| only.is_none_or(|only| only == *pid));
    let (mut processes, mut hits) = (Vec::new(), Vec::new());
    for &pid in &pids {
        let place = format!("/proc/{pid}");
        let comm = fs::read_to_string(format!("{place}/comm")).unwrap_or_default().trim().to_owned();
        let mut found = Found::default();
        files(Path::new(&place), &markers, &mut found);
        descriptors(Path::new(&place), &markers, &mut found);
        // Our own memory holds what was read from all others.
        if pid != own {
            memory(Path::new(&place), &markers, &mut found);
        }
        let taken = pid != own && descriptor_can_be_taken(pid);
        for ((marker, kind), times) in found.hits {
            hits.push(json!({"marker": marker, "kind": kind, "pid": pid, "comm": comm, "times": times}));
        }
        let uid = fs::metadata(&place).map_or(Value::Null, |folder| folder.uid().into());
        processes.push(json!({"pid": pid, "comm": comm, "owner": uid, "opened": found.opened, "taken": taken}));
    }
    // Last: whoever is attached to stops at the next signal, until our end lets go of it.
    for (process, &pid) in processes.iter_mut().zip(&pids) {
        process["traced"] = (pid != own && only.is_none() && can_be_traced(pid)).into();
    }
    println!("{}", json!({"uid": nix::unistd::geteuid().as_raw(), "processes": processes, "hits": hits}));
}

fn markers(file: &Path) -> Vec<Marker> {
    let text = fs::read_to_string(file).expect("the markers");
    let pairs = text.lines().map(|line| line.split_once(' ').expect("a name and a text"));
    pairs.map(|(name, text)| Marker { name: name.to_owned(), text: text.as_bytes().to_vec() }).collect()
}

impl Found {
    fn search(&mut self, kind: &str, bytes: &[u8], markers: &[Marker]) {
        for marker in markers {
            let times = count(bytes, &marker.text);
            if times > 0 {
                *self.hits.entry((marker.name.clone(), kind.to_owned())).or_default() += times;
            }
        }
    }
}

/// How often `bytes` hold what is `backwards` back to front.
fn count(bytes: &[u8], backwards: &[u8]) -> usize {
    let (length, first) = (backwards.len(), backwards[backwards.len() - 1]);
    let (mut at, mut times) = (0, 0);
    // Plain on purpose: in a build without optimisation an iterator costs several times as much for each byte.
    while at + length <= bytes.len() {
        if bytes[at] == first && bytes[at..at + length].iter().eq(backwards.iter().rev()) {
            times += 1;
        }
        at += 1;
    }
    times
}

/// The files of a process's folder, one by one.
fn files(place: &Path, markers: &[Marker], found: &mut Found) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if NO_TEXT.contains(&name.as_str()) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Some(bytes) = File::open(entry.path()).ok().and_then(all_of) {
            found.opened.insert(name.clone());
            found.search(&name, &bytes, markers);
        }
    }
}

fn all_of(file: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST as u64).read_to_end(&mut bytes).ok().map(|_| bytes)
}

/// Where its descriptors lead, and what is there.
fn descriptors(place: &Path, markers: &[Marker], found: &mut Found) {
    let Ok(folder) = fs::read_dir(place.join("fd")) else { return };
    found.opened.insert("fd".to_owned());
    for entry in folder.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        found.search("link", target.as_bytes(), markers);
        let open = || OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(entry.path()).ok();
        if target.starts_with("pipe:") {
            if let Some(bytes) = open().and_then(|pipe| waiting_in(&pipe)) {
                found.opened.insert("pipe".to_owned());
                found.search("pipe", &bytes, markers);
            }
        } else if fs::metadata(entry.path()).is_ok_and(|file| file.is_file())
            && let Some(bytes) = open().and_then(all_of)
        {
            found.opened.insert("file".to_owned());
            found.search("file", &bytes, markers);
        }
    }
}

/// What a pipe holds; it stays there.
fn waiting_in(pipe: &File) -> Option<Vec<u8>> {
    let (copy, writer): (PipeReader, _) = std::io::pipe().ok()?;
    // SAFETY: two descriptors that are open here, and no memory.
    let length = unsafe { libc::tee(pipe.as_raw_fd(), writer.as_raw_fd(), 64 * 1024, libc::SPLICE_F_NONBLOCK) };
    drop(writer);
    if length < 0 && nix::errno::Errno::last() != nix::errno::Errno::EAGAIN { None } else { all_of(copy) }
}

/// All that is private to it and can be read.
fn memory(place: &Path, markers: &[Marker], found: &mut Found) {
    let (Ok(maps), Ok(memory)) = (fs::read_to_string(place.join("maps")), File::open(place.join("mem"))) else { return };
    let longest = markers.iter().map(|marker| marker.text.len()).max().unwrap_or_default();
    let mut piece = vec![0; PIECE];
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (range, rights) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some((begin, end)) = range.split_once('-') else { continue };
        let (Ok(mut at), Ok(end)) = (u64::from_str_radix(begin, 16), u64::from_str_radix(end, 16)) else { continue };
        // What no bit was ever written to is the program's file.
        if !rights.starts_with('r') || !rights.ends_with('p') {
            continue;
        }
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let Ok(length @ 1..) = memory.read_at(&mut piece[..wanted], at) else { break };
            found.opened.insert("mem".to_owned());
            found.search("mem", &piece[..length], markers);
            if length < wanted || at + length as u64 == end {
                break;
            }
            // One that lies across two pieces is in the next as a whole.
            at += (length - longest.min(length - 1)) as u64;
        }
    }
}

/// pidfd_getfd(2).
fn descriptor_can_be_taken(pid: i32) -> bool {
    // SAFETY: a number each, no memory.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let Ok(process @ 0..) = i32::try_from(process) else { return false };
    // SAFETY: the kernel just made it, and nobody else has it.
    let process = unsafe { OwnedFd::from_raw_fd(process) };
    (0..3).any(|number| {
        // SAFETY: as above.
        let taken = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
        // SAFETY: as above.
        i32::try_from(taken).is_ok_and(|taken| taken >= 0 && unsafe { libc::close(taken) } == 0)
    })
}

/// ptrace(2), in the way that stops nobody.
fn can_be_traced(pid: i32) -> bool {
    // SAFETY: this request takes numbers only.
    unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) == 0 }
}
