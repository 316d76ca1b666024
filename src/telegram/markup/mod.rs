//! Telegram's HTML text format: what its server makes of a text sent with `parse_mode: HTML`.
//!
//! [`parse_html`] answers as the Bot API server does, errors included, in two steps like its own:
//! reading the markup, then putting the text and its formatting in order. Both are checked
//! against Telegram's own parser (`tests/behaviour/rendering.rs`). What the server finds by itself
//! in a text (mentions, plain URLs, hashtags) is no formatting and not looked for here.

mod entity;
mod html;
mod link;
mod normal;
mod tags;
mod write;

#[cfg(test)]
mod tests;

pub use entity::{Entity, EntityKind, FormattedText};
pub use html::read_tags;
pub use link::checked as checked_link;
pub use normal::{put_in_order, put_in_order_untrimmed};
pub use write::{escape, to_html};

/// The longest text the Bot API takes before it is parsed, in bytes.
pub const MAX_RAW_BYTES: usize = 32_768;

/// Why Telegram refuses a text. The words are the server's own after `Bad Request: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkupError {
    /// The markup is broken.
    #[error("can't parse entities: {0}")]
    Tags(String),
    /// Nothing that people could see is left of the text.
    #[error("message text is empty")]
    Empty,
    /// The raw text is over [`MAX_RAW_BYTES`].
    #[error("text is too long")]
    TooLong,
}

/// What people see of `html` when Telegram is given it with `parse_mode: HTML`.
pub fn parse_html(html: &str) -> Result<FormattedText, MarkupError> {
    if html.len() > MAX_RAW_BYTES {
        return Err(MarkupError::TooLong);
    }
    parse_unbounded_html(html)
}

/// [`parse_html`] for a text that is still to be cut into messages.
pub fn parse_unbounded_html(html: &str) -> Result<FormattedText, MarkupError> {
    put_in_order(read_tags(html)?)
}

/// What people see of `text` when Telegram is given it without a parse mode.
pub fn parse_plain(text: &str) -> Result<FormattedText, MarkupError> {
    if text.len() > MAX_RAW_BYTES {
        return Err(MarkupError::TooLong);
    }
    put_in_order(FormattedText { text: text.to_owned(), entities: Vec::new() })
}
