//! Which permission bits a copy has. Pure.

use nix::sys::stat::FileStat;
use nix::sys::time::TimeSpec;

/// The owner may always enter, list and write: else neither the rename of the tree nor its removal would be allowed.
pub(super) fn directory_mode(mode: u32) -> u32 {
    (mode & 0o755) | 0o700
}

/// Executable for its owner is executable; readable for its owner always, or the next copy would fail.
pub(super) fn file_mode(mode: u32) -> u32 {
    (mode & 0o755) | 0o400
}

/// The time of the last change.
pub(super) fn mtime(stat: &FileStat) -> TimeSpec {
    TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec)
}
