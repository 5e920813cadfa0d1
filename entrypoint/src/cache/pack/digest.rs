//! SHA-256 sums.

use std::fmt;

/// The SHA-256 of something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::cache) struct Digest(pub(in crate::cache) [u8; 32]);

impl Digest {
    pub(in crate::cache) fn of(bytes: &[u8]) -> Self {
        Sum::default().with(bytes).end()
    }

    /// 64 lower-case hexadecimal digits and nothing else.
    pub(in crate::cache) fn parse(text: &[u8]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut sum = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in sum.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(sum))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A sum being made.
#[derive(Clone)]
pub(super) struct Sum(ring::digest::Context);

impl Default for Sum {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn with(mut self, bytes: &[u8]) -> Self {
        self.add(bytes);
        self
    }

    pub(super) fn end(self) -> Digest {
        let mut sum = [0; 32];
        sum.copy_from_slice(self.0.finish().as_ref());
        Digest(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_and_read_as_64_hexadecimal_digits() {
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::parse(text.as_bytes()), Some(digest));
        for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('b', "g")] {
            assert_eq!(Digest::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
