//! The state of a living program as a small file, and a lock that says whether it lives.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::State;

const LOCK: &str = "lock";
const STATE: &str = "state.json";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The program's name.
    pub program: String,
    /// Its process id, in its own namespace.
    pub pid: u32,
    /// The phase it is in.
    pub phase: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// It can be used for what it is for.
    pub ready: bool,
    /// It is being used.
    pub busy: bool,
    /// What goes on beside the phase, a word each.
    #[serde(default)]
    pub pending: Vec<String>,
    /// What must still be undone.
    pub owes: Vec<String>,
}

/// A directory with `lock`, held as long as this value lives, and `state.json`, replaced as a whole at each change.
#[derive(Debug)]
pub struct StateFile {
    directory: PathBuf,
    program: &'static str,
    lock: Option<Flock<File>>,
}

impl StateFile {
    /// A state file to be claimed by the first [`StateFile::write`] that can: its directory may come later, from another container.
    pub fn at(directory: &Path, program: &'static str) -> Self {
        Self { directory: directory.to_owned(), program, lock: None }
    }

    /// Makes the directory if it must, and takes the lock.
    ///
    /// # Errors
    /// The directory cannot be made or written, or another living process holds the lock ([`io::ErrorKind::WouldBlock`]).
    pub fn claim(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(LOCK);
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o644).custom_flags(nix::libc::O_NOFOLLOW).open(&path)?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            io::Error::new(io::Error::from(errno).kind(), format!("{} is held by another living process", path.display()))
        })?;
        self.lock = Some(lock);
        Ok(())
    }

    /// Replaces the file in one step: a reader sees the old state or the new one.
    ///
    /// # Errors
    /// As [`StateFile::claim`], or the file system refuses.
    pub fn write(&mut self, state: &State) -> io::Result<()> {
        self.claim()?;
        #[expect(clippy::disallowed_methods, reason = "the state file tells the time of day")]
        let now = SystemTime::now();
        let published = Published {
            program: self.program.to_owned(),
            pid: std::process::id(),
            phase: state.phase.to_owned(),
            since: humantime::format_rfc3339_millis(now).to_string(),
            ready: state.ready,
            busy: state.busy,
            pending: state.pending.iter().map(|&word| word.to_owned()).collect(),
            owes: state.owes.clone(),
        };
        let new = self.directory.join(format!(".{STATE}.new"));
        // Remove and create anew: whoever may write here could have put a link in the place.
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
        file.write_all(&serde_json::to_vec(&published).map_err(io::Error::other)?)?;
        fs::rename(new, self.directory.join(STATE))
    }

    /// What the program in `directory` says of itself; `None` when no living process holds the lock, or it has said nothing yet.
    pub fn read(directory: &Path) -> Option<Published> {
        if !Self::is_held(directory) {
            return None;
        }
        Self::last(directory)
    }

    /// What was said last in `directory`, by whoever it was, alive or not; takes no lock. For who lives no longer than the program.
    pub fn last(directory: &Path) -> Option<Published> {
        serde_json::from_slice(&fs::read(directory.join(STATE)).ok()?).ok()
    }

    /// Whether a living process holds the lock.
    pub fn is_held(directory: &Path) -> bool {
        let Ok(file) = open_lock(directory) else { return false };
        Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
    }

    /// Blocks until no living process holds the lock; at once when there is none. Belongs on a thread of its own.
    pub fn wait_until_free(directory: &Path) {
        if let Ok(file) = open_lock(directory) {
            let mut file = file;
            while let Err((back, nix::errno::Errno::EINTR)) = Flock::lock(file, FlockArg::LockShared) {
                file = back;
            }
        }
    }
}

fn open_lock(directory: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(directory.join(LOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(phase: &'static str) -> State {
        State { phase, ready: true, busy: false, pending: vec!["restoring"], owes: vec!["deregister runner 42".into()] }
    }

    #[test]
    fn a_living_program_is_read_and_a_dead_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("runner");
        assert_eq!(StateFile::read(&home), None);
        let mut file = StateFile::at(&home, "program");
        file.claim().unwrap();
        assert_eq!(StateFile::read(&home), None);
        file.write(&state("running")).unwrap();
        let published = StateFile::read(&home).unwrap();
        assert_eq!((published.phase.as_str(), published.ready, published.owes.len()), ("running", true, 1));
        assert_eq!(published.pending, ["restoring"]);
        assert!(StateFile::is_held(&home));
        drop(file);
        assert_eq!(StateFile::read(&home), None);
        assert_eq!(StateFile::last(&home), Some(published));
        StateFile::wait_until_free(&home);
    }

    #[test]
    fn a_second_claim_is_refused_while_the_first_lives() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = StateFile::at(dir.path(), "program");
        first.claim().unwrap();
        let mut second = StateFile::at(dir.path(), "program");
        let refused = second.claim().unwrap_err().to_string();
        assert!(refused.ends_with("lock is held by another living process"), "{refused}");
        drop(first);
        second.claim().unwrap();
    }

    #[test]
    fn a_link_in_the_place_of_the_new_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        let home = dir.path().join("home");
        let mut file = StateFile::at(&home, "program");
        file.claim().unwrap();
        std::os::unix::fs::symlink(&victim, home.join(".state.json.new")).unwrap();
        file.write(&state("running")).unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
    }
}
