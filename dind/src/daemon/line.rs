//! A line of dockerd or containerd, understood: both write logfmt (`time="..." level=warning msg="..." key=value`) or, if told so, a
//! JSON object a line. Pure.

use std::borrow::Cow;

/// How much a line weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For the daemon's developers.
    Debug,
    /// It goes as intended.
    Info,
    /// Something is missing or odd.
    Warning,
    /// Something failed.
    Error,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// `None` for a line without a level: the text of a panic, or something of a library.
    pub weight: Option<Weight>,
    /// The message alone.
    pub message: Cow<'a, str>,
    /// Everything else but the time, in the order of the line.
    pub fields: Vec<(String, String)>,
}

/// Lines without a level which say nevertheless that the daemon gives up: what Go's runtime writes before a traceback, and what dockerd
/// writes last.
const LAST_WORDS: [&str; 5] = ["panic: ", "fatal error: ", "runtime: ", "failed to start daemon", REFUSED];

/// What dockerd says of settings that it does not take.
const REFUSED: &str = "unable to configure the Docker daemon";

/// Understands any line; one that is neither form is its own message.
pub fn parse(line: &str) -> Line<'_> {
    logfmt(line).or_else(|| json(line)).unwrap_or_else(|| {
        let weight = LAST_WORDS.iter().any(|words| line.starts_with(words)).then_some(Weight::Error);
        Line { weight, message: line.into(), fields: vec![] }
    })
}

impl Line<'_> {
    /// What went wrong, if this line says so.
    pub fn complaint(&self) -> Option<String> {
        if self.weight != Some(Weight::Error) {
            return None;
        }
        let cause = self.fields.iter().find(|(name, _)| name == "error").map(|(_, cause)| format!(": {cause}"));
        Some(format!("{}{}", self.message, cause.unwrap_or_default()))
    }

    /// The daemon does not take its settings: another start would end in the same way.
    pub fn is_refusal(&self) -> bool {
        self.message.starts_with(REFUSED)
    }
}

fn weight(level: &str) -> Option<Weight> {
    Some(match level {
        "trace" | "debug" => Weight::Debug,
        "info" => Weight::Info,
        "warning" | "warn" => Weight::Warning,
        "error" | "fatal" | "panic" => Weight::Error,
        _ => return None,
    })
}

/// Assembles a line from its pairs; `None` unless it has a level and a message.
fn assemble(pairs: impl IntoIterator<Item = (String, String)>) -> Option<Line<'static>> {
    let (mut level, mut message, mut fields) = (None, None, Vec::new());
    for (name, value) in pairs {
        match name.as_str() {
            "time" => {}
            "level" if level.is_none() => level = Some(weight(&value)?),
            "msg" if message.is_none() => message = Some(value),
            _ => fields.push((name, value)),
        }
    }
    Some(Line { weight: Some(level?), message: message?.into(), fields })
}

fn logfmt(line: &str) -> Option<Line<'static>> {
    let mut pairs = Vec::new();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || name.contains([' ', '"']) {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(' ').unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        pairs.push((name.to_owned(), value));
        rest = match after.strip_prefix(' ') {
            Some(rest) => rest.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    assemble(pairs)
}

/// The text up to the closing quote, and what follows; Go quotes as `strconv.Quote` does.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => {
                let (_, escape) = characters.next()?;
                let digits = match escape {
                    'n' => Err('\n'),
                    't' => Err('\t'),
                    'r' => Err('\r'),
                    'a' => Err('\u{7}'),
                    'b' => Err('\u{8}'),
                    'f' => Err('\u{c}'),
                    'v' => Err('\u{b}'),
                    'x' => Ok(2),
                    'u' => Ok(4),
                    'U' => Ok(8),
                    other => Err(other),
                };
                value.push(match digits {
                    Err(character) => character,
                    Ok(count) => {
                        let mut code = 0;
                        for _ in 0..count {
                            code = code * 16 + characters.next()?.1.to_digit(16)?;
                        }
                        // `\x` from 80 on is a byte that is no text; others can be half of a pair.
                        char::from_u32(code).filter(|_| count > 2 || code < 0x80).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                });
            }
            other => value.push(other),
        }
    }
    None
}

