//! getChat and sendChatAction: what a bot can learn of a chat without saying anything in it.

use serde_json::Value;

use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::Shared;

/// The chat, to a bot that may read it. A group that moved can still be read under its old id.
pub(super) fn get_chat(shared: &Shared, params: &Params) -> Result<Value, Refusal> {
    let mut world = shared.world();
    let chat = shared.chat(&mut world, params)?;
    chat.admit_reader()?;
    let mut answer = chat.to_json();
    answer["accent_color_id"] = 0.into();
    answer["max_reaction_count"] = 11.into();
    Ok(answer)
}

/// Shows that the bot does something, to whoever looks at the chat.
pub(super) fn send_chat_action(shared: &Shared, params: &Params) -> Result<Value, Refusal> {
    const ACTIONS: [&str; 3] = ["typing", "upload_photo", "upload_document"];
    if !ACTIONS.contains(&params.text("action")) {
        return Err(Refusal::bad("wrong parameter action in request"));
    }
    let mut world = shared.world();
    let chat = shared.chat(&mut world, params)?;
    chat.admit()?;
    chat.thread(params.topic())?;
    Ok(Value::Bool(true))
}
