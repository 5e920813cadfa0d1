//! Packs into the stage of the local side, many frames at once, each version published as soon as it is whole.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use nix::sys::stat::{fstat, futimens};
use nix::sys::time::TimeSpec;

use super::cursor::Cursor;
use super::digest::Digest;
use super::frame::Span;
use super::header;
use super::manifest::{Entry, Time, What};
use super::read::{Buffers, Pack};
use super::store::{Packs, Seen};
use super::write::part_of;
use crate::cache::dir::Dir;
use crate::cache::names::{VersionId, printable};
use crate::cache::outcome::Outcome;
use crate::cache::progress::Progress;
use crate::cache::publish::{Published, Rules, publish};
use crate::cache::queue::{Order, Queue};
use crate::cache::refusal::{Limits, Refusal};
use crate::cache::stage::Stage;
use crate::cache::stop::Stop;

/// Larger stretches of zeros become holes.
const HOLE: usize = 64 << 10;

/// A version to unpack.
#[derive(Debug)]
pub(in crate::cache) struct Wanted {
    pub(in crate::cache) id: VersionId,
    pub(in crate::cache) digest: Digest,
}

/// How packs are unpacked.
#[derive(Debug)]
pub(in crate::cache) struct Manner<'a> {
    /// Frames at once.
    pub(in crate::cache) threads: usize,
    pub(in crate::cache) limits: Limits,
    pub(in crate::cache) rules: Rules,
    /// Whether the shared side may be written: uses noted, broken packs put aside.
    pub(in crate::cache) may_write: bool,
    pub(in crate::cache) stop: &'a Stop,
    pub(in crate::cache) progress: &'a Progress,
}

/// Unpacks and publishes `wanted`, in that order.
pub(in crate::cache) fn unpack_all(packs: &Packs, to: &Dir, stage: &Stage, wanted: Vec<Wanted>, manner: &Manner<'_>) -> Vec<Outcome> {
    // The queue opens the last first.
    let openings = (0..wanted.len()).rev().map(Task::Open).collect();
    let run = Run {
        packs,
        to,
        stage,
        wanted: &wanted,
        manner,
        queue: Queue::new(openings, 2 * manner.threads, Order::InTurn),
        seen: wanted.iter().map(|_| OnceLock::new()).collect(),
        outcomes: Mutex::new(Vec::with_capacity(wanted.len())),
    };
    std::thread::scope(|scope| {
        for _ in 0..manner.threads {
            scope.spawn(|| match Buffers::new() {
                Ok(mut buffers) => run.queue.work(|task| run.perform(task, &mut buffers)),
                Err(cause) => run.queue.work(|task| run.give_up(task, &cause)),
            });
        }
    });
    run.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

enum Task {
    Open(usize),
    Frame(Arc<Job>, usize),
}

/// One version on its way.
struct Job {
    number: usize,
    pack: Pack,
    /// Its tree in the stage.
    root: Dir,
    frames_left: AtomicUsize,
    /// The files that several frames write, by entry.
    large: Mutex<HashMap<usize, Large>>,
    /// The first thing that went wrong; from then on its frames do nothing.
    refusal: OnceLock<Refusal>,
}

struct Large {
    file: Arc<File>,
    /// Bytes of its entry that have not come yet.
    left: u64,
}

struct Run<'a> {
    packs: &'a Packs,
    to: &'a Dir,
    stage: &'a Stage,
    wanted: &'a [Wanted],
    manner: &'a Manner<'a>,
    queue: Queue<Task>,
    /// The file that each was read from.
    seen: Vec<OnceLock<Seen>>,
    outcomes: Mutex<Vec<Outcome>>,
}

