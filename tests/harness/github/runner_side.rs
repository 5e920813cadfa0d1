//! What a stand-in runner asks. Ours, not GitHub's protocol; the meaning is GitHub's: a job goes to a runner only while
//! its registration lives, and from that instant the registration can not be deleted.

use std::time::Instant;

use serde_json::{Value, json};

use super::rest::Answer;
use super::server::{Asked, Shared};
use super::world::{Finished, Order, Runner, World};

const END_OF_GROUP: &str = "##[endgroup]\n";

fn who(asked: &Asked) -> (u64, String) {
    let body = asked.seen.json();
    (body["agent_id"].as_u64().unwrap_or(0), body["secret"].as_str().unwrap_or_default().to_owned())
}

fn caller<'a>(world: &'a mut World, asked: &Asked) -> Option<&'a mut Runner> {
    let (id, secret) = who(asked);
    world.session(id, &secret)
}

fn gone() -> Answer {
    Answer::json(410, &json!({"gone": true}))
}

/// The runner is there: 200 with its orders, 409 when another session is, 410 when it is not registered.
pub(super) fn connect(world: &mut World, asked: &Asked) -> Answer {
    let version = asked.seen.json()["version"].as_str().unwrap_or("unknown").to_owned();
    if caller(world, asked).is_none() {
        return gone();
    }
    let order = world.orders.pop_front();
    if order == Some(Order::Conflict) {
        return Answer::json(409, &json!({"conflict": true}));
    }
    if let Some(runner) = caller(world, asked) {
        runner.online = true;
        runner.version = Some(version);
    }
    if order == Some(Order::Vanish) {
        let (id, _) = who(asked);
        world.runners.retain(|runner| runner.id != id);
    }
    Answer::json(200, &json!({"order": order}))
}

/// The runner asks for a job: 200 with it, 204 when there was none in time, 410 when it is not registered.
pub(super) async fn poll(shared: &Shared, asked: &Asked) -> Answer {
    let end = Instant::now() + shared.with(|world| world.rules.poll_limit);
    shared
        .until(|world| {
            if caller(world, asked).is_none() {
                return Some(gone());
            }
            if let Some(job) = world.jobs.pop_front() {
                if let Some(runner) = caller(world, asked) {
                    runner.busy = true;
                }
                return Some(Answer::json(200, &json!({"job": job})));
            }
            (world.stopping || Instant::now() >= end).then(|| Answer::empty(204))
        })
        .await
}

/// The job ended: an ephemeral registration goes after the delay of the rules, and stays busy until then.
pub(super) fn done(world: &mut World, asked: &Asked) -> Answer {
    let body = asked.seen.json();
    let removed_at = Instant::now() + world.rules.removal_delay;
    let Some(runner) = caller(world, asked) else { return gone() };
    if runner.ephemeral {
        runner.removed_at = Some(removed_at);
    } else {
        runner.busy = false;
    }
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    // The Worker of the tests sends one log; each step of a real one has its own.
    let log = text("log");
    let folded = if log.starts_with("##[group]") { log.rfind(END_OF_GROUP).map_or(0, |at| at + END_OF_GROUP.len()) } else { 0 };
    let (set_up, log) = log.split_at(folded);
    let finished =
        Finished { job: text("job"), runner: runner.name.clone(), result: text("result"), set_up: set_up.to_owned(), log: log.to_owned() };
    world.finished.push(finished);
    Answer::empty(204)
}

/// The runner deletes its session. The registration stays.
pub(super) fn disconnect(world: &mut World, asked: &Asked) -> Answer {
    let Some(runner) = caller(world, asked) else { return gone() };
    runner.online = false;
    Answer::empty(204)
}
