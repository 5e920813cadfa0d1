use std::{ffi::OsStr, fs, os::unix::fs::PermissionsExt as _};

use checkup::{Checkup, Style};
use nix::errno::Errno;

use super::{
    Finding, Places, Weight,
    cgroups::Cgroup,
    cures::{self, Cure, Platform},
    facts::{self, Calls, Facts, Process},
    find,
    judge::{findings, judge},
    packet_filter::{PacketFilter, Tables},
    report,
    trial::{Access, Overlay, Trial},
};
use crate::{
    cgroup::Home,
    storage::{Kind, Mode, Seen, Space, Wish},
};

const ROOM: Space = Space { bytes: 120 << 30, free_bytes: 60 << 30, inodes: 60_000_000, free_inodes: 1_000_000 };
const WISH: Wish = Wish { mode: Mode::Xfs, quota: None };
const GOOD: Seen = Seen { kind: Kind::Xfs, entry_types: true, space: ROOM, quota: None, loops: None, has_maker: false };

fn places() -> Places<'static> {
    Places {
        proc: "/proc".as_ref(),
        cgroup: "/sys/fs/cgroup".as_ref(),
        search: OsStr::new("/bin"),
        dockerd: None,
        storage: "/var/docker-storage".as_ref(),
        wish: WISH,
        task: "/run/task".as_ref(),
        remap: false,
    }
}

fn unified() -> Cgroup {
    Cgroup::Unified {
        home: Home { path: "/sys/fs/cgroup".into(), parent: None },
        controllers: ["cpu", "memory", "pids"].map(str::to_owned).to_vec(),
        kind: Some("domain".into()),
        permitted: true,
    }
}

fn good() -> Facts {
    Facts {
        process: Process {
            capabilities: Some(u64::MAX),
            filtered: false,
            no_new_privileges: false,
            apparmor: None,
            remapped: false,
            open_files: 1_048_576,
        },
        calls: Calls::default(),
        masked: vec![],
        trial: Trial { mounts: Ok(()), cgroup: Access::Writable, sysctl: Access::Writable, overlay: Overlay::Works },
        cgroup: unified(),
        packet_filter: PacketFilter { tables: Some(Tables::Nft), there: Some(true) },
        missing: vec![],
        storage: Ok(GOOD),
        task: Ok(false),
    }
}

/// What docker gives a container that asks for nothing, with two capabilities more.
fn plain_container() -> Facts {
    let good = good();
    Facts {
        process: Process { capabilities: Some(0xa82c_35fb), filtered: true, ..good.process.clone() },
        calls: Calls { refused: vec!["keyctl", "pivot_root"], openat2: None },
        trial: Trial { cgroup: Access::Reopens, sysctl: Access::Reopens, ..good.trial },
        ..good
    }
}

/// Everything that can be wrong at once.
fn hopeless() -> Facts {
    Facts {
        process: Process {
            capabilities: Some(1 << 12),
            filtered: true,
            no_new_privileges: true,
            apparmor: Some("docker-default (enforce)".into()),
            remapped: true,
            open_files: 1024,
        },
        calls: Calls { refused: vec!["keyctl"], openat2: Some(Errno::ENOSYS) },
        masked: vec!["kcore".into(), "sys".into()],
        trial: Trial { mounts: Err(Errno::EACCES), cgroup: Access::Closed, sysctl: Access::Closed, overlay: Overlay::NotTried },
        cgroup: Cgroup::Legacy,
        packet_filter: PacketFilter { tables: Some(Tables::Nft), there: Some(false) },
        missing: vec!["runc".into(), "/opt/dockerd".into()],
        storage: Ok(Seen { kind: Kind::Overlay, space: Space { free_bytes: 1 << 30, free_inodes: 5, ..ROOM }, ..GOOD }),
        task: Ok(true),
    }
}

fn found(facts: &Facts) -> Vec<Finding> {
    findings(judge(facts, &places()))
}

