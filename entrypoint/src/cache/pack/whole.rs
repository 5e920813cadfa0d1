//! A pack read from its first byte to its last: every sum of every frame and file, every header, all that fills up between them.

use super::digest::{Digest, Sum};
use super::frame::Span;
use super::header;
use super::manifest::{Entry, What};
use super::read::{Buffers, Pack};
use super::unpack::{another_header, expect_zeros};
use super::write::part_of;
use crate::cache::names::printable;
use crate::cache::refusal::Refusal;
use crate::cache::stop::Stop;

impl Pack {
    /// Refuses a pack that is not in every byte what its manifest says. `done` hears of each frame: files that begin in it, bytes of
    /// the pack.
    pub(in crate::cache) fn check_whole(&self, buffers: &mut Buffers, stop: &Stop, done: impl Fn(u64, u64)) -> Result<(), Refusal> {
        // Of the large file whose parts are being read: they come one after the other.
        let mut sum = Sum::default();
        for index in 0..self.frame_count() {
            if stop.is_asked() {
                return Err(Refusal::Stopped);
            }
            self.frame(index, buffers)?;
            match self.frames[index].span {
                Span::Entries { first, end } => self.check_entries(first..end, &buffers.plain)?,
                Span::Part { entry, offset } => self.check_part(entry, offset, &buffers.plain, &mut sum)?,
                Span::End => expect_zeros(&buffers.plain)?,
            }
            done(self.files_begun_in(index), self.packed_size(index));
        }
        Ok(())
    }

    /// Files and links whose headers stand in that frame.
    pub(in crate::cache) fn files_begun_in(&self, frame: usize) -> u64 {
        match self.frames[frame].span {
            Span::Entries { first, end } => {
                self.manifest.entries[first..end].iter().filter(|entry| entry.what != What::Directory).count() as u64
            }
            Span::Part { offset, .. } => u64::from(offset == 0),
            Span::End => 0,
        }
    }

    fn check_entries(&self, range: std::ops::Range<usize>, mut plain: &[u8]) -> Result<(), Refusal> {
        let mut head = Vec::with_capacity(3 * 512);
        for index in range {
            head.clear();
            header::append(&self.manifest, index, &mut head);
            let entry = &self.manifest.entries[index];
            let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
            let rest = plain.strip_prefix(&head[..]).ok_or_else(|| another_header(entry))?;
            let (contents, rest) = rest.split_at_checked(size).ok_or_else(|| another_header(entry))?;
            let (pad, rest) = rest.split_at_checked(header::padding(entry.size())).ok_or_else(|| another_header(entry))?;
            expect_zeros(pad)?;
            if let What::File { sha256, .. } = entry.what
                && Digest::of(contents) != sha256
            {
                return Err(another_sum(entry));
            }
            plain = rest;
        }
        Ok(())
    }

    fn check_part(&self, index: usize, offset: u64, plain: &[u8], sum: &mut Sum) -> Result<(), Refusal> {
        let entry = &self.manifest.entries[index];
        let mut head = Vec::with_capacity(3 * 512);
        header::append(&self.manifest, index, &mut head);
        let range = part_of(entry, head.len() as u64, offset, u32::try_from(plain.len()).unwrap_or(u32::MAX));
        let end = offset + plain.len() as u64;
        let plain = if offset == 0 { plain.strip_prefix(&head[..]).ok_or_else(|| another_header(entry))? } else { plain };
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let (contents, pad) = plain.split_at_checked(length).ok_or_else(|| another_header(entry))?;
        expect_zeros(pad)?;
        sum.add(contents);
        if end < head.len() as u64 + entry.size().next_multiple_of(header::BLOCK) {
            return Ok(());
        }
        let whole = std::mem::take(sum).end();
        let said = matches!(entry.what, What::File { sha256, .. } if sha256 == whole);
        said.then_some(()).ok_or_else(|| another_sum(entry))
    }
}

fn another_sum(entry: &Entry) -> Refusal {
    Refusal::Forged(format!("{}: its contents have another SHA-256 than the manifest says", printable(&entry.path)))
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::super::write::write;
    use super::*;
    use crate::cache::dir::{Dir, Gate};
    use crate::cache::progress::Progress;
    use crate::cache::refusal::Limits;
    use std::fs;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::cache::names::VersionId;

    /// A pack whose frames are what its manifest says, while the sum of one of its files is not: no restore notices.
    #[test]
    fn every_file_is_compared_with_its_own_sum_however_many_frames_it_has() {
        let temp = tempfile::tempdir().unwrap();
        let tree = temp.path().join("tree");
        fs::create_dir(&tree).unwrap();
        for (name, size) in [("a", 0), ("b", 100), ("c", 3_000_000), ("d", 1 << 20), ("e", 100)] {
            fs::write(tree.join(name), vec![7; size]).unwrap();
        }
        let root = Dir::root(&tree, Gate::default()).unwrap();
        let id = VersionId { tool: "a".into(), version: "1".into(), arch: "x64".into() };
        let scanned = scan(&root, &id, &[], Limits::default()).unwrap();
        let path = temp.path().join("pack");
        let file = fs::File::create(&path).unwrap();
        let (_, digest) = write(&root, scanned.manifest, &file, 2, &Stop::default(), &Progress::default()).unwrap();
        let mut pack = Pack::open(fs::File::open(&path).unwrap(), digest, Limits::default()).unwrap();
        let mut buffers = Buffers::new().unwrap();
        let (files, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let count = |more_files, more_bytes| {
            files.fetch_add(more_files, Ordering::Relaxed);
            bytes.fetch_add(more_bytes, Ordering::Relaxed);
        };
        assert_eq!(pack.check_whole(&mut buffers, &Stop::default(), count), Ok(()));
        assert_eq!(files.into_inner(), 5);
        assert!((1..fs::metadata(&path).unwrap().len()).contains(&bytes.into_inner()));
        for index in 1..=5 {
            let good = pack.manifest.entries[index].clone();
            if let What::File { sha256, .. } = &mut pack.manifest.entries[index].what {
                *sha256 = Digest::of(b"another");
            }
            let name = printable(&good.path);
            let refused = pack.check_whole(&mut buffers, &Stop::default(), |_, _| {}).unwrap_err().to_string();
            assert!(refused.contains(&format!("{name}: its contents have another SHA-256")), "{name}: {refused}");
            pack.manifest.entries[index] = good;
        }
    }
}
