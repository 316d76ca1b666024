//! Helpers over texts, lists and maps.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use handlebars::Handlebars;
use regex::{Regex, RegexBuilder};
use serde_json::{Value, json};

use super::super::words;
use super::{Arguments, Fault, function, text_of};

/// A compiled pattern may take this much memory, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Patterns kept compiled; templates name a handful, but a pattern may also come from a label.
const MAX_CACHED_REGEXES: usize = 64;

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "toUpper", |arguments| Ok(arguments.text(0).to_uppercase().into()));
    function(handlebars, "toLower", |arguments| Ok(arguments.text(0).to_lowercase().into()));
    function(handlebars, "title", |arguments| Ok(title(&arguments.text(0)).into()));
    function(handlebars, "trimSpace", |arguments| Ok(arguments.text(0).trim().into()));
    function(handlebars, "urlUnescape", |arguments| Ok(url_unescape(&arguments.text(0)).into()));
    function(handlebars, "stringSlice", |arguments| {
        Ok(arguments.values.iter().copied().cloned().collect())
    });
    function(handlebars, "join", join);
    function(handlebars, "sortedPairs", sorted_pairs);
    function(handlebars, "truncate", truncate);
    function(handlebars, "severityEmoji", |arguments| {
        Ok(words::severity_emoji(&arguments.text(0)).into())
    });
    function(handlebars, "default", |arguments| {
        let index = usize::from(arguments.text(0).is_empty());
        Ok(arguments.value(index).clone())
    });
    let regexes = Regexes::default();
    function(handlebars, "match", move |arguments| {
        Ok(regexes.get(&arguments.text(0))?.is_match(&arguments.text(1)).into())
    });
    let regexes = Regexes::default();
    function(handlebars, "reReplaceAll", move |arguments| {
        replace_all(arguments, &regexes.get(&arguments.text(0))?)
    });
}

/// Compiled patterns, so that one is compiled once and not at every alert.
#[derive(Default)]
struct Regexes(Mutex<HashMap<String, Regex>>);

impl Regexes {
    fn get(&self, pattern: &str) -> Result<Regex, Fault> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = cached.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = RegexBuilder::new(pattern)
            .size_limit(MAX_REGEX_BYTES)
            .build()
            .map_err(|error| Fault(format!("bad pattern {pattern:?}: {error}")))?;
        if cached.len() >= MAX_CACHED_REGEXES {
            cached.clear();
        }
        cached.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

/// `reReplaceAll pattern replacement text`, which stops while the result grows.
fn replace_all(arguments: &Arguments<'_>, regex: &Regex) -> Result<Value, Fault> {
    let (replacement, text) = (arguments.text(1), arguments.text(2));
    let mut replaced = String::with_capacity(text.len());
    let (mut copied, groups) = (0, replacement.matches('$').count());
    for found in regex.captures_iter(&text) {
        let whole = found.get_match();
        let most = replacement.len() + groups * whole.len();
        arguments.check_size(replaced.len().max(most))?;
        replaced.push_str(&text[copied..whole.start()]);
        found.expand(&replacement, &mut replaced);
        copied = whole.end();
    }
    replaced.push_str(&text[copied..]);
    Ok(replaced.into())
}

/// Every word's first letter in upper case.
fn title(text: &str) -> String {
    let mut previous = ' ';
    let mut titled = String::with_capacity(text.len());
    for letter in text.chars() {
        if previous.is_alphanumeric() {
            titled.push(letter);
        } else {
            titled.extend(letter.to_uppercase());
        }
        previous = letter;
    }
    titled
}

/// Decodes `%41`; what is no escape stays. `+` is a space, as in a query.
fn url_unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = escape {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// `join ", " list`.
fn join(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    match arguments.value(1) {
        Value::Array(items) => {
            let between = arguments.text(0);
            arguments.check_size(between.len().saturating_mul(items.len()))?;
            let items: Vec<_> = items.iter().map(text_of).collect();
            Ok(items.join(&between).into())
        }
        Value::Null => Ok("".into()),
        other => Err(Fault(format!("join: {other} is no list"))),
    }
}

/// A map as a list of `{name, value}`, as Alertmanager's `SortedPairs`: `alertname` first.
pub(super) fn sorted_pairs(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    match arguments.value(0) {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(name, _)| (name.as_str() != "alertname", name.as_str()));
            Ok(pairs
                .into_iter()
                .map(|(name, value)| json!({"name": name, "value": value}))
                .collect())
        }
        Value::Null => Ok(json!([])),
        other => Err(Fault(format!("sortedPairs: {other} is no map"))),
    }
}

/// `truncate 20 text`: at most so many characters, the last one `…` when some are missing.
fn truncate(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    let most = arguments.number(0)?.unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first")]
    let most = most.clamp(1.0, 1e6) as usize;
    let text = arguments.text(1);
    Ok(match text.char_indices().nth(most) {
        Some(_) => format!("{}…", text.chars().take(most - 1).collect::<String>()).into(),
        None => text.into(),
    })
}
