//! What a sweep tells.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use nix::Result;
use serde::Serialize;

use crate::cache::names::printable;
use crate::cache::pack::digest::Digest;
use crate::cache::pack::shelf::{Aside, Leftover, Object, Reference};
use crate::cache::report::{Failure, counted, size};
use crate::cache::told::{named, time};

/// The result of one sweep.
#[derive(Debug, Serialize)]
pub(in crate::cache) struct Report {
    /// `gc`.
    cache: &'static str,
    /// Nothing was removed; this is what would have been.
    dry_run: bool,
    /// Packs that went.
    pub(in crate::cache) packs: usize,
    /// Bytes in them, and in what was quarantined and staged.
    bytes: u64,
    pub(in crate::cache) removed: Vec<Removed>,
    /// References without a pack that went.
    pub(in crate::cache) dangling: Vec<String>,
    /// Stages of dead savers that went.
    pub(in crate::cache) stages: usize,
    /// Broken packs that went.
    pub(in crate::cache) quarantined: usize,
    /// Packs that stay.
    pub(in crate::cache) kept: usize,
    kept_bytes: u64,
    /// Not removed.
    pub(in crate::cache) failed: Vec<Failure>,
    /// It was asked to end before it had seen all.
    pub(in crate::cache) stopped: bool,
    seconds: f64,
    #[serde(skip)]
    begun: Instant,
}

/// Why a pack goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Why {
    Unused,
    Unreferenced,
}

/// A pack that went.
#[derive(Debug, Serialize)]
pub(in crate::cache) struct Removed {
    digest: String,
    /// What referred to it.
    pub(in crate::cache) versions: Vec<String>,
    bytes: u64,
    last_used: String,
    why: Why,
}

impl Removed {
    pub(super) fn new(digest: Digest, object: Object, references: &[&Reference], why: Why) -> Self {
        let versions = references.iter().map(|reference| named(&reference.trust, &reference.id)).collect();
        Self { digest: digest.to_string(), versions, bytes: object.size, last_used: time(object.used), why }
    }

    fn name(&self) -> String {
        if self.versions.is_empty() { format!("pack {}", self.digest) } else { self.versions.join(", ") }
    }
}

impl Report {
    #[expect(clippy::disallowed_methods, reason = "the duration of the run is part of its report")]
    pub(super) fn begin(dry_run: bool) -> Self {
        Self {
            cache: "gc",
            dry_run,
            packs: 0,
            bytes: 0,
            removed: Vec::new(),
            dangling: Vec::new(),
            stages: 0,
            quarantined: 0,
            kept: 0,
            kept_bytes: 0,
            failed: Vec::new(),
            stopped: false,
            seconds: 0.0,
            begun: Instant::now(),
        }
    }

    pub(super) fn end(mut self) -> Self {
        self.seconds = self.begun.elapsed().as_secs_f64();
        self
    }

    pub(super) fn kept(&mut self, bytes: u64) {
        self.kept += 1;
        self.kept_bytes += bytes;
    }

    pub(super) fn pack(&mut self, pack: Removed, removed: Result<bool>) {
        match removed {
            Ok(true) => {
                self.packs += 1;
                self.bytes += pack.bytes;
                self.removed.push(pack);
            }
            Ok(false) => self.kept(pack.bytes),
            Err(cause) => self.failed.push(Failure { version: pack.name(), error: format!("cannot remove its pack: {cause}") }),
        }
    }

    pub(super) fn dangling(&mut self, reference: &Reference, removed: Result<bool>) {
        let name = named(&reference.trust, &reference.id);
        match removed {
            Ok(true) => self.dangling.push(name),
            Ok(false) => {}
            Err(cause) => self.failed.push(Failure { version: name, error: format!("cannot remove its reference: {cause}") }),
        }
    }

    pub(super) fn cleared(&mut self, aside: Aside, left: &Leftover, cleared: Result<()>) {
        match (aside, cleared) {
            (Aside::Stage, cleared) => {
                self.bytes += if cleared.is_ok() { left.size } else { 0 };
                self.stage(&left.name, cleared);
            }
            (Aside::Quarantine, Ok(())) => {
                self.quarantined += 1;
                self.bytes += left.size;
            }
            (Aside::Quarantine, Err(cause)) => self.not_cleared("quarantined pack", &left.name, cause),
        }
    }

    pub(super) fn stage(&mut self, name: &OsStr, cleared: Result<()>) {
        match cleared {
            Ok(()) => self.stages += 1,
            Err(cause) => self.not_cleared("stage", name, cause),
        }
    }

    fn not_cleared(&mut self, what: &str, name: &OsStr, cause: nix::errno::Errno) {
        let version = format!("{what} {}", printable(name.as_bytes()));
        self.failed.push(Failure { version, error: format!("cannot remove it: {cause}") });
    }

    /// Whether everything that was to go went.
    pub(in crate::cache) fn is_good(&self) -> bool {
        self.failed.is_empty() && !self.stopped
    }

    /// One line of JSON.
    pub(in crate::cache) fn json(&self) -> String {
        // The fields are numbers and strings: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A line for each pack that went, then one that sums up.
    pub(in crate::cache) fn human(&self) -> String {
        let verb = if self.dry_run { "would remove" } else { "removed" };
        let mut text = String::new();
        for pack in &self.removed {
            let why = match pack.why {
                Why::Unused => "last used",
                Why::Unreferenced => "no reference, written",
            };
            let _ = writeln!(text, "{verb} {} ({}, {why} {})", pack.name(), size(pack.bytes), pack.last_used);
        }
        for name in &self.dangling {
            let _ = writeln!(text, "{verb} the reference of {name}: its pack is missing");
        }
        for failure in &self.failed {
            let _ = writeln!(text, "not removed: {}: {}", failure.version, failure.error);
        }
        let _ = write!(
            text,
            "{verb} {}, {}, {}, {} ({}) in {:.1} s; {} kept ({}); trees are never removed",
            counted(self.packs as u64, "pack"),
            counted(self.dangling.len() as u64, "dangling reference"),
            counted(self.stages as u64, "dead stage"),
            counted(self.quarantined as u64, "quarantined pack"),
            size(self.bytes),
            self.seconds,
            counted(self.kept as u64, "pack"),
            size(self.kept_bytes),
        );
        if self.stopped {
            text.push_str("\nstopped before all was looked at");
        }
        text
    }
}
