//! YAML 1.2, several documents, aliases and merge keys (`<<`), which compose files live on.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{DEEPEST, Documents, Entry, MOST, Node, Place, Unreadable, Value, finish, repeated_keys};

pub(crate) fn read(text: &str) -> Result<Documents, Unreadable> {
    let mut reader = Reader { events: Parser::new_from_str(text), anchors: HashMap::new(), repeated: Vec::new(), values: 0 };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (event, span) => documents.push(reader.value(event, span, DEEPEST)?),
        }
    }
    documents.retain(|document| !matches!(document.value, Value::Null));
    Ok(finish(documents, reader.repeated))
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    repeated: Vec<(Place, String)>,
    /// So far, with those of aliases.
    values: usize,
}

fn place(span: Span) -> Place {
    Place::new(span.start.line(), span.start.col() + 1)
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Unreadable> {
        match self.events.next_event() {
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let marker = error.marker();
                Err(Unreadable { at: Place::new(marker.line(), marker.col() + 1), what: error.info().to_owned() })
            }
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Unreadable> {
        let at = place(span);
        let deeper = depth.checked_sub(1).ok_or_else(|| Unreadable { at, what: format!("nested deeper than {DEEPEST}") })?;
        self.count(1, at)?;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                (anchor, if is_text { Value::Text(text.into_owned()) } else { plain(&text) })
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.value(event, span, deeper)?),
                    }
                }
                (anchor, Value::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Value::Map(self.mapping(deeper)?)),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| Unreadable { at, what: "an alias of what it stands in".to_owned() })?;
                let (size, height) = measure(&node);
                self.count(size, at)?;
                if height > depth {
                    return Err(Unreadable { at, what: format!("nested deeper than {DEEPEST}") });
                }
                return Ok(node);
            }
            _ => (0, Value::Null),
        };
        let node = Node { at, value };
        if anchor > 0 {
            // A second copy, which every alias then copies again.
            self.count(measure(&node).0, at)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, Unreadable> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                event => event,
            };
            let key = self.value(event, span, depth)?;
            let name = key.word().ok_or_else(|| Unreadable { at: key.at, what: "a key that is no word".to_owned() })?.to_owned();
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth)?;
            if name == "<<" {
                merged.push(value);
            } else {
                entries.push(Entry { key: name, at: key.at, value });
            }
        }
        repeated_keys(entries.iter().map(|entry| (entry.key.as_str(), entry.at)), &mut self.repeated);
        for node in &merged {
            for source in if node.items().is_empty() { std::slice::from_ref(node) } else { node.items() } {
                for entry in source.entries() {
                    if !entries.iter().any(|own| own.key == entry.key) {
                        entries.push(entry.clone());
                    }
                }
            }
        }
        Ok(entries)
    }

    fn count(&mut self, more: usize, at: Place) -> Result<(), Unreadable> {
        self.values += more;
        if self.values > MOST {
            return Err(Unreadable { at, what: format!("more than {MOST} values, counted with what aliases repeat") });
        }
        Ok(())
    }
}

/// Number of values, and how deep they go.
fn measure(node: &Node) -> (usize, usize) {
    let children: Vec<&Node> = match &node.value {
        Value::List(items) => items.iter().collect(),
        Value::Map(entries) => entries.iter().map(|entry| &entry.value).collect(),
        _ => Vec::new(),
    };
    let (size, height) = children.into_iter().map(measure).fold((0, 0), |(size, height), (more, deep)| (size + more, height.max(deep)));
    (size + 1, height + 1)
}

/// YAML 1.2's core schema, as far as a deployment can tell.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if text.parse::<f64>().is_ok() && text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => {
            Value::Number(text.to_owned())
        }
        _ => Value::Text(text.to_owned()),
    }
}
