//! Owns how a runner is noticed in the task's folder, and what it is answered. Everything here blocks, and belongs on threads of its own.

use std::{
    io,
    path::{Path, PathBuf},
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use pair::{Difference, Sight, differences};
use supervise::StateFile;

/// Both files that matter, the state and the sight, come by a rename.
fn changes(folder: &Path) -> io::Result<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(folder, AddWatchFlags::IN_MOVED_TO)?;
    Ok(inotify)
}

/// Waits until a runner lives whose folder this is.
///
/// # Errors
/// The folder cannot be watched.
pub(crate) fn wait_for_runner(folder: &Path) -> io::Result<()> {
    let changes = changes(folder)?;
    while !StateFile::is_held(folder) {
        changes.read_events()?;
    }
    Ok(())
}

/// Runners that show themselves, one after the other.
#[derive(Debug)]
pub(crate) struct Meetings {
    changes: Inotify,
    runner: PathBuf,
    own: PathBuf,
    answered: Option<u64>,
}

impl Meetings {
    /// Watches the folder of the runner; answers go into our own.
    ///
    /// # Errors
    /// The folder cannot be watched.
    pub(crate) fn watch(runner: &Path, own: &Path) -> io::Result<Self> {
        Ok(Self { changes: changes(runner)?, runner: runner.to_owned(), own: own.to_owned(), answered: None })
    }

    /// Waits for a runner that has not been answered yet, answers it, and says what the two sides do not have in common.
    ///
    /// # Errors
    /// The folders cannot be read or written.
    pub(crate) fn next(&mut self) -> io::Result<Vec<Difference>> {
        loop {
            if let Some(theirs) = Sight::read(&self.runner)
                && self.answered != Some(theirs.token)
            {
                let ours = theirs.answered();
                ours.write(&self.own)?;
                self.answered = Some(theirs.token);
                return Ok(differences(&theirs, &ours));
            }
            self.changes.read_events()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc, thread, time::Duration};

    use pair::Use;

    use super::*;

    fn shown(dir: &Path, token: u64) {
        Sight::of_runner(token, [(Use::Work, dir.join("work"), dir.join("work"))]).write(&dir.join("runner")).unwrap();
    }

    #[test]
    fn every_runner_is_answered_once_also_one_that_was_there_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["runner", "dind", "work"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        shown(dir.path(), 1);
        let mut meetings = Meetings::watch(&dir.path().join("runner"), &dir.path().join("dind")).unwrap();
        assert_eq!(meetings.next().unwrap(), []);
        assert_eq!(Sight::read(&dir.path().join("dind")).unwrap().token, 1);
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(meetings.next().unwrap()));
        // The same runner again is nobody new.
        shown(dir.path(), 1);
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        shown(dir.path(), 2);
        assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), []);
        assert_eq!(Sight::read(&dir.path().join("dind")).unwrap().token, 2);
    }

    #[test]
    fn a_runner_is_noticed_whether_it_was_there_first_or_comes_later() {
        let dir = tempfile::tempdir().unwrap();
        let (tell, told) = mpsc::channel();
        let wait = |tell: mpsc::Sender<()>| {
            let folder = dir.path().to_owned();
            thread::spawn(move || {
                wait_for_runner(&folder).unwrap();
                tell.send(()).unwrap();
            })
        };
        let early = wait(tell.clone());
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "nobody is there");
        let mut state = StateFile::at(dir.path(), "runner");
        state.write(&supervise::State { phase: "idle", ready: true, busy: false, pending: vec![], owes: vec![] }).unwrap();
        told.recv_timeout(Duration::from_secs(20)).unwrap();
        let late = wait(tell);
        told.recv_timeout(Duration::from_secs(20)).unwrap();
        early.join().unwrap();
        late.join().unwrap();
    }
}
