//! CloudWatch metrics as lines of the log: the embedded metric format, which CloudWatch Logs reads by itself. Nothing to scrape, nothing
//! to send, and a task that lives for seconds is counted like any other.
//!
//! The format: CloudWatch's "Specification: Embedded metric format". A metric of a task is told once: the time to ready when it is ready,
//! because a runner may then wait for hours; all others at the end.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use supervise::{Life, Observer, records};

use crate::metric::{Of, Table, Unit, camel, seconds};

/// Metrics of one line may not be more (the format's own limit).
const MOST: usize = 100;

/// Writes them.
#[derive(Debug)]
pub(crate) struct Emf {
    namespace: String,
    table: Table,
    ready: bool,
}

impl Emf {
    pub(crate) fn new(namespace: &str, table: Table) -> Self {
        Self { namespace: namespace.to_owned(), table, ready: false }
    }

    fn write(&self, life: &Life, which: Which) {
        let now = life.began + life.lasted;
        records::write_as_is(&line(&self.namespace, self.table, life, now, which));
    }
}

impl Observer for Emf {
    fn changed(&mut self, life: &Life) {
        if life.ready.is_some() && !self.ready {
            self.ready = true;
            self.write(life, Which::Ready);
        }
    }

    fn ended(&mut self, life: &Life) {
        self.write(life, Which::Rest);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Ready,
    Rest,
}

/// One line with its break. Dimensions cost: the program alone, and with its cluster where there is one. Everything else that tells one
/// task from another is a property, to be searched for.
fn line(namespace: &str, table: Table, life: &Life, now: SystemTime, which: Which) -> String {
    let mut values: Vec<(String, Unit, f64)> = Vec::new();
    for metric in table.metrics {
        if matches!(metric.of, Of::Ready) == (which == Which::Ready)
            && let Some(value) = metric.value(life, table.busy)
        {
            values.push((metric.in_cloudwatch(), metric.unit(), value));
        }
    }
    if which == Which::Rest {
        values.extend(life.phases.iter().map(|phase| (format!("{}Phase", camel(phase.name)), Unit::Seconds, seconds(phase.lasts()))));
        values.truncate(MOST);
    }
    let mut dimensions = vec![vec!["Program"]];
    if life.fact("cluster").is_some() {
        dimensions.push(vec!["Program", "Cluster"]);
    }
    let metrics: Vec<Value> = values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit.in_cloudwatch()})).collect();
    let timestamp = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let mut object = Map::new();
    object.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": timestamp,
            "CloudWatchMetrics": [{"Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics}],
        }),
    );
    object.insert("Program".to_owned(), json!(life.program));
    object.extend(life.facts.iter().map(|(name, value)| (camel(name), json!(value))));
    object.extend(life.exit_code.map(|code| ("ExitCode".to_owned(), json!(code))));
    // Last, so that no fact can take a metric's place.
    object.extend(values.into_iter().map(|(name, _, value)| (name, json!(value))));
    format!("{}\n", Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::tests::{TABLE, over, waiting};

    fn parsed(life: &Life, which: Which) -> Value {
        let text = line("GitHubActions", TABLE, life, life.began + life.lasted, which);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_is_what_cloudwatch_reads() {
        insta::assert_snapshot!(format!("{:#}\n{:#}", parsed(&waiting(), Which::Ready), parsed(&over(), Which::Rest)));
    }

    #[test]
    fn each_metric_is_told_once_and_has_a_value() {
        let mut life = over();
        life.facts.push(("cluster", "blue".to_owned()));
        let mut told = Vec::new();
        for which in [Which::Ready, Which::Rest] {
            let line = parsed(&life, which);
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Dimensions"], json!([["Program"], ["Program", "Cluster"]]));
            assert_eq!(line["Cluster"], "blue");
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap().to_owned();
                assert!(line[&name].is_number(), "{name}");
                assert!(!told.contains(&name), "{name}");
                told.push(name);
            }
        }
        assert!(told.contains(&"TimeToReady".to_owned()) && told.contains(&"PreparingPhase".to_owned()), "{told:?}");
    }

    #[test]
    fn a_life_that_never_got_ready_has_no_time_to_it() {
        let mut life = over();
        life.ready = None;
        assert!(parsed(&life, Which::Rest).get("TimeToReady").is_none());
    }
}
