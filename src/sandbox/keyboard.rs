//! Buttons under a message, and what Telegram refuses in them.

use serde::Serialize;
use serde_json::{Value, json};

use super::params::Params;
use super::refusal::Refusal;
use crate::telegram::markup::checked_link;

const DATA_BYTES: usize = 64;
const COPY_CHARS: usize = 256;
const BUTTONS: usize = 100;
const BUTTONS_A_ROW: usize = 8;

/// One button of an inline keyboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Button {
    pub text: String,
    #[serde(flatten)]
    pub action: ButtonAction,
    /// `danger`, `success` or `primary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<String>,
}

/// What pressing a button does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonAction {
    Url(String),
    CallbackData(String),
    CopyText { text: String },
}

/// Reads `reply_markup`; no keyboard is no rows.
pub(super) fn read(params: &Params) -> Result<Vec<Vec<Button>>, Refusal> {
    let markup: Value = match params.json("reply_markup") {
        None => return Ok(Vec::new()),
        Some(Ok(markup)) => markup,
        Some(Err(_)) => {
            return Err(Refusal::bad("can't parse reply keyboard markup JSON object"));
        }
    };
    let Some(markup) = markup.as_object() else {
        return Err(Refusal::bad("object expected as reply markup"));
    };
    let Some(rows) = markup.get("inline_keyboard") else {
        return Ok(Vec::new());
    };
    let Some(rows) = rows.as_array() else {
        return Err(Refusal::bad("field \"inline_keyboard\" must be of type Array"));
    };
    let mut keyboard = Vec::new();
    for row in rows {
        let Some(row) = row.as_array() else {
            return Err(Refusal::bad(
                "field \"inline_keyboard\" of the InlineKeyboardMarkup must be an Array of Arrays",
            ));
        };
        let row = row.iter().map(button).collect::<Result<Vec<_>, _>>()?;
        if row.len() > BUTTONS_A_ROW {
            return Err(Refusal::bad("REPLY_MARKUP_TOO_LONG"));
        }
        if !row.is_empty() {
            keyboard.push(row);
        }
    }
    if keyboard.iter().map(Vec::len).sum::<usize>() > BUTTONS {
        return Err(Refusal::bad("REPLY_MARKUP_TOO_LONG"));
    }
    Ok(keyboard)
}

/// The keyboard as the Bot API writes it.
pub(super) fn markup_json(keyboard: &[Vec<Button>]) -> Value {
    json!({"inline_keyboard": keyboard})
}

fn button(value: &Value) -> Result<Button, Refusal> {
    let unparsed = |why: &str| Refusal::bad(format!("can't parse inline keyboard button: {why}"));
    let Some(fields) = value.as_object() else {
        return Err(unparsed("InlineKeyboardButton must be an Object"));
    };
    let text = match fields.get("text") {
        None => return Err(unparsed("Can't find field \"text\"")),
        Some(Value::String(text)) => text.trim(),
        Some(_) => return Err(unparsed("Field \"text\" must be of type String")),
    };
    if text.is_empty() {
        return Err(unparsed("Text must be non-empty"));
    }
    let field =
        |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let action = if let Some(url) = field("url") {
        ButtonAction::Url(checked_url(url).map_err(|why| {
            Refusal::bad(format!("inline keyboard button URL '{url}' is invalid: {why}"))
        })?)
    } else if let Some(data) = field("callback_data") {
        if data.len() > DATA_BYTES {
            return Err(Refusal::bad("BUTTON_DATA_INVALID"));
        }
        ButtonAction::CallbackData(data.to_owned())
    } else if let Some(copy) = fields.get("copy_text") {
        let text = copy.get("text").and_then(Value::as_str).unwrap_or_default();
        if !(1..=COPY_CHARS).contains(&text.chars().count()) {
            return Err(Refusal::bad("BUTTON_COPY_TEXT_INVALID"));
        }
        ButtonAction::CopyText { text: text.to_owned() }
    } else {
        return Err(unparsed("Text buttons are unallowed in the inline keyboard"));
    };
    let style = field("style");
    if style.is_some_and(|style| !matches!(style, "danger" | "success" | "primary")) {
        return Err(unparsed("invalid button style specified"));
    }
    Ok(Button { text: text.to_owned(), action, style: style.map(str::to_owned) })
}

