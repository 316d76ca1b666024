//! sendMessage, sendPhoto and sendRichMessage.

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::sandbox::chat::{Content, Shown};
use crate::sandbox::params::Params;
use crate::sandbox::picture;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::rich;
use crate::sandbox::state::{Event, Shared};
use crate::sandbox::{keyboard, text};
use crate::telegram::MessageId;

/// Code points of the parsed text that a caption may hold.
const CAPTION_LIMIT: usize = 1024;

#[derive(Debug, Deserialize)]
struct ReplyParameters {
    message_id: MessageId,
    #[serde(default)]
    allow_sending_without_reply: bool,
}

/// Sends a text.
pub(super) fn send_message(
    shared: &Shared,
    bot: &Value,
    params: &Params,
) -> Result<Value, Refusal> {
    let composed = text::compose(shared.parser.as_ref(), params)?;
    let preview = text::previews(params)?;
    let long = composed.text.chars().count() > text::TEXT_LIMIT;
    let content = Content {
        text: composed.text,
        entities: composed.entities,
        source: params.text("text").to_owned(),
        preview,
        ..Content::default()
    };
    send(shared, bot, params, content, long.then_some("message is too long"))
}

/// Sends a photo that is uploaded with the request.
pub(super) fn send_photo(shared: &Shared, bot: &Value, params: &Params) -> Result<Value, Refusal> {
    let photo = params.file("photo").ok_or(Refusal::bad("there is no photo in the request"))?;
    let photo = picture::taken(photo)?;
    let caption = params.text("caption");
    let composed = if caption.is_empty() {
        crate::telegram::markup::FormattedText::default()
    } else {
        text::compose_raw(shared.parser.as_ref(), caption, params)?
    };
    let long = composed.text.chars().count() > CAPTION_LIMIT;
    let content = Content {
        text: composed.text,
        entities: composed.entities,
        source: caption.to_owned(),
        photo: Some(photo),
        ..Content::default()
    };
    send(shared, bot, params, content, long.then_some("message caption is too long"))
}

/// Sends a message with headings and tables.
pub(super) fn send_rich_message(
    shared: &Shared,
    bot: &Value,
    params: &Params,
) -> Result<Value, Refusal> {
    let content = rich::content(shared.parser.as_ref(), params)?;
    send(shared, bot, params, content, None)
}

/// Checks in Telegram's order: the text, the keyboard, the chat, the pace, then the place.
/// `too_long` is what Telegram says when it finds the content too long.
fn send(
    shared: &Shared,
    bot: &Value,
    params: &Params,
    content: Content,
    too_long: Option<&str>,
) -> Result<Value, Refusal> {
    let buttons = keyboard::read(params)?;
    let reply: Option<ReplyParameters> = params
        .json("reply_parameters")
        .transpose()
        .map_err(|_| Refusal::bad("can't parse reply parameters JSON object"))?;

    let mut guard = shared.world();
    let world = &mut *guard;
    let chat = shared.chat(world, params)?;
    chat.admit()?;
    let id = chat.id;
    if let Some(said) = too_long {
        return Err(Refusal::bad(said));
    }
    world.pace.take(id, Instant::now()).map_err(Refusal::TooMany)?;
    let chat = shared.chat(world, params)?;
    // A reply that names no topic goes where the message stands that it replies to.
    let replied = reply.as_ref().and_then(|reply| chat.messages.get(&reply.message_id));
    let beside = replied.and_then(|replied| replied.topic);
    let topic = chat.thread(params.topic().or(beside))?;
    let reply_to = match reply {
        Some(reply) if chat.messages.contains_key(&reply.message_id) => Some(reply.message_id),
        Some(reply) if !reply.allow_sending_without_reply => {
            return Err(Refusal::bad("message to be replied not found"));
        }
        _ => None,
    };
    let shown = Shown {
        id: chat.next_id(),
        chat: chat.id,
        topic,
        from_bot: true,
        text: content.text,
        entities: content.entities,
        source: content.source,
        photo: content.photo,
        rich: content.rich,
        silent: params.flag("disable_notification"),
        preview: content.preview,
        reply_to,
        buttons,
        pinned: false,
        edits: 0,
        sent_at: shared.elapsed(),
        edited_at: None,
        date: shared.unix_now(),
        edit_date: None,
    };
    chat.messages.insert(shown.id, shown.clone());
    let answer = chat.message_json(&shown, bot);
    shared.tell(Event::Message(Box::new(shown)));
    Ok(answer)
}
