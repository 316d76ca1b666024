//! Values cut to what a message has room for; what is left out is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::helpers::readable;
use super::visible::{visible, visible_line};
use crate::alert::Labels;

/// Characters of one value that a message shows; the rest is counted.
const MAX_VALUE: usize = 3_000;
pub const MAX_LABEL: usize = 200;
/// Of what names an alert in a list.
pub const MAX_NAME: usize = 80;
pub const MAX_LINE: usize = 300;
pub const MAX_TEXT: usize = 1_000;

/// Labels of one alert shown in its line; the rest is counted.
const MAX_LABELS: usize = 16;

/// Labels of one alert that templates are given. Each is copied wherever a template goes, and
/// nobody has so many.
const MOST_KNOWN: usize = 1_000;

/// Bytes of a label's name that templates are given: names are copied at every step in a loop.
const MAX_KNOWN_NAME: usize = 1_000;

/// What templates are given of labels or annotations.
pub fn capped(map: &Labels) -> BTreeMap<&str, String> {
    let name = |name: &'_ str| name.floor_char_boundary(MAX_KNOWN_NAME);
    let known = map.iter().take(MOST_KNOWN);
    known.map(|(said, value)| (&said[..name(said)], cut(value, MAX_VALUE))).collect()
}

/// `name=value` pairs on one line.
pub fn pairs<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let mut written = String::new();
    let mut left_out = 0;
    for (index, (name, value)) in labels.enumerate() {
        if index >= MAX_LABELS {
            left_out += 1;
            continue;
        }
        if !written.is_empty() {
            written.push_str("  ");
        }
        written.push_str(&line(name, MAX_LABEL));
        written.push('=');
        written.push_str(&line(value, MAX_LABEL));
    }
    if left_out > 0 {
        let _ = write!(written, "  +{left_out}");
    }
    written
}

/// The signs with which nabat says how things stand. Only nabat begins a line with them.
const SIGNS: [char; 17] = [
    '⛈', '🌤', '🔴', '🟠', '🟡', '🔵', '⚪', '🔥', '✅', '❔', '🆕', '🔁', '🧪', 'ℹ', '⏳', '🔀',
    '✂',
];

/// `text` on one line, as a sender of alerts may say it.
pub fn line(text: &str, most: usize) -> String {
    cut(&unforged(visible_line(text)), most)
}

/// The same with its lines.
pub fn text(text: &str, most: usize) -> String {
    cut(&unforged(visible(text.trim()).into_owned()), most)
}

/// `text` in which lines that begin with one of nabat's signs have it in brackets, so that data
/// looks like no verdict.
fn unforged(text: String) -> String {
    if !text.contains(SIGNS) {
        return text;
    }
    let lines = text.split('\n').map(|line| {
        let mut rest = line.trim_start().chars();
        match rest.next().filter(|sign| SIGNS.contains(sign)) {
            Some(sign) => {
                let rest = rest.as_str().trim_start_matches(['\u{fe0e}', '\u{fe0f}']);
                format!("[{sign}]{rest}")
            }
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `text`, or its first `most` characters and the number of those left out.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… (+{})", &text[..end], text[end..].chars().count()),
    }
}

/// Grafana's value string (`[ var='A' labels={…} value=91.5328 ]`) as people read it: `A = 91.53`.
/// What is written otherwise stays as it is.
pub fn values(text: &str) -> String {
    let read = |group: &str| {
        let (name, _) = group.split_once("var='")?.1.split_once('\'')?;
        let value = group.rsplit_once(" value=")?.1.split([' ', ']']).next()?;
        let number: f64 = value.parse().ok()?;
        Some(format!("{name} = {}", readable(number)))
    };
    let read: Option<Vec<String>> = text.split("], [").map(read).collect();
    line(&read.map_or_else(|| text.to_owned(), |read| read.join(", ")), MAX_LINE)
}

/// As many of `names` as take up to `most` characters, and the number of the others. `all` is how
/// many there are.
pub fn listed(names: impl Iterator<Item = String>, all: usize, most: usize) -> String {
    let mut written = String::new();
    let (mut count, mut length) = (0, 0);
    for name in names {
        length += name.chars().count() + 2;
        if count > 0 && length > most {
            break;
        }
        if count > 0 {
            written.push_str(", ");
        }
        written.push_str(&name);
        count += 1;
    }
    if count < all {
        let _ = write!(written, " +{}", all - count);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grafanas_values_are_read_and_rounded() {
        for (text, read) in [
            ("[ var='A' labels={instance=db-1} value=91.53284 ]", "A = 91.53"),
            (
                "[ var='A' value=3 ], [ var='free' labels={} value=1234567890 ]",
                "A = 3, free = 1.235G",
            ),
            ("[ metric='x' ]", "[ metric='x' ]"),
            ("[ var='A' value=n/a ]", "[ var='A' value=n/a ]"),
        ] {
            assert_eq!(values(text), read);
        }
    }

    #[test]
    fn a_list_of_names_ends_where_its_room_does() {
        let names = || ["db-1", "db-2", "db-3"].map(str::to_owned).into_iter();
        assert_eq!(listed(names(), 3, 100), "db-1, db-2, db-3");
        assert_eq!(listed(names(), 9, 14), "db-1, db-2 +7");
        assert_eq!(listed(names(), 3, 1), "db-1 +2");
    }
}
