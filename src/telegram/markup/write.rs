//! From a formatted text back to Telegram's HTML.

use std::fmt::Write as _;

use super::entity::{Entity, EntityKind, FormattedText};
use super::link;

/// `text` with `&`, `<`, `>` and `"` escaped: safe between tags and in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    push_escaped(&mut html, text);
    html
}

fn push_escaped(html: &mut String, text: &str) {
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let reference = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => continue,
        };
        html.push_str(&text[copied..at]);
        html.push_str(reference);
        copied = at + 1;
    }
    html.push_str(&text[copied..]);
}

/// HTML that Telegram reads as `formatted`. Entities that cross each other are closed and opened
/// again, so that the tags nest.
pub fn to_html(formatted: &FormattedText) -> String {
    let mut html = String::with_capacity(formatted.text.len() * 5 / 4);
    let mut coming = formatted.entities.iter().peekable();
    let mut open: Vec<&Entity> = Vec::new();
    let (mut at, mut written) = (0, 0);
    let mut next = coming.peek().map_or(usize::MAX, |entity| entity.offset);
    for (byte, character) in formatted.text.char_indices() {
        if at >= next {
            push_escaped(&mut html, &formatted.text[written..byte]);
            written = byte;
            close_ended(&mut html, &mut open, at);
            while let Some(entity) = coming.next_if(|entity| entity.offset <= at) {
                open_tag(&mut html, &entity.kind);
                open.push(entity);
            }
            let ends = open.iter().map(|entity| entity.end());
            let starts = coming.peek().map(|entity| entity.offset);
            next = ends.chain(starts).min().unwrap_or(usize::MAX);
        }
        at += character.len_utf16();
    }
    push_escaped(&mut html, &formatted.text[written..]);
    close_ended(&mut html, &mut open, at);
    for entity in open.iter().rev() {
        close_tag(&mut html, &entity.kind);
    }
    html
}

fn close_ended(html: &mut String, open: &mut Vec<&Entity>, at: usize) {
    let Some(outermost) = open.iter().position(|entity| entity.end() <= at) else { return };
    let closed = open.split_off(outermost);
    for entity in closed.iter().rev() {
        close_tag(html, &entity.kind);
    }
    for entity in closed {
        if entity.end() > at {
            open_tag(html, &entity.kind);
            open.push(entity);
        }
    }
}

fn open_tag(html: &mut String, kind: &EntityKind) {
    match kind {
        EntityKind::Bold => html.push_str("<b>"),
        EntityKind::Italic => html.push_str("<i>"),
        EntityKind::Underline => html.push_str("<u>"),
        EntityKind::Strikethrough => html.push_str("<s>"),
        EntityKind::Spoiler => html.push_str("<tg-spoiler>"),
        EntityKind::Code => html.push_str("<code>"),
        EntityKind::Pre => html.push_str("<pre>"),
        EntityKind::PreCode { language } => {
            push_with(html, "<pre><code class=\"language-", language);
        }
        EntityKind::Blockquote => html.push_str("<blockquote>"),
        EntityKind::ExpandableBlockquote => html.push_str("<blockquote expandable>"),
        // With a blank behind it Telegram takes for a link what else would call that person.
        EntityKind::TextLink { url } if link::user_id(url).is_some() => {
            push_with(html, "<a href=\"", &format!("{url} "));
        }
        EntityKind::TextLink { url } => push_with(html, "<a href=\"", url),
        EntityKind::TextMention { user_id } => {
            push_with(html, "<a href=\"tg://user?id=", &user_id.to_string());
        }
        EntityKind::CustomEmoji { id } => push_with(html, "<tg-emoji emoji-id=\"", id),
        EntityKind::DateTime { unix, format } => {
            let _ = write!(html, "<tg-time unix=\"{unix}\"");
            push_with(html, " format=\"", format);
        }
    }
}

/// Writes a tag whose last attribute's value is `value`.
fn push_with(html: &mut String, tag: &str, value: &str) {
    html.push_str(tag);
    html.push_str(&escape(value));
    html.push_str("\">");
}

fn close_tag(html: &mut String, kind: &EntityKind) {
    html.push_str(match kind {
        EntityKind::Bold => "</b>",
        EntityKind::Italic => "</i>",
        EntityKind::Underline => "</u>",
        EntityKind::Strikethrough => "</s>",
        EntityKind::Spoiler => "</tg-spoiler>",
        EntityKind::Code => "</code>",
        EntityKind::Pre => "</pre>",
        EntityKind::PreCode { .. } => "</code></pre>",
        EntityKind::Blockquote | EntityKind::ExpandableBlockquote => "</blockquote>",
        EntityKind::TextLink { .. } | EntityKind::TextMention { .. } => "</a>",
        EntityKind::CustomEmoji { .. } => "</tg-emoji>",
        EntityKind::DateTime { .. } => "</tg-time>",
    });
}
