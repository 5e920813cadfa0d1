//! Files of ours within the job's reach: secrets that it can read as well, which is the one way around all that keeps them from it; and
//! a list that it could change.

use std::{
    collections::VecDeque,
    ffi::OsString,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Component, Path, PathBuf},
};

use nix::{
    sys::statvfs::{FsFlags, statvfs},
    unistd::{Gid, Uid},
};

use crate::{
    config::{Config, Runner},
    runner,
};

/// A sentence for each secret's file that the job can read, with what to do.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    // A job of root reads everything, and was asked for.
    let job = match runner::user(&config.runner) {
        Ok(Some(user)) if !user.uid.is_root() => Some((user.uid.as_raw(), user.gid.as_raw())),
        Ok(None) if !Uid::effective().is_root() => None,
        _ => return Vec::new(),
    };
    let hint = match job {
        Some(_) => "make it readable by root alone (mode 0400)",
        None => "this program runs as the job's user: start it as root, or give the secret in a variable",
    };
    let files = config.secrets().into_iter().filter_map(|secret| secret.file());
    // What this program could read a moment ago its own user can read.
    let seen = files.filter(|file| job.is_none_or(|(uid, gid)| readable(file, uid, gid)));
    seen.map(|file| format!("the job can read {} too, which holds a secret\nhint: {hint}", file.display())).collect()
}

/// What is wrong with the list of packs that may be restored, as `setting: what` with a hint on the next line. A list that the job can
/// change is none; one that the restore cannot read, as the job's user, neither.
pub(crate) fn problems(file: &Path, runner: &Runner) -> Vec<String> {
    let (uid, gid) = match runner::user(runner) {
        Ok(user) => user.map_or_else(|| (Uid::effective(), Gid::effective()), |user| (user.uid, user.gid)),
        // Said already.
        Err(_) => return Vec::new(),
    };
    let mut problems = Vec::new();
    if !uid.is_root() && !readable(file, uid.as_raw(), gid.as_raw()) {
        problems.push(format!(
            "TOOL_CACHE_ALLOW: {} cannot be read by user id {uid}, who restores\nhint: make it readable by everybody (mode 0444)",
            file.display()
        ));
    }
    if let Some(place) = changeable(file, uid.as_raw(), gid.as_raw()) {
        let hint = match uid.is_root() {
            true => "mount it read-only, or do not let the job be root",
            false => "let another user own the file and each folder above it, or mount it read-only",
        };
        let whose = if place == *file { "it".to_owned() } else { place.display().to_string() };
        let what = format!("the job could change what {} allows: user id {uid} owns or may write {whose}", file.display());
        problems.push(format!("TOOL_CACHE_ALLOW: {what}\nhint: {hint}"));
    }
    problems
}

/// Where a user could change the file, or put another in its place. By owners and modes; what is mounted read-only cannot be changed.
fn changeable(file: &Path, uid: u32, gid: u32) -> Option<PathBuf> {
    let root = uid == 0;
    on_the_way(file).into_iter().find(|place| {
        let fixed = statvfs(place).is_ok_and(|system| system.flags().contains(FsFlags::ST_RDONLY));
        !fixed
            && place.metadata().is_ok_and(|place| {
                let mode = place.permissions().mode();
                // In a sticky folder everybody may replace his own alone.
                let sticky = place.is_dir() && mode & 0o1000 != 0;
                root || place.uid() == uid || (!sticky && mode >> class(&place, uid, gid) & 0o2 != 0)
            })
    })
}

/// As many as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Every folder that is passed on the way to a file, those of links too, and the file. The file first, then from the root on.
fn on_the_way(file: &Path) -> Vec<PathBuf> {
    let parts = |path: &Path| -> VecDeque<OsString> {
        path.components()
            .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
            .map(|part| part.as_os_str().to_owned())
            .collect()
    };
    let (mut rest, mut at, mut passed, mut links) = (parts(file), PathBuf::from("/"), vec![PathBuf::from("/")], 0);
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(part);
        match next.read_link() {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                let mut through = parts(&target);
                through.append(&mut rest);
                rest = through;
            }
            _ => {
                passed.push(next.clone());
                at = next;
            }
        }
    }
    passed.rotate_right(1);
    passed
}

