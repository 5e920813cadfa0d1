//! Publishes the runner's externals in a folder that the docker daemon's container has mounted.
//!
//! The runner mounts its `externals` into every job container, by a path that the daemon resolves in *its* container. An image has them in
//! a layer of its own, which a volume at that place would hide, so they are copied to a volume beside it.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use walkdir::WalkDir;

/// Some thousand small files: the calls are the work, and a few threads fill each other's gaps.
const THREADS: usize = 8;

/// Begins the name of the folder in which a copy grows.
const STAGE: &str = ".publishing-";

/// Copies everything in `from` to `to`, each entry of the top under its name only when it is whole, in place of what was there.
///
/// What is copied is the image's own and trusted. What is in `to` is not: a volume that outlives a task may hold what a job made, so the
/// copy grows in a folder that nobody else may enter, and names are replaced and never followed.
///
/// # Errors
/// A sentence with the path.
pub(super) fn publish(from: &Path, to: &Path) -> Result<u64, String> {
    let stage = Stage::make(to)?;
    let (folders, files) = listed(from)?;
    for (path, _) in &folders {
        let folder = stage.new.join(path);
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(at("make", &folder))?;
    }
    let bytes = copy_all(from, &stage.new, &files)?;
    // Last, because a folder that its owner may not write takes no files.
    for (path, mode) in folders.iter().rev() {
        let folder = stage.new.join(path);
        fs::set_permissions(&folder, fs::Permissions::from_mode(*mode)).map_err(at("set the mode of", &folder))?;
    }
    for entry in fs::read_dir(&stage.new).map_err(at("read", &stage.new))? {
        let name = entry.map_err(at("read", &stage.new))?.file_name();
        let (old, place) = (stage.old.join(&name), to.join(&name));
        match fs::rename(&place, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at("replace", &place)(error)),
            _ => fs::rename(stage.new.join(&name), &place).map_err(at("publish", &place))?,
        }
    }
    Ok(bytes)
}

/// Two folders in the target that nobody else may enter: what comes and what goes.
struct Stage {
    top: PathBuf,
    new: PathBuf,
    old: PathBuf,
}

impl Stage {
    fn make(to: &Path) -> Result<Self, String> {
        let number = getrandom::u64().map_err(|error| format!("no name for a folder in {}: {error}", to.display()))?;
        forget(to);
        let top = to.join(format!("{STAGE}{number:016x}"));
        let stage = Self { new: top.join("new"), old: top.join("old"), top };
        for folder in [&stage.top, &stage.new, &stage.old] {
            fs::DirBuilder::new().mode(0o700).create(folder).map_err(at("make", folder))?;
        }
        Ok(stage)
    }
}

/// Removes what one that was killed left: a volume belongs to one task at a time.
fn forget(to: &Path) {
    for entry in fs::read_dir(to).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(STAGE) {
            remove(&entry.path());
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        remove(&self.top);
    }
}

/// Best effort: what is left does no harm, and the next copy tries again.
#[expect(clippy::disallowed_methods, reason = "only names that this file makes, and by descriptors: what lies in it may be hostile")]
fn remove(stage: &Path) {
    let _ = fs::remove_dir_all(stage);
}

/// A folder with its mode, below the top.
type Folder = (PathBuf, u32);

fn listed(from: &Path) -> Result<(Vec<Folder>, Vec<PathBuf>), String> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in WalkDir::new(from).min_depth(1) {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().strip_prefix(from).unwrap_or(entry.path()).to_owned();
        if entry.file_type().is_dir() {
            let mode = entry.metadata().map_err(unreadable)?.permissions().mode();
            folders.push((path, mode & 0o777));
        } else {
            files.push(path);
        }
    }
    Ok((folders, files))
}

fn unreadable(error: walkdir::Error) -> String {
    format!("cannot read the runner's externals: {error}")
}

fn copy_all(from: &Path, to: &Path, files: &[PathBuf]) -> Result<u64, String> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        let mut bytes = 0;
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            match copy(&from.join(path), &to.join(path)) {
                Ok(size) => bytes += size,
                Err(error) => {
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.get_or_insert_with(|| at("copy", &from.join(path))(error));
                    // The others need not go on either.
                    next.store(files.len(), Ordering::Relaxed);
                }
            }
        }
        bytes
    };
    let bytes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(bytes), Err)
}

/// Contents and mode of a file; a link as it is, because node's own lead from one part of it to another.
fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    if from.symlink_metadata()?.is_symlink() {
        return symlink(fs::read_link(from)?, to).map(|()| 0);
    }
    fs::copy(from, to)
}

fn at<'a>(operation: &'static str, path: &'a Path) -> impl Fn(io::Error) -> String + 'a {
    move |error| format!("the runner's externals are not published: cannot {operation} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn externals(dir: &Path) -> PathBuf {
        let from = dir.join("externals");
        fs::create_dir_all(from.join("node20/bin")).unwrap();
        fs::create_dir_all(from.join("node20/lib/npm")).unwrap();
        fs::write(from.join("node20/bin/node"), "node").unwrap();
        fs::set_permissions(from.join("node20/bin/node"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../lib/npm/cli.js", from.join("node20/bin/npm")).unwrap();
        for number in 0..500 {
            fs::write(from.join(format!("node20/lib/npm/{number}.js")), number.to_string()).unwrap();
        }
        fs::set_permissions(from.join("node20/lib"), fs::Permissions::from_mode(0o555)).unwrap();
        from
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_published_is_what_was_there_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (externals(dir.path()), dir.path().join("shared"));
        fs::create_dir(&to).unwrap();
        // And once more, over what is there.
        for _ in 0..2 {
            publish(&from, &to).unwrap();
            assert_eq!(names(&to), ["node20"]);
            assert_eq!(names(&to.join("node20/lib/npm")).len(), 500);
            assert_eq!(fs::read_to_string(to.join("node20/lib/npm/77.js")).unwrap(), "77");
            let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode("node20/bin/node"), mode("node20/lib"), mode("node20")), (0o755, 0o555, mode("node20/bin")));
            assert_eq!(fs::read_link(to.join("node20/bin/npm")).unwrap(), Path::new("../lib/npm/cli.js"));
        }
    }

    #[test]
    fn what_an_earlier_job_planted_in_the_volume_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to, precious) = (externals(dir.path()), dir.path().join("shared"), dir.path().join("precious"));
        fs::create_dir_all(to.join(".publishing-of-one-that-was-killed/new")).unwrap();
        fs::create_dir_all(precious.join("bin")).unwrap();
        symlink(&precious, to.join("node20")).unwrap();
        publish(&from, &to).unwrap();
        assert_eq!(names(&to), ["node20"]);
        assert!(!to.join("node20").is_symlink());
        assert_eq!(names(&precious.join("bin")), [""; 0], "nothing was written through the link");
        fs::remove_file(to.join("node20/bin/node")).unwrap();
        fs::write(to.join("node20/bin/node"), "evil").unwrap();
        publish(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("node20/bin/node")).unwrap(), "node");
    }

    #[test]
    fn a_target_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = publish(&externals(dir.path()), &dir.path().join("nowhere")).unwrap_err();
        assert!(error.starts_with("the runner's externals are not published: cannot make "), "{error}");
        fs::create_dir(dir.path().join("to")).unwrap();
        let error = publish(&dir.path().join("nothing"), &dir.path().join("to")).unwrap_err();
        assert!(error.starts_with("cannot read the runner's externals"), "{error}");
        assert_eq!(names(&dir.path().join("to")), [""; 0]);
    }
}