fn checkup(facts: &Facts, places: &Places<'_>, platform: Option<Platform>) -> Checkup {
    let sections = report::sections(judge(facts, places));
    Checkup { program: "runner-dind", version: "0.1.0", platform, configuration: vec![], settings: vec![], sections }
}

fn text(facts: &Facts, places: &Places<'_>, platform: Option<Platform>) -> String {
    checkup(facts, places, platform).text(Style::default())
}

#[test]
fn everything_that_is_judged_stands_under_its_heading() {
    let known: usize = checkup(&good(), &places(), None).sections.iter().map(|section| section.checks.len()).sum();
    assert_eq!(known, judge(&good(), &places()).len());
    for page in judge(&good(), &places()) {
        assert!(report::SECTIONS.iter().any(|(_, names)| names.contains(&page.name)), "{}", page.name);
    }
}

#[test]
fn a_good_host_gives_no_findings() {
    assert_eq!(found(&good()), []);
    insta::assert_snapshot!(text(&good(), &places(), None));
}

#[test]
fn everything_wrong_is_told_at_once_and_refusals_come_first() {
    let all = found(&hopeless());
    assert!(all.is_sorted_by_key(|finding| std::cmp::Reverse(finding.weight)));
    insta::assert_snapshot!(cures::render(&all, None));
}

#[test]
fn the_report_of_a_hopeless_host_on_each_platform() {
    let remap = Places { remap: true, ..places() };
    for platform in Platform::ALL {
        insta::assert_snapshot!(format!("hopeless_on_{}", platform.name().replace(' ', "_")), text(&hopeless(), &remap, Some(platform)));
    }
}

#[test]
fn the_report_of_a_container_with_two_capabilities_and_the_usual_profile() {
    insta::assert_snapshot!(text(&plain_container(), &places(), None));
}

#[test]
fn a_program_reads_the_same_report() {
    let json = checkup(&plain_container(), &places(), Some(Platform::Ecs)).json();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.lines().count(), 1);
    assert_eq!((value["status"].as_str(), value["exit_code"].as_u64(), value["platform"].as_str()), (Some("fail"), Some(71), Some("ECS")));
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn what_makes_a_start_impossible_is_a_refusal() {
    let good = good();
    let with = |process: Process| Facts { process, ..good.clone() };
    let tried = |trial: Trial| Facts { trial, ..good.clone() };
    let kind = |kind: &str| {
        let Cgroup::Unified { home, controllers, permitted, .. } = unified() else { panic!("v2") };
        Facts { cgroup: Cgroup::Unified { home, controllers, kind: Some(kind.to_owned()), permitted }, ..good.clone() }
    };
    let refusals = [
        with(Process { capabilities: Some(!(1 << 21)), ..good.process.clone() }),
        with(Process { capabilities: Some(!(1 << 12)), ..good.process.clone() }),
        with(Process { capabilities: Some(!(1 << 27)), ..good.process.clone() }),
        Facts { calls: Calls { refused: vec!["keyctl"], openat2: None }, ..good.clone() },
        Facts { calls: Calls { refused: vec![], openat2: Some(Errno::ENOSYS) }, ..good.clone() },
        Facts { calls: Calls { refused: vec![], openat2: Some(Errno::EPERM) }, ..good.clone() },
        tried(Trial { mounts: Err(Errno::EPERM), ..good.trial }),
        tried(Trial { mounts: Err(Errno::EACCES), ..good.trial }),
        tried(Trial { cgroup: Access::Closed, ..good.trial }),
        tried(Trial { sysctl: Access::Closed, ..good.trial }),
        tried(Trial { overlay: Overlay::Refused(Errno::ENODEV), ..good.trial }),
        tried(Trial { overlay: Overlay::Refused(Errno::EINVAL), ..good.trial }),
        kind("threaded"),
        kind("domain invalid"),
        Facts { cgroup: Cgroup::None, ..good.clone() },
        Facts { packet_filter: PacketFilter { tables: Some(Tables::Nft), there: Some(false) }, ..good.clone() },
        Facts { missing: vec!["dockerd".into()], ..good.clone() },
        Facts { storage: Ok(Seen { entry_types: false, ..GOOD }), ..good.clone() },
        Facts { storage: Ok(Seen { kind: Kind::Overlay, ..GOOD }), ..good.clone() },
        Facts { storage: Ok(Seen { kind: Kind::Other, ..GOOD }), ..good.clone() },
        Facts { storage: Err("No such file or directory".into()), ..good.clone() },
        Facts { task: Err("/run is read-only".into()), ..good.clone() },
    ];
    for facts in refusals {
        let all = found(&facts);
        assert_eq!((all.len(), all[0].weight), (1, Weight::Refusal), "one thing is wrong and told once: {all:#?}");
    }
}

