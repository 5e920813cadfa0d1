//! The staging area of one side, `.stage/`: what is being written, and what was moved out of the way. Nothing in it is a
//! version, so a process may die at any instruction and leave only what a later one collects.

use std::ffi::{OsStr, OsString};

use nix::Result;
use nix::errno::Errno;

use super::dir::Dir;
use super::token::fresh_token;

const AREA: &str = ".stage";
/// Longer than any job may run: a reader that opened a tree before it was moved here may still be reading it.
pub(super) const KEPT_SECONDS: i64 = 24 * 60 * 60;

/// One process's part of the staging area.
#[derive(Debug)]
pub(super) struct Stage {
    area: Dir,
    token: OsString,
    /// Where versions are written, each under a number.
    pub(super) own: Dir,
}

impl Stage {
    /// A new part, with a name that no other process has.
    pub(super) fn make(root: &Dir) -> Result<Self> {
        let token = fresh_token()?;
        let mut tries = 3;
        loop {
            let area = root.sub_or_make(OsStr::new(AREA))?;
            match area.make(&token, 0o700) {
                Ok(own) => return Ok(Self { area, token, own }),
                // The last user of the area removed it in between.
                Err(Errno::ENOENT) if tries > 0 => tries -= 1,
                Err(cause) => return Err(cause),
            }
        }
    }

    /// Moves what has that name in `dir` out of the way. With `kept` it is not deleted when this process ends: a reader may
    /// be inside, and a listing of a half-deleted directory looks like that of a small whole one. The collector deletes it
    /// a day later.
    pub(super) fn displace(&self, dir: &Dir, name: &OsStr, kept: bool) -> Result<Displaced> {
        let token = fresh_token()?;
        let parent = if kept { &self.area } else { &self.own };
        let holder = parent.make(&token, 0o700)?;
        match dir.rename_to(name, &holder, OsStr::new("0")) {
            Ok(()) => Ok(Displaced { holder }),
            Err(cause) => {
                // Whatever is left is empty and is collected later.
                let _ = parent.remove_dir(&token);
                Err(cause)
            }
        }
    }

    /// Removes this process's part, and the area if nobody else uses it.
    pub(super) fn remove(&self, root: &Dir) {
        // Both are tidiness: what stays is collected by a later run.
        let _ = self.area.remove_tree(&self.token);
        let _ = root.remove_dir(OsStr::new(AREA));
    }

    /// Deletes parts older than a day, told by the clock of the file system itself: both times are its own. What cannot be
    /// deleted (another user's) stays.
    pub(super) fn collect_old(&self) -> Result<()> {
        let now = self.area.now()?;
        for (name, _) in self.area.entries()? {
            let Ok(stat) = self.area.stat(&name) else {
                continue;
            };
            if name != self.token && now - stat.st_mtime > KEPT_SECONDS {
                let _ = self.area.remove_tree(&name);
            }
        }
        Ok(())
    }
}

impl Stage {
    /// Deletes parts that nobody wrote to for that many seconds, for one who has none himself; a dry run only says which.
    pub(super) fn collect_dead(root: &Dir, older_than: i64, dry_run: bool) -> Vec<(OsString, Result<()>)> {
        let Ok(area) = root.sub(OsStr::new(AREA)) else { return Vec::new() };
        let listed = area.now().and_then(|now| Ok((now, area.entries()?)));
        let Ok((now, entries)) = listed else { return Vec::new() };
        let dead = entries.into_iter().filter(|(name, _)| area.stat(name).is_ok_and(|stat| now - stat.st_mtime > older_than));
        let cleared = dead.map(|(name, _)| {
            let removed = if dry_run { Ok(()) } else { area.remove_tree(&name) };
            (name, removed)
        });
        let cleared = cleared.collect();
        // Fails while anybody uses it.
        let _ = if dry_run { Ok(()) } else { root.remove_dir(OsStr::new(AREA)) };
        cleared
    }

    /// How many parts there are, and how many of them nobody wrote to since then (in seconds).
    pub(super) fn count(root: &Dir, since: i64) -> Result<(usize, usize)> {
        let area = match root.sub(OsStr::new(AREA)) {
            Err(Errno::ENOENT) => return Ok((0, 0)),
            area => area?,
        };
        let entries = area.entries()?;
        let dead = entries.iter().filter(|(name, _)| area.stat(name).is_ok_and(|stat| stat.st_mtime < since)).count();
        Ok((entries.len(), dead))
    }
}

/// What was moved out of the way.
#[derive(Debug)]
pub(super) struct Displaced {
    holder: Dir,
}

impl Displaced {
    /// Puts it back where it was; fails if the name is taken again.
    pub(super) fn put_back(&self, dir: &Dir, name: &OsStr) -> Result<()> {
        self.holder.rename_to(OsStr::new("0"), dir, name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dir::Gate;
    use super::*;
    use std::fs;
    use std::time::{Duration, SystemTime};

    #[test]
    fn parts_older_than_a_day_are_collected_and_others_kept() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::root(temp.path(), Gate::default()).unwrap();
        let stage = Stage::make(&root).unwrap();
        let area = temp.path().join(".stage");
        let now = fs::metadata(&area).unwrap().modified().unwrap();
        let part = |name: &str, age: Duration| {
            let path = area.join(name);
            fs::create_dir_all(path.join("0/deep/er")).unwrap();
            fs::write(path.join("0/deep/file"), "x").unwrap();
            let then: SystemTime = now - age;
            fs::File::open(&path).unwrap().set_modified(then).unwrap();
        };
        let day = Duration::from_secs(24 * 60 * 60);
        part("old", day + Duration::from_secs(60));
        part("young", day - Duration::from_secs(60));
        stage.collect_old().unwrap();
        let mut left: Vec<OsString> = fs::read_dir(&area).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let mut expected = vec![OsString::from("young"), stage.token.clone()];
        expected.sort();
        assert_eq!(left, expected);
    }

    #[test]
    fn the_area_goes_with_its_last_user() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::root(temp.path(), Gate::default()).unwrap();
        let (one, two) = (Stage::make(&root).unwrap(), Stage::make(&root).unwrap());
        one.remove(&root);
        assert!(temp.path().join(".stage").exists());
        two.remove(&root);
        assert!(!temp.path().join(".stage").exists());
    }

    #[test]
    fn a_planted_link_is_not_taken_for_the_area() {
        let temp = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), temp.path().join(".stage")).unwrap();
        let root = Dir::root(temp.path(), Gate::default()).unwrap();
        assert!(Stage::make(&root).is_err());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
