//! A pack being read: its end first, then any frame by itself. Nothing of it is believed before its sum is right.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use zstd::bulk::Decompressor;
use zstd::stream::read::Decoder;

use super::digest::{Digest, Sum};
use super::frame::{Frame, MOST_FRAMES, frames};
use super::manifest::Manifest;
use super::{mtree, seek};
use crate::cache::refusal::{Limits, Refusal};

/// What a skippable frame begins with (RFC 8878, 3.1.2): one of sixteen numbers that are free for any use.
pub(super) const MAGIC: [u8; 4] = 0x184D_2A5D_u32.to_le_bytes();
/// Bytes of a skippable frame before what it carries: the number and a length.
pub(super) const SKIPPABLE: u32 = 8;
/// Bytes of a pack that the kernel is asked to read before they are wanted.
const AHEAD: u64 = 8 << 20;
/// Read at once from the end: the manifest of a tool of a thousand files fits.
const TAIL: u64 = 256 << 10;
/// Bounds of a manifest, packed and unpacked, in bytes: two million entries of the usual length. It is unpacked piece by piece.
const LONGEST: (u64, u64) = (128 << 20, 512 << 20);
/// An end up to that size is read at once and kept: a manifest of some hundred thousand entries.
const HELD: u64 = 8 << 20;
/// What is worked on at a time where it is not.
const PIECE: usize = 128 << 10;
/// The bytes that a seek table of as many may take.
const LONGEST_TABLE: u64 = MOST_FRAMES * 8 + 64;
/// Memory that unpacking a manifest may take, as a power of two: some times what is ever written.
const WINDOW: u32 = 23;

/// An open pack.
#[derive(Debug)]
pub(in crate::cache) struct Pack {
    file: File,
    pub(in crate::cache) manifest: Manifest,
    pub(super) frames: Vec<Frame>,
    /// Where each frame begins, and one more: where the last ends.
    offsets: Vec<u64>,
    /// How far the kernel was asked to read.
    asked: AtomicU64,
}

/// One thread's buffers.
pub(in crate::cache) struct Buffers {
    packed: Vec<u8>,
    pub(super) plain: Vec<u8>,
    decompressor: Decompressor<'static>,
}

impl Buffers {
    pub(in crate::cache) fn new() -> std::io::Result<Self> {
        Ok(Self { packed: Vec::new(), plain: Vec::new(), decompressor: Decompressor::new()? })
    }
}

fn forged(why: &str) -> Refusal {
    Refusal::Forged(why.to_owned())
}

impl Pack {
    /// Reads the end of a pack that is to have that name.
    pub(in crate::cache) fn open(file: File, name: Digest, limits: Limits) -> Result<Self, Refusal> {
        let io = || Refusal::io("read", b"the pack");
        let size = file.metadata().map_err(io())?.len();
        let mut tail = end_of(&file, size, TAIL)?;
        let no_table = || forged("no seek table at its end");
        let table_size = seek::size(&tail).filter(|length| *length <= size.min(LONGEST_TABLE)).ok_or_else(no_table)?;
        if table_size > tail.len() as u64 {
            tail = end_of(&file, size, table_size)?;
        }
        let mut table = seek::parse(last_of(&tail, table_size)).ok_or_else(no_table)?;
        let last = table.pop().filter(|last| last.plain == 0 && last.packed >= SKIPPABLE && u64::from(last.packed) <= LONGEST.0);
        let packed = u64::from(last.ok_or_else(|| forged("no manifest before its seek table"))?.packed);
        let mut offsets = vec![0];
        for frame in &table {
            let end = offsets.last().copied().unwrap_or(0);
            offsets.push(end + u64::from(frame.packed));
        }
        if offsets.last().is_none_or(|end| end + packed + table_size != size) {
            return Err(forged("its seek table is of another file"));
        }
        let end = packed + table_size;
        if end > tail.len() as u64 {
            tail = end_of(&file, size, end.min(HELD))?;
        }
        let manifest = if end <= HELD {
            let part = last_of(&tail, end);
            manifest(|| part, packed, name, limits)?
        } else {
            let part = || BufReader::with_capacity(PIECE, Section { file: &file, rest: size - end..size - table_size });
            manifest(part, packed, name, limits)?
        };
        manifest.check(limits)?;
        let frames = frames(&manifest);
        let agreed = frames.len() == manifest.frames.len()
            && frames.len() == table.len()
            && table.iter().zip(&frames).all(|(lengths, frame)| lengths.plain == frame.size);
        if !agreed {
            return Err(forged("its frames are not those of its manifest"));
        }
        let pack = Self { file, manifest, frames, offsets, asked: AtomicU64::new(0) };
        pack.ask_ahead(0);
        Ok(pack)
    }

    /// How many frames it has.
    pub(in crate::cache) fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// Bytes of one frame in the pack.
    pub(in crate::cache) fn packed_size(&self, index: usize) -> u64 {
        self.offsets[index + 1] - self.offsets[index]
    }

