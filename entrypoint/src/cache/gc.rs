//! Removes what nobody uses any more, while tasks restore and save.
//!
//! There is no lock: it would be one more thing that a dead host leaves behind on a file system that others mount. Each step can
//! meet every step of the others, and of another keeper, so:
//!
//! - **A pack** goes in this order: its references are removed, so that nobody new finds it; it is moved to the stage; it is looked
//!   at again; it is deleted. The second look asks two things. *Has somebody made a reference?* A saver makes his and then opens the
//!   pack: either our look comes after his reference, and the pack goes back, or his open comes after our move, finds nothing, and he
//!   puts his own copy there. *Was it stamped since?* A saver who finds the pack there stamps it before he makes his reference, and a
//!   restorer stamps it at his end: the pack and the references that were removed go back. This second question is answered right
//!   also on NFS, where a listing may be some seconds old: an open asks the server (close-to-open consistency, nfs(5)).
//! - **A restorer** who read the reference before it went finds the pack or does not: then he names the version and goes on. Who has it
//!   open keeps reading on a local file system and gets ESTALE on NFS: the version lies in his stage and is not published. Absent,
//!   never torn; and it was the first use in all that time.
//! - **A pack without any reference** is that of a saver between his two steps, or was left by one who died or was second. It is let
//!   be for a day, then it goes the same way.
//! - **A reference without a pack** keeps savers from saving the version. It is let be for a day, because a keeper may just be moving
//!   the pack back. After it is removed the pack is looked for once more: a saver who saw the old reference has put one there, counts
//!   on it, and gets it back.
//! - **A keeper who dies** between the move and the deletion leaves the pack in the stage. What lies there for a day is deleted, packs
//!   that are referred to and missing go back first. The stage has directories of ours, so that the age is that of the move: a pack's
//!   own is such that another keeper would delete it at once.
//! - **A saver who is suspended for a day** in the middle finds his staged file gone, and fails.
//! - **Two keepers and a saver** within the same few milliseconds can lose the reference of a pack that nobody had used for a month:
//!   one keeper removes it, the other has the pack in his hands. The version is absent then, and the next save makes it again.
//!
//! Trees are never removed: setup actions and tasks of older releases use them without a sign.

mod report;

use std::path::Path;
use std::time::Duration;

use nix::Result;

pub(super) use self::report::Report;
use self::report::{Removed, Why};
use super::dir::{Dir, Gate};
use super::pack::digest::Digest;
use super::pack::shelf::{Aside, Object, Reference, Shelf, leading_to};
use super::progress::Progress;
use super::side::{Side, Unusable};
use super::stage::Stage;
use super::stop::Stop;

/// How long a pack is unused before it goes, if nothing is said: longer than the holidays between two jobs of a quiet project.
pub(super) const UNUSED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a broken pack is kept for those who want to know how it broke.
const QUARANTINED_SECONDS: i64 = 30 * 24 * 60 * 60;

/// What to remove.
#[derive(Debug)]
pub(super) struct Gc<'a> {
    pub(super) remote: &'a Path,
    /// Packs that were not restored for that long.
    pub(super) unused_for: Duration,
    /// Only say what would go.
    pub(super) dry_run: bool,
    /// How long what may belong to somebody at work is let be, in seconds.
    pub(super) patience: i64,
    pub(super) stop: Stop,
    pub(super) progress: Progress,
    pub(super) gate: Gate,
}

