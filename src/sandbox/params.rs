//! A Bot API request's parameters: from the query, a form or a JSON object, all made strings as
//! Telegram's server does.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::picture::Upload;
use super::refusal::Refusal;
use crate::telegram::{ChatId, MessageId, TopicId};

/// Parameter names and values; objects and arrays stay JSON text.
#[derive(Debug, Clone, Default)]
pub(super) struct Params {
    texts: BTreeMap<String, String>,
    files: BTreeMap<String, Upload>,
}

impl Params {
    /// Reads the query and the body.
    pub(super) fn read(
        query: Option<&str>,
        content_type: &str,
        body: &[u8],
    ) -> Result<Self, Refusal> {
        let mut params = Self::default();
        params.take_form(query.unwrap_or_default().as_bytes());
        if body.is_empty() {
            return Ok(params);
        }
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => params.take_json(body)?,
            "application/x-www-form-urlencoded" => params.take_form(body),
            "multipart/form-data" => params.take_parts(content_type, body)?,
            _ => return Err(Refusal::bad("unsupported content type of the request body")),
        }
        Ok(params)
    }

    fn take_form(&mut self, form: &[u8]) {
        let pairs = url::form_urlencoded::parse(form);
        self.texts.extend(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())));
    }

    fn take_json(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
            return Err(Refusal::bad("can't parse JSON object"));
        };
        for (name, value) in object {
            match value {
                Value::Null => {}
                Value::String(text) => drop(self.texts.insert(name, text)),
                other => drop(self.texts.insert(name, other.to_string())),
            }
        }
        Ok(())
    }

    /// Reads `multipart/form-data`: parts with a file name are files.
    fn take_parts(&mut self, content_type: &str, body: &[u8]) -> Result<(), Refusal> {
        let broken = || Refusal::bad("can't parse multipart/form-data");
        let (_, boundary) = content_type.split_once("boundary=").ok_or_else(broken)?;
        let between = format!("\r\n--{}", boundary.trim_matches('"'));
        // The first boundary has no line end before it.
        let body = [b"\r\n", body].concat();
        let mut parts = split(&body, between.as_bytes()).skip(1).peekable();
        while let Some(part) = parts.next() {
            if part.starts_with(b"--") && parts.peek().is_none() {
                return Ok(());
            }
            let end = find(part, b"\r\n\r\n").ok_or_else(broken)?;
            let head = std::str::from_utf8(&part[..end]).map_err(|_| broken())?;
            let content = &part[end + 4..];
            let name = attribute(head, " name").ok_or_else(broken)?.to_owned();
            if attribute(head, "filename").is_some() {
                let content = Bytes::copy_from_slice(content);
                self.files.insert(name, Upload { content });
            } else {
                self.texts.insert(name, String::from_utf8_lossy(content).into_owned());
            }
        }
        Err(broken())
    }

    /// The file that was uploaded as this parameter.
    pub(super) fn file(&self, name: &str) -> Option<&Upload> {
        self.files.get(name)
    }

    /// The value, empty when absent, as Telegram reads it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    /// Whether the parameter is `true`, in the ways Telegram writes it.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).to_ascii_lowercase().as_str(), "true" | "yes" | "1")
    }

    /// The number, when the parameter is one.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.text(name).trim().parse().ok()
    }

    /// The JSON that the parameter holds, when it is present.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Option<serde_json::Result<T>> {
        let text = self.text(name);
        (!text.is_empty()).then(|| serde_json::from_str(text))
    }

    /// The chat's number, when one is given.
    pub(super) fn chat(&self) -> Option<ChatId> {
        self.number("chat_id").map(ChatId)
    }

    /// The topic; zero means none.
    pub(super) fn topic(&self) -> Option<TopicId> {
        self.number("message_thread_id").filter(|&id| id != 0).map(TopicId)
    }

    /// The message the request is about.
    pub(super) fn message(&self) -> Option<MessageId> {
        self.number("message_id").map(MessageId)
    }

    /// Everything, for the log of requests: what was JSON is JSON again.
    pub(super) fn to_json(&self) -> Value {
        let pairs = self.texts.iter().map(|(name, text)| {
            let structured = matches!(text.chars().next(), Some('{' | '['))
                || matches!(text.as_str(), "true" | "false")
                || text.parse::<i64>().is_ok();
            let value = structured.then(|| serde_json::from_str(text).ok()).flatten();
            (name.clone(), value.unwrap_or_else(|| Value::String(text.clone())))
        });
        Value::Object(pairs.collect())
    }
}

/// The value of `name="…"` in a part's head.
fn attribute<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let (_, rest) = head.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// What stands between the separators.
fn split<'b>(body: &'b [u8], separator: &[u8]) -> impl Iterator<Item = &'b [u8]> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let body = rest?;
        let Some(at) = find(body, separator) else { return rest.take() };
        rest = Some(&body[at + separator.len()..]);
        Some(&body[..at])
    })
}
