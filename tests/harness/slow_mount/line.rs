//! The line to the server: when an answer would be back, and the answers that are still on their way.
//!
//! A request is done at once and its answer held back, so any number of requests overlap with a few threads.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    operation::{Counts, Operation},
    profile::Profile,
};

/// One request, as the line sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trip {
    pub(super) operation: Operation,
    pub(super) latency: Duration,
    pub(super) read: u64,
    pub(super) written: u64,
}

type Answer = Box<dyn FnOnce() + Send>;

/// When which resource is free again.
struct Traffic {
    slots: BinaryHeap<Reverse<Instant>>,
    down: Instant,
    up: Instant,
    counts: Counts,
}

/// Answers on their way, the next one on top. The number keeps the order of those that are due together.
struct Waiting {
    answers: BinaryHeap<Reverse<Due>>,
    number: u64,
    /// Never sent; dropped, an answer would become an error.
    silent: Vec<Answer>,
}

struct Due(Instant, u64, Answer);

impl Due {
    const fn key(&self) -> (Instant, u64) {
        (self.0, self.1)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// The line with everything on it.
pub(super) struct Line {
    profile: Profile,
    traffic: Mutex<Traffic>,
    waiting: Mutex<Waiting>,
    sooner: Condvar,
}

impl Line {
    /// A line and the thread that delivers its answers.
    pub(super) fn open(profile: Profile) -> Arc<Self> {
        let now = Instant::now();
        let slots = std::iter::repeat_n(Reverse(now), profile.slots).collect();
        let line = Arc::new(Self {
            profile,
            traffic: Mutex::new(Traffic { slots, down: now, up: now, counts: Counts::default() }),
            waiting: Mutex::new(Waiting { answers: BinaryHeap::new(), number: 0, silent: Vec::new() }),
            sooner: Condvar::new(),
        });
        let delivering = Arc::clone(&line);
        std::thread::spawn(move || delivering.deliver());
        line
    }

    pub(super) fn counts(&self) -> Counts {
        self.traffic().counts.clone()
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request that came in at `arrived`; when its answer is back.
    pub(super) fn send(&self, trip: Trip, arrived: Instant) -> Instant {
        let mut traffic = self.traffic();
        traffic.counts.add(trip.operation, trip.latency, trip.read, trip.written);
        if trip.latency.is_zero() && trip.read + trip.written == 0 {
            return arrived;
        }
        let start = traffic.slots.pop().map_or(arrived, |Reverse(free)| free.max(arrived));
        let mut end = start + trip.latency;
        if trip.read > 0 {
            traffic.down = traffic.down.max(start) + self.profile.span_of(trip.read);
            end = end.max(traffic.down + trip.latency);
        }
        if trip.written > 0 {
            traffic.up = traffic.up.max(start) + self.profile.span_of(trip.written);
            end = end.max(traffic.up + trip.latency);
        }
        traffic.slots.push(Reverse(end));
        end
    }

    /// Gives an answer at its time.
    pub(super) fn answer(&self, due: Instant, answer: Answer) {
        if due <= Instant::now() {
            return answer();
        }
        let mut waiting = self.waiting();
        waiting.number += 1;
        let first = waiting.answers.peek().is_none_or(|Reverse(next)| due < next.0);
        let number = waiting.number;
        waiting.answers.push(Reverse(Due(due, number, answer)));
        if first {
            self.sooner.notify_one();
        }
    }

    /// Never answers.
    pub(super) fn never(&self, answer: Answer) {
        self.waiting().silent.push(answer);
    }

    fn deliver(&self) {
        // Half of a short latency would be the timer's own slack of 50 µs.
        let _ = nix::sys::prctl::set_timerslack(1);
        let mut waiting = self.waiting();
        loop {
            let now = Instant::now();
            match waiting.answers.peek().map(|Reverse(next)| next.0) {
                Some(due) if due <= now => {
                    if let Some(Reverse(Due(_, _, answer))) = waiting.answers.pop() {
                        drop(waiting);
                        answer();
                        waiting = self.waiting();
                    }
                }
                Some(due) => waiting = self.sooner.wait_timeout(waiting, due - now).unwrap_or_else(PoisonError::into_inner).0,
                None => waiting = self.sooner.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(written: u64) -> Trip {
        Trip { operation: Operation::Write, latency: Duration::from_millis(10), read: 0, written }
    }

    #[test]
    fn requests_overlap_up_to_the_slots_and_queue_beyond() {
        let line = Line::open(Profile { slots: 2, ..Profile::EFS });
        let now = Instant::now();
        let ends = [0; 4].map(|_| line.send(trip(0), now) - now);
        assert_eq!(ends, [10, 10, 20, 20].map(Duration::from_millis));
        assert_eq!((line.counts().of(Operation::Write), line.counts().latency()), (4, Duration::from_millis(40)));
    }

    #[test]
    fn data_shares_the_line_though_latencies_overlap() {
        let line = Line::open(Profile { mib_per_second: 100, ..Profile::EFS });
        let now = Instant::now();
        let ends = [0; 3].map(|_| line.send(trip(10 << 20), now) - now);
        assert_eq!(ends, [110, 210, 310].map(Duration::from_millis));
    }
}
