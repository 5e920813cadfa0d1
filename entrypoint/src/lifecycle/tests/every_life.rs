//! Every life that can be: all states of the machine and of the world around it, explored until nothing new appears.

use std::collections::{BTreeSet, HashMap, VecDeque};

use supervise::{Event, Machine};

use super::{plans, world::World};
use crate::{
    lifecycle::{Lifecycle, Plan},
    stages::Ending,
    words::{Timer, Words},
};

type Life = (Lifecycle, World);

fn step(life: &Life, event: &Event<Words>) -> Life {
    let (mut machine, mut world) = life.clone();
    world.happens(event);
    let stopping = machine.stopping;
    let actions = machine.on(event.clone());
    for action in &actions {
        world.perform(&machine, action);
    }
    world.look_around(&machine);
    if machine.stopping.is_some() && stopping.is_none() && world.exited.is_none() {
        assert!(world.timers.contains(&Timer::Budget), "a stop without an end: {event:?}");
    }
    (machine, world)
}

#[test]
fn no_order_of_events_breaks_a_promise_and_every_life_can_end() {
    let ends = |(name, plan)| {
        let lives = explore(name, plan);
        lives.into_iter().filter_map(|life| life.1.exited.zip(life.1.reason)).collect::<BTreeSet<_>>()
    };
    let ends: BTreeSet<(u8, String)> = std::thread::scope(|scope| {
        let explored = plans().map(|plan| scope.spawn(move || ends(plan)));
        explored.into_iter().flat_map(|ends| ends.join().expect("what is broken is told above")).collect()
    });
    let (codes, reasons): (BTreeSet<u8>, BTreeSet<String>) = ends.into_iter().unzip();
    assert_eq!(codes, BTreeSet::from([0, 7, 69, 75, 77, 78, 143]));
    let never = Ending::ALL.iter().map(|ending| ending.reason().to_owned()).filter(|reason| !reasons.contains(reason)).collect::<Vec<_>>();
    assert_eq!(never, ["bug"], "endings that no life has");
}

/// All lives of a plan.
fn explore(plan_name: &str, plan: Plan) -> Vec<Life> {
    let mut order: Vec<Life> = Vec::new();
    let mut parents: Vec<Vec<usize>> = Vec::new();
    let mut queue = VecDeque::new();
    let first: Life = (Lifecycle::new(plan), World::default());
    let mut index: HashMap<Life, usize> = HashMap::new();
    index.insert(first.clone(), 0);
    order.push(first);
    parents.push(vec![]);
    queue.push_back(0);
    while let Some(at) = queue.pop_front() {
        let life = order[at].clone();
        if life.1.exited.is_some() {
            continue;
        }
        for event in life.1.possible(&life.0) {
            let next =
                std::panic::catch_unwind(|| step(&life, &event)).unwrap_or_else(|_| panic!("{plan_name}: after {event:?} in {life:#?}"));
            let number = *index.entry(next.clone()).or_insert_with(|| {
                order.push(next);
                parents.push(vec![]);
                queue.push_back(order.len() - 1);
                order.len() - 1
            });
            // An event that changes nothing leads nowhere; a signal must not be what a life needs to end.
            if number != at && !matches!(event, Event::Signal(_)) {
                parents[number].push(at);
            }
        }
    }
    assert!(order.len() > 1_000, "{plan_name}: only {} lives were seen: the exploration is broken", order.len());

    let mut ends = vec![false; order.len()];
    let mut backwards: Vec<usize> = (0..order.len()).filter(|&at| order[at].1.exited.is_some()).collect();
    while let Some(at) = backwards.pop() {
        if !std::mem::replace(&mut ends[at], true) {
            backwards.extend(&parents[at]);
        }
    }
    if let Some(stuck) = ends.iter().position(|ended| !ended) {
        panic!("{plan_name}: a life that can never end: {:#?}", order[stuck]);
    }
    order
}
