//! A few threads for many small questions to a far server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What `answer` says to each of `items`, in their order, asked by at most `threads` at once.
pub(super) fn at_once<T: Sync, A: Send>(items: &[T], threads: usize, answer: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let answered = (index, answer(item));
                    answers.lock().unwrap_or_else(PoisonError::into_inner).push(answered);
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
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
