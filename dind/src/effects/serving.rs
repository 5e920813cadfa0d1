//! The deeds while docker serves: asking whether it lives, hearing what it says, clearing up after its death.

use std::{cell::Cell, path::Path, rc::Rc, time::Duration};

use supervise::{Tell, Work, off_loop, records};
use tokio::time::Instant;
use tracing::{Level, info, warn};

use super::{World, collapse, from_now};
use crate::{
    api::Docker,
    daemon::{
        self,
        line::{self, Weight},
        version::Version,
    },
    mounts,
    remains::Remains,
    stages,
    words::{Failure, Note, Outcome, Role, Words, exit},
};

impl World {
    pub(super) fn watch_daemon(&self, tell: Tell<Words>) -> Work<Words> {
        let (socket, every) = (self.own_socket(), self.config.engine.ping);
        Work::here(async move {
            let Some(docker) = socket.map(|socket| Docker::at(&socket)) else { return Outcome::Unwatched };
            watch(&docker, every, tell).await
        })
    }

    pub(super) fn clear(&self) -> Work<Words> {
        let task = self.task.borrow();
        let known = task.as_ref().and_then(|task| {
            let root = task.root.as_ref()?;
            Some((Remains::of(root, daemon::PID_FILE), [root.data(), root.exec()], task.socket.clone()))
        });
        Work::here(async move {
            let Some((remains, folders, socket)) = known else { return Outcome::Cleared(Err(collapse("clearing up"))) };
            let cleared = off_loop("clear", move || {
                let failure = |why: String| Failure { code: exit::UNAVAILABLE, why: format!("docker cannot be started again: {why}") };
                socket.withdraw().map_err(|error| failure(error.to_string()))?;
                // And not what holds both, which may be a file system of this task's own.
                for folder in &folders {
                    mounts::unmount_within(Path::new(mounts::MOUNTINFO), folder).map_err(|error| failure(error.to_string()))?;
                }
                remains.clear(from_now(stages::UNHURRIED)).map_err(|error| failure(error.to_string()))
            });
            Outcome::Cleared(cleared.await.unwrap_or_else(|| Err(collapse("clearing up"))))
        })
    }

    pub(super) fn hear(&mut self, role: Role, text: &str) -> Option<Note> {
        if role == Role::Version {
            let version = Version::in_line(text);
            match version {
                Some(_) => info!("{}", text.trim()),
                None => warn!(said = text, "not understood"),
            }
            self.version.set(version.or(self.version.get()));
            return version.map(Note::Version);
        }
        let line = line::parse(text);
        let level = line.weight.map(|weight| match weight {
            Weight::Debug => Level::DEBUG,
            Weight::Info => Level::INFO,
            Weight::Warning => Level::WARN,
            Weight::Error => Level::ERROR,
        });
        let note = match line.complaint() {
            Some(complaint) if line.is_refusal() => Some(Note::Refusal(complaint)),
            complaint => complaint.map(Note::Complaint),
        };
        // containerd passes on what its shims say whatever its own level is: eight lines for each container that starts.
        if role == Role::Containerd && line.weight.is_some_and(|weight| weight < self.least()) {
            return note;
        }
        records::relay(role.name(), level, &line.message, line.fields);
        note
    }
}

impl World {
    /// What the daemons were asked to leave out.
    fn least(&self) -> Weight {
        match self.config.dockerd_log_level() {
            "debug" => Weight::Debug,
            "error" => Weight::Error,
            _ => Weight::Warning,
        }
    }
}

/// Asks again and again. A question has as much time as lies between two.
async fn watch(docker: &Docker, every: Duration, tell: Tell<Words>) -> Outcome {
    let mut silent_since = None;
    loop {
        tokio::time::sleep(every).await;
        let asked = Instant::now();
        let answer = docker.ping(every).await;
        match (answer, silent_since) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(since)) => {
                silent_since = None;
                tell(Outcome::Answering(asked.elapsed().max(Instant::now() - since)));
            }
            (Err(_), None) => {
                silent_since = Some(asked);
                tell(Outcome::Silent(asked.elapsed()));
            }
        }
    }
}

/// Which docker this is, once it has said so.
pub(super) type Known = Rc<Cell<Option<Version>>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::stand_in::{StandIn, on_loop};

    #[test]
    fn a_daemon_that_hangs_is_told_once_and_so_is_its_return() {
        on_loop(async {
            let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
            let dir = tempfile::tempdir().unwrap();
            let socket = dir.path().join("docker.sock");
            let tell: Tell<Words> = Box::new(move |outcome| drop(told.send(outcome)));
            let docker = Docker::at(&socket);
            tokio::task::spawn_local(async move { watch(&docker, Duration::from_millis(300), tell).await });
            // Nobody is there: that is no answer, too.
            assert!(matches!(heard.recv().await, Some(Outcome::Silent(_))));
            let daemon = StandIn::start(&[("GET /_ping", Some(200), "OK")]);
            std::os::unix::fs::symlink(&daemon.socket, &socket).unwrap();
            assert!(matches!(heard.recv().await, Some(Outcome::Answering(_))));
            while daemon.heard.borrow().len() < 4 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(heard.try_recv().is_err(), "nothing more is told while it answers");
        });
    }
}
