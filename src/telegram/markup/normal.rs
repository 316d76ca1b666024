//! Putting a text in order, as the server does before it keeps it: control characters cleaned,
//! ends trimmed, formatting made to nest, equal neighbours joined.

use super::MarkupError;
use super::entity::{Entity, EntityKind, FormattedText, sort};

/// Cleans and trims `formatted` and makes its entities nest.
///
/// # Errors
/// [`MarkupError::Empty`] when nothing that people could see is left.
pub fn put_in_order(formatted: FormattedText) -> Result<FormattedText, MarkupError> {
    let FormattedText { text, entities } = put_in_order_untrimmed(formatted);
    let (text, entities) = trim(&text, entities);
    if text.chars().all(is_blank) {
        return Err(MarkupError::Empty);
    }
    Ok(FormattedText { text, entities })
}

/// The text in order, but not trimmed, and possibly blank: the part of the work that tdlib shows
/// to the outside, for comparison with it.
pub fn put_in_order_untrimmed(formatted: FormattedText) -> FormattedText {
    let entities = nest(formatted.entities);
    if formatted.text.chars().all(is_kept) {
        return FormattedText { text: formatted.text, entities };
    }
    let (text, entities) = clean(&formatted.text, entities);
    FormattedText { text, entities: nest(entities) }
}

