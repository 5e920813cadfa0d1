//! When each phase was reached, told once at ready and once at the end.

use std::{fs::OpenOptions, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use tokio::time::Instant;
use tracing::info;

use crate::{
    State,
    records::{self, Value},
};

/// The phases so far.
#[derive(Debug)]
pub(crate) struct Timeline {
    started: Instant,
    phases: Vec<(&'static str, Instant)>,
    ready: bool,
    /// Since when it is being used, and how long it was before that.
    busy_since: Option<Instant>,
    busy: Option<Duration>,
    facts: Vec<(&'static str, String)>,
}

impl Timeline {
    pub(crate) fn start(now: Instant) -> Self {
        Self { started: now, phases: Vec::new(), ready: false, busy_since: None, busy: None, facts: Vec::new() }
    }

    /// For the last record, in place of what was there under this name.
    pub(crate) fn fact(&mut self, name: &'static str, value: String) {
        match self.facts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.facts.push((name, value)),
        }
    }

    pub(crate) fn reached(&mut self, state: &State, now: Instant) {
        if self.phases.last().is_none_or(|&(phase, _)| phase != state.phase) {
            self.phases.push((state.phase, now));
        }
        match (state.busy, self.busy_since) {
            (true, None) => self.busy_since = Some(now),
            (false, Some(since)) => {
                self.busy = Some(self.busy.unwrap_or_default() + (now - since));
                self.busy_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        if state.ready && !self.ready {
            self.ready = true;
            info!(ready_ms = milliseconds(now - self.started), phases = self.spans(now), "ready");
        }
    }

    /// The last record. A program that never published a phase has nothing to sum up.
    pub(crate) fn ended(&self, code: u8, now: Instant, termination_log: Option<&Path>) {
        if self.phases.is_empty() {
            return;
        }
        let mut fields: Vec<records::Field> = vec![("exit_code".into(), Value::Natural(code.into()))];
        fields.extend(self.facts.iter().map(|(name, value)| ((*name).into(), Value::Text(value.clone()))));
        let busy = self.busy_since.map_or(self.busy, |since| Some(self.busy.unwrap_or_default() + (now - since)));
        fields.extend(busy.map(|span| ("busy_ms".into(), Value::Natural(milliseconds(span)))));
        fields.push(("total_ms".into(), Value::Natural(milliseconds(now - self.started))));
        fields.push(("phases".into(), Value::Text(self.spans(now))));
        let record = records::last("ended", &fields);
        if let Some(path) = termination_log
            && let Err(error) = overwrite(path, &record)
        {
            tracing::debug!(%error, path = %path.display(), "no termination log");
        }
    }

    /// `checking 3 ms, preparing 812 ms`.
    fn spans(&self, now: Instant) -> String {
        let ends = self.phases.iter().skip(1).map(|&(_, at)| at).chain([now]);
        let spans: Vec<String> =
            self.phases.iter().zip(ends).map(|(&(phase, at), end)| format!("{phase} {} ms", milliseconds(end - at))).collect();
        spans.join(", ")
    }
}

/// Only a file that is there: the platform made it for this.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path)?;
    file.write_all(text.as_bytes())
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_lasts_until_the_next_one() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timeline = Timeline::start(start);
        let state = |phase| State { phase, ready: false, busy: false, pending: vec![], owes: vec![] };
        timeline.reached(&state("checking"), at(0));
        timeline.reached(&state("preparing"), at(3));
        timeline.reached(&state("preparing"), at(10));
        timeline.reached(&state("running"), at(815));
        assert_eq!(timeline.spans(at(1000)), "checking 3 ms, preparing 812 ms, running 185 ms");
    }
}
