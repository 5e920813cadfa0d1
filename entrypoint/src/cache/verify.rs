//! Reads every pack whole and names what is broken. Changes nothing, unless broken packs are to be put aside.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use nix::Result;
use serde::Serialize;

use super::crew::at_once;
use super::dir::{Dir, Gate};
use super::pack::digest::Digest;
use super::pack::read::{Buffers, Pack};
use super::pack::shelf::{Reference, Shelf, leading_to};
use super::progress::Progress;
use super::refusal::{Limits, Refusal};
use super::report::{counted, size};
use super::restore::SHARED;
use super::selection::Selection;
use super::side::{Side, Unusable};
use super::stop::Stop;
use super::told::named;
use super::tree::survey::{State, survey};

/// What to verify.
#[derive(Debug)]
pub(super) struct Verify<'a> {
    pub(super) remote: &'a Path,
    /// Only this trust domain.
    pub(super) trust: Option<&'a str>,
    /// Only these tools; packs that nobody refers to are of none.
    pub(super) selection: Selection,
    /// Broken packs are put aside, and their references removed.
    pub(super) quarantine: bool,
    pub(super) stop: Stop,
    pub(super) progress: Progress,
    pub(super) gate: Gate,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `verify`.
    cache: &'static str,
    /// Packs that are what their names say.
    pub(super) packs: usize,
    /// Files and links in them.
    pub(super) files: u64,
    /// Bytes of the packs.
    pub(super) bytes: u64,
    pub(super) broken: Vec<Broken>,
    /// What is odd and harms nobody.
    pub(super) warnings: Vec<String>,
    seconds: f64,
}

/// Something broken.
#[derive(Debug, Serialize)]
pub(super) struct Broken {
    /// What refers to it.
    pub(super) versions: Vec<String>,
    /// `None`: the reference itself is broken.
    digest: Option<String>,
    pub(super) error: String,
    quarantined: bool,
}

