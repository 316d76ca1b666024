//! Buttons under a message, of a kind that Telegram takes.

use teloxide_core::types::{
    CopyTextButton, InlineKeyboardButton, InlineKeyboardButtonKind, InlineKeyboardMarkup,
};
use url::Url;

use super::markup::checked_link;

/// The most that a button copies (Bot API 7.11 says 1–256 characters; read strictly, as UTF-16).
pub const MAX_COPIED: usize = 256;
/// The longest address behind a button, in bytes: what Telegram keeps of a link in a text.
pub const MAX_BUTTON_URL_BYTES: usize = 2_048;
/// The longest label, in characters. Telegram names no limit; phones show about twenty.
pub const MAX_LABEL: usize = 64;

/// One button. There is none that Telegram is known to refuse.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Button {
    text: String,
    action: ButtonAction,
}

/// What pressing a button does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ButtonAction {
    /// Opens this page; `http` or `https`.
    Url(Url),
    /// Puts this text on the clipboard.
    Copy(String),
}

impl Button {
    /// A button that opens a page; `None` when Telegram would refuse it: other schemes, a host
    /// without a dot, an address longer than [`MAX_BUTTON_URL_BYTES`], an empty label.
    pub fn url(text: &str, url: &str) -> Option<Self> {
        let url = Url::parse(url.trim()).ok()?;
        let taken = matches!(url.scheme(), "http" | "https")
            && url.as_str().len() <= MAX_BUTTON_URL_BYTES
            && checked_link(url.as_str()).is_some();
        taken.then(|| Self::new(text, ButtonAction::Url(url))).flatten()
    }

    /// A button that copies a text of one to [`MAX_COPIED`] characters; `None` for others and
    /// for an empty label.
    pub fn copy(text: &str, copied: &str) -> Option<Self> {
        let copied = copied.trim();
        let taken = !copied.is_empty() && copied.encode_utf16().count() <= MAX_COPIED;
        taken.then(|| Self::new(text, ButtonAction::Copy(copied.to_owned()))).flatten()
    }

    fn new(text: &str, action: ButtonAction) -> Option<Self> {
        let text = text.trim();
        let taken = !text.is_empty() && text.chars().count() <= MAX_LABEL;
        taken.then(|| Self { text: text.to_owned(), action })
    }

    /// The label.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn action(&self) -> &ButtonAction {
        &self.action
    }
}

/// The keyboard as teloxide writes it; none without buttons.
pub(super) fn markup(rows: &[Vec<Button>]) -> Option<InlineKeyboardMarkup> {
    let rows: Vec<Vec<_>> = rows
        .iter()
        .filter(|row| !row.is_empty())
        .map(|row| row.iter().map(key).collect())
        .collect();
    (!rows.is_empty()).then(|| InlineKeyboardMarkup::new(rows))
}

fn key(button: &Button) -> InlineKeyboardButton {
    let kind = match &button.action {
        ButtonAction::Url(url) => InlineKeyboardButtonKind::Url(url.clone()),
        ButtonAction::Copy(text) => {
            InlineKeyboardButtonKind::CopyText(CopyTextButton { text: text.clone() })
        }
    };
    InlineKeyboardButton::new(button.text.clone(), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_telegram_would_not_open_makes_no_button() {
        for good in [
            "https://wiki.example.org/runbook?a=1&b=%7B%7D#part",
            " http://10.0.0.1:9090/graph ",
            "HTTPS://GRAFANA.example.org",
            "https://приклад.укр/график",
        ] {
            assert!(Button::url("x", good).is_some(), "{good}");
        }
        let long = format!("https://example.org/{}", "я".repeat(400));
        for bad in [
            "",
            "wiki.example.org",
            "http://prometheus:9090/graph",
            "http://localhost/",
            "ftp://example.org/x",
            "javascript:alert(1)",
            "tg://user?id=1",
            "https://",
            "https://exa mple.org/",
            "https://example.org:99999/",
            &long,
        ] {
            assert_eq!(Button::url("x", bad), None, "{bad}");
        }
        assert_eq!(Button::url(" ", "https://example.org"), None);
    }

    #[test]
    fn a_text_is_copied_when_it_has_up_to_256_characters() {
        assert!(Button::copy("x", &"я".repeat(256)).is_some());
        assert!(Button::copy("x", &"😀".repeat(128)).is_some());
        for bad in ["", " \n ", &"a".repeat(257), &"😀".repeat(129)] {
            assert_eq!(Button::copy("x", bad), None);
        }
    }
}
