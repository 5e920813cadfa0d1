//! The file that the runner is given for a hook: it takes only scripts, by the ending of their names.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    time::Duration,
};

/// Its name; the runner knows by the ending what runs it.
pub(super) const NAME: &str = "job-started.sh";

/// When it is run, as a word of the command.
pub(super) const JOB_STARTED: &str = "job-started";

/// A hook to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    pub(super) place: PathBuf,
    /// This program.
    pub(super) program: PathBuf,
    /// The folder of the state file.
    pub(super) state: PathBuf,
    /// The longest to wait.
    pub(super) within: Duration,
    /// The hook that was configured, as a command; empty is none.
    pub(super) then: Vec<OsString>,
}

impl Script {
    /// Writes it for everybody to read, and for nobody else to change.
    pub(super) fn write(&self) -> io::Result<()> {
        let folder = self.place.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let new = folder.join(format!(".{NAME}.new"));
        // Remove and create anew: whoever may write here could have put a link in the place.
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
        file.write_all(&self.text())?;
        // Whatever the umask is.
        file.set_permissions(Permissions::from_mode(0o644))?;
        fs::rename(new, &self.place)
    }

    /// Should the runner's user not be allowed to run this program, it could not restore either, and there is nothing to wait for.
    fn text(&self) -> Vec<u8> {
        let seconds = self.within.as_secs().to_string();
        let mut wait: Vec<&OsStr> = vec![self.program.as_os_str(), super::COMMAND.as_ref(), JOB_STARTED.as_ref()];
        wait.extend(["--state".as_ref(), self.state.as_os_str(), "--within".as_ref(), seconds.as_ref()]);
        let mut without = vec![OsStr::new("exit"), "0".as_ref()];
        if !self.then.is_empty() {
            without = vec!["exec".as_ref()];
            without.extend(self.then.iter().map(OsString::as_os_str));
            wait.push("--".as_ref());
            wait.extend(self.then.iter().map(OsString::as_os_str));
        }
        let program = quoted(self.program.as_os_str()).into_vec();
        let line = |words: &[&OsStr]| words.iter().map(|word| quoted(word).into_vec()).collect::<Vec<_>>().join(&b' ');
        [
            b"#!/bin/sh\n# runner-entrypoint wrote this: the job waits for its tool cache, and for no longer than a restore may take.\n[ -x "
                .as_slice(),
            &program,
            b" ] || ",
            &line(&without),
            b"\nexec ",
            &line(&wait),
            b"\n",
        ]
        .concat()
    }
}

/// As one word of a shell.
fn quoted(word: &OsStr) -> OsString {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@".contains(byte);
    if !word.is_empty() && word.as_bytes().iter().all(plain) {
        return word.to_owned();
    }
    let inside = word.as_bytes().split(|&byte| byte == b'\'').collect::<Vec<_>>().join(&b"'\\''"[..]);
    OsString::from_vec([b"'".as_slice(), &inside, b"'"].concat())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn script(folder: &Path, then: &[&str]) -> Script {
        Script {
            place: folder.join(NAME),
            program: "/usr/local/bin/runner-entrypoint".into(),
            state: folder.to_owned(),
            within: Duration::from_secs(126),
            then: then.iter().map(OsString::from).collect(),
        }
    }

    #[test]
    fn it_waits_and_becomes_the_configured_hook_which_runs_also_without_us() {
        let text = |script: Script| String::from_utf8(script.text()).unwrap();
        let alone = text(script(Path::new("/run/task/runner"), &[]));
        assert!(alone.ends_with(
            "[ -x /usr/local/bin/runner-entrypoint ] || exit 0\n\
             exec /usr/local/bin/runner-entrypoint hook job-started --state /run/task/runner --within 126\n"
        ));
        let chained = text(script(Path::new("/run/task/runner"), &["/bin/bash", "-e", "/hooks/it's $HOME.sh"]));
        assert!(chained.ends_with(
            "[ -x /usr/local/bin/runner-entrypoint ] || exec /bin/bash -e '/hooks/it'\\''s $HOME.sh'\n\
             exec /usr/local/bin/runner-entrypoint hook job-started --state /run/task/runner --within 126 \
             -- /bin/bash -e '/hooks/it'\\''s $HOME.sh'\n"
        ));
    }

    #[test]
    fn it_is_written_over_no_link_and_for_everybody_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let (home, victim) = (dir.path().join("runner"), dir.path().join("victim"));
        fs::create_dir(&home).unwrap();
        fs::write(&victim, "untouched").unwrap();
        for name in [NAME.to_owned(), format!(".{NAME}.new")] {
            std::os::unix::fs::symlink(&victim, home.join(name)).unwrap();
        }
        let script = script(&home, &[]);
        script.write().unwrap();
        script.write().unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
        let written = script.place.symlink_metadata().unwrap();
        assert!(written.is_file() && written.mode() & 0o777 == 0o644);
    }
}
