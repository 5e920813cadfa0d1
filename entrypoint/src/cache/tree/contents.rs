//! The contents of one file, from one open file to another: whole when small, in pieces when large, holes kept.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use nix::unistd::{Whence, ftruncate, lseek};

use crate::cache::dir::Gate;

/// One thread's buffer, in bytes. 64 of them are 16 MiB.
const PIECE: usize = 256 << 10;

/// A thread's buffer, made when first used.
#[derive(Debug, Default)]
pub(in crate::cache) struct Buffer(Vec<u8>);

/// What was read, or how to go on.
pub(in crate::cache) enum Contents<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// Too large for the buffer.
    Large(&'a mut [u8]),
}

impl Buffer {
    /// Reads a small file whole, so that nothing need be made on the other side while the source is slow. `None`: its
    /// length is not what its status says, so it is changing.
    pub(in crate::cache) fn read(&mut self, from: &mut File, size: u64) -> std::io::Result<Option<Contents<'_>>> {
        if self.0.is_empty() {
            self.0.resize(PIECE, 0);
        }
        let Some(size) = usize::try_from(size).ok().filter(|size| *size < PIECE) else {
            return Ok(Some(Contents::Large(&mut self.0)));
        };
        // One byte more than it should have: growth shows without another call.
        let mut filled = 0;
        while filled <= size {
            match from.read(&mut self.0[filled..=size]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok((filled == size).then_some(Contents::Whole(&self.0[..size])))
    }
}

/// Copies a large file piece by piece; a file with holes keeps them. Returns whether the source had its size throughout.
pub(in crate::cache) fn copy_large(from: &File, to: &File, stat: &FileStat, buffer: &mut [u8], gate: &Gate) -> std::io::Result<bool> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let on_disk = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
    if on_disk >= size {
        return copy_range(from, to, 0, size, buffer, gate);
    }
    let mut offset = 0;
    while offset < size {
        let Some(data) = seek(from, offset, Whence::SeekData)? else {
            break;
        };
        let end = seek(from, data, Whence::SeekHole)?.unwrap_or(size).min(size);
        if data >= end || !copy_range(from, to, data, end, buffer, gate)? {
            return Ok(data >= size);
        }
        offset = end;
    }
    gate.pass()?;
    ftruncate(to, stat.st_size)?;
    Ok(true)
}

/// The next data or hole; `None`: there is none behind `offset`.
fn seek(file: &File, offset: u64, whence: Whence) -> std::io::Result<Option<u64>> {
    let offset = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
    match lseek(file.as_fd(), offset, whence) {
        Ok(found) => Ok(u64::try_from(found).ok()),
        Err(Errno::ENXIO) => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

fn copy_range(from: &File, to: &File, begin: u64, end: u64, buffer: &mut [u8], gate: &Gate) -> std::io::Result<bool> {
    let mut offset = begin;
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buffer.len());
        let count = match from.read_at(&mut buffer[..wanted], offset) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(cause),
        };
        gate.pass()?;
        to.write_all_at(&buffer[..count], offset)?;
        offset += count as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::fstat;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    fn file_with(contents: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(contents).unwrap();
        lseek(&file, 0, Whence::SeekSet).unwrap();
        file
    }

    #[test]
    fn a_small_file_is_read_whole_and_one_that_changes_is_noticed() {
        let mut buffer = Buffer::default();
        for (size, whole) in [(5, true), (4, false), (6, false)] {
            let mut file = file_with(b"hello");
            let read = buffer.read(&mut file, size).unwrap();
            assert_eq!(matches!(read, Some(Contents::Whole(b"hello"))), whole, "{size}");
            assert_eq!(read.is_none(), !whole);
        }
        let mut file = file_with(&[7; PIECE]);
        let read = buffer.read(&mut file, PIECE as u64).unwrap();
        assert!(matches!(read, Some(Contents::Large(_))));
    }

    #[test]
    fn holes_stay_holes_and_all_bytes_arrive() {
        let from = tempfile::tempfile().unwrap();
        from.write_all_at(b"begin", 0).unwrap();
        from.write_all_at(&[1; 70_000], 8 << 20).unwrap();
        from.set_len(32 << 20).unwrap();
        let to = tempfile::tempfile().unwrap();
        let stat = fstat(&from).unwrap();
        let mut piece = vec![0; 4096];
        assert!(copy_large(&from, &to, &stat, &mut piece, &Gate::default()).unwrap());
        let (mut left, mut right) = (Vec::new(), Vec::new());
        (&from).read_to_end(&mut left).unwrap_or(0);
        lseek(&from, 0, Whence::SeekSet).unwrap();
        left.clear();
        (&from).read_to_end(&mut left).unwrap();
        lseek(&to, 0, Whence::SeekSet).unwrap();
        (&to).read_to_end(&mut right).unwrap();
        assert!(left == right);
        assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_copied_is_noticed() {
        let from = file_with(&[1; 10_000]);
        let stat = fstat(&from).unwrap();
        from.set_len(5_000).unwrap();
        let to = tempfile::tempfile().unwrap();
        let mut piece = vec![0; 4096];
        assert!(!copy_large(&from, &to, &stat, &mut piece, &Gate::default()).unwrap());
    }
}
