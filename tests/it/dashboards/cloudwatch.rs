//! CloudWatch's dashboard: as the documentation of a dashboard's body describes it ("Dashboard Body Structure and Syntax").

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Known, ON_NO_DASHBOARD, Place, fit_the_grid, known, read, text, unit_is_in};

const OF_A_METRIC: &[&str] =
    &["annotations", "legend", "metrics", "period", "region", "setPeriodToTimeRange", "sparkline", "stacked", "title", "view", "yAxis"];
const OF_A_LOG: &[&str] = &["query", "region", "title", "view"];
const OF_A_TEXT: &[&str] = &["background", "markdown"];

fn widgets(dashboard: &Value) -> &Vec<Value> {
    dashboard["widgets"].as_array().unwrap()
}

/// Namespace, metric, program, statistic of each series.
fn series(widget: &Value) -> Vec<[&str; 4]> {
    let metrics = widget["properties"]["metrics"].as_array().map(Vec::as_slice).unwrap_or_default();
    let plain = metrics.iter().filter(|metric| metric[0].is_string());
    let read = |metric: &'_ Value| -> bool { metric[2] == "Program" && metric.as_array().unwrap().len() == 5 };
    plain
        .map(|metric| {
            assert!(read(metric), "{metric}");
            [&metric[0], &metric[1], &metric[3], &metric[4]["stat"]].map(|value| value.as_str().unwrap())
        })
        .collect()
}

/// "CloudWatch statistics definitions", as far as they are used.
fn is_a_statistic(name: &str) -> bool {
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    ["Sum", "Average", "Minimum", "Maximum", "SampleCount"].contains(&name)
        || name.strip_prefix('p').is_some_and(is_number)
        || name.strip_prefix("PR(:").and_then(|rest| rest.strip_suffix(')')).is_some_and(is_number)
}

#[test]
fn widgets_fit_the_grid_and_the_first_is_about_the_time_to_ready() {
    let dashboard = read("cloudwatch.json");
    let place = |widget: &Value| ["x", "y", "width", "height"].map(|key| widget[key].as_u64().unwrap());
    let places: Vec<(String, Place)> =
        widgets(&dashboard).iter().map(|widget| (widget["properties"]["title"].to_string(), place(widget))).collect();
    fit_the_grid(&places);
    let first = &widgets(&dashboard)[0];
    assert_eq!(place(first)[..2], [0, 0]);
    assert_eq!(series(first), [["GitHubRunners", "TimeToReady", "runner-entrypoint", "PR(:30)"]]);
}

#[test]
fn the_body_has_the_documented_structure() {
    let dashboard = read("cloudwatch.json");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&dashboard), ["periodOverride", "start", "widgets"]);
    assert!(widgets(&dashboard).len() <= 500);
    for widget in widgets(&dashboard) {
        assert_eq!(keys(widget), ["height", "properties", "type", "width", "x", "y"], "{widget}");
        let properties = &widget["properties"];
        let allowed = match widget["type"].as_str().unwrap() {
            "metric" => OF_A_METRIC,
            "log" => OF_A_LOG,
            "text" => OF_A_TEXT,
            other => panic!("{other}"),
        };
        for key in keys(properties) {
            assert!(allowed.contains(&key.as_str()), "{key} of {widget}");
        }
        match widget["type"].as_str().unwrap() {
            "metric" => {
                assert!(["timeSeries", "singleValue"].contains(&properties["view"].as_str().unwrap()), "{widget}");
                assert!(properties["period"].as_u64().is_some_and(|period| period % 60 == 0), "{widget}");
                assert!(properties["region"].is_string(), "{widget}");
                assert!(series(widget).iter().all(|[_, _, _, statistic]| is_a_statistic(statistic)), "{widget}");
                assert!(!properties["metrics"].as_array().unwrap().is_empty(), "{widget}");
                for line in properties["annotations"]["horizontal"].as_array().into_iter().flatten() {
                    assert!(line["value"].is_number(), "{line}");
                }
            }
            "log" => {
                let query = properties["query"].as_str().unwrap();
                assert!(query.starts_with("SOURCE '/ecs/runner' | filter ") && properties["view"] == "table", "{widget}");
            }
            _ => assert!(properties["markdown"].as_str().unwrap().starts_with("## "), "{widget}"),
        }
    }
}

