//! What a chat and a bot's rights in it allow.

use nabat::sandbox::{Access, Limits, SandboxOptions};
use nabat::telegram::{ChatId, TopicId};
use serde_json::json;

use super::{Bot, CHANNEL, FORUM, GROUP, PERSON};

#[tokio::test]
async fn a_chat_that_shut_the_bot_out_says_how() {
    let bot = Bot::start(Limits::None);
    for (chat, access, status, said) in [
        (PERSON, Access::Kicked, 403, "Forbidden: bot was blocked by the user"),
        (PERSON, Access::Gone, 403, "Forbidden: user is deactivated"),
        (PERSON, Access::Outside, 403, "Forbidden: bot can't initiate conversation with a user"),
        (GROUP, Access::Kicked, 403, "Forbidden: bot was kicked from the group chat"),
        (GROUP, Access::Gone, 403, "Forbidden: the group chat was deleted"),
        (FORUM, Access::Kicked, 403, "Forbidden: bot was kicked from the supergroup chat"),
        (FORUM, Access::Outside, 403, "Forbidden: bot is not a member of the supergroup chat"),
        (
            FORUM,
            Access::NoRights,
            400,
            "Bad Request: not enough rights to send text messages to the chat",
        ),
        (CHANNEL, Access::Kicked, 403, "Forbidden: bot was kicked from the channel chat"),
        (
            CHANNEL,
            Access::NoRights,
            400,
            "Bad Request: need administrator rights in the channel chat",
        ),
    ] {
        bot.sandbox.set_access(chat, access);
        let answer = bot.call("sendMessage", json!({"chat_id": chat, "text": "x"})).await;
        assert_eq!((answer.status, answer.description()), (status, said));
    }
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_names_it() {
    let bot = Bot::start(Limits::None);
    let new = ChatId(-1_001_111_111_111);
    bot.sandbox.migrate_chat(GROUP, new);
    let answer = bot.call("sendMessage", json!({"chat_id": GROUP, "text": "x"})).await;
    assert_eq!(
        answer.body,
        json!({
            "ok": false, "error_code": 400,
            "description": "Bad Request: group chat was upgraded to a supergroup chat",
            "parameters": {"migrate_to_chat_id": new},
        })
    );
    bot.say(new, "x").await;
}

#[tokio::test]
async fn a_sandbox_open_to_all_makes_up_the_chats_it_is_told_of() {
    let bot = Bot::start_with(SandboxOptions { open_to_all: true, ..SandboxOptions::default() });
    let unknown = ChatId(-1_007_777_777_777);
    let params = json!({"chat_id": unknown, "message_thread_id": 3, "text": "x"});
    assert_eq!(bot.call("sendMessage", params).await.status, 200);
    assert_eq!(bot.sandbox.messages(unknown)[0].topic, Some(TopicId(3)));
}

#[tokio::test]
async fn an_administrator_pins_messages_and_opens_topics() {
    let bot = Bot::start(Limits::None);
    let message = bot.say(FORUM, "critical").await;
    let pinned = || bot.sandbox.message(FORUM, message).unwrap().pinned;
    let about = json!({"chat_id": FORUM, "message_id": message, "disable_notification": true});
    for _ in 0..2 {
        assert_eq!(bot.call("pinChatMessage", about.clone()).await.body["result"], true);
        assert!(pinned());
    }
    assert_eq!(bot.call("unpinChatMessage", about.clone()).await.body["result"], true);
    assert!(!pinned());

    let named = |name: &str| json!({"chat_id": FORUM, "name": name});
    let topic = bot.call("createForumTopic", named(" network ")).await;
    let id = topic.body["result"]["message_thread_id"].clone();
    assert_eq!(topic.body["result"]["name"], "network");
    let inside = json!({"chat_id": FORUM, "message_thread_id": id, "text": "x"});
    assert_eq!(bot.call("sendMessage", inside).await.body["result"]["message_thread_id"], id);

    bot.sandbox.set_admin(FORUM, false);
    for (method, params, said) in [
        ("pinChatMessage", about, "not enough rights to manage pinned messages in the chat"),
        ("createForumTopic", named("x"), "not enough rights to create a topic"),
        ("createForumTopic", json!({"chat_id": GROUP, "name": "x"}), "the chat is not a forum"),
        (
            "pinChatMessage",
            json!({"chat_id": FORUM, "message_id": 999}),
            "message to pin not found",
        ),
        (
            "unpinChatMessage",
            json!({"chat_id": FORUM, "message_id": 999}),
            "message to unpin not found",
        ),
    ] {
        let answer = bot.call(method, params).await;
        assert_eq!(answer.description(), format!("Bad Request: {said}"), "{method}");
    }
}
