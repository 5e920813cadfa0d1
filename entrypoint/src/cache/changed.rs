//! Which local versions were changed after they were complete: pip installs into the cached Python, npm -g into the cached node.
//! Such a version is that job's and nobody else's.

use nix::Result;
use nix::errno::Errno;

use super::dir::{Dir, Kind};
use super::names::VersionId;

/// Whether a name was added to, removed from or replaced in any of a version's directories after its marker was made. A job
/// cannot set the time that is looked at. Not noticed is a file that was written to in place: that would cost a look at each file
/// of each version after every job, and nothing depends on it, because a published version is never saved over anyway.
pub(super) fn is_changed(local: &Dir, id: &VersionId) -> Result<bool> {
    let version = local.sub(&id.tool)?.sub(&id.version)?;
    let marker = version.stat(&id.marker())?;
    let complete = (marker.st_mtime, marker.st_mtime_nsec).max((marker.st_ctime, marker.st_ctime_nsec));
    let mut open = vec![version.sub(&id.arch)?];
    while let Some(dir) = open.pop() {
        let stat = dir.own_stat()?;
        if (stat.st_ctime, stat.st_ctime_nsec) > complete {
            return Ok(true);
        }
        for (name, kind) in dir.entries()? {
            if kind != Some(Kind::Directory) {
                continue;
            }
            match dir.sub(&name) {
                Ok(deeper) => open.push(deeper),
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(true),
                Err(cause) => return Err(cause),
            }
        }
    }
    Ok(false)
}
