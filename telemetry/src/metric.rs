//! What is measured of a life, by the names that the world outside knows it by. Pure.

use std::{fmt::Write as _, time::Duration};

use supervise::Life;

/// One number of a life.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// In snake case with its unit at the end, as Prometheus wants it, without the program's prefix.
    pub name: &'static str,
    /// One sentence without a full stop.
    pub help: &'static str,
    /// Where it comes from.
    pub of: Of,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// From the beginning until it could be used.
    Ready,
    /// From then until it was used.
    Idle,
    /// The whole life.
    Lifetime,
    /// What went on under this name, all together.
    Work(&'static str),
    /// What was measured under this name.
    Measure(&'static str),
    /// 1 if the fact of this name has this value, 0 if it has another; nothing without one.
    Fact(&'static str, &'static str),
    /// 1 if the exit code is not 0, 0 if it is; nothing before the end.
    Failure,
}

/// All metrics of one program.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Before every name of it: `gha_runner`.
    pub prefix: &'static str,
    /// What is used, as the works of a life call it.
    pub busy: &'static str,
    /// The metrics, in the order in which they are told.
    pub metrics: &'static [Metric],
    /// Facts that say whose numbers these are.
    pub labels: &'static [&'static str],
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Count,
}

impl Unit {
    /// As CloudWatch calls it (`MetricDatum`).
    pub(crate) fn in_cloudwatch(self) -> &'static str {
        match self {
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
            Self::Count => "Count",
        }
    }
}

impl Metric {
    pub(crate) fn unit(&self) -> Unit {
        match self.name {
            name if name.ends_with("_seconds") => Unit::Seconds,
            name if name.ends_with("_bytes") => Unit::Bytes,
            _ => Unit::Count,
        }
    }

    /// `time_to_ready_seconds` is `TimeToReady` there: its unit stands beside it.
    pub(crate) fn in_cloudwatch(&self) -> String {
        camel(self.name.strip_suffix("_seconds").unwrap_or(self.name))
    }

    /// What it is of this life; `None` as long as there is nothing to say.
    pub(crate) fn value(&self, life: &Life, busy: &str) -> Option<f64> {
        let flag = |set: bool| Some(f64::from(u8::from(set)));
        match self.of {
            Of::Ready => life.ready.map(seconds),
            Of::Idle => {
                let used = life.works.iter().find(|work| work.name == busy)?;
                Some(seconds(used.begins.saturating_sub(life.ready?)))
            }
            Of::Lifetime => Some(seconds(life.lasted)),
            Of::Work(name) => life.work(name).map(|(span, _)| seconds(span)),
            Of::Measure(name) => life.measure(name).map(number),
            Of::Fact(name, value) => life.fact(name).and_then(|fact| flag(fact == value)),
            Of::Failure => life.exit_code.and_then(|code| flag(code != 0)),
        }
    }
}

impl Table {
    /// The table as Markdown, for the documentation.
    pub fn markdown(&self) -> String {
        let mut text = "| Prometheus | CloudWatch | unit | meaning |\n|---|---|---|---|\n".to_owned();
        for metric in self.metrics {
            let unit = metric.unit().in_cloudwatch().to_ascii_lowercase();
            let _ = writeln!(text, "| `{}_{}` | `{}` | {unit} | {} |", self.prefix, metric.name, metric.in_cloudwatch(), metric.help);
        }
        text
    }
}

/// `preparing` is `Preparing`, `await_runner` and `await runner` are `AwaitRunner`.
pub(crate) fn camel(name: &str) -> String {
    let words = name.split(['_', ' ', '.']).filter(|word| !word.is_empty());
    words.fold(String::new(), |mut text, word| {
        text.extend(word.chars().take(1).map(|c| c.to_ascii_uppercase()));
        text.extend(word.chars().skip(1));
        text
    })
}

