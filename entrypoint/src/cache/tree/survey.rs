//! The layout that the setup actions agreed on, and which versions a side has: `<tool>/<version>/<arch>/` beside an empty
//! file `<arch>.complete`. A version is there when both are (actions/toolkit, `packages/tool-cache/src/tool-cache.ts`).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::Result;
use nix::errno::Errno;

use crate::cache::dir::{Dir, Kind};
use crate::cache::names::{MARKER, VersionId, is_arch, is_name};

/// Directories listed at once: each costs a few round trips to a far server.
const LISTINGS_AT_ONCE: usize = 16;

/// What stands under one version's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) enum State {
    /// Directory and marker.
    Complete,
    /// A directory alone: somebody is writing it, or somebody died writing it.
    Unmarked,
    /// A marker alone.
    MarkerOnly,
}

/// All versions of one side, by whatever state they are in.
pub(in crate::cache) type Versions = BTreeMap<VersionId, State>;

/// Lists one side. What has no place in the layout (files, links, names that break the rule) is passed over.
pub(in crate::cache) fn survey(root: &Dir) -> Result<Versions> {
    let tools = directories(root)?;
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Ok(Versions::new()));
    std::thread::scope(|scope| {
        for _ in 0..tools.len().min(LISTINGS_AT_ONCE) {
            scope.spawn(|| {
                while let Some(tool) = tools.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let listed = tool_versions(root, tool);
                    let mut found = found.lock().unwrap_or_else(|broken| broken.into_inner());
                    match (&mut *found, listed) {
                        (Ok(all), Ok(listed)) => all.extend(listed),
                        (Ok(_), Err(cause)) => *found = Err(cause),
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(|broken| broken.into_inner())
}

fn tool_versions(root: &Dir, tool: &OsStr) -> Result<Vec<(VersionId, State)>> {
    let mut found = Vec::new();
    // Deleted, or replaced by a link, since it was listed: not there.
    let Some(dir) = opened(root, tool)? else {
        return Ok(found);
    };
    for version in directories(&dir)? {
        let Some(dir) = opened(&dir, &version)? else {
            continue;
        };
        let mut states: BTreeMap<OsString, (bool, bool)> = BTreeMap::new();
        for (name, kind) in dir.entries()? {
            let kind = known(&dir, &name, kind)?;
            let marked = name.as_bytes().strip_suffix(MARKER.as_bytes());
            let (arch, marker) = match (kind, marked) {
                (Some(Kind::Directory), _) => (name.as_os_str(), false),
                (Some(Kind::File), Some(arch)) => (OsStr::from_bytes(arch), true),
                _ => continue,
            };
            if !is_arch(arch) {
                continue;
            }
            let state = states.entry(arch.to_owned()).or_default();
            if marker {
                state.1 = true;
            } else {
                state.0 = true;
            }
        }
        found.extend(states.into_iter().map(|(arch, state)| {
            let id = VersionId { tool: tool.to_owned(), version: version.clone(), arch };
            let state = match state {
                (true, true) => State::Complete,
                (true, false) => State::Unmarked,
                (false, _) => State::MarkerOnly,
            };
            (id, state)
        }));
    }
    Ok(found)
}

/// Names of the directories in `dir` that the layout allows.
fn directories(dir: &Dir) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    for (name, kind) in dir.entries()? {
        if is_name(&name) && known(dir, &name, kind)? == Some(Kind::Directory) {
            names.push(name);
        }
    }
    Ok(names)
}

fn opened(dir: &Dir, name: &OsStr) -> Result<Option<Dir>> {
    match dir.sub(name) {
        Ok(sub) => Ok(Some(sub)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Some file systems do not tell the kind in a listing.
fn known(dir: &Dir, name: &OsStr, kind: Option<Kind>) -> Result<Option<Kind>> {
    match (kind, dir) {
        (Some(kind), _) => Ok(Some(kind)),
        (None, dir) => match dir.stat(name) {
            Ok(stat) => Ok(Some(Kind::of(&stat))),
            Err(Errno::ENOENT) => Ok(None),
            Err(cause) => Err(cause),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::dir::Gate;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_side_has_the_versions_whose_directory_and_marker_stand_side_by_side() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        for dir in [
            "node/20.1.0/x64/bin",
            "node/20.1.0/arm64",
            "Java_Temurin-Hotspot_jdk/21.0.3-9/x64",
            "go/1.22.0/x64",
            ".stage/host-1-ab/0",
            "node/.hidden/x64",
            "node/20.1.0/.tmp",
            "a\nb/1/x64",
            "linked/1/x64",
            "odd/1/x64",
        ] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        for marker in [
            "node/20.1.0/x64.complete",
            "Java_Temurin-Hotspot_jdk/21.0.3-9/x64.complete",
            "go/1.22.0/arm64.complete",
            "node/.hidden/x64.complete",
            "a\nb/1/x64.complete",
            "linked/1/other.complete",
        ] {
            fs::write(root.join(marker), "").unwrap();
        }
        symlink("other.complete", root.join("linked/1/x64.complete")).unwrap();
        symlink("node", root.join("alias")).unwrap();
        fs::create_dir(root.join("odd/1/x64.complete")).unwrap();
        fs::write(root.join("README"), "").unwrap();

        let root = Dir::root(root, Gate::default()).unwrap();
        let found: Vec<String> = survey(&root).unwrap().iter().map(|(id, state)| format!("{id} {state:?}")).collect();
        assert_eq!(
            found,
            [
                "Java_Temurin-Hotspot_jdk/21.0.3-9/x64 Complete",
                "go/1.22.0/arm64 MarkerOnly",
                "go/1.22.0/x64 Unmarked",
                "linked/1/other MarkerOnly",
                "linked/1/x64 Unmarked",
                "node/20.1.0/arm64 Unmarked",
                "node/20.1.0/x64 Complete",
                "odd/1/x64 Unmarked",
                "odd/1/x64.complete Unmarked",
            ]
        );
    }
}
