//! A file that is replaced as a whole, by a thread of its own.
//!
//! The folder is opened before any job runs and held: links that a job plants later lead nowhere, because names are only ever looked up in
//! the folder that was opened, never followed, and made new. A folder on a mount that hangs costs this thread and not the process.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat, renameat},
    sys::stat::Mode,
    unistd::{AccessFlags, UnlinkatFlags, faccessat, unlinkat},
};

/// How long the folder may take to open, and the last text to be written.
const PATIENCE: Duration = Duration::from_millis(500);

/// The file and who writes it.
#[derive(Debug)]
pub(crate) struct Place {
    texts: Sender<Job>,
}

enum Job {
    Put(String),
    Finish(Sender<()>),
}

impl Place {
    /// Opens the folder of `path`; the file need not be there.
    ///
    /// # Errors
    /// It is no folder, or may not be written, or does not answer.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = path.to_owned();
        let (texts, jobs) = channel();
        let (tell, told) = channel();
        std::thread::Builder::new().name("telemetry".to_owned()).stack_size(64 * 1024).spawn(move || match folder(&path) {
            Ok((folder, name)) => {
                let _ = tell.send(Ok(()));
                write_all(&folder, &name, &jobs);
            }
            Err(error) => drop(tell.send(Err(error))),
        })?;
        match told.recv_timeout(PATIENCE) {
            Ok(opened) => opened.map(|()| Self { texts }),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer")),
        }
    }

    /// Has the file replaced by this text.
    pub(crate) fn put(&self, text: String) {
        let _ = self.texts.send(Job::Put(text));
    }

    /// Waits a moment for the last text.
    pub(crate) fn finish(&self) {
        let (done, end) = channel();
        if self.texts.send(Job::Finish(done)).is_ok() {
            match end.recv_timeout(PATIENCE) {
                Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

fn folder(path: &Path) -> io::Result<(OwnedFd, OsString)> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("/"));
    let folder = open(parent, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY, Mode::empty())?;
    faccessat(&folder, ".", AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS)?;
    Ok((folder, name.to_owned()))
}

fn write_all(folder: &OwnedFd, name: &OsStr, jobs: &Receiver<Job>) {
    let mut failed = false;
    while let Ok(job) = jobs.recv() {
        let mut last = None;
        let mut waiting = Vec::new();
        // Only the newest text matters to a reader.
        for job in std::iter::once(job).chain(jobs.try_iter()) {
            match job {
                Job::Put(text) => last = Some(text),
                Job::Finish(done) => waiting.push(done),
            }
        }
        if let Some(Err(error)) = last.map(|text| replace(folder, name, text.as_bytes()))
            && !std::mem::replace(&mut failed, true)
        {
            tracing::warn!(%error, file = %name.display(), "a file of metrics or traces cannot be written");
        }
        for done in waiting {
            // Whoever waited may have lost patience.
            let _ = done.send(());
        }
    }
}

fn replace(folder: &OwnedFd, name: &OsStr, text: &[u8]) -> io::Result<()> {
    let mut new = OsString::from(".");
    new.push(name);
    new.push(".new");
    match unlinkat(folder, new.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(folder, new.as_os_str(), flags, Mode::from_bits_truncate(0o644))?;
    File::from(file).write_all(text)?;
    Ok(renameat(folder, new.as_os_str(), folder, name)?)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_reader_sees_one_text_or_the_next_and_the_last_one_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runner.prom");
        let place = Place::open(&path).unwrap();
        for number in 0..200 {
            place.put(format!("{number}\n").repeat(1000));
            if let Ok(text) = fs::read_to_string(&path) {
                assert_eq!(text.lines().count(), 1000);
            }
        }
        place.finish();
        assert!(fs::read_to_string(&path).unwrap().starts_with("199\n"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_that_a_job_plants_are_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let place = Place::open(&folder.join("runner.prom")).unwrap();
        symlink(&victim, folder.join("runner.prom")).unwrap();
        symlink(&victim, folder.join(".runner.prom.new")).unwrap();
        // And the folder itself is another one now.
        fs::rename(&folder, dir.path().join("moved")).unwrap();
        symlink(dir.path(), &folder).unwrap();
        place.put("text".to_owned());
        place.finish();
        assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(dir.path().join("moved/runner.prom")).unwrap(), "text");
        assert!(!dir.path().join("runner.prom").exists());
    }

    #[test]
    fn a_folder_that_is_none_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        for path in ["missing/runner.prom", "file/runner.prom"] {
            assert!(Place::open(&dir.path().join(path)).is_err(), "{path}");
        }
        assert!(Place::open(Path::new("/")).unwrap_err().to_string().contains("names no file"));
    }
}
