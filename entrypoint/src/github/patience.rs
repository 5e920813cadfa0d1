//! The time that calls have together, and what is left of it.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::error::{CallError, Fault};
use super::notice::Notice;
use super::retry::{Policy, uniform};
use super::scope::Scope;

/// A deadline and the count of failures under it.
pub(super) struct Patience<'a> {
    policy: &'a Policy,
    deadline: Instant,
    failures: u32,
}

impl<'a> Patience<'a> {
    pub(super) fn new(policy: &'a Policy, budget: Duration) -> Self {
        Self { policy, deadline: Instant::now() + budget, failures: 0 }
    }

    pub(super) fn policy(&self) -> &'a Policy {
        self.policy
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// One try, cut off at its own limit or at the deadline.
    pub(super) async fn one<T>(
        &self,
        scope: &Scope,
        call: &str,
        attempt: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let begun = Instant::now();
        let until = self.deadline.min(begun + self.policy.attempt);
        timeout_at(until, attempt).await.unwrap_or_else(|_| {
            let told = format!("nothing within {:.1} s", (until - begun).as_secs_f64());
            Err(CallError::new(call, scope, Fault::Lost(told)))
        })
    }

    /// Repeats an idempotent call while its error is transient and there is time.
    pub(super) async fn insist<T, F: Future<Output = Result<T, CallError>>>(
        &mut self,
        scope: &Scope,
        call: &str,
        attempt: impl Fn() -> F,
        notify: &mut impl FnMut(Notice),
    ) -> Result<T, CallError> {
        loop {
            let error = match self.one(scope, call, attempt()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !error.is_transient() {
                return Err(error);
            }
            let Some(wait) = self.next_wait(&error) else {
                return Err(error);
            };
            notify(Notice::Waiting { error, wait });
            sleep(wait).await;
        }
    }

    /// The wait after a failure; `None`: the next try would begin after the deadline, so this error was the last.
    pub(super) fn next_wait(&mut self, error: &CallError) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let left = self.deadline.saturating_duration_since(Instant::now());
        let wait = self.policy.wait(self.failures, error.asks(), left, uniform);
        (wait < left).then_some(wait)
    }
}
