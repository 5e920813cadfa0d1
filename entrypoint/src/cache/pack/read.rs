//! A pack being read: its end first, then any frame by itself. Nothing of it is believed before its sum is right.

use std::fs::File;
use std::os::unix::fs::FileExt;

use zstd::bulk::Decompressor;

use super::digest::Digest;
use super::frame::{Frame, frames};
use super::manifest::Manifest;
use super::{mtree, seek};
use crate::cache::refusal::{Limits, Refusal};

/// What a skippable frame begins with (RFC 8878, 3.1.2): one of sixteen numbers that are free for any use.
pub(super) const MAGIC: [u8; 4] = 0x184D_2A5D_u32.to_le_bytes();
/// Bytes of a skippable frame before what it carries: the number and a length.
pub(super) const SKIPPABLE: u32 = 8;
/// Read at once from the end: the manifest of a tool of a thousand files fits.
const TAIL: u64 = 256 << 10;
/// Bounds of what an end may be, in bytes, packed and unpacked: two million entries of the usual length.
const LONGEST: (u64, u64) = (128 << 20, 512 << 20);
/// An open pack.
#[derive(Debug)]
pub(in crate::cache) struct Pack {
    file: File,
    pub(in crate::cache) manifest: Manifest,
    pub(super) frames: Vec<Frame>,
    /// Where each frame begins, and one more: where the last ends.
    offsets: Vec<u64>,
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
        let table_size = seek::size(&tail).filter(|length| *length <= size.min(LONGEST.0)).ok_or_else(no_table)?;
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
        if packed + table_size > tail.len() as u64 {
            tail = end_of(&file, size, packed + table_size)?;
        }
        let manifest = manifest(last_of(&tail, packed + table_size), packed, name)?;
        manifest.check(limits)?;
        let frames = frames(&manifest);
        let agreed = frames.len() == manifest.frames.len()
            && frames.len() == table.len()
            && table.iter().zip(&frames).all(|(lengths, frame)| lengths.plain == frame.size);
        agreed.then_some(Self { file, manifest, frames, offsets }).ok_or_else(|| forged("its frames are not those of its manifest"))
    }

    /// How many frames it has.
    pub(in crate::cache) fn frame_count(&self) -> usize {
        self.frames.len()
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
        buffers.packed.resize(usize::try_from(length).unwrap_or_default(), 0);
        read_at(&self.file, &mut buffers.packed, begin)?;
        buffers.plain.clear();
        buffers.plain.reserve(size);
        let unpacked = buffers.decompressor.decompress_to_buffer(&buffers.packed, &mut buffers.plain);
        let whole = unpacked.is_ok_and(|count| count == size) && Digest::of(&buffers.plain) == self.manifest.frames[index];
        whole.then_some(()).ok_or_else(|| forged("the contents of a frame are not those of its manifest"))
    }
}

/// The manifest of a pack's end, which begins with it.
fn manifest(end: &[u8], packed: u64, name: Digest) -> Result<Manifest, Refusal> {
    let missing = || forged("no manifest before its seek table");
    let length = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let frame = end.get(..length(packed)).ok_or_else(missing)?;
    if !frame.starts_with(&MAGIC) || frame[4..8] != (frame.len() - 8).to_le_bytes()[..4] {
        return Err(missing());
    }
    let frame = &frame[8..];
    let size = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten().filter(|size| *size <= LONGEST.1).ok_or_else(missing)?;
    let text = zstd::bulk::decompress(frame, length(size)).map_err(|_| missing())?;
    if Digest::of(&text) != name {
        return Err(forged("its manifest has another digest"));
    }
    mtree::parse(&text).ok_or_else(|| forged("its manifest is none that is ever written"))
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
