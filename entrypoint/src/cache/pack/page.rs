//! The unpacked bytes of a frame while they are gathered. Pure.

/// Memory that is cleared when it is made, and not again for every file that is read into it: that was a twentieth of a save.
#[derive(Debug, Default)]
pub(super) struct Page {
    bytes: Vec<u8>,
    filled: usize,
}

impl Page {
    /// What was gathered.
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Room for `length` more, which counts as gathered. What is in it is not told: the caller fills all of it.
    pub(super) fn room(&mut self, length: usize) -> &mut [u8] {
        let begin = self.filled;
        self.filled += length;
        if self.bytes.len() < self.filled {
            self.bytes.resize(self.filled.next_power_of_two(), 0);
        }
        &mut self.bytes[begin..self.filled]
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
    }

    /// Zeros up to a length of `length`.
    pub(super) fn pad_to(&mut self, length: usize) {
        self.room(length.saturating_sub(self.filled)).fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_used_before_holds_only_what_was_gathered_since() {
        let mut page = Page::default();
        page.append(&[9; 700]);
        page.clear();
        page.append(b"head");
        page.room(3).copy_from_slice(b"abc");
        page.pad_to(10);
        assert_eq!(page.filled(), b"headabc\0\0\0");
        page.pad_to(5);
        assert_eq!(page.filled().len(), 10);
    }
}
