//! What came back from Telegram, read leniently and sorted by meaning.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ChatId, MessageId};

/// The end of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Telegram did it. The message's number is there for sends and edits.
    Done(Option<MessageId>),
    /// Telegram answered with an error of its own.
    Refused(Refusal),
    /// There was no answer of the Bot API.
    Failed(Failure),
}

impl Answer {
    /// The word in `telegram_requests_total{outcome}`.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Done(_) => "ok",
            Self::Refused(refusal) => match refusal.complaint() {
                Complaint::TooManyRequests => "rate_limited",
                Complaint::Unauthorized => "unauthorized",
                Complaint::Server => "server_error",
                _ => "refused",
            },
            Self::Failed(Failure::NotSent(hurdle, _)) => hurdle.word(),
            Self::Failed(Failure::Lost { timed_out: true, .. }) => "timeout",
            Self::Failed(Failure::Lost { .. }) => "ambiguous",
            Self::Failed(Failure::Unreadable { status, .. }) if *status >= 500 => "server_error",
            Self::Failed(Failure::Unreadable { .. }) => "bad_body",
        }
    }
}

/// An error the Bot API gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `error_code`, or the HTTP status when the body has none.
    pub code: u16,
    /// As Telegram words it.
    pub description: String,
    /// `parameters.retry_after`, or the number in the description.
    pub retry_after: Option<Duration>,
    /// `parameters.migrate_to_chat_id`.
    pub migrate_to: Option<ChatId>,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The request never left.
    NotSent(Hurdle, String),
    /// The request may have arrived, but no answer did.
    Lost { timed_out: bool, why: String },
    /// An answer that is none of the Bot API's: HTML of a front, broken or oversized JSON.
    Unreadable { status: u16, why: String },
}

/// What kept a request from leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hurdle {
    /// The name of the server is not found.
    Name,
    /// No connection to the server.
    Connection,
    /// A connection, but no TLS that can be trusted.
    Tls,
    /// The proxy can't be reached, or does not lead to the server.
    Proxy,
}

impl Hurdle {
    fn word(self) -> &'static str {
        match self {
            Self::Name => "dns",
            Self::Connection => "connect",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
        }
    }
}

/// What a refusal means, whatever its wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Complaint {
    TooManyRequests,
    /// The token is wrong or revoked.
    Unauthorized,
    /// The group became a supergroup.
    Migrated,
    /// The chat can't be written to until a person changes something.
    ChatGone,
    /// The forum topic is deleted or unknown.
    TopicGone,
    /// The forum topic is closed.
    TopicClosed,
    /// The markup of the text is refused.
    CantParse,
    TooLong,
    /// The text is refused for another reason.
    Content,
    /// The buttons are refused.
    Buttons,
    /// The server does not know the method: it is older than this.
    NoSuchMethod,
    NotModified,
    /// The message to edit is gone or not ours to edit.
    EditGone,
    /// The message is there, but too old to be deleted.
    CantDelete,
    /// The message to reply to is gone.
    ReplyGone,
    /// Telegram's own failure.
    Server,
    /// A wording that is not known.
    Other,
}

/// Fragments of Telegram's wording, in lower case, in the order in which they are looked for.
const WORDINGS: &[(&str, Complaint)] = &[
    ("upgraded to a supergroup", Complaint::Migrated),
    ("message is not modified", Complaint::NotModified),
    ("message_not_modified", Complaint::NotModified),
    ("message to edit not found", Complaint::EditGone),
    ("message can't be edited", Complaint::EditGone),
    ("message_id_invalid", Complaint::EditGone),
    ("message identifier is not specified", Complaint::EditGone),
    ("message can't be deleted", Complaint::CantDelete),
    ("message_delete_forbidden", Complaint::CantDelete),
    ("message to be replied not found", Complaint::ReplyGone),
    ("message to reply not found", Complaint::ReplyGone),
    ("replied message not found", Complaint::ReplyGone),
    ("reply_message_id_invalid", Complaint::ReplyGone),
    ("message thread not found", Complaint::TopicGone),
    ("topic_closed", Complaint::TopicClosed),
    ("topic_deleted", Complaint::TopicGone),
    ("topic_id_invalid", Complaint::TopicGone),
    ("can't parse entities", Complaint::CantParse),
    ("can't parse message text", Complaint::CantParse),
    ("entities_too_long", Complaint::CantParse),
    ("entity_bounds_invalid", Complaint::CantParse),
    ("message is too long", Complaint::TooLong),
    ("text is too long", Complaint::TooLong),
    ("caption is too long", Complaint::TooLong),
    ("message_too_long", Complaint::TooLong),
    ("message text is empty", Complaint::Content),
    ("text must be non-empty", Complaint::Content),
    ("button", Complaint::Buttons),
    ("reply_markup", Complaint::Buttons),
    ("reply markup", Complaint::Buttons),
    ("reply keyboard markup", Complaint::Buttons),
    ("chat not found", Complaint::ChatGone),
    ("chat_id is empty", Complaint::ChatGone),
    ("user not found", Complaint::ChatGone),
    ("have no write access", Complaint::ChatGone),
    ("not enough rights", Complaint::ChatGone),
    ("need administrator rights", Complaint::ChatGone),
    ("peer_id_invalid", Complaint::ChatGone),
    ("chat_write_forbidden", Complaint::ChatGone),
    ("chat_restricted", Complaint::ChatGone),
    ("chat_admin_required", Complaint::ChatGone),
    ("chat_send_plain_forbidden", Complaint::ChatGone),
    ("user_is_blocked", Complaint::ChatGone),
    ("input_user_deactivated", Complaint::ChatGone),
];

