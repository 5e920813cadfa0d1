//! The AMI's recipe on a machine of this computer: Packer builds it with the same scripts, it boots anew, proves itself, and runs the pair.
//! Minutes: `cargo xtask test ami`. What this cannot show stands in ami/README.md.
//!
//! One build and two boots for all; each test looks at what became of its scenario.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

mod again;
mod packer;
mod scenarios;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use runner_tests::{
    fixtures::RunnerHome,
    need::{Need, need},
    programs::{Program, built_dir},
    rootfs::Rootfs,
    scratch::Scratch,
    vm::{Machine, Scenario, Shown},
};

/// Ten times what it takes on a quiet machine.
const LIMIT: Duration = Duration::from_secs(3600);

/// Its data volume.
fn with_a_volume(name: &str) -> Option<&'static str> {
    static ALL: OnceLock<Vec<Shown>> = OnceLock::new();
    need(&[Need::Vm]).then(|| lines(ALL.get_or_init(|| boot(1, &scenarios::with_a_volume())), name))
}

fn without_a_volume(name: &str) -> Option<&'static str> {
    static ALL: OnceLock<Vec<Shown>> = OnceLock::new();
    need(&[Need::Vm]).then(|| lines(ALL.get_or_init(|| boot(0, &scenarios::without_a_volume())), name))
}

fn boot(volumes: usize, scenarios: &[Scenario]) -> Vec<Shown> {
    let scratch = Scratch::new();
    let home = RunnerHome::make(&scratch.path().join("home"));
    let own = |name: &str| (name.to_owned(), home.path().join(name));
    let root = packer::ami();
    let mut files: Vec<(String, PathBuf)> = ["run.sh", "run-helper.sh", "config.sh"].into_iter().map(own).collect();
    files.extend([
        ("Runner.Listener".to_owned(), Program::Listener.path()),
        ("runner-entrypoint".to_owned(), Program::Entrypoint.path()),
        ("github-stand-in".to_owned(), built_dir().join("github-stand-in")),
        ("images.sh".to_owned(), root.join("scripts/images.sh")),
        ("tool-cache.sh".to_owned(), root.join("scripts/tool-cache.sh")),
    ]);
    let files: Vec<(&str, &Path)> = files.iter().map(|(name, path)| (name.as_str(), path.as_path())).collect();
    let machine = Machine { root: Rootfs::Ami, system: packer::built().disk.clone(), format: "qcow2", volumes };
    machine.run(&files, scenarios, LIMIT)
}

/// What a scenario said, that ran to its end.
#[expect(clippy::print_stderr, reason = "the message of a failed test")]
fn lines(all: &'static [Shown], name: &str) -> &'static str {
    let shown = all.iter().find(|shown| shown.name == name).unwrap_or_else(|| panic!("the machine did not come to {name}: {all:#?}"));
    eprintln!("{name}: ended with {:?} after {} s\n{}", shown.code, shown.seconds, shown.text);
    assert_eq!(shown.code, Some(0), "{name}");
    &shown.text
}

/// The value of `key=value` among lines.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {key} in {text}"))
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "no line {line:?} in {text}");
}

#[test]
fn packer_builds_a_host_that_proves_itself_after_a_reboot() {
    if !need(&[Need::Vm]) {
        return;
    }
    let said = &packer::built().said;
    if said.is_empty() {
        return;
    }
    for proven in ["docker: overlay2 systemd v2", "file system of /var/docker-storage: xfs", "project quotas", "the sweep works"] {
        assert!(said.contains(&format!("ok    {proven}")), "{proven}: {said}");
    }
    assert!(!said.contains("FAIL  "), "{said}");
}

#[test]
fn a_new_host_formats_its_volume_mounts_it_before_docker_and_proves_itself() {
    let Some(text) = with_a_volume("boot") else { return };
    assert_eq!(value(text, "verify"), "0", "{text}");
    assert_eq!(value(text, "volume"), "/dev/vdc xfs runner-data");
    assert_eq!(value(text, "identity"), "its own", "hosts of one image have machine ids of their own");
    has(text, "ok    docker.service started after the mount");
}

#[test]
fn containers_do_not_reach_instance_metadata_and_reach_their_credentials() {
    let Some(text) = with_a_volume("metadata") else { return };
    has(text, "ok    a container does not reach it");
    has(text, "ok    and reaches its task credentials");
    assert_eq!(value(text, "verify"), "0", "{text}");
    has(text, "FAIL  a container does not reach it");
    assert_ne!(value(text, "verify without the rule"), "0");
    assert_eq!(value(text, "left"), "", "the proof leaves nothing");
}

#[test]
fn images_come_by_digest_under_the_name_of_the_task_definition() {
    let Some(text) = with_a_volume("images") else { return };
    assert_eq!(value(text, "refused"), "a name without a digest");
    assert_eq!(value(text, "is there"), "yes");
    assert_eq!(value(text, "password"), "gone");
    has(text, &format!("ok    image 127.0.0.1:5000/app/runner:1: {}", value(text, "digest")));
    assert_eq!(value(text, "verify without it"), "1");
}

#[test]
fn a_tool_cache_is_brought_when_asked_for_whole_or_not_at_all() {
    let Some(text) = with_a_volume("tools") else { return };
    assert_eq!((value(text, "unasked"), value(text, "address"), value(text, "half")), ("none", "refused", "none"));
    assert_eq!(value(text, "tools"), "1001:1001 pack");
}

#[test]
fn a_job_uses_docker_in_the_pair_on_this_host() {
    let Some(text) = with_a_volume("pair") else { return };
    assert!(text.contains("completed with result: Succeeded"), "{text}");
    assert_eq!(value(text, "proof"), "made in a container of the job");
    assert_eq!(value(text, "limit"), "67108864", "limits of the job's containers hold");
    assert_eq!((value(text, "runner"), value(text, "dind")), ("0", "0"));
    assert_eq!(value(text, "left"), "");
}

#[test]
fn the_host_sweeps_what_a_killed_task_left_though_none_starts() {
    let Some(text) = with_a_volume("sweep") else { return };
    assert_eq!((value(text, "before"), value(text, "after")), ("1", "0"), "{text}");
    assert_eq!(value(text, "timer"), "active");
    assert!(text.contains("swept what dead tasks left"), "{text}");
}

#[test]
fn a_host_without_its_data_volume_starts_no_docker_says_why_and_writes_nothing() {
    let Some(text) = without_a_volume("boot") else { return };
    assert_eq!((value(text, "docker"), value(text, "host")), ("inactive", "running"));
    assert!(text.contains("runner-host: no data volume after"), "{text}");
    assert!(text.contains("runner-host: hint: map an empty EBS volume, such as /dev/xvdf, in the launch template"), "{text}");
    assert_eq!(value(text, "by hand"), "refused");
    // systemd listened on for a docker that could not start: 124 is a client that hangs.
    assert_eq!(value(text, "client"), "1");
    assert_eq!(value(text, "written"), "refused");
    assert_ne!(value(text, "verify"), "0");
}

#[test]
fn a_volume_with_anything_on_it_is_never_formatted() {
    let Some(text) = without_a_volume("not-empty") else { return };
    assert_eq!((value(text, "signature"), value(text, "kept")), ("refused", "ext4"));
    assert_eq!((value(text, "bytes"), value(text, "kept bytes")), ("refused", "precious"));
    assert_eq!((value(text, "empty"), value(text, "second boot")), ("formatted", "left as it is"));
    assert_eq!(value(text, "two"), "refused");
}
