//! From the shared side to this container's: a reader of the shared side, the only writer of the local one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::dir::{Dir, Gate};
use super::names::VersionId;
use super::outcome::Outcome;
use super::pack::digest::Digest;
use super::pack::store::Packs;
use super::pack::unpack::{self, Wanted, unpack_all};
use super::plan::plan;
use super::progress::Progress;
use super::publish::Rules;
use super::refusal::{Limits, Refusal};
use super::report::Report;
use super::selection::Selection;
use super::side::{Side, Unusable, homes};
use super::stage::Stage;
use super::stop::Stop;
use super::tree::copy::{self, copy_all};
use super::tree::survey::{State, Versions, survey};

/// The domain that plain trees belong to, and everybody who names none.
pub(super) const SHARED: &str = "shared";
/// References read at once, each a few round trips.
const LOOKS: usize = 16;
/// Frames unpacked at once: the processors are the limit, and a few more hide the reading.
const UNPACKERS: usize = 8;

/// What to restore, and how.
#[derive(Debug)]
pub(super) struct Restore<'a> {
    pub(super) remote: &'a Path,
    pub(super) local: &'a Path,
    /// Files of trees copied at once.
    pub(super) jobs: usize,
    pub(super) selection: Selection,
    /// The trust domain.
    pub(super) trust: &'a str,
    /// Only packs with these digests, and no trees.
    pub(super) allow: Option<BTreeSet<Digest>>,
    /// Nothing is written to the shared side.
    pub(super) read_only: bool,
    /// An export: the same into any directory.
    pub(super) export: bool,
    pub(super) stop: Stop,
    pub(super) progress: Progress,
    pub(super) gate: Gate,
}

/// What the shared side has.
struct Shared {
    packs: Option<Packs>,
    packed: BTreeSet<VersionId>,
    trees: Versions,
}

impl Restore<'_> {
    /// Copies every wanted complete version of the shared side that the local one lacks. The local root is made if it does not
    /// exist.
    pub(super) fn run(&self) -> Result<Report, Unusable> {
        let mut report = Report::begin(if self.export { "export" } else { "restore" });
        let target = if self.export { Side::Exported } else { Side::Local };
        let remote = Side::Remote.open(self.remote, &self.gate)?;
        let local = target.open(self.local, &self.gate)?;
        let (shared, present) = std::thread::scope(|scope| {
            let shared = scope.spawn(|| self.look(&remote));
            let present = survey(&local);
            // A panic of the listing is our bug, here as there.
            (shared.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), present)
        });
        let shared = shared.map_err(Side::Remote.wrong("list", self.remote))?;
        let present = present.map_err(target.wrong("list", self.local))?;
        let mut versions = shared.trees;
        versions.extend(shared.packed.iter().map(|id| (id.clone(), State::Complete)));
        versions.retain(|id, _| self.selection.wants(id));
        let plan = plan(&versions, &present);
        report.already = plan.already;
        let (packed, trees): (Vec<_>, Vec<_>) = plan.copy.into_iter().partition(|id| shared.packed.contains(id));
        if !packed.is_empty() || !trees.is_empty() {
            let stage = Stage::make(&local).map_err(target.wrong("stage in", self.local))?;
            self.progress.expect(packed.len() + trees.len(), None);
            if let Some(packs) = &shared.packs {
                self.unpack(packs, &local, &stage, packed, trees.len(), &mut report);
            }
            if !trees.is_empty() {
                self.copy(&remote, &local, &stage, trees).into_iter().for_each(|outcome| report.add(outcome));
            }
            // Tidying up after others is not worth a failure.
            let _ = stage.collect_old();
            stage.remove(&local);
        }
        Ok(report.end())
    }

    fn look(&self, remote: &Dir) -> nix::Result<Shared> {
        let packs = Packs::open(remote, self.trust)?;
        let packed = packs.as_ref().map_or(Ok(Vec::new()), Packs::list)?.into_iter().collect();
        // A tree says nothing of who made it, and has no digest.
        let trees = if self.trust == SHARED && self.allow.is_none() { survey(remote)? } else { Versions::new() };
        Ok(Shared { packs, packed, trees })
    }

    fn unpack(&self, packs: &Packs, local: &Dir, stage: &Stage, versions: Vec<VersionId>, trees: usize, report: &mut Report) {
        let mut wanted = Vec::new();
        for (id, found) in resolved(packs, versions) {
            match found {
                Ok((digest, _)) if self.allow.as_ref().is_some_and(|allow| !allow.contains(&digest)) => {
                    report.withheld.push(id.to_string());
                }
                Ok((digest, size)) => wanted.push((size, Wanted { id, digest })),
                Err(Refusal::Forged(mut why)) => {
                    if !self.read_only {
                        why.push_str(if packs.forget(&id) { "; the reference is removed now" } else { "; it could not be removed" });
                    }
                    report.add(Outcome { id, result: Err(Refusal::Forged(why)), files: 0, bytes: 0, skipped: 0 });
                }
                Err(refusal) => report.add(Outcome { id, result: Err(refusal), files: 0, bytes: 0, skipped: 0 }),
            }
        }
        // How large a tree is, nobody knows before it is copied.
        let bytes = (trees == 0).then(|| wanted.iter().map(|(size, _)| size).sum());
        self.progress.expect(wanted.len() + trees, bytes);
        // The largest first: what is left at the end is small, and the processors run dry together.
        wanted.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        let threads = std::thread::available_parallelism().map_or(4, |count| (2 * count.get()).min(UNPACKERS));
        let manner = unpack::Manner {
            threads: threads.min(self.jobs),
            limits: Limits::default(),
            rules: RULES,
            may_write: !self.read_only,
            stop: &self.stop,
            progress: &self.progress,
        };
        let wanted = wanted.into_iter().map(|(_, wanted)| wanted).collect();
        unpack_all(packs, local, stage, wanted, &manner).into_iter().for_each(|outcome| report.add(outcome));
    }

    fn copy(&self, remote: &Dir, local: &Dir, stage: &Stage, versions: Vec<VersionId>) -> Vec<Outcome> {
        let manner = copy::Manner {
            threads: self.jobs,
            // More than a few writers only cost on a local disk.
            writers: 4,
            limits: Limits::default(),
            rules: RULES,
            homes: homes(self.local),
            stop: self.stop.clone(),
            progress: self.progress.clone(),
        };
        copy_all(remote, local, stage, versions, &manner)
    }
}

const RULES: Rules = Rules {
    // Nothing reads the local side before we are done.
    shared: false,
    // A container's cache does not outlive a crash of the host.
    durable: false,
    patience: Duration::ZERO,
};

/// Which pack each version has, and how large it is.
fn resolved(packs: &Packs, versions: Vec<VersionId>) -> BTreeMap<VersionId, Result<(Digest, u64), Refusal>> {
    let found = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..LOOKS.min(versions.len()) {
            scope.spawn(|| {
                while let Some(id) = versions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let pack = packs.digest_of(id).and_then(|digest| Ok((digest, packs.size_of(digest)?)));
                    found.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), pack);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}
