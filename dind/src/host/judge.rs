//! What the facts mean. Pure.

use std::fmt::Write as _;

use nix::errno::Errno;

use super::{
    Finding, Places, Prerequisite, cgroups,
    cures::Cure,
    facts::{Calls, Facts, Process},
    packet_filter, storage,
    trial::{Access, OPENS_WITH_RIGHTS},
};

/// capabilities(7) that dockerd cannot do without, by bit.
const NEEDED: [(u8, &str, &str); 2] =
    [(21, "SYS_ADMIN", "containers need mounts and namespaces"), (12, "NET_ADMIN", "dockerd sets up iptables and bridges, or dies")];

/// What docker gives every container (moby, daemon/pkg/oci/caps/defaults.go) and so must have itself: measured with Docker 26.1, without
/// CAP_NET_RAW alone runc starts no container ("unable to apply caps"), and without CAP_DAC_OVERRIDE no overlay can be used.
const USUAL: [(u8, &str); 14] = [
    (0, "CHOWN"),
    (1, "DAC_OVERRIDE"),
    (3, "FOWNER"),
    (4, "FSETID"),
    (5, "KILL"),
    (6, "SETGID"),
    (7, "SETUID"),
    (8, "SETPCAP"),
    (10, "NET_BIND_SERVICE"),
    (13, "NET_RAW"),
    (18, "SYS_CHROOT"),
    (27, "MKNOD"),
    (29, "AUDIT_WRITE"),
    (31, "SETFCAP"),
];

/// What runc needs more when containers are in a user namespace: it opens namespaces of a process of another user.
const SYS_PTRACE: u8 = 19;

/// Builds and databases open thousands; docker's own service asks for a million.
const FEW_FILES: u64 = 65_536;

/// Everything that docker stands on, in the order in which it is told.
pub fn judge(facts: &Facts, places: &Places<'_>) -> Vec<Prerequisite> {
    // Without the right to mount nothing can be remounted; that is one thing to cure and not three.
    let told = !facts.process.has(21) || (facts.trial.mounts == Err(Errno::EACCES) && facts.process.apparmor.is_some());
    vec![
        capabilities(&facts.process, places),
        system_calls(&facts.process, &facts.calls),
        mounts(facts),
        namespaces(facts, places),
        sysctl(facts.trial.sysctl, told),
        cgroups::judge(&facts.cgroup, facts.trial.cgroup, told, places.cgroup),
        programs(&facts.missing),
        packet_filter::judge(facts.packet_filter),
        storage::judge(&facts.storage, facts.trial.overlay, facts.process.apparmor.is_some(), places),
        task(&facts.task, places),
        open_files(facts.process.open_files),
    ]
}

/// Everything that is wrong, the worst first.
pub fn findings(pages: Vec<Prerequisite>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = pages.into_iter().flat_map(|page| page.findings).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    findings
}

fn capabilities(process: &Process, places: &Places<'_>) -> Prerequisite {
    let Some(mask) = process.capabilities else {
        let mut page = Prerequisite::seen("capabilities", "not to be told");
        let what = format!("cannot tell our capabilities: {} is not readable", places.proc.join("self/status").display());
        page.warn(what, Cure::anywhere("mount /proc; every container engine does so by itself"));
        return page;
    };
    let lacks = |bit: u8| mask & (1 << bit) == 0;
    let mut page = Prerequisite::seen("capabilities", "SYS_ADMIN and NET_ADMIN are there");
    for (_, name, why) in NEEDED.into_iter().filter(|(bit, ..)| lacks(*bit)) {
        page.seen = format!("not enough ({mask:#x})");
        page.refuse(format!("capability CAP_{name} is missing: {why}"), Cure::Privileges);
    }
    if places.remap && lacks(SYS_PTRACE) {
        let what = "capability CAP_SYS_PTRACE is missing: with userns-remap no container could start, because its namespaces are opened from outside";
        page.refuse(what, Cure::Ptrace);
    }
    let missing: Vec<String> = USUAL.iter().filter(|(bit, _)| lacks(*bit)).map(|(_, name)| format!("CAP_{name}")).collect();
    if !missing.is_empty() {
        page.seen = format!("not enough ({mask:#x})");
        page.refuse(
            format!("what docker gives every container is not ours to give, and none could start: {} missing", missing.join(", ")),
            Cure::UsualCapabilities,
        );
    }
    page
}