impl Refusal {
    /// Sorts the refusal by code and wording. Codes decide where they are unmistakable;
    /// wordings drift, so an unknown one is [`Complaint::Other`], never a guess.
    pub fn complaint(&self) -> Complaint {
        match self.code {
            429 => return Complaint::TooManyRequests,
            404 if self.description.to_lowercase().contains("method not found") => {
                return Complaint::NoSuchMethod;
            }
            // A malformed token is answered 404.
            401 | 404 => return Complaint::Unauthorized,
            403 => return Complaint::ChatGone,
            500.. => return Complaint::Server,
            _ if self.migrate_to.is_some() => return Complaint::Migrated,
            _ => {}
        }
        let wording = self.description.to_lowercase();
        WORDINGS
            .iter()
            .find(|(fragment, _)| wording.contains(fragment))
            .map_or(Complaint::Other, |(_, complaint)| *complaint)
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    ok: bool,
    #[serde(borrow, default)]
    result: Option<&'a serde_json::value::RawValue>,
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    description: Option<String>,
    #[serde(borrow, default)]
    parameters: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Sent {
    message_id: Option<i32>,
}

#[derive(Deserialize, Default)]
struct Parameters {
    #[serde(default)]
    retry_after: Option<f64>,
    #[serde(default)]
    migrate_to_chat_id: Option<i64>,
}

/// What came over the wire.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    pub body: Bytes,
    /// Seconds in the header of this name.
    pub retry_after: Option<u64>,
}

/// Reads an answer's body. Of a success only the message's number matters: a `Message` that
/// holds something new must not make a delivered alert look lost.
pub(super) fn read(response: &Response) -> Answer {
    let Response { status, ref body, retry_after } = *response;
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(body) else {
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).replace('\n', " ");
        let why = format!("HTTP {status} with a body that is no Bot API answer: {start:?}");
        return Answer::Failed(Failure::Unreadable { status, why });
    };
    if envelope.ok {
        let sent = envelope.result.and_then(|raw| serde_json::from_str::<Sent>(raw.get()).ok());
        return Answer::Done(sent.and_then(|sent| sent.message_id).map(MessageId));
    }
    let parameters: Parameters = envelope
        .parameters
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    let description = envelope.description.unwrap_or_default();
    let retry_after_header = retry_after.map(Duration::from_secs);
    let retry_after = parameters
        .retry_after
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .or_else(|| said_in(&description))
        .or(retry_after_header);
    Answer::Refused(Refusal {
        code: envelope.error_code.unwrap_or(status),
        description,
        retry_after,
        migrate_to: parameters.migrate_to_chat_id.and_then(ChatId::new),
    })
}

/// Reads what a call that asks for something was told.
///
/// # Errors
/// The answer, when there is no such result in it.
pub(super) fn read_result<T: DeserializeOwned>(response: &Response) -> Result<T, Answer> {
    #[derive(Deserialize)]
    struct Told<T> {
        result: T,
    }
    match read(response) {
        Answer::Done(_) => serde_json::from_slice::<Told<T>>(&response.body)
            .map(|told| told.result)
            .map_err(|error| {
                let status = response.status;
                let why = format!("HTTP {status} with a result of another form: {error}");
                Answer::Failed(Failure::Unreadable { status, why })
            }),
        answer => Err(answer),
    }
}

