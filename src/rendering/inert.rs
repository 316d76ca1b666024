//! Keeping Telegram from finding things of its own accord in foreign text. Its server makes
//! mentions, commands, tags, links, addresses, phone and card numbers out of what looks like them;
//! data may look like them, but only templates may mean them.

use std::borrow::Cow;

use crate::telegram::markup::{EntityKind, FormattedText};

/// Parts what belongs together without being seen. In foreign text it is always one of ours:
/// one that was there before is shown (`⟨U+2060⟩`).
pub const JOINER: char = '\u{2060}';

/// Around a text that runs from right to left: what stands behind it keeps its place.
const ISOLATE: char = '\u{2068}';
const END_ISOLATE: char = '\u{2069}';

/// Telegram takes 13 to 19 digits for the number of a bank card.
const CARD_DIGITS: usize = 13;

/// Fewer digits behind a `+` are no phone number.
const PHONE_DIGITS: usize = 7;

/// `text` in which Telegram finds nothing: an invisible joiner stands behind each sign that
/// would make something of what follows.
pub fn inert(text: &str) -> Cow<'_, str> {
    tame(text, |tamed, sign| tamed.extend([sign, JOINER]))
}

/// [`inert`] in no more characters than before: signs are shown in their wide form (`＠`).
pub fn inert_wide(text: &str) -> Cow<'_, str> {
    tame(text, |tamed, sign| {
        tamed.push(char::from_u32(u32::from(sign) + 0xfee0).unwrap_or(sign));
    })
}

fn tame(text: &str, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let mut tamed = String::new();
    let mut copied = 0;
    let mut watch = Watch::default();
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii() && watch.starts_something(byte, &text[at + 1..]) {
            tamed.push_str(&text[copied..at]);
            write(&mut tamed, char::from(byte));
            copied = at + 1;
            watch = Watch { previous: FIRST_OF_MANY, ..Watch::default() };
        } else {
            watch.passed(byte);
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    tamed.push_str(&text[copied..]);
    Cow::Owned(tamed)
}

/// A byte that no ASCII character has.
const FIRST_OF_MANY: u8 = 0xe2;

/// What the text was up to now.
#[derive(Default)]
struct Watch {
    previous: u8,
    before: u8,
    /// Digits since anything but digits, blanks and dashes.
    digits: usize,
    /// Dots with digits before them, since anything but digits and dots.
    dots: usize,
}

impl Watch {
    /// Whether Telegram could make something of `sign` and the `rest` behind it.
    fn starts_something(&self, sign: u8, rest: &str) -> bool {
        let next = rest.bytes().next().unwrap_or(b' ');
        let in_word = is_word(self.previous);
        match sign {
            b'@' => !in_word && is_word(next),
            b'#' => !in_word && (is_word(next) || !next.is_ascii()),
            b'$' => !in_word && (next.is_ascii_uppercase() || rest.starts_with("1INCH")),
            b'/' => self.ends_scheme() || !in_word && self.starts_command(rest),
            b'.' => self.divides_host(next),
            b'+' => next.is_ascii_digit() && is_phone(rest),
            b'0'..=b'9' if self.digits + 2 == CARD_DIGITS => {
                rest.trim_start_matches([' ', '-']).starts_with(|next: char| next.is_ascii_digit())
            }
            _ => false,
        }
    }

    /// Whether the slash behind what came is the last of `://`.
    fn ends_scheme(&self) -> bool {
        (self.before, self.previous) == (b':', b'/')
    }

    fn starts_command(&self, rest: &str) -> bool {
        let end = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        // A word of many digits is parted, and ends where that happens.
        let parted = rest[..end].bytes().filter(u8::is_ascii_digit).count() >= CARD_DIGITS - 1;
        !matches!(self.previous, b'/' | b'<' | b'>')
            && end > 0
            && (parted || !rest[end..].starts_with(['/', '<', '>']))
    }

    /// Whether a dot could stand in the name of a host, or be the last one of an IPv4 address.
    fn divides_host(&self, next: u8) -> bool {
        if next.is_ascii_digit() {
            return self.dots == 2 && self.previous.is_ascii_digit();
        }
        let ends_name = self.previous != 0 && !self.previous.is_ascii_whitespace();
        ends_name && (is_word(next) || matches!(next, b'-' | b'~') || !next.is_ascii())
    }

    fn passed(&mut self, byte: u8) {
        match byte {
            b'0'..=b'9' => self.digits += 1,
            b' ' | b'-' => {}
            _ => self.digits = 0,
        }
        match byte {
            b'0'..=b'9' => {}
            b'.' if self.previous.is_ascii_digit() => self.dots += 1,
            _ => self.dots = 0,
        }
        (self.before, self.previous) = (self.previous, byte);
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether so many digits follow that they could be a phone number.
fn is_phone(rest: &str) -> bool {
    rest.chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '.'))
        .filter(char::is_ascii_digit)
        .nth(PHONE_DIGITS - 1)
        .is_some()
}

/// `text` with each line that holds writing from right to left isolated, so that it moves
/// nothing that stands around it.
pub fn isolated(text: &str) -> Cow<'_, str> {
    if !text.contains(runs_leftwards) {
        return Cow::Borrowed(text);
    }
    let mut isolated = String::with_capacity(text.len() + 8);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if line.contains(runs_leftwards) {
            isolated.push(ISOLATE);
            isolated.push_str(line);
            isolated.push(END_ISOLATE);
        } else {
            isolated.push_str(line);
        }
        isolated.push_str(end);
    }
    Cow::Owned(isolated)
}

