//! Why one version was not copied. The others go on.

use nix::errno::Errno;

use super::names::printable;

/// Bounds of one version, so that a hostile or broken tree ends in a message and not in a full disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Directories below each other.
    pub(super) depth: usize,
    /// Entries of any kind.
    pub(super) entries: u64,
    /// Sum of the file sizes, holes included.
    pub(super) bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // A CodeQL bundle, the largest tool known, has some 20,000 entries and 3 GB.
        Self { depth: 128, entries: 2_000_000, bytes: 64 << 30 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("cannot {operation} {path}: {cause}")]
    System { operation: &'static str, path: String, cause: Errno },
    #[error("{path} links to {target}, which is or may be outside of the version")]
    EscapingLink { path: String, target: String },
    #[error("{0} changed while it was copied")]
    Changed(String),
    #[error("{0} was replaced or withdrawn while it was copied")]
    Withdrawn(String),
    #[error("its pack is not what its name says: {0}")]
    Forged(String),
    #[error("its pack {0} is missing\nhint: `runner-entrypoint cache gc` removes the reference, then the version can be saved again")]
    Dangling(String),
    #[error("its reference leads to a pack of {0}")]
    Misled(String),
    #[error("stopped before it was whole")]
    Stopped,
    #[error("more than {0} directories below each other")]
    TooDeep(usize),
    #[error("more than {0} entries")]
    TooMany(u64),
    #[error("more than {0} bytes")]
    TooLarge(u64),
}

impl Refusal {
    /// For `map_err`: a system call that failed on a path.
    pub(super) fn at(operation: &'static str, path: &[u8]) -> impl FnOnce(Errno) -> Self {
        let path = printable(path);
        move |cause| Self::System { operation, path, cause }
    }

    /// The same for the calls of the standard library.
    pub(super) fn io(operation: &'static str, path: &[u8]) -> impl FnOnce(std::io::Error) -> Self {
        let wrapped = Self::at(operation, path);
        move |cause| wrapped(cause.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }
}
