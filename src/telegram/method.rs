//! What can be asked of Telegram, and the parameters that each call sends.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use teloxide_core::payloads::{
    CreateForumTopic, DeleteMessage, EditMessageText, EditMessageTextSetters, GetChat,
    PinChatMessage, SendChatAction, SendMessage, SendMessageSetters, UnpinChatMessage,
};
use teloxide_core::types::{self, LinkPreviewOptions, ParseMode, ReplyParameters, ThreadId};

use super::keyboard::{Button, markup};
use super::{ChatId, MessageId, TopicId};

/// What can be asked of Telegram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    GetMe,
    GetChat {
        chat: ChatId,
    },
    /// Shows for five seconds that the bot writes: the one way to learn whether it may that
    /// leaves no message.
    Typing {
        chat: ChatId,
        topic: Option<TopicId>,
    },
    Send {
        chat: ChatId,
        topic: Option<TopicId>,
        text: String,
        html: bool,
        silent: bool,
        reply_to: Option<MessageId>,
        /// Rows of buttons.
        buttons: Vec<Vec<Button>>,
    },
    /// Replaces text and buttons; an edit without buttons takes them away.
    Edit {
        chat: ChatId,
        message: MessageId,
        text: String,
        html: bool,
        buttons: Vec<Vec<Button>>,
    },
    Delete {
        chat: ChatId,
        message: MessageId,
    },
    Pin {
        chat: ChatId,
        message: MessageId,
        silent: bool,
    },
    Unpin {
        chat: ChatId,
        message: MessageId,
    },
    /// Its result is a [`NewTopic`](super::NewTopic).
    CreateForumTopic {
        chat: ChatId,
        /// 1–128 characters.
        name: String,
    },
    SendPhoto {
        chat: ChatId,
        topic: Option<TopicId>,
        photo: Photo,
        silent: bool,
        reply_to: Option<MessageId>,
    },
    /// A message with tables (Bot API 10.1).
    SendRichMessage {
        chat: ChatId,
        topic: Option<TopicId>,
        /// In the HTML of rich messages, which has more tags than that of texts.
        html: String,
        silent: bool,
        reply_to: Option<MessageId>,
        buttons: Vec<Vec<Button>>,
    },
    /// Replaces a message by a rich one.
    EditRichMessage {
        chat: ChatId,
        message: MessageId,
        html: String,
        buttons: Vec<Vec<Button>>,
    },
}

/// A picture to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    pub content: Bytes,
    /// `image/png` and the like.
    pub content_type: &'static str,
    /// How Telegram is told to call the file.
    pub name: &'static str,
}

impl Method {
    /// The Bot API's name of it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GetMe => "getMe",
            Self::GetChat { .. } => "getChat",
            Self::Typing { .. } => "sendChatAction",
            Self::Send { .. } => "sendMessage",
            Self::Edit { .. } | Self::EditRichMessage { .. } => "editMessageText",
            Self::Delete { .. } => "deleteMessage",
            Self::Pin { .. } => "pinChatMessage",
            Self::Unpin { .. } => "unpinChatMessage",
            Self::CreateForumTopic { .. } => "createForumTopic",
            Self::SendPhoto { .. } => "sendPhoto",
            Self::SendRichMessage { .. } => "sendRichMessage",
        }
    }

    /// The parameters as the JSON object that is sent. A photo's bytes are not among them: they
    /// travel beside, see [`Method::upload`].
    pub fn payload(&self) -> Value {
        match self {
            Self::GetMe => json!({}),
            Self::GetChat { chat } => written(&GetChat::new(recipient(*chat))),
            Self::Typing { chat, topic } => {
                let mut payload = SendChatAction::new(recipient(*chat), types::ChatAction::Typing);
                payload.message_thread_id = topic.map(thread);
                written(&payload)
            }
            Self::Send { chat, topic, text, html, silent, reply_to, buttons } => {
                let mut payload = SendMessage::new(recipient(*chat), text.clone())
                    .link_preview_options(no_preview());
                payload.disable_notification = silent.then_some(true);
                payload.parse_mode = html.then_some(ParseMode::Html);
                payload.message_thread_id = topic.map(thread);
                payload.reply_parameters = reply_to.map(reply);
                payload.reply_markup = markup(buttons).map(types::ReplyMarkup::InlineKeyboard);
                written(&payload)
            }
            Self::Edit { chat, message, text, html, buttons } => {
                let message = types::MessageId(message.0);
                let mut payload = EditMessageText::new(recipient(*chat), message, text.clone())
                    .link_preview_options(no_preview());
                payload.parse_mode = html.then_some(ParseMode::Html);
                payload.reply_markup = markup(buttons);
                written(&payload)
            }
            Self::Delete { chat, message } => {
                written(&DeleteMessage::new(recipient(*chat), types::MessageId(message.0)))
            }
            Self::Pin { chat, message, silent } => {
                let message = types::MessageId(message.0);
                let mut payload = PinChatMessage::new(recipient(*chat), message);
                payload.disable_notification = silent.then_some(true);
                written(&payload)
            }
            Self::Unpin { chat, message } => {
                let mut payload = UnpinChatMessage::new(recipient(*chat));
                payload.message_id = Some(types::MessageId(message.0));
                written(&payload)
            }
            Self::CreateForumTopic { chat, name } => {
                written(&CreateForumTopic::new(recipient(*chat), name.clone()))
            }
            Self::SendPhoto { chat, topic, silent, reply_to, .. } => {
                written(&Place::new(*chat, *topic, *silent, *reply_to))
            }
            Self::SendRichMessage { chat, topic, html, silent, reply_to, buttons } => {
                let place = Place::new(*chat, *topic, *silent, *reply_to);
                written(&SendRichMessage { place, rich: Rich::new(html, buttons) })
            }
            Self::EditRichMessage { chat, message, html, buttons } => written(&EditRichMessage {
                chat_id: *chat,
                message_id: *message,
                rich: Rich::new(html, buttons),
            }),
        }
    }

    /// The file to send along, with the name of its parameter.
    pub fn upload(&self) -> Option<(&'static str, &Photo)> {
        match self {
            Self::SendPhoto { photo, .. } => Some(("photo", photo)),
            _ => None,
        }
    }
}

