//! What goes wrong on purpose: one step per request, in order. Owns the vocabulary; `server` performs it.

use std::time::Duration;

/// What is done with one request.
#[derive(Debug, Clone)]
pub struct Step {
    pub(super) gate_before: Option<String>,
    pub(super) delay: Duration,
    pub(super) act: Act,
    pub(super) gate_after: Option<String>,
    pub(super) fate: Fate,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    /// The real handling.
    Real,
    /// This answer; the real handling before it only when `committed`.
    Instead { status: u16, headers: Vec<(String, String)>, body: String, committed: bool },
    /// Nothing is done.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// The answer arrives.
    Delivered,
    /// The connection closes without an answer.
    Lost,
    /// The connection closes after so many bytes of the body.
    Cut(usize),
    /// No answer, and the connection stays open.
    Hangs,
}

impl Step {
    const fn new(act: Act, fate: Fate) -> Self {
        Self { gate_before: None, delay: Duration::ZERO, act, gate_after: None, fate }
    }

    /// The real answer.
    #[must_use]
    pub const fn real() -> Self {
        Self::new(Act::Real, Fate::Delivered)
    }

    /// This status with a JSON message, and nothing is done.
    #[must_use]
    pub fn status(status: u16, message: &str) -> Self {
        let body =
            serde_json::json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()});
        Self::answer(status, body.to_string())
    }

    /// This status and body as they are, and nothing is done.
    #[must_use]
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::new(Act::Instead { status, headers: Vec::new(), body: body.into(), committed: false }, Fate::Delivered)
    }

    /// Adds (or replaces) a header of a made-up answer.
    ///
    /// # Panics
    /// When the answer is the real one.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let Act::Instead { headers, .. } = &mut self.act else { panic!("only a made-up answer has headers of its own") };
        headers.push((name.into(), value.into()));
        self
    }

    /// No answer ever, nothing is done, the connection stays open.
    #[must_use]
    pub const fn hang() -> Self {
        Self::new(Act::Nothing, Fate::Hangs)
    }

    /// It is done, but no answer ever comes, and the connection stays open.
    #[must_use]
    pub const fn hang_after_commit() -> Self {
        Self::new(Act::Real, Fate::Hangs)
    }

    /// The connection closes without an answer and nothing is done.
    #[must_use]
    pub const fn closed() -> Self {
        Self::new(Act::Nothing, Fate::Lost)
    }

    /// It is done, then the connection closes without an answer.
    #[must_use]
    pub const fn lost_after_commit() -> Self {
        Self::new(Act::Real, Fate::Lost)
    }

    /// It is done and then answered with something else: the service registered, a proxy said 502.
    #[must_use]
    pub fn status_after_commit(status: u16, message: &str) -> Self {
        let mut step = Self::status(status, message);
        if let Act::Instead { committed, .. } = &mut step.act {
            *committed = true;
        }
        step
    }

    /// It is done, and the connection closes after so many bytes of the answer's body.
    #[must_use]
    pub const fn cut_body(after: usize) -> Self {
        Self::new(Act::Real, Fate::Cut(after))
    }

    /// Waits so long before anything is done.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Stops at the gate before anything is done.
    #[must_use]
    pub fn at_gate(mut self, name: &str) -> Self {
        self.gate_before = Some(name.into());
        self
    }

    /// Stops at the gate when it is done and before it is answered.
    #[must_use]
    pub fn then_gate(mut self, name: &str) -> Self {
        self.gate_after = Some(name.into());
        self
    }
}