/// A link as Telegram keeps it, or why it keeps none.
fn checked_url(link: &str) -> Result<String, &'static str> {
    let link = link.trim();
    let scheme = link.split_once("://").map_or_else(String::new, |(s, _)| s.to_ascii_lowercase());
    if !matches!(scheme.as_str(), "" | "http" | "https" | "tg" | "ton" | "tonsite") {
        return Err("Unsupported URL protocol");
    }
    checked_link(link).ok_or("Wrong HTTP URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyboard(markup: &Value) -> Result<Vec<Vec<Button>>, Refusal> {
        let body = json!({"reply_markup": markup}).to_string();
        read(&Params::read(None, "application/json", body.as_bytes()).unwrap())
    }

    fn refused(button: &Value) -> String {
        match keyboard(&json!({"inline_keyboard": [[button]]})) {
            Err(Refusal::BadRequest(text)) => text,
            other => panic!("accepted {button}: {other:?}"),
        }
    }

    #[test]
    fn buttons_that_telegram_refuses_are_refused_in_its_words() {
        let long = "x".repeat(65);
        let wide = "ж".repeat(257);
        for (button, said) in [
            (
                json!({"text": "x", "url": "http://prometheus:9090/graph"}),
                "inline keyboard button URL 'http://prometheus:9090/graph' is invalid: Wrong HTTP URL",
            ),
            (
                json!({"text": "x", "url": "http://localhost/"}),
                "inline keyboard button URL 'http://localhost/' is invalid: Wrong HTTP URL",
            ),
            (
                json!({"text": "x", "url": "ftp://example.com"}),
                "inline keyboard button URL 'ftp://example.com' is invalid: Unsupported URL protocol",
            ),
            (
                json!({"text": "x", "url": ""}),
                "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
            ),
            (json!({"text": "x", "callback_data": long}), "BUTTON_DATA_INVALID"),
            (json!({"text": "x", "copy_text": {"text": wide}}), "BUTTON_COPY_TEXT_INVALID"),
            (json!({"text": "x", "copy_text": {"text": ""}}), "BUTTON_COPY_TEXT_INVALID"),
            (
                json!({"url": "https://example.com"}),
                "can't parse inline keyboard button: Can't find field \"text\"",
            ),
        ] {
            assert_eq!(refused(&button), said);
        }
    }

    #[test]
    fn good_buttons_are_kept_as_telegram_writes_them() {
        let kept = keyboard(&json!({"inline_keyboard": [
            [{"text": "a", "url": "HTTPS://Example.com/x?y=1"}, {"text": "b", "url": "10.0.0.1"}],
            [{"text": "c", "callback_data": "d", "style": "danger"}],
            [],
        ]}))
        .unwrap();
        assert_eq!(
            markup_json(&kept),
            json!({"inline_keyboard": [
                [{"text": "a", "url": "https://example.com/x?y=1"},
                 {"text": "b", "url": "http://10.0.0.1/"}],
                [{"text": "c", "callback_data": "d", "style": "danger"}],
            ]})
        );
    }

    #[test]
    fn more_than_a_hundred_buttons_are_too_many() {
        let row: Vec<Value> = (0..8).map(|_| json!({"text": "x", "callback_data": "y"})).collect();
        assert!(keyboard(&json!({"inline_keyboard": vec![row.clone(); 12]})).is_ok());
        assert!(keyboard(&json!({"inline_keyboard": vec![row; 13]})).is_err());
    }
}
