//! Versions of a local cache, each into a pack on shared storage.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;

use super::scan::scan;
use super::store::{Packs, Staged};
use super::write::write;
use crate::cache::dir::{Dir, Kind};
use crate::cache::names::VersionId;
use crate::cache::outcome::Outcome;
use crate::cache::progress::Progress;
use crate::cache::refusal::{Limits, Refusal};
use crate::cache::stop::Stop;

/// Versions being packed at once: while one is published, which is waiting for the server, the other keeps the processors busy.
const AT_ONCE: usize = 2;

/// How packs are written.
#[derive(Debug)]
pub(in crate::cache) struct Manner<'a> {
    /// Versions at once, and frames of each: never more than this.
    pub(in crate::cache) jobs: usize,
    pub(in crate::cache) limits: Limits,
    /// Paths under which the local side is known, for absolute links.
    pub(in crate::cache) homes: &'a [PathBuf],
    pub(in crate::cache) stop: &'a Stop,
    pub(in crate::cache) progress: &'a Progress,
}

/// Packs and publishes every one of `versions`.
pub(in crate::cache) fn write_all(from: &Dir, packs: &Packs, versions: &[VersionId], manner: &Manner<'_>) -> Vec<Outcome> {
    let outcomes = Mutex::new(Vec::with_capacity(versions.len()));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(manner.jobs).min(versions.len()) {
            scope.spawn(|| {
                while let Some(id) = versions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = version(from, packs, id, manner);
                    manner.progress.version();
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn version(from: &Dir, packs: &Packs, id: &VersionId, manner: &Manner<'_>) -> Outcome {
    let mut outcome = Outcome { id: id.clone(), result: Err(Refusal::Stopped), files: 0, bytes: 0, skipped: 0 };
    if manner.stop.is_asked() {
        return outcome;
    }
    let begun = packs.begin().map_err(Refusal::at("make a file for the pack of", id.to_string().as_bytes()));
    outcome.result = begun.and_then(|(file, staged)| {
        let written = packed(from, &file, id, manner, &mut outcome);
        // A network file system tells a failed write here, at the latest.
        let closed = nix::unistd::close(file).map_err(Refusal::at("close the pack of", id.to_string().as_bytes()));
        match written.and_then(|digest| closed.map(|()| digest)) {
            Ok(digest) => packs.publish(staged, digest, id),
            Err(refusal) => {
                Staged::discard(staged);
                Err(refusal)
            }
        }
    });
    outcome
}

fn packed(
    from: &Dir,
    file: &std::fs::File,
    id: &VersionId,
    manner: &Manner<'_>,
    outcome: &mut Outcome,
) -> Result<super::digest::Digest, Refusal> {
    let told = id.to_string();
    let version = from.sub(&id.tool).and_then(|tool| tool.sub(&id.version)).map_err(Refusal::at("open", told.as_bytes()))?;
    let root = version.sub(&id.arch).map_err(Refusal::at("open", told.as_bytes()))?;
    let homes: Vec<PathBuf> = manner.homes.iter().map(|home| home.join(&id.tool).join(&id.version).join(&id.arch)).collect();
    let scanned = scan(&root, id, &homes, manner.limits)?;
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 4)).min(manner.jobs);
    let (manifest, digest) = write(&root, scanned.manifest, file, threads, manner.stop, manner.progress)?;
    nix::unistd::fsync(file).map_err(Refusal::at("write to disk the pack of", told.as_bytes()))?;
    // If somebody moved the version meanwhile, its files may have been deleted under our hands, and a listing does not tell.
    let still = version.stat(&id.arch).and_then(|now| {
        let same = root.own_stat().map(|stat| (stat.st_dev, stat.st_ino) == (now.st_dev, now.st_ino))?;
        Ok(same && version.has(&id.marker(), Kind::File)?)
    });
    match still {
        Ok(true) => {}
        Ok(false) | Err(Errno::ENOENT | Errno::ENOTDIR) => return Err(Refusal::Withdrawn(told)),
        Err(cause) => return Err(Refusal::at("look again at", told.as_bytes())(cause)),
    }
    (outcome.files, outcome.bytes, outcome.skipped) = (manifest.files(), manifest.bytes(), scanned.skipped);
    Ok(digest)
}
