//! What is seen of this process, its rights and its surroundings. Looks, and judges nothing.

use std::{fs, path::Path};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2},
    sys::{
        resource::{Resource, getrlimit},
        statfs,
    },
    unistd::{AccessFlags, access, pivot_root},
};

use super::{Places, cgroups, cgroups::Cgroup, find, is_program, packet_filter, packet_filter::PacketFilter, trial, trial::Trial};
use crate::{
    mounts,
    storage::{self, Seen},
};

/// Without these docker has no networks, no runtime or no daemon.
const PROGRAMS: [&str; 4] = ["dockerd", "containerd", "runc", "iptables"];

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// This process.
    pub process: Process,
    /// What a seccomp profile keeps from us.
    pub calls: Calls,
    /// Mount points in /proc that hide or protect what is below.
    pub masked: Vec<String>,
    /// What was tried.
    pub trial: Trial,
    /// Control groups.
    pub cgroup: Cgroup,
    /// The kernel's packet filter and the program for it.
    pub packet_filter: PacketFilter,
    /// Programs that are not to be found.
    pub missing: Vec<String>,
    /// The storage root, or why it cannot be used.
    pub storage: Result<Seen, String>,
    /// The shared folder is on the container's own file system; or why it cannot be made.
    pub task: Result<bool, String>,
}

/// What this process is and may, as /proc tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The effective capability set; `None` if it cannot be read.
    pub capabilities: Option<u64>,
    /// A seccomp filter is on it.
    pub filtered: bool,
    /// It and what it starts cannot gain privileges: no sudo in any container.
    pub no_new_privileges: bool,
    /// The AppArmor profile and its mode; `None` where there is no AppArmor or it confines nothing.
    pub apparmor: Option<String>,
    /// It is in a user namespace of its own.
    pub remapped: bool,
    /// How many files it may open at most (`RLIMIT_NOFILE`).
    pub open_files: u64,
}

/// System calls that were tried in a way that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calls {
    /// Refused with EPERM although the capability for it is there: a seccomp profile does that.
    pub refused: Vec<&'static str>,
    /// openat2(2) is missing (kernels before 5.6) or refused (profiles from before it).
    pub openat2: Option<Errno>,
}

/// Looks at everything.
pub fn look(places: &Places<'_>) -> Facts {
    let process = process(&places.proc.join("self"));
    let may_mount = process.has(21);
    let own_groups = fs::read_to_string(places.proc.join("self/cgroup")).unwrap_or_default();
    let table = mounts::read(&places.proc.join("self/mountinfo")).unwrap_or_default();
    Facts {
        calls: calls(may_mount),
        masked: masked(&table, places.proc),
        trial: trial::run(places),
        cgroup: cgroups::look(places.cgroup, &own_groups, &table),
        packet_filter: packet_filter::look(places.search, places.proc, process.has(12)),
        missing: missing(places),
        storage: storage::look(places.storage, &places.wish, find(storage::MAKER, places.search).is_some()),
        task: task(places.task),
        process,
    }
}

impl Process {
    /// Has the capability of that number (capabilities(7)); also where that cannot be told.
    pub fn has(&self, capability: u8) -> bool {
        self.capabilities.is_none_or(|mask| mask & (1 << capability) != 0)
    }
}

fn process(own: &Path) -> Process {
    let status = fs::read_to_string(own.join("status")).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    // proc_pid_attr(5): a name and its mode in brackets, or `unconfined`. Other security modules have other words there.
    let label = fs::read_to_string(own.join("attr/current")).unwrap_or_default();
    let label = label.trim_end_matches(['\0', '\n']);
    let whole = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
    Process {
        capabilities: field("CapEff").and_then(|mask| u64::from_str_radix(mask, 16).ok()),
        filtered: field("Seccomp") == Some("2"),
        no_new_privileges: field("NoNewPrivs") == Some("1"),
        apparmor: [" (enforce)", " (kill)"].iter().any(|mode| label.ends_with(mode)).then(|| label.to_owned()),
        remapped: fs::read_to_string(own.join("uid_map")).is_ok_and(|map| !whole(map)),
        open_files: getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard),
    }
}