impl Gc<'_> {
    /// Looks at everything once and removes what has had its time.
    pub(super) fn run(&self) -> std::result::Result<Report, Unusable> {
        let mut report = Report::begin(self.dry_run);
        let root = Side::Remote.open(self.remote, &self.gate)?;
        let shelf = Shelf::open(&root).map_err(Side::Remote.wrong("list", self.remote))?;
        if let Some(shelf) = shelf {
            self.sweep(&shelf, &mut report).map_err(Side::Remote.wrong("list", self.remote))?;
        }
        self.clear_trees_stage(&root, &mut report);
        Ok(report.end())
    }

    fn sweep(&self, shelf: &Shelf, report: &mut Report) -> Result<()> {
        let now = shelf.now()?;
        // The stage first: a pack that a dead keeper left there may be the one that a reference misses.
        let references = shelf.references(None)?;
        let referred = |digest| references.iter().any(|reference| reference.digest == Some(digest));
        for (aside, kept) in [(Aside::Stage, self.patience), (Aside::Quarantine, QUARANTINED_SECONDS)] {
            for left in shelf.leftovers(aside)?.into_iter().filter(|left| now - left.since > kept) {
                let cleared = if self.dry_run { Ok(()) } else { shelf.clear(aside, &left.name, &referred) };
                report.cleared(aside, &left, cleared);
            }
        }
        let objects = shelf.objects()?;
        for reference in &references {
            let has_pack = reference.digest.is_some_and(|digest| objects.contains_key(&digest));
            if !has_pack && now - reference.made > self.patience {
                let removed = if self.dry_run { Ok(true) } else { drop_dangling(shelf, reference) };
                report.dangling(reference, removed);
            }
        }
        self.progress.expect(objects.len(), None);
        let unused = i64::try_from(self.unused_for.as_secs()).unwrap_or(i64::MAX);
        for (digest, object) in objects {
            if self.stop.is_asked() {
                report.stopped = true;
                break;
            }
            let references = leading_to(&references, digest);
            let why = match references.is_empty() {
                true if now - object.touched > self.patience => Why::Unreferenced,
                false if now - object.used > unused => Why::Unused,
                _ => {
                    report.kept(object.size);
                    self.progress.version();
                    continue;
                }
            };
            let removed = if self.dry_run { Ok(true) } else { remove(shelf, digest, object, &references) };
            if matches!(removed, Ok(true)) {
                self.progress.copied(1, object.size);
            }
            report.pack(Removed::new(digest, object, &references, why), removed);
            self.progress.version();
        }
        Ok(())
    }

    /// The stage of savers of trees.
    fn clear_trees_stage(&self, root: &Dir, report: &mut Report) {
        for (name, cleared) in Stage::collect_dead(root, self.patience, self.dry_run) {
            report.stage(&name, cleared);
        }
    }
}

/// Removes a pack in the order that the head of this file says. `false`: it is in use again, and there.
fn remove(shelf: &Shelf, digest: Digest, seen: Object, references: &[&Reference]) -> Result<bool> {
    let fresh = |object: Option<Object>| object.is_some_and(|object| object.used != seen.used);
    if fresh(shelf.object(digest)?.map(|(_, object)| object)) {
        return Ok(false);
    }
    let mut gone = Vec::new();
    for reference in references {
        if shelf.unrefer(reference)? {
            gone.push(*reference);
        }
    }
    let Some(taken) = shelf.take(digest)? else {
        // Another keeper has it, and gives it back or not.
        return Ok(true);
    };
    let stamped = fresh(taken.object()?.map(|(_, object)| object));
    let referred = shelf.references(None)?.iter().any(|reference| reference.digest == Some(digest));
    if !stamped && !referred {
        taken.delete()?;
        return Ok(true);
    }
    shelf.put_back(taken)?;
    if stamped {
        for reference in gone {
            shelf.refer(reference)?;
        }
    }
    Ok(false)
}

/// Removes a reference that has no pack. `false`: it has one now.
fn drop_dangling(shelf: &Shelf, reference: &Reference) -> Result<bool> {
    let has_pack = || reference.digest.map_or(Ok(false), |digest| Ok::<bool, nix::errno::Errno>(shelf.object(digest)?.is_some()));
    if has_pack()? {
        return Ok(false);
    }
    let removed = shelf.unrefer(reference)?;
    if removed && has_pack()? {
        shelf.refer(reference)?;
        return Ok(false);
    }
    Ok(removed)
}
