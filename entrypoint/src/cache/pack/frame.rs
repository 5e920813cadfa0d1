//! Where the frames of a pack begin and end. Pure: it follows from the manifest, for the writer as for the reader.

use super::header;
use super::manifest::Manifest;

/// The most unpacked bytes of one frame. Large enough to compress as well as the whole, small enough that a few threads hold
/// one each.
pub(super) const FRAME: u64 = 1 << 20;
/// Bound of the number of frames. Two of them are together larger than one may be, so the bound of a version's bytes is reached first.
pub(super) const MOST_FRAMES: u64 = 1 << 18;
/// What ends a tar archive: two empty blocks.
const END: u64 = 2 * header::BLOCK;

/// What one frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// Whole entries, headers, contents and all.
    Entries { first: usize, end: usize },
    /// A part of one entry that is larger than a frame, from that byte on (0 is the first of its header).
    Part { entry: usize, offset: u64 },
    /// The end of the archive.
    End,
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) span: Span,
    /// Unpacked bytes, at most [`FRAME`].
    pub(super) size: u32,
}

/// The frames of a manifest: as many whole entries as fit in each, and an entry that is larger than a frame in frames of its
/// own.
pub(super) fn frames(manifest: &Manifest) -> Vec<Frame> {
    let mut head = Vec::new();
    let lengths = (0..manifest.entries.len()).map(|index| {
        head.clear();
        header::append(manifest, index, &mut head);
        let size = manifest.entries[index].size();
        head.len() as u64 + size.next_multiple_of(header::BLOCK)
    });
    divide(lengths)
}

fn divide(lengths: impl Iterator<Item = u64>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut first = 0;
    let mut filled = 0_u64;
    // Below FRAME, which is far below the end of u32.
    let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut count = 0;
    for (index, length) in lengths.enumerate() {
        count = index + 1;
        if filled + length <= FRAME {
            filled += length;
            continue;
        }
        if filled > 0 {
            frames.push(Frame { span: Span::Entries { first, end: index }, size: size(filled) });
        }
        (first, filled) = (index, length);
        if length > FRAME {
            let mut offset = 0;
            while offset < length {
                let part = (length - offset).min(FRAME);
                frames.push(Frame { span: Span::Part { entry: index, offset }, size: size(part) });
                offset += part;
            }
            (first, filled) = (index + 1, 0);
        }
    }
    if filled > 0 {
        frames.push(Frame { span: Span::Entries { first, end: count }, size: size(filled) });
    }
    frames.push(Frame { span: Span::End, size: size(END) });
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_share_a_frame_while_they_fit_and_large_ones_have_their_own() {
        let entries = |first, end, size: u64| Frame { span: Span::Entries { first, end }, size: u32::try_from(size).unwrap() };
        let part = |entry, offset, size: u64| Frame { span: Span::Part { entry, offset }, size: u32::try_from(size).unwrap() };
        let end = Frame { span: Span::End, size: 1024 };
        let cases: &[(&[u64], &[Frame])] = &[
            (&[], &[end]),
            (&[512], &[entries(0, 1, 512), end]),
            (&[FRAME, 512], &[entries(0, 1, FRAME), entries(1, 2, 512), end]),
            (&[FRAME - 512, 512, 512], &[entries(0, 2, FRAME), entries(2, 3, 512), end]),
            (
                &[512, 2 * FRAME + 512, 1024, 512],
                &[entries(0, 1, 512), part(1, 0, FRAME), part(1, FRAME, FRAME), part(1, 2 * FRAME, 512), entries(2, 4, 1536), end],
            ),
            (&[FRAME + 512, FRAME + 512], &[part(0, 0, FRAME), part(0, FRAME, 512), part(1, 0, FRAME), part(1, FRAME, 512), end]),
            (&[FRAME - 512, 1024], &[entries(0, 1, FRAME - 512), entries(1, 2, 1024), end]),
        ];
        for (lengths, expected) in cases {
            assert_eq!(divide(lengths.iter().copied()), *expected, "{lengths:?}");
        }
    }

    #[test]
    fn frames_cover_every_byte_once() {
        let mut random = 7_u64;
        for _ in 0..200 {
            let lengths: Vec<u64> = (0..50)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    512 * (1 + (random >> 33) % if random.is_multiple_of(7) { 6000 } else { 40 })
                })
                .collect();
            let frames = divide(lengths.iter().copied());
            let total: u64 = frames.iter().map(|frame| u64::from(frame.size)).sum();
            assert_eq!(total, lengths.iter().sum::<u64>() + 1024);
            assert!(frames.iter().all(|frame| u64::from(frame.size) <= FRAME && frame.size > 0));
        }
    }
}
