//! What Prometheus is asked, judged by Prometheus' own engine (`promtool test rules`), on what a real life told.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use runner_tests::{
    bed::Bed,
    fixtures::Tool,
    github::{Job, Route, Step},
    need::{Need, need},
    process::Ending,
};
use serde_json::{Value, json};

use super::{grafana, known, read, text};

const DEADLINE: Duration = Duration::from_secs(40);

/// A series, and its value at each minute as promtool writes that.
type Series = (String, String);

/// The text of a scrape as series of one task that do not change.
fn series(text: &str, labels: &str) -> Vec<Series> {
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (name, own) = name.split_once('{').unwrap_or((name, "}"));
            let comma = if own == "}" { "" } else { "," };
            (format!("{name}{{{labels}{comma}{own}"), format!("{value}x5"))
        })
        .collect()
}

/// What promtool says to `(expression, minute, value)`; `None` is an expression with no answer. `rules`: with the alerts.
fn asked(series: &[Series], questions: &[(String, u64, Option<f64>)], rules: bool) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let series: Vec<Value> = series.iter().map(|(series, values)| json!({"series": series, "values": values})).collect();
    let questions: Vec<Value> = questions
        .iter()
        .map(|(expr, minute, value)| {
            let samples: Vec<Value> = value.iter().map(|value| json!({"labels": "{}", "value": value})).collect();
            json!({"expr": expr, "eval_time": format!("{minute}m"), "exp_samples": samples})
        })
        .collect();
    // JSON is YAML.
    let test = json!({
        "rule_files": if rules { vec!["alerts.yaml"] } else { vec![] },
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": questions}],
    });
    fs::write(dir.path().join("alerts.yaml"), text("dashboards/alerts.yaml")).unwrap();
    fs::write(dir.path().join("test.yaml"), test.to_string()).unwrap();
    promtool(dir.path(), &["test", "rules", "test.yaml"])
}

fn promtool(folder: &Path, words: &[&str]) -> Result<(), String> {
    let done = Command::new("promtool").args(words).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    if done.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr))
}

