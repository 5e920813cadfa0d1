//! A whole task's host: the sidecar's box and the runner's box beside it, with the volumes they share.
//!
//! Owns what a platform's task definition says (images, mounts, network, users), at the paths both programs have by default;
//! knows nothing of what the programs do with it.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Pid, chown};

use crate::bed::{Bed, Launch, Subject};
use crate::boxed::Boxed;
use crate::fixtures::ToolCache;
use crate::programs::Program;
use crate::rootfs::Rootfs;
use crate::xfs::{Ftype, Xfs};

/// Where dockerd's data-roots are, in the sidecar.
pub const STORAGE: &str = "/var/docker-storage";
/// The folder both programs share.
pub const TASK: &str = "/run/task";
/// The runner's home; `_work` and `externals` in it are shared.
pub const HOME: &str = "/home/runner";
/// The local tool cache, shared.
pub const TOOLS: &str = "/opt/hostedtoolcache";
/// The remote tool cache, as EFS would be mounted, in the runner's box alone.
pub const REMOTE: &str = "/mnt/tool-cache";
/// A tar of busybox for `docker import`, in the runner's box: no registry is needed.
pub const IMAGE: &str = "/home/runner/busybox.tar";
/// Uid and gid of the runner's user.
pub const RUNNER: u32 = 1001;

/// The host of one task. Say it first, so that it is dropped last.
#[derive(Debug)]
pub struct Pair {
    storage: Xfs,
    bed: Bed,
}

impl Pair {
    /// An XFS, a runner's home, shared folders and an empty remote cache.
    ///
    /// # Panics
    /// When one of them can not be made: ask for [`crate::need::Need::Docker`] first.
    #[must_use]
    pub fn new() -> Self {
        let (bed, storage) = (Bed::new(), Xfs::make(8, Ftype::With).expect("an XFS"));
        let pair = Self { storage, bed };
        let home = pair.bed.runner_home();
        for directory in ["home/_work", "remote"] {
            let _ = pair.bed.directory(directory);
        }
        chown(&pair.remote(), Some(RUNNER.into()), Some(RUNNER.into())).expect("give the remote cache away");
        busybox(&home.path().join("busybox.tar"), &pair.bed.directory("image"));
        pair.bed.give_runner_to(RUNNER, RUNNER);
        pair
    }

    /// GitHub, the task folder, whatever is not the host's.
    #[must_use]
    pub fn bed(&self) -> &Bed {
        &self.bed
    }

    /// The storage root as this machine sees it.
    #[must_use]
    pub fn storage(&self) -> &Path {
        self.storage.path()
    }

    /// The remote tool cache as this machine sees it.
    #[must_use]
    pub fn remote(&self) -> PathBuf {
        self.bed.path("remote")
    }

    /// A remote tool cache to be filled before the runner starts; [`Pair::give_remote_away`] when it is full.
    #[must_use]
    pub fn fill_remote(&self) -> ToolCache {
        ToolCache::at(&self.remote())
    }

    /// Gives the remote cache to the runner's user, as an access point of EFS does.
    ///
    /// # Panics
    /// When an entry can not be given away.
    pub fn give_remote_away(&self) {
        for entry in walkdir::WalkDir::new(self.remote()) {
            let entry = entry.expect("the cache can be walked");
            std::os::unix::fs::lchown(entry.path(), Some(RUNNER), Some(RUNNER)).expect("give a file away");
        }
    }

    /// The sidecar's box, with the volumes of the task.
    #[must_use]
    pub fn sidecar(&self) -> Boxed {
        self.shared(Boxed::new(&Rootfs::Docker.path()).hostname("docker").bind(self.storage(), Path::new(STORAGE)))
    }

