//! Looking after the shared side: what is there, what is broken, what goes.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::gc::{self, Gc};
use super::super::list::{Layout as Listed, List, Listing};
use super::super::verify::{self, Verify};
use super::packs::{digest, objects};
use super::races::{build, build_of};
use super::*;

const DAY: i64 = 24 * 60 * 60;
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// 2001: long unused.
pub(super) const OLD: i64 = 1_000_000_000;

pub(super) fn sweep(remote: &Path) -> Gc<'_> {
    let (stop, progress, gate) = (Stop::default(), Progress::default(), Gate::default());
    Gc { remote, unused_for: MONTH, dry_run: false, patience: DAY, stop, progress, gate }
}

fn gc(remote: &Path) -> gc::Report {
    let report = sweep(remote).run().unwrap();
    assert!(report.failed.is_empty(), "{}", report.human());
    report
}

fn checking(remote: &Path) -> Verify<'_> {
    let (stop, progress, gate) = (Stop::default(), Progress::default(), Gate::default());
    Verify { remote, trust: None, selection: Selection::default(), quarantine: false, stop, progress, gate }
}

pub(super) fn verify(remote: &Path) -> verify::Report {
    checking(remote).run().unwrap()
}

fn list(remote: &Path, trust: Option<&str>) -> Listing {
    List { remote, trust, long: true, gate: Gate::default() }.run().unwrap()
}

fn reference(remote: &Path, trust: &str) -> PathBuf {
    remote.join(".packs/refs").join(trust).join("node@20.1.0@x64")
}

pub(super) fn save_as(sides: &Sides, trust: &str) -> Report {
    Save { trust, ..into(&sides.local(), &sides.remote(), Layout::Pack) }.run().unwrap()
}

/// One version in two domains, so one pack.
pub(super) fn shared_by_two() -> Sides {
    let sides = Sides::new();
    build(&sides.local(), UNIT, 3);
    for trust in ["shared", "team-a"] {
        assert_eq!(save_as(&sides, trust).versions, 1);
    }
    sides
}

#[test]
fn the_list_tells_layouts_domains_sizes_and_what_is_odd() {
    let sides = shared_by_two();
    build(&sides.remote(), UNIT, 3);
    build(&sides.remote(), "go/1.22.0/x64", 2);
    build(&sides.local(), "python/3.12.0/x64", 9);
    save_as(&sides, "team-a");
    let before = picture(&sides.remote());
    let rows = |listing: &Listing| -> Vec<(String, String, Listed)> {
        listing.versions.iter().map(|row| (row.version.clone(), row.trust.clone(), row.layout)).collect()
    };
    let row = |version: &str, trust: &str, layout| (version.to_owned(), trust.to_owned(), layout);
    let all = list(&sides.remote(), None);
    let expected = [
        row("go/1.22.0/x64", "shared", Listed::Tree),
        row(UNIT, "shared", Listed::Both),
        row(UNIT, "team-a", Listed::Pack),
        row("python/3.12.0/x64", "team-a", Listed::Pack),
    ];
    assert_eq!(rows(&all), expected);
    assert_eq!(rows(&list(&sides.remote(), Some("team-a"))), expected[2..]);
    assert!(rows(&list(&sides.remote(), Some("team-b"))).is_empty());
    let told: serde_json::Value = serde_json::from_str(&all.json()).unwrap();
    assert_eq!((&told["packs"], &told["trees"], &told["dangling"]), (&2.into(), &2.into(), &serde_json::json!([])));
    assert_eq!((&told["versions"][1]["files"], &told["versions"][1]["bytes"]), (&12.into(), &768.into()));
    assert_eq!(told["versions"][0]["files"], serde_json::Value::Null);
    assert!(told["versions"][0]["last_used"].as_str().unwrap().ends_with('Z'));
    // What it prints for an allow list is one.
    let digests = all.digests();
    assert_eq!(digests.lines().count(), 2, "{digests}");
    assert!(digests.lines().all(|line| line.split_once("  # ").is_some_and(|(digest, _)| digest.len() == 64)), "{digests}");
    assert!(picture(&sides.remote()) == before, "a list wrote something");

    let gone = objects(&sides.remote()).into_iter().find(|object| digests.starts_with(&digest(object).to_string())).unwrap();
    fs::remove_file(gone).unwrap();
    put(&sides.remote(), ".packs/quarantine/x", b"", 0o644);
    put(&sides.remote(), ".stage/dead/0/file", b"", 0o644);
    age(&sides.remote().join(".stage/dead"), OLD, 0);
    let told = list(&sides.remote(), None);
    assert_eq!(told.dangling, [UNIT, &format!("team-a: {UNIT}")]);
    assert!(told.human(false).contains("; 1 quarantined pack; 1 dead stage\n"), "{}", told.human(false));
}

