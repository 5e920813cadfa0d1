//! Deadlines and waiting for a condition. Owns the only sleep of the harness: the pause between two looks.

use std::time::{Duration, Instant};

/// Pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks at `condition` until it gives a value or `deadline` has passed (`None`).
pub fn poll<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Looks at `condition` until it holds; `false` when `deadline` passed first.
#[must_use = "a condition that never came is a failure"]
pub fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    poll(deadline, || condition().then_some(())).is_some()
}