/// To the microsecond: what is finer is noise, and long to read.
pub(crate) fn seconds(span: Duration) -> f64 {
    number(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)) / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a double in every one of these formats")]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::SystemTime;

    use supervise::{Span, Verdict};

    use super::*;

    pub(crate) const TABLE: Table = Table {
        prefix: "gha_runner",
        busy: "job",
        metrics: &[
            Metric { name: "time_to_ready_seconds", help: "from the start until a job can come", of: Of::Ready },
            Metric { name: "idle_duration_seconds", help: "from ready until the job came", of: Of::Idle },
            Metric { name: "job_duration_seconds", help: "the job", of: Of::Work("job") },
            Metric { name: "restored_bytes", help: "bytes restored", of: Of::Measure("restored_bytes") },
            Metric { name: "restored_files", help: "files restored", of: Of::Measure("restored_files") },
            Metric { name: "jobs_failed", help: "1 if the job failed", of: Of::Fact("result", "Failed") },
            Metric { name: "lifetime_seconds", help: "the whole life", of: Of::Lifetime },
            Metric { name: "failures", help: "1 if the exit code is not 0", of: Of::Failure },
        ],
        labels: &["runner", "task"],
    };

    pub(crate) fn span(name: &'static str, begins: u64, ends: u64, verdict: Verdict) -> Span {
        Span { name, begins: Duration::from_millis(begins), ends: Duration::from_millis(ends), verdict }
    }

    /// One that is ready and waits.
    pub(crate) fn waiting() -> Life {
        Life {
            program: "runner-entrypoint",
            began: SystemTime::UNIX_EPOCH + Duration::from_millis(1_796_000_000_123),
            lasted: Duration::from_millis(530),
            phases: vec![
                span("checking", 0, 3, Verdict::Well),
                span("preparing", 3, 527, Verdict::Warned),
                span("running", 527, 530, Verdict::Well),
            ],
            works: vec![span("register", 3, 15, Verdict::Well), span("docker", 3, 520, Verdict::Well)],
            facts: vec![("runner", "runner-1 \"x\"".to_owned())],
            measures: vec![("restored_bytes", 11_000_000), ("restored_files", 2_821)],
            ready: Some(Duration::from_millis(527)),
            is_ready: true,
            is_busy: false,
            exit_code: None,
        }
    }

    /// The same at its end.
    pub(crate) fn over() -> Life {
        let mut life = waiting();
        life.phases[2].ends = Duration::from_millis(900);
        life.phases.push(span("settling", 900, 930, Verdict::Well));
        life.works.push(span("job", 600, 880, Verdict::Well));
        life.works.push(span("save", 900, 930, Verdict::Failed));
        life.facts.extend([("job", "build".to_owned()), ("result", "Failed".to_owned()), ("reason", "job_done".to_owned())]);
        life.lasted = Duration::from_millis(930);
        (life.is_ready, life.exit_code) = (false, Some(0));
        life
    }

    fn values(life: &Life) -> Vec<Option<f64>> {
        TABLE.metrics.iter().map(|metric| metric.value(life, TABLE.busy)).collect()
    }

    #[test]
    fn a_number_is_told_as_soon_as_there_is_one() {
        assert_eq!(values(&waiting()), [Some(0.527), None, None, Some(11e6), Some(2821.0), None, Some(0.53), None]);
        assert_eq!(values(&over()), [Some(0.527), Some(0.073), Some(0.28), Some(11e6), Some(2821.0), Some(1.0), Some(0.93), Some(0.0)]);
    }

    #[test]
    fn names_follow_the_conventions_of_each_system() {
        let names: Vec<(String, Unit)> = TABLE.metrics.iter().map(|metric| (metric.in_cloudwatch(), metric.unit())).collect();
        assert_eq!(names[0], ("TimeToReady".to_owned(), Unit::Seconds));
        assert_eq!(names[3], ("RestoredBytes".to_owned(), Unit::Bytes));
        assert_eq!(names[5], ("JobsFailed".to_owned(), Unit::Count));
        assert_eq!(camel("await runner"), "AwaitRunner");
        assert_eq!(camel("config.sh"), "ConfigSh");
    }
}
