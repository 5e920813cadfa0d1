//! A container instance: a docker, the file systems that a cluster's owner gives it, GitHub and the agent's own addresses beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nix::unistd::chown;

use super::definition::{Definition, Efs};
use super::plan::Overrides;
use super::task::Task;
use crate::bed::Bed;
use crate::ecs::{Ecs, Rules};
use crate::engine::{Engine, Form, STORAGE};

/// Values by the names of variables: what is behind `valueFrom`.
pub type Secrets = BTreeMap<String, String>;

/// User and group that the access point forces on everybody.
const ACCESS_POINT: u32 = 1001;
/// Below the directory that both sides see.
const EFS: &str = "efs";
/// Where disks of tasks are mounted (`agent/taskresource/volume`).
const EBS: &str = "/mnt/ecs/ebs";

/// An instance with nothing on it. Say it first, so that it is dropped last.
#[derive(Debug)]
pub struct Instance {
    engine: Engine,
    ecs: Ecs,
    bed: Bed,
    secrets: Secrets,
    processes: Vec<String>,
    mounts: Vec<String>,
}

impl Instance {
    /// One with the images, beside this bed's GitHub, whose token is the secret `ACCESS_TOKEN`.
    ///
    /// # Panics
    /// When it does not come up: ask for [`crate::need::Need::Docker`] first.
    #[must_use]
    pub fn new(bed: Bed, form: Form) -> Self {
        let secrets = BTreeMap::from([("ACCESS_TOKEN".to_owned(), bed.token().to_owned())]);
        let mut instance = Self {
            engine: Engine::start(form),
            ecs: Ecs::start(Rules::service("runners")),
            bed,
            secrets,
            processes: Vec::new(),
            mounts: Vec::new(),
        };
        let _ = instance.engine.shared(EFS);
        instance.processes = instance.lives();
        instance.mounts = instance.mounted();
        instance
    }

    /// GitHub, and what everybody said.
    #[must_use]
    pub fn bed(&self) -> &Bed {
        &self.bed
    }

    /// Its docker.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The agent's addresses and ECS behind them.
    #[must_use]
    pub fn ecs(&self) -> &Ecs {
        &self.ecs
    }

    /// The shared file system that a definition names, as this machine sees it: made at the first call, with the owner whom its access point
    /// forces. To be filled before a task runs, and then given away.
    ///
    /// # Panics
    /// When the definition has none.
    #[must_use]
    pub fn efs(&self, definition: &Definition) -> PathBuf {
        let efs = definition.volumes.iter().find_map(|volume| volume.efs_volume_configuration.as_ref()).expect("a volume on EFS");
        self.access_point(efs)
    }

    fn access_point(&self, efs: &Efs) -> PathBuf {
        let (folder, _) = self.engine.shared(&format!("{EFS}/{}", efs.access_point()));
        chown(&folder, Some(ACCESS_POINT.into()), Some(ACCESS_POINT.into())).expect("give a folder away");
        folder
    }

    /// Gives all that is on the shared file systems to whom the access point forces.
    ///
    /// # Panics
    /// When an entry can not be given away.
    pub fn give_efs_away(&self) {
        for entry in walkdir::WalkDir::new(self.engine.shared(EFS).0).min_depth(1) {
            let entry = entry.expect("the file system can be walked");
            std::os::unix::fs::lchown(entry.path(), Some(ACCESS_POINT), Some(ACCESS_POINT)).expect("give a file away");
        }
    }

    /// RunTask.
    ///
    /// # Panics
    /// When the task can not be planned or made; the message has everything that is wrong.
    #[must_use]
    pub fn run(&self, definition: &Definition, overrides: &Overrides) -> Task<'_> {
        for efs in definition.volumes.iter().filter_map(|volume| volume.efs_volume_configuration.as_ref()) {
            let _ = self.access_point(efs);
        }
        Task::start(self, definition, overrides)
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What stands before the names of shared file systems and of disks, on the host.
    pub(super) fn folders(&self) -> (String, String) {
        (self.engine.shared(EFS).1, EBS.to_owned())
    }

    /// What tasks must not leave here once they were removed, one line each.
    #[must_use]
    pub fn left_behind(&self) -> Vec<String> {
        let registered = self.bed.github().registered();
        let mut left: Vec<String> = registered.iter().map(|runner| format!("registered at GitHub: {}", runner.name)).collect();
        let list = self.engine.sh(&format!(
            "ls -A {STORAGE}/ | sed 's/^/below {}: /'; docker ps --all --format 'container {{{{.Names}}}}'; docker volume ls --format 'volume {{{{.Name}}}}'",
            STORAGE.replace('/', "\\/")
        ));
        left.extend(list.lines().map(str::to_owned));
        left.extend(
            self.lives().into_iter().filter(|process| !self.processes.contains(process)).map(|process| format!("process {process}")),
        );
        left.extend(self.mounted().into_iter().filter(|point| !self.mounts.contains(point)).map(|point| format!("mounted: {point}")));
        left
    }

    /// Names of the processes on the host, each once, but for the dead and for those of this look.
    fn lives(&self) -> Vec<String> {
        let list = self.engine.sh("ps -e -o stat=,comm=");
        let living = list.lines().map(str::trim).filter(|line| !line.starts_with('Z')).filter_map(|line| line.split_whitespace().nth(1));
        living.filter(|name| !["ps", "sh"].contains(name)).map(str::to_owned).collect()
    }

    fn mounted(&self) -> Vec<String> {
        let table = fs::read_to_string(self.engine.path("/proc/1/mountinfo")).unwrap_or_default();
        table.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect()
    }
}

impl Drop for Instance {
    #[expect(clippy::print_stderr, reason = "the message of a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.engine.transcript());
        }
    }
}
