//! Owns the question whether this host and container can carry a docker daemon: facts are gathered first, judged together, and reported
//! all at once, each with the setting that cures it. Changes nothing that stays. Every path is a parameter.

pub mod cgroups;
pub mod cures;
pub mod facts;
pub mod judge;
pub mod packet_filter;
pub mod report;
pub mod storage;
#[cfg(test)]
mod tests;
pub mod trial;

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use self::cures::Cure;
use crate::storage::Wish;

/// Where the facts are.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    /// `/proc`.
    pub proc: &'a Path,
    /// `/sys/fs/cgroup`.
    pub cgroup: &'a Path,
    /// `PATH` of this process.
    pub search: &'a OsStr,
    /// The daemon's program if configured; else it is searched for.
    pub dockerd: Option<&'a Path>,
    /// The volume for data-roots.
    pub storage: &'a Path,
    /// What is wished for there.
    pub wish: Wish,
    /// The folder shared with the runner.
    pub task: &'a Path,
    /// Containers are to run in a user namespace (`--userns-remap`).
    pub remap: bool,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It can go well.
    Warning,
    /// It cannot.
    Refusal,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// What is wrong, and what follows.
    pub what: String,
    /// What to do about it.
    pub cure: Cure,
}

/// Something docker stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prerequisite {
    /// A word or two.
    pub name: &'static str,
    /// What was seen of it, in short.
    pub seen: String,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl Prerequisite {
    /// One of which nothing is wrong so far.
    pub fn seen(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, seen: seen.into(), findings: Vec::new() }
    }

    /// Docker cannot be started with this.
    pub fn refuse(&mut self, what: impl Into<String>, cure: Cure) {
        self.findings.push(Finding { weight: Weight::Refusal, what: what.into(), cure });
    }

    /// It can, but somebody should know.
    pub fn warn(&mut self, what: impl Into<String>, cure: Cure) {
        self.findings.push(Finding { weight: Weight::Warning, what: what.into(), cure });
    }

    /// The worst that was found.
    pub fn worst(&self) -> Option<Weight> {
        self.findings.iter().map(|finding| finding.weight).max()
    }
}

/// The first program of that name in a `PATH`.
pub fn find(name: &str, search: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search).map(|directory| directory.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
