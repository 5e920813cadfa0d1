//! JSON that means the same to everybody who reads it. Pure.
//!
//! Go's `encoding/json`, which dockerd reads with, takes the last of two fields of one name and takes `privileged` or `Privıleged` for
//! `Privileged`; serde takes the last, too, but knows only one spelling. So a name may stand in an object once, and whoever inspects
//! knows every name that may stand there, exactly: what is left over is refused, whatever it folds to.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Reads one JSON text.
///
/// # Errors
/// It is none, or a name stands in an object twice.
pub(super) fn read(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice::<Strict>(text).map(|read| read.0).map_err(|error| error.to_string())
}

/// Whether this is what Go makes of a field that is not there.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Strict)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` stands there twice")));
            }
            let Strict(value) = fields.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_an_object_once_at_every_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"y":{"a":1,"a":2}}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(read(text.as_bytes()).unwrap_err().contains("`a` stands there twice"), "{text}");
        }
        for text in ["", "{", "{} {}", r#"{"a":1,}"#, "NaN"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read("[".repeat(100_000).as_bytes()).is_err(), "depth is bounded");
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,0.5,"é\n"],"b":{"c":{}}}"#;
        assert_eq!(read(text.as_bytes()).unwrap().to_string(), text);
    }
}
