//! From a whole staged tree to a version that readers see: rename, then marker.
//!
//! Why it is safe with any number of publishers and a crash at any step. A tree gets its final name by one rename, so what
//! stands there is always whole, ours or another's; the marker is made after that. If the name is taken by a directory
//! without marker, it is either another publisher between his two steps, to whom we give a moment, or the leftover of
//! something that copies in place and died (rsync, cp). The leftover is moved out of the way, and in case it *was* another
//! publisher, looked at again: if the marker has appeared it goes back. Even if he is slower than that, his marker then
//! stands beside our whole tree of the same version, and a reader inside his tree reads on, because nothing moved away is
//! deleted before a day has passed. What no protocol of ours can help: a program that writes into a published directory.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::dir::{Dir, Kind};
use super::names::VersionId;
use super::refusal::Refusal;
use super::stage::Stage;

/// How one side wants its versions published.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Other tasks read and write this side at the same time.
    pub(super) shared: bool,
    /// Reach the disk or server before the marker stands.
    pub(super) durable: bool,
    /// How long a directory without marker may be somebody's who is about to make it.
    pub(super) patience: Duration,
}

/// How publishing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Published {
    Ours,
    /// Somebody was quicker; ours is still in the stage.
    Theirs,
}

/// Gives the staged tree `staged` the name of `id` under `root`.
pub(super) fn publish(root: &Dir, stage: &Stage, staged: &OsStr, id: &VersionId, rules: Rules) -> Result<Published, Refusal> {
    let told = id.to_string();
    let at = |operation| Refusal::at(operation, told.as_bytes());
    let tool = root.sub_or_make(&id.tool).map_err(at("make the tool directory of"))?;
    let version = tool.sub_or_make(&id.version).map_err(at("make the version directory of"))?;
    if is_complete(&version, id).map_err(at("look at"))? {
        return Ok(Published::Theirs);
    }
    if rules.durable {
        stage.own.sync_file_system().map_err(at("write to disk the files of"))?;
    }
    if place(&version, stage, staged, id, rules).map_err(at("rename into place"))? == Published::Theirs {
        return Ok(Published::Theirs);
    }
    if rules.durable {
        tool.sync().map_err(at("write to disk the tool directory of"))?;
        version.sync().map_err(at("write to disk the version directory of"))?;
    }
    mark(&version, id, rules).map_err(at("mark as complete"))?;
    Ok(Published::Ours)
}

fn is_complete(version: &Dir, id: &VersionId) -> nix::Result<bool> {
    Ok(version.has(&id.marker(), Kind::File)? && version.has(&id.arch, Kind::Directory)?)
}

fn place(version: &Dir, stage: &Stage, staged: &OsStr, id: &VersionId, rules: Rules) -> nix::Result<Published> {
    let ours = stage.own.stat(staged)?;
    // Each round that fails means that another publisher made progress.
    let mut rounds = 16;
    loop {
        let taken = match stage.own.rename_to(staged, version, &id.arch) {
            Ok(()) => return Ok(Published::Ours),
            Err(Errno::ECANCELED) => return Err(Errno::ECANCELED),
            Err(cause) => cause,
        };
        // After a lost connection a server may refuse the repetition of a rename that it has carried out: what stands
        // there tells the truth, not the error.
        if let Ok(there) = version.stat(&id.arch)
            && (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
        {
            return Ok(Published::Ours);
        }
        let is_taken = matches!(taken, Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR);
        if !is_taken || rounds == 0 {
            return Err(taken);
        }
        rounds -= 1;
        if becomes_complete(version, id, rules.patience)? {
            return Ok(Published::Theirs);
        }
        let displaced = match stage.displace(version, &id.arch, rules.shared) {
            Ok(displaced) => displaced,
            // Another publisher moved it first.
            Err(Errno::ENOENT) => continue,
            Err(cause) => return Err(cause),
        };
        if version.has(&id.marker(), Kind::File)? && displaced.put_back(version, &id.arch).is_ok() {
            return Ok(Published::Theirs);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a short wait with its own deadline in a process that is killed at its budget's end")]
fn becomes_complete(version: &Dir, id: &VersionId, patience: Duration) -> nix::Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        if is_complete(version, id)? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn mark(version: &Dir, id: &VersionId, rules: Rules) -> nix::Result<()> {
    let name = id.marker();
    let file = match version.create_file(&name, 0o644) {
        // A marker that lost its tree, or that of another publisher: either is right now that a whole tree stands there.
        Err(Errno::EEXIST) if version.has(&name, Kind::File)? => return Ok(()),
        // A link or directory of that name is no marker to anybody.
        Err(Errno::EEXIST) => {
            version.remove_tree(&name)?;
            version.create_file(&name, 0o644)?
        }
        made => made?,
    };
    if rules.durable {
        nix::unistd::fsync(&file)?;
        version.sync()?;
    }
    nix::unistd::close(file)
}
