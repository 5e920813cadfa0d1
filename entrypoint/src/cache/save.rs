//! From this container's side to the shared one: one of many writers among many readers.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::changed::is_changed;
use super::crew::at_once;
use super::dir::{Dir, Gate};
use super::names::VersionId;
use super::outcome::Outcome;
use super::pack::store::Packs;
use super::pack::writing::{self, write_all};
use super::plan::plan;
use super::progress::Progress;
use super::publish::Rules;
use super::refusal::Limits;
use super::report::Report;
use super::restore::SHARED;
use super::side::{Side, Unusable, homes};
use super::stage::Stage;
use super::stop::Stop;
use super::tree::copy::{self, copy_all};
use super::tree::survey::{State, Versions, survey};

/// How long a directory without marker on the shared side may belong to a saver between his rename and his marker: two
/// round trips, given a hundred times that.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What new versions become on the shared side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Layout {
    #[default]
    Pack,
    Tree,
}

/// What to save, and how.
#[derive(Debug)]
pub(super) struct Save<'a> {
    pub(super) local: &'a Path,
    pub(super) remote: &'a Path,
    pub(super) layout: Layout,
    /// The trust domain.
    pub(super) trust: &'a str,
    /// Files of trees copied at once; the most of what is packed at once.
    pub(super) jobs: usize,
    pub(super) patience: Duration,
    /// An import: packs are made of what the shared side has only as trees, too.
    pub(super) import: bool,
    pub(super) stop: Stop,
    pub(super) progress: Progress,
    pub(super) gate: Gate,
}

impl Save<'_> {
    /// Copies every complete version of the local side that the shared one lacks. What is published there is never replaced.
    pub(super) fn run(&self) -> Result<Report, Unusable> {
        let mut report = Report::begin(if self.import { "import" } else { "save" });
        let source = if self.import { Side::Imported } else { Side::Local };
        let local = source.open(self.local, &self.gate)?;
        let remote = Side::Remote.open(self.remote, &self.gate)?;
        let (present, here) = std::thread::scope(|scope| {
            let present = scope.spawn(|| self.look(&remote));
            let here = survey(&local).map(|versions| {
                let changed = changed(&local, &versions);
                (versions, changed)
            });
            // A panic of the listing is our bug, here as there.
            (present.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), here)
        });
        let (versions, changed) = here.map_err(source.wrong("list", self.local))?;
        let present = present.map_err(Side::Remote.wrong("list", self.remote))?;
        let plan = plan(&versions, &present);
        report.already = plan.already;
        report.changed = changed.iter().filter(|id| present.get(*id) == Some(&State::Complete)).map(ToString::to_string).collect();
        if !plan.copy.is_empty() {
            self.progress.expect(plan.copy.len(), None);
            let outcomes = match self.layout {
                Layout::Pack => self.pack(&local, &remote, &plan.copy),
                Layout::Tree => self.copy(&local, &remote, plan.copy),
            };
            outcomes.map_err(Side::Remote.wrong("stage in", self.remote))?.into_iter().for_each(|outcome| report.add(outcome));
        }
        Ok(report.end())
    }

    /// What the shared side has in either layout.
    fn look(&self, remote: &Dir) -> nix::Result<Versions> {
        let mut present = if self.trust == SHARED && !self.import { survey(remote)? } else { Versions::new() };
        if let Some(packs) = Packs::open(remote, self.trust)? {
            present.extend(packs.list()?.into_iter().map(|id| (id, State::Complete)));
        }
        Ok(present)
    }

    fn pack(&self, local: &Dir, remote: &Dir, versions: &[VersionId]) -> nix::Result<Vec<Outcome>> {
        let packs = Packs::make(remote, self.trust)?;
        let homes = homes(self.local);
        let manner =
            writing::Manner { jobs: self.jobs, limits: Limits::default(), homes: &homes, stop: &self.stop, progress: &self.progress };
        let outcomes = write_all(local, &packs, versions, &manner);
        packs.collect_old();
        Ok(outcomes)
    }

    fn copy(&self, local: &Dir, remote: &Dir, versions: Vec<VersionId>) -> nix::Result<Vec<Outcome>> {
        let stage = Stage::make(remote)?;
        let manner = copy::Manner {
            threads: self.jobs,
            writers: self.jobs,
            limits: Limits::default(),
            rules: Rules { shared: true, durable: true, patience: self.patience },
            homes: homes(self.local),
            stop: self.stop.clone(),
            progress: self.progress.clone(),
        };
        let outcomes = copy_all(local, remote, &stage, versions, &manner);
        // Tidying up after others is not worth a failure.
        let _ = stage.collect_old();
        stage.remove(remote);
        Ok(outcomes)
    }
}

/// The complete versions that were changed since. What cannot be looked at will say so when it is copied.
fn changed(local: &Dir, versions: &Versions) -> BTreeSet<VersionId> {
    let complete: Vec<&VersionId> = versions.iter().filter(|(_, state)| **state == State::Complete).map(|(id, _)| id).collect();
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
    let found = at_once(&complete, threads, |id| is_changed(local, id).unwrap_or(false));
    complete.into_iter().zip(found).filter(|(_, changed)| *changed).map(|(id, _)| id.clone()).collect()
}
