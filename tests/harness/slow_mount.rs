//! A mount that is as slow as a far-away file server: each request has a latency, any number of them are on their way at once.
//!
//! A model of EFS as NFS shows it: latency by kind of request, session slots, bandwidth each way, names and attributes that are
//! believed for a while, listings that bring attributes along, written data that is paid for at close. Not modelled: burst
//! credits, throttling, encryption in transit, ACCESS calls.
//!
//! Served by a process of its own (program `slow-mount`): when that is gone so is the connection, whatever other mount
//! namespaces still have a copy of the mount, and nothing hangs.
//!
//! ```no_run
//! use runner_tests::slow_mount::{Operation, Profile, SlowMount};
//!
//! let mount = SlowMount::over("/srv/cache".as_ref()).profile(Profile::INSTANT).mount();
//! std::fs::read(mount.path().join("node/20.1.0/x64.complete")).unwrap();
//! assert_eq!(mount.counts().of(Operation::Open), 1);
//! ```

mod fault;
mod filesystem;
mod handles;
mod line;
mod operation;
mod profile;
mod serve;
mod slow_tree;
mod tree;

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use nix::mount::{MntFlags, umount2};

pub use self::{
    fault::Fault,
    operation::{Counts, Operation},
    profile::{Listing, Profile},
    serve::serve,
};
use crate::{clock, programs::Program, scratch::Scratch};

/// How long a server may take to end once it was told to.
const ENDING: Duration = Duration::from_secs(5);

/// A mount to be made.
#[derive(Debug, Clone)]
pub struct Builder {
    directory: PathBuf,
    profile: Profile,
    words: Vec<String>,
}

impl Builder {
    /// How slow; [`Profile::EFS`] unless told.
    #[must_use]
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// One thing that goes wrong; may be told often.
    #[must_use]
    pub fn fail(mut self, fault: Fault) -> Self {
        self.words.extend(["--fail".to_owned(), fault.to_string()]);
        self
    }

    /// Requests after the `count`-th are never answered.
    #[must_use]
    pub fn hang_after(mut self, count: u64) -> Self {
        self.words.extend(["--hang-after".to_owned(), count.to_string()]);
        self
    }

    /// Mounts it.
    ///
    /// # Panics
    /// When that does not work: root and `/dev/fuse` are needed ([`Need::Fuse`](crate::need::Need::Fuse)).
    #[must_use]
    pub fn mount(self) -> SlowMount {
        let scratch = Scratch::new();
        let point = scratch.path().join("mount");
        std::fs::create_dir(&point).expect("make the mount point");
        let mut command = Command::new(Program::SlowMount.path());
        command.args(self.profile.options()).args(self.words).arg(&self.directory).arg(&point);
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start slow-mount");
        let (input, output) = (server.stdin.take().expect("its input"), server.stdout.take().expect("its output"));
        let mut talk = Talk { input, output: BufReader::new(output) };
        let first = talk.line();
        assert_eq!(first, "ready", "slow-mount over {} says why it does not mount", self.directory.display());
        SlowMount { point, server, talk: Mutex::new(Some(talk)), _scratch: scratch }
    }
}

#[derive(Debug)]
struct Talk {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Talk {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("slow-mount answers");
        line.trim_end().to_owned()
    }
}

/// A mounted directory; unmounted on drop.
#[derive(Debug)]
pub struct SlowMount {
    point: PathBuf,
    server: Child,
    talk: Mutex<Option<Talk>>,
    _scratch: Scratch,
}

impl SlowMount {
    /// A mount over `directory`, in which everything really happens.
    #[must_use]
    pub fn over(directory: &Path) -> Builder {
        Builder { directory: directory.to_owned(), profile: Profile::EFS, words: Vec::new() }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// What it was asked since it is there.
    ///
    /// # Panics
    /// When the server has died.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let talk = talk.as_mut().expect("a mount that is there");
        talk.input.write_all(b"counts\n").expect("slow-mount listens");
        serde_json::from_str(&talk.line()).expect("counts")
    }
}

impl Drop for SlowMount {
    fn drop(&mut self) {
        // The end of its input is the word to go.
        drop(self.talk.lock().unwrap_or_else(PoisonError::into_inner).take());
        if !clock::holds_within(ENDING, || matches!(self.server.try_wait(), Ok(Some(_)))) {
            let _ = self.server.kill();
            let _ = self.server.wait();
        }
        // When it could not do so itself.
        let _ = umount2(&self.point, MntFlags::MNT_DETACH);
    }
}
