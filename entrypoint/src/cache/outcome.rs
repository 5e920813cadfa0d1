//! What became of one version.

use super::names::VersionId;
use super::publish::Published;
use super::refusal::Refusal;

/// The end of one version in one run.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) id: VersionId,
    pub(super) result: Result<Published, Refusal>,
    /// Files and links in it.
    pub(super) files: u64,
    /// Bytes in them.
    pub(super) bytes: u64,
    /// Devices, FIFOs and sockets left out.
    pub(super) skipped: u64,
}
