//! What is started and what is stopped when: pure. Owns the rules of `agent/engine/dependencygraph/graph.go` and of essential containers.

use std::time::Duration;

use serde::Deserialize;

/// What must be true of the other container first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Condition {
    /// It was started; it may have ended since.
    Start,
    /// It ended.
    Complete,
    /// It ended with 0.
    Success,
    /// Its health check said so.
    Healthy,
}

/// A container as far as order goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its end ends the task.
    pub essential: bool,
    /// Which others it waits for, by their place in the list.
    pub depends_on: Vec<(usize, Condition)>,
    /// Between SIGTERM and SIGKILL.
    pub stop_timeout: Duration,
    /// How long others wait for it to be complete, successful or healthy; `None` waits for ever.
    pub start_timeout: Option<Duration>,
}

/// Where a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started.
    Waiting,
    /// Started, for so long, and what its health check says.
    Running {
        /// Time since its start.
        age: Duration,
        /// Whether it is healthy; `false` also without a check.
        healthy: bool,
    },
    /// Told to end.
    Stopping,
    /// Ended with this code.
    Stopped(i64),
    /// Never started and never will be.
    Skipped,
}

/// What is to be done with a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Start it.
    Start(usize),
    /// SIGTERM, and SIGKILL after its time.
    Stop(usize),
    /// It is not started any more.
    Skip(usize),
}

/// How a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Yes,
    NotYet,
    Never,
}

fn met(condition: Condition, of: State, limit: Option<Duration>) -> Met {
    match (condition, of) {
        // graph.go: a START that was met stays met, even if the target ended.
        (Condition::Start, State::Running { .. } | State::Stopping | State::Stopped(_))
        | (Condition::Complete, State::Stopped(_))
        | (Condition::Success, State::Stopped(0))
        | (Condition::Healthy, State::Running { healthy: true, .. }) => Met::Yes,
        (_, State::Skipped) | (Condition::Success | Condition::Healthy, State::Stopped(_)) => Met::Never,
        // hasDependencyTimedOut: not for START.
        (Condition::Complete | Condition::Success | Condition::Healthy, State::Running { age, .. })
            if limit.is_some_and(|limit| age > limit) =>
        {
            Met::Never
        }
        _ => Met::NotYet,
    }
}

/// Everything that may be done now. `asked`: StopTask was called.
#[must_use]
pub fn next(rules: &[Rule], states: &[State], asked: bool) -> Vec<Act> {
    let never =
        |rule: &Rule| rule.depends_on.iter().any(|(on, condition)| met(*condition, states[*on], rules[*on].start_timeout) == Met::Never);
    let over = |(rule, state): (&Rule, &State)| match state {
        State::Stopped(_) | State::Skipped => rule.essential,
        State::Waiting => rule.essential && never(rule),
        State::Running { .. } | State::Stopping => false,
    };
    let stopping = asked || rules.iter().zip(states).any(over);
    let mut acts = Vec::new();
    for (index, (rule, state)) in rules.iter().zip(states).enumerate() {
        let ready = || rule.depends_on.iter().all(|(on, condition)| met(*condition, states[*on], rules[*on].start_timeout) == Met::Yes);
        // verifyShutdownOrder: any condition counts, only direct dependants do, and one that was never started is no obstacle.
        let needed = || {
            let dependants = rules.iter().zip(states).filter(|(other, _)| other.depends_on.iter().any(|(on, _)| *on == index));
            dependants.into_iter().any(|(_, state)| matches!(state, State::Running { .. } | State::Stopping))
        };
        match state {
            State::Waiting if stopping || never(rule) => acts.push(Act::Skip(index)),
            State::Waiting if ready() => acts.push(Act::Start(index)),
            State::Running { .. } if stopping && !needed() => acts.push(Act::Stop(index)),
            _ => {}
        }
    }
    acts
}

