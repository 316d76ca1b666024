//! editMessageText and deleteMessage.

use serde_json::Value;
use tokio::time::Instant;

use crate::sandbox::chat::Content;
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::rich;
use crate::sandbox::state::{Event, Shared};
use crate::sandbox::{keyboard, text};
use crate::telegram::MessageId;

const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply \
                            markup are exactly the same as a current content and reply markup of \
                            the message";
/// A bot may delete its messages for 48 hours.
const DELETABLE_SECONDS: i64 = 48 * 3600;

/// Replaces a message's text and buttons. Edits count against the chat's pace.
pub(super) fn edit_message_text(
    shared: &Shared,
    bot: &Value,
    params: &Params,
) -> Result<Value, Refusal> {
    let content = if params.text("rich_message").is_empty() {
        let composed = text::compose(shared.parser.as_ref(), params)?;
        Content {
            text: composed.text,
            entities: composed.entities,
            source: params.text("text").to_owned(),
            preview: text::previews(params)?,
            ..Content::default()
        }
    } else {
        rich::content(shared.parser.as_ref(), params)?
    };
    let buttons = keyboard::read(params)?;

    let mut guard = shared.world();
    let world = &mut *guard;
    let chat = shared.chat(world, params)?;
    chat.admit()?;
    let id = message_id(params)?;
    match chat.messages.get(&id) {
        None => return Err(Refusal::bad("message to edit not found")),
        // A photo has no text to replace.
        Some(shown) if !shown.from_bot || shown.photo.is_some() => {
            return Err(Refusal::bad("message can't be edited"));
        }
        Some(_) => {}
    }
    let chat_id = chat.id;
    world.pace.take(chat_id, Instant::now()).map_err(Refusal::TooMany)?;
    if content.rich.is_none() && content.text.chars().count() > text::TEXT_LIMIT {
        return Err(Refusal::bad("MESSAGE_TOO_LONG"));
    }
    let chat = shared.chat(world, params)?;
    let Some(shown) = chat.messages.get_mut(&id) else {
        return Err(Refusal::bad("message to edit not found"));
    };
    if shown.text == content.text
        && shown.entities == content.entities
        && shown.rich == content.rich
        && shown.buttons == buttons
    {
        return Err(Refusal::bad(NOT_MODIFIED));
    }
    shown.text = content.text;
    shown.entities = content.entities;
    shown.source = content.source;
    shown.rich = content.rich;
    shown.preview = content.preview;
    shown.buttons = buttons;
    shown.edits += 1;
    shown.edited_at = Some(shared.elapsed());
    shown.edit_date = Some(shared.unix_now());
    let shown = shown.clone();
    let answer = chat.message_json(&shown, bot);
    shared.tell(Event::Message(Box::new(shown)));
    Ok(answer)
}

/// Removes a message.
pub(super) fn delete_message(shared: &Shared, params: &Params) -> Result<Value, Refusal> {
    let mut world = shared.world();
    let chat = shared.chat(&mut world, params)?;
    chat.admit()?;
    let id = message_id(params)?;
    let Some(shown) = chat.messages.get(&id) else {
        return Err(Refusal::bad("message to delete not found"));
    };
    if !shown.from_bot || shared.unix_now() - shown.date > DELETABLE_SECONDS {
        return Err(Refusal::bad("message can't be deleted for everyone"));
    }
    chat.messages.remove(&id);
    shared.tell(Event::Deleted { chat: chat.id, id });
    Ok(Value::Bool(true))
}

pub(super) fn message_id(params: &Params) -> Result<MessageId, Refusal> {
    if params.text("message_id").is_empty() {
        return Err(Refusal::bad("message identifier is not specified"));
    }
    params.message().ok_or_else(|| Refusal::bad("message to edit not found"))
}
