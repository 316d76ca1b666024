//! Cutting a text into messages that Telegram takes: at good places, with the formatting closed
//! and opened again, and nothing lost but blanks at the cuts.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

use super::Limits;
use crate::telegram::markup::{Entity, EntityKind, FormattedText, MAX_RAW_BYTES, escape};

/// Characters kept free in every part for what is added behind it: its number, a remark.
pub const SPARE_CHARACTERS: usize = 96;

/// What the links of one message may hold, in bytes; Telegram refuses about 9,500
/// (`ENTITIES_TOO_LONG`).
const MAX_LINK_BYTES: usize = 6_000;

/// Room for tags that cross a cut and for what is added behind a part.
const MAX_HTML_BYTES: usize = MAX_RAW_BYTES - 2_048;

/// What a pair of tags takes without its attribute, in bytes.
const TAG_BYTES: usize = 48;

/// Characters behind a cut that are looked at to see whether it divides a word.
const LONGEST_WORD: usize = 64;

/// A link longer than this is left out; browsers stop near it too.
pub const MAX_URL_BYTES: usize = 2_048;

/// Cuts `text` into pieces within `limits`. One that fits whole stays whole; the pieces of one
/// that does not have [`SPARE_CHARACTERS`] left each.
pub fn split(mut text: FormattedText, limits: Limits) -> Vec<FormattedText> {
    text.entities.retain(
        |entity| !matches!(&entity.kind, EntityKind::TextLink { url } if url.len() > MAX_URL_BYTES),
    );
    let limits = Limits {
        characters: limits.characters.max(2 * SPARE_CHARACTERS),
        entities: limits.entities.max(16),
    };
    if fits(&text, limits) {
        return vec![text];
    }
    let ruler = Ruler::new(&text);
    let room = Limits { characters: limits.characters - SPARE_CHARACTERS, ..limits };
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < ruler.characters() {
        let furthest = ruler.furthest(start, room);
        let end =
            if furthest == ruler.characters() { furthest } else { ruler.good_cut(start, furthest) };
        let piece = ruler.piece(start, end);
        if !piece.text.trim().is_empty() {
            pieces.push(piece);
        }
        start = ruler.skip_line_ends(end);
    }
    pieces
}

/// Whether `text` is a message as it is.
fn fits(text: &FormattedText, limits: Limits) -> bool {
    let link_bytes: usize = text.entities.iter().map(|entity| payload(&entity.kind)).sum();
    let tag_bytes = link_bytes + TAG_BYTES * text.entities.len();
    let (characters, bytes) =
        text.text.chars().fold((0, tag_bytes), |(count, bytes), character| {
            (count + 1, bytes + escaped_bytes(character))
        });
    characters <= limits.characters
        && text.entities.len() <= limits.entities
        && link_bytes <= MAX_LINK_BYTES
        && bytes <= MAX_HTML_BYTES
}

/// A text with the positions of its characters: a position is a number of characters.
struct Ruler<'a> {
    text: &'a FormattedText,
    characters: Vec<char>,
    /// Byte and UTF-16 offset of each character, and of the end.
    offsets: Vec<(usize, usize)>,
}

impl<'a> Ruler<'a> {
    fn new(text: &'a FormattedText) -> Self {
        let characters: Vec<char> = text.text.chars().collect();
        let mut offsets = Vec::with_capacity(characters.len() + 1);
        let mut at = (0, 0);
        offsets.push(at);
        for character in &characters {
            at = (at.0 + character.len_utf8(), at.1 + character.len_utf16());
            offsets.push(at);
        }
        Self { text, characters, offsets }
    }

    fn characters(&self) -> usize {
        self.characters.len()
    }

    fn units(&self, position: usize) -> usize {
        self.offsets[position].1
    }

    /// The position of a UTF-16 offset.
    fn position(&self, units: usize) -> usize {
        self.offsets.partition_point(|(_, offset)| *offset < units)
    }

    /// How far a part that starts at `start` may reach: at least one character.
    fn furthest(&self, start: usize, limits: Limits) -> usize {
        let mut end = self.characters().min(start + limits.characters);
        let begin = self.units(start);
        let (mut entities, mut link_bytes, mut tag_bytes) = (0, 0, 0);
        for entity in self.text.entities.iter().filter(|entity| entity.end() > begin) {
            let payload = payload(&entity.kind);
            entities += 1;
            link_bytes += payload;
            if entity.offset >= self.units(end) {
                break;
            }
            if entities > limits.entities || link_bytes > MAX_LINK_BYTES {
                end = self.position(entity.offset.max(begin));
                break;
            }
            tag_bytes += payload + TAG_BYTES;
        }
        let mut bytes = tag_bytes;
        for (position, character) in self.characters.iter().enumerate().take(end).skip(start) {
            bytes += escaped_bytes(*character);
            if bytes > MAX_HTML_BYTES {
                end = position;
                break;
            }
        }
        end.max(start + 1)
    }