#[test]
fn what_a_start_can_live_with_is_a_warning() {
    let good = good();
    let with = |process: Process| Facts { process, ..good.clone() };
    let Cgroup::Unified { home, kind, .. } = unified() else { panic!("v2") };
    let warnings = [
        with(Process { capabilities: None, ..good.process.clone() }),
        with(Process { no_new_privileges: true, ..good.process.clone() }),
        with(Process { remapped: true, ..good.process.clone() }),
        with(Process { open_files: 1024, ..good.process.clone() }),
        Facts { cgroup: Cgroup::Legacy, ..good.clone() },
        Facts { cgroup: Cgroup::Hybrid, ..good.clone() },
        Facts { cgroup: Cgroup::Unified { home, controllers: vec!["hugetlb".into()], kind, permitted: true }, ..good.clone() },
        Facts { packet_filter: PacketFilter { tables: Some(Tables::Legacy), there: Some(false) }, ..good.clone() },
        Facts { storage: Ok(Seen { space: Space { free_bytes: 1 << 30, ..ROOM }, ..GOOD }), ..good.clone() },
        Facts { storage: Ok(Seen { space: Space { free_inodes: 9, ..ROOM }, ..GOOD }), ..good.clone() },
        Facts { task: Ok(true), ..good.clone() },
    ];
    for facts in warnings {
        let all = found(&facts);
        assert_eq!((all.len(), all[0].weight), (1, Weight::Warning), "one thing is odd and told once: {all:#?}");
    }
}

/// Seen with `--cap-drop ALL`: the kernel's answer to the overlay is the same EACCES as AppArmor's.
#[test]
fn an_overlay_that_is_denied_is_blamed_on_apparmor_only_where_there_is_a_profile() {
    let denied = Facts { trial: Trial { overlay: Overlay::Refused(Errno::EACCES), ..good().trial }, ..good() };
    assert_eq!(found(&denied)[0].cure, Cure::UsualCapabilities);
    let process = Process { apparmor: Some("docker-default (enforce)".into()), ..good().process };
    assert_eq!(found(&Facts { process, ..denied })[0].cure, Cure::AppArmor);
}

#[test]
fn what_a_start_opens_up_itself_is_no_finding() {
    let good = good();
    let closed = Facts { trial: Trial { cgroup: Access::Reopens, sysctl: Access::Reopens, ..good.trial }, ..good };
    assert_eq!(found(&closed), []);
}

/// Seen under AppArmor's docker-default: the two mounts that a start remounts were told as two things more, with a cure that does not help.
#[test]
fn what_is_read_only_for_want_of_a_right_is_not_told_beside_that_right() {
    let closed = Trial { cgroup: Access::Closed, sysctl: Access::Closed, ..good().trial };
    let process = Process { capabilities: Some(!(1 << 21)), ..good().process };
    assert_eq!(found(&Facts { process, trial: Trial { mounts: Err(Errno::EPERM), ..closed }, ..good() }).len(), 1);
    let process = Process { apparmor: Some("docker-default (enforce)".into()), ..good().process };
    let all = found(&Facts { process, trial: Trial { mounts: Err(Errno::EACCES), ..closed }, ..good() });
    assert_eq!((all.len(), &all[0].cure), (1, &Cure::AppArmor));
    assert_eq!(found(&Facts { trial: closed, ..good() }).len(), 2, "with the right it is another matter");
}

