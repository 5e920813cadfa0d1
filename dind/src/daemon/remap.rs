//! The user of `userns-remap`: root of a container is the runner's user outside, so that what it makes in the work folder is the
//! runner's, and its other users are nobody here.
//!
//! dockerd takes the ranges of `/etc/subuid` and `/etc/subgid` in order: a first range of one id is what 0 becomes, the second goes on
//! with 1. buildkite's agent does the same.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// The user whose ranges dockerd is told to take. Not `dockremap`, which images bring with ranges of their own: dockerd takes all that
/// it finds under a name.
pub const NAME: &str = "runner-dind";

/// The first of the ids that are nobody's.
pub const FIRST: u32 = 100_000;

/// How many of them: as many as a container may have users.
pub const COUNT: u32 = 65_536;

/// A file of users cannot be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {}, which DOCKER_USERNS_REMAP needs: {cause}\n\
     hint: make the container's own file system writable, or switch DOCKER_USERNS_REMAP off",
    path.display()
)]
pub struct RemapError {
    path: PathBuf,
    cause: io::Error,
}

/// Makes the user and its ranges in `etc`, in place of those made before.
///
/// # Errors
/// A file cannot be written.
pub fn establish(etc: &Path, uid: u32, gid: u32) -> Result<(), RemapError> {
    let ranges = |first: u32| format!("{NAME}:{first}:1\n{NAME}:{FIRST}:{COUNT}\n");
    let lines = [
        ("passwd", format!("{NAME}:x:{uid}:{gid}:root of containers:/nonexistent:/usr/sbin/nologin\n")),
        ("group", format!("{NAME}:x:{gid}:\n")),
        ("subuid", ranges(uid)),
        ("subgid", ranges(gid)),
    ];
    for (name, ours) in lines {
        let path = etc.join(name);
        replace(&path, &ours).map_err(|cause| RemapError { path, cause })?;
    }
    Ok(())
}

fn replace(path: &Path, ours: &str) -> io::Result<()> {
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let prefix = format!("{NAME}:");
    let mut text: String = before.lines().filter(|line| !line.starts_with(&prefix)).flat_map(|line| [line, "\n"]).collect();
    text.push_str(ours);
    if text == before {
        return Ok(());
    }
    // Beside and over, so that nobody ever reads half a list of users.
    let new = path.with_extension("runner-dind");
    fs::write(&new, text)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_of_a_container_is_the_runner_and_the_rest_is_nobody() {
        let etc = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(etc.path().join(name)).unwrap();
        fs::write(etc.path().join("passwd"), "root:x:0:0::/root:/bin/sh\nrunner:x:1001:1001::/:/bin/sh").unwrap();
        fs::write(etc.path().join("subuid"), "dockremap:165536:65536\n").unwrap();
        establish(etc.path(), 1001, 1002).unwrap();
        assert_eq!(read("subuid"), "dockremap:165536:65536\nrunner-dind:1001:1\nrunner-dind:100000:65536\n");
        assert_eq!(read("subgid"), "runner-dind:1002:1\nrunner-dind:100000:65536\n");
        assert_eq!(read("group"), "runner-dind:x:1002:\n");
        assert!(read("passwd").starts_with("root:x:0:0::/root:/bin/sh\nrunner:x:1001:1001::/:/bin/sh\nrunner-dind:x:1001:1002:"));
    }

    #[test]
    fn a_second_start_in_the_same_container_with_another_user_replaces_the_first() {
        let etc = tempfile::tempdir().unwrap();
        establish(etc.path(), 1001, 1001).unwrap();
        establish(etc.path(), 1000, 1000).unwrap();
        let subuid = fs::read_to_string(etc.path().join("subuid")).unwrap();
        assert_eq!(subuid, "runner-dind:1000:1\nrunner-dind:100000:65536\n");
        assert_eq!(fs::read_dir(etc.path()).unwrap().count(), 4, "nothing beside the four files");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named_with_a_way_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = establish(file.path(), 1001, 1001).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write {}/passwd", file.path().display())), "{error}");
        assert!(error.contains("hint: make the container's own file system writable"), "{error}");
    }
}
