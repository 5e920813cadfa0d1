//! The dashboards, written from code: places in the grid follow from the order, and what stands forty times in a file stands once here.

mod cloudwatch;
mod grafana;

use serde_json::{Value, json};

use crate::run::Failed;

/// Both systems have so many columns.
const COLUMNS: u64 = 24;

/// The files with their texts.
pub(crate) fn generated() -> Result<[(&'static str, String); 3], Failed> {
    Ok([
        ("docs/dashboards/grafana.json", grafana::file()?),
        ("docs/dashboards/cloudwatch.json", cloudwatch::file()?),
        ("docs/dashboards/cloudwatch-template.yaml", cloudwatch::template()?),
    ])
}

/// Panels beside each other, as wide as each other, below a heading.
struct Row {
    heading: Option<&'static str>,
    height: u64,
    panels: Vec<Value>,
}

impl Row {
    fn new(heading: &'static str, height: u64, panels: Vec<Value>) -> Self {
        Self { heading: Some(heading), height, panels }
    }
}

/// A panel's place in the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    x: u64,
    y: u64,
    width: u64,
    height: u64,
}

/// Puts rows below each other. `heading` makes one of its text, `put` writes a place into a panel.
fn placed(rows: Vec<Row>, heading: impl Fn(&str) -> Value, put: impl Fn(&mut Value, Place)) -> Vec<Value> {
    let (mut all, mut y) = (Vec::new(), 0);
    for row in rows {
        if let Some(text) = row.heading {
            let mut panel = heading(text);
            put(&mut panel, Place { x: 0, y, width: COLUMNS, height: 1 });
            all.push(panel);
            y += 1;
        }
        let shares = shares(&row.panels);
        let mut x = 0;
        for (mut panel, width) in row.panels.into_iter().zip(shares) {
            take(&mut panel, SHARE);
            put(&mut panel, Place { x, y, width, height: row.height });
            all.push(panel);
            x += width;
        }
        y += row.height;
    }
    all
}

/// How many parts of its row's width a panel takes; it is not in the file. One, unless said.
const SHARE: &str = "share";

fn sharing(mut panel: Value, parts: u64) -> Value {
    panel[SHARE] = json!(parts);
    panel
}

fn take(panel: &mut Value, key: &str) {
    if let Some(object) = panel.as_object_mut() {
        object.remove(key);
    }
}

fn shares(panels: &[Value]) -> Vec<u64> {
    let parts: Vec<u64> = panels.iter().map(|panel| panel[SHARE].as_u64().unwrap_or(1)).collect();
    let all: u64 = parts.iter().sum();
    parts.iter().map(|part| COLUMNS * part / all.max(1)).collect()
}

fn text(value: &Value) -> Result<String, Failed> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| Failed(format!("a dashboard: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_wide_as_the_grid_and_the_next_begins_below_it() {
        let rows = vec![
            Row { heading: None, height: 8, panels: vec![json!({}), sharing(json!({}), 2), json!({})] },
            Row::new("below", 6, vec![json!({}), json!({}), json!({})]),
        ];
        let places = placed(
            rows,
            |text| json!({"title": text}),
            |panel, place| {
                panel["place"] = json!([place.x, place.y, place.width, place.height]);
            },
        );
        let expected = json!([
            {"place": [0, 0, 6, 8]}, {"place": [6, 0, 12, 8]}, {"place": [18, 0, 6, 8]},
            {"title": "below", "place": [0, 8, 24, 1]},
            {"place": [0, 9, 8, 6]}, {"place": [8, 9, 8, 6]}, {"place": [16, 9, 8, 6]},
        ]);
        assert_eq!(Value::Array(places), expected);
    }
}
