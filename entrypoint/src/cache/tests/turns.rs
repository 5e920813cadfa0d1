//! Two at once, in every order of their steps that has at most three changes of turn: what meets on shared storage in one life of
//! ten thousand, each time. A race of threads that ran for the same time noticed neither of the saver's looks being left out.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::super::gc::Gc;
use super::keeping::{OLD, save_as, shared_by_two, sweep, verify};
use super::packs::objects;
use super::races::build_of;
use super::*;

/// Who may go how far. A step is what changes a file system; what is read between two belongs to the first.
#[derive(Default)]
struct Turns {
    players: Mutex<[Player; 2]>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Player {
    /// Steps begun or about to be.
    at: usize,
    allowed: usize,
    over: bool,
}

const TO_THE_END: usize = usize::MAX;
/// A test that hangs is ended by this.
const LONG: Duration = Duration::from_secs(60);

impl Turns {
    /// The gate of that player.
    fn gate(self: &Arc<Self>, player: usize) -> Gate {
        let turns = Arc::clone(self);
        Gate::calling(move || {
            let mut players = turns.players.lock().unwrap();
            players[player].at += 1;
            let mine = players[player].at;
            turns.changed.notify_all();
            let held = |players: &mut [Player; 2]| players[player].allowed < mine;
            let waited = turns.changed.wait_timeout_while(players, LONG, held).unwrap().1;
            assert!(!waited.timed_out(), "a player was forgotten");
        })
    }

    fn over(&self, player: usize) {
        self.players.lock().unwrap()[player].over = true;
        self.changed.notify_all();
    }

    /// Lets a player make so many steps in all. Returns whether it came to its end.
    fn until(&self, player: usize, steps: usize) -> bool {
        let mut players = self.players.lock().unwrap();
        players[player].allowed = steps;
        self.changed.notify_all();
        let running = |players: &mut [Player; 2]| !players[player].over && players[player].at <= steps;
        let (players, waited) = self.changed.wait_timeout_while(players, LONG, running).unwrap();
        assert!(!waited.timed_out(), "a player hangs");
        players[player].over
    }
}

/// Plays a keeper against `other` in every such order on a fresh cache with one old pack, and has each end judged. With a `stride`
/// only after each so many steps.
fn in_every_order(stride: usize, other: impl Fn(&Sides, Gate) -> Report + Sync, judge: impl Fn(&Sides, Report, &str)) {
    let mut orders = 0;
    for first in 0..2 {
        let mut first_is_over = false;
        for steps in (0..).step_by(stride) {
            if first_is_over {
                break;
            }
            let mut second_is_over = false;
            for answer in (0..).step_by(stride) {
                if second_is_over {
                    break;
                }
                let sides = &shared_by_two();
                age(&objects(&sides.remote())[0], OLD, 0);
                let turns = Arc::new(Turns::default());
                let report = std::thread::scope(|scope| {
                    let keeper = scope.spawn(|| {
                        let swept = Gc { gate: turns.gate(0), ..sweep(&sides.remote()) }.run();
                        turns.over(0);
                        swept.unwrap()
                    });
                    let player = scope.spawn(|| {
                        let report = other(sides, turns.gate(1));
                        turns.over(1);
                        report
                    });
                    first_is_over = turns.until(first, steps);
                    second_is_over = turns.until(1 - first, answer);
                    turns.until(first, TO_THE_END);
                    turns.until(1 - first, TO_THE_END);
                    let swept = keeper.join().unwrap();
                    assert!(swept.is_good(), "{}", swept.human());
                    player.join().unwrap()
                });
                let order = format!("player {first} made {steps} steps, the other {answer}");
                judge(sides, report, &order);
                let checked = verify(&sides.remote());
                assert!(checked.broken.is_empty(), "{order}: {}", checked.human());
                assert_eq!(names(&sides.remote().join(".packs/stage")), [] as [&str; 0], "{order}");
                orders += 1;
            }
        }
    }
    assert!(orders > 100 / stride, "the steps are not counted: {orders}");
}

#[test]
fn what_a_saver_saved_while_its_pack_was_being_removed_is_there() {
    in_every_order(
        1,
        |sides, gate| Save { trust: "team-b", gate, ..into(&sides.local(), &sides.remote(), Layout::Pack) }.run().unwrap(),
        |sides, report, order| {
            assert_eq!((report.versions, report.failed.len()), (1, 0), "{order}: {report:?}");
            let there = tempfile::tempdir().unwrap();
            Restore { trust: "team-b", ..from(&sides.remote(), there.path()) }.run().unwrap();
            assert_eq!(build_of(there.path(), UNIT), Some(3), "{order}");
        },
    );
}

#[test]
fn what_a_restorer_restores_while_its_pack_is_being_removed_is_whole_or_absent() {
    in_every_order(
        // Most of its steps are on its own side.
        5,
        |sides, gate| {
            let there = sides.temp.path().join("there");
            Restore { jobs: 1, gate, ..from(&sides.remote(), &there) }.run().unwrap()
        },
        |sides, report, order| {
            let there = build_of(&sides.temp.path().join("there"), UNIT);
            assert_eq!(there, if report.versions == 1 { Some(3) } else { None }, "{order}: {report:?}");
            assert_eq!(save_as(sides, "shared").failed.len(), 0, "{order}");
            let again = tempfile::tempdir().unwrap();
            from(&sides.remote(), again.path()).run().unwrap();
            assert_eq!(build_of(again.path(), UNIT), Some(3), "{order}");
        },
    );
}
