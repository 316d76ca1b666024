//! A message in the terminal, with its formatting.

use std::fmt::Write as _;

use crate::rendering::{Part, Rendered};
use crate::telegram::Button;
use crate::telegram::markup::{self, Entity, EntityKind, FormattedText};

/// Stands before every line of a quotation.
const QUOTE_BAR: &str = "▎ ";

/// The messages as people read them, with escape sequences when `color`.
pub(super) fn shown(message: &Rendered, color: bool) -> String {
    let mut shown = String::new();
    if message.table.is_some() {
        shown.push_str("--- sent as a table; where that is refused, as this text:\n");
    }
    for (index, part) in message.parts.iter().enumerate() {
        if index > 0 {
            shown.push_str("--- the next message ---\n");
        }
        shown.push_str(&read(part, color));
        shown.push('\n');
        if index == 0 {
            message.buttons.iter().for_each(|row| shown.push_str(&keys(row, color)));
        }
    }
    shown
}

fn read(part: &Part, color: bool) -> String {
    match markup::parse_html(&part.html) {
        Ok(text) => formatted(&text, color),
        Err(_) => part.plain.clone(),
    }
}

/// A row of buttons.
fn keys(row: &[Button], color: bool) -> String {
    let keys: Vec<String> =
        row.iter().map(|button| styled("7", &format!("[ {} ]", button.text()), color)).collect();
    keys.join(" ") + "\n"
}

fn styled(code: &str, text: &str, color: bool) -> String {
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// The text, with bars before quotations and addresses behind links.
fn formatted(text: &FormattedText, color: bool) -> String {
    let mut shown = String::with_capacity(text.text.len());
    let mut style = String::new();
    let mut at = 0;
    let mut line_starts = true;
    for character in text.text.chars() {
        let over: Vec<&Entity> = text
            .entities
            .iter()
            .filter(|entity| (entity.offset..entity.end()).contains(&at))
            .collect();
        if line_starts && over.iter().any(|entity| entity.kind.is_quote()) {
            change(&mut shown, &mut style, "", color);
            shown.push_str(&styled("32", QUOTE_BAR, color));
        }
        let codes: Vec<&str> = over.iter().filter_map(|entity| code(&entity.kind)).collect();
        change(&mut shown, &mut style, &codes.join(";"), color && character != '\n');
        line_starts = character == '\n';
        // What drives a terminal is no part of a message.
        if character == '\n' || !character.is_control() {
            shown.push(character);
        }
        at += character.len_utf16();
        for entity in text.entities.iter().filter(|entity| entity.end() == at) {
            if let EntityKind::TextLink { url } = &entity.kind {
                change(&mut shown, &mut style, "", color);
                shown.push_str(&styled("2", &format!(" ({url})"), color));
            }
        }
    }
    change(&mut shown, &mut style, "", color);
    shown
}

/// Turns to another style.
fn change(shown: &mut String, style: &mut String, to: &str, color: bool) {
    let to = if color { to } else { "" };
    if style == to {
        return;
    }
    if !style.is_empty() {
        shown.push_str("\x1b[0m");
    }
    if !to.is_empty() {
        let _ = write!(shown, "\x1b[{to}m");
    }
    to.clone_into(style);
}

/// How a terminal shows a kind of formatting.
fn code(kind: &EntityKind) -> Option<&'static str> {
    Some(match kind {
        EntityKind::Bold => "1",
        EntityKind::Italic => "3",
        EntityKind::Underline => "4",
        EntityKind::Strikethrough => "9",
        EntityKind::Spoiler => "2",
        EntityKind::Code | EntityKind::Pre | EntityKind::PreCode { .. } => "36",
        EntityKind::TextLink { .. } => "4;34",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(html: &str, color: bool) -> String {
        formatted(&markup::parse_html(html).unwrap(), color)
    }

    #[test]
    fn formatting_is_that_of_the_terminal() {
        assert_eq!(
            of("🔴 <b>FIRING <i>2</i></b> <code>db-1</code> <u>x</u>", true),
            "🔴 \x1b[1mFIRING \x1b[0m\x1b[1;3m2\x1b[0m \x1b[36mdb-1\x1b[0m \x1b[4mx\x1b[0m"
        );
        assert_eq!(
            of("<a href=\"https://example.com/\">wiki</a>!", true),
            "\x1b[4;34mwiki\x1b[0m\x1b[2m (https://example.com/)\x1b[0m!"
        );
    }

    #[test]
    fn without_color_there_are_bars_and_addresses_and_no_escape_sequence() {
        assert_eq!(
            of(
                "<b>a</b>\n<blockquote>b\nc</blockquote>\n<a href=\"https://example.com/\">d</a>",
                false
            ),
            "a\n▎ b\n▎ c\nd (https://example.com/)"
        );
    }

    #[test]
    fn a_style_does_not_run_over_the_end_of_a_line() {
        assert_eq!(of("<b>a\nb</b>", true), "\x1b[1ma\x1b[0m\n\x1b[1mb\x1b[0m");
    }
}
