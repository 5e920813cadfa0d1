//! Secrets in files that the job can read as well: the one way around all that keeps them from it.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use nix::unistd::Uid;

use crate::{config::Config, runner};

/// A sentence for each such file, with what to do.
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

/// By its mode and those of the folders above it. Access control lists are not looked at.
fn readable(file: &Path, uid: u32, gid: u32) -> bool {
    let Ok(file) = file.canonicalize() else { return false };
    file.ancestors().zip([0o4].into_iter().chain(std::iter::repeat(0o1))).all(|(place, wanted)| {
        place.metadata().is_ok_and(|place| {
            let class = match (place.uid() == uid, place.gid() == gid) {
                (true, _) => 6,
                (false, true) => 3,
                (false, false) => 0,
            };
            place.permissions().mode() >> class & wanted != 0
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
