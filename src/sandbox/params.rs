//! A Bot API request's parameters: from the query, a form or a JSON object, all made strings as
//! Telegram's server does.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::refusal::Refusal;
use crate::telegram::{ChatId, MessageId, TopicId};

/// Parameter names and values; objects and arrays stay JSON text.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(BTreeMap<String, String>);

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
            _ => return Err(Refusal::bad("unsupported content type of the request body")),
        }
        Ok(params)
    }

    fn take_form(&mut self, form: &[u8]) {
        let pairs = url::form_urlencoded::parse(form);
        self.0.extend(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())));
    }

    fn take_json(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
            return Err(Refusal::bad("can't parse JSON object"));
        };
        for (name, value) in object {
            match value {
                Value::Null => {}
                Value::String(text) => drop(self.0.insert(name, text)),
                other => drop(self.0.insert(name, other.to_string())),
            }
        }
        Ok(())
    }

    /// The value, empty when absent, as Telegram reads it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
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
        let pairs = self.0.iter().map(|(name, text)| {
            let structured = matches!(text.chars().next(), Some('{' | '['))
                || matches!(text.as_str(), "true" | "false")
                || text.parse::<i64>().is_ok();
            let value = structured.then(|| serde_json::from_str(text).ok()).flatten();
            (name.clone(), value.unwrap_or_else(|| Value::String(text.clone())))
        });
        Value::Object(pairs.collect())
    }
}
