//! A pack being read: its end first, then any frame by itself. Nothing of it is believed before its sum is right.

use std::fs::File;
use std::os::unix::fs::FileExt;

use zeekstd::{BytesWrapper, SeekTable};
use zstd::bulk::Decompressor;

use super::digest::Digest;
use super::frame::{Frame, frames};
use super::manifest::Manifest;
use super::mtree;
use crate::cache::refusal::{Limits, Refusal};

/// What a skippable frame begins with (RFC 8878, 3.1.2): one of sixteen numbers that are free for any use.
pub(super) const MAGIC: [u8; 4] = 0x184D_2A5D_u32.to_le_bytes();
/// Bytes of a skippable frame before what it carries: the number and a length.
pub(super) const SKIPPABLE: u32 = 8;
/// Read at once from the end: the manifest of a tool of a thousand files fits.
const TAIL: u64 = 256 << 10;
/// Bounds of what an end may be, in bytes, packed and unpacked: two million entries of the usual length.
const LONGEST: (u64, u64) = (128 << 20, 512 << 20);
/// Bytes of a seek table beside its entries: skippable header and footer.
const TABLE: u64 = 17;
const TABLE_ENTRY: u64 = 8;

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
        // The last nine bytes are the seek table's footer, which begins with the number of its entries.
        let count = tail.len().checked_sub(9).and_then(|at| tail[at..at + 4].try_into().ok()).map(u32::from_le_bytes);
        let count = u64::from(count.ok_or_else(|| forged("too short"))?);
        let table_size = TABLE + count * TABLE_ENTRY;
        if table_size > size.min(LONGEST.0) {
            return Err(forged("no seek table at its end"));
        }
        if table_size > tail.len() as u64 {
            tail = end_of(&file, size, table_size)?;
        }
        let table = SeekTable::from_seekable(&mut BytesWrapper::new(&tail)).map_err(|_| forged("no seek table at its end"))?;
        let Some(last) = table.num_frames().checked_sub(1).filter(|_| table.size_comp() + table_size == size) else {
            return Err(forged("its seek table is of another file"));
        };
        let lengths = |index| (table.frame_size_comp(index).unwrap_or(0), table.frame_size_decomp(index).unwrap_or(0));
        let (packed, plain) = lengths(last);
        if packed < u64::from(SKIPPABLE) || packed > LONGEST.0 || plain != 0 {
            return Err(forged("no manifest before its seek table"));
        }
        if packed + table_size > tail.len() as u64 {
            tail = end_of(&file, size, packed + table_size)?;
        }
        let manifest = manifest(&tail, packed, table_size, name)?;
        manifest.check(limits)?;
        let frames = frames(&manifest);
        let offsets: Vec<u64> = (0..=last).map(|index| table.frame_start_comp(index).unwrap_or(0)).collect();
        let agreed = frames.len() == manifest.frames.len()
            && offsets.len() == frames.len() + 1
            && (0_u32..).zip(&frames).all(|(index, frame)| lengths(index).1 == u64::from(frame.size));
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

fn manifest(tail: &[u8], packed: u64, table_size: u64, name: Digest) -> Result<Manifest, Refusal> {
    let missing = || forged("no manifest before its seek table");
    let length = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let begin = tail.len().checked_sub(length(packed + table_size)).ok_or_else(missing)?;
    let frame = &tail[begin..begin + length(packed)];
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
