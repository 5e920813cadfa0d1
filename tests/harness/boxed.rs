//! A host in a box: own mount, PID, IPC, UTS and cgroup namespaces, a root file system of its own, and the program under
//! test as PID 1. No container engine needed.
//!
//! Owns what is outside: the outer `unshare`, the cgroup, the scratch directory. What happens inside before the program
//! runs is in `programs/box_init.rs`. Everything is gone on drop.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::unistd::Pid;

use crate::clock;
use crate::process::{Ending, Running};
use crate::programs::{Program, built_dir};
use crate::scratch::{self, Scratch};

/// How long a box may take to come up.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long its remains may take to vanish after the kill.
const END_LIMIT: Duration = Duration::from_secs(20);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A box being described.
#[derive(Debug, Clone)]
pub struct Boxed {
    root: PathBuf,
    binds: Vec<String>,
    tmpfs: Vec<String>,
    users: Vec<String>,
    environment: BTreeMap<String, String>,
    network: Network,
    hostname: String,
}

#[derive(Debug, Clone, Copy)]
enum Network {
    Own,
    Hosts,
    Of(Pid),
}

impl Boxed {
    /// A box on a root file system. The files are shared and stay as they are: writes go to memory.
    #[must_use]
    pub fn new(rootfs: &Path) -> Self {
        Self {
            root: rootfs.into(),
            binds: Vec::new(),
            tmpfs: Vec::new(),
            users: Vec::new(),
            environment: BTreeMap::from([("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into())]),
            network: Network::Own,
            hostname: "box".into(),
        }
        .bind(&built_dir(), &built_dir())
    }

    /// A box on this machine's own files (writes go to memory here, too): quick, for what needs no other userland.
    #[must_use]
    pub fn host() -> Self {
        Self::new(Path::new("/"))
    }

    /// Mounts a directory or file of this machine at the same or another path.
    #[must_use]
    pub fn bind(mut self, from: &Path, to: &Path) -> Self {
        self.binds.push(format!("{}:{}", from.display(), to.display()));
        self
    }

    /// Like [`Boxed::bind`], read-only.
    #[must_use]
    pub fn bind_read_only(mut self, from: &Path, to: &Path) -> Self {
        self.binds.push(format!("{}:{}:ro", from.display(), to.display()));
        self
    }

    /// Takes back what was to be mounted at a path.
    #[must_use]
    pub fn without(mut self, to: &str) -> Self {
        self.binds.retain(|bind| bind.split(':').nth(1) != Some(to));
        self
    }

    /// Mounts an empty tmpfs.
    #[must_use]
    pub fn tmpfs(mut self, at: &str) -> Self {
        self.tmpfs.push(at.into());
        self
    }

    /// Adds a user with a home directory in `/home`, unless the root file system has one of that name.
    #[must_use]
    pub fn user(mut self, name: &str, uid: u32, gid: u32) -> Self {
        self.users.push(format!("{name}:{uid}:{gid}"));
        self
    }

    /// Sets a variable of the program's environment, which has only PATH otherwise.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets many variables.
    #[must_use]
    pub fn envs<K: Into<String>, V: Into<String>>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self {
        self.environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Uses this machine's network: for programs that talk to the GitHub stand-in.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.network = Network::Hosts;
        self
    }

    /// Shares the network of another box, given its PID 1 as seen outside.
    #[must_use]
    pub fn network_of(mut self, pid: Pid) -> Self {
        self.network = Network::Of(pid);
        self
    }

    /// Sets the host name inside.
    #[must_use]
    pub fn hostname(mut self, name: &str) -> Self {
        self.hostname = name.into();
        self
    }

    /// Starts `command` as PID 1 and returns when it runs (or ended).
    ///
    /// # Panics
    /// When the box does not come up; the message has what it said.
    #[must_use]
    pub fn spawn(&self, name: &str, command: &[&str]) -> BoxedProcess {
        let scratch = Scratch::new();
        let environment = scratch.path().join("environment");
        let text: Vec<String> = self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fs::write(&environment, text.join("\0")).expect("write the environment");
        let cgroup = Cgroup::make();
        scratch.owns_cgroup(&cgroup.outer);

        let mut outer = Command::new("unshare");
        outer.args(["--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--propagation", "private"]);
        if matches!(self.network, Network::Own) {
            outer.arg("--net");
        }
        outer.arg(Program::BoxInit.path());
        outer.arg("--root").arg(&self.root).arg("--scratch").arg(scratch.path()).arg("--cgroup").arg(&cgroup.inner);
        outer.arg("--env-file").arg(&environment).args(["--hostname", &self.hostname]);
        match self.network {
            Network::Own => drop(outer.arg("--loopback")),
            Network::Of(pid) => drop(outer.args(["--net-of", &pid.to_string()])),
            Network::Hosts => {}
        }
        for bind in &self.binds {
            outer.args(["--bind", bind]);
        }
        for mount in &self.tmpfs {
            outer.args(["--tmpfs", mount]);
        }
        for user in &self.users {
            outer.args(["--user", user]);
        }
        outer.arg("--").args(command);
        let mut running = Running::start(name, outer);
        let outer = running.pid();
        // `exec` changes the name of the process: then the box is complete.
        let up = clock::poll(START_LIMIT, || {
            if let Some(ending) = running.ended() {
                return Some(Err(ending));
            }
            let inside = child_of(outer)?;
            let name = fs::read_to_string(format!("/proc/{inside}/comm")).ok()?;
            (name.trim() != "box-init" && name.trim() != "unshare").then_some(Ok(inside))
        });
        match up {
            Some(Ok(inside)) => running.aim_at(inside),
            Some(Err(_)) => running.aim_at(Pid::from_raw(i32::MAX)),
            None => panic!("the box of {name} did not come up\n{}", running.transcript()),
        }
        BoxedProcess { running: Some(running), _scratch: scratch, cgroup }
    }

    /// Runs a shell script as PID 1 to its end.
    ///
    /// # Panics
    /// When it does not end within `deadline`.
    #[must_use]
    pub fn run(&self, script: &str, deadline: Duration) -> (Ending, String) {
        let mut running = self.spawn("script in a box", &["/bin/sh", "-c", script]);
        let ending = running.wait(deadline);
        (ending, running.stdout() + &running.stderr())
    }
}

/// PID 1 of a box. Lines, signals and the end are those of [`Running`].
#[derive(Debug)]
pub struct BoxedProcess {
    /// Taken on drop, so that the process is dead before its remains are removed.
    running: Option<Running>,
    _scratch: Scratch,
    cgroup: Cgroup,
}

impl BoxedProcess {
    /// Starts another program inside: all namespaces of the box, its root, a clean environment.
    ///
    /// # Panics
    /// When it can not be started.
    #[must_use]
    pub fn enter(&self, command: &[&str]) -> Running {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &self.pid().to_string(), "--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup", "--root", "--wd"]);
        inside.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").arg("--").args(command);
        Running::start("in the box", inside)
    }

    /// Runs a shell script inside to its end, beside PID 1.
    ///
    /// # Panics
    /// When it does not end within `deadline`.
    #[must_use]
    pub fn sh(&self, script: &str, deadline: Duration) -> (Ending, String) {
        let mut running = self.enter(&["/bin/sh", "-c", script]);
        let ending = running.wait(deadline);
        (ending, running.stdout() + &running.stderr())
    }

    /// A path inside, as this machine sees it.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid())).join(inside.trim_start_matches('/'))
    }

