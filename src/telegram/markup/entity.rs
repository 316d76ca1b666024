//! A text with its formatting beside it.

/// A text as people see it, with its formatting beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FormattedText {
    pub text: String,
    /// Sorted by offset, outer before inner.
    pub entities: Vec<Entity>,
}

impl FormattedText {
    /// Unicode code points of the text: what Telegram's limit of 4096 counts.
    pub fn characters(&self) -> usize {
        self.text.chars().count()
    }
}

/// One stretch of formatting. Offset and length count UTF-16 units, as on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    pub offset: usize,
    pub length: usize,
    pub kind: EntityKind,
}

impl Entity {
    /// The offset of the first unit behind it.
    pub fn end(&self) -> usize {
        self.offset + self.length
    }
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
    PreCode {
        language: String,
    },
    Blockquote,
    ExpandableBlockquote,
    TextLink {
        url: String,
    },
    TextMention {
        user_id: i64,
    },
    CustomEmoji {
        id: String,
    },
    /// A time shown in the reader's own zone; `format` holds letters of `tTdDwW`, or `r`.
    DateTime {
        unix: i64,
        format: String,
    },
}

impl EntityKind {
    /// Which of several kinds over one stretch is the outer one: the lower (tdlib's order).
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Blockquote | Self::ExpandableBlockquote => 0,
            Self::PreCode { .. } => 10,
            Self::Pre => 11,
            Self::Code => 20,
            Self::DateTime { .. } => 30,
            Self::TextLink { .. } | Self::TextMention { .. } => 49,
            Self::Bold => 90,
            Self::Italic => 91,
            Self::Underline => 92,
            Self::Strikethrough => 93,
            Self::Spoiler => 94,
            Self::CustomEmoji { .. } => 99,
        }
    }

    /// Whether it may be cut into pieces without changing what people see.
    pub fn is_style(&self) -> bool {
        self.style_index().is_some()
    }

    /// The number among the five styles that may be cut anywhere.
    pub(super) fn style_index(&self) -> Option<usize> {
        match self {
            Self::Bold => Some(0),
            Self::Italic => Some(1),
            Self::Underline => Some(2),
            Self::Strikethrough => Some(3),
            Self::Spoiler => Some(4),
            _ => None,
        }
    }

    /// Whether it is a quotation.
    pub fn is_quote(&self) -> bool {
        matches!(self, Self::Blockquote | Self::ExpandableBlockquote)
    }

    /// Whether there is no formatting inside it, nor around it except for a quotation.
    pub fn is_plain_inside(&self) -> bool {
        matches!(self, Self::Code | Self::Pre | Self::PreCode { .. } | Self::DateTime { .. })
    }
}

/// Sorts as the server does: by offset, the longer first, the outer first.
pub(super) fn sort(entities: &mut [Entity]) {
    entities.sort_by(|a, b| {
        a.offset
            .cmp(&b.offset)
            .then(b.length.cmp(&a.length))
            .then(a.kind.rank().cmp(&b.kind.rank()))
    });
}
