//! The dashboards and alerts of docs/dashboards: what they name exists, what exists is on them, and what Prometheus is asked has an answer.

mod cloudwatch;
mod grafana;
mod promql;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use runner_tests::programs::Program;
use serde_json::Value;

/// On no dashboard: what it is made of is.
const ON_NO_DASHBOARD: [&str; 2] = ["gha_runner_lifetime_seconds", "gha_dind_lifetime_seconds"];

/// Of every program besides its table, with their prefix: whose numbers these are, and where the life is.
const OF_EVERY_PROGRAM: [&str; 7] = ["info", "ready", "busy", "phase", "phase_duration_seconds", "end", "updated_timestamp_seconds"];

/// A metric as a program's own table has it.
#[derive(Debug)]
struct Known {
    program: &'static str,
    in_cloudwatch: String,
    unit: String,
}

/// By the name in Prometheus.
fn known() -> BTreeMap<String, Known> {
    let mut known = BTreeMap::new();
    for (program, name) in [(Program::Entrypoint, "runner-entrypoint"), (Program::Dind, "runner-dind")] {
        let said = Command::new(program.path()).args(["reference", "--metrics"]).output().unwrap();
        for row in String::from_utf8(said.stdout).unwrap().lines().filter(|row| row.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let metric = Known { program: name, in_cloudwatch: cells[1].to_owned(), unit: cells[2].to_owned() };
            assert!(known.insert(cells[0].to_owned(), metric).is_none(), "{row}");
        }
    }
    assert!(known.len() > 30, "{known:?}");
    known
}

fn text(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join("docs").join(name)).unwrap()
}

fn read(name: &str) -> Value {
    serde_json::from_str(&text(&format!("dashboards/{name}"))).unwrap()
}

/// Everything that looks like a metric of ours in a text.
fn metrics_in(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("gha_")).collect()
}

fn is_of_every_program(name: &str) -> bool {
    ["gha_runner_", "gha_dind_"].iter().any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| OF_EVERY_PROGRAM.contains(&rest)))
}

/// A place in the grid: column, row, width, height.
type Place = [u64; 4];

#[track_caller]
fn fit_the_grid(places: &[(String, Place)]) {
    assert!(places.len() > 15);
    for (number, (title, [x, y, width, height])) in places.iter().enumerate() {
        assert!(*width > 0 && *height > 0 && x + width <= 24, "{title} is beside the grid");
        for (other, [left, top, across, down]) in &places[number + 1..] {
            let apart = x + width <= *left || left + across <= *x || y + height <= *top || top + down <= *y;
            assert!(apart, "{title} and {other} lie on each other");
        }
    }
    // Nothing to the right of the last panel of a row, and no gap between rows.
    let mut rows: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (_, [_, y, width, height]) in places {
        let row = rows.entry(*y).or_insert((0, *height));
        row.0 += width;
        assert_eq!(row.1, *height, "row {y} has panels of different heights");
    }
    let mut next = 0;
    for (y, (width, height)) in rows {
        assert_eq!((y, width), (next, 24), "row {y}");
        next = y + height;
    }
}

/// A title says what its numbers are.
#[track_caller]
fn unit_is_in(title: &str, unit: &str) {
    let said = title.split_once('(').map(|(_, rest)| rest).unwrap_or_default();
    let expected = match unit {
        "seconds" => said.starts_with('s') && !said.starts_with("share") || said.starts_with('%') || said.starts_with("share"),
        "bytes" => title.to_lowercase().contains("bytes"),
        _ => said.starts_with("count") || title.to_lowercase().contains("files") || title.to_lowercase().contains("versions"),
    };
    assert!(expected, "{title} does not say that it is of {unit}");
}

#[test]
fn every_alarm_leads_to_an_entry_of_the_runbook() {
    let runbook = text("runbook.md");
    let contents = runbook.split("<!-- end of contents -->").next().unwrap();
    for (file, beginning, least) in [("alerts.yaml", "docs/runbook.md#", 5), ("cloudwatch-template.yaml", "${Runbook}#", 5)] {
        let alarms = text(&format!("dashboards/{file}"));
        let anchors: Vec<&str> = alarms.split(beginning).skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
        assert!(anchors.len() >= least, "{file}: {anchors:?}");
        for anchor in &anchors {
            assert!(contents.contains(&format!("](#{anchor})")), "{file}: the runbook has no #{anchor}");
        }
        let rules = alarms.matches("- alert: ").count() + alarms.matches("Type: AWS::CloudWatch::Alarm").count();
        assert_eq!(anchors.len(), rules, "{file}: each has one");
    }
}

#[test]
fn the_document_has_every_metric_and_what_each_program_tells_besides() {
    let (document, known) = (text("metrics.md"), known());
    for name in known.keys() {
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
    // What they cost is counted from their number.
    for (who, program) in [("runner", "runner-entrypoint"), ("sidecar", "runner-dind")] {
        let count = known.values().filter(|metric| metric.program == program).count();
        assert!(document.contains(&format!("| {who} | {count}, and one for each phase")), "{who}: {count}");
    }
    for name in OF_EVERY_PROGRAM {
        assert!(document.contains(&format!("`…_{name}")), "{name}");
    }
}

/// What `images/kubernetes/pod.yaml` sets: the runner's port serves the sidecar's file, whose folder nobody has made yet.
#[test]
fn a_sidecar_keeps_its_metrics_in_a_task_folder_that_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("task/dind/metrics.prom");
    let mut sidecar = Command::new(Program::Dind.path());
    sidecar.env("TASK_DIR", dir.path().join("task")).env("METRICS_FILE", &file).env("DOCKER_STORAGE_ROOT", dir.path().join("missing"));
    // It ends at its checks, which is a life as well.
    assert_eq!(sidecar.output().unwrap().status.code(), Some(71));
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("\ngha_dind_failures 1\n") && text.contains("gha_dind_end{exit_code=\"71\""), "{text}");
}
