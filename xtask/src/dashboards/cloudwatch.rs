//! CloudWatch's dashboard: as a body for `put-dashboard`, and in a CloudFormation template with its alarms.
//!
//! Every metric has the dimension `Program`; the runner's have on ECS also `Program` and `Cluster`. The body shows all clusters; the template
//! may show one.

use serde_json::{Value, json};

use super::{Row, placed, sharing, text};
use crate::run::Failed;

/// Parameters, conditions and alarms around the body.
const TEMPLATE: &str = include_str!("cloudwatch-template.yaml");

/// Where the body goes in it, with what stands before it on its line.
const BODY: &str = "          @BODY@\n";

const RUNNER: &str = "runner-entrypoint";
const SIDECAR: &str = "runner-dind";

/// What differs from one deployment to the next.
struct Deployment {
    namespace: &'static str,
    region: &'static str,
    log_group: &'static str,
    /// The objective for the time to ready, in seconds.
    objective: &'static str,
}

/// The names of the examples.
const EXAMPLE: Deployment = Deployment { namespace: "GitHubRunners", region: "eu-central-1", log_group: "/ecs/runner", objective: "30" };

/// As `Fn::Sub` wants them.
const PARAMETERS: Deployment =
    Deployment { namespace: "${Namespace}", region: "${AWS::Region}", log_group: "${LogGroup}", objective: "${Objective}" };

/// In place of a number, until it is text.
const OBJECTIVE_AS_A_NUMBER: &str = "\"@OBJECTIVE@\"";

/// Behind each dimension `Program` of the runner in the template: nothing, or the one cluster.
const CLUSTER: &str = "${AndCluster}";

pub(super) fn file() -> Result<String, Failed> {
    Ok(text(&EXAMPLE.body())?.replace(OBJECTIVE_AS_A_NUMBER, EXAMPLE.objective))
}

