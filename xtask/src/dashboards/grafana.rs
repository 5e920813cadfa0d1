//! Grafana's dashboard, as its import wants it: the data source is asked for.
//!
//! A gauge of a task that lives for minutes is one series that ends with it. `last_over_time` sees each series that lived in a time once, and
//! what is asked of tasks is asked of those values. Written for Grafana 10 (schema 38); later ones move it on by themselves.

use serde_json::{Value, json};

use super::{Row, placed, sharing, text};
use crate::run::Failed;

const SOURCE: &str = "${DS_PROMETHEUS}";

/// The whole of what is looked at, and the time that a point of a line looks back.
const RANGE: &str = "$__range";
const WINDOW: &str = "$window";

pub(super) fn file() -> Result<String, Failed> {
    let mut id = 0;
    let mut panels = placed(
        rows(),
        |title| json!({"type": "row", "title": title, "collapsed": false, "panels": []}),
        |panel, place| panel["gridPos"] = json!({"x": place.x, "y": place.y, "w": place.width, "h": place.height}),
    );
    for panel in &mut panels {
        id += 1;
        panel["id"] = json!(id);
    }
    text(&json!({
        "__inputs": [{
            "name": "DS_PROMETHEUS", "label": "Prometheus", "description": "The Prometheus that has the runners' metrics",
            "type": "datasource", "pluginId": "prometheus", "pluginName": "Prometheus",
        }],
        "__elements": {},
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
            {"type": "panel", "id": "bargauge", "name": "Bar gauge", "version": ""},
            {"type": "panel", "id": "stat", "name": "Stat", "version": ""},
            {"type": "panel", "id": "timeseries", "name": "Time series", "version": ""},
        ],
        "uid": "gha-runners",
        "title": "GitHub Actions runners",
        "description": "Tasks of runner-entrypoint and runner-dind. docs/metrics.md says what each number is, and what a scrape cannot see.",
        "tags": ["github-actions", "runners"],
        "schemaVersion": 38,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": variables()},
        "panels": panels,
    }))
}

fn variables() -> Value {
    json!([
        chosen("job", "Scrape job", "label_values(gha_runner_info, job)"),
        chosen("cluster", "Cluster", "label_values(gha_runner_info{job=~\"$job\"}, cluster)"),
        chosen("instance", "Instance", "label_values(gha_runner_info{job=~\"$job\",cluster=~\"$cluster\"}, instance)"),
        typed("objective", "Objective (s)", &["5", "10", "20", "30", "60", "120"], "30"),
        typed("window", "Look back", &["15m", "1h", "6h", "1d"], "1h"),
    ])
}

fn chosen(name: &str, label: &str, query: &str) -> Value {
    json!({
        "type": "query", "name": name, "label": label, "datasource": source(),
        "query": {"query": query, "refId": name},
        "refresh": 2, "sort": 1, "hide": 0, "multi": true, "includeAll": true, "allValue": ".*",
        "current": {"selected": true, "text": ["All"], "value": ["$__all"]}, "options": [],
    })
}

