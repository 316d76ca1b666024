//! sendMessage.

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::sandbox::chat::Shown;
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::{Event, Shared};
use crate::sandbox::{keyboard, text};
use crate::telegram::MessageId;

#[derive(Debug, Deserialize)]
struct ReplyParameters {
    message_id: MessageId,
    #[serde(default)]
    allow_sending_without_reply: bool,
}

/// Checks in Telegram's order: the text, the keyboard, the chat, the pace, then the place.
pub(super) fn send_message(
    shared: &Shared,
    bot: &Value,
    params: &Params,
) -> Result<Value, Refusal> {
    let composed = text::compose(shared.parser.as_ref(), params)?;
    let preview = text::previews(params)?;
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
    if composed.text.chars().count() > text::TEXT_LIMIT {
        return Err(Refusal::bad("message is too long"));
    }
    world.pace.take(id, Instant::now()).map_err(Refusal::TooMany)?;
    let chat = shared.chat(world, params)?;
    let topic = chat.thread(params.topic())?;
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
        text: composed.text,
        entities: composed.entities,
        source: params.text("text").to_owned(),
        silent: params.flag("disable_notification"),
        preview,
        reply_to,
        buttons,
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
