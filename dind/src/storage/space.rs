//! How much room is left, when that is little, and how to say so once.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

/// Below this many bytes an image of usual size does not fit any more; on a small volume, below a tenth of it.
const FEW_BYTES: u64 = 5 << 30;

/// Below this many inodes, neither.
const FEW_INODES: u64 = 250_000;

/// What a small volume may be short of before it is said.
const SMALL: u64 = 10;

/// Room on a file system, as far as this process may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all. Where a project quota holds, its limit.
    pub bytes: u64,
    /// Bytes left.
    pub free_bytes: u64,
    /// Inodes in all; 0 where they are not limited.
    pub inodes: u64,
    /// Inodes left.
    pub free_inodes: u64,
}

impl Space {
    /// Asks the file system that `path` lies on: statvfs(3).
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(path: &Path) -> nix::Result<Self> {
        let found = statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        Ok(Self {
            bytes: bytes(found.blocks()),
            free_bytes: bytes(found.blocks_available()),
            inodes: found.files(),
            free_inodes: found.files_available(),
        })
    }

    /// What is used and what is left, in bytes.
    pub fn measures(&self) -> [supervise::Measure; 2] {
        [("storage_used_bytes", self.bytes.saturating_sub(self.free_bytes)), ("storage_free_bytes", self.free_bytes)]
    }

    /// What there is too little of, a sentence each; `path` is what the reader knows it by.
    pub fn shortages(&self, path: &Path) -> Vec<String> {
        [self.bytes(), self.inodes()].iter().filter(|stock| stock.is_short()).map(|stock| stock.sentence(path)).collect()
    }

    fn bytes(&self) -> Stock {
        Stock { free: self.free_bytes, all: self.bytes, few: FEW_BYTES, inodes: false }
    }

    fn inodes(&self) -> Stock {
        Stock { free: self.free_inodes, all: self.inodes, few: FEW_INODES, inodes: true }
    }
}

struct Stock {
    free: u64,
    all: u64,
    few: u64,
    inodes: bool,
}

impl Stock {
    fn threshold(&self) -> u64 {
        self.few.min(self.all / SMALL)
    }

    fn is_short(&self) -> bool {
        self.free < self.threshold()
    }

    /// A quarter above: a volume on the line is not told twice a minute.
    fn has_recovered(&self) -> bool {
        self.free >= self.threshold() / 4 * 5
    }

    fn amount(&self) -> String {
        if self.inodes {
            format!("{} of {} inodes", self.free, self.all)
        } else {
            format!("{} of {}", readable(self.free), readable(self.all))
        }
    }

    fn sentence(&self, path: &Path) -> String {
        format!("{} has only {} left", path.display(), self.amount())
    }
}

/// Something to say about a place that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is too little now.
    Short(String),
    /// There is enough again.
    Recovered(String),
}

/// A place that is watched: says what changes, once.
#[derive(Debug)]
pub struct Gauge {
    place: PathBuf,
    /// Of bytes and of inodes.
    short: [bool; 2],
}

impl Gauge {
    /// Watches the file system of `place`, of which nothing has been said yet.
    pub fn at(place: PathBuf) -> Self {
        Self { place, short: [false; 2] }
    }

    /// Where it looks.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Takes a reading.
    pub fn read(&mut self, space: &Space) -> Vec<Change> {
        let mut changes = Vec::new();
        for (short, stock) in self.short.iter_mut().zip([space.bytes(), space.inodes()]) {
            if !*short && stock.is_short() {
                *short = true;
                changes.push(Change::Short(format!(
                    "{}\nhint: builds and pulls will fail with ENOSPC (no space left on device); `docker system df` in the job shows what uses it",
                    stock.sentence(&self.place)
                )));
            } else if *short && stock.has_recovered() {
                *short = false;
                changes.push(Change::Recovered(format!("{} has enough room again: {} left", self.place.display(), stock.amount())));
            }
        }
        changes
    }
}

/// With two digits where that says more, as `df -h` does it: `1.2 GiB`, `20 GiB`.
pub fn readable(bytes: u64) -> String {
    let (unit, shift) =
        [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)].into_iter().find(|(_, shift)| bytes >> shift > 0).unwrap_or(("B", 0));
    let tenths = (u128::from(bytes) * 10) >> shift;
    match (tenths / 10, tenths % 10) {
        (whole @ 0..10, tenth @ 1..) => format!("{whole}.{tenth} {unit}"),
        (whole, _) => format!("{whole} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Space = Space { bytes: 120 << 30, free_bytes: 100 << 30, inodes: 60_000_000, free_inodes: 59_000_000 };

    #[test]
    fn sizes_read_like_those_of_df() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1 << 10, "1 KiB"),
            ((12 << 30) / 10, "1.1 GiB"),
            ((13 << 30) / 10 + 1, "1.3 GiB"),
            (20 << 30, "20 GiB"),
            ((20 << 30) + (1 << 29), "20 GiB"),
            (3 << 40, "3 TiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(readable(bytes), text);
        }
    }

    #[test]
    fn little_is_five_gigabytes_or_a_tenth_and_inodes_count_only_where_they_are_limited() {
        let path = Path::new("/s");
        assert_eq!(LARGE.shortages(path), [""; 0]);
        assert_eq!(Space { free_bytes: 4 << 30, ..LARGE }.shortages(path), ["/s has only 4 GiB of 120 GiB left"]);
        let small = Space { bytes: 20 << 30, free_bytes: 4 << 30, ..LARGE };
        assert_eq!(small.shortages(path), [""; 0], "a fifth of a small volume is not little");
        assert_eq!(Space { free_bytes: (12 << 30) / 10, ..small }.shortages(path), ["/s has only 1.1 GiB of 20 GiB left"]);
        assert_eq!(Space { free_inodes: 200_000, ..LARGE }.shortages(path), ["/s has only 200000 of 60000000 inodes left"]);
        assert_eq!(Space { inodes: 0, free_inodes: 0, ..LARGE }.shortages(path), [""; 0], "btrfs says 0 of 0");
    }

    #[test]
    fn each_crossing_is_said_once_and_the_way_back_only_when_it_is_clear() {
        let mut gauge = Gauge::at("/s".into());
        let with = |free_bytes: u64| Space { free_bytes, ..LARGE };
        assert_eq!(gauge.read(&LARGE), []);
        let said = gauge.read(&with(4 << 30));
        assert!(matches!(&said[..], [Change::Short(text)] if text.starts_with("/s has only 4 GiB of 120 GiB left\nhint: ")), "{said:?}");
        assert_eq!(gauge.read(&with(3 << 30)), [], "said already");
        assert_eq!(gauge.read(&with(6 << 30)), [], "not clear of the line");
        assert_eq!(gauge.read(&with(4 << 30)), [], "so this is no new crossing");
        assert_eq!(gauge.read(&with(7 << 30)), [Change::Recovered("/s has enough room again: 7 GiB of 120 GiB left".to_owned())]);
        assert_eq!(gauge.read(&with(7 << 30)), []);
        assert_eq!(gauge.read(&Space { free_inodes: 9, ..with(1 << 30) }).len(), 2, "bytes and inodes are two things");
    }

    #[test]
    fn a_real_file_system_has_numbers() {
        let space = Space::of(Path::new("/")).unwrap();
        assert!(space.bytes > 0 && space.free_bytes <= space.bytes, "{space:?}");
    }
}
