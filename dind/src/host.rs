//! Owns the question whether this host and container can carry a docker daemon: facts are gathered first, judged together, and reported
//! all at once. Changes nothing. Every path is a parameter.

use std::{
    ffi::OsStr,
    fmt, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nix::{
    sys::statfs,
    unistd::{AccessFlags, access},
};

use crate::{
    cgroup,
    storage::{self, Seen, Wish},
};

/// capabilities(7) that dockerd cannot do without, by bit.
const NEEDED_CAPABILITIES: [(u8, &str, &str); 2] =
    [(21, "SYS_ADMIN", "containers need mounts and namespaces"), (12, "NET_ADMIN", "dockerd sets up iptables and bridges, or dies")];

/// Without these docker has no networks, no runtime or no daemon.
const PROGRAMS: [&str; 4] = ["dockerd", "containerd", "runc", "iptables"];

/// Where the facts are.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    /// `/proc/self/status` (proc_pid_status(5)).
    pub status: &'a Path,
    /// `/sys/fs/cgroup`.
    pub cgroup: &'a Path,
    /// `PATH` of this process.
    pub search: &'a OsStr,
    /// The daemon's program if configured; else it is searched for.
    pub dockerd: Option<&'a Path>,
    /// The volume for data-roots.
    pub storage: &'a Path,
    /// What is wished for there.
    pub wish: Wish,
    /// The folder shared with the runner.
    pub task: &'a Path,
    /// Remounting what is read-only has been tried already.
    pub remounted: bool,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It can go well.
    Warning,
    /// It cannot.
    Refusal,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.what, self.hint)
    }
}

/// How control groups are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroup {
    /// v2, and it can be written.
    Unified,
    /// v2, mounted read-only.
    ReadOnly,
    /// v1, or v1 with v2 beside it: docker decides by what is mounted at the root.
    Legacy,
    /// Nothing is mounted.
    None,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The effective capability set; `None` if it cannot be read.
    pub capabilities: Option<u64>,
    /// Control groups.
    pub cgroup: Cgroup,
    /// Programs that are not to be found.
    pub missing: Vec<String>,
    /// The storage root, or why it cannot be used.
    pub storage: Result<Seen, String>,
    /// The shared folder is on the container's own file system; or why it cannot be made.
    pub task: Result<bool, String>,
}

/// Looks at everything.
pub fn look(places: &Places<'_>) -> Facts {
    Facts {
        capabilities: fs::read_to_string(places.status).ok().and_then(|text| effective_capabilities(&text)),
        cgroup: cgroups(places.cgroup),
        missing: missing(places),
        storage: storage::look(places.storage, &places.wish, find(storage::MAKER, places.search).is_some()),
        task: task(places.task),
    }
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn cgroups(root: &Path) -> Cgroup {
    if cgroup::is_unified(root) {
        return if access(root, AccessFlags::W_OK).is_ok() { Cgroup::Unified } else { Cgroup::ReadOnly };
    }
    match fs::read_dir(root).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Cgroup::Legacy,
        _ => Cgroup::None,
    }
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

/// The first program of that name in a `PATH`.
pub fn find(name: &str, search: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search).map(|directory| directory.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The nearest directory that exists tells where the folder would be.
fn task(path: &Path) -> Result<bool, String> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        return Err(format!("{} is not a directory", existing.display()));
    }
    access(existing, AccessFlags::W_OK).map_err(|cause| format!("{}: {}", existing.display(), cause.desc()))?;
    let found = statfs::statfs(existing).map_err(|cause| cause.desc().to_owned())?;
    Ok(found.filesystem_type() == statfs::OVERLAYFS_SUPER_MAGIC)
}

