//! The classic matcher syntax, from before Alertmanager knew UTF-8 names: an old-style label
//! name, an operator, and a value that may hold anything but a stray double quote.

use std::sync::LazyLock;

use regex::Regex;

use super::{Matcher, MatcherError, Operator};

/// `=~` stands before `=`, or only the `=` would be taken.
static FORMAT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[\t\n\f\r ]*([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)[\t\n\f\r ]*((?s:.*?))[\t\n\f\r ]*$")
        .expect("the pattern is a constant")
});

/// Reads a whole line.
pub(super) fn parse(line: &str) -> Result<Vec<Matcher>, MatcherError> {
    let line = line.strip_prefix('{').unwrap_or(line);
    let line = line.strip_suffix('}').unwrap_or(line);
    split(line).into_iter().map(matcher).collect()
}

/// Cuts at the commas outside of quotes. An empty last piece is dropped, so that a comma may
/// stand at the end.
fn split(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in line.char_indices() {
        match c {
            ',' if !quoted => {
                pieces.push(&line[start..at]);
                start = at + 1;
            }
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    let last = line[start..].trim();
    if !last.is_empty() {
        pieces.push(last);
    }
    pieces
}

fn matcher(text: &str) -> Result<Matcher, MatcherError> {
    let Some((_, [name, operator, value])) = FORMAT.captures(text).map(|found| found.extract())
    else {
        return Err(MatcherError::Format { text: text.to_owned() });
    };
    let operator = match operator {
        "=~" => Operator::Regex,
        "!=" => Operator::NotEqual,
        "!~" => Operator::NotRegex,
        _ => Operator::Equal,
    };
    let value =
        unescape(value).ok_or_else(|| MatcherError::StrayQuote { text: text.trim().to_owned() })?;
    Matcher::new(name, operator, value)
}

/// Takes the quotes off and resolves `\n`, `\"` and `\\`; any other backslash is literal.
/// `None` when quotes do not pair up.
fn unescape(raw: &str) -> Option<String> {
    let (raw, mut open) = match raw.strip_prefix('"') {
        Some(rest) => (rest, true),
        None => (raw, false),
    };
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            '"' if open && chars.peek().is_none() => open = false,
            '"' => return None,
            c => value.push(c),
        }
    }
    (!open).then_some(value)
}
