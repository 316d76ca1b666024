//! Telegram's HTML text format: what its server makes of a text sent with `parse_mode: HTML`.

/// A text as people see it, with its formatting beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FormattedText {
    pub text: String,
    /// Sorted by offset, outer before inner.
    pub entities: Vec<Entity>,
}

/// One stretch of formatting. Offset and length count UTF-16 units, as on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    pub offset: usize,
    pub length: usize,
    pub kind: EntityKind,
}

/// What a stretch of text is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EntityKind {
    Bold,
    Italic,
    Underline,
    Strikethrough,
    Spoiler,
    Code,
    Pre,
    PreCode { language: String },
    Blockquote,
    ExpandableBlockquote,
    TextLink { url: String },
    TextMention { user_id: i64 },
    CustomEmoji { id: String },
    DateTime { unix: i64, format: String },
}
