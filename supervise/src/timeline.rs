//! When each phase was reached and what went on beside it: told at ready, at the end, and to whoever observes the life.

use std::{fs::OpenOptions, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use tokio::time::Instant;
use tracing::info;

use crate::{
    Life, Measure, Observer, Span, State, Verdict, chart,
    records::{self, Value},
};

/// A work under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work(usize);

/// What is known of the life so far.
pub(crate) struct Timeline {
    started: Instant,
    life: Life,
    /// What each work has told last: it may be all that it had to tell.
    heard: Vec<Option<(Duration, Verdict)>>,
    /// Of what the program does while it is used, since it is.
    busy: Option<Work>,
    busy_name: &'static str,
    observers: Vec<Box<dyn Observer>>,
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline").field("life", &self.life).finish_non_exhaustive()
    }
}

impl Timeline {
    /// `busy_name` is what it is called that the program is used.
    pub(crate) fn start(program: &'static str, busy_name: &'static str, observers: Vec<Box<dyn Observer>>, now: Instant) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a life is told with the time of day of its beginning")]
        let began = std::time::SystemTime::now();
        let life = Life {
            program,
            began,
            lasted: Duration::ZERO,
            phases: Vec::new(),
            works: Vec::new(),
            facts: Vec::new(),
            measures: Vec::new(),
            ready: None,
            is_ready: false,
            is_busy: false,
            exit_code: None,
        };
        Self { started: now, life, heard: Vec::new(), busy: None, busy_name, observers }
    }

    /// For the last record, in place of what was there under this name.
    pub(crate) fn fact(&mut self, name: &'static str, value: String) {
        put(&mut self.life.facts, name, value);
    }

    pub(crate) fn measured(&mut self, measures: Vec<Measure>) {
        for (name, value) in measures {
            put(&mut self.life.measures, name, value);
        }
    }

    /// Something begins beside the phases.
    pub(crate) fn begin(&mut self, name: &'static str, now: Instant) -> Work {
        let at = now - self.started;
        self.life.works.push(Span { name, begins: at, ends: at, verdict: Verdict::Underway });
        self.heard.push(None);
        Work(self.life.works.len() - 1)
    }

    pub(crate) fn end(&mut self, Work(place): Work, verdict: Verdict, now: Instant) {
        let at = now - self.started;
        if let Some(work) = self.life.works.get_mut(place).filter(|work| work.verdict == Verdict::Underway) {
            (work.ends, work.verdict) = (at, verdict);
        }
    }

    /// Something was told that may be the end: it is, if the life ends before more is heard.
    pub(crate) fn told(&mut self, Work(place): Work, verdict: Verdict, now: Instant) {
        if let Some(heard) = self.heard.get_mut(place) {
            *heard = Some((now - self.started, verdict));
        }
    }

    /// `came_to` is what the phase before came to, if this is another.
    pub(crate) fn reached(&mut self, state: &State, came_to: Verdict, now: Instant) {
        let at = now - self.started;
        match self.life.phases.last_mut() {
            Some(phase) if phase.name == state.phase => phase.verdict = phase.verdict.max(came_to),
            last => {
                if let Some(phase) = last {
                    (phase.ends, phase.verdict) = (at, phase.verdict.max(came_to));
                }
                self.life.phases.push(Span { name: state.phase, begins: at, ends: at, verdict: Verdict::Well });
            }
        }
        match (state.busy, self.busy) {
            (true, None) => self.busy = Some(self.begin(self.busy_name, now)),
            (false, Some(work)) => {
                self.end(work, Verdict::Well, now);
                self.busy = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        (self.life.is_ready, self.life.is_busy) = (state.ready, state.busy);
        if state.ready && self.life.ready.is_none() {
            self.life.ready = Some(at);
            let life = self.so_far(now);
            info!(event = "ready", ready_ms = milliseconds(at), phases = listed(&life.phases), "ready");
        }
        if !self.observers.is_empty() {
            self.measured(vec![("log_lines_dropped", records::dropped())]);
            let life = self.so_far(now);
            self.observers.iter_mut().for_each(|observer| observer.changed(&life));
        }
    }

    fn so_far(&self, now: Instant) -> Life {
        let mut life = self.life.clone();
        life.lasted = now - self.started;
        if let Some(phase) = life.phases.last_mut() {
            phase.ends = life.lasted;
        }
        for work in life.works.iter_mut().filter(|work| work.verdict == Verdict::Underway) {
            work.ends = life.lasted;
        }
        life
    }

    /// The last record. A program that never published a phase has nothing to sum up.
    pub(crate) fn ended(&mut self, code: u8, now: Instant, termination_log: Option<&Path>) {
        if self.life.phases.is_empty() {
            return;
        }
        self.measured(vec![("log_lines_dropped", records::dropped())]);
        for (work, heard) in self.life.works.iter_mut().zip(&self.heard) {
            if let (Verdict::Underway, Some((at, verdict))) = (work.verdict, heard) {
                (work.ends, work.verdict) = (*at, *verdict);
            }
        }
        let mut life = self.so_far(now);
        life.exit_code = Some(code);
        let record = records::last("ended", &fields(&life, self.busy_name));
        if let Some(path) = termination_log
            && let Err(error) = overwrite(path, &record)
        {
            tracing::debug!(%error, path = %path.display(), "no termination log");
        }
        if let Some(colour) = records::for_people() {
            records::write_as_is(&chart::draw(&life, colour));
        }
        self.observers.iter_mut().for_each(|observer| observer.ended(&life));
    }
}

fn put<T>(list: &mut Vec<(&'static str, T)>, name: &'static str, value: T) {
    match list.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) => *known = value,
        None => list.push((name, value)),
    }
}

