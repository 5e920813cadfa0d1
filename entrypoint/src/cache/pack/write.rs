//! A tree into a pack: several threads read, sum and compress a frame each, and write them one after the other.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::cursor::Cursor;
use super::digest::{Digest, Sum};
use super::frame::{FRAME, Frame, Span, frames};
use super::header;
use super::manifest::{Entry, Manifest, What};
use super::page::Page;
use super::seek::Lengths;
use super::{mtree, read, seek};
use crate::cache::dir::{Dir, Gate, Kind};
use crate::cache::names::printable;
use crate::cache::progress::Progress;
use crate::cache::refusal::Refusal;
use crate::cache::stop::Stop;

/// zstd's level 2 with a look at shorter matches: two thirds of the time of its default, and a twelfth more bytes than that. A stop
/// waits for a save, and a tool is saved once.
const LEVEL: i32 = 2;
const SHORTEST_MATCH: u32 = 5;
const HASH_LOG: u32 = 15;

/// Writes the tree at `root`, which was scanned into `manifest`, as a pack to `to`. Returns the manifest with its sums, and the
/// pack's digest. Nothing is left in the cache of this process when it returns; whether it is on a disk is the caller's matter.
pub(super) fn write(
    root: &Dir,
    manifest: Manifest,
    to: &File,
    threads: usize,
    stop: &Stop,
    progress: &Progress,
) -> Result<(Manifest, Digest), Refusal> {
    let frames = frames(&manifest);
    let sums: Vec<OnceLock<Digest>> = manifest.entries.iter().map(|_| OnceLock::new()).collect();
    let run = Run {
        root,
        manifest: &manifest,
        frames: &frames,
        sums: &sums,
        next: AtomicUsize::new(0),
        line: Mutex::new(Line { to, turn: 0, written: Vec::with_capacity(frames.len()), sum: Sum::default(), refusal: None }),
        moved: Condvar::new(),
        stop,
        progress,
    };
    match threads.min(frames.len()) {
        // Of one thread every call has a number that is the same each time: faults are tried at each.
        0 | 1 => run.work(),
        threads => std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| run.work());
            }
        }),
    }
    let line = run.line.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(refusal) = line.refusal {
        return Err(refusal);
    }
    let written = line.written;
    finish(manifest, &sums, &frames, &written, to, root.gate())
}

fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::MinMatch(SHORTEST_MATCH))?;
    compressor.set_parameter(CParameter::HashLog(HASH_LOG))?;
    Ok(compressor)
}

/// What a frame became.
struct Written {
    packed: u32,
    sum: Digest,
}

/// The one place where frames get into their order.
struct Line<'a> {
    to: &'a File,
    /// The frame that is written next.
    turn: usize,
    written: Vec<Written>,
    /// Of the large file whose parts are being written.
    sum: Sum,
    refusal: Option<Refusal>,
}

struct Run<'a> {
    root: &'a Dir,
    manifest: &'a Manifest,
    frames: &'a [Frame],
    sums: &'a [OnceLock<Digest>],
    next: AtomicUsize,
    line: Mutex<Line<'a>>,
    moved: Condvar,
    stop: &'a Stop,
    progress: &'a Progress,
}

impl Run<'_> {
    fn work(&self) {
        let mut cursor = Cursor::new(self.root);
        let mut plain = Page::default();
        let mut packed = Vec::new();
        let mut compressor = match compressor() {
            Ok(compressor) => compressor,
            Err(cause) => return self.refuse(Refusal::io("make a compressor for", b".")(cause)),
        };
        while let Some(frame) = self.frames.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(refusal) = self.frame(frame, &mut cursor, &mut plain, &mut packed, &mut compressor) {
                return self.refuse(refusal);
            }
        }
    }

    fn refuse(&self, refusal: Refusal) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.refusal.get_or_insert(refusal);
        // Those that wait for their turn would wait for ever.
        self.moved.notify_all();
    }

    fn frame(
        &self,
        frame: &Frame,
        cursor: &mut Cursor<'_>,
        plain: &mut Page,
        packed: &mut Vec<u8>,
        compressor: &mut Compressor<'_>,
    ) -> Result<(), Refusal> {
        if self.stop.is_asked() {
            return Err(Refusal::Stopped);
        }
        plain.clear();
        let contents = match frame.span {
            Span::Entries { first, end } => {
                let mut head = Vec::new();
                (first..end).try_for_each(|index| self.entry(index, cursor, &mut head, plain))?;
                None
            }
            Span::Part { entry, offset } => Some(self.part(entry, offset, frame.size, cursor, plain)?),
            Span::End => {
                plain.pad_to(frame.size as usize);
                None
            }
        };
        let plain = plain.filled();
        let sum = Digest::of(plain);
        packed.clear();
        packed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        compressor.compress_to_buffer(plain, packed).map_err(Refusal::io("compress", b"."))?;
        self.write(frame, contents.map(|range| &plain[range]), sum, packed)
    }

    /// One whole entry: header, contents, padding.
    fn entry(&self, index: usize, cursor: &mut Cursor<'_>, head: &mut Vec<u8>, plain: &mut Page) -> Result<(), Refusal> {
        head.clear();
        header::append(self.manifest, index, head);
        plain.append(head);
        let entry = &self.manifest.entries[index];
        let What::File { size, .. } = entry.what else {
            return Ok(());
        };
        // At most a frame.
        let contents = plain.room(usize::try_from(size).unwrap_or_default());
        read_steady(cursor, entry, 0, contents)?;
        let _ = self.sums[index].set(Digest::of(contents));
        self.progress.copied(1, size);
        plain.room(header::padding(size)).fill(0);
        Ok(())
    }

    /// A part of a large entry. Returns where in the frame the file's own bytes are.
    fn part(
        &self,
        index: usize,
        offset: u64,
        length: u32,
        cursor: &mut Cursor<'_>,
        plain: &mut Page,
    ) -> Result<std::ops::Range<usize>, Refusal> {
        let entry = &self.manifest.entries[index];
        let mut head = Vec::new();
        header::append(self.manifest, index, &mut head);
        let range = part_of(entry, head.len() as u64, offset, length);
        if offset == 0 {
            plain.append(&head);
        }
        let from = plain.filled().len();
        let contents = plain.room(usize::try_from(range.end - range.start).unwrap_or_default());
        read_steady(cursor, entry, range.start, contents)?;
        self.progress.copied(u64::from(offset == 0), range.end - range.start);
        let end = plain.filled().len();
        plain.pad_to(length as usize);
        Ok(from..end)
    }

    /// Waits for the frame's turn and writes it.
    fn write(&self, frame: &Frame, part: Option<&[u8]>, sum: Digest, packed: &[u8]) -> Result<(), Refusal> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        // Frames are taken in order, so whoever has an earlier one is at work.
        while line.refusal.is_none() && !std::ptr::eq(&raw const self.frames[line.turn], frame) {
            line = self.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        if line.refusal.is_some() {
            return Ok(());
        }
        if let (Some(bytes), Span::Part { entry, offset }) = (part, frame.span) {
            // The sum of a whole file is made in the order of its bytes, which is the order of the frames.
            line.sum.add(bytes);
            let is_last = !matches!(self.frames[line.turn + 1].span, Span::Part { offset: after, .. } if after > offset);
            if is_last {
                let _ = self.sums[entry].set(std::mem::take(&mut line.sum).end());
            }
        }
        let gate = self.root.gate();
        let mut to = line.to;
        gate.pass().map_err(Refusal::at("write", b"the pack"))?;
        to.write_all(packed).map_err(Refusal::io("write", b"the pack"))?;
        // A frame is at most a megabyte.
        line.written.push(Written { packed: u32::try_from(packed.len()).unwrap_or(u32::MAX), sum });
        line.turn += 1;
        self.moved.notify_all();
        Ok(())
    }
}