impl Run<'_> {
    fn perform(&self, task: Task, buffers: &mut Buffers) {
        match task {
            Task::Open(number) => match self.open(number) {
                Ok(job) => {
                    let job = Arc::new(job);
                    for index in 0..job.pack.frame_count() {
                        self.queue.add_copy(Task::Frame(Arc::clone(&job), index));
                    }
                }
                Err(refusal) => self.end(number, Err(refusal), None),
            },
            Task::Frame(job, index) => {
                if job.refusal.get().is_none() {
                    let done = if self.manner.stop.is_asked() { Err(Refusal::Stopped) } else { job.frame(index, buffers) };
                    match done {
                        Ok(()) => self.manner.progress.copied(job.pack.files_begun_in(index), job.pack.packed_size(index)),
                        Err(refusal) => {
                            let _ = job.refusal.set(refusal);
                        }
                    }
                }
                self.close(&job);
            }
        }
    }

    fn give_up(&self, task: Task, cause: &std::io::Error) {
        let refusal = || Refusal::io("make room to unpack", b".")(std::io::Error::from(cause.kind()));
        match task {
            Task::Open(number) => self.end(number, Err(refusal()), None),
            Task::Frame(job, _) => {
                let _ = job.refusal.set(refusal());
                self.close(&job);
            }
        }
    }

    fn open(&self, number: usize) -> Result<Job, Refusal> {
        if self.manner.stop.is_asked() {
            return Err(Refusal::Stopped);
        }
        let Wanted { id, digest } = &self.wanted[number];
        let digest = *digest;
        let file = self.packs.object(digest)?;
        let stat = fstat(&file).map_err(Refusal::at("look at the pack", digest.to_string().as_bytes()))?;
        let _ = self.seen[number].set((stat.st_dev, stat.st_ino));
        let pack = Pack::open(file, digest, self.manner.limits)?;
        if pack.manifest.id != *id {
            return Err(Refusal::Misled(pack.manifest.id.to_string()));
        }
        let root = self.stage.own.make(&staged(number), root_mode(&pack)).map_err(Refusal::at("make the stage of", b"."))?;
        make_directories(&root, &pack.manifest.entries)?;
        let frames_left = AtomicUsize::new(pack.frame_count());
        Ok(Job { number, pack, root, frames_left, large: Mutex::default(), refusal: OnceLock::new() })
    }

    /// One frame less; with the last one the version is finished.
    fn close(&self, job: &Job) {
        if job.frames_left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let id = &self.wanted[job.number].id;
        let result = match job.refusal.get() {
            Some(refusal) => Err(refusal.clone()),
            None => job.finish().and_then(|()| publish(self.to, self.stage, &staged(job.number), id, self.manner.rules)),
        };
        self.end(job.number, result, Some(&job.pack));
    }

    fn end(&self, number: usize, mut result: Result<Published, Refusal>, pack: Option<&Pack>) {
        let Wanted { id, digest } = &self.wanted[number];
        if result != Ok(Published::Ours) {
            // What cannot be removed is in the stage and is collected later.
            let _ = self.stage.own.remove_tree(&staged(number));
        }
        if self.manner.may_write {
            match &mut result {
                Ok(_) => self.packs.stamp(*digest),
                Err(Refusal::Forged(why)) => {
                    let end = if self.packs.quarantine(*digest, id, self.seen[number].get().copied()) {
                        "; it is in quarantine now"
                    } else {
                        "; it could not be put aside"
                    };
                    why.push_str(end);
                }
                // The pack is good where it belongs.
                Err(Refusal::Misled(_)) => drop(self.packs.forget(id)),
                Err(_) => {}
            }
        }
        let (files, bytes) = pack.map_or((0, 0), |pack| (pack.manifest.files(), pack.manifest.bytes()));
        let outcome = Outcome { id: id.clone(), result, files, bytes, skipped: 0 };
        self.manner.progress.version();
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
}

fn root_mode(pack: &Pack) -> u32 {
    pack.manifest.entries.first().map_or(0o755, |root| root.mode)
}

fn staged(number: usize) -> OsString {
    number.to_string().into()
}

fn make_directories(root: &Dir, entries: &[Entry]) -> Result<(), Refusal> {
    let mut cursor = Cursor::new(root);
    for entry in entries.iter().skip(1).filter(|entry| entry.what == What::Directory) {
        let at = |cause| Refusal::at("make directory", &entry.path)(cause);
        let (dir, name) = cursor.parent(&entry.path).map_err(at)?;
        dir.make(name, entry.mode).map_err(at)?;
    }
    Ok(())
}

fn time(mtime: Time) -> TimeSpec {
    TimeSpec::new(mtime.seconds, i64::from(mtime.nanoseconds))
}

impl Job {
    fn frame(&self, index: usize, buffers: &mut Buffers) -> Result<(), Refusal> {
        self.pack.frame(index, buffers)?;
        let frame = self.pack.frames[index];
        match frame.span {
            Span::Entries { first, end } => self.entries(first..end, &buffers.plain),
            Span::Part { entry, offset } => self.part(entry, offset, &buffers.plain),
            Span::End => expect_zeros(&buffers.plain),
        }
    }

    /// Whole entries, one behind the other. Each header must be the one that the manifest asks for.
    fn entries(&self, range: std::ops::Range<usize>, mut plain: &[u8]) -> Result<(), Refusal> {
        let mut cursor = Cursor::new(&self.root);
        let mut head = Vec::with_capacity(3 * 512);
        for index in range {
            head.clear();
            header::append(&self.pack.manifest, index, &mut head);
            let entry = &self.pack.manifest.entries[index];
            let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
            let rest = plain.strip_prefix(&head[..]).ok_or_else(|| another_header(entry))?;
            let (contents, rest) = rest.split_at_checked(size).ok_or_else(|| another_header(entry))?;
            let (pad, rest) = rest.split_at_checked(header::padding(entry.size())).ok_or_else(|| another_header(entry))?;
            expect_zeros(pad)?;
            plain = rest;
            self.write(entry, contents, &mut cursor)?;
        }
        Ok(())
    }