#[test]
fn every_metric_is_on_it_and_it_names_no_other() {
    let (dashboard, known) = (read("cloudwatch.json"), known());
    let find = |metric: &str, program: &str| known.iter().find(|(_, known)| known.in_cloudwatch == metric && known.program == program);
    let mut shown = BTreeSet::new();
    for widget in widgets(&dashboard) {
        for [_, metric, program, _] in series(widget) {
            let title = widget["properties"]["title"].as_str().unwrap();
            let (name, known) = find(metric, program).unwrap_or_else(|| panic!("{title}: {program} tells no {metric}"));
            unit_is_in(title, &known.unit);
            shown.insert(name.clone());
        }
    }
    let missing: BTreeSet<&str> = known.keys().filter(|name| !shown.contains(*name)).map(String::as_str).collect();
    assert_eq!(missing, BTreeSet::from(ON_NO_DASHBOARD));
    // And so do the alarms.
    let template = text("dashboards/cloudwatch-template.yaml");
    let alarms: Vec<&str> = template.split("Type: AWS::CloudWatch::Alarm").skip(1).collect();
    assert!(alarms.len() >= 5);
    for alarm in alarms {
        let word = |key: &str| alarm.split(key).nth(1).and_then(|rest| rest.split(['\n', ',', '}']).next()).unwrap().trim();
        let (metric, program) = (word("MetricName: "), word("Name: Program, Value: "));
        assert!(find(metric, program).is_some(), "{program} tells no {metric}");
    }
}

/// What the log's queries ask for is what a record has: `a_log_for_machines_has_one_schema` holds its fields.
#[test]
fn queries_of_the_log_ask_for_fields_that_records_have() {
    let schema = include_str!("../snapshots/it__telemetry__a_log_for_machines_has_one_schema.snap");
    let queries: Vec<String> =
        widgets(&read("cloudwatch.json")).iter().filter_map(|widget| widget["properties"]["query"].as_str().map(str::to_owned)).collect();
    assert_eq!(queries.len(), 3);
    for query in queries {
        for word in query.split(|c: char| !(c.is_ascii_alphanumeric() || "._".contains(c))) {
            if let Some(field) = word.strip_prefix("fields.").or_else(|| word.strip_prefix("labels.")) {
                assert!(schema.contains(&format!("\"{field}\":")), "{field}");
            }
        }
        for (key, rest) in [("event", "event = "), ("level", "level = ")] {
            if let Some(value) = query.split(rest).nth(1).and_then(|rest| rest.split('"').nth(1)) {
                assert!(value == "error" || schema.contains(&format!("\"{key}\":\"{value}\"")), "{key} {value}");
            }
        }
    }
}

/// The body in the template is the same with parameters in it.
#[test]
fn the_template_has_the_same_dashboard() {
    let template = text("dashboards/cloudwatch-template.yaml");
    let (_, rest) = template.split_once("DashboardBody: !Sub\n        - |\n").unwrap();
    let (body, _) = rest.split_once("        - AndCluster: ").unwrap();
    assert!(template.len() < 51_200, "CloudFormation takes no longer one from a file");
    let filled = |cluster: &str| {
        let mut body = body.to_owned();
        for (parameter, value) in [
            ("${Namespace}", "GitHubRunners"),
            ("${AWS::Region}", "eu-central-1"),
            ("${LogGroup}", "/ecs/runner"),
            ("${Objective}", "30"),
            ("${AndCluster}", cluster),
        ] {
            assert!(body.contains(parameter), "{parameter}");
            body = body.replace(parameter, value);
        }
        // What Fn::Sub is told to leave alone.
        body = body.replace("${!", "${");
        serde_json::from_str::<Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    };
    assert_eq!(filled(""), read("cloudwatch.json"));
    // With one cluster, each series of the runner is that cluster's.
    let one = filled(r#","Cluster","blue""#);
    let mut clusters = 0;
    for metric in widgets(&one).iter().filter_map(|widget| widget["properties"]["metrics"].as_array()).flatten() {
        if metric[3] == "runner-entrypoint" {
            assert_eq!((&metric[4], &metric[5]), (&"Cluster".into(), &"blue".into()), "{metric}");
            clusters += 1;
        }
    }
    assert!(clusters > 20);
    let Known { program, .. } = &known()["gha_runner_time_to_ready_seconds"];
    assert_eq!(*program, "runner-entrypoint");
}
