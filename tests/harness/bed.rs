//! One test's bed: a temporary root, a GitHub stand-in, a runner's home, a task folder, and the programs started in it.
//!
//! Owns how the two programs are started (environment from nothing, settings of the test) and what is printed when a test
//! fails: everything everybody said. Knows the programs by their environment variables only.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::boxed::{Boxed, BoxedProcess};
use crate::clock;
use crate::fixtures::{RunnerHome, ToolCache};
use crate::github::{GitHub, Rules};
use crate::process::{Record, Running};
use crate::programs::Program;
use crate::scratch::Scratch;
use nix::unistd::{Gid, Uid, chown};

/// The account, and the repository below it, that a bed's settings name.
pub const ACCOUNT: &str = "acme";
/// See [`ACCOUNT`].
pub const REPOSITORY: &str = "acme/widgets";

/// A PATH for programs whose environment is built from nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One test's bed. Say `let bed = Bed::new();` first, so that it is dropped last.
#[derive(Debug)]
pub struct Bed {
    dir: Scratch,
    github: GitHub,
    token: String,
    records: Mutex<Vec<Record>>,
}

impl Bed {
    /// A bed whose GitHub has the usual rules.
    #[must_use]
    pub fn new() -> Self {
        Self::with_rules(Rules::for_account(ACCOUNT))
    }

    /// A bed whose GitHub has these rules.
    ///
    /// # Panics
    /// When the temporary directory can not be made.
    #[must_use]
    pub fn with_rules(rules: Rules) -> Self {
        let dir = Scratch::new();
        // The runner's user must be able to reach its home in here.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("open the temporary directory");
        let token = rules.token();
        Self { dir, github: GitHub::start(rules), token, records: Mutex::new(Vec::new()) }
    }

    /// The service of this bed.
    #[must_use]
    pub fn github(&self) -> &GitHub {
        &self.github
    }

    /// The credential the service accepts.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A path below the bed's root.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A directory below the bed's root, made when it is not there.
    ///
    /// # Panics
    /// When it can not be made.
    #[must_use]
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("make a directory");
        path
    }

    /// The task folder both programs of a pair share.
    #[must_use]
    pub fn task_dir(&self) -> PathBuf {
        self.directory("task")
    }

    /// The runner's home, made at the first call.
    #[must_use]
    pub fn runner_home(&self) -> RunnerHome {
        let path = self.path("home");
        if path.exists() { RunnerHome::at(&path) } else { RunnerHome::make(&path) }
    }

    /// Gives the runner's home and the local tool cache to a user: for an entrypoint that gives up root.
    ///
    /// # Panics
    /// When they can not be given away (needs root).
    pub fn give_runner_to(&self, uid: u32, gid: u32) {
        let _ = self.runner_home().owned_by(uid, gid);
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chown(&self.directory("hostedtoolcache"), owner.0, owner.1).expect("give the tool cache away");
    }

    /// A tool cache called `name`, to be filled.
    #[must_use]
    pub fn tool_cache(&self, name: &str) -> ToolCache {
        ToolCache::at(&self.path(name))
    }

    /// runner-entrypoint for one job of [`REPOSITORY`]: registers at this bed's GitHub, runs the stand-in Listener, no
    /// docker, no cache. As root it keeps root; say `.without("RUN_AS_ROOT")` in a box that has the user.
    pub fn entrypoint(&self) -> Launch<'_> {
        let home = self.runner_home();
        let mut launch = self
            .program(Program::Entrypoint)
            .env("ACCESS_TOKEN", &self.token)
            .env("GITHUB_API_URL", self.github.url())
            .env("RUNNER_SCOPE", "repo")
            .env("REPO_URL", format!("https://github.com/{REPOSITORY}"))
            .env("RUNNER_LABELS", "self-hosted,linux,x64")
            .env("RUNNER_HOME", home.path().to_string_lossy())
            .env("RUNNER_TOOL_CACHE", self.directory("hostedtoolcache").to_string_lossy())
            .env("TASK_DIR", self.task_dir().to_string_lossy());
        if nix::unistd::geteuid().is_root() {
            launch = launch.env("RUN_AS_ROOT", "true");
        }
        launch
    }

    /// runner-dind with its storage below this bed; give `DOCKER_STORAGE_ROOT` an XFS.
    pub fn dind(&self) -> Launch<'_> {
        self.program(Program::Dind)
            .env("TASK_DIR", self.task_dir().to_string_lossy())
            .env("DOCKER_STORAGE_ROOT", self.path("docker-storage").to_string_lossy())
    }

    /// Any program, with only PATH in its environment.
    pub fn program(&self, program: Program) -> Launch<'_> {
        let environment = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
        Launch { bed: self, program, arguments: Vec::new(), environment, boxed: None }
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// When `deadline` passes first. The transcript follows, as with every failure in a bed.
    pub fn wait_for(&self, what: &str, deadline: Duration, condition: impl FnMut() -> bool) {
        assert!(clock::holds_within(deadline, condition), "waited {deadline:?} for: {what}");
    }

    /// Everything every program said, and what GitHub saw.
    #[must_use]
    pub fn transcript(&self) -> String {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let texts: Vec<String> = records.iter().map(ToString::to_string).collect();
        texts.concat() + &self.github.transcript()
    }
}