#[test]
fn a_cache_that_is_whole_passes_and_is_left_as_it_is() {
    let sides = Sides::new();
    rich(&sides.local(), UNIT);
    put(&sides.local(), "go/1.22.0/x64/large", &[7; 3_000_000], 0o644);
    mark(&sides.local(), "go/1.22.0/x64");
    sides.save(Layout::Pack);
    let before = picture(&sides.remote());
    let report = verify(&sides.remote());
    assert_eq!((report.packs, report.files, report.broken.len(), report.warnings.len()), (2, 43, 0, 0), "{}", report.human());
    assert!(picture(&sides.remote()) == before, "looking wrote something");
    let selection = Selection::parse("go").unwrap();
    assert_eq!(Verify { selection, ..checking(&sides.remote()) }.run().unwrap().packs, 1);
    assert_eq!(Verify { trust: Some("team-a"), ..checking(&sides.remote()) }.run().unwrap().packs, 0);
    assert_eq!(verify(&sides.local()).packs, 0);
}

#[test]
fn what_is_broken_is_named_with_all_that_refer_to_it_and_put_aside_only_if_asked() {
    let sides = shared_by_two();
    let object = objects(&sides.remote()).remove(0);
    let mut bytes = fs::read(&object).unwrap();
    bytes[40] ^= 1;
    fs::write(&object, &bytes).unwrap();
    symlink("../../objects/nothing", sides.remote().join(".packs/refs/shared/a@1@x64")).unwrap();
    symlink(format!("../../objects/{}.tar.zst", "0".repeat(64)), sides.remote().join(".packs/refs/shared/b@1@x64")).unwrap();
    fs::create_dir_all(sides.remote().join("go/1.22.0/x64")).unwrap();
    mark(&sides.remote(), "go/1.22.0/arm64");
    let before = picture(&sides.remote());
    let report = verify(&sides.remote());
    let names: Vec<Vec<String>> = report.broken.iter().map(|broken| broken.versions.clone()).collect();
    assert_eq!(names, [vec!["a/1/x64".to_owned()], vec!["b/1/x64".to_owned()], vec![UNIT.to_owned(), format!("team-a: {UNIT}")]]);
    for (broken, why) in report.broken.iter().zip(["names no pack", "is missing", "not what its name says"]) {
        assert!(broken.error.contains(why), "{}", broken.error);
    }
    assert_eq!(report.warnings.len(), 2, "{}", report.human());
    assert!(picture(&sides.remote()) == before, "looking wrote something");

    let report = Verify { trust: Some("team-a"), quarantine: true, ..checking(&sides.remote()) }.run().unwrap();
    assert!(report.human().contains("it is in quarantine now"), "{}", report.human());
    assert!(objects(&sides.remote()).is_empty());
    assert!(["shared", "team-a"].iter().all(|trust| fs::symlink_metadata(reference(&sides.remote(), trust)).is_err()));
    // Now it can be saved again.
    assert_eq!(save_as(&sides, "team-a").versions, 1);
    assert_eq!(verify(&sides.remote()).packs, 1);
}

