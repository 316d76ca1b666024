//! Helpers over texts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use handlebars::Handlebars;
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation as _;

use super::super::{budget, words};
use super::{Arguments, Fault, function};

/// A compiled pattern may take this much memory, in bytes: what looks for several `\w` fits.
const MAX_REGEX_BYTES: usize = 128 * 1024;

/// A pattern up to this size is a small one.
const SMALL_REGEX_BYTES: usize = 8 * 1024;

/// Patterns kept compiled; templates name a handful, but a pattern may also come from a label.
const MAX_CACHED_REGEXES: usize = 64;

/// The steps of the budget that compiling a pattern takes, and each byte of it: `(?i)[^\pL]` looks
/// at half of Unicode, even where it is to be found no time at all.
const COMPILE_STEPS: usize = 50;
const COMPILE_STEPS_A_BYTE: usize = 4;

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "toUpper", |arguments| Ok(arguments.text(0).to_uppercase().into()));
    function(handlebars, "toLower", |arguments| Ok(arguments.text(0).to_lowercase().into()));
    function(handlebars, "title", |arguments| Ok(title(&arguments.text(0)).into()));
    function(handlebars, "trimSpace", |arguments| Ok(arguments.text(0).trim().into()));
    function(handlebars, "urlUnescape", |arguments| Ok(url_unescape(&arguments.text(0)).into()));
    function(handlebars, "urlquery", |arguments| {
        let text = arguments.text(0);
        arguments.check_size(text.len().saturating_mul(3))?;
        Ok(url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().into())
    });
    function(handlebars, "truncate", truncate);
    function(handlebars, "severityEmoji", |arguments| {
        Ok(words::severity_emoji(&arguments.text(0)).into())
    });
    function(handlebars, "default", |arguments| {
        let index = usize::from(arguments.text(0).is_empty());
        Ok(arguments.value(index).clone())
    });
    let patterns = Arc::new(Patterns::default());
    let shared = patterns.clone();
    function(handlebars, "match", move |arguments| {
        let text = arguments.text(1);
        Ok(shared.for_text(&arguments.text(0), &text)?.regex.is_match(&text).into())
    });
    function(handlebars, "reReplaceAll", move |arguments| {
        let text = arguments.text(2);
        replace_all(arguments, &patterns.for_text(&arguments.text(0), &text)?, &text)
    });
}

/// Compiled patterns, so that one is compiled once and not at every alert.
#[derive(Default)]
struct Patterns(Mutex<HashMap<String, Pattern>>);

#[derive(Clone)]
struct Pattern {
    regex: Regex,
    /// So much text is a step of the budget, in bytes. At worst a pattern keeps all its states in
    /// view at every character, so a large one pays more.
    bytes_a_step: usize,
}

/// Further searches of one text find most states of the pattern worked out: so many times the
/// text is a step.
const KNOWN_STATES: usize = 16;

impl Pattern {
    fn compile(pattern: &str) -> Result<Self, Fault> {
        budget::spend(COMPILE_STEPS + COMPILE_STEPS_A_BYTE * pattern.len())?;
        let within = |bytes| RegexBuilder::new(pattern).size_limit(bytes).build();
        if let Ok(regex) = within(SMALL_REGEX_BYTES) {
            return Ok(Self { regex, bytes_a_step: 16 });
        }
        let regex = within(MAX_REGEX_BYTES)
            .map_err(|error| Fault(format!("bad pattern {pattern:?}: {error}")))?;
        Ok(Self { regex, bytes_a_step: 4 })
    }
}

impl Patterns {
    /// The compiled pattern; the work of looking through `text` with it is paid for.
    fn for_text(&self, pattern: &str, text: &str) -> Result<Pattern, Fault> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = if let Some(known) = cached.get(pattern) {
            known.clone()
        } else {
            let compiled = Pattern::compile(pattern)?;
            if cached.len() >= MAX_CACHED_REGEXES {
                cached.clear();
            }
            cached.insert(pattern.to_owned(), compiled.clone());
            compiled
        };
        drop(cached);
        budget::spend(text.len() / known.bytes_a_step)?;
        Ok(known)
    }
}

/// `reReplaceAll pattern replacement text`, which stops while the result grows. To find the next
/// match a search may look through all that is left, so each pays for it: with thousands of
/// matches that is the square of the text.
fn replace_all(arguments: &Arguments<'_>, pattern: &Pattern, text: &str) -> Result<Value, Fault> {
    let Pattern { regex, bytes_a_step } = pattern;
    let replacement = arguments.text(1);
    let mut replaced = String::with_capacity(text.len());
    let (mut copied, groups) = (0, replacement.matches('$').count());
    for found in regex.captures_iter(text) {
        let whole = found.get_match();
        let most = replacement.len() + groups * whole.len();
        arguments.check_size(replaced.len().max(most))?;
        replaced.push_str(&text[copied..whole.start()]);
        found.expand(&replacement, &mut replaced);
        copied = whole.end();
        budget::spend((text.len() - copied) / (bytes_a_step * KNOWN_STATES))?;
    }
    replaced.push_str(&text[copied..]);
    Ok(replaced.into())
}

/// Every word with its first letter large and the others small, as Alertmanager's `title`.
fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    for word in text.split_word_bounds() {
        let mut letters = word.chars();
        titled.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        titled.push_str(&letters.as_str().to_lowercase());
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
