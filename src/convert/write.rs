//! Writing handlebars so that its text is exactly the one that is meant.

use std::fmt::Write as _;

/// A template that is being written.
///
/// A block, a partial or a comment that stands alone on its line takes the line away, line end and
/// indentation included. So one that starts a line is given a line end of its own to take, and one
/// behind spaces is kept from standing alone by an empty comment.
#[derive(Debug, Default)]
pub(super) struct Writer {
    written: String,
    /// Whether the text stopped inside of a tag, as in `<a href="`.
    is_inside_tag: bool,
}

/// Stands between spaces and a tag that would take them away, or indent by them.
const GUARD: &str = "{{!}}";

impl Writer {
    pub fn into_text(self) -> String {
        self.written
    }

    /// Whether a value that is written now is a part of an attribute.
    pub fn is_inside_tag(&self) -> bool {
        self.is_inside_tag
    }

    /// Text in Telegram's HTML.
    pub fn markup(&mut self, text: &str) {
        for character in text.chars().filter(|character| *character != '\r') {
            if character == '{' {
                self.hide_brace();
            }
            match character {
                '<' => self.is_inside_tag = true,
                '>' => self.is_inside_tag = false,
                _ => {}
            }
            self.written.push(character);
        }
    }

    /// `{{…}}`, which shows a value.
    pub fn value(&mut self, expression: &str) {
        self.begin_tag();
        let _ = write!(self.written, "{{{{{expression}}}}}");
    }

    /// A tag that writes nothing itself: `#if x`, `else`, `/if`, `!-- remark --`.
    pub fn tag(&mut self, inside: &str) {
        self.alone(inside);
    }

    /// `{{> name argument}}`.
    pub fn include(&mut self, inside: &str) {
        if self.written.ends_with([' ', '\t']) {
            self.written.push_str(GUARD);
        }
        self.alone(&format!("> {inside}"));
    }

    fn alone(&mut self, inside: &str) {
        self.begin_tag();
        let line = self.written.rsplit('\n').next().unwrap_or_default();
        let starts_line = line.is_empty();
        if !starts_line && line.trim().is_empty() {
            self.written.push_str(GUARD);
        }
        let _ = write!(self.written, "{{{{{inside}}}}}");
        if starts_line {
            self.written.push('\n');
        }
    }

    /// One backslash before a tag would make it text, and of several one goes; a brace would
    /// belong to the tag.
    fn begin_tag(&mut self) {
        if self.written.ends_with('\\') {
            self.written.push('\\');
        }
        self.hide_brace();
    }

    fn hide_brace(&mut self) {
        if self.written.ends_with('{') {
            self.written.pop();
            self.written.push_str("&#123;");
        }
    }
}

/// The tags that Telegram knows.
const TAGS: [&str; 17] = [
    "a",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "code",
    "pre",
    "blockquote",
    "span",
    "tg-spoiler",
    "tg-emoji",
    "tg-time",
];

/// The tags of web pages that people use in templates for mails.
const WEB_TAGS: [&str; 24] = [
    "br", "p", "div", "table", "thead", "tbody", "tr", "td", "th", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "ul", "ol", "li", "img", "font", "html", "body", "center",
];

/// What `text` is in Telegram's HTML: its tags and entities stay, every other sign is text.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let behind = &text[at + character.len_utf8()..];
        match character {
            '<' if !tag_name(behind).is_some_and(|name| TAGS.contains(&name)) => {
                escaped.push_str("&lt;");
            }
            '&' if !starts_entity(behind) => escaped.push_str("&amp;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A tag in `text` that a browser knows and Telegram does not, and where it stands.
pub(super) fn foreign_tag(text: &str) -> Option<(usize, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let name = tag_name(&text[at + 1..])?;
        WEB_TAGS.contains(&name).then_some((at, name))
    })
}

/// The name of a tag whose `<` stands before `text`.
fn tag_name(text: &str) -> Option<&str> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let length = text.find(|character| !is_name(character))?;
    let (name, behind) = text.split_at(length);
    (!name.is_empty() && behind.starts_with(['>', ' ', '/', '\n'])).then_some(name)
}

fn starts_entity(text: &str) -> bool {
    let Some(end) = text.find(';').filter(|end| *end <= 8) else { return false };
    let name = &text[..end];
    if let Some(digits) = name.strip_prefix('#') {
        let (digits, radix) = digits.strip_prefix('x').map_or((digits, 10), |digits| (digits, 16));
        return u32::from_str_radix(digits, radix).is_ok();
    }
    matches!(name, "lt" | "gt" | "amp" | "quot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telegrams_tags_and_entities_stay_and_other_signs_are_text() {
        for (text, html) in [
            ("<b>x</b> <a href=\"", "<b>x</b> <a href=\""),
            (
                "5 < 6 && <br> <blockquote expandable>",
                "5 &lt; 6 &amp;&amp; &lt;br> <blockquote expandable>",
            ),
            ("&lt; &#128293; &nbsp; &", "&lt; &#128293; &amp;nbsp; &amp;"),
            ("<http://x|y>", "&lt;http://x|y>"),
        ] {
            assert_eq!(escaped(text), html, "{text}");
        }
    }

    #[test]
    fn tags_of_web_pages_are_found() {
        assert_eq!(foreign_tag("a<b>c</b><br>"), Some((9, "br")));
        assert_eq!(foreign_tag("<b>a < b</b>"), None);
    }
}
