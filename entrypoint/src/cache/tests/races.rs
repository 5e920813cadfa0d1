//! Many at once, and a stop after any step.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// A small version whose files all hold `build`, with their number in one of them: a mixture or a part shows.
pub(super) fn build(root: &Path, unit: &str, build: u8) {
    for number in 0..12 {
        put(&root.join(unit), &format!("d{}/{number}", number % 3), &[build; 64], 0o644);
    }
    mark(root, unit);
}

/// `None`: no version there. Panics on a torn one.
pub(super) fn build_of(root: &Path, unit: &str) -> Option<u8> {
    let version = root.join(unit);
    if !version.is_dir() || !root.join(format!("{unit}.complete")).is_file() {
        return None;
    }
    let contents: Vec<Vec<u8>> = (0..12).map(|number| fs::read(version.join(format!("d{}/{number}", number % 3))).unwrap()).collect();
    let first = contents[0][0];
    assert!(contents.iter().all(|file| *file == [first; 64]), "a mixture");
    Some(first)
}

fn race(rounds: usize, layout: Layout, patience: Duration, exactly_one: bool) {
    for round in 0..rounds {
        let shared = tempfile::tempdir().unwrap();
        let savers: Vec<_> = (1..=2).map(|_| tempfile::tempdir().unwrap()).collect();
        for (number, saver) in (1..).zip(&savers) {
            build(saver.path(), UNIT, number);
        }
        let (over, restored) = (AtomicBool::new(false), AtomicUsize::new(0));
        let won: usize = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) || restored.load(Ordering::SeqCst) == 0 {
                    let here = tempfile::tempdir().unwrap();
                    let report = Restore { jobs: 2, ..from(shared.path(), here.path()) }.run().unwrap();
                    if report.versions == 1 {
                        assert!(build_of(here.path(), UNIT).is_some());
                        restored.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            let running: Vec<_> = savers
                .iter()
                .map(|saver| {
                    scope.spawn(|| {
                        let report = Save { jobs: 2, patience, ..into(saver.path(), shared.path(), layout) }.run().unwrap();
                        assert!(report.failed.is_empty(), "{report:?}");
                        report.versions
                    })
                })
                .collect();
            let won = running.into_iter().map(|saver| saver.join().unwrap()).sum();
            over.store(true, Ordering::SeqCst);
            won
        });
        let there = tempfile::tempdir().unwrap();
        from(shared.path(), there.path()).run().unwrap();
        assert!(build_of(there.path(), UNIT).is_some());
        assert!(won >= 1 && (won == 1 || !exactly_one), "round {round}: {won} winners");
    }
}

#[test]
fn of_two_savers_exactly_one_wins_and_no_reader_sees_a_mixture() {
    race(25, Layout::Tree, Duration::from_secs(20), true);
    race(25, Layout::Pack, Duration::ZERO, true);
}

#[test]
fn savers_that_take_each_other_for_leftovers_still_tear_nothing() {
    race(25, Layout::Tree, Duration::ZERO, false);
}

/// Runs `act` again and again, each time stopped one step later, until it comes to its end by itself.
fn at_every_step(fewest: i64, mut act: impl FnMut(Gate) -> Option<Report>, mut judge: impl FnMut(i64)) {
    for steps in 0.. {
        let gate = Gate::closing_after(steps);
        let report = act(gate.clone());
        let whole = report.is_some_and(|report| report.failed.is_empty());
        judge(steps);
        if whole && !gate.is_shut() {
            assert!(steps > fewest, "the steps are not counted");
            return;
        }
    }
}

const UNITS: [&str; 2] = [UNIT, "go/1.22.0/x64"];

/// The builds that somebody who restores now gets.
fn restored(shared: &Path) -> [Option<u8>; 2] {
    let there = tempfile::tempdir().unwrap();
    let report = from(shared, there.path()).run().unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
    UNITS.map(|unit| build_of(there.path(), unit))
}

fn a_save_stopped_after_any_step(layout: Layout, fewest: i64) {
    let here = tempfile::tempdir().unwrap();
    for unit in UNITS {
        build(here.path(), unit, 7);
    }
    let shared = std::cell::RefCell::new(tempfile::tempdir().unwrap());
    at_every_step(
        fewest,
        |gate| {
            shared.replace(tempfile::tempdir().unwrap());
            let there = shared.borrow();
            // Something to be moved out of the way as well.
            put(there.path(), "node/20.1.0/x64/torn", b"torn", 0o644);
            Save { jobs: 1, gate, ..into(here.path(), there.path(), layout) }.run().ok()
        },
        |steps| {
            let there = shared.borrow();
            assert!(restored(there.path()).iter().all(|build| matches!(build, None | Some(7))), "after {steps}");
            let next = Save { jobs: 2, ..into(here.path(), there.path(), layout) }.run();
            assert!(next.unwrap().failed.is_empty(), "after {steps}");
            assert_eq!(restored(there.path()), [Some(7); 2], "after {steps}");
        },
    );
}

#[test]
fn a_save_of_trees_stopped_after_any_step_leaves_no_torn_version_and_the_next_one_mends_all() {
    a_save_stopped_after_any_step(Layout::Tree, 60);
}

#[test]
fn a_save_of_packs_stopped_after_any_step_leaves_no_torn_version_and_the_next_one_mends_all() {
    a_save_stopped_after_any_step(Layout::Pack, 12);
}

fn a_restore_stopped_after_any_step(layout: Layout) {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build(here.path(), UNIT, 7);
    into(here.path(), there.path(), layout).run().unwrap();
    let local = std::cell::RefCell::new(tempfile::tempdir().unwrap());
    at_every_step(
        30,
        |gate| {
            local.replace(tempfile::tempdir().unwrap());
            let here = local.borrow();
            put(here.path(), "node/20.1.0/x64/torn", b"torn", 0o644);
            Restore { jobs: 1, gate, ..from(there.path(), here.path()) }.run().ok()
        },
        |steps| {
            let here = local.borrow();
            build_of(here.path(), UNIT);
            let next = Restore { jobs: 2, ..from(there.path(), here.path()) }.run();
            assert!(next.unwrap().failed.is_empty(), "after {steps}");
            assert_eq!(build_of(here.path(), UNIT), Some(7), "after {steps}");
        },
    );
}

#[test]
fn a_restore_of_trees_stopped_after_any_step_leaves_no_torn_version_and_the_next_one_mends_all() {
    a_restore_stopped_after_any_step(Layout::Tree);
}

#[test]
fn a_restore_of_packs_stopped_after_any_step_leaves_no_torn_version_and_the_next_one_mends_all() {
    a_restore_stopped_after_any_step(Layout::Pack);
}
