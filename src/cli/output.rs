//! What commands print: to standard output what was asked for, to standard error the complaints.

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Write as _};

use anyhow::Context as _;
use serde_json::Value;

/// Writes to standard output, at once. A reader that went away (`nabat check | head`) has read
/// what it wanted: what it did not take is left unsaid.
///
/// # Errors
/// When it can't be written for another reason, such as a full disk.
pub(super) fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("can't write to standard output")
        }
        _ => Ok(()),
    }
}

/// Writes one line to standard output, like [`print`].
pub(super) fn say(line: &str) -> anyhow::Result<()> {
    print(format!("{line}\n").as_bytes())
}

/// Writes JSON to standard output, for other programs, like [`print`]. What would drive a terminal
/// is escaped.
pub(super) fn say_json(json: &Value) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(json)?;
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // The lines of the JSON itself: in a text it is escaped already.
            '\n' => shown.push(c),
            // Writing to a string does not fail.
            c if drives_a_terminal(c) => drop(write!(shown, "\\u{:04x}", u32::from(c))),
            c => shown.push(c),
        }
    }
    say(&shown)
}

/// Writes one line to standard error. That nobody takes it changes nothing.
pub(super) fn complain(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Text from outside, safe for a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if drives_a_terminal(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a terminal obeys the character instead of showing it: controls, and what breaks lines
/// or turns the writing's direction (all of it below U+10000).
fn drives_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_a_terminal_obeys_is_left_in_plain_text() {
        for c in ["\u{1b}", "\u{9b}", "\n", "\u{7f}", "\u{200f}", "\u{202e}", "\u{2068}"] {
            assert_eq!(plain(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
        }
        for shown in ["Диск 💾 5 %", "👩\u{200d}🚒 ❤\u{fe0f}", "عربى"] {
            assert_eq!(plain(shown), shown);
        }
    }
}
