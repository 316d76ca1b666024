//! Making foreign text safe to show: nothing invisible, nothing that moves or covers what stands
//! around it, nothing that breaks markup.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

use super::inert::{inert, isolated};
use crate::telegram::markup;

/// `text` as it may stand between tags: visible, inert and escaped.
pub fn safe(text: &str) -> String {
    if text.bytes().all(is_dull) {
        return text.to_owned();
    }
    markup::escape(&isolated(&inert(&visible(text))))
}

/// What means nothing to Telegram whatever stands beside it. Digits do: many are a card's number.
fn is_dull(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b' ' | b'_' | b'-' | b',' | b';' | b'=' | b'%')
}

/// `text` with control, direction and zero-width characters shown (`⟨U+202E⟩`, `␀`), heaps of
/// marks on one letter counted (`⟨◌×40⟩`), and line ends made `\n`. Joiners and variation
/// selectors stay where scripts and emoji need them.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return Cow::Borrowed(text);
    }
    if text.chars().all(is_harmless) {
        return flattened(text);
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
            '\u{fe0e}' | '\u{fe0f}' if has_variants(previous) => shown.push(character),
            other if is_harmless(other) => shown.push(other),
            other => {
                let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(other));
            }
        }
        previous = character;
    }
    match flattened(&shown) {
        Cow::Borrowed(_) => Cow::Owned(shown),
        Cow::Owned(flattened) => Cow::Owned(flattened),
    }
}

/// [`visible`], on one line: line ends become `⏎`.
pub fn visible_line(text: &str) -> String {
    let shown = visible(text.trim());
    if shown.contains('\n') { shown.replace('\n', "⏎ ") } else { shown.into_owned() }
}

/// Marks on one letter, more than any language has.
const MOST_MARKS: usize = 5;

/// `text` with at most so many marks on one letter: they are piled up to cover the lines above
/// and below.
fn flattened(text: &str) -> Cow<'_, str> {
    static PILE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\p{M}{6,}").expect("the pattern of marks is a regex"));
    // Latin, Greek and Cyrillic letters and the punctuation around them are no marks.
    let may_hold_marks = |c: char| {
        !matches!(c, '\0'..='\u{2ff}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}'
            | '\u{2010}'..='\u{20cf}')
    };
    if !text.contains(may_hold_marks) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut copied = 0;
    for pile in PILE.find_iter(text) {
        let most = pile.as_str().char_indices().nth(MOST_MARKS).map_or(0, |(end, _)| end);
        kept.push_str(&text[copied..pile.start() + most]);
        let _ = write!(kept, "⟨◌×{}⟩", pile.as_str()[most..].chars().count());
        copied = pile.end();
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[copied..]);
    Cow::Owned(kept)
}

/// Letters of scripts that use joiners, and what emoji are made of.
fn joins(character: char) -> bool {
    let script = matches!(character,
        '\u{590}'..='\u{1cff}' | '\u{2190}'..='\u{2bff}' | '\u{a800}'..='\u{abff}'
        | '\u{fb50}'..='\u{fdff}' | '\u{fe0e}' | '\u{fe0f}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10a00}'..='\u{11fff}' | '\u{1f000}'..='\u{1faff}');
    script && (is_harmless(character) || matches!(character, '\u{fe0e}' | '\u{fe0f}'))
}

/// Whether a character comes as an emoji and as a text.
fn has_variants(character: char) -> bool {
    matches!(character, '0'..='9' | '#' | '*' | '©' | '®' | '\u{2000}'..='\u{33ff}'
        | '\u{1f000}'..='\u{1faff}')
        && is_harmless(character)
}

/// Whether people see that it is there, and it changes nothing beside it.
fn is_harmless(character: char) -> bool {
    !matches!(character,
        '\0'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}'
        | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffc}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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
            ("т\u{200d}о", "т⟨U+200D⟩о"),
            ("a\r\nb\rc\td", "a\nb\nc d"),
            ("a\u{2028}b\u{85}c\u{b}d\u{c}e", "a\nb\nc␋d␌e"),
            ("\u{1b}[31mred\u{7f}", "␛[31mred␡"),
            ("a\u{e0041}\u{e0042}", "a⟨U+E0041⟩⟨U+E0042⟩"),
            ("😀\u{fe0f}\u{fe0f}a\u{fe01}", "😀\u{fe0f}⟨U+FE0F⟩a⟨U+FE01⟩"),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn no_character_that_unicode_gives_no_look_passes_alone() {
        let unseen =
            Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]").unwrap();
        // Signs that enclose the number behind them: formally invisible, but drawn.
        let drawn =
            Regex::new(r"[\u0600-\u0605\u06DD\u070F\u0890\u0891\u08E2\U000110BD\U000110CD]")
                .unwrap();
        for character in ('\0'..=char::MAX).filter(|character| *character != '\n') {
            let alone = character.to_string();
            if unseen.is_match(&alone) && !drawn.is_match(&alone) {
                assert_ne!(visible(&alone), alone, "U+{:04X}", u32::from(character));
            }
        }
    }

    #[test]
    fn joiners_and_variants_stay_where_emoji_and_scripts_need_them() {
        for text in ["👩‍👩‍👧 семья", "❤️‍🔥 1️⃣ ⚠️", "🏳️‍🌈", "می‌خواهم", "क्‍ष", "обычный текст", "日本語\nline"]
        {
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn marks_are_not_piled_higher_than_languages_do() {
        let zalgo = format!("H{}e", "\u{301}\u{489}".repeat(20));
        assert_eq!(visible(&zalgo), format!("H{}⟨◌×35⟩e", "\u{301}\u{489}\u{301}\u{489}\u{301}"));
        for text in ["Việt Nam e\u{302}\u{323}", "ที่นี้", "कार्त्स्न्य", "שָׁלוֹם", "й и\u{306}"]
        {
            assert_eq!(visible(text), text);
        }
    }
}