/// The number in `Too Many Requests: retry after 35`.
fn said_in(description: &str) -> Option<Duration> {
    let (_, rest) = description.split_once("retry after ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &[u8], retry_after: Option<u64>) -> Answer {
        super::read(&Response { status, body: Bytes::copy_from_slice(body), retry_after })
    }

    fn refused(code: u16, description: &str) -> Refusal {
        let body = serde_json::json!({"ok": false, "error_code": code, "description": description});
        match read(code, body.to_string().as_bytes(), None) {
            Answer::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_known_wording_has_its_meaning() {
        let table = [
            (400, "Bad Request: chat not found", Complaint::ChatGone),
            (400, "Bad Request: have no write access to the chat", Complaint::ChatGone),
            (
                400,
                "Bad Request: not enough rights to send text messages to the chat",
                Complaint::ChatGone,
            ),
            (
                400,
                "Bad Request: need administrator rights in the channel chat",
                Complaint::ChatGone,
            ),
            (400, "Bad Request: PEER_ID_INVALID", Complaint::ChatGone),
            (403, "Forbidden: bot was blocked by the user", Complaint::ChatGone),
            (403, "Forbidden: bot was kicked from the supergroup chat", Complaint::ChatGone),
            (403, "Forbidden: a wording of tomorrow", Complaint::ChatGone),
            (400, "Bad Request: message thread not found", Complaint::TopicGone),
            (400, "Bad Request: TOPIC_CLOSED", Complaint::TopicClosed),
            (400, "Bad Request: message text is empty", Complaint::Content),
            (400, "Bad Request: message is too long", Complaint::TooLong),
            (400, "Bad Request: text is too long", Complaint::TooLong),
            (400, "Bad Request: MESSAGE_TOO_LONG", Complaint::TooLong),
            (
                400,
                "Bad Request: can't parse entities: Unsupported start tag \"x\"",
                Complaint::CantParse,
            ),
            (
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
                Complaint::NotModified,
            ),
            (400, "Bad Request: message to edit not found", Complaint::EditGone),
            (400, "Bad Request: message can't be edited", Complaint::EditGone),
            (400, "Bad Request: message can't be deleted for everyone", Complaint::CantDelete),
            (400, "Bad Request: message can't be deleted", Complaint::CantDelete),
            (400, "Bad Request: message to be replied not found", Complaint::ReplyGone),
            (400, "Bad Request: group chat was upgraded to a supergroup chat", Complaint::Migrated),
            (401, "Unauthorized", Complaint::Unauthorized),
            (404, "Not Found", Complaint::Unauthorized),
            (404, "Not Found: method not found", Complaint::NoSuchMethod),
            (400, "Bad Request: BUTTON_URL_INVALID", Complaint::Buttons),
            (
                400,
                "Bad Request: inline keyboard button URL 'x' is invalid: Wrong HTTP URL",
                Complaint::Buttons,
            ),
            (400, "Bad Request: object expected as reply markup", Complaint::Buttons),
            (429, "Too Many Requests: retry after 35", Complaint::TooManyRequests),
            (500, "Internal Server Error: restart", Complaint::Server),
            (400, "Bad Request: something new", Complaint::Other),
        ];
        for (code, description, meaning) in table {
            assert_eq!(refused(code, description).complaint(), meaning, "{description}");
        }
    }

    #[test]
    fn retry_after_is_found_wherever_it_stands() {
        let table = [
            (
                r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":7}}"#,
                None,
                Some(7),
            ),
            (
                r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":7,"new":{}}}"#,
                None,
                Some(7),
            ),
            (
                r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35"}"#,
                None,
                Some(35),
            ),
            (r#"{"ok":false,"error_code":429,"description":"x"}"#, Some(9), Some(9)),
            (r#"{"ok":false,"error_code":429,"description":"x"}"#, None, None),
        ];
        for (body, header, seconds) in table {
            let Answer::Refused(refusal) = read(429, body.as_bytes(), header) else { panic!() };
            assert_eq!(refusal.retry_after, seconds.map(Duration::from_secs), "{body}");
        }
    }

    #[test]
    fn a_message_with_unknown_content_still_counts_as_sent() {
        let body = br#"{"ok":true,"result":{"message_id":5,"text":{"not":"a string"},"new":[1]}}"#;
        assert_eq!(read(200, body, None), Answer::Done(Some(MessageId(5))));
        assert_eq!(read(200, br#"{"ok":true,"result":true}"#, None), Answer::Done(None));
    }

    #[test]
    fn a_page_of_html_is_no_answer_of_the_bot_api() {
        let answer = read(502, b"<html>Bad Gateway</html>", None);
        assert_eq!(answer.outcome(), "server_error");
        assert!(matches!(answer, Answer::Failed(Failure::Unreadable { status: 502, .. })));
    }
}
