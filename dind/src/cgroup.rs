//! Owns the nesting of cgroup v2: our own processes leave the root group, so that its controllers can be passed on to containers.
//!
//! A group with processes of its own cannot enable controllers for its children (cgroups(7), "no internal processes"). In a container
//! the "root" is such an ordinary group, so without nesting `docker run -m 64m` fails inside it.
//!
//! One round is one call; how often and how long to try is the caller's. Works on any root path.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use crate::mounts::Mount;

/// The group that takes our own processes.
const LEAF: &str = "init";

/// A round that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested {
    /// Controllers that containers can use now.
    pub enabled: Vec<String>,
    /// Controllers the kernel refuses to pass on, with its answer.
    pub refused: Vec<(String, String)>,
}

/// A round that did not.
#[derive(Debug, thiserror::Error)]
pub enum NestingError {
    /// The root group was not empty when its controllers were to be enabled: `docker exec` can put a process there at any time.
    #[error("cannot pass on cgroup controllers: {}", occupants(pids, *foreign))]
    Occupied {
        /// Processes that were moved and came back, or new ones.
        pids: Vec<i32>,
        /// Processes of an outer pid namespace, which show as 0 and cannot be moved from inside.
        foreign: usize,
    },
    /// The tree does not let itself be changed.
    #[error(
        "cannot {operation} {}: {cause}\nhint: run the container with --privileged, or with CAP_SYS_ADMIN, \
         seccomp=unconfined and a private cgroup namespace", path.display()
    )]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

impl NestingError {
    /// Another round can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Occupied { .. })
    }
}

fn occupants(pids: &[i32], foreign: usize) -> String {
    if foreign > 0 {
        return format!(
            "{foreign} processes from outside this container sit in its root group (they show as 0) and cannot be moved from inside\n\
             hint: give the container a cgroup namespace of its own (--cgroupns=private)"
        );
    }
    match pids {
        [] => "the root group is busy although no process shows in it".to_owned(),
        pids => {
            let list: Vec<String> = pids.iter().map(i32::to_string).collect();
            format!("processes keep coming into the root group: {}", list.join(", "))
        }
    }
}

/// Whether `root` is a unified (v2) hierarchy, which is how docker decides too.
pub fn is_unified(root: &Path) -> bool {
    root.join("cgroup.controllers").exists()
}

/// This container's own group in the tree that it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its directory.
    pub path: PathBuf,
    /// What docker must be told as the parent of its containers' groups, as a path from the top of the tree. Only with the host's cgroup
    /// namespace: there the top is the host's, and containers made below it would escape this container's own limits.
    pub parent: Option<String>,
}

impl Home {
    /// `own` is the text of `/proc/self/cgroup` (cgroups(7)), `table` that of the mounts.
    pub fn find(top: &Path, own: &str, table: &[Mount]) -> Self {
        let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        // A container that is not privileged may see its own group alone, mounted as if it were the top.
        let mounted = table.iter().rfind(|mount| mount.point == top).map_or(Path::new("/"), |mount| &mount.root);
        let below = Path::new(own).strip_prefix(mounted).unwrap_or(Path::new(""));
        // An earlier life in this container has moved us into the leaf.
        let below = if below.ends_with(LEAF) { below.parent().unwrap_or(below) } else { below };
        if below.as_os_str().is_empty() {
            return Self { path: top.to_owned(), parent: None };
        }
        Self { path: top.join(below), parent: Some(format!("/{}/docker", below.display())) }
    }
}

/// One round: makes the leaf, moves every process of the group `root` into it, enables each available controller. `root` is this
/// container's own group, so that nobody else's processes are in it.
///
/// # Errors
/// [`NestingError::Occupied`], worth another round, or [`NestingError::Refused`].
pub fn nest(root: &Path) -> Result<Nested, NestingError> {
    // The root of all groups has no type, may have processes beside children, and those in it are the host's.
    if !root.join("cgroup.type").exists() {
        return enable_all(root, 0);
    }
    let leaf = root.join(LEAF);
    if let Err(cause) = fs::create_dir(&leaf)
        && cause.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(NestingError::Refused { operation: "make the group", path: leaf, cause });
    }
    let mut foreign = 0;
    for pid in pids(root)? {
        if pid == 0 {
            foreign += 1;
        } else {
            move_into(&leaf, pid)?;
        }
    }
    enable_all(root, foreign)
}

