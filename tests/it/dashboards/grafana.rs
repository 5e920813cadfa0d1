//! Grafana's file: its shape, as an import wants it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ON_NO_DASHBOARD, Place, fit_the_grid, is_of_every_program, known, metrics_in, read, text, unit_is_in};

/// All panels but the headings.
pub(super) fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect()
}

pub(super) fn expressions(panel: &Value) -> Vec<&str> {
    panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap()).collect()
}

#[test]
fn panels_fit_the_grid_and_the_first_is_about_the_time_to_ready() {
    let dashboard = read("grafana.json");
    let places: Vec<(String, Place)> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|panel| (panel["title"].to_string(), ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap())))
        .collect();
    fit_the_grid(&places);
    let first = &dashboard["panels"][0];
    assert_eq!((&first["gridPos"]["x"], &first["gridPos"]["y"]), (&json!(0), &json!(0)));
    assert!(expressions(first)[0].contains("gha_runner_time_to_ready_seconds") && expressions(first)[0].contains("$objective"), "{first}");
}

#[test]
fn an_import_asks_for_the_data_source_and_every_query_uses_it() {
    let dashboard = read("grafana.json");
    let input = &dashboard["__inputs"][0];
    assert_eq!((&input["type"], &input["pluginId"]), (&json!("datasource"), &json!("prometheus")));
    let wanted = json!({"type": "prometheus", "uid": format!("${{{}}}", input["name"].as_str().unwrap())});
    let required: BTreeSet<&str> =
        dashboard["__requires"].as_array().unwrap().iter().map(|plugin| plugin["id"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel} has the id of another");
    }
    for panel in panels(&dashboard) {
        assert_eq!(panel["datasource"], wanted, "{panel}");
        assert!(required.contains(panel["type"].as_str().unwrap()), "{}", panel["type"]);
        let mut references = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"], wanted, "{target}");
            assert!(references.insert(target["refId"].as_str().unwrap()), "{target}");
        }
        for key in ["title", "description"] {
            assert!(panel[key].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
        }
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let named: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        assert_eq!(variable["datasource"], wanted, "{variable}");
    }
    // Whatever a query or a title leaves to be filled in is there to be chosen.
    for word in text("dashboards/grafana.json").split('$').skip(1) {
        let name: String = word.trim_start_matches('{').chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        assert!(named.contains(&name.as_str()) || ["DS_PROMETHEUS", "__range", "__all"].contains(&name.as_str()), "${name}");
    }
}

#[test]
fn every_metric_is_on_it_and_it_names_no_other_and_units_are_theirs() {
    let (dashboard, known) = (read("grafana.json"), known());
    let mut shown = BTreeSet::new();
    for panel in panels(&dashboard) {
        let (title, unit) = (panel["title"].as_str().unwrap(), panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap());
        for name in expressions(panel).into_iter().flat_map(metrics_in) {
            let Some(metric) = known.get(name) else {
                assert!(is_of_every_program(name), "{title}: no program tells {name}");
                continue;
            };
            shown.insert(name.to_owned());
            unit_is_in(title, &metric.unit);
            let fits = match metric.unit.as_str() {
                "seconds" => unit == "s" || unit == "percentunit",
                "bytes" => unit == "bytes",
                _ => unit == "none",
            };
            assert!(fits, "{title}: {name} in {unit}");
        }
    }
    for name in metrics_in(&text("dashboards/alerts.yaml")) {
        assert!(known.contains_key(name) || is_of_every_program(name), "an alert on {name}, which no program tells");
    }
    let missing: Vec<&String> = known.keys().filter(|name| !shown.contains(*name)).collect();
    let mut expected = ON_NO_DASHBOARD;
    expected.sort_unstable();
    assert_eq!(missing, expected);
}