/// The longest that a stop of all can take: timeouts of containers that wait for each other add up.
#[must_use]
pub fn longest_stop(rules: &[Rule]) -> Duration {
    fn from(rules: &[Rule], index: usize) -> Duration {
        // A container gets its SIGTERM when the last of its dependants is gone.
        let dependants = (0..rules.len()).filter(|other| rules[*other].depends_on.iter().any(|(on, _)| *on == index));
        rules[index].stop_timeout + dependants.map(|other| from(rules, other)).max().unwrap_or_default()
    }
    (0..rules.len()).map(|index| from(rules, index)).max().unwrap_or_default()
}

/// Whether containers wait for each other in a circle; a name of one of them.
#[must_use]
pub(super) fn circle(rules: &[Rule]) -> Option<usize> {
    let mut done: Vec<usize> = Vec::new();
    loop {
        let ready = |index: &usize| !done.contains(index) && rules[*index].depends_on.iter().all(|(on, _)| done.contains(on));
        match (0..rules.len()).find(ready) {
            Some(index) => done.push(index),
            None => return (0..rules.len()).find(|index| !done.contains(index)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: State = State::Running { age: Duration::ZERO, healthy: false };
    const HEALTHY: State = State::Running { age: Duration::ZERO, healthy: true };
    const OLD: State = State::Running { age: Duration::from_secs(61), healthy: false };

    fn rule(stop: u64, depends_on: &[(usize, Condition)]) -> Rule {
        Rule {
            essential: true,
            depends_on: depends_on.to_vec(),
            stop_timeout: Duration::from_secs(stop),
            start_timeout: Some(Duration::from_secs(60)),
        }
    }

    /// 0 dind, 1 runner.
    fn pair(condition: Condition) -> [Rule; 2] {
        [rule(30, &[]), rule(85, &[(0, condition)])]
    }

    #[test]
    fn a_container_is_started_when_what_it_waits_for_is_true() {
        use Condition::{Complete, Healthy, Start, Success};
        for (condition, of, wanted) in [
            (Start, State::Waiting, vec![Act::Start(0)]),
            (Start, RUNNING, vec![Act::Start(1)]),
            (Start, State::Stopping, vec![Act::Start(1)]),
            (Complete, RUNNING, vec![]),
            (Complete, State::Stopped(3), vec![Act::Start(1)]),
            (Success, RUNNING, vec![]),
            (Success, State::Stopped(0), vec![Act::Start(1)]),
            (Success, State::Stopped(3), vec![Act::Skip(1)]),
            (Healthy, RUNNING, vec![]),
            (Healthy, HEALTHY, vec![Act::Start(1)]),
            (Healthy, State::Stopped(0), vec![Act::Skip(1)]),
            // The time of the target is over, and the task with it.
            (Healthy, OLD, vec![Act::Stop(0), Act::Skip(1)]),
            (Start, OLD, vec![Act::Start(1)]),
        ] {
            let mut rules = pair(condition);
            // What is to be complete can not be essential.
            rules[0].essential = false;
            assert_eq!(next(&rules, &[of, State::Waiting], false), wanted, "{condition:?} {of:?}");
        }
    }

    #[test]
    fn a_start_counts_as_met_even_if_the_target_already_ended() {
        let mut rules = pair(Condition::Start);
        rules[0].essential = false;
        assert_eq!(next(&rules, &[State::Stopped(1), State::Waiting], false), [Act::Start(1)]);
    }

    #[test]
    fn nobody_is_told_to_end_while_one_that_depends_on_it_lives() {
        let rules = pair(Condition::Start);
        assert_eq!(next(&rules, &[RUNNING, RUNNING], false), []);
        assert_eq!(next(&rules, &[RUNNING, RUNNING], true), [Act::Stop(1)]);
        assert_eq!(next(&rules, &[RUNNING, State::Stopping], true), []);
        assert_eq!(next(&rules, &[RUNNING, State::Stopped(0)], true), [Act::Stop(0)]);
        assert_eq!(next(&rules, &[RUNNING, State::Waiting], true), [Act::Stop(0), Act::Skip(1)]);
        // Without dependsOn both at once.
        assert_eq!(next(&[rule(30, &[]), rule(85, &[])], &[RUNNING, RUNNING], true), [Act::Stop(0), Act::Stop(1)]);
    }

    #[test]
    fn the_end_of_an_essential_container_ends_the_others() {
        let mut rules = pair(Condition::Start);
        for code in [0, 137] {
            assert_eq!(next(&rules, &[RUNNING, State::Stopped(code)], false), [Act::Stop(0)]);
            assert_eq!(next(&rules, &[State::Stopped(code), RUNNING], false), [Act::Stop(1)]);
        }
        rules[1].essential = false;
        assert_eq!(next(&rules, &[RUNNING, State::Stopped(1)], false), []);
    }

    #[test]
    fn the_rule_about_ends_is_not_transitive() {
        // 2 depends on 1 depends on 0; 1 ended: 0 may be told although 2 lives.
        let rules = [rule(1, &[]), rule(1, &[(0, Condition::Start)]), rule(1, &[(1, Condition::Start)])];
        assert_eq!(next(&rules, &[RUNNING, State::Stopped(0), RUNNING], false), [Act::Stop(0), Act::Stop(2)]);
    }

    #[test]
    fn times_of_containers_that_wait_for_each_other_add_up() {
        assert_eq!(longest_stop(&pair(Condition::Start)), Duration::from_secs(115));
        assert_eq!(longest_stop(&[rule(30, &[]), rule(85, &[])]), Duration::from_secs(85));
        let with_router = [rule(5, &[]), rule(30, &[(0, Condition::Start)]), rule(85, &[(0, Condition::Start), (1, Condition::Start)])];
        assert_eq!(longest_stop(&with_router), Duration::from_secs(120));
    }

    #[test]
    fn a_circle_is_found() {
        assert_eq!(circle(&pair(Condition::Start)), None);
        assert_eq!(circle(&[rule(1, &[(1, Condition::Start)]), rule(1, &[(0, Condition::Start)])]), Some(0));
    }

    /// Whatever is started, ended or asked for in whatever order: nothing is told to end while a dependant lives, and every task can end.
    #[test]
    fn every_life_of_three_containers_keeps_the_order_and_can_end() {
        let rules = [rule(5, &[]), rule(30, &[(0, Condition::Start)]), rule(85, &[(0, Condition::Start), (1, Condition::Start)])];
        let mut seen = vec![(vec![State::Waiting; 3], false)];
        let mut at = 0;
        while at < seen.len() {
            let (states, asked) = seen[at].clone();
            at += 1;
            let acts = next(&rules, &states, asked);
            let over = states.iter().all(|state| matches!(state, State::Stopped(_) | State::Skipped));
            let lives = states.iter().any(|state| matches!(*state, RUNNING | State::Stopping));
            assert!(over || lives || !acts.is_empty(), "{states:?} is stuck");
            let mut after = Vec::new();
            for act in acts {
                let mut then = states.clone();
                match act {
                    Act::Start(index) => then[index] = RUNNING,
                    Act::Skip(index) => then[index] = State::Skipped,
                    Act::Stop(index) => {
                        let lives = |other: usize| matches!(states[other], RUNNING | State::Stopping);
                        assert!(
                            !(0..3).any(|other| lives(other) && rules[other].depends_on.iter().any(|(on, _)| *on == index)),
                            "{states:?} {act:?}"
                        );
                        then[index] = State::Stopping;
                    }
                }
                after.push((then, asked));
            }
            for index in 0..3 {
                if matches!(states[index], RUNNING | State::Stopping) {
                    let mut then = states.clone();
                    then[index] = State::Stopped(0);
                    after.push((then, asked));
                }
            }
            after.push((states, true));
            for life in after {
                if !seen.contains(&life) {
                    seen.push(life);
                }
            }
        }
        assert!(seen.len() > 50, "{}", seen.len());
    }
}