/// Characters that show nothing.
fn is_blank(character: char) -> bool {
    matches!(character, '\0'..=' ' | '\u{a0}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}'
        | '\u{202e}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}' | '\u{feff}' | '\u{fffc}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Whether Telegram keeps a character as it is.
fn is_kept(character: char) -> bool {
    !matches!(character, '\0'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{30a}' | '\u{333}' | '\u{33f}'
        | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
}

/// Removes or replaces what Telegram does not keep and moves the entities accordingly.
fn clean(text: &str, mut entities: Vec<Entity>) -> (String, Vec<Entity>) {
    let mut cleaned = String::with_capacity(text.len());
    // What was removed: the offset behind it and the units removed up to there.
    let mut removed: Vec<(usize, usize)> = Vec::new();
    let mut offset = 0;
    for character in text.chars() {
        offset += character.len_utf16();
        match character {
            '\n' => cleaned.push('\n'),
            '\r' | '\u{2028}'..='\u{202e}' | '\u{30a}' | '\u{333}' | '\u{33f}' => {
                removed.push((offset, removed.last().map_or(1, |(_, units)| units + 1)));
            }
            '\0'..' ' => cleaned.push(' '),
            other => cleaned.push(other),
        }
    }
    if !removed.is_empty() {
        let moved = |offset: usize| {
            let before = removed.partition_point(|(end, _)| *end <= offset);
            offset - before.checked_sub(1).map_or(0, |last| removed[last].1)
        };
        for entity in &mut entities {
            let end = moved(entity.end());
            entity.offset = moved(entity.offset);
            entity.length = end - entity.offset;
        }
        entities.retain(|entity| entity.length > 0);
    }
    (tame_direction_marks(cleaned), entities)
}

/// Of a run of left-to-right and right-to-left marks only the last one keeps its meaning.
fn tame_direction_marks(text: String) -> String {
    let is_mark = |character: char| matches!(character, '\u{200e}' | '\u{200f}');
    if !text.contains(is_mark) {
        return text;
    }
    let mut characters = text.chars().peekable();
    let mut tamed = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        let repeated = is_mark(character) && characters.peek().is_some_and(|next| is_mark(*next));
        tamed.push(if repeated { '\u{200c}' } else { character });
    }
    tamed
}

/// Cuts blanks off the end, and off the start as far as no entity holds them.
fn trim(text: &str, mut entities: Vec<Entity>) -> (String, Vec<Entity>) {
    let text = text.trim_end_matches([' ', '\n']);
    let end: usize = text.encode_utf16().count();
    entities.retain(|entity| entity.offset < end);
    for entity in &mut entities {
        entity.length = entity.length.min(end - entity.offset);
    }
    sort(&mut entities);
    let leading = text.len() - text.trim_start_matches([' ', '\n']).len();
    let leading = leading.min(entities.first().map_or(usize::MAX, |entity| entity.offset));
    for entity in &mut entities {
        entity.offset -= leading;
    }
    (text[leading..].to_owned(), entities)
}

/// Makes entities nest as Telegram wants it: links, code and the like never overlap each other
/// (the first wins), quotes hold them whole or not at all, styles are cut at their borders and
/// dropped inside code.
fn nest(mut entities: Vec<Entity>) -> Vec<Entity> {
    sort(&mut entities);
    let (styles, others): (Vec<_>, Vec<_>) =
        entities.into_iter().partition(|entity| entity.kind.is_style());
    let (mut quotes, mut solid): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|entity| entity.kind.is_quote());
    keep_first_of_overlapping(&mut solid);
    keep_first_of_overlapping(&mut quotes);
    solid.retain(|entity| !quotes.iter().any(|quote| cuts(quote, entity)));
    solid.append(&mut quotes);
    sort(&mut solid);
    let mut nested = cut_styles(&styles, &solid);
    nested.append(&mut solid);
    sort(&mut nested);
    nested
}

fn keep_first_of_overlapping(entities: &mut Vec<Entity>) {
    let mut end = 0;
    entities.retain(|entity| {
        let keep = entity.offset >= end;
        if keep {
            end = entity.end();
        }
        keep
    });
}

/// Whether `quote` overlaps `entity` without holding it whole.
fn cuts(quote: &Entity, entity: &Entity) -> bool {
    let overlap = quote.offset < entity.end() && entity.offset < quote.end();
    overlap && (entity.offset < quote.offset || quote.end() < entity.end())
}

/// Cuts styles at the borders of `solid` entities (which nest) and where another style starts.
fn cut_styles(styles: &[Entity], solid: &[Entity]) -> Vec<Entity> {
    if styles.is_empty() {
        return Vec::new();
    }
    let mut cutter = Cutter { coming: styles.iter().peekable(), open: [None; 5], cut: Vec::new() };
    let mut around: Vec<&Entity> = Vec::new();
    for entity in solid {
        cutter.leave_before(&mut around, entity.offset);
        cutter.run_to(entity.offset);
        around.push(entity);
    }
    cutter.leave_before(&mut around, usize::MAX);
    cutter.run_to(usize::MAX);
    cutter.cut
}

struct Cutter<'a, I: Iterator<Item = &'a Entity>> {
    coming: std::iter::Peekable<I>,
    /// Start and end of what is open of each style.
    open: [Option<(usize, usize)>; 5],
    cut: Vec<Entity>,
}

const STYLES: [EntityKind; 5] = [
    EntityKind::Bold,
    EntityKind::Italic,
    EntityKind::Underline,
    EntityKind::Strikethrough,
    EntityKind::Spoiler,
];

impl<'a, I: Iterator<Item = &'a Entity>> Cutter<'a, I> {
    /// Leaves the solid entities that end at or before `offset`.
    fn leave_before(&mut self, around: &mut Vec<&Entity>, offset: usize) {
        while let Some(entity) = around.pop_if(|entity| entity.end() <= offset) {
            let before = self.cut.len();
            self.run_to(entity.end());
            if entity.kind.is_plain_inside() {
                self.cut.truncate(before);
            }
        }
    }

    /// Opens the styles that start before `end` and cuts everything open there.
    fn run_to(&mut self, end: usize) {
        while let Some(style) = self.coming.next_if(|style| style.offset < end) {
            let Some(index) = style.kind.style_index() else { continue };
            match &mut self.open[index] {
                Some((_, open_end)) if style.offset <= *open_end => {
                    *open_end = (*open_end).max(style.end());
                }
                _ => {
                    self.flush(style.offset);
                    self.open[index] = Some((style.offset, style.end()));
                }
            }
        }
        self.flush(end);
    }

    fn flush(&mut self, offset: usize) {
        for (open, kind) in self.open.iter_mut().zip(STYLES) {
            let Some((start, end)) = *open else { continue };
            if start >= offset {
                continue;
            }
            let until = end.min(offset);
            self.cut.push(Entity { offset: start, length: until - start, kind });
            *open = (end > offset).then_some((offset, end));
        }
    }
}
