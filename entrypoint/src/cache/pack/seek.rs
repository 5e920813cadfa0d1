//! The seek table at the end of a pack: how long each frame is, packed and unpacked. Pure.
//!
//! facebook/zstd, `contrib/seekable_format/zstd_seekable_compression_format.md`, version 0.1.0: a skippable frame of 8 bytes per
//! frame and a footer of 9, all little-endian. The kept crate for it, zeekstd, cannot be had without the decoders of seven formats
//! that zstd had before its first release: more code for forged packs to talk to, and a thirtieth of our size.

/// What a skippable frame begins with (RFC 8878, 3.1.2): one of sixteen numbers; the format has chosen this.
const MAGIC: u32 = 0x184D_2A5E;
/// What the file ends with.
const SEEKABLE: u32 = 0x8F92_EAB1;
const HEADER: usize = 8;
const ENTRY: usize = 8;
const FOOTER: usize = 9;

/// The lengths of one frame, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) packed: u32,
    pub(super) plain: u32,
}

/// How many bytes the table of a file takes that ends with `tail`; `None`: it ends with none.
pub(super) fn size(tail: &[u8]) -> Option<u64> {
    let footer = tail.get(tail.len().checked_sub(FOOTER)?..)?;
    // The descriptor's bits are for checksums, which we do not write, and for times to come.
    let ours = footer[4] == 0 && number(&footer[5..]) == Some(SEEKABLE);
    let count = u64::from(number(footer)?);
    ours.then_some((HEADER + FOOTER) as u64 + count * ENTRY as u64)
}

/// The table itself, which is all of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<Lengths>> {
    let length = u32::try_from(bytes.len().checked_sub(HEADER)?).ok()?;
    let right = size(bytes)? == bytes.len() as u64 && number(bytes)? == MAGIC && number(&bytes[4..])? == length;
    let entries = bytes.get(HEADER..bytes.len() - FOOTER).filter(|_| right)?;
    entries.chunks_exact(ENTRY).map(|entry| Some(Lengths { packed: number(entry)?, plain: number(&entry[4..])? })).collect()
}

/// Appends the table; `None`: more frames than it can count.
pub(super) fn append(frames: &[Lengths], into: &mut Vec<u8>) -> Option<()> {
    let length = frames.len().checked_mul(ENTRY)?.checked_add(FOOTER)?;
    into.extend(MAGIC.to_le_bytes());
    into.extend(u32::try_from(length).ok()?.to_le_bytes());
    for frame in frames {
        into.extend(frame.packed.to_le_bytes());
        into.extend(frame.plain.to_le_bytes());
    }
    into.extend(u32::try_from(frames.len()).ok()?.to_le_bytes());
    into.push(0);
    into.extend(SEEKABLE.to_le_bytes());
    Some(())
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_as_the_format_says_and_read_back() {
        let frames = [Lengths { packed: 1, plain: 0x0102_0304 }, Lengths { packed: 5, plain: 0 }];
        let mut bytes = Vec::new();
        append(&frames, &mut bytes).unwrap();
        let expected =
            [0x5e, 0x2a, 0x4d, 0x18, 25, 0, 0, 0, 1, 0, 0, 0, 4, 3, 2, 1, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0xb1, 0xea, 0x92, 0x8f];
        assert_eq!(bytes, expected);
        assert_eq!(parse(&bytes), Some(frames.to_vec()));
        assert_eq!(size(&[&[9; 100][..], &bytes].concat()), Some(33));
    }

    #[test]
    fn anything_else_is_no_table() {
        let mut bytes = Vec::new();
        append(&[Lengths { packed: 1, plain: 2 }], &mut bytes).unwrap();
        for index in (0..bytes.len()).filter(|index| !(8..16).contains(index)) {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert_eq!(parse(&changed), None, "byte {index}");
        }
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), None, "{length} bytes");
            assert_eq!(parse(&bytes[length + 1..]), None);
        }
    }
}