/// Both calls of runc that docker's default profile forbids and no capability opens (moby/profiles, seccomp/default.json). Each answers
/// EPERM from the filter before it looks at what it was given.
fn calls(may_mount: bool) -> Calls {
    let mut refused = Vec::new();
    // runc gives each container a session keyring; a kernel without keyrings is all the same to it.
    if supervise::session_keyring() == Err(Errno::EPERM) {
        refused.push("keyctl");
    }
    // An empty path is ENOENT; without CAP_SYS_ADMIN EPERM is the kernel's own answer.
    if may_mount && pivot_root("", "") == Err(Errno::EPERM) {
        refused.push("pivot_root");
    }
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    Calls { refused, openat2: openat2(AT_FDCWD, "/", how).err() }
}

/// What is mounted on parts of /proc. The kernel allows no fresh /proc in a user namespace while any of it is covered
/// (fs/namespace.c, `mnt_already_visible`), but for directories that are always empty.
fn masked(table: &[mounts::Mount], proc: &Path) -> Vec<String> {
    const ALWAYS_EMPTY: &str = "sys/fs/binfmt_misc";
    let below = table.iter().filter_map(|mount| mount.point.strip_prefix(proc).ok());
    let mut names: Vec<String> =
        below.map(|path| path.display().to_string()).filter(|path| !path.is_empty() && path != ALWAYS_EMPTY).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn missing(places: &Places<'_>) -> Vec<String> {
    PROGRAMS
        .into_iter()
        .filter_map(|name| match places.dockerd {
            Some(path) if name == "dockerd" => (!is_program(path)).then(|| path.display().to_string()),
            _ => find(name, places.search).is_none().then(|| name.to_owned()),
        })
        .collect()
}

/// The nearest directory that exists tells where the folder would be.
pub(super) fn task(path: &Path) -> Result<bool, String> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        return Err(format!("{} is not a directory", existing.display()));
    }
    access(existing, AccessFlags::W_OK).map_err(|cause| format!("{}: {}", existing.display(), cause.desc()))?;
    let found = statfs::statfs(existing).map_err(|cause| cause.desc().to_owned())?;
    Ok(found.filesystem_type() == statfs::OVERLAYFS_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(files: &[(&str, &str)]) -> Process {
        let own = tempfile::tempdir().unwrap();
        fs::create_dir(own.path().join("attr")).unwrap();
        for (name, text) in files {
            fs::write(own.path().join(name), text).unwrap();
        }
        process(own.path())
    }

    #[test]
    fn a_process_is_read_from_its_files() {
        let status = "Name:\tx\nCapPrm:\tff\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let confined = seen(&[("status", status), ("attr/current", "docker-default (enforce)\n"), ("uid_map", "0 100000 65536\n")]);
        assert_eq!(confined.capabilities, Some(0xa804_25fb));
        assert!(confined.filtered && confined.no_new_privileges && confined.remapped);
        assert_eq!(confined.apparmor.as_deref(), Some("docker-default (enforce)"));
        assert!(confined.has(12) == (0xa804_25fb_u64 & (1 << 12) != 0) && !confined.has(21));
    }

    #[test]
    fn what_cannot_be_read_is_taken_for_granted() {
        let free = seen(&[]);
        assert!(free.has(21) && !free.filtered && !free.no_new_privileges && !free.remapped && free.apparmor.is_none());
        let outside = seen(&[("attr/current", "unconfined\n"), ("uid_map", "         0          0 4294967295\n")]);
        assert!(!outside.remapped && outside.apparmor.is_none());
        let labelled = seen(&[("attr/current", "system_u:system_r:container_t:s0:c1,c2\0")]);
        assert_eq!(labelled.apparmor, None, "SELinux has its labels in the same file");
        assert_eq!(seen(&[("attr/current", "mine (complain)\n")]).apparmor, None, "it only tells");
    }

    #[test]
    fn what_is_mounted_on_parts_of_proc_is_named_once_and_what_hides_nothing_is_not() {
        let mount = |point: &str| mounts::Mount { point: point.into(), ..mounts::Mount::default() };
        let table = ["/", "/proc", "/proc/kcore", "/proc/sys", "/proc/kcore", "/proc/sys/fs/binfmt_misc", "/process"].map(mount);
        assert_eq!(masked(&table, Path::new("/proc")), ["kcore", "sys"]);
    }

    #[test]
    fn a_shared_folder_below_a_file_cannot_be_made() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(task(&file.path().join("task")).unwrap_err().ends_with("is not a directory"));
    }
}