/// Everything that is wrong, the worst first.
pub fn judge(facts: &Facts, places: &Places<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |weight, what: String, hint: &str| findings.push(Finding { weight, what, hint: hint.to_owned() });

    match facts.capabilities {
        Some(mask) => {
            for (bit, name, why) in NEEDED_CAPABILITIES {
                if mask & (1 << bit) == 0 {
                    let hint =
                        "run the container with --privileged, or with --cap-add SYS_ADMIN --cap-add NET_ADMIN and seccomp=unconfined";
                    add(Weight::Refusal, format!("capability CAP_{name} is missing: {why}"), hint);
                }
            }
        }
        None => add(Weight::Warning, format!("cannot tell our capabilities: {} is not readable", places.status.display()), "mount /proc"),
    }

    let root = places.cgroup.display();
    match facts.cgroup {
        Cgroup::Unified => {}
        Cgroup::ReadOnly if !places.remounted => add(
            Weight::Warning,
            format!("{root} is read-only: a start will try to remount it, and fail if it may not"),
            "run the container with --privileged, or with CAP_SYS_ADMIN and seccomp=unconfined",
        ),
        Cgroup::ReadOnly => add(
            Weight::Refusal,
            format!("{root} is read-only: no container could start"),
            "run the container with --privileged, or with seccomp=unconfined so that it can be remounted",
        ),
        Cgroup::Legacy => add(
            Weight::Warning,
            format!("{root} is cgroup v1 or hybrid: limits of containers follow the host's old hierarchies, nesting is left out"),
            "boot the host with systemd.unified_cgroup_hierarchy=1, or use a distribution of 2022 or later",
        ),
        Cgroup::None => add(Weight::Refusal, format!("no control groups at {root}: no container could start"), "mount cgroup2 there"),
    }

    if let Some((last, others)) = facts.missing.split_last() {
        // One image lacks them all: that is one thing to repair.
        let programs = if others.is_empty() { format!("{last} is") } else { format!("{} and {last} are", others.join(", ")) };
        add(
            Weight::Refusal,
            format!("{programs} not there or not executable"),
            "install docker's engine, containerd, runc and iptables in the image",
        );
    }

    for remark in storage::judge(&facts.storage, places.storage, &places.wish) {
        add(if remark.refusal { Weight::Refusal } else { Weight::Warning }, remark.what, &remark.hint);
    }

    match &facts.task {
        Ok(false) => {}
        Ok(true) => add(
            Weight::Warning,
            format!("{} is on the container's own file system: the runner's container cannot see it", places.task.display()),
            "mount one volume at this path in both containers",
        ),
        Err(cause) => add(
            Weight::Refusal,
            format!("{} cannot be used as the shared folder: {cause}", places.task.display()),
            "mount one volume at TASK_DIR in both containers",
        ),
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Kind, Mode, Space};

    const ROOM: Space = Space { bytes: u64::MAX, free_bytes: u64::MAX, inodes: u64::MAX, free_inodes: u64::MAX };
    const GOOD: Seen =
        Seen { kind: Kind::Xfs, entry_types: true, space: ROOM, quota: None, overlay_works: None, loops: None, has_maker: false };
    const WISH: Wish = Wish { mode: Mode::Xfs, quota: None };

    fn good() -> Facts {
        Facts { capabilities: Some(u64::MAX), cgroup: Cgroup::Unified, missing: vec![], storage: Ok(GOOD), task: Ok(false) }
    }

    fn findings(facts: &Facts) -> Vec<Finding> {
        let places = Places {
            status: "/proc/self/status".as_ref(),
            cgroup: "/sys/fs/cgroup".as_ref(),
            search: OsStr::new("/bin"),
            dockerd: None,
            storage: "/var/docker-storage".as_ref(),
            wish: WISH,
            task: "/run/task".as_ref(),
            remounted: true,
        };
        judge(facts, &places)
    }

    #[test]
    fn a_good_host_gives_no_findings() {
        assert_eq!(findings(&good()), []);
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_refusals_come_first() {
        let facts = Facts {
            capabilities: Some(1 << 12),
            cgroup: Cgroup::Legacy,
            missing: vec!["runc".into(), "/opt/dockerd".into()],
            storage: Ok(Seen { kind: Kind::Overlay, space: Space { free_bytes: 1 << 30, free_inodes: 5, ..ROOM }, ..GOOD }),
            task: Ok(true),
        };
        let all: Vec<String> = findings(&facts).iter().map(|finding| format!("{:?}: {finding}", finding.weight)).collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn what_makes_a_start_impossible_is_a_refusal() {
        let refusals: [Facts; 6] = [
            Facts { capabilities: Some(0), ..good() },
            Facts { cgroup: Cgroup::ReadOnly, ..good() },
            Facts { cgroup: Cgroup::None, ..good() },
            Facts { missing: vec!["dockerd".into()], ..good() },
            Facts { storage: Ok(Seen { entry_types: false, ..GOOD }), ..good() },
            Facts { task: Err("/run is read-only".into()), ..good() },
        ];
        for facts in refusals {
            assert_eq!(findings(&facts)[0].weight, Weight::Refusal, "{facts:?}");
        }
    }

    #[test]
    fn capabilities_are_read_from_the_effective_set() {
        assert_eq!(effective_capabilities("Name:\tx\nCapPrm:\tff\nCapEff:\t00000000a80425fb\n"), Some(0xa804_25fb));
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
    }

    #[test]
    fn a_fake_host_is_seen_as_it_is() {
        let host = tempfile::tempdir().unwrap();
        let at = |name: &str| host.path().join(name);
        fs::create_dir_all(at("cgroup")).unwrap();
        fs::create_dir(at("bin")).unwrap();
        fs::write(at("status"), "CapEff:\t0000000000200000\n").unwrap();
        for (program, mode) in [("dockerd", 0o755), ("runc", 0o755), ("containerd", 0o644)] {
            fs::write(at("bin").join(program), "").unwrap();
            fs::set_permissions(at("bin").join(program), fs::Permissions::from_mode(mode)).unwrap();
        }
        let (status, cgroup, storage, task) = (at("status"), at("cgroup"), at("nowhere"), at("task/below"));
        let search = at("bin").into_os_string();
        let places = Places {
            status: &status,
            cgroup: &cgroup,
            search: &search,
            dockerd: None,
            storage: &storage,
            wish: WISH,
            task: &task,
            remounted: true,
        };
        let facts = look(&places);
        assert_eq!(facts.capabilities, Some(1 << 21));
        assert_eq!(facts.cgroup, Cgroup::None);
        assert_eq!(facts.missing, ["containerd", "iptables"]);
        assert_eq!(facts.storage, Err("No such file or directory".to_owned()));
        assert!(facts.task.is_ok());

        fs::create_dir(at("cgroup/memory")).unwrap();
        assert_eq!(look(&places).cgroup, Cgroup::Legacy);
        fs::write(at("cgroup/cgroup.controllers"), "cpu").unwrap();
        assert_eq!(look(&places).cgroup, Cgroup::Unified);
        let elsewhere = at("opt/dockerd");
        assert!(look(&Places { dockerd: Some(&elsewhere), ..places.clone() }).missing.contains(&elsewhere.display().to_string()));
        fs::create_dir(&storage).unwrap();
        assert!(look(&places).storage.unwrap().entry_types);
    }

    #[test]
    fn a_shared_folder_below_a_file_cannot_be_made() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(task(&file.path().join("task")).unwrap_err().ends_with("is not a directory"));
    }
}