    /// The cgroup that is the root inside, as this machine sees it.
    #[must_use]
    pub fn cgroup(&self) -> &Path {
        &self.cgroup.inner
    }
}

impl Deref for BoxedProcess {
    type Target = Running;

    fn deref(&self) -> &Running {
        self.running.as_ref().expect("only drop takes it")
    }
}

impl DerefMut for BoxedProcess {
    fn deref_mut(&mut self) -> &mut Running {
        self.running.as_mut().expect("only drop takes it")
    }
}

impl Drop for BoxedProcess {
    fn drop(&mut self) {
        // PID 1's death takes every process of the namespace with it, and the last of them its mounts.
        self.running = None;
    }
}

/// Two levels: the outer one is ours, the inner one becomes the root of the box. The outer process stays out of both: a
/// process of another PID namespace shows as 0 in cgroup.procs and could not be moved from inside.
#[derive(Debug)]
struct Cgroup {
    outer: PathBuf,
    inner: PathBuf,
}

impl Cgroup {
    fn make() -> Self {
        let mount = cgroup_mount().expect("a cgroup v2 hierarchy is mounted");
        let outer = mount.join(format!("box-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let inner = outer.join("root");
        fs::create_dir_all(&inner).unwrap_or_else(|error| panic!("make the cgroup {}: {error}", inner.display()));
        // Whatever controllers this machine lets go of; where the top holds processes, none.
        for level in [&mount, &outer] {
            let controllers = fs::read_to_string(level.join("cgroup.controllers")).unwrap_or_default();
            for controller in controllers.split_whitespace() {
                let _ = fs::write(level.join("cgroup.subtree_control"), format!("+{controller}"));
            }
        }
        Self { outer, inner }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if !scratch::remove_cgroup(&self.outer, END_LIMIT) && !std::thread::panicking() {
            panic!("the cgroup {} is still in use", self.outer.display());
        }
    }
}

/// Where the unified hierarchy is mounted: `/sys/fs/cgroup` on some machines, a directory beside the v1 ones on others.
#[must_use]
pub fn cgroup_mount() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.filter(|fields| fields.get(2) == Some(&"cgroup2")).find_map(|fields| fields.get(1).map(PathBuf::from))
}

fn child_of(parent: Pid) -> Option<Pid> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let its: i32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        (its == parent.as_raw()).then(|| Pid::from_raw(pid))
    })
}