    /// The best place to cut at or before `furthest`.
    fn good_cut(&self, start: usize, furthest: usize) -> usize {
        let length = furthest - start;
        let is = |position: usize, wanted: &[char]| wanted.contains(&self.characters[position]);
        let blank_line = |cut: usize| cut >= 2 && is(cut - 1, &['\n']) && is(cut - 2, &['\n']);
        let line = |cut: usize| is(cut - 1, &['\n']);
        let sentence =
            |cut: usize| cut >= 2 && is(cut - 1, &[' ']) && is(cut - 2, &['.', '!', '?', '…']);
        let space = |cut: usize| is(cut - 1, &[' ']);
        let find = |least: usize, good: &dyn Fn(usize) -> bool| {
            (start + least..=furthest)
                .rev()
                .find(|cut| *cut > start && good(*cut) && self.divides_nothing(start, *cut))
        };
        find(length / 2, &blank_line)
            .or_else(|| find(length / 3, &line))
            .or_else(|| find(length / 2, &sentence))
            .or_else(|| find(length / 4, &space))
            .or_else(|| self.word_cut(start, furthest))
            .unwrap_or_else(|| self.grapheme_cut(start, furthest))
    }

    /// Whether a cut leaves graphemes and links whole.
    fn divides_nothing(&self, start: usize, cut: usize) -> bool {
        self.is_free(start, cut) && self.is_border(cut)
    }

    /// Whether a grapheme ends at `cut`: a blank may carry an accent.
    fn is_border(&self, cut: usize) -> bool {
        let text = &self.text.text;
        let mut cursor = GraphemeCursor::new(self.offsets[cut].0, text.len(), true);
        cursor.is_boundary(text, 0) == Ok(true)
    }

    /// The last end of a word in the last quarter, where there are no blanks: in paths, in JSON,
    /// in Chinese.
    fn word_cut(&self, start: usize, furthest: usize) -> Option<usize> {
        let from = self.offsets[furthest - (furthest - start) / 4].0;
        // A word that goes on behind `furthest` must be seen to.
        let until = self.offsets[self.characters().min(furthest + LONGEST_WORD)].0;
        let furthest = self.offsets[furthest].0;
        let ends: Vec<usize> = self.text.text[from..until]
            .split_word_bound_indices()
            .skip(1)
            .map(|(index, _)| from + index)
            .take_while(|end| *end <= furthest)
            .collect();
        ends.into_iter()
            .rev()
            .map(|end| self.offsets.partition_point(|(offset, _)| *offset < end))
            .find(|cut| *cut > start && self.divides_nothing(start, *cut))
    }

    /// Whether a cut divides nothing that means less in two pieces, such as a link.
    fn is_free(&self, start: usize, cut: usize) -> bool {
        let (begin, cut) = (self.units(start), self.units(cut));
        !self.text.entities.iter().any(|entity| {
            is_atom(&entity.kind)
                && entity.offset < cut
                && cut < entity.end()
                && entity.offset > begin
        })
    }

    /// The last border between graphemes that divides no link, or if there is none `furthest`.
    fn grapheme_cut(&self, start: usize, furthest: usize) -> usize {
        let mut cut = furthest;
        let units = self.units(furthest);
        let atom =
            self.text.entities.iter().find(|entity| {
                is_atom(&entity.kind) && entity.offset < units && units < entity.end()
            });
        if let Some(atom) = atom {
            let before = self.position(atom.offset);
            if before > start {
                cut = before;
            }
        }
        let text = &self.text.text;
        let mut cursor = GraphemeCursor::new(self.offsets[cut].0, text.len(), true);
        if let Ok(false) = cursor.is_boundary(text, 0)
            && let Ok(Some(byte)) = cursor.prev_boundary(text, 0)
        {
            let before = self.offsets.partition_point(|(offset, _)| *offset < byte);
            if before > start {
                cut = before;
            }
        }
        cut
    }

    fn skip_line_ends(&self, mut position: usize) -> usize {
        while self.characters.get(position) == Some(&'\n') {
            position += 1;
        }
        position
    }

    fn piece(&self, start: usize, end: usize) -> FormattedText {
        let text = self.text.text[self.offsets[start].0..self.offsets[end].0].trim_end();
        let begin = self.units(start);
        let end = begin + text.encode_utf16().count();
        let clip = |entity: &Entity| {
            let (from, to) = (entity.offset.max(begin), entity.end().min(end));
            (from < to).then(|| Entity {
                offset: from - begin,
                length: to - from,
                kind: entity.kind.clone(),
            })
        };
        FormattedText {
            text: text.to_owned(),
            entities: self.text.entities.iter().filter_map(clip).collect(),
        }
    }
}

/// Bytes that a kind's attribute takes in HTML.
fn payload(kind: &EntityKind) -> usize {
    match kind {
        EntityKind::TextLink { url } => escape(url).len(),
        EntityKind::PreCode { language } => escape(language).len(),
        EntityKind::DateTime { format, .. } => format.len() + 20,
        _ => 0,
    }
}

fn escaped_bytes(character: char) -> usize {
    match character {
        '&' => 5,
        '<' | '>' => 4,
        '"' => 6,
        other => other.len_utf8(),
    }
}