/// Where a message goes and how. teloxide writes `sendPhoto` as multipart only, and knows no
/// rich messages yet.
#[derive(Serialize)]
struct Place {
    chat_id: ChatId,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<TopicId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_notification: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_parameters: Option<ReplyParameters>,
}

impl Place {
    fn new(
        chat_id: ChatId,
        topic: Option<TopicId>,
        silent: bool,
        reply_to: Option<MessageId>,
    ) -> Self {
        Self {
            chat_id,
            message_thread_id: topic,
            disable_notification: silent.then_some(true),
            reply_parameters: reply_to.map(reply),
        }
    }
}

#[derive(Serialize)]
struct SendRichMessage<'a> {
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    rich: Rich<'a>,
}

#[derive(Serialize)]
struct EditRichMessage<'a> {
    chat_id: ChatId,
    message_id: MessageId,
    #[serde(flatten)]
    rich: Rich<'a>,
}

#[derive(Serialize)]
struct Rich<'a> {
    rich_message: InputRichMessage<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_markup: Option<types::InlineKeyboardMarkup>,
}

#[derive(Serialize)]
struct InputRichMessage<'a> {
    html: &'a str,
    /// Data must not become mentions, commands and links.
    skip_entity_detection: bool,
}

impl<'a> Rich<'a> {
    fn new(html: &'a str, buttons: &[Vec<Button>]) -> Self {
        Self {
            rich_message: InputRichMessage { html, skip_entity_detection: true },
            reply_markup: markup(buttons),
        }
    }
}

fn written(payload: &impl Serialize) -> Value {
    serde_json::to_value(payload).expect("names are strings and numbers are finite")
}

fn recipient(chat: ChatId) -> types::ChatId {
    types::ChatId(chat.0)
}

fn thread(topic: TopicId) -> ThreadId {
    ThreadId(types::MessageId(topic.0))
}

fn reply(message: MessageId) -> ReplyParameters {
    ReplyParameters::new(types::MessageId(message.0)).allow_sending_without_reply()
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: ChatId = ChatId(-1_001_234_567_890);

    fn keyboard() -> Vec<Vec<Button>> {
        vec![
            vec![Button::url("Runbook", "https://wiki.example.org/disk").unwrap()],
            vec![],
            vec![Button::copy("Copy", "df -h /").unwrap()],
        ]
    }

    #[test]
    fn each_call_sends_what_the_bot_api_documents() {
        let markup = json!({"inline_keyboard": [
            [{"text": "Runbook", "url": "https://wiki.example.org/disk"}],
            [{"text": "Copy", "copy_text": {"text": "df -h /"}}],
        ]});
        let silent_reply = json!({"message_id": 5, "allow_sending_without_reply": true});
        let photo = Photo { content: Bytes::new(), content_type: "image/png", name: "a.png" };
        let (topic, reply_to) = (Some(TopicId(7)), Some(MessageId(5)));
        let message = MessageId(9);
        for (method, payload) in [
            (
                Method::Send {
                    chat: CHAT,
                    topic,
                    text: "<b>x</b>".into(),
                    html: true,
                    silent: true,
                    reply_to,
                    buttons: keyboard(),
                },
                json!({
                    "chat_id": CHAT, "message_thread_id": 7, "text": "<b>x</b>", "parse_mode": "HTML",
                    "disable_notification": true, "reply_parameters": silent_reply,
                    "reply_markup": markup, "link_preview_options": {"is_disabled": true},
                }),
            ),
            (
                Method::Edit {
                    chat: CHAT,
                    message,
                    text: "x".into(),
                    html: false,
                    buttons: Vec::new(),
                },
                json!({
                    "chat_id": CHAT, "message_id": 9, "text": "x",
                    "link_preview_options": {"is_disabled": true},
                }),
            ),
            (
                Method::Pin { chat: CHAT, message, silent: true },
                json!({"chat_id": CHAT, "message_id": 9, "disable_notification": true}),
            ),
            (Method::Unpin { chat: CHAT, message }, json!({"chat_id": CHAT, "message_id": 9})),
            (
                Method::CreateForumTopic { chat: CHAT, name: "db".into() },
                json!({"chat_id": CHAT, "name": "db"}),
            ),
            (
                Method::SendPhoto { chat: CHAT, topic, photo, silent: true, reply_to },
                json!({
                    "chat_id": CHAT, "message_thread_id": 7, "disable_notification": true,
                    "reply_parameters": silent_reply,
                }),
            ),
            (
                Method::SendRichMessage {
                    chat: CHAT,
                    topic: None,
                    html: "<table></table>".into(),
                    silent: false,
                    reply_to: None,
                    buttons: keyboard(),
                },
                json!({
                    "chat_id": CHAT, "rich_message": {"html": "<table></table>", "skip_entity_detection": true},
                    "reply_markup": markup,
                }),
            ),
            (
                Method::EditRichMessage {
                    chat: CHAT,
                    message,
                    html: "x".into(),
                    buttons: Vec::new(),
                },
                json!({
                    "chat_id": CHAT, "message_id": 9,
                    "rich_message": {"html": "x", "skip_entity_detection": true},
                }),
            ),
        ] {
            assert_eq!(method.payload(), payload, "{}", method.name());
        }
    }
}