#[test]
fn a_pack_that_nobody_used_for_long_goes_with_all_its_references_and_can_be_saved_again() {
    let sides = shared_by_two();
    build(&sides.remote(), "go/1.22.0/x64", 2);
    age(&sides.remote().join("go/1.22.0/x64.complete"), OLD, 0);
    assert_eq!((gc(&sides.remote()).packs, gc(&sides.remote()).kept), (0, 1));
    let object = objects(&sides.remote()).remove(0);
    age(&object, OLD, 0);
    let before = picture(&sides.remote());
    let report = Gc { dry_run: true, ..sweep(&sides.remote()) }.run().unwrap();
    assert_eq!(report.packs, 1);
    assert!(report.human().starts_with(&format!("would remove {UNIT}, team-a: {UNIT} (")), "{}", report.human());
    let after = picture(&sides.remote());
    let names = |picture: &Picture| picture.keys().cloned().collect::<Vec<_>>();
    // A look at the clock is a directory that comes and goes in the stage.
    assert_eq!(names(&before), names(&after));

    let report = gc(&sides.remote());
    assert_eq!((report.packs, report.kept, report.removed[0].versions.len()), (1, 0, 2));
    assert!(objects(&sides.remote()).is_empty() && names_in(&sides.remote(), ".packs/stage").is_empty());
    let there = tempfile::tempdir().unwrap();
    let restored = from(&sides.remote(), there.path()).run().unwrap();
    assert_eq!((restored.versions, restored.failed.len()), (1, 0), "the tree is still there, and the pack is plainly absent");
    assert_eq!(save_as(&sides, "shared").versions, 1);
    assert_eq!(gc(&sides.remote()).kept, 1);
}

fn names_in(root: &Path, path: &str) -> Vec<OsString> {
    names(&root.join(path))
}

#[test]
fn who_restores_a_pack_keeps_it() {
    let sides = shared_by_two();
    age(&objects(&sides.remote())[0], OLD, 0);
    let there = tempfile::tempdir().unwrap();
    from(&sides.remote(), there.path()).run().unwrap();
    assert_eq!((gc(&sides.remote()).packs, objects(&sides.remote()).len()), (0, 1));
}

#[test]
fn what_the_dead_left_goes_after_its_time() {
    let sides = shared_by_two();
    let remote = sides.remote();
    let object = objects(&remote).remove(0);
    let other = object.with_file_name(format!("{}.tar.zst", "1".repeat(64)));
    fs::write(&other, "of nobody").unwrap();
    let dangling = remote.join(".packs/refs/shared/go@1@x64");
    symlink(format!("../../objects/{}.tar.zst", "0".repeat(64)), &dangling).unwrap();
    for path in [".packs/stage/host-1-a", ".packs/stage/host-2-b/pack", ".packs/quarantine/bad", ".stage/host-3-c/0/file"] {
        put(&remote, path, b"left", 0o644);
    }
    let report = gc(&remote);
    let found = (report.packs, report.dangling.len(), report.stages, report.quarantined);
    assert_eq!(found, (0, 0, 0, 0), "all of it may belong to somebody at work");

    for path in [".packs/stage/host-1-a", ".packs/stage/host-2-b", ".packs/quarantine/bad", ".stage/host-3-c"] {
        age(&remote.join(path), OLD, 0);
    }
    age(&dangling, OLD, 0);
    // Its time of use is old, but it was put there just now: a copy that keeps times is under way.
    age(&other, OLD, 0);
    let report = gc(&remote);
    assert_eq!((report.packs, report.dangling, report.stages, report.quarantined), (0, vec!["go/1/x64".to_owned()], 3, 1));
    assert!(!remote.join(".stage").exists());
    let report = Gc { patience: -1, ..sweep(&remote) }.run().unwrap();
    assert_eq!((report.packs, report.kept), (1, 1), "{}", report.human());
    assert_eq!(objects(&remote), [object]);
}

