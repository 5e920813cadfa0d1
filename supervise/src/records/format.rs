//! One record as one line of text, for people or for machines. Pure.

use std::{fmt::Write as _, time::SystemTime};

use serde::Serialize;
use serde_json::{Map, json};
use tracing::Level;

use super::{Field, Value};

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns.
    Human,
    /// One JSON object.
    Json,
}

/// Who says it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// This program, in this phase.
    Phase(&'a str),
    /// A child, by its name.
    Child(&'a str),
    /// A child whose lines have levels, by its name.
    Speaker(&'a str),
}

pub(super) struct Line<'a> {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    pub(super) origin: Origin<'a>,
    /// Only for machines: a word that stays, whatever the message says.
    pub(super) event: Option<&'a str>,
    pub(super) message: &'a str,
    /// Only for machines: a person reads one life's log.
    pub(super) labels: &'a [(&'static str, String)],
    pub(super) fields: &'a [Field],
}

/// A record as it is written for machines; the order of the fields is the order in the line.
#[derive(Serialize)]
struct Object<'a> {
    time: String,
    level: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    labels: Map<String, serde_json::Value>,
    message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, serde_json::Value>,
}

/// One JSON object and a line break.
pub(super) fn json(line: &Line<'_>) -> String {
    let (phase, source) = match line.origin {
        Origin::Phase(phase) => (Some(phase).filter(|phase| !phase.is_empty()), None),
        Origin::Child(source) | Origin::Speaker(source) => (None, Some(source)),
    };
    let object = Object {
        time: humantime::format_rfc3339_millis(line.time).to_string(),
        level: line.level.as_str().to_ascii_lowercase(),
        phase,
        source,
        event: line.event,
        labels: line.labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect(),
        message: line.message,
        fields: line.fields.iter().map(|(name, value)| (name.clone().into_owned(), plain(value))).collect(),
    };
    let mut text = serde_json::to_string(&object).unwrap_or_default();
    text.push('\n');
    text
}

/// `12:03:04.123 WARN  preparing   the sentence  name=value`; a child's line is `… runner    | its line`.
pub(super) fn human(line: &Line<'_>, colour: bool) -> String {
    let time = humantime::format_rfc3339_millis(line.time).to_string();
    let clock = time.get(11..23).unwrap_or(&time);
    let (paint, plain) = match (colour, line.level) {
        (false, _) => ("", ""),
        (true, Level::ERROR) => ("\x1b[31m", "\x1b[0m"),
        (true, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
        (true, _) => ("\x1b[2m", "\x1b[0m"),
    };
    let mut text = String::new();
    let _ = match line.origin {
        Origin::Phase(phase) => write!(text, "{paint}{clock} {:<5} {phase:<10}{plain}  {}", line.level.as_str(), visible(line.message)),
        Origin::Speaker(source) => {
            write!(text, "{paint}{clock} {:<5} {source:<10}{plain}| {}", line.level.as_str(), visible(line.message))
        }
        Origin::Child(source) => write!(text, "{paint}{clock}       {source:<10}{plain}| {}", visible(line.message)),
    };
    for (name, value) in line.fields {
        let value = match plain_text(value) {
            text if text.contains([' ', '"', '=']) || text.is_empty() => format!("{text:?}"),
            text => visible(&text),
        };
        let _ = write!(text, "  {}={value}", visible(name));
    }
    text.push('\n');
    text
}

/// Line breaks of our own messages are indented under their first line; any other control character, which could repaint a terminal
/// or fake a line of ours, is written as its escape.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\n                               "),
            '\t' => shown.push('\t'),
            character if character.is_control() => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
    }
    shown
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => json!(text),
        Value::Number(number) => json!(number),
        Value::Natural(number) => json!(number),
        Value::Real(number) => json!(number),
        Value::Switch(switch) => json!(switch),
    }
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => plain(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line<'a>(origin: Origin<'a>, message: &'a str, fields: &'a [Field]) -> Line<'a> {
        Line {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_234),
            level: Level::WARN,
            origin,
            event: None,
            message,
            labels: &[],
            fields,
        }
    }

    #[test]
    fn a_record_for_machines_is_one_object_on_one_line() {
        let fields = [("files".into(), Value::Natural(3)), ("path".into(), Value::Text("/a\nb".into()))];
        let text = json(&line(Origin::Phase("preparing"), "two\nlines", &fields));
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.starts_with(r#"{"time":"1970-01-01T00:00:01.234Z","level":"warn","phase":"preparing","message":"#), "{text}");
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = json!({"time": "1970-01-01T00:00:01.234Z", "level": "warn", "phase": "preparing", "message": "two\nlines", "fields": {"files": 3, "path": "/a\nb"}});
        assert_eq!(parsed, expected);
    }

    #[test]
    fn whose_line_it_is_stands_in_every_record_for_machines() {
        let labels = [("task", "0af1".to_owned())];
        let text = json(&Line { labels: &labels, ..line(Origin::Child("runner"), "hello", &[]) });
        assert!(text.contains(r#""source":"runner","labels":{"task":"0af1"},"message":"hello""#), "{text}");
        assert!(!human(&Line { labels: &labels, ..line(Origin::Child("runner"), "hello", &[]) }, false).contains("0af1"));
    }

    #[test]
    fn a_record_for_people_is_aligned() {
        let fields = [("files".into(), Value::Natural(3)), ("why".into(), Value::Text("no space".into()))];
        assert_eq!(
            human(&line(Origin::Phase("preparing"), "went on", &fields), false),
            "00:00:01.234 WARN  preparing   went on  files=3  why=\"no space\"\n"
        );
        assert_eq!(human(&line(Origin::Child("runner"), "hello", &[]), false), "00:00:01.234       runner    | hello\n");
    }

    #[test]
    fn a_child_whose_lines_have_levels_keeps_them() {
        let fields = [("error".into(), Value::Text("no route".into()))];
        let said = line(Origin::Speaker("dockerd"), "cannot pull", &fields);
        assert_eq!(human(&said, false), "00:00:01.234 WARN  dockerd   | cannot pull  error=\"no route\"\n");
        let parsed: serde_json::Value = serde_json::from_str(&json(&said)).unwrap();
        let expected = json!({
            "time": "1970-01-01T00:00:01.234Z", "level": "warn", "source": "dockerd", "message": "cannot pull", "fields": {"error": "no route"},
        });
        assert_eq!(parsed, expected);
    }

    #[test]
    fn a_field_of_a_child_cannot_fake_a_line() {
        let fields = [("a\nb".into(), Value::Text("c\nd".into()))];
        let text = human(&line(Origin::Speaker("dockerd"), "x", &fields), false);
        assert!(text.lines().skip(1).all(|line| line.starts_with("        ")), "{text:?}");
    }

    #[test]
    fn a_child_cannot_fake_a_record_or_repaint_the_terminal() {
        let text = human(&line(Origin::Child("runner"), "a\x1b[2Jb\rc", &[]), false);
        assert!(!text.contains('\x1b') && !text.contains('\r'), "{text:?}");
        let forged = json(&line(Origin::Child("runner"), "x\"}\n{\"level\":\"error\"", &[]));
        assert_eq!(forged.lines().count(), 1);
    }
}
