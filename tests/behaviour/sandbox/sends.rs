//! Messages that are sent, edited and taken back.

use std::sync::Arc;

use nabat::sandbox::{Limits, SandboxOptions};
use nabat::telegram::{MessageId, TopicId};
use serde_json::json;

use super::{Bot, FORUM, PERSON};
use crate::support::tdlib::tdlib;

#[tokio::test]
async fn a_sent_message_is_shown_and_answered_in_telegrams_shape() {
    let bot = Bot::start(Limits::Real);
    let first = bot.say(FORUM, "first").await;
    let answer = bot
        .call(
            "sendMessage",
            json!({
                "chat_id": FORUM, "message_thread_id": 7, "text": " <b>Disk</b> &lt;full&gt;\t!\n",
                "parse_mode": "HTML", "disable_notification": true,
                "reply_parameters": {"message_id": first},
                "reply_markup": {"inline_keyboard": [[{"text": "Graph", "url": "https://example.com/g"}]]},
                "link_preview_options": {"is_disabled": true},
            }),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let result = &answer.body["result"];
    assert_eq!(result["text"], "Disk <full> !");
    assert_eq!(result["entities"], json!([{"type": "bold", "offset": 0, "length": 4}]));
    assert_eq!(result["reply_to_message"]["text"], "first");
    assert_eq!(result["message_thread_id"], 7);
    let message: teloxide_core::types::Message = serde_json::from_value(result.clone()).unwrap();
    assert_eq!(message.text(), Some("Disk <full> !"));

    let [_, shown] = &bot.sandbox.messages(FORUM)[..] else { panic!("two messages are shown") };
    assert_eq!(shown.text, "Disk <full> !");
    assert_eq!(shown.source, " <b>Disk</b> &lt;full&gt;\t!\n");
    assert_eq!(shown.topic, Some(TopicId(7)));
    assert_eq!(shown.reply_to, Some(first));
    assert!(shown.silent && !shown.preview);
    assert_eq!(shown.buttons[0][0].text, "Graph");
}

#[tokio::test]
async fn get_me_and_forms_and_queries_are_understood() {
    let bot = Bot::start(Limits::Real);
    let me = bot.call("getMe", json!({})).await;
    assert_eq!(me.body["result"]["is_bot"], true);
    assert_eq!(me.body["result"]["id"], 700_000_001);

    let url = format!("{}/bot{}/SendMessage", bot.sandbox.url(), bot.sandbox.token());
    let query = format!("{url}?chat_id={PERSON}&text=from+the+query");
    assert_eq!(bot.http.get(query).send().await.unwrap().status(), 200);
    let form = format!(
        "chat_id={PERSON}&text=%D0%B0%20%3Cb%3Eb%3C/b%3E&parse_mode=html\
         &reply_parameters=%7B%22message_id%22%3A1%7D"
    );
    let sent = bot.http.post(url).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(sent.body(form).send().await.unwrap().status(), 200);
    let shown = bot.sandbox.messages(PERSON);
    assert_eq!(shown[0].text, "from the query");
    assert_eq!(shown[1].text, "а b");
    assert_eq!(shown[1].reply_to, Some(MessageId(1)));
}

#[tokio::test]
async fn what_telegram_refuses_to_send_is_refused_in_its_words() {
    let bot = Bot::start(Limits::None);
    let text = |text: String| json!({"chat_id": PERSON, "text": text, "parse_mode": "HTML"});
    for (params, said) in [
        (json!({"chat_id": 1, "text": "x"}), "chat not found"),
        (json!({"chat_id": "@nobody", "text": "x"}), "chat not found"),
        (json!({"text": "x"}), "chat_id is empty"),
        (json!({"chat_id": PERSON}), "message text is empty"),
        (text(" \u{200b}\n ".into()), "message text is empty"),
        (text("<b> </b>".into()), "message text is empty"),
        (text("я".repeat(4097)), "message is too long"),
        (text("я".repeat(16_385)), "text is too long"),
        (
            text("<blink>x</blink>".into()),
            "can't parse entities: Unsupported start tag \"blink\" at byte offset 0",
        ),
        (json!({"chat_id": PERSON, "text": "x", "parse_mode": "BBCode"}), "unsupported parse_mode"),
        (
            json!({"chat_id": PERSON, "text": "x", "reply_parameters": {"message_id": 9}}),
            "message to be replied not found",
        ),
        (
            json!({"chat_id": FORUM, "text": "x", "message_thread_id": 5}),
            "message thread not found",
        ),
        (
            json!({"chat_id": FORUM, "text": "x", "message_thread_id": 1}),
            "message thread not found",
        ),
        (json!({"chat_id": FORUM, "text": "x", "message_thread_id": 8}), "TOPIC_CLOSED"),
        (
            json!({"chat_id": PERSON, "text": "x", "reply_markup": []}),
            "object expected as reply markup",
        ),
    ] {
        let answer = bot.call("sendMessage", params.clone()).await;
        assert_eq!(answer.status, 400, "{params}");
        assert_eq!(answer.body["error_code"], 400);
        assert_eq!(answer.description(), format!("Bad Request: {said}"), "{params}");
    }
    assert_eq!(bot.sandbox.messages(PERSON), []);
}

#[tokio::test]
async fn the_longest_text_counts_code_points_after_parsing() {
    let bot = Bot::start(Limits::None);
    let emoji = "😀".repeat(4096);
    bot.say(PERSON, &format!("<b>{emoji}</b>")).await;
    assert_eq!(bot.sandbox.messages(PERSON)[0].entities[0].length, 8192);
}

#[tokio::test]
async fn a_reply_to_nothing_may_be_sent_without_it_and_a_thread_without_a_forum_is_ignored() {
    let bot = Bot::start(Limits::None);
    let params = json!({
        "chat_id": PERSON, "text": "x", "message_thread_id": 12,
        "reply_parameters": {"message_id": 9, "allow_sending_without_reply": true},
    });
    assert_eq!(bot.call("sendMessage", params).await.status, 200);
    let shown = bot.sandbox.messages(PERSON).remove(0);
    assert_eq!((shown.reply_to, shown.topic), (None, None));
}

#[tokio::test]
async fn edits_replace_the_text_and_are_refused_as_telegram_does() {
    let bot = Bot::start(Limits::None);
    let id = bot.say(PERSON, "<b>fires</b>").await;
    let theirs = bot.sandbox.person_says(PERSON, "what is it?").unwrap();
    let edit = |id: i32, text: &str| json!({"chat_id": PERSON, "message_id": id, "text": text, "parse_mode": "HTML"});
    let same = bot.call("editMessageText", edit(id.0, "<strong>fires</strong>")).await;
    assert_eq!(
        same.description(),
        "Bad Request: message is not modified: specified new message content and reply markup \
         are exactly the same as a current content and reply markup of the message"
    );
    for (id, text, said) in [
        (77, "x", "message to edit not found".to_owned()),
        (theirs.0, "x", "message can't be edited".to_owned()),
        (id.0, &"x".repeat(4097), "MESSAGE_TOO_LONG".to_owned()),
        (id.0, " ", "message text is empty".to_owned()),
    ] {
        let answer = bot.call("editMessageText", edit(id, text)).await;
        assert_eq!(answer.description(), format!("Bad Request: {said}"));
    }
    let answer = bot.call("editMessageText", edit(id.0, "fires")).await;
    assert_eq!(answer.status, 200, "the formatting alone is a change");
    assert!(answer.body["result"]["edit_date"].is_i64());
    let shown = bot.sandbox.message(PERSON, id).unwrap();
    assert_eq!((shown.text.as_str(), shown.edits, shown.entities.len()), ("fires", 1, 0));

    assert_eq!(
        bot.call("deleteMessage", json!({"chat_id": PERSON, "message_id": id})).await.body["result"],
        true
    );
    assert_eq!(bot.sandbox.message(PERSON, id), None);
    let again = bot.call("deleteMessage", json!({"chat_id": PERSON, "message_id": id})).await;
    assert_eq!(again.description(), "Bad Request: message to delete not found");
}

#[tokio::test]
async fn telegrams_own_parser_can_stand_behind_it_and_says_the_same() {
    let own = Bot::start(Limits::None);
    let telegrams = Bot::start_with(SandboxOptions {
        limits: Limits::None,
        parser: Arc::new(tdlib()),
        ..SandboxOptions::default()
    });
    for html in [
        " <b>Disk <i>full</i></b>\t&lt;db-1&gt;\n",
        "<pre><code class=\"language-sh\">df -h</code></pre>",
        "<a href=\"http://prometheus:9090\">no dot in the host</a>",
        "<b>open",
        "<blink>x</blink>",
        "<b> \u{202e} </b>",
    ] {
        let params = json!({"chat_id": PERSON, "text": html, "parse_mode": "HTML"});
        let said = own.call("sendMessage", params.clone()).await;
        let mut telegram_said = telegrams.call("sendMessage", params).await;
        assert_eq!(said.status, telegram_said.status, "{html}: {}", telegram_said.body);
        if said.status == 200 {
            telegram_said.body["result"]["date"] = said.body["result"]["date"].clone();
        }
        assert_eq!(said.body, telegram_said.body, "{html}");
    }
}