/// An expression with what a person has chosen put in.
fn chosen(expression: &str) -> String {
    let chosen = [("$__range", "1h"), ("$window", "1h"), ("$objective", "30"), ("$job", ".*"), ("$instance", ".*"), ("$cluster", ".*")];
    chosen.iter().fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// The metrics of the expressions that have no answer.
fn silent(series: &[Series]) -> BTreeSet<String> {
    let dashboard = read("grafana.json");
    let panels = grafana::panels(&dashboard);
    let expressions: Vec<String> = panels.iter().flat_map(|panel| grafana::expressions(panel)).map(chosen).collect();
    let question = |expression: &String| format!("count({expression}) > bool 0");
    let all: Vec<_> = expressions.iter().map(|expression| (question(expression), 3, Some(1.0))).collect();
    // It quotes each that went wrong.
    let said = asked(series, &all, false).err().unwrap_or_default();
    let is_silent = |expression: &&String| said.contains(&json!(question(expression)).to_string());
    // And was it for want of an answer? This has to hold.
    let again: Vec<_> = expressions.iter().map(|expression| (question(expression), 3, (!is_silent(&expression)).then_some(1.0))).collect();
    asked(series, &again, false).unwrap();
    expressions.iter().filter(is_silent).map(|expression| super::metrics_in(expression)[0].to_owned()).collect()
}

/// What the sidecar would tell; there is no docker here.
fn sidecar() -> String {
    let names = known().into_iter().filter(|(_, metric)| metric.program == "runner-dind").map(|(name, _)| format!("{name} 1\n"));
    names.collect()
}

const TASK: &str = r#"job="runners",instance="10.0.0.1:9402""#;

#[test]
fn a_task_that_ended_answers_every_question_and_one_that_lives_all_but_those_about_its_end() {
    if !need(&[Need::Promtool]) {
        return;
    }
    let bed = Bed::new();
    let _cache = bed.tool_cache("remote").with(Tool::Node, "20.11.0");
    let file = bed.directory("metrics").join("runner.prom");
    bed.github().script(Route::GenerateJit, [Step::status(502, "bad gateway")]);
    let (begun, go) = (bed.path("begun"), bed.path("go"));
    bed.github().queue_job(Job::new("build", &format!("touch {}; until [ -e {} ]; do sleep 0.02; done", begun.display(), go.display())));
    let remote = bed.path("remote").to_string_lossy().into_owned();
    let mut life = bed.entrypoint().env("METRICS_FILE", file.to_string_lossy()).env("TOOL_CACHE_REMOTE", remote).start();
    let told = || fs::read_to_string(&file).unwrap_or_default();
    bed.wait_for("the job to be counted", DEADLINE, || begun.exists() && told().contains("gha_runner_busy 1"));
    let living = told();
    fs::write(go, "").unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let ended = told();

    // Docker was not asked for.
    let none = ["gha_runner_docker_wait_duration_seconds"];
    let at_end = silent(&[series(&ended, TASK), series(&sidecar(), TASK)].concat());
    assert_eq!(at_end, BTreeSet::from(none.map(str::to_owned)), "{ended}");

    let mut while_alive = silent(&[series(&living, TASK), series(&sidecar(), TASK)].concat());
    none.iter().for_each(|name| assert!(while_alive.remove(*name), "{name}"));
    let document = text("metrics.md");
    let (_, section) = document.split_once("## What a scrape cannot see\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let listed: BTreeSet<String> =
        super::metrics_in(section).into_iter().filter(|name| name.starts_with("gha_runner_")).map(str::to_owned).collect();
    let told_at_the_end: BTreeSet<String> = listed.into_iter().filter(|name| !none.contains(&name.as_str())).collect();
    assert_eq!(while_alive, told_at_the_end, "what the document lists is what is not there while a task lives: {living}");
}

fn task(number: u64) -> String {
    format!(r#"job="runners",instance="10.0.0.{number}:9402""#)
}

#[test]
fn a_task_counts_once_in_the_time_to_ready_whether_it_lives_or_not() {
    if !need(&[Need::Promtool]) {
        return;
    }
    let mut all = Vec::new();
    // Two have ended within their first minutes, one of them long before anybody looks.
    for (number, values) in [(1, "10 10 10 stale"), (2, "20x40"), (3, "40 stale"), (4, "_x20 25x20")] {
        all.push((format!("gha_runner_time_to_ready_seconds{{{}}}", task(number)), values.to_owned()));
        all.push((
            format!("gha_runner_info{{{},cluster=\"{}\"}}", task(number), if number == 3 { "blue" } else { "red" }),
            "1x40".to_owned(),
        ));
    }
    let dashboard = read("grafana.json");
    let panels = grafana::panels(&dashboard);
    let share = chosen(grafana::expressions(panels[0])[0]);
    let of_red = grafana::expressions(panels[0])[0].replace("$cluster", "red");
    let median = chosen(grafana::expressions(panels[1])[0]);
    let questions = [
        (share, 40, Some(0.75)),
        (chosen(&of_red), 40, Some(1.0)),
        (median.clone(), 40, Some(22.5)),
        // Once an hour has gone by, only those that were seen since.
        (median, 65, Some(22.5)),
    ];
    asked(&all, &questions, false).unwrap();
}

/// Each alert with what sets it off, and how many minutes it takes.
#[test]
fn every_alert_fires_for_what_it_is_about_and_none_when_all_is_well() {
    if !need(&[Need::Promtool]) {
        return;
    }
    let gauge = |name: &str, number: u64, values: &str| (format!("{name}{{{}}}", task(number)), values.to_owned());
    let slow = |values: &str| (1..=10).map(|n| gauge("gha_runner_time_to_ready_seconds", n, values)).collect::<Vec<_>>();
    let starting =
        || vec![gauge("gha_runner_ready", 1, "0x30"), (format!("gha_runner_phase{{{},phase=\"preparing\"}}", task(1)), "1x30".into())];
    let cases: Vec<(&str, Vec<Series>)> = vec![
        ("RunnerSlowStart", slow("31x30")),
        ("RunnerNotReady", starting()),
        (
            "RunnerRegistrationsRetried",
            vec![gauge("gha_runner_register_retries", 1, "6x30"), gauge("gha_runner_register_retries", 2, "4 stale")],
        ),
        ("RunnerDockerRestarted", vec![gauge("gha_dind_docker_restarts", 1, "0 0 1 stale")]),
        ("RunnerCacheRefused", vec![gauge("gha_runner_restore_refused", 1, "1 stale")]),
        ("RunnerRegistrationsLeft", vec![gauge("gha_runner_registrations_left", 1, "1 stale")]),
        ("RunnerStorageLow", vec![gauge("gha_dind_storage_free_bytes", 1, "1073741824x30")]),
    ];
    let alerts = text("dashboards/alerts.yaml");
    assert_eq!(alerts.matches("- alert: ").count(), cases.len());
    let firing = |name: &str| format!("count(ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}})");
    for (name, series) in &cases {
        let questions = [(firing(name), 14, Some(1.0)), (format!("count(ALERTS) - {}", firing(name)), 14, Some(0.0))];
        asked(series, &questions, true).unwrap_or_else(|said| panic!("{name}: {said}"));
    }
    let well: Vec<Series> = [
        slow("12x30"),
        vec![
            gauge("gha_runner_ready", 1, "0 1x30"),
            gauge("gha_runner_register_retries", 1, "2x30"),
            gauge("gha_dind_docker_restarts", 1, "0x30"),
            gauge("gha_runner_restore_refused", 1, "0x30"),
            gauge("gha_runner_registrations_left", 1, "0x30"),
            gauge("gha_dind_storage_free_bytes", 1, "53687091200x30"),
        ],
    ]
    .concat();
    asked(&well, &[("count(ALERTS)".to_owned(), 14, None)], true).unwrap();
    // Nine slow ones are too few to be judged.
    let few: Vec<Series> = (1..=9).map(|n| gauge("gha_runner_time_to_ready_seconds", n, "31x30")).collect();
    asked(&few, &[("count(ALERTS)".to_owned(), 14, None)], true).unwrap();
}

#[test]
fn the_alerts_are_rules_that_prometheus_loads() {
    if !need(&[Need::Promtool]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("alerts.yaml"), text("dashboards/alerts.yaml")).unwrap();
    promtool(dir.path(), &["check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml"]).unwrap();
}
