//! HCL, as Nomad has it. A block is an entry whose value is a map with its label; blocks of one kind repeat their key.

use std::ops::Range;

use hcl_edit::{
    Span,
    expr::{Expression, ObjectKey},
    parser::parse_body,
    structure::{Body, Structure},
};

use super::{Documents, Entry, LABEL, Node, Place, Unreadable, Value, finish, lines::Lines};

pub(crate) fn read(text: &str) -> Result<Documents, Unreadable> {
    let body = parse_body(text).map_err(|error| {
        let location = error.location();
        Unreadable { at: Place::new(location.line(), location.column()), what: error.message().to_owned() }
    })?;
    let reader = Reader { text, lines: Lines::new(text) };
    let document = Node { at: Place::new(1, 1), value: Value::Map(reader.body(&body)) };
    // A key that stands twice is refused by the parser.
    Ok(finish(vec![document], Vec::new()))
}

struct Reader<'a> {
    text: &'a str,
    lines: Lines<'a>,
}

/// hcl-edit stops at 64 levels by itself, so this may recurse.
impl Reader<'_> {
    fn place(&self, span: Option<Range<usize>>) -> Place {
        self.lines.place(span.map_or(0, |span| span.start))
    }

    fn body(&self, body: &Body) -> Vec<Entry> {
        body.iter()
            .map(|structure| match structure {
                Structure::Attribute(attribute) => Entry {
                    key: attribute.key.as_str().to_owned(),
                    at: self.place(attribute.key.span()),
                    value: self.expression(&attribute.value),
                },
                Structure::Block(block) => {
                    let at = self.place(block.ident.span());
                    let labels = block.labels.iter().map(|label| {
                        let at = self.place(label.span());
                        Entry { key: LABEL.to_owned(), at, value: Node { at, value: Value::Text(label.as_str().to_owned()) } }
                    });
                    let mut entries: Vec<Entry> = labels.take(1).collect();
                    entries.extend(self.body(&block.body));
                    Entry { key: block.ident.as_str().to_owned(), at, value: Node { at, value: Value::Map(entries) } }
                }
            })
            .collect()
    }

    fn expression(&self, expression: &Expression) -> Node {
        let at = self.place(expression.span());
        let value = match expression {
            Expression::Null(_) => Value::Null,
            Expression::Bool(yes) => Value::Bool(*yes.value()),
            Expression::Number(number) => Value::Number(number.value().to_string()),
            Expression::String(text) => Value::Text(text.value().clone()),
            Expression::StringTemplate(_) | Expression::HeredocTemplate(_) => {
                let written = expression.span().and_then(|span| self.text.get(span)).unwrap_or_default();
                Value::Text(written.trim_matches('"').to_owned())
            }
            Expression::Parenthesis(inner) => return self.expression(inner.inner()),
            Expression::Array(array) => Value::List(array.iter().map(|item| self.expression(item)).collect()),
            Expression::Object(object) => Value::Map(
                object
                    .iter()
                    .map(|(key, value)| {
                        let name = match key {
                            ObjectKey::Ident(name) => name.as_str().to_owned(),
                            ObjectKey::Expression(name) => name.as_str().unwrap_or_default().to_owned(),
                        };
                        Entry { key: name, at: self.place(key.span()), value: self.expression(value.expr()) }
                    })
                    .collect(),
            ),
            _ => Value::Expression,
        };
        Node { at, value }
    }
}