/// The file's bytes that lie in a part of its entry.
pub(super) fn part_of(entry: &Entry, head: u64, offset: u64, length: u32) -> std::ops::Range<u64> {
    let clamp = |at: u64| at.saturating_sub(head).min(entry.size());
    clamp(offset)..clamp(offset + u64::from(length))
}

/// Reads a file's bytes from `offset` on and refuses one that is not, or does not stay, as it was scanned.
fn read_steady(cursor: &mut Cursor<'_>, entry: &Entry, offset: u64, into: &mut [u8]) -> Result<(), Refusal> {
    let path = &entry.path[..];
    let (dir, name) = cursor.parent(path).map_err(Refusal::at("open the directory of", path))?;
    let file = dir.open_file(name).map_err(Refusal::at("open", path))?;
    let unchanged = || {
        let stat = fstat(&file)?;
        let seen = (stat.st_mtime, stat.st_mtime_nsec, u64::try_from(stat.st_size).unwrap_or(0));
        let same = seen == (entry.mtime.seconds, i64::from(entry.mtime.nanoseconds), entry.size());
        Ok::<bool, Errno>(same && Kind::of(&stat) == Kind::File)
    };
    let changed = || Refusal::Changed(printable(path));
    if !unchanged().map_err(Refusal::at("look at", path))? {
        return Err(changed());
    }
    match file.read_exact_at(into, offset) {
        Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => return Err(changed()),
        other => other.map_err(Refusal::io("read", path))?,
    }
    // Grown or written to meanwhile: the first half may be of one time and the second of another.
    if unchanged().map_err(Refusal::at("look at", path))? { Ok(()) } else { Err(changed()) }
}

/// Appends the manifest and the seek table.
fn finish(
    mut manifest: Manifest,
    sums: &[OnceLock<Digest>],
    frames: &[Frame],
    written: &[Written],
    mut to: &File,
    gate: &Gate,
) -> Result<(Manifest, Digest), Refusal> {
    for (entry, sum) in manifest.entries.iter_mut().zip(sums) {
        if let (What::File { sha256, .. }, Some(sum)) = (&mut entry.what, sum.get()) {
            *sha256 = *sum;
        }
    }
    manifest.frames = written.iter().map(|frame| frame.sum).collect();
    let text = mtree::render(&manifest);
    let io = || Refusal::io("write", b"the pack's manifest");
    let end = zstd::bulk::compress(text.as_bytes(), LEVEL).map_err(io())?;
    let length = u32::try_from(end.len()).map_err(|_| Refusal::TooMany(u64::from(u32::MAX)))?;
    let mut table: Vec<Lengths> =
        frames.iter().zip(written).map(|(frame, written)| Lengths { packed: written.packed, plain: frame.size }).collect();
    // As the format wants it: a skippable frame holds nothing of the archive.
    table.push(Lengths { packed: length + read::SKIPPABLE, plain: 0 });
    let mut tail = Vec::with_capacity(end.len() + 8 * table.len() + 32);
    tail.extend(read::MAGIC);
    tail.extend(length.to_le_bytes());
    tail.extend(&end);
    seek::append(&table, &mut tail).ok_or(Refusal::TooLarge(u64::from(u32::MAX) * FRAME))?;
    gate.pass().map_err(Refusal::at("write", b"the pack's manifest"))?;
    to.write_all(&tail).map_err(io())?;
    Ok((manifest, Digest::of(text.as_bytes())))
}