impl Default for Bed {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Bed {
    #[expect(clippy::print_stderr, reason = "the message of a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.transcript());
        }
    }
}

/// A program about to be started.
#[derive(Debug, Clone)]
#[must_use = "nothing runs before start()"]
pub struct Launch<'a> {
    bed: &'a Bed,
    program: Program,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    boxed: Option<Boxed>,
}

impl Launch<'_> {
    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Takes a variable away.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// The environment it will get.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Runs it as PID 1 of this box; the bed's root is bound at the same path.
    pub fn as_pid_1(mut self, boxed: Boxed) -> Self {
        self.boxed = Some(boxed);
        self
    }

    /// One more mount of its box.
    ///
    /// # Panics
    /// When it has no box.
    pub fn also_bind(mut self, from: &Path, to: &Path) -> Self {
        self.boxed = Some(self.boxed.expect("a box to mount into").bind(from, to));
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it can not be started.
    #[must_use]
    pub fn start(self) -> Subject {
        let path = self.program.path();
        let name = self.program.built_name();
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let subject = match self.boxed {
            None => Subject::Plain(Running::start_clean(name, &path, &arguments, &self.environment)),
            Some(boxed) => {
                let root = self.bed.dir.path();
                let own = path.parent().unwrap_or(Path::new("/"));
                let boxed = boxed.bind(root, root).bind_read_only(own, own).envs(self.environment);
                let path = path.to_string_lossy();
                let command: Vec<&str> = std::iter::once(path.as_ref()).chain(arguments).collect();
                Subject::Boxed(boxed.spawn(name, &command))
            }
        };
        self.bed.records.lock().unwrap_or_else(PoisonError::into_inner).push(subject.record());
        subject
    }
}

/// A program of a bed that runs: plainly, or as PID 1 of a box.
#[derive(Debug)]
pub enum Subject {
    /// In a process group of its own.
    Plain(Running),
    /// As PID 1.
    Boxed(BoxedProcess),
}

impl Subject {
    /// Its box.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn boxed(&self) -> &BoxedProcess {
        match self {
            Self::Boxed(boxed) => boxed,
            Self::Plain(_) => panic!("this program runs in no box"),
        }
    }
}

impl Deref for Subject {
    type Target = Running;

    fn deref(&self) -> &Running {
        match self {
            Self::Plain(running) => running,
            Self::Boxed(boxed) => boxed,
        }
    }
}

impl DerefMut for Subject {
    fn deref_mut(&mut self) -> &mut Running {
        match self {
            Self::Plain(running) => running,
            Self::Boxed(boxed) => boxed,
        }
    }
}
