//! Work for many threads, most of which wait for a far server. Directories are opened only while little else is to be done
//! and deepest first, so that versions are finished one after the other (a kill loses little) and few directories are
//! open at a time; files of trees are taken at random, so that the threads spread over directories (a file system makes one
//! entry of a directory at a time, over NFS for a whole round trip).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

/// Which of the waiting copies is taken next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) enum Order {
    /// Any: the threads spread over what is there.
    Random,
    /// The oldest: what is read is read in its own order.
    InTurn,
}

#[derive(Debug)]
struct State<T> {
    /// Tasks that make more tasks.
    openings: Vec<T>,
    copies: VecDeque<T>,
    running: usize,
    random: u64,
}

#[derive(Debug)]
pub(in crate::cache) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// With as many copies waiting no directory is opened.
    enough: usize,
    order: Order,
}

impl<T> Queue<T> {
    /// `openings` are worked on from the last to the first.
    pub(in crate::cache) fn new(openings: Vec<T>, enough: usize, order: Order) -> Self {
        Self {
            state: Mutex::new(State { openings, copies: VecDeque::new(), running: 0, random: 0x9e37_79b9_7f4a_7c15 }),
            changed: Condvar::new(),
            enough,
            order,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A thread that panicked left the lists whole: each is changed by one call.
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    pub(in crate::cache) fn add_opening(&self, task: T) {
        self.lock().openings.push(task);
        self.changed.notify_one();
    }

    pub(in crate::cache) fn add_copy(&self, task: T) {
        self.lock().copies.push_back(task);
        self.changed.notify_one();
    }

    /// Works until nothing is left and nobody works on something that could bring more.
    pub(in crate::cache) fn work(&self, mut perform: impl FnMut(T)) {
        while let Some(task) = self.take() {
            let running = Running(self);
            perform(task);
            drop(running);
        }
    }

    fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            let many = state.copies.len() >= self.enough || state.openings.is_empty();
            let task = if many && !state.copies.is_empty() {
                match self.order {
                    Order::InTurn => state.copies.pop_front(),
                    Order::Random => {
                        // xorshift64: any spread will do.
                        state.random ^= state.random << 13;
                        state.random ^= state.random >> 7;
                        state.random ^= state.random << 17;
                        let index = usize::try_from(state.random >> 33).unwrap_or(0) % state.copies.len();
                        state.copies.swap_remove_back(index)
                    }
                }
            } else {
                state.openings.pop()
            };
            if task.is_some() {
                state.running += 1;
                return task;
            }
            if state.running == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(|broken| broken.into_inner());
        }
    }
}

/// A task being performed; ends with it even if it panics, so that the other threads do not wait for ever.
struct Running<'a, T>(&'a Queue<T>);

impl<T> Drop for Running<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        if state.running == 0 && state.openings.is_empty() && state.copies.is_empty() {
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_task_and_every_task_it_brings_is_performed_once() {
        for (threads, order) in [(1, Order::Random), (8, Order::Random), (8, Order::InTurn)] {
            let queue = Queue::new((0..5).map(|n| (true, n)).collect(), 4, order);
            let performed = AtomicU32::new(0);
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        queue.work(|(opening, depth)| {
                            performed.fetch_add(1, Ordering::SeqCst);
                            if opening {
                                (0..10).for_each(|_| queue.add_copy((false, 0)));
                                if depth > 0 {
                                    queue.add_opening((true, depth - 1));
                                }
                            }
                        });
                    });
                }
            });
            // Openings 1+2+3+4+5, each with ten copies.
            assert_eq!(performed.load(Ordering::SeqCst), 15 + 150);
        }
    }
}