/// How far the bits that hold for this user are shifted in a mode.
fn class(place: &std::fs::Metadata, uid: u32, gid: u32) -> u32 {
    match (place.uid() == uid, place.gid() == gid) {
        (true, _) => 6,
        (false, true) => 3,
        (false, false) => 0,
    }
}

/// By its mode and those of the folders above it. Access control lists are not looked at.
pub(crate) fn readable(file: &Path, uid: u32, gid: u32) -> bool {
    let Ok(file) = file.canonicalize() else { return false };
    file.ancestors()
        .zip([0o4].into_iter().chain(std::iter::repeat(0o1)))
        .all(|(place, wanted)| place.metadata().is_ok_and(|place| place.permissions().mode() >> class(&place, uid, gid) & wanted != 0))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_changed_by_whom_it_or_any_folder_on_the_way_to_it_belongs_to() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (folder, links) = (root.join("folder"), root.join("links"));
        let (file, link) = (folder.join("allow"), links.join("allow"));
        fs::create_dir(&folder).unwrap();
        fs::create_dir(&links).unwrap();
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink("../links/second", &link).unwrap();
        std::os::unix::fs::symlink(&file, links.join("second")).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        let owner = file.metadata().unwrap();
        let (uid, gid, other) = (owner.uid(), owner.gid(), owner.uid() + 1001);
        for (of_file, of_folder, of_links, group, in_file, by_link) in [
            (0o644, 0o755, 0o755, other, None, None),
            (0o666, 0o755, 0o755, other, Some(&file), Some(&file)),
            (0o664, 0o755, 0o755, other, None, None),
            (0o664, 0o755, 0o755, gid, Some(&file), Some(&file)),
            (0o644, 0o757, 0o755, other, Some(&folder), Some(&folder)),
            (0o644, 0o1777, 0o755, other, None, None),
            (0o644, 0o755, 0o757, other, None, Some(&links)),
        ] {
            for (place, mode) in [(&file, of_file), (&folder, of_folder), (&links, of_links)] {
                fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
            }
            assert_eq!(changeable(&file, other, group).as_ref(), in_file, "{of_file:o} {of_folder:o} {of_links:o}");
            assert_eq!(changeable(&link, other, group).as_ref(), by_link, "{of_file:o} {of_folder:o} {of_links:o}");
        }
        assert_eq!(changeable(&file, uid, other).as_ref(), Some(&file), "who owns it can make it writable");
        assert!(changeable(&file, 0, 0).is_some(), "a job of root can change everything");
        assert_eq!(changeable(Path::new("/proc/version"), other, other), None);
    }

    #[test]
    fn a_file_is_read_by_whom_its_mode_and_its_folders_let() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, link) = (dir.path().join("folder"), dir.path().join("link"));
        let file = folder.join("token");
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let owner = file.metadata().unwrap();
        let (uid, gid, other) = (owner.uid(), owner.gid(), owner.uid() + 1001);
        for (above, mode, user, group, expected) in [
            (0o755, 0o444, other, other, true),
            (0o755, 0o440, other, other, false),
            (0o755, 0o440, other, gid, true),
            (0o755, 0o404, other, gid, false),
            (0o755, 0o400, uid, other, true),
            (0o755, 0o044, uid, gid, false),
            (0o700, 0o444, other, other, false),
            (0o711, 0o444, other, other, true),
        ] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(above)).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            for path in [&file, &link] {
                assert_eq!(readable(path, user, group), expected, "{above:o} {mode:o} {user} {group}");
            }
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert!(!readable(&dir.path().join("missing"), uid, gid));
    }
}