fn pids(group: &Path) -> Result<Vec<i32>, NestingError> {
    let path = group.join("cgroup.procs");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect()),
        Err(cause) => Err(NestingError::Refused { operation: "read", path, cause }),
    }
}

fn move_into(leaf: &Path, pid: i32) -> Result<(), NestingError> {
    let path = leaf.join("cgroup.procs");
    match write(&path, &pid.to_string()) {
        Ok(()) => Ok(()),
        // It ended in between.
        Err(cause) if cause.raw_os_error() == Some(Errno::ESRCH as i32) => Ok(()),
        Err(cause) => Err(NestingError::Refused { operation: "move a process with", path, cause }),
    }
}

fn enable_all(root: &Path, foreign: usize) -> Result<Nested, NestingError> {
    let path = root.join("cgroup.controllers");
    let available = fs::read_to_string(&path).map_err(|cause| NestingError::Refused { operation: "read", path, cause })?;
    let control = root.join("cgroup.subtree_control");
    let mut nested = Nested { enabled: Vec::new(), refused: Vec::new() };
    // One by one: a list is all or nothing, and one odd controller must not cost the others.
    for controller in available.split_whitespace() {
        match write(&control, &format!("+{controller}")) {
            Ok(()) => nested.enabled.push(controller.to_owned()),
            Err(cause) if cause.kind() == io::ErrorKind::ResourceBusy => {
                let pids = pids(root)?.into_iter().filter(|&pid| pid != 0).collect();
                return Err(NestingError::Occupied { pids, foreign });
            }
            Err(cause) if cause.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return Err(NestingError::Refused { operation: "write", path: control, cause });
            }
            Err(cause) => nested.refused.push((controller.to_owned(), cause.to_string())),
        }
    }
    Ok(nested)
}

