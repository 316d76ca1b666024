//! What each tag means: from an open tag and its attributes to an entity.

use super::entity::{Entity, EntityKind};
use super::{MarkupError, link};

/// The tags Telegram knows.
pub(super) const KNOWN: [&str; 17] = [
    "a",
    "b",
    "strong",
    "i",
    "em",
    "s",
    "strike",
    "del",
    "u",
    "ins",
    "tg-spoiler",
    "tg-emoji",
    "tg-time",
    "span",
    "pre",
    "code",
    "blockquote",
];

/// An entity on its way: a `code` keeps its language until it is known whether a `pre` holds it.
pub(super) struct Draft {
    pub entity: Entity,
    language: String,
}

/// A start tag whose end has not come.
pub(super) struct OpenTag {
    pub name: String,
    /// The one attribute that matters for the tag.
    argument: String,
    unix: i32,
    /// UTF-16 units of text before it.
    pub offset: usize,
    /// Bytes of text before it.
    text_start: usize,
}

pub(super) fn fault<T>(words: impl Into<String>) -> Result<T, MarkupError> {
    Err(MarkupError::Tags(words.into()))
}

impl OpenTag {
    pub fn new(name: String, offset: usize, text_start: usize) -> Self {
        Self { name, argument: String::new(), unix: 0, offset, text_start }
    }

    /// Takes an attribute; those without a meaning are ignored.
    pub fn set(&mut self, attribute: &str, value: String) {
        match (self.name.as_str(), attribute) {
            ("a", "href") | ("tg-emoji", "emoji-id") | ("tg-time", "format") => {
                self.argument = value;
            }
            ("code", "class") => {
                if let Some(language) = value.strip_prefix("language-") {
                    language.clone_into(&mut self.argument);
                }
            }
            ("span", "class") => {
                if let Some(class) = value.strip_prefix("tg-") {
                    class.clone_into(&mut self.argument);
                }
            }
            ("blockquote", "expandable") => "1".clone_into(&mut self.argument),
            ("tg-time", "unix") => self.unix = leading_integer(&value),
            _ => {}
        }
    }

    /// Whether it is a `span` that is no spoiler: Telegram knows no other.
    pub fn is_unknown_span(&self) -> bool {
        self.name == "span" && self.argument != "spoiler"
    }

    /// Ends the tag at `units` of `text`, which is not empty behind the tag.
    pub fn close(
        self,
        units: usize,
        text: &str,
        drafts: &mut Vec<Draft>,
    ) -> Result<(), MarkupError> {
        let (offset, length) = (self.offset, units - self.offset);
        let inside = drafts
            .last_mut()
            .filter(|last| (last.entity.offset, last.entity.length) == (offset, length));
        let mut language = String::new();
        let kind = match self.name.as_str() {
            "b" | "strong" => EntityKind::Bold,
            "i" | "em" => EntityKind::Italic,
            "u" | "ins" => EntityKind::Underline,
            "s" | "strike" | "del" => EntityKind::Strikethrough,
            "tg-spoiler" | "span" => EntityKind::Spoiler,
            "blockquote" if self.argument.is_empty() => EntityKind::Blockquote,
            "blockquote" => EntityKind::ExpandableBlockquote,
            "tg-emoji" => match self.argument.parse::<i64>() {
                Ok(id) if id != 0 => EntityKind::CustomEmoji { id: id.to_string() },
                _ => return fault("Invalid custom emoji identifier specified"),
            },
            "tg-time" => match self.time()? {
                Some(kind) => kind,
                None => return Ok(()),
            },
            "a" => match self.link(text) {
                Some(kind) => kind,
                None => return Ok(()),
            },
            "pre" => {
                if let Some(code) = inside
                    && code.entity.kind == EntityKind::Code
                    && !code.language.is_empty()
                {
                    let language = std::mem::take(&mut code.language);
                    code.entity.kind = EntityKind::PreCode { language };
                    return Ok(());
                }
                EntityKind::Pre
            }
            _ => {
                language = self.argument;
                if let Some(pre) = inside
                    && pre.entity.kind == EntityKind::Pre
                    && !language.is_empty()
                {
                    pre.entity.kind = EntityKind::PreCode { language };
                    return Ok(());
                }
                EntityKind::Code
            }
        };
        drafts.push(Draft { entity: Entity { offset, length, kind }, language });
        Ok(())
    }

    fn time(&self) -> Result<Option<EntityKind>, MarkupError> {
        let format = self.argument.as_str();
        let relative = matches!(format, "r" | "R");
        if !relative && !format.chars().all(|letter| "tTdDwW".contains(letter)) {
            return fault("Invalid date format used");
        }
        let unix = i64::from(self.unix);
        Ok((unix > 0).then(|| EntityKind::DateTime { unix, format: format.to_owned() }))
    }

    /// A link without a target points to what its text says.
    fn link(&self, text: &str) -> Option<EntityKind> {
        let url = if self.argument.is_empty() { &text[self.text_start..] } else { &self.argument };
        match link::user_id(url) {
            Some(user_id) => Some(EntityKind::TextMention { user_id }),
            None => link::checked(url).map(|url| EntityKind::TextLink { url }),
        }
    }
}

/// The number at the start of `text`, wrapping as tdlib's lenient conversion does.
fn leading_integer(text: &str) -> i32 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let number = digits
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0i32, |sum, digit| sum.wrapping_mul(10).wrapping_add(i32::from(digit - b'0')));
    if negative { number.wrapping_neg() } else { number }
}