    /// Several threads that read here and there look to the kernel like nobody who reads on, and it asks the server for crumbs. So it
    /// is told: in requests as large as they can be, while the first frames are unpacked. That the whole file was asked for at once
    /// would push the rest of the page cache out.
    fn ask_ahead(&self, end: u64) {
        let asked = self.asked.load(Ordering::Relaxed);
        if end + AHEAD / 2 > asked && self.asked.fetch_max(asked + AHEAD, Ordering::Relaxed) == asked {
            let (from, length) = (i64::try_from(asked).unwrap_or(i64::MAX), i64::try_from(AHEAD).unwrap_or(i64::MAX));
            // It is advice: without it the reads are only smaller.
            let _ = posix_fadvise(&self.file, from, length, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
        }
    }

    /// Unpacks one frame into `buffers.plain` and compares its sum.
    pub(super) fn frame(&self, index: usize, buffers: &mut Buffers) -> Result<(), Refusal> {
        let (begin, end) = (self.offsets[index], self.offsets[index + 1]);
        let size = self.frames[index].size as usize;
        let length = end - begin;
        // What cannot be compressed grows by less than this.
        if length > 2 * u64::from(self.frames[index].size) + 1024 {
            return Err(forged("a frame is larger than what is in it"));
        }
        let length = usize::try_from(length).unwrap_or_default();
        if buffers.packed.len() < length {
            buffers.packed.resize(length.next_power_of_two(), 0);
        }
        let packed = &mut buffers.packed[..length];
        self.ask_ahead(end);
        read_at(&self.file, packed, begin)?;
        buffers.plain.clear();
        buffers.plain.reserve(size);
        let unpacked = buffers.decompressor.decompress_to_buffer(packed, &mut buffers.plain);
        let whole = unpacked.is_ok_and(|count| count == size) && Digest::of(&buffers.plain) == self.manifest.frames[index];
        whole.then_some(()).ok_or_else(|| forged("the contents of a frame are not those of its manifest"))
    }
}

/// Reads the manifest's frame, with which `part` begins, twice: once for its sum and once for what it says. Only then is it known to be
/// worth the memory.
fn manifest<R: BufRead>(part: impl Fn() -> R, packed: u64, name: Digest, limits: Limits) -> Result<Manifest, Refusal> {
    let missing = || forged("no manifest before its seek table");
    let failed = |cause: std::io::Error| match cause.raw_os_error() {
        Some(_) => Refusal::io("read", b"the pack")(cause),
        None => missing(),
    };
    let mut head = [0; SKIPPABLE as usize];
    part().read_exact(&mut head).map_err(failed)?;
    let length = head[4..].try_into().map(u32::from_le_bytes).map_or(0, u64::from);
    if head[..4] != MAGIC || length != packed - u64::from(SKIPPABLE) {
        return Err(missing());
    }
    let text = || {
        let mut frame = part();
        frame.read_exact(&mut [0; SKIPPABLE as usize])?;
        let mut text = Decoder::with_buffer(frame.take(length))?.single_frame();
        text.window_log_max(WINDOW)?;
        Ok(text.take(LONGEST.1))
    };
    let mut sum = Sum::default();
    let mut text_once = text().map_err(failed)?;
    let mut piece = vec![0; PIECE];
    loop {
        match text_once.read(&mut piece).map_err(failed)? {
            0 => break,
            count => sum.add(&piece[..count]),
        }
    }
    drop(text_once);
    if sum.end() != name {
        return Err(forged("its manifest has another digest"));
    }
    let parsed = mtree::parse(BufReader::with_capacity(PIECE, text().map_err(failed)?), limits.entries).map_err(failed)?;
    parsed.ok_or_else(|| forged("its manifest is none that is ever written"))
}

/// A part of a file, from its beginning on.
struct Section<'a> {
    file: &'a File,
    rest: std::ops::Range<u64>,
}

impl Read for Section<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX).min(into.len());
        let count = self.file.read_at(&mut into[..length], self.rest.start)?;
        self.rest.start += count as u64;
        Ok(count)
    }
}

fn last_of(tail: &[u8], length: u64) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    tail.get(tail.len().saturating_sub(length)..).unwrap_or_default()
}

fn end_of(file: &File, size: u64, wanted: u64) -> Result<Vec<u8>, Refusal> {
    let wanted = wanted.min(size);
    let mut tail = vec![0; usize::try_from(wanted).unwrap_or_default()];
    read_at(file, &mut tail, size - wanted)?;
    Ok(tail)
}

fn read_at(file: &File, into: &mut [u8], offset: u64) -> Result<(), Refusal> {
    match file.read_exact_at(into, offset) {
        Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => Err(forged("it ends early")),
        other => other.map_err(Refusal::io("read", b"the pack")),
    }
}
