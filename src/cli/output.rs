//! What commands print: to standard output what was asked for, to standard error the complaints.

use std::fmt;
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

/// Writes JSON to standard output, for other programs, like [`print`].
pub(super) fn say_json(json: &Value) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(json)?)
}

/// Writes one line to standard error. That nobody takes it changes nothing.
pub(super) fn complain(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Text from outside, safe for a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