/// Letters of Hebrew, Arabic and the other scripts that are written so.
fn runs_leftwards(character: char) -> bool {
    matches!(character,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// `text` without joiners where people copy it and where it is the target of a link: Telegram
/// looks for nothing there.
pub fn copyable(mut text: FormattedText) -> FormattedText {
    for entity in &mut text.entities {
        if let EntityKind::TextLink { url } = &mut entity.kind
            && url.contains([JOINER, ISOLATE, END_ISOLATE])
        {
            url.retain(|character| !matches!(character, JOINER | ISOLATE | END_ISOLATE));
        }
    }
    let is_code = |kind: &EntityKind| {
        matches!(kind, EntityKind::Code | EntityKind::Pre | EntityKind::PreCode { .. })
    };
    if !text.text.contains(JOINER) || !text.entities.iter().any(|entity| is_code(&entity.kind)) {
        return text;
    }
    // Code holds no code, so that the stretches come one behind the other.
    let code: Vec<(usize, usize)> = text
        .entities
        .iter()
        .filter(|entity| is_code(&entity.kind))
        .map(|entity| (entity.offset, entity.end()))
        .collect();
    let mut stretches = code.iter().peekable();
    let mut dropped = Vec::new();
    let mut kept = String::with_capacity(text.text.len());
    let mut at = 0;
    for character in text.text.chars() {
        while stretches.next_if(|(_, end)| *end <= at).is_some() {}
        if character == JOINER && stretches.peek().is_some_and(|(start, _)| *start <= at) {
            dropped.push(at);
        } else {
            kept.push(character);
        }
        at += character.len_utf16();
    }
    let moved = |offset: usize| offset - dropped.partition_point(|joiner| *joiner < offset);
    for entity in &mut text.entities {
        let end = moved(entity.end());
        entity.offset = moved(entity.offset);
        entity.length = end - entity.offset;
    }
    text.entities.retain(|entity| entity.length > 0);
    FormattedText { text: kept, entities: text.entities }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telegram::markup::parse_html;

    /// `text` made inert, with the joiners shown as `|`.
    fn shown(text: &str) -> String {
        inert(text).replace(JOINER, "|")
    }

    #[test]
    fn what_telegram_would_find_in_foreign_text_is_parted() {
        for (text, tamed) in [
            ("call @admin", "call @|admin"),
            ("/reboot now", "/|reboot now"),
            ("(#outage) $USD $1INCH", "(#|outage) $|USD $|1INCH"),
            ("#отказ", "#|отказ"),
            ("see evil.com or a@b.org", "see evil.|com or a@b.|org"),
            ("http://evil.com/x", "http://|evil.|com/x"),
            ("tg://resolve?domain=x", "tg://|resolve?domain=x"),
            ("host 10.0.0.7:9100", "host 10.0.0.|7:9100"),
            ("1.2.3.4.5.6.7", "1.2.3.|4.5.6.|7"),
            ("сайт.рф", "сайт.|рф"),
            ("4111 1111 1111 1111", "4111 1111 1111| 1111"),
            ("41111111111111111111111111", "411111111111|111111111111|11"),
            ("+7 (701) 123-45-67", "+|7 (701) 123-45-67"),
        ] {
            assert_eq!(shown(text), tamed);
        }
    }

    #[test]
    fn paths_prices_times_and_numbers_stay_as_they_are() {
        for text in [
            "/var/log/messages/x",
            "a@b",
            "5 / 7",
            "a/b",
            "$5 #",
            "3.14",
            "v1.2.3",
            "12:30:00",
            "+5 more",
            "123456789012",
            "The end. Of it...",
            "x = .5",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn the_wide_form_takes_no_more_characters() {
        assert_eq!(inert_wide("@admin a.com /x"), "＠admin a．com ／x");
    }

    #[test]
    fn writing_from_right_to_left_is_kept_in_its_place_line_by_line() {
        assert_eq!(isolated("שלום 5\nok\nسلام"), "\u{2068}שלום 5\u{2069}\nok\n\u{2068}سلام\u{2069}");
        assert_eq!(isolated("обычный"), "обычный");
    }

    #[test]
    fn code_and_targets_of_links_are_free_of_joiners() {
        let html = "a.\u{2060}b <b>x <code>c.\u{2060}d</code></b> e.\u{2060}f \
                    <a href=\"http://\u{2060}a.\u{2060}b/\">l</a> <i>z</i>";
        let expected = "a.\u{2060}b <b>x <code>c.d</code></b> e.\u{2060}f \
                        <a href=\"http://a.b/\">l</a> <i>z</i>";
        assert_eq!(copyable(parse_html(html).unwrap()), parse_html(expected).unwrap());
    }
}
