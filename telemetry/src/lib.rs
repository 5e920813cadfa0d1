//! A life as metrics and traces, in the formats of others: CloudWatch's embedded metric format in the log, Prometheus' text in a file,
//! Chrome's trace events for Perfetto.
//!
//! What there is to measure is [`supervise::Life`]; a program says in a table of [`Metric`]s what it is called outside, and everything else
//! follows from that table: names, units, help, and the documentation. Each format is an [`supervise::Observer`] of its own; none of
//! them may cost the job anything, so whatever touches a file does it on a thread that nobody waits for.

mod emf;
mod exposition;
mod metric;
#[cfg(feature = "otlp")]
mod otlp;
mod place;
mod trace;
mod wishes;

use std::path::PathBuf;

use supervise::Observer;

pub use metric::{Metric, Of, Table};
pub use place::Place;
pub use wishes::{Collector, Wishes};

/// The observers that are wished for, and a sentence about each that cannot be.
pub fn observers(wishes: &Wishes, table: Table) -> (Vec<Box<dyn Observer>>, Vec<String>) {
    let mut observers: Vec<Box<dyn Observer>> = Vec::new();
    let mut problems = Vec::new();
    if let Some(namespace) = &wishes.emf {
        observers.push(Box::new(emf::Emf::new(namespace, table)));
    }
    let mut open = |setting: &str, path: &PathBuf| {
        Place::open(path).map_err(|why| problems.push(format!("{setting}: {} cannot be written, and will not be: {why}\nhint: its folder must be there when this container starts, and be writable for this program", path.display()))).ok()
    };
    if let Some(place) = wishes.metrics.as_ref().and_then(|path| open("METRICS_FILE", path)) {
        observers.push(Box::new(exposition::File::new(place, table)));
    }
    if let Some(place) = wishes.trace.as_ref().and_then(|path| open("TRACE_FILE", path)) {
        observers.push(Box::new(trace::File::new(place)));
    }
    if let Some(collector) = &wishes.collector {
        match spans(collector) {
            Some(spans) => observers.push(spans),
            None => problems.push(format!(
                "OTEL_EXPORTER_OTLP_ENDPOINT: this program was built without it; no spans go to {}\nhint: build it with --features otlp",
                collector.endpoint
            )),
        }
    }
    (observers, problems)
}

#[cfg(feature = "otlp")]
fn spans(collector: &Collector) -> Option<Box<dyn Observer>> {
    Some(Box::new(otlp::Spans::new(collector.clone())))
}

#[cfg(not(feature = "otlp"))]
fn spans(_: &Collector) -> Option<Box<dyn Observer>> {
    None
}

#[cfg(all(test, not(feature = "otlp")))]
mod tests {
    use super::*;

    #[test]
    fn spans_that_this_build_cannot_send_are_said_to_be_lost() {
        let collector = Collector { endpoint: "http://localhost:4318".to_owned(), headers: None, parent: None };
        let (observers, problems) = observers(&Wishes { collector: Some(collector), ..Wishes::default() }, metric::tests::TABLE);
        assert!(observers.is_empty());
        let said = "OTEL_EXPORTER_OTLP_ENDPOINT: this program was built without it; no spans go to http://localhost:4318\n\
                    hint: build it with --features otlp";
        assert_eq!(problems, [said]);
    }
}