impl Verify<'_> {
    /// Reads all that is wanted.
    #[expect(clippy::disallowed_methods, reason = "the duration of the run is part of its report")]
    pub(super) fn run(&self) -> std::result::Result<Report, Unusable> {
        let begun = Instant::now();
        let mut report = Report { cache: "verify", packs: 0, files: 0, bytes: 0, broken: Vec::new(), warnings: Vec::new(), seconds: 0.0 };
        let root = Side::Remote.open(self.remote, &self.gate)?;
        let looked = Shelf::open(&root).and_then(|shelf| {
            if let Some(shelf) = shelf {
                self.packs(&shelf, &mut report)?;
            }
            self.trees(&root, &mut report)
        });
        looked.map_err(Side::Remote.wrong("list", self.remote))?;
        report.seconds = begun.elapsed().as_secs_f64();
        Ok(report)
    }

    fn packs(&self, shelf: &Shelf, report: &mut Report) -> Result<()> {
        let mut references = shelf.references(self.trust)?;
        references.retain(|reference| self.selection.wants(&reference.id));
        let all = self.trust.is_none() && self.selection == Selection::default();
        let mut wanted = shelf.objects()?;
        for reference in &references {
            if reference.digest.is_none_or(|digest| !wanted.contains_key(&digest)) {
                report.broken.push(Broken::reference(reference));
            }
        }
        wanted.retain(|digest, _| all || references.iter().any(|reference| reference.digest == Some(*digest)));
        self.progress.expect(wanted.len(), Some(wanted.values().map(|object| object.size).sum()));
        let wanted: Vec<_> = wanted.into_iter().collect();
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
        let checked = at_once(&wanted, threads, |(digest, _)| {
            let checked = self.check(shelf, *digest, &references);
            self.progress.version();
            checked
        });
        for ((digest, object), checked) in wanted.iter().zip(checked) {
            match checked {
                Ok(files) => {
                    report.packs += 1;
                    report.files += files;
                    report.bytes += object.size;
                }
                Err(refusal) => {
                    let mut broken = Broken::pack(*digest, &leading_to(&references, *digest), refusal.to_string());
                    // What could not be read, or was not read to its end, may be good.
                    if self.quarantine && matches!(refusal, Refusal::Forged(_)) {
                        // Those of other domains, too: whoever finds it finds it broken.
                        let everybodys = shelf.references(None)?;
                        match shelf.quarantine(*digest, *object, &leading_to(&everybodys, *digest)) {
                            Ok(()) => broken.quarantined = true,
                            Err(cause) => broken.error.push_str(&format!("; it could not be put aside: {cause}")),
                        }
                    }
                    report.broken.push(broken);
                }
            }
        }
        Ok(())
    }

    /// The files in a pack that is whole.
    fn check(&self, shelf: &Shelf, digest: Digest, references: &[Reference]) -> std::result::Result<u64, Refusal> {
        let name = digest.to_string();
        let opened = shelf.object(digest).map_err(Refusal::at("open the pack", name.as_bytes()))?;
        let (file, _) = opened.ok_or_else(|| Refusal::Dangling(name.clone()))?;
        let mut buffers = Buffers::new().map_err(Refusal::io("make room to unpack", name.as_bytes()))?;
        let pack = Pack::open(file, digest, Limits::default())?;
        if leading_to(references, digest).iter().any(|reference| reference.id != pack.manifest.id) {
            return Err(Refusal::Misled(pack.manifest.id.to_string()));
        }
        pack.check_whole(&mut buffers, &self.stop, |files, bytes| self.progress.copied(files, bytes))?;
        Ok(pack.manifest.files())
    }

    fn trees(&self, root: &Dir, report: &mut Report) -> Result<()> {
        if self.trust.is_some_and(|trust| trust != SHARED) {
            return Ok(());
        }
        for (id, state) in survey(root)?.into_iter().filter(|(id, _)| self.selection.wants(id)) {
            match state {
                State::Complete => {}
                State::Unmarked => {
                    report.warnings.push(format!("{id}: a tree without its marker; it is being written, or its writer died"))
                }
                State::MarkerOnly => report.warnings.push(format!("{id}: a marker without its tree")),
            }
        }
        Ok(())
    }
}

impl Broken {
    fn pack(digest: Digest, references: &[&Reference], error: String) -> Self {
        let versions = references.iter().map(|reference| named(&reference.trust, &reference.id)).collect();
        Self { versions, digest: Some(digest.to_string()), error, quarantined: false }
    }

    fn reference(reference: &Reference) -> Self {
        let error = match reference.digest {
            Some(digest) => Refusal::Dangling(digest.to_string()).to_string(),
            None => Refusal::Forged("its reference names no pack".into()).to_string(),
        };
        let digest = reference.digest.map(|digest| digest.to_string());
        Self { versions: vec![named(&reference.trust, &reference.id)], digest, error, quarantined: false }
    }
}

impl Report {
    /// One line of JSON.
    pub(super) fn json(&self) -> String {
        // The fields are numbers and strings: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A line for each thing that is broken or odd, then one that sums up.
    pub(super) fn human(&self) -> String {
        let mut text = String::new();
        for broken in &self.broken {
            let name = match (broken.versions.as_slice(), &broken.digest) {
                ([], digest) => format!("pack {}, that nobody refers to", digest.as_deref().unwrap_or_default()),
                (versions, _) => versions.join(", "),
            };
            let aside = if broken.quarantined { "; it is in quarantine now" } else { "" };
            let _ = writeln!(text, "broken {name}: {}{aside}", broken.error);
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "odd {warning}");
        }
        let good = format!("{} ({}, {})", counted(self.packs as u64, "pack"), counted(self.files, "file"), size(self.bytes));
        let _ = write!(text, "verified {good} in {:.1} s; {} broken", self.seconds, self.broken.len());
        text
    }
}