fn json(line: &str) -> Option<Line<'static>> {
    let serde_json::Value::Object(object) = serde_json::from_str(line).ok()? else { return None };
    assemble(object.into_iter().map(|(name, value)| match value {
        serde_json::Value::String(text) => (name, text),
        other => (name, other.to_string()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_line_of_dockerd_keeps_level_message_and_fields_and_loses_its_time() {
        let line = parse(
            r#"time="2026-11-21T09:12:33.123456789Z" level=warning msg="Error getting \"v2\" registry" error="dial tcp: i/o timeout" attempt=2 host="#,
        );
        assert_eq!(line.weight, Some(Weight::Warning));
        assert_eq!(line.message, r#"Error getting "v2" registry"#);
        assert_eq!(line.fields, [field("error", "dial tcp: i/o timeout"), field("attempt", "2"), field("host", "")]);
    }

    #[test]
    fn every_level_of_go_is_one_of_ours() {
        for (level, expected) in [
            ("trace", Weight::Debug),
            ("debug", Weight::Debug),
            ("info", Weight::Info),
            ("warning", Weight::Warning),
            ("warn", Weight::Warning),
            ("error", Weight::Error),
            ("fatal", Weight::Error),
            ("panic", Weight::Error),
        ] {
            assert_eq!(parse(&format!("level={level} msg=x")).weight, Some(expected), "{level}");
        }
    }

    #[test]
    fn quoted_text_is_unquoted_as_go_quotes() {
        let line = parse(r#"level=info msg="a\tb\\c\nd é\u00e9\x41\U0001f40b\xff\ud800""#);
        assert_eq!(line.message, "a\tb\\c\nd ééA🐋\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_message_without_quotes_and_one_in_another_place_are_found() {
        let line = parse("msg=starting level=info containerd=1.7.24");
        assert_eq!((line.weight, &*line.message, line.fields.len()), (Some(Weight::Info), "starting", 1));
    }

    #[test]
    fn a_line_of_json_is_the_same() {
        let line = parse(r#"{"level":"error","msg":"failed","time":"2026","container":"abc","code":7,"nested":{"a":1}}"#);
        assert_eq!((line.weight, &*line.message), (Some(Weight::Error), "failed"));
        assert_eq!(line.fields, [field("code", "7"), field("container", "abc"), field("nested", r#"{"a":1}"#)]);
    }

    #[test]
    fn what_is_neither_is_its_own_message() {
        for line in [
            "",
            " ",
            "goroutine 1 [running]:",
            "\tmain.main()",
            "\t/usr/src/main.go:12 +0x1d",
            "level=info",
            "msg=alone",
            "level=loud msg=x",
            r#"level=info msg="never closed"#,
            r#"level=info msg="closed"then"#,
            r#"level=info msg="\u12"#,
            "a b=c level=info msg=x",
            "=x level=info msg=y",
            "{}",
            r#"{"level":"info"}"#,
            "[1,2]",
            "null",
            "{\"level\":\"info\",\"msg\":",
        ] {
            let parsed = parse(line);
            assert_eq!((parsed.weight, &*parsed.message, parsed.fields.len()), (None, line, 0), "{line}");
            assert_eq!(parsed.complaint(), None);
        }
    }

    #[test]
    fn no_line_whatever_its_bytes_makes_the_parser_panic() {
        let sample = r#"time="x" level=error msg="a \"b\" \u00e9 é" k="v" {"level":"x","msg":1} =="#;
        let characters: Vec<char> = sample.chars().collect();
        for from in 0..characters.len() {
            for to in from..characters.len() {
                let part: String = characters[from..to].iter().collect();
                let _ = parse(&part);
            }
        }
    }

    #[test]
    fn the_last_words_of_a_daemon_are_complaints_without_a_level() {
        for line in ["panic: runtime error: invalid memory address", "fatal error: out of memory", "failed to start daemon: no"] {
            assert_eq!(parse(line).complaint().as_deref(), Some(line));
        }
        let failed = parse(r#"level=error msg="failed to mount overlay" error="no such device" storage-driver=overlay2"#);
        assert_eq!(failed.complaint().as_deref(), Some("failed to mount overlay: no such device"));
        assert_eq!(parse(r#"level=warning msg="no buildkit""#).complaint(), None);
    }

    #[test]
    fn settings_that_a_daemon_does_not_take_are_told_from_other_failures() {
        let refused = "unable to configure the Docker daemon with file /x/daemon.json: the following directives don't match any configuration option: mtuu";
        assert!(parse(refused).is_refusal());
        assert!(!parse("failed to start daemon: devices cgroup isn't mounted").is_refusal());
    }
}