    /// runner-dind as PID 1 of the sidecar's box, with its defaults.
    pub fn dind(&self) -> Launch<'_> {
        self.bed.program(Program::Dind).as_pid_1(self.sidecar())
    }

    /// runner-entrypoint as PID 1 of the runner's box, in the network of the sidecar when there is one, with its defaults.
    pub fn entrypoint(&self, sidecar: Option<&Subject>) -> Launch<'_> {
        let boxed = Boxed::new(&Rootfs::Runner.path()).hostname("runner").user("runner", RUNNER, RUNNER);
        let boxed = match sidecar {
            Some(sidecar) => {
                self.bed.github().reach_from(sidecar.pid());
                boxed.network_of(sidecar.pid())
            }
            None => boxed.host_network(),
        };
        let boxed = boxed.bind(&self.bed.path("home"), Path::new(HOME)).bind(&self.remote(), Path::new(REMOTE));
        ["RUN_AS_ROOT", "RUNNER_HOME", "RUNNER_TOOL_CACHE", "TASK_DIR"]
            .into_iter()
            .fold(self.bed.entrypoint(), Launch::without)
            .env("DOCKER_HOST", format!("unix://{TASK}/docker.sock"))
            .env("TOOL_CACHE_REMOTE", REMOTE)
            .as_pid_1(self.shared(boxed))
    }

    fn shared(&self, boxed: Boxed) -> Boxed {
        [("task", TASK), ("home/_work", "/home/runner/_work"), ("home/externals", "/home/runner/externals"), ("hostedtoolcache", TOOLS)]
            .into_iter()
            .fold(boxed, |boxed, (from, to)| boxed.bind(&self.bed.directory(from), Path::new(to)))
    }

    /// What a task must not leave on its host, one line each: registrations, data-roots, sockets.
    #[must_use]
    pub fn left_behind(&self) -> Vec<String> {
        let registered = self.bed.github().registered();
        let mut left: Vec<String> = registered.iter().map(|runner| format!("registered at GitHub: {}", runner.name)).collect();
        let names = |directory: &Path| {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        left.extend(names(self.storage()).iter().map(|name| format!("below the storage root: {name}")));
        let sockets = names(&self.bed.task_dir()).into_iter().filter(|name| name.contains("sock"));
        left.extend(sockets.map(|name| format!("in the task folder: {name}")));
        left
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

/// The mounts and the processes of a box, also when its PID 1 has ended.
#[derive(Debug)]
pub struct Witness {
    /// An open table of mounts keeps its mount namespace (the kernel's `fs/proc_namespace.c`).
    mounts: File,
    cgroup: PathBuf,
}

impl Witness {
    /// Of a box that runs.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn of(subject: &Subject) -> Self {
        let table = |pid: Pid| File::open(format!("/proc/{pid}/mountinfo")).expect("a living process has mounts");
        Self { mounts: table(subject.pid()), cgroup: subject.boxed().cgroup().to_path_buf() }
    }

    /// Mounts strictly below a path of the box, and processes.
    ///
    /// # Panics
    /// When the table can not be read.
    #[must_use]
    pub fn left_behind(&mut self, below: &str) -> Vec<String> {
        let mut table = String::new();
        self.mounts.rewind().expect("the table can be read again");
        self.mounts.read_to_string(&mut table).expect("the table can be read");
        let below = format!("{below}/");
        let points = table.lines().filter_map(|line| line.split(' ').nth(4)).filter(|point| point.starts_with(&below));
        let mut left: Vec<String> = points.map(|point| format!("mounted: {point}")).collect();
        let groups = walkdir::WalkDir::new(&self.cgroup).into_iter().flatten().filter(|entry| entry.file_name() == "cgroup.procs");
        let processes = groups.flat_map(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        left.extend(processes.map(|process| format!("process {process} lives")));
        left
    }
}

/// Packs a busybox with the names a test calls.
fn busybox(tar: &Path, scratch: &Path) {
    let from = Rootfs::Docker.path().join("usr/bin/busybox");
    let script = "mkdir -p \"$2/bin\" && cp \"$1\" \"$2/bin/busybox\" && cd \"$2/bin\" \
        && for name in sh cat echo env hostname httpd id ls nc sleep touch true uname wget; do ln -sf busybox $name; done \
        && tar -C \"$2\" -cf \"$3\" bin";
    let packed = Command::new("sh").args(["-ec", script, "sh"]).args([&from, scratch, tar]).status().expect("run sh");
    assert!(packed.success(), "pack busybox");
}
