//! Helpers for what Go's templates do with methods and variables.

use std::fmt::Write as _;

use handlebars::{Handlebars, JsonTruthy as _};
use serde_json::Value;

use super::{Arguments, Fault, function, markup, text_of};
use crate::telegram::markup::escape;

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "choose", |arguments| {
        let index = if arguments.value(0).is_truthy(false) { 1 } else { 2 };
        Ok(arguments.value(index).clone())
    });
    function(handlebars, "urlquery", |arguments| Ok(urlquery(&arguments.text(0)).into()));
    markup(handlebars, "attribute", |arguments| escape(&arguments.text(0)));
    function(handlebars, "names", |arguments| of_pairs(arguments, "name"));
    function(handlebars, "values", |arguments| of_pairs(arguments, "value"));
    function(handlebars, "remove", remove);
}

/// A text as a value in a URL's query.
fn urlquery(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            b' ' => escaped.push('+'),
            other => {
                let _ = write!(escaped, "%{other:02X}");
            }
        }
    }
    escaped
}

/// The names or the values of a map, `alertname` first, or of a list of pairs.
fn of_pairs(arguments: &Arguments<'_>, part: &str) -> Result<Value, Fault> {
    let pairs = match arguments.value(0) {
        pairs @ Value::Array(_) => pairs.clone(),
        _ => super::text::sorted_pairs(arguments)?,
    };
    let pairs = pairs.as_array().into_iter().flatten();
    Ok(pairs.map(|pair| pair[part].clone()).collect())
}

/// `remove map names`: the map without what a list names.
fn remove(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    let Value::Object(map) = arguments.value(0) else {
        return Ok(Value::Object([].into_iter().collect()));
    };
    let names: Vec<String> = match arguments.value(1) {
        Value::Array(names) => names.iter().map(text_of).collect(),
        other => return Err(Fault(format!("remove: {other} is no list of names"))),
    };
    let kept = map.iter().filter(|(name, _)| !names.contains(name));
    Ok(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}