/// Kernel files take one write each and must not be truncated or created.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// The kernel's files as pipes, so that each write is seen as the kernel would see it: added, whatever the offset.
    struct Tree {
        root: tempfile::TempDir,
    }

    impl Tree {
        fn new(procs: &str, controllers: &str) -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::write(root.path().join("cgroup.procs"), procs).unwrap();
            fs::write(root.path().join("cgroup.controllers"), controllers).unwrap();
            fs::write(root.path().join("cgroup.type"), "domain\n").unwrap();
            fs::create_dir(root.path().join(LEAF)).unwrap();
            for pipe in ["cgroup.subtree_control", "init/cgroup.procs"] {
                nix::unistd::mkfifo(&root.path().join(pipe), nix::sys::stat::Mode::S_IRWXU).unwrap();
            }
            Self { root }
        }

        /// Opened for both ends, a pipe neither blocks its writers nor loses what they wrote (fifo(7)).
        fn open(&self, name: &str) -> fs::File {
            OpenOptions::new().read(true).write(true).open(self.root.path().join(name)).unwrap()
        }
    }

    fn written(pipe: &mut fs::File) -> String {
        let mut buffer = [0; 256];
        pipe.write_all(b"|").unwrap();
        let length = pipe.read(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim_end_matches('|').to_owned()
    }

    #[test]
    fn a_v1_tree_is_told_from_a_unified_one() {
        let tree = Tree::new("", "");
        assert!(is_unified(tree.root.path()));
        assert!(!is_unified(&tree.root.path().join(LEAF)));
    }

    #[test]
    fn every_process_of_the_root_is_moved_except_those_from_outside() {
        let tree = Tree::new("1\n0\n7\n4242\n", "cpuset cpu memory\n");
        let (mut leaf, mut control) = (tree.open("init/cgroup.procs"), tree.open("cgroup.subtree_control"));
        let nested = nest(tree.root.path()).unwrap();
        assert_eq!(nested, Nested { enabled: vec!["cpuset".into(), "cpu".into(), "memory".into()], refused: vec![] });
        assert_eq!(written(&mut leaf), "174242");
        assert_eq!(written(&mut control), "+cpuset+cpu+memory");
    }

    #[test]
    fn a_controller_that_is_refused_does_not_cost_the_round() {
        let tree = Tree::new("", "cpu\n");
        let control = tree.root.path().join("cgroup.subtree_control");
        fs::remove_file(&control).unwrap();
        std::os::unix::fs::symlink("/dev/full", control).unwrap();
        let nested = nest(tree.root.path()).unwrap();
        assert_eq!(nested.enabled, [""; 0]);
        assert!(nested.refused[0].0 == "cpu" && nested.refused[0].1.contains("No space"), "{nested:?}");
    }

    #[test]
    fn a_missing_leaf_is_made_and_a_tree_that_refuses_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cgroup.type"), "domain\n").unwrap();
        let error = nest(root.path()).unwrap_err();
        assert!(root.path().join(LEAF).is_dir());
        assert!(!error.is_passing());
        assert!(error.to_string().starts_with(&format!("cannot read {}", root.path().join("cgroup.procs").display())), "{error}");
    }

    #[test]
    fn at_the_root_of_all_groups_no_process_is_moved() {
        let tree = Tree::new("1\n2\n", "cpu\n");
        fs::remove_file(tree.root.path().join("cgroup.type")).unwrap();
        let (mut leaf, mut control) = (tree.open("init/cgroup.procs"), tree.open("cgroup.subtree_control"));
        assert_eq!(nest(tree.root.path()).unwrap().enabled, ["cpu"]);
        assert_eq!((written(&mut leaf).as_str(), written(&mut control).as_str()), ("", "+cpu"));
    }

    fn home(own: &str, root: &str) -> (String, Option<String>) {
        let mount = Mount { root: root.into(), point: "/sys/fs/cgroup".into(), ..Mount::default() };
        let Home { path, parent } = Home::find(Path::new("/sys/fs/cgroup"), own, &[mount]);
        (path.display().to_string(), parent)
    }

    #[test]
    fn with_a_namespace_of_our_own_our_group_is_the_top() {
        let top = ("/sys/fs/cgroup".to_owned(), None);
        assert_eq!(home("0::/\n", "/"), top);
        assert_eq!(home("0::/init\n", "/"), top, "the second life in one container");
        assert_eq!(home("12:memory:/docker/x\n0::/\n", "/"), top, "v1 lines beside it");
        assert_eq!(home("", "/"), top);
        assert_eq!(home("0::/docker/x\n", "/docker/x"), top, "only our own group is mounted");
        assert_eq!(home("0::/../y\n", "/x"), top, "moved from outside");
    }

    /// With `--cgroupns=host` the top of the tree is the host's: nesting there would move the host's processes into a group of ours, and
    /// docker's own default, `/docker`, is the group of the host's docker.
    #[test]
    fn with_the_hosts_namespace_our_group_is_somewhere_below() {
        let below = |name: &str| (format!("/sys/fs/cgroup/{name}"), Some(format!("/{name}/docker")));
        assert_eq!(home("0::/docker/x\n", "/"), below("docker/x"));
        assert_eq!(home("0::/docker/x/init\n", "/"), below("docker/x"));
        assert_eq!(home("0::/ecstasks-1.slice/docker-x.scope\n", "/"), below("ecstasks-1.slice/docker-x.scope"));
    }

    #[test]
    fn the_reason_names_the_processes_or_says_that_they_are_from_outside() {
        let busy = NestingError::Occupied { pids: vec![17, 18], foreign: 0 };
        assert!(busy.is_passing());
        assert_eq!(busy.to_string(), "cannot pass on cgroup controllers: processes keep coming into the root group: 17, 18");
        let foreign = NestingError::Occupied { pids: vec![], foreign: 2 }.to_string();
        assert!(foreign.contains("2 processes from outside") && foreign.contains("\nhint: "), "{foreign}");
    }
}
