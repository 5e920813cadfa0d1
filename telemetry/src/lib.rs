//! A life as metrics and traces, in the formats of others: CloudWatch's embedded metric format in the log, Prometheus' text in a file,
//! Chrome's trace events for Perfetto.
//!
//! What there is to measure is [`supervise::Life`]; a program says in a table of [`Metric`]s what it is called outside, and everything else
//! follows from that table: names, units, help, and the documentation. Each format is an [`supervise::Observer`] of its own; none of
//! them may cost the job anything, so whatever touches a file does it on a thread that nobody waits for.

mod emf;
mod exposition;
mod metric;
mod place;
mod trace;

use std::path::PathBuf;

use supervise::Observer;

pub use metric::{Metric, Of, Table};
use place::Place;

/// Where a life is told, as far as the settings ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The namespace of the metrics in the log.
    pub emf: Option<String>,
    /// The file that always has the metrics of now.
    pub metrics: Option<PathBuf>,
    /// The file that gets the trace at the end.
    pub trace: Option<PathBuf>,
}

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
    (observers, problems)
}

/// Whether a namespace is one that CloudWatch takes: 1 to 255 of letters, digits and `.-_/#:` and blanks, and not one of AWS' own
/// (`PutMetricData`).
///
/// # Errors
/// What is wrong.
pub fn namespace(text: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_/#: ".contains(c);
    match text {
        text if text.len() > 255 => Err("longer than 255 characters"),
        text if text.starts_with("AWS/") => Err("in AWS/, which is for AWS alone"),
        text if !text.chars().all(fits) => Err("not of letters, digits, blanks and .-_/#: alone"),
        _ => Ok(()),
    }
}