fn is_atom(kind: &EntityKind) -> bool {
    matches!(
        kind,
        EntityKind::TextLink { .. }
            | EntityKind::TextMention { .. }
            | EntityKind::CustomEmoji { .. }
            | EntityKind::DateTime { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telegram::markup::{parse_html, to_html};

    const SMALL: Limits = Limits { characters: 200 + SPARE_CHARACTERS, entities: 16 };

    fn cut(html: &str) -> Vec<String> {
        split(parse_html(html).unwrap(), SMALL).iter().map(to_html).collect()
    }

    #[test]
    fn a_text_that_fits_is_one_piece() {
        assert_eq!(cut(&"x".repeat(296)), ["x".repeat(296)]);
        assert_eq!(cut(&"x".repeat(297)).len(), 2);
    }

    #[test]
    fn cuts_prefer_blank_lines_then_lines_then_sentences_then_spaces() {
        let word = "w".repeat(30);
        let sentence = format!("{word} {word}. ");
        for (glue, first_ends) in [("\n\n", "w"), ("\n", "w"), (". ", "w."), (" ", "w")] {
            let text = vec![word.as_str(); 14].join(glue);
            let pieces = cut(&text);
            assert!(pieces[0].ends_with(first_ends), "{glue:?}: {pieces:?}");
            assert_eq!(pieces.concat().matches('w').count(), 14 * 30, "{pieces:?}");
        }
        let text = format!("{}\n\n{}", sentence.repeat(2), sentence.repeat(5));
        assert_eq!(cut(&text)[0], sentence.repeat(2).trim_end());
    }

    #[test]
    fn formatting_is_closed_at_a_cut_and_opened_again() {
        let line = format!("{}\n", "x".repeat(60));
        let pieces = cut(&format!("<blockquote><b>{}</b></blockquote>", line.repeat(6)));
        assert!(pieces.len() > 1);
        for piece in &pieces {
            assert!(piece.starts_with("<blockquote><b>x"), "{piece}");
            assert!(piece.ends_with("x</b></blockquote>"), "{piece}");
        }
    }

    #[test]
    fn a_link_is_not_cut() {
        let html = format!("{}<a href=\"https://a.b/\">{}</a>", "x".repeat(290), "y z ".repeat(9));
        let pieces = cut(&html);
        assert_eq!(pieces[0], "x".repeat(200));
        assert_eq!(
            pieces[1],
            format!(
                "{}<a href=\"https://a.b/\">{}</a>",
                "x".repeat(90),
                "y z ".repeat(9).trim_end()
            )
        );
    }

    #[test]
    fn words_without_blanks_between_them_stay_whole() {
        for (text, word) in [("/directory12", "directory12"), ("\"key\":1700,", "1700")] {
            let pieces = cut(&escape(&text.repeat(80)));
            assert!(pieces.len() > 3);
            assert_eq!(pieces.join("\n").matches(word).count(), 80, "{pieces:?}");
        }
    }

    #[test]
    fn a_blank_with_an_accent_is_one_grapheme() {
        let text = format!("{} \u{301}{}", "x".repeat(180), "y".repeat(200));
        assert_eq!(cut(&text)[0], format!("{} \u{301}", "x".repeat(180)));
    }

    #[test]
    fn graphemes_stay_whole_unless_one_is_longer_than_a_message() {
        let family = "👩‍👩‍👧‍👦";
        for piece in cut(&family.repeat(60)) {
            assert_eq!(piece.replace(family, ""), "");
        }
        let monster = format!("a{}", "\u{301}".repeat(900));
        assert_eq!(cut(&monster).concat(), monster);
    }

    #[test]
    fn no_piece_has_more_entities_than_allowed() {
        let html = "<b>a</b> <i>b</i> ".repeat(40);
        let pieces = split(parse_html(&html).unwrap(), SMALL);
        assert!(pieces.len() > 3);
        assert!(pieces.iter().all(|piece| piece.entities.len() <= 16));
        assert_eq!(pieces.iter().map(|piece| piece.entities.len()).sum::<usize>(), 80);
    }

    #[test]
    fn links_too_long_for_telegram_lose_their_target_not_their_text() {
        let html = format!("<a href=\"https://a.b/{}\">text</a>", "x".repeat(3000));
        assert_eq!(cut(&html), ["text"]);
        let link = format!("<a href=\"https://a.b/{}\">text</a> ", "x".repeat(1900));
        assert_eq!(cut(&link.repeat(7)).len(), 3);
    }

    #[test]
    fn a_text_of_nothing_but_quotes_stays_below_the_raw_limit() {
        let text = FormattedText { text: "\"".repeat(9000), entities: Vec::new() };
        let pieces = split(text, Limits { characters: 9000, entities: 100 });
        assert!(pieces.iter().all(|piece| to_html(piece).len() <= MAX_RAW_BYTES));
        assert_eq!(pieces.iter().map(FormattedText::characters).sum::<usize>(), 9000);
    }
}