fn fields(life: &Life, busy_name: &str) -> Vec<records::Field> {
    let natural = |name: String, value: u64| (name.into(), Value::Natural(value));
    let mut fields: Vec<records::Field> = vec![("exit_code".into(), Value::Natural(life.exit_code.unwrap_or_default().into()))];
    fields.extend(life.facts.iter().map(|(name, value)| ((*name).into(), Value::Text(value.clone()))));
    fields.extend(life.work(busy_name).map(|(span, _)| natural("busy_ms".to_owned(), milliseconds(span))));
    fields.push(natural("total_ms".to_owned(), milliseconds(life.lasted)));
    fields.push(("phases".into(), Value::Text(listed(&life.phases))));
    fields.extend(life.ready.map(|at| natural("ready_ms".to_owned(), milliseconds(at))));
    let others = life.work_names().into_iter().filter(|name| *name != busy_name);
    fields.extend(others.filter_map(|name| Some(natural(format!("{}_ms", name.replace(' ', "_")), milliseconds(life.work(name)?.0)))));
    // What never happened is for those who count it, and not for those who read.
    fields.extend(life.measures.iter().filter(|(_, value)| *value > 0).map(|&(name, value)| natural(name.to_owned(), value)));
    fields
}

/// `checking 3 ms, preparing 812 ms`.
fn listed(phases: &[Span]) -> String {
    let spans: Vec<String> = phases.iter().map(|phase| format!("{} {} ms", phase.name, milliseconds(phase.lasts()))).collect();
    spans.join(", ")
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
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    fn state(phase: &'static str, ready: bool, busy: bool) -> State {
        State { phase, ready, busy, pending: vec![], owes: vec![] }
    }

    #[derive(Default, Clone)]
    struct Notebook(Rc<RefCell<Vec<Life>>>);

    impl Observer for Notebook {
        fn changed(&mut self, life: &Life) {
            self.0.borrow_mut().push(life.clone());
        }

        fn ended(&mut self, life: &Life) {
            self.0.borrow_mut().push(life.clone());
        }
    }

    #[test]
    fn each_phase_lasts_until_the_next_one_and_works_until_their_own_end() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let seen = Notebook::default();
        let mut timeline = Timeline::start("program", "job", vec![Box::new(seen.clone())], start);
        timeline.reached(&state("checking", false, false), Verdict::Well, at(0));
        timeline.reached(&state("preparing", false, false), Verdict::Well, at(3));
        let docker = timeline.begin("docker", at(3));
        let restore = timeline.begin("restore", at(4));
        timeline.reached(&state("preparing", false, false), Verdict::Warned, at(10));
        timeline.end(docker, Verdict::Failed, at(400));
        timeline.reached(&state("running", true, false), Verdict::Well, at(815));
        timeline.end(restore, Verdict::Well, at(900));
        timeline.end(restore, Verdict::Failed, at(950));
        timeline.reached(&state("running", true, true), Verdict::Well, at(1000));
        timeline.reached(&state("running", true, false), Verdict::Well, at(1500));
        let removal = timeline.begin("deregister", at(1600));
        timeline.told(removal, Verdict::Well, at(1700));
        timeline.fact("reason", "x".into());
        timeline.measured(vec![("restored_bytes", 1), ("restored_bytes", 7)]);
        timeline.ended(0, at(2000), None);

        let lives = seen.0.borrow();
        let life = lives.last().unwrap();
        assert_eq!(listed(&life.phases), "checking 3 ms, preparing 812 ms, running 1185 ms");
        assert_eq!(life.phases.iter().map(|phase| phase.verdict).collect::<Vec<_>>(), [Verdict::Well, Verdict::Warned, Verdict::Well]);
        assert_eq!(life.work_names(), ["docker", "restore", "job", "deregister"]);
        // Its process was still ending.
        assert_eq!(life.work("deregister"), Some((Duration::from_millis(100), Verdict::Well)));
        assert_eq!(life.work("docker"), Some((Duration::from_millis(397), Verdict::Failed)));
        assert_eq!(life.work("restore"), Some((Duration::from_millis(896), Verdict::Well)));
        assert_eq!(life.work("job"), Some((Duration::from_millis(500), Verdict::Well)));
        assert_eq!((life.ready, life.exit_code), (Some(Duration::from_millis(815)), Some(0)));
        assert_eq!((life.fact("reason"), life.measure("restored_bytes")), (Some("x"), Some(7)));
        // While it lasted, what went on was as long as it had lasted.
        let running = lives.iter().find(|life| life.is_ready).unwrap();
        assert_eq!(running.work("restore"), Some((Duration::from_millis(811), Verdict::Underway)));
        assert_eq!(running.exit_code, None);
    }

    #[test]
    fn the_last_record_has_a_number_for_each_thing_that_took_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timeline = Timeline::start("program", "job", vec![], start);
        timeline.reached(&state("running", true, true), Verdict::Well, at(5));
        let work = timeline.begin("await docker", at(5));
        timeline.end(work, Verdict::Well, at(25));
        timeline.measured(vec![("restored_files", 3)]);
        let life = timeline.so_far(at(105));
        let numbers: Vec<(String, u64)> = fields(&life, "job")
            .into_iter()
            .filter_map(|(name, value)| if let Value::Natural(value) = value { Some((name.into_owned(), value)) } else { None })
            .collect();
        let expected =
            [("exit_code", 0), ("busy_ms", 100), ("total_ms", 105), ("ready_ms", 5), ("await_docker_ms", 20), ("restored_files", 3)];
        assert_eq!(numbers, expected.map(|(name, value)| (name.to_owned(), value)));
    }
}
