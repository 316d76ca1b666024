//! pinChatMessage, unpinChatMessage and createForumTopic: what an administrator may do.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::edit::message_id;
use crate::sandbox::chat::{Chat, ChatKind, Topic};
use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::{Event, Shared};
use crate::telegram::TopicId;

/// A topic's name is cut to this many characters, as tdlib does.
const TOPIC_NAME: usize = 128;
/// What Telegram gives a topic whose colour nobody chose.
const ICON_COLOR: u32 = 0x006f_b9f0;

/// Pins a message; pinning it again changes nothing.
pub(super) fn pin_chat_message(shared: &Shared, params: &Params) -> Result<Value, Refusal> {
    set_pinned(shared, params, true)
}

/// Unpins a message.
pub(super) fn unpin_chat_message(shared: &Shared, params: &Params) -> Result<Value, Refusal> {
    set_pinned(shared, params, false)
}

/// Counts against the chat's pace: a pin is a message of its own in a group.
fn set_pinned(shared: &Shared, params: &Params, pinned: bool) -> Result<Value, Refusal> {
    let mut guard = shared.world();
    let world = &mut *guard;
    let chat = shared.chat(world, params)?;
    chat.admit()?;
    let id = message_id(params)?;
    if !chat.messages.contains_key(&id) {
        let deed = if pinned { "pin" } else { "unpin" };
        return Err(Refusal::BadRequest(format!("message to {deed} not found")));
    }
    needs_admin(chat, "manage pinned messages in the chat")?;
    let chat_id = chat.id;
    world.pace.take(chat_id, Instant::now()).map_err(Refusal::TooMany)?;
    let chat = shared.chat(world, params)?;
    if let Some(shown) = chat.messages.get_mut(&id)
        && shown.pinned != pinned
    {
        shown.pinned = pinned;
        let shown = shown.clone();
        shared.tell(Event::Message(Box::new(shown)));
    }
    Ok(Value::Bool(true))
}

/// Opens a topic in a forum. Its number is that of the message that tells of it.
pub(super) fn create_forum_topic(shared: &Shared, params: &Params) -> Result<Value, Refusal> {
    let mut world = shared.world();
    let chat = shared.chat(&mut world, params)?;
    chat.admit()?;
    if !chat.is_forum() {
        return Err(Refusal::bad("the chat is not a forum"));
    }
    needs_admin(chat, "create a topic")?;
    let name: String = params.text("name").trim().chars().take(TOPIC_NAME).collect();
    if name.is_empty() {
        return Err(Refusal::bad("title must be non-empty"));
    }
    let id = loop {
        let id = TopicId(chat.next_id().0);
        // 1 is the general topic; tests declare others under numbers of their own.
        if id.0 > 1 && !chat.topics.contains_key(&id) {
            break id;
        }
    };
    chat.topics.insert(id, Topic { name: name.clone(), closed: false });
    drop(world);
    shared.tell(Event::Chats);
    Ok(json!({"message_thread_id": id, "name": name, "icon_color": ICON_COLOR}))
}

/// In one's own chat with the bot nobody is an administrator, and none is needed.
fn needs_admin(chat: &Chat, deed: &str) -> Result<(), Refusal> {
    if chat.admin || chat.kind == ChatKind::Private {
        return Ok(());
    }
    Err(Refusal::BadRequest(format!("not enough rights to {deed}")))
}
