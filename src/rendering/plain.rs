//! The second rung of the ladder: a message without formatting, for when the rich form is refused.

use std::borrow::Cow;
use std::fmt::Write as _;

use url::Url;

use super::Limits;
use super::inert::{JOINER, inert, inert_wide};
use crate::telegram::markup::{EntityKind, FormattedText};

/// The text of `piece`. Links keep their targets where there is room; what was code is kept from
/// becoming mentions, commands and links. Where even that does not fit, signs are shown wide.
pub fn plain(piece: &FormattedText, limits: Limits) -> String {
    let fits = |text: &String| text.chars().count() <= limits.characters;
    Some(unformatted(piece, true, inert))
        .filter(fits)
        .or_else(|| Some(unformatted(piece, false, inert)).filter(fits))
        .unwrap_or_else(|| unformatted(piece, false, inert_wide))
}

fn unformatted(piece: &FormattedText, targets: bool, tame: fn(&str) -> Cow<'_, str>) -> String {
    let mut plain = String::with_capacity(piece.text.len() + 64);
    let mut text = Cursor { rest: &piece.text, at: 0 };
    for entity in &piece.entities {
        // Links and code hold neither links nor code.
        match &entity.kind {
            EntityKind::TextLink { url } if targets => {
                plain.push_str(text.up_to(entity.offset));
                let shown = text.up_to(entity.end());
                match (written_out(url), is_address(shown)) {
                    (Some(url), true) => {
                        plain.push_str(&url);
                        // What stands close behind would become a part of it.
                        if text.rest.starts_with(|next: char| !next.is_whitespace()) {
                            plain.push(JOINER);
                        }
                    }
                    (Some(url), false) => {
                        let _ = write!(plain, "{shown} ({url})");
                    }
                    (None, _) => plain.push_str(&tame(shown)),
                }
            }
            // The text of a link may be its address.
            EntityKind::TextLink { .. }
            | EntityKind::Code
            | EntityKind::Pre
            | EntityKind::PreCode { .. } => {
                plain.push_str(text.up_to(entity.offset));
                plain.push_str(&tame(text.up_to(entity.end())));
            }
            _ => {}
        }
    }
    plain.push_str(text.rest);
    plain
}

/// Whether the text of a link is itself what it leads to.
fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// A link's target so that Telegram finds it whole in a text, and nothing else in it; `None` when
/// its host is written so that it would not.
fn written_out(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    if !url.username().is_empty() || url.password().is_some() || !host.bytes().all(is_plain) {
        return None;
    }
    let mut written = String::with_capacity(url.as_str().len());
    for byte in url.as_str().bytes() {
        match byte {
            b'!'..=b'~' if !b"\"'()<>[]{}|^`\\".contains(&byte) => written.push(char::from(byte)),
            other => {
                let _ = write!(written, "%{other:02X}");
            }
        }
    }
    Some(written)
}

/// A text that is read from its start to its end, measured in UTF-16 units.
struct Cursor<'a> {
    rest: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// What comes before `offset` and has not been read.
    fn up_to(&mut self, offset: usize) -> &'a str {
        let mut bytes = self.rest.len();
        for (byte, character) in self.rest.char_indices() {
            if self.at >= offset {
                bytes = byte;
                break;
            }
            self.at += character.len_utf16();
        }
        let (read, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telegram::markup::parse_html;

    fn within(characters: usize, html: &str) -> String {
        plain(&parse_html(html).unwrap(), Limits { characters, entities: 100 })
    }

    #[test]
    fn links_name_their_targets_and_code_is_inert() {
        let html = "🔥 <b>x <a href=\"https://a.b/c\">graph</a></b> <code>@all</code> y";
        assert_eq!(within(90, html), "🔥 x graph (https://a.b/c) @\u{2060}all y");
    }

    #[test]
    fn an_address_ends_where_its_link_does() {
        let html = "<a href=\"http://a.b/\">http://a.b</a>⟨U+200D⟩ <a href=\"http://a.b/\">http://a.b</a> x";
        assert_eq!(within(90, html), "http://a.b/\u{2060}⟨U+200D⟩ http://a.b/ x");
    }

    #[test]
    fn with_little_room_targets_are_left_out_and_code_is_tamed_in_place() {
        let html = "<a href=\"https://a.b/c\">graph</a> <code>@all</code>";
        assert_eq!(within(12, html), "graph @\u{2060}all");
        assert_eq!(within(10, html), "graph ＠all");
    }

    #[test]
    fn targets_are_written_so_that_nothing_else_is_found_in_them() {
        for (url, written) in [
            ("https://a.b/x)@admin", Some("https://a.b/x%29@admin")),
            ("https://a.b/ы\u{2003}/stop", Some("https://a.b/%D1%8B%E2%80%83/stop")),
            ("https://пример.рф/", Some("https://xn--e1afmkfd.xn--p1ai/")),
            ("https://user@a.b/", None),
            ("https://a!b.c/", None),
        ] {
            assert_eq!(written_out(url).as_deref(), written, "{url}");
        }
    }
}
