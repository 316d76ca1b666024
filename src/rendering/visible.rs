//! Making foreign text safe to show: nothing invisible, nothing that Telegram would turn into a
//! mention, a command or a tag of its own accord, nothing that breaks markup.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::telegram::markup;

/// Splits a would-be mention or command without being seen.
const WORD_JOINER: char = '\u{2060}';

/// `text` as it may stand between tags: visible, inert and escaped.
pub fn safe(text: &str) -> String {
    markup::escape(&inert(&visible(text)))
}

/// `text` with control, direction and zero-width characters shown (`⟨U+202E⟩`, `␀`) and line ends
/// made `\n`. Joiners stay where scripts and emoji need them.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut previous = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        match character {
            '\r' if next == Some('\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => shown.push('\n'),
            '\t' => shown.push(' '),
            '\0'..='\u{1f}' if character != '\n' => {
                shown.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('␦'));
            }
            '\u{7f}' => shown.push('␡'),
            '\u{200c}' | '\u{200d}' if joins(previous) && next.is_some_and(joins) => {
                shown.push(character);
            }
            other if is_harmless(other) => shown.push(other),
            other => {
                let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(other));
            }
        }
        previous = character;
    }
    Cow::Owned(shown)
}

/// [`visible`], on one line: line ends become `⏎`.
pub fn visible_line(text: &str) -> String {
    let shown = visible(text.trim());
    if shown.contains('\n') { shown.replace('\n', "⏎ ") } else { shown.into_owned() }
}

/// Letters of scripts that use joiners, and emoji.
fn joins(character: char) -> bool {
    !character.is_ascii() && is_harmless(character)
}

fn is_harmless(character: char) -> bool {
    !matches!(character,
        '\0'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffc}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` in which Telegram finds no `@mention`, `/command`, `#hashtag` or `$CASHTAG`: an
/// invisible joiner behind the sign keeps them apart.
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.contains(['@', '/', '#', '$']) {
        return Cow::Borrowed(text);
    }
    let mut tamed = String::with_capacity(text.len() + 8);
    let mut previous = ' ';
    for (at, character) in text.char_indices() {
        tamed.push(character);
        let rest = &text[at + character.len_utf8()..];
        if !is_word(previous) && starts_something(character, previous, rest) {
            tamed.push(WORD_JOINER);
        }
        previous = character;
    }
    Cow::Owned(tamed)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn starts_something(sign: char, previous: char, rest: &str) -> bool {
    let next = rest.chars().next();
    match sign {
        '@' => next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '_'),
        '#' => next.is_some_and(is_word),
        '$' => next.is_some_and(|next| next.is_ascii_uppercase()),
        '/' => {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
            !matches!(previous, '/' | '<' | '>')
                && !name.is_empty()
                && !behind.starts_with(['/', '<', '>'])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown() {
        for (text, shown) in [
            ("a\0b", "a␀b"),
            ("a\u{202e}b", "a⟨U+202E⟩b"),
            ("a\u{200b}b\u{feff}", "a⟨U+200B⟩b⟨U+FEFF⟩"),
            ("a\u{200d}b", "a⟨U+200D⟩b"),
            ("a\r\nb\rc\td", "a\nb\nc d"),
            ("\u{1b}[31mred\u{7f}", "␛[31mred␡"),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn joiners_stay_where_emoji_and_scripts_need_them() {
        for text in ["👩‍👩‍👧 семья", "می‌خواهم", "обычный текст", "日本語\nline"]
        {
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn mentions_commands_and_tags_in_foreign_text_are_inert() {
        for (text, tamed) in [
            ("call @admin", "call @\u{2060}admin"),
            ("/reboot now", "/\u{2060}reboot now"),
            ("(#outage) $USD", "(#\u{2060}outage) $\u{2060}USD"),
        ] {
            assert_eq!(inert(text), tamed);
        }
    }

    #[test]
    fn paths_addresses_and_prices_stay_as_they_are() {
        for text in ["/var/log/messages.1/x", "a@b.org", "5 / 7", "a/b", "https://a.b/c", "$5 #"] {
            assert_eq!(inert(text), text);
        }
    }
}