#[test]
fn a_pack_that_a_dead_keeper_had_in_his_hands_comes_back_if_somebody_refers_to_it() {
    let sides = shared_by_two();
    let object = objects(&sides.remote()).remove(0);
    let holder = sides.remote().join(".packs/stage/host-1-a");
    fs::create_dir_all(&holder).unwrap();
    fs::rename(&object, holder.join(object.file_name().unwrap())).unwrap();
    age(&holder, OLD, 0);
    for trust in ["shared", "team-a"] {
        age(&reference(&sides.remote(), trust), OLD, 0);
    }
    let report = gc(&sides.remote());
    assert_eq!((report.packs, report.dangling.len(), report.stages, report.kept), (0, 0, 1, 1));
    assert_eq!(objects(&sides.remote()), [object]);
}

#[test]
fn a_sweep_stopped_after_any_step_leaves_versions_whole_or_absent_and_the_next_save_mends_all() {
    let sides = std::cell::RefCell::new(shared_by_two());
    for steps in 0.. {
        sides.replace(shared_by_two());
        let sides = sides.borrow();
        age(&objects(&sides.remote())[0], OLD, 0);
        put(&sides.remote(), ".packs/stage/host-2-b/pack", b"left", 0o644);
        age(&sides.remote().join(".packs/stage/host-2-b"), OLD, 0);
        let gate = Gate::closing_after(steps);
        let swept = Gc { gate: gate.clone(), ..sweep(&sides.remote()) }.run();
        for trust in ["shared", "team-a"] {
            let there = tempfile::tempdir().unwrap();
            Restore { trust, ..from(&sides.remote(), there.path()) }.run().unwrap();
            assert!(matches!(build_of(there.path(), UNIT), None | Some(3)), "after {steps}");
            let saved = save_as(&sides, trust);
            assert!(saved.failed.is_empty(), "after {steps}");
            let report = Restore { trust, ..from(&sides.remote(), there.path()) }.run().unwrap();
            assert_eq!((report.failed.len(), build_of(there.path(), UNIT)), (0, Some(3)), "after {steps}");
        }
        if swept.is_ok_and(|report| report.is_good()) && !gate.is_shut() {
            assert!(steps > 6, "the steps are not counted");
            return;
        }
    }
}

#[test]
fn an_import_in_place_makes_packs_of_trees_and_leaves_the_trees() {
    let sides = Sides::new();
    let tree = rich(&sides.remote(), UNIT);
    build(&sides.remote(), "go/1.22.0/x64", 2);
    let before = picture(&tree);
    let import = |tree: &Path, trust| Save { import: true, trust, ..into(tree, &sides.remote(), Layout::Pack) }.run().unwrap();
    let report = import(&sides.remote(), SHARED);
    assert_eq!((report.versions, report.already, report.failed.len(), report.cache), (2, 0, 0, "import"), "{report:?}");
    assert!(picture(&tree) == before, "the tree was touched");
    let report = import(&sides.remote(), SHARED);
    assert_eq!((report.versions, report.already), (0, 2));
    // A saver sees both layouts and has nothing to do.
    let other = tempfile::tempdir().unwrap();
    rich(other.path(), UNIT);
    assert_eq!(into(other.path(), &sides.remote(), Layout::Pack).run().unwrap().already, 1);
    assert_eq!(import(other.path(), "team-a").versions, 1);
    fs::rename(&tree, tree.with_extension("away")).unwrap();
    fs::remove_file(sides.remote().join(format!("{UNIT}.complete"))).unwrap();
    let there = tempfile::tempdir().unwrap();
    from(&sides.remote(), there.path()).run().unwrap();
    assert!(picture(&there.path().join(UNIT)) == before);
}

#[test]
fn an_export_is_plain_trees_and_leaves_the_cache_as_it_is() {
    let sides = shared_by_two();
    build(&sides.remote(), "go/1.22.0/x64", 2);
    age(&objects(&sides.remote())[0], OLD, 0);
    let before = picture(&sides.remote());
    let there = sides.temp.path().join("new/place");
    let report = Restore { export: true, read_only: true, ..from(&sides.remote(), &there) }.run().unwrap();
    assert_eq!((report.versions, report.cache), (2, "export"));
    assert_eq!((build_of(&there, UNIT), build_of(&there, "go/1.22.0/x64")), (Some(3), Some(2)));
    assert!(picture(&sides.remote()) == before, "an export wrote to the cache");
}
