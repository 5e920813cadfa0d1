//! Lays JSON out for readers: what fits on a line stands on one. Order is the writer's: serde writes a struct's fields as they are
//! declared, and `serde_json::Value` would sort them.

use serde::Serialize;

/// The longest line, as in the sources.
const WIDTH: usize = 140;

/// A value in compact JSON, cut at its own brackets and commas. Texts are slices of what serde wrote.
enum Node<'a> {
    Leaf(&'a str),
    Group { brackets: [char; 2], items: Vec<(Option<&'a str>, Node<'a>)> },
}

/// A document, with a line break at its end.
///
/// # Errors
/// A map's key is no text.
pub(super) fn document(value: &impl Serialize) -> serde_json::Result<String> {
    let compact = serde_json::to_string(value)?;
    let (node, _) = parse(&compact);
    let mut text = String::new();
    write(&node, 0, 0, &mut text);
    text.push('\n');
    Ok(text)
}

/// One value and what follows it. The text is serde's own, so it is JSON without spaces.
fn parse(text: &str) -> (Node<'_>, &str) {
    let brackets = match text.chars().next() {
        Some('{') => ['{', '}'],
        Some('[') => ['[', ']'],
        _ => {
            let (leaf, rest) = text.split_at(leaf(text));
            return (Node::Leaf(leaf), rest);
        }
    };
    let mut rest = &text[1..];
    let mut items = Vec::new();
    while !rest.starts_with(brackets[1]) {
        rest = rest.strip_prefix(',').unwrap_or(rest);
        let key = (brackets[0] == '{').then(|| {
            let (key, value) = rest.split_at(leaf(rest));
            rest = &value[1..];
            key
        });
        let (value, after) = parse(rest);
        items.push((key, value));
        rest = after;
    }
    (Node::Group { brackets, items }, &rest[1..])
}

/// The length of a text, a number or a word at the start.
fn leaf(text: &str) -> usize {
    if !text.starts_with('"') {
        return text.find([',', '}', ']']).unwrap_or(text.len());
    }
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, letter)| {
        let ends = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// `before` is what stands on the line already.
fn write(node: &Node<'_>, depth: usize, before: usize, text: &mut String) {
    let flat = flat(node);
    // A comma may follow.
    if before + flat.len() < WIDTH {
        text.push_str(&flat);
        return;
    }
    let Node::Group { brackets, items } = node else { return text.push_str(&flat) };
    text.push(brackets[0]);
    for (number, (key, value)) in items.iter().enumerate() {
        text.push_str(if number == 0 { "\n" } else { ",\n" });
        let start = text.len();
        text.push_str(&"  ".repeat(depth + 1));
        if let Some(key) = key {
            text.push_str(key);
            text.push_str(": ");
        }
        write(value, depth + 1, text.len() - start, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(brackets[1]);
}

fn flat(node: &Node<'_>) -> String {
    match node {
        Node::Leaf(leaf) => (*leaf).to_owned(),
        Node::Group { brackets: [open, close], items } => {
            let item = |(key, value): &(Option<&str>, Node<'_>)| key.map_or_else(|| flat(value), |key| format!("{key}: {}", flat(value)));
            let items: Vec<String> = items.iter().map(item).collect();
            format!("{open}{}{close}", items.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_fits_stands_on_one_line_and_the_rest_is_broken() {
        let short: Vec<u32> = (0..4).collect();
        assert_eq!(document(&short).unwrap(), "[0, 1, 2, 3]\n");
        let long: Vec<u32> = (1_000..1_040).collect();
        let text = document(&json!({"long": long, "short": short})).unwrap();
        assert!(text.starts_with("{\n  \"long\": [\n    1000,\n") && text.ends_with("  ],\n  \"short\": [0, 1, 2, 3]\n}\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn nothing_is_changed_whatever_the_texts_hold() {
        let long = "x".repeat(200);
        let odd = json!({
            "quote \" { [ , ] }": ["a\\", "\\\"", "\n", "", long],
            "empty": [{}, [], null, true, -1.5],
            "deep": {"a": {"b": {"c": [long.clone(), [{"d": long}]]}}},
        });
        assert_eq!(serde_json::from_str::<Value>(&document(&odd).unwrap()).unwrap(), odd);
    }

    #[test]
    fn fields_stay_in_their_order() {
        #[derive(Serialize)]
        struct Named {
            name: u8,
            image: u8,
            also: u8,
        }
        assert_eq!(document(&Named { name: 1, image: 2, also: 3 }).unwrap(), "{\"name\": 1, \"image\": 2, \"also\": 3}\n");
    }
}