pub(super) fn template() -> Result<String, Failed> {
    let body = PARAMETERS.body();
    let mut lines = String::new();
    let mut line = |text: &str| {
        // A widget a line: a template may have 51,200 bytes.
        lines.push_str(&format!("          {text}\n"));
    };
    line("{\"start\": \"-PT12H\", \"periodOverride\": \"inherit\", \"widgets\": [");
    let widgets = body["widgets"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (number, widget) in widgets.iter().enumerate() {
        let comma = if number + 1 < widgets.len() { "," } else { "" };
        let mut text = serde_json::to_string(widget).map_err(|error| Failed(format!("a widget: {error}")))?;
        // Only the runner knows its cluster.
        let dimension = format!("\"Program\",\"{RUNNER}\"");
        text = text.replace(&dimension, &format!("{dimension}{CLUSTER}"));
        // What is CloudWatch's to fill in.
        text = text.replace("${PROP(", "${!PROP(");
        line(&(text.replace(OBJECTIVE_AS_A_NUMBER, PARAMETERS.objective) + comma));
    }
    line("]}");
    if TEMPLATE.matches(BODY).count() != 1 {
        return Err(Failed("the template has no place for the dashboard".to_owned()));
    }
    Ok(TEMPLATE.replace(BODY, &lines))
}

/// A metric of a program with a statistic and a name in the legend.
type Series = (&'static str, &'static str, String, &'static str);

fn series(program: &'static str, metric: &'static str, statistic: &str, label: &'static str) -> Series {
    (program, metric, statistic.to_owned(), label)
}

impl Deployment {
    fn body(&self) -> Value {
        let widgets = placed(
            self.rows(),
            |title| json!({"type": "text", "properties": {"markdown": format!("## {title}"), "background": "transparent"}}),
            |widget, place| {
                for (key, value) in [("x", place.x), ("y", place.y), ("width", place.width), ("height", place.height)] {
                    widget[key] = json!(value);
                }
            },
        );
        json!({"start": "-PT12H", "periodOverride": "inherit", "widgets": widgets})
    }

    fn rows(&self) -> Vec<Row> {
        let p90 = |program, metric, label| series(program, metric, "p90", label);
        let sum = |program, metric, label| series(program, metric, "Sum", label);
        vec![
            self.provisioning(),
            Row::new(
                "What the time to ready is made of",
                6,
                vec![
                    self.lines(
                        "Runner: parts of the start (s, p90)",
                        &[
                            p90(RUNNER, "RegisterDuration", "register at GitHub"),
                            p90(RUNNER, "DockerWaitDuration", "wait for docker"),
                            p90(RUNNER, "RestoreDuration", "restore the tool cache"),
                        ],
                    ),
                    self.lines(
                        "Sidecar: docker's start (s, p90)",
                        &[
                            p90(SIDECAR, "TimeToReady", "until ready"),
                            p90(SIDECAR, "FormatDuration", "make a file system"),
                            p90(SIDECAR, "ProbeDuration", "run a container"),
                        ],
                    ),
                    self.slowest(),
                ],
            ),
            Row::new(
                "Jobs",
                6,
                vec![
                    self.bars(
                        "Jobs by result (count)",
                        &[
                            sum(RUNNER, "JobsSucceeded", "succeeded"),
                            sum(RUNNER, "JobsFailed", "failed"),
                            sum(RUNNER, "JobsCanceled", "cancelled"),
                            sum(RUNNER, "JobsCut", "cut by a stop"),
                        ],
                    ),
                    self.spread("Idle until the job (s): p50, p90, longest", "IdleDuration"),
                    self.spread("Job time (s): p50, p90, longest", "JobDuration"),
                ],
            ),
            Row::new(
                "Tool cache",
                6,
                vec![
                    self.lines("Bytes per task (p90)", &[p90(RUNNER, "RestoredBytes", "restored"), p90(RUNNER, "SavedBytes", "saved")]),
                    self.lines("Files per task (p90)", &[p90(RUNNER, "RestoredFiles", "restored"), p90(RUNNER, "SavedFiles", "saved")]),
                    self.lines("Time per task (s, p90)", &[p90(RUNNER, "RestoreDuration", "restore"), p90(RUNNER, "SaveDuration", "save")]),
                    self.bars(
                        "Versions (count)",
                        &[
                            sum(RUNNER, "RestoredVersions", "restored"),
                            sum(RUNNER, "RestoreRefused", "restore refused"),
                            sum(RUNNER, "SavedVersions", "saved"),
                            sum(RUNNER, "SaveRefused", "save refused"),
                        ],
                    ),
                ],
            ),
            Row::new(
                "What was lost, and why tasks ended",
                6,
                vec![
                    self.bars("Registration: retries (count)", &[sum(RUNNER, "RegisterRetries", "retries")]),
                    self.bars(
                        "What went wrong (count)",
                        &[
                            sum(RUNNER, "RegistrationsLeft", "registrations left"),
                            sum(RUNNER, "Failures", "runner failed"),
                            sum(SIDECAR, "Failures", "sidecar failed"),
                        ],
                    ),
                    self.bars(
                        "Log lines dropped (count)",
                        &[sum(RUNNER, "LogLinesDropped", "runner"), sum(SIDECAR, "LogLinesDropped", "sidecar")],
                    ),
                    self.ends(),
                ],
            ),
            Row { heading: None, height: 6, panels: vec![self.errors()] },
            Row::new(
                "Docker, and the end",
                6,
                vec![
                    self.bars(
                        "Docker: restarts, containers killed (count)",
                        &[
                            sum(SIDECAR, "DockerRestarts", "docker restarts"),
                            sum(SIDECAR, "ContainersKilled", "containers killed at the end"),
                        ],
                    ),
                    self.lines(
                        "Docker: storage at the end (bytes)",
                        &[
                            series(SIDECAR, "StorageUsedBytes", "Maximum", "used, most"),
                            series(SIDECAR, "StorageFreeBytes", "Minimum", "free, least"),
                        ],
                    ),
                    self.lines(
                        "The end (s, p90)",
                        &[
                            p90(RUNNER, "DeregisterDuration", "remove the registration"),
                            p90(SIDECAR, "LingerDuration", "sidecar waits for the runner"),
                            p90(SIDECAR, "RemoveDuration", "remove the data-root"),
                        ],
                    ),
                ],
            ),
        ]
    }

    fn provisioning(&self) -> Row {
        let within = format!("PR(:{})", self.objective);
        let mut share = self.metric(
            &format!("Tasks ready within {} s (%)", self.objective),
            &[series(RUNNER, "TimeToReady", &within, "within the objective")],
        );
        share["properties"]["view"] = json!("singleValue");
        // One number of all that is shown, not that of the last five minutes.
        share["properties"]["setPeriodToTimeRange"] = json!(true);
        share["properties"]["sparkline"] = json!(false);
        let mut times = self.spread("Time to ready (s): p50, p90, p99", "TimeToReady");
        times["properties"]["metrics"][2][4]["stat"] = json!("p99");
        times["properties"]["metrics"][2][4]["label"] = json!("p99");
        times["properties"]["annotations"] =
            json!({"horizontal": [{"label": "objective", "value": OBJECTIVE_AS_A_NUMBER.trim_matches('"'), "color": "#d62728"}]});
        let search =
            format!("SEARCH('{{{},Program,Cluster}} MetricName=\"TimeToReady\" Program=\"{RUNNER}\"', 'p90', 300)", self.namespace);
        let clusters = json!({
            "type": "metric",
            "properties": {
                "title": "Time to ready by cluster (s, p90)", "view": "timeSeries", "stacked": false, "region": self.region, "period": 300,
                "yAxis": {"left": {"min": 0}}, "legend": {"position": "bottom"},
                "metrics": [[{"expression": search, "label": "${PROP('Dim.Cluster')}", "id": "clusters"}]],
            },
        });
        Row { heading: None, height: 7, panels: vec![share, sharing(times, 2), clusters] }
    }

    fn metric(&self, title: &str, series: &[Series]) -> Value {
        let metrics: Vec<Value> = series
            .iter()
            .map(|(program, metric, statistic, label)| {
                json!([self.namespace, metric, "Program", program, {"stat": statistic, "label": label}])
            })
            .collect();
        json!({
            "type": "metric",
            "properties": {
                "title": title, "view": "timeSeries", "stacked": false, "region": self.region, "period": 300, "metrics": metrics,
            },
        })
    }

    fn lines(&self, title: &str, series: &[Series]) -> Value {
        let mut widget = self.metric(title, series);
        widget["properties"]["yAxis"] = json!({"left": {"min": 0}});
        widget["properties"]["legend"] = json!({"position": "bottom"});
        widget
    }

    fn bars(&self, title: &str, series: &[Series]) -> Value {
        let mut widget = self.lines(title, series);
        widget["properties"]["stacked"] = json!(true);
        widget
    }

    fn spread(&self, title: &str, metric: &'static str) -> Value {
        let statistics = [("p50", "p50"), ("p90", "p90"), ("Maximum", "longest")];
        self.lines(title, &statistics.map(|(statistic, label)| series(RUNNER, metric, statistic, label)))
    }

    fn table(&self, title: &str, query: &str) -> Value {
        json!({
            "type": "log",
            "properties": {
                "title": title, "view": "table", "region": self.region, "query": format!("SOURCE '{}' | {query}", self.log_group),
            },
        })
    }

    fn slowest(&self) -> Value {
        self.table(
            "Slowest starts",
            "filter event = \"ready\" | fields fields.ready_ms / 1000 as seconds, labels.runner as runner, fields.phases as phases \
             | sort seconds desc | limit 20",
        )
    }

    fn ends(&self) -> Value {
        self.table(
            "Ends by reason and exit code",
            "filter event = \"ended\" | stats count(*) as tasks by fields.reason as reason, fields.exit_code as exit_code | sort tasks desc",
        )
    }

    fn errors(&self) -> Value {
        self.table(
            "Errors; the runbook knows them by a piece of the message",
            "filter level = \"error\" | stats count(*) as lines, latest(@timestamp) as last by phase, message | sort lines desc | limit 50",
        )
    }
}
