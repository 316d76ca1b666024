//! The Bot API's methods.

mod chat;
mod edit;
mod manage;
mod send;
mod updates;

use serde_json::Value;

use super::params::Params;
use super::refusal::Refusal;
use super::state::Shared;

/// Does what a request asks, as the bot that `token` names.
pub(super) async fn call(
    shared: &Shared,
    token: &str,
    method: &str,
    params: &Params,
) -> Result<Value, Refusal> {
    if !shared.world().tokens.contains(token) {
        return Err(Refusal::Unauthorized);
    }
    let bot = shared.bot(token);
    match method.to_ascii_lowercase().as_str() {
        "getme" => Ok(me(bot)),
        "getchat" => chat::get_chat(shared, params),
        "sendchataction" => chat::send_chat_action(shared, params),
        "sendmessage" => send::send_message(shared, &bot, params),
        "sendphoto" => send::send_photo(shared, &bot, params),
        "sendrichmessage" => send::send_rich_message(shared, &bot, params),
        "pinchatmessage" => manage::pin_chat_message(shared, params),
        "unpinchatmessage" => manage::unpin_chat_message(shared, params),
        "createforumtopic" => manage::create_forum_topic(shared, params),
        "editmessagetext" => edit::edit_message_text(shared, &bot, params),
        "deletemessage" => edit::delete_message(shared, params),
        "getupdates" => updates::get_updates(shared, params).await,
        _ => Err(Refusal::NoSuchMethod),
    }
}

fn me(mut bot: Value) -> Value {
    bot["can_join_groups"] = true.into();
    for ability in [
        "can_read_all_group_messages",
        "supports_inline_queries",
        "can_connect_to_business",
        "has_main_web_app",
    ] {
        bot[ability] = false.into();
    }
    bot
}