fn system_calls(process: &Process, calls: &Calls) -> Prerequisite {
    let mut seen = if process.filtered { "a seccomp filter is on" } else { "no seccomp filter" }.to_owned();
    if process.filtered && calls.refused.is_empty() {
        seen += ", and lets through what runc calls";
    }
    let mut page = Prerequisite::seen("system calls", seen);
    if !calls.refused.is_empty() {
        let names: Vec<String> = calls.refused.iter().map(|name| format!("{name}(2)")).collect();
        page.refuse(format!("the seccomp profile refuses {}: no container could start", names.join(" and ")), Cure::Seccomp);
    }
    match calls.openat2 {
        None => {}
        Some(Errno::ENOSYS) => page.refuse(
            "the kernel has no openat2(2), so what a job left could not be deleted without following its links",
            Cure::anywhere("use a host with kernel 5.6 or later"),
        ),
        Some(cause) => page.refuse(
            format!("openat2(2) is refused ({cause}), so what a job left could not be deleted without following its links"),
            Cure::Seccomp,
        ),
    }
    if process.no_new_privileges {
        page.warn("no program may gain privileges here: sudo fails in every container", Cure::NewPrivileges);
    }
    page
}

fn mounts(facts: &Facts) -> Prerequisite {
    let profile = facts.process.apparmor.as_deref();
    let mut page =
        Prerequisite::seen("mounts", profile.map_or_else(|| "no AppArmor profile".to_owned(), |name| format!("AppArmor: {name}")));
    match (facts.trial.mounts, profile) {
        (Ok(()), _) => page.seen.push_str(", a mount namespace can be made"),
        (Err(Errno::EACCES), Some(name)) => {
            page.refuse(format!("the AppArmor profile `{name}` forbids mounts: no container could start"), Cure::AppArmor);
        }
        // Told as a missing capability.
        (Err(_), _) if !facts.process.has(21) => page.seen.push_str(", mounts are not allowed"),
        (Err(Errno::EPERM), _) => page.refuse("the seccomp profile forbids mount namespaces: no container could start", Cure::Seccomp),
        (Err(cause), _) => page.refuse(format!("mounts are refused ({cause}): no container could start"), Cure::Privileges),
    }
    page
}

fn namespaces(facts: &Facts, places: &Places<'_>) -> Prerequisite {
    let mut page = Prerequisite::seen("user namespace", if facts.process.remapped { "one of its own" } else { "the host's" });
    if facts.process.remapped {
        page.warn(
            "this container is itself in a user namespace: overlays, device nodes and XFS quotas may be refused by the kernel",
            Cure::UserNamespace,
        );
    }
    if places.remap && !facts.masked.is_empty() {
        page.refuse(
            format!(
                "with userns-remap no container could start: parts of /proc are covered ({}), and the kernel allows no fresh /proc in a user namespace then",
                facts.masked.join(", ")
            ),
            Cure::SystemPaths,
        );
    }
    page
}

fn sysctl(access: Access, told: bool) -> Prerequisite {
    let mut page = Prerequisite::seen("/proc/sys", "writable");
    match access {
        Access::Writable => {}
        Access::Reopens => page.seen = "read-only; a start can remount it".to_owned(),
        Access::Closed if told => page.seen = OPENS_WITH_RIGHTS.to_owned(),
        Access::Closed => {
            page.seen = "read-only".to_owned();
            let what =
                "/proc/sys is read-only and cannot be remounted: no container could start, because docker sets net.ipv6.conf for each";
            page.refuse(what, Cure::Privileges);
        }
    }
    page
}

fn programs(missing: &[String]) -> Prerequisite {
    let mut page = Prerequisite::seen("programs", "dockerd, containerd, runc and iptables are there");
    if let Some((last, others)) = missing.split_last() {
        // One image lacks them all: that is one thing to repair.
        let programs = if others.is_empty() { format!("{last} is") } else { format!("{} and {last} are", others.join(", ")) };
        page.seen = format!("{programs} missing");
        page.refuse(
            format!("{programs} not there or not executable"),
            Cure::anywhere("install docker's engine, containerd, runc and iptables in the image"),
        );
    }
    page
}

fn task(seen: &Result<bool, String>, places: &Places<'_>) -> Prerequisite {
    let shown = places.task.display();
    let mut page = Prerequisite::seen("shared folder", shown.to_string());
    match seen {
        Ok(false) => {}
        Ok(true) => {
            page.warn(format!("{shown} is on the container's own file system: the runner's container cannot see it"), Cure::TaskVolume)
        }
        Err(cause) => page.refuse(format!("{shown} cannot be used as the shared folder: {cause}"), Cure::TaskVolume),
    }
    page
}

fn open_files(limit: u64) -> Prerequisite {
    let mut seen = String::from("at most ");
    // Writing to a string cannot fail.
    let _ = if limit >= i64::MAX.unsigned_abs() { write!(seen, "as many as the host") } else { write!(seen, "{limit}") };
    let mut page = Prerequisite::seen("open files", seen);
    if limit < FEW_FILES {
        page.warn(format!("only {limit} files may be open at once, in dockerd and in each container"), Cure::OpenFiles);
    }
    page
}