#[test]
fn a_user_namespace_for_containers_asks_for_more() {
    let remap = Places { remap: true, ..places() };
    let wrong = |facts: &Facts| findings(judge(facts, &remap)).len();
    assert_eq!(wrong(&good()), 0);
    assert_eq!(wrong(&Facts { masked: vec!["kcore".into()], ..good() }), 1);
    let no_ptrace = Process { capabilities: Some(!(1 << 19)), ..good().process };
    assert_eq!(wrong(&Facts { process: no_ptrace, ..good() }), 1);
}

#[test]
fn every_cure_has_words_for_every_platform_and_the_known_one_is_told_alone() {
    use Cure::{
        AppArmor, NewPrivileges, OpenFiles, Privileges, Ptrace, Seccomp, StorageVolume, SystemPaths, TaskVolume, UserNamespace,
        UsualCapabilities,
    };
    for cure in [
        Privileges,
        UsualCapabilities,
        Ptrace,
        Seccomp,
        AppArmor,
        SystemPaths,
        StorageVolume,
        TaskVolume,
        OpenFiles,
        NewPrivileges,
        UserNamespace,
    ] {
        assert_eq!(Platform::ALL.into_iter().filter(|platform| cure.on(*platform).is_some()).count(), 4, "{cure:?}");
    }
    let finding = Finding { weight: Weight::Warning, what: "it is broken".into(), cure: Cure::anywhere("mend it") };
    assert_eq!(cures::render([&finding], Some(Platform::Ecs)), "it is broken\nhint: mend it");
}

/// ECS has no field for a seccomp profile: capabilities alone, which other platforms can live with, are no cure there.
#[test]
fn ecs_is_told_that_only_privileged_will_do() {
    for cure in [Cure::Privileges, Cure::Seccomp] {
        let words = cure.on(Platform::Ecs).unwrap();
        assert!(words.starts_with("\"privileged\": true") && words.contains("no field for seccomp"), "{words}");
    }
}

#[test]
fn a_fake_host_is_seen_as_it_is() {
    let host = tempfile::tempdir().unwrap();
    let at = |name: &str| host.path().join(name);
    for directory in ["proc/self", "cgroup", "bin"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    fs::write(at("proc/self/status"), "CapEff:\t0000000000200000\n").unwrap();
    for (program, mode) in [("dockerd", 0o755), ("runc", 0o755), ("containerd", 0o644)] {
        fs::write(at("bin").join(program), "").unwrap();
        fs::set_permissions(at("bin").join(program), fs::Permissions::from_mode(mode)).unwrap();
    }
    let (proc, cgroup, storage, task) = (at("proc"), at("cgroup"), at("nowhere"), at("task/below"));
    let search = at("bin").into_os_string();
    let places =
        Places { proc: &proc, cgroup: &cgroup, search: &search, dockerd: None, storage: &storage, wish: WISH, task: &task, remap: false };
    let seen = facts::look(&places);
    assert_eq!(seen.process.capabilities, Some(1 << 21));
    assert_eq!(seen.cgroup, Cgroup::None);
    assert_eq!(seen.missing, ["containerd", "iptables"]);
    assert_eq!(seen.storage, Err("No such file or directory".to_owned()));
    assert!(seen.task.is_ok());
    assert_eq!(find("runc", &search), Some(at("bin/runc")));

    let elsewhere = at("opt/dockerd");
    assert!(facts::look(&Places { dockerd: Some(&elsewhere), ..places.clone() }).missing.contains(&elsewhere.display().to_string()));
    fs::create_dir(&storage).unwrap();
    assert!(facts::look(&places).storage.unwrap().entry_types);
}