fn typed(name: &str, label: &str, values: &[&str], usual: &str) -> Value {
    let option = |value: &str| json!({"selected": value == usual, "text": value, "value": value});
    json!({
        "type": "custom", "name": name, "label": label, "query": values.join(","), "hide": 0, "multi": false, "includeAll": false,
        "current": option(usual), "options": values.iter().map(|value| option(value)).collect::<Vec<_>>(),
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": SOURCE})
}

/// The last value of each task that lived within that time. Only the runner's `info` knows the cluster.
fn each(metric: &str, over: &str) -> String {
    let (name, labels) = metric.split_once('{').unwrap_or((metric, "}"));
    let labels = labels.trim_end_matches('}');
    let comma = if labels.is_empty() { "" } else { "," };
    format!(
        "(last_over_time({name}{{job=~\"$job\",instance=~\"$instance\"{comma}{labels}}}[{over}]) and on (job, instance) \
         last_over_time(gha_runner_info{{job=~\"$job\",cluster=~\"$cluster\"}}[{over}]))"
    )
}

fn sum(metric: &str) -> String {
    format!("sum({})", each(metric, WINDOW))
}

fn quantile(share: &str, metric: &str) -> String {
    format!("quantile({share}, {})", each(metric, WINDOW))
}

/// As of now: of tasks that live.
fn now(metric: &str) -> String {
    format!(
        "sum({metric}{{job=~\"$job\",instance=~\"$instance\"}} and on (job, instance) gha_runner_info{{job=~\"$job\",cluster=~\"$cluster\"}})"
    )
}

type Query = (String, &'static str);

/// A line for each of these, the slowest tenth left out.
fn ninetieths(metrics: &[(&str, &'static str)]) -> Vec<Query> {
    metrics.iter().map(|(metric, legend)| (quantile("0.9", metric), *legend)).collect()
}

fn sums(metrics: &[(&str, &'static str)]) -> Vec<Query> {
    metrics.iter().map(|(metric, legend)| (sum(metric), *legend)).collect()
}

fn targets(queries: &[Query], instant: bool) -> Vec<Value> {
    let ids = ('A'..='Z').map(String::from);
    let target = |((expr, legend), id): (&Query, String)| {
        json!({
            "refId": id, "datasource": source(), "editorMode": "code", "expr": expr, "legendFormat": legend,
            "instant": instant, "range": !instant,
        })
    };
    queries.iter().zip(ids).map(target).collect()
}

/// What a panel is of: its title with the unit, what it says, Grafana's name of the unit.
type About = (&'static str, &'static str, &'static str);

fn lines(about: About, queries: &[Query]) -> Value {
    drawn(about, queries, json!({"drawStyle": "line", "lineWidth": 2, "fillOpacity": 8, "showPoints": "auto", "spanNulls": true}))
}

fn bars(about: About, queries: &[Query]) -> Value {
    let custom = json!({"drawStyle": "bars", "lineWidth": 1, "fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}});
    drawn(about, queries, custom)
}

fn drawn((title, description, unit): About, queries: &[Query], custom: Value) -> Value {
    json!({
        "type": "timeseries", "title": title, "description": description, "datasource": source(),
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0, "color": {"mode": "palette-classic"}, "custom": custom, "thresholds": steps(&[])},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": targets(queries, false),
    })
}

/// From which value on which colour; the first is that of all below.
fn steps(steps: &[(f64, &str)]) -> Value {
    let (base, others) = steps.split_first().map_or((("green"), steps), |((_, colour), others)| (*colour, others));
    let mut list = vec![json!({"color": base, "value": null})];
    list.extend(others.iter().map(|(value, colour)| json!({"color": colour, "value": value})));
    json!({"mode": "absolute", "steps": list})
}

fn number((title, description, unit): About, queries: &[Query], thresholds: Value) -> Value {
    json!({
        "type": "stat", "title": title, "description": description, "datasource": source(),
        "fieldConfig": {"defaults": {"unit": unit, "color": {"mode": "thresholds"}, "thresholds": thresholds}, "overrides": []},
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
        },
        "targets": targets(queries, true),
    })
}

fn ranking((title, description, unit): About, queries: &[Query]) -> Value {
    json!({
        "type": "bargauge", "title": title, "description": description, "datasource": source(),
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0, "decimals": 0, "color": {"mode": "continuous-BlPu"}, "thresholds": steps(&[])},
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "orientation": "horizontal", "displayMode": "gradient", "showUnfilled": true,
        },
        "targets": targets(queries, true),
    })
}

/// What only a task's last words have: a port dies with its task, a file stays.
const LAST_WORDS: &str = " A scrape of METRICS_LISTEN mostly misses this: it is told when a task ends.";

/// Adds [`LAST_WORDS`].
fn at_the_end(mut panel: Value) -> Value {
    let said = panel["description"].as_str().unwrap_or_default().to_owned();
    panel["description"] = json!(said + LAST_WORDS);
    panel
}

fn rows() -> Vec<Row> {
    vec![
        objective(),
        Row::new(
            "What the time to ready is made of",
            8,
            vec![
                lines(
                    ("Runner: parts of the start (s, p90)", "They run beside each other, so the longest counts.", "s"),
                    &ninetieths(&[
                        ("gha_runner_register_duration_seconds", "register at GitHub"),
                        ("gha_runner_docker_wait_duration_seconds", "wait for docker"),
                        ("gha_runner_restore_duration_seconds", "restore the tool cache"),
                    ]),
                ),
                lines(
                    ("Sidecar: docker's start (s, p90)", "Ready means that a container has run.", "s"),
                    &ninetieths(&[
                        ("gha_dind_time_to_ready_seconds", "until ready"),
                        ("gha_dind_format_duration_seconds", "make a file system"),
                        ("gha_dind_probe_duration_seconds", "run a container"),
                    ]),
                ),
                bars(
                    ("Runner: phases of the start (s, mean)", "One after the other; together the time to ready.", "s"),
                    &[(
                        format!("avg by (phase) ({})", each("gha_runner_phase_duration_seconds{phase=~\"checking|preparing\"}", WINDOW)),
                        "{{phase}}",
                    )],
                ),
            ],
        ),
        jobs(),
        cache(),
        losses(),
        docker(),
    ]
}

fn objective() -> Row {
    let ready = "gha_runner_time_to_ready_seconds";
    let title = "Tasks ready within $objective s (share)";
    let share = number(
        (title, "Of all tasks seen in the time that the dashboard shows: from the start of PID 1 until a job can come.", "percentunit"),
        &[(format!("avg({} <= bool $objective)", each(ready, RANGE)), "within the objective")],
        steps(&[(0.0, "red"), (0.9, "orange"), (0.95, "green")]),
    );
    let mut times: Vec<Query> =
        [("0.5", "p50"), ("0.9", "p90"), ("0.99", "p99")].map(|(share, legend)| (quantile(share, ready), legend)).to_vec();
    times.push(("vector($objective)".to_owned(), "objective"));
    let mut times = lines(
        (
            "Time to ready (s): p50, p90, p99",
            "At each point, of the tasks seen in the time that \"Look back\" says; each counts once.",
            "s",
        ),
        &times,
    );
    times["fieldConfig"]["overrides"] = json!([{
        "matcher": {"id": "byName", "options": "objective"},
        "properties": [
            {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}},
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "custom.showPoints", "value": "never"},
        ],
    }]);
    let alive = number(
        ("Runners now (count)", "Starting, waiting for a job, at work.", "none"),
        &[
            (format!("{} - {}", now("gha_runner_info"), now("gha_runner_ready")), "not ready"),
            (format!("{} - {}", now("gha_runner_ready"), now("gha_runner_busy")), "idle"),
            (now("gha_runner_busy"), "busy"),
        ],
        steps(&[(0.0, "blue")]),
    );
    Row { heading: None, height: 9, panels: vec![share, sharing(times, 2), alive] }
}

fn jobs() -> Row {
    let results = bars(
        ("Jobs by result (count)", "In \"Look back\". What GitHub's runner said of the job; \"cut\" is a job that a stop ended.", "none"),
        &sums(&[
            ("gha_runner_jobs_succeeded", "succeeded"),
            ("gha_runner_jobs_failed", "failed"),
            ("gha_runner_jobs_canceled", "cancelled"),
            ("gha_runner_jobs_cut", "cut by a stop"),
        ]),
    );
    let idle = "gha_runner_idle_duration_seconds";
    let idle = lines(
        ("Idle until the job (s): p50, p90", "From ready until the job came. Much of it means more runners than jobs.", "s"),
        &[(quantile("0.5", idle), "p50"), (quantile("0.9", idle), "p90")],
    );
    let time = "gha_runner_job_duration_seconds";
    let time = lines(
        ("Job time (s): p50, p90, longest", "Of a job that runs: until now.", "s"),
        &[(quantile("0.5", time), "p50"), (quantile("0.9", time), "p90"), (format!("max({})", each(time, WINDOW)), "longest")],
    );
    Row::new("Jobs", 8, vec![at_the_end(results), idle, time])
}

fn cache() -> Row {
    let bytes = lines(
        ("Bytes per task (p90)", "Restored as they are unpacked, saved before they are packed.", "bytes"),
        &ninetieths(&[("gha_runner_restored_bytes", "restored"), ("gha_runner_saved_bytes", "saved")]),
    );
    let files = lines(
        ("Files per task (p90)", "Many small files are what makes a tree slow on EFS; a pack does not mind.", "none"),
        &ninetieths(&[("gha_runner_restored_files", "restored"), ("gha_runner_saved_files", "saved")]),
    );
    let time = lines(
        ("Time per task (s, p90)", "Restoring is a part of the start, saving of the end.", "s"),
        &ninetieths(&[("gha_runner_restore_duration_seconds", "restore"), ("gha_runner_save_duration_seconds", "save")]),
    );
    let versions = bars(
        ("Versions (count)", "In \"Look back\". Refused: broken or forged when restored, left out when saved.", "none"),
        &sums(&[
            ("gha_runner_restored_versions", "restored"),
            ("gha_runner_restore_refused", "restore refused"),
            ("gha_runner_saved_versions", "saved"),
            ("gha_runner_save_refused", "save refused"),
        ]),
    );
    Row::new("Tool cache", 8, vec![bytes, files, time, versions])
}

fn losses() -> Row {
    let retries = bars(
        ("Registration: retries (count)", "In \"Look back\". How often GitHub had to be asked once more.", "none"),
        &sums(&[("gha_runner_register_retries", "retries")]),
    );
    let lost = bars(
        (
            "What went wrong (count, in \"Look back\")",
            "Registrations that stay at GitHub as offline runners; exit codes other than 0.",
            "none",
        ),
        &sums(&[
            ("gha_runner_registrations_left", "registrations left"),
            ("gha_runner_failures", "runner failed"),
            ("gha_dind_failures", "sidecar failed"),
        ]),
    );
    let dropped = bars(
        ("Log lines dropped (count)", "In \"Look back\". Nobody read them in time; the job was not held up for them.", "none"),
        &sums(&[("gha_runner_log_lines_dropped", "runner"), ("gha_dind_log_lines_dropped", "sidecar")]),
    );
    let ends = ranking(
        ("Ends by reason and exit code (count)", "Of all tasks seen in the time that the dashboard shows.", "none"),
        &[(format!("count by (reason, exit_code) ({})", each("gha_runner_end", RANGE)), "{{reason}} ({{exit_code}})")],
    );
    Row::new("What was lost, and why tasks ended", 8, vec![retries, at_the_end(lost), at_the_end(dropped), at_the_end(ends)])
}

fn docker() -> Row {
    let restarts = bars(
        ("Docker: restarts, containers killed (count)", "In \"Look back\". A restart kills all containers and builds of the job.", "none"),
        &sums(&[("gha_dind_docker_restarts", "docker restarts"), ("gha_dind_containers_killed", "containers killed at the end")]),
    );
    let storage = lines(
        ("Docker: storage at the end (bytes)", "The fullest task's use, and the least that was left.", "bytes"),
        &[
            (format!("max({})", each("gha_dind_storage_used_bytes", WINDOW)), "used, most"),
            (format!("min({})", each("gha_dind_storage_free_bytes", WINDOW)), "free, least"),
        ],
    );
    let end = lines(
        ("The end (s, p90)", "What must fit into the time that the platform gives for a stop.", "s"),
        &ninetieths(&[
            ("gha_runner_deregister_duration_seconds", "remove the registration"),
            ("gha_dind_linger_duration_seconds", "sidecar waits for the runner"),
            ("gha_dind_remove_duration_seconds", "remove the data-root"),
        ]),
    );
    Row::new("Docker, and the end", 8, vec![at_the_end(restarts), at_the_end(storage), at_the_end(end)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_keeps_its_own_labels_beside_those_of_the_variables() {
        assert_eq!(
            each("a{phase=\"b\"}", "1h"),
            "(last_over_time(a{job=~\"$job\",instance=~\"$instance\",phase=\"b\"}[1h]) and on (job, instance) \
             last_over_time(gha_runner_info{job=~\"$job\",cluster=~\"$cluster\"}[1h]))"
        );
        assert!(each("a", "1h").contains("instance=~\"$instance\"}[1h]"));
    }
}