    fn write(&self, entry: &Entry, contents: &[u8], cursor: &mut Cursor<'_>) -> Result<(), Refusal> {
        let path = &entry.path[..];
        let at = |operation| Refusal::at(operation, path);
        match &entry.what {
            // Made before, or made last.
            What::Directory | What::HardLink(_) => Ok(()),
            What::Link(target) => {
                let (dir, name) = cursor.parent(path).map_err(at("make link"))?;
                dir.make_link(target, name, &time(entry.mtime)).map_err(at("make link"))
            }
            What::File { .. } => {
                let (dir, name) = cursor.parent(path).map_err(at("create"))?;
                let mut file = dir.create_file(name, entry.mode).map_err(at("create"))?;
                if !contents.is_empty() {
                    dir.gate().pass().map_err(at("write"))?;
                    write_with_holes(&mut file, contents).map_err(Refusal::io("write", path))?;
                }
                dir.gate().pass().map_err(at("set the time of"))?;
                futimens(&file, &TimeSpec::UTIME_OMIT, &time(entry.mtime)).map_err(at("set the time of"))?;
                nix::unistd::close(file).map_err(at("close"))
            }
        }
    }

    /// A part of a large entry. Whoever comes first makes the file, whoever comes last closes it.
    fn part(&self, index: usize, offset: u64, plain: &[u8]) -> Result<(), Refusal> {
        let entry = &self.pack.manifest.entries[index];
        let path = &entry.path[..];
        let mut head = Vec::with_capacity(3 * 512);
        header::append(&self.pack.manifest, index, &mut head);
        let length = plain.len() as u64;
        let whole = head.len() as u64 + entry.size().next_multiple_of(header::BLOCK);
        let range = part_of(entry, head.len() as u64, offset, u32::try_from(plain.len()).unwrap_or(u32::MAX));
        let plain = if offset == 0 { plain.strip_prefix(&head[..]).ok_or_else(|| another_header(entry))? } else { plain };
        let (contents, pad) =
            plain.split_at_checked(usize::try_from(range.end - range.start).unwrap_or(usize::MAX)).ok_or_else(|| another_header(entry))?;
        expect_zeros(pad)?;
        let file = {
            let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
            let open = match large.entry(index) {
                std::collections::hash_map::Entry::Occupied(open) => open.into_mut(),
                std::collections::hash_map::Entry::Vacant(vacant) => {
                    let mut cursor = Cursor::new(&self.root);
                    let (dir, name) = cursor.parent(path).map_err(Refusal::at("create", path))?;
                    let file = dir.create_file(name, entry.mode).map_err(Refusal::at("create", path))?;
                    file.set_len(entry.size()).map_err(Refusal::io("set the length of", path))?;
                    vacant.insert(Large { file: Arc::new(file), left: whole })
                }
            };
            Arc::clone(&open.file)
        };
        self.root.gate().pass().map_err(Refusal::at("write", path))?;
        for (block, at) in contents.chunks(HOLE).zip((range.start..).step_by(HOLE)) {
            if block.iter().any(|byte| *byte != 0) {
                file.write_all_at(block, at).map_err(Refusal::io("write", path))?;
            }
        }
        drop(file);
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = large.get_mut(&index) else { return Ok(()) };
        open.left -= length.min(open.left);
        if open.left > 0 {
            return Ok(());
        }
        let Some(Large { file, .. }) = large.remove(&index) else { return Ok(()) };
        drop(large);
        futimens(&*file, &TimeSpec::UTIME_OMIT, &time(entry.mtime)).map_err(Refusal::at("set the time of", path))?;
        match Arc::into_inner(file) {
            Some(file) => nix::unistd::close(file).map_err(Refusal::at("close", path)),
            None => Ok(()),
        }
    }

    /// After all files: their further names, then the times of directories, the deepest first.
    fn finish(&self) -> Result<(), Refusal> {
        let entries = &self.pack.manifest.entries;
        let mut from = Cursor::new(&self.root);
        let mut cursor = Cursor::new(&self.root);
        for entry in entries {
            if let What::HardLink(first) = entry.what {
                let at = |cause| Refusal::at("link", &entry.path)(cause);
                let (old_dir, old) = from.parent(&entries[first].path).map_err(at)?;
                let (dir, name) = cursor.parent(&entry.path).map_err(at)?;
                dir.hard_link(old_dir, old, name).map_err(at)?;
            }
        }
        for entry in entries.iter().rev().filter(|entry| entry.what == What::Directory) {
            let at = |cause| Refusal::at("set the time of", &entry.path)(cause);
            let (dir, name) = cursor.parent(&entry.path).map_err(at)?;
            dir.set_mtime_of(name, &time(entry.mtime)).map_err(at)?;
        }
        Ok(())
    }
}

pub(super) fn another_header(entry: &Entry) -> Refusal {
    Refusal::Forged(format!("{}: its place in the archive is not what the manifest says", printable(&entry.path)))
}

pub(super) fn expect_zeros(bytes: &[u8]) -> Result<(), Refusal> {
    let zeros = bytes.iter().all(|byte| *byte == 0);
    zeros.then_some(()).ok_or_else(|| Refusal::Forged("something stands where there should be nothing".into()))
}

fn write_with_holes(file: &mut File, contents: &[u8]) -> std::io::Result<()> {
    if contents.len() < HOLE || contents.iter().any(|byte| *byte != 0) {
        return file.write_all(contents);
    }
    file.set_len(contents.len() as u64)
}
