//! What only a whole host can show: limits that hold, the systemd driver, quotas, AppArmor. Minutes: `cargo xtask test vm`.
//!
//! One boot for all; each test looks at what became of its scenario.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

mod scenarios;

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use runner_tests::{
    need::{Need, need},
    programs::Program,
    vm::{self, Shown},
};

/// Ten times what it takes on a quiet machine.
const LIMIT: Duration = Duration::from_secs(3600);

/// What became of a scenario; `None` where there can be no machine.
fn shown(name: &str) -> Option<&'static Shown> {
    static ALL: OnceLock<Vec<Shown>> = OnceLock::new();
    if !scenarios::wanted(name) || !need(&[Need::Vm]) {
        return None;
    }
    let all = ALL.get_or_init(|| vm::run(&[("runner-dind", &Program::Dind.path())], &scenarios::all(), LIMIT));
    let found = all.iter().find(|shown| shown.name == name);
    let found = found.unwrap_or_else(|| panic!("the machine did not come to {name}: {all:#?}"));
    say(found);
    Some(found)
}

#[expect(clippy::print_stderr, reason = "the message of a failed test")]
fn say(shown: &Shown) {
    eprintln!("{}: ended with {:?} after {} s\n{}", shown.name, shown.code, shown.seconds, shown.text);
}

/// It ran to its end; its lines.
fn lines(name: &str) -> Option<Vec<&'static str>> {
    let shown = shown(name)?;
    assert_eq!(shown.code, Some(0), "{name}");
    Some(shown.text.lines().collect())
}

/// The value of `key=value` among lines.
fn value<'a>(lines: &[&'a str], key: &str) -> &'a str {
    let found = lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {key} in {lines:#?}"))
}

#[test]
fn the_host_is_what_the_other_tests_take_it_for() {
    let Some(lines) = lines("host") else { return };
    assert_eq!(value(&lines, "driver"), "systemd 2 overlay2");
    let controllers: Vec<&str> = value(&lines, "controllers").split(' ').collect();
    assert!(["cpu", "memory", "pids"].iter().all(|wanted| controllers.contains(wanted)), "{lines:?}");
    assert_eq!(value(&lines, "apparmor"), "Y");
}

#[test]
fn limits_of_a_container_inside_the_sidecar_hold() {
    let Some(lines) = lines("limits") else { return };
    assert_eq!(value(&lines, "memory.max"), "67108864");
    assert_eq!(value(&lines, "pids.max"), "20");
    assert_eq!(value(&lines, "hog"), "137", "what takes more memory than it may is killed");
    assert_eq!(value(&lines, "forks"), "refused");
    assert_eq!(value(&lines, "sidecar memory.max"), "536870912", "the sidecar's own limit is above it");
    assert!(value(&lines, "group").starts_with("0::/system.slice/docker-"), "the outer driver is systemd: {lines:?}");
    assert_eq!(value(&lines, "stop"), "0");
    assert_eq!(value(&lines, "left"), "");
}

#[test]
fn capabilities_alone_are_enough_without_a_profile_of_apparmor() {
    let Some(lines) = lines("capabilities") else { return };
    assert_eq!(value(&lines, "ran"), "inside");
    assert_eq!(value(&lines, "memory.max"), "67108864");
}

#[test]
fn the_usual_profile_of_apparmor_is_named_with_its_cure() {
    let Some(lines) = lines("apparmor") else { return };
    assert_eq!(value(&lines, "exit"), "71");
    let said = lines.join("\n");
    assert!(said.contains("the AppArmor profile `docker-default (enforce)` forbids mounts: no container could start"), "{said}");
    assert!(said.contains("hint: docker run: --security-opt apparmor=unconfined, or --privileged"), "{said}");
    assert!(said.contains("1 thing stands in the way"), "{said}");
}

#[test]
fn two_tasks_share_a_volume_and_the_end_of_one_is_not_seen_by_the_other() {
    let Some(lines) = lines("neighbours") else { return };
    assert_eq!(value(&lines, "roots"), "2");
    assert_eq!(value(&lines, "after a stop"), "1");
    assert_eq!(value(&lines, "the other"), "still runs");
    assert_eq!(value(&lines, "after a kill and a start"), "1", "what the killed one left is swept");
}

/// Whether the program has `DOCKER_STORAGE_QUOTA`; without it there is nothing to show.
fn knows_quotas() -> bool {
    let help = Command::new(Program::Dind.path()).arg("help").output().expect("run runner-dind");
    String::from_utf8_lossy(&help.stdout).contains("DOCKER_STORAGE_QUOTA")
}

#[test]
fn a_quota_ends_what_a_nested_container_may_write_and_nobody_else_feels_it() {
    let Some(lines) = knows_quotas().then(|| lines("quota")).flatten() else { return };
    assert!(value(&lines, "greedy").contains("No space left on device"), "{lines:?}");
    assert!(value(&lines, "size").parse::<u64>().unwrap() <= 400 * 1024, "df shows the limit in KiB: {lines:?}");
    assert_eq!(value(&lines, "modest"), "written", "the other task's space is its own");
    assert_eq!(value(&lines, "freed"), "written", "and the first has its own back");
    assert_eq!(value(&lines, "limits left"), "0");
}

#[test]
fn a_volume_that_was_mounted_without_quotas_is_refused_with_the_option() {
    let Some(lines) = knows_quotas().then(|| lines("noquota")).flatten() else { return };
    assert_eq!(value(&lines, "exit"), "71");
    assert!(lines.join("\n").contains("pquota"), "{lines:#?}");
}
