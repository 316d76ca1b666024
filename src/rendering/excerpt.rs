//! Values cut to what a message has room for; what is left out is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::visible::visible_line;
use crate::alert::Labels;

/// Characters of one value that a message shows; the rest is counted.
const MAX_VALUE: usize = 3_000;
const MAX_LABEL: usize = 200;
pub const MAX_LINE: usize = 300;
pub const MAX_TEXT: usize = 1_000;

/// Labels of one alert shown in its line; the rest is counted.
const MAX_LABELS: usize = 16;

pub fn capped(map: &Labels) -> BTreeMap<&str, String> {
    map.iter().map(|(name, value)| (name.as_str(), cut(value, MAX_VALUE))).collect()
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

pub fn line(text: &str, most: usize) -> String {
    cut(&visible_line(text), most)
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
