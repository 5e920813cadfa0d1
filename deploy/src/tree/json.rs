//! JSON as RFC 8259 has it: what the tools of AWS refuse, as comments and last commas, is refused here.

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectPropName, Value as Parsed},
    common::Ranged as _,
    parse_to_ast,
};

use super::{DEEPEST, Documents, Entry, Node, Place, Unreadable, Value, finish, lines::Lines, repeated_keys};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(crate) fn read(text: &str) -> Result<Documents, Unreadable> {
    let lines = Lines::new(text);
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT)
        .map_err(|error| Unreadable { at: lines.place(error.range().start), what: sentence(&error.kind().to_string()) })?;
    let mut repeated = Vec::new();
    let document = parsed.value.map(|value| convert(&lines, &value, DEEPEST, &mut repeated)).transpose()?;
    Ok(finish(document.into_iter().collect(), repeated))
}

/// Our messages start in lower case and have no full stop.
fn sentence(message: &str) -> String {
    let message = message.trim_end_matches('.');
    let mut letters = message.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn convert(lines: &Lines<'_>, parsed: &Parsed<'_>, depth: usize, repeated: &mut Vec<(Place, String)>) -> Result<Node, Unreadable> {
    let at = lines.place(parsed.start());
    let deeper = depth.checked_sub(1).ok_or_else(|| Unreadable { at, what: format!("nested deeper than {DEEPEST}") })?;
    let value = match parsed {
        Parsed::NullKeyword(_) => Value::Null,
        Parsed::BooleanLit(literal) => Value::Bool(literal.value),
        Parsed::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        Parsed::StringLit(literal) => Value::Text(literal.value.clone().into_owned()),
        Parsed::Array(array) => {
            Value::List(array.elements.iter().map(|item| convert(lines, item, deeper, repeated)).collect::<Result<_, _>>()?)
        }
        Parsed::Object(object) => {
            let entries = object
                .properties
                .iter()
                .map(|property| {
                    let at = lines.place(match &property.name {
                        ObjectPropName::String(name) => name.start(),
                        ObjectPropName::Word(name) => name.start(),
                    });
                    let value = convert(lines, &property.value, deeper, repeated)?;
                    Ok(Entry { key: property.name.as_str().to_owned(), at, value })
                })
                .collect::<Result<Vec<_>, Unreadable>>()?;
            repeated_keys(entries.iter().map(|entry| (entry.key.as_str(), entry.at)), repeated);
            Value::Map(entries)
        }
    };
    Ok(Node { at, value })
}
