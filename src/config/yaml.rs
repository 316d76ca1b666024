//! From YAML text to a tree that still knows its lines.

mod trouble;

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and the line it stands on.
#[derive(Debug)]
pub(crate) struct Node {
    pub line: u64,
    pub value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// One that is too large for an integer or has a fraction: no setting takes such.
    Number,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub key: String,
    /// The key's line.
    pub line: u64,
    pub node: Node,
}

impl Value {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Number => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads one document. The error is a message and its line; it quotes nothing of the document
/// but names of keys. A key that is given twice is there twice.
pub(crate) fn read(text: &str) -> Result<Node, (String, Option<u64>)> {
    let options = serde_saphyr::options! {
        // Snippets print the neighbouring lines, which may hold a secret.
        with_snippet: false,
        // Only true and false; `on`, `no` and `y` are words.
        strict_booleans: true,
        // Both are reported by the walk, with their path and beside all other faults.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        // More than a tree of routes needs, and less than a thread's stack has room for.
        budget: serde_saphyr::budget! { max_depth: 40 },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map(|location| location.line());
        (trouble::told(&error), line)
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number, Value::Integer))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let line = key.referenced.line();
            map.push(Entry { key: key.value, line, node: entries.next_value()? });
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<(String, u64, Value)> {
        let Value::Map(map) = read(text).unwrap().value else { panic!("no map") };
        map.into_iter().map(|entry| (entry.key, entry.line, entry.node.value)).collect()
    }

    #[test]
    fn every_key_knows_its_line() {
        let map = entries("a: 1\n# remark\nb:\n  - x\n  - y: [no, 'true', true]\nc: ~\n");
        let lines: Vec<_> = map.iter().map(|(key, line, _)| (key.as_str(), *line)).collect();
        assert_eq!(lines, [("a", 1), ("b", 3), ("c", 6)]);
        let Value::List(list) = &map[1].2 else { panic!("no list") };
        assert_eq!(list.iter().map(|node| node.line).collect::<Vec<_>>(), [4, 5]);
        assert!(matches!(map[2].2, Value::Null));
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        let map = entries("a: true\nb: on\nc: 'true'\nd: -1001234567890\ne: 30s\n");
        assert!(matches!(map[0].2, Value::Bool(true)));
        assert!(matches!(&map[1].2, Value::Text(text) if text == "on"));
        assert!(matches!(&map[2].2, Value::Text(text) if text == "true"));
        assert!(matches!(map[3].2, Value::Integer(-1_001_234_567_890)));
        assert!(matches!(&map[4].2, Value::Text(text) if text == "30s"));
    }

    #[test]
    fn broken_yaml_is_reported_without_quoting_it() {
        const SECRET: &str = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0";
        for broken in [
            format!("telegram:\n  bot_token:{SECRET}\n  api_url: x\n"),
            format!("telegram: {{bot_token: {SECRET}\nchats: [\n"),
            format!("telegram:\n  bot_token: \"{SECRET}\n"),
            format!("telegram:\n\tbot_token: {SECRET}\n"),
            format!("telegram: *{SECRET}\n"),
            format!("telegram: !{SECRET} x: y\n"),
            format!("telegram: %{SECRET}\n"),
            format!("{SECRET}\n---\n{SECRET}\n"),
            format!("a: {SECRET}: {SECRET}\n"),
            format!("? [{SECRET}]\n: x\n"),
        ] {
            let (message, _) = read(&broken).map(|_| ()).unwrap_err();
            assert!(!message.contains("AAHdq"), "{broken:?} gives {message:?}");
        }
    }
}
