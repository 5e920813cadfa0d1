//! A few threads for many small questions to a far server.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `answer` says to each of `items`, in their order, asked by at most `threads` at once.
pub(super) fn at_once<T: Sync, A: Send + Sync>(items: &[T], threads: usize, answer: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let answers: Vec<OnceLock<A>> = items.iter().map(|_| OnceLock::new()).collect();
    each(items.len(), threads, &|index| {
        if let (Some(item), Some(slot)) = (items.get(index), answers.get(index)) {
            let _ = slot.set(answer(item));
        }
    });
    // All are there: a thread that panicked has ended this one, too.
    answers.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// Apart, so that the threads are compiled once and not for each kind of question.
fn each(count: usize, threads: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    work(index);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        for threads in [1, 7] {
            let items: Vec<u32> = (0..100).collect();
            let answers = at_once(&items, threads, |item| item * 2);
            assert_eq!(answers, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
        assert!(at_once(&[0; 0], 4, |_| ()).is_empty());
    }
}
