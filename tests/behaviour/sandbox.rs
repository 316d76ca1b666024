//! The sandbox answers as Telegram does.

use std::sync::Arc;
use std::time::Duration;

use nabat::lifecycle::Tasks;
use nabat::sandbox::{Access, ChatKind, Fault, Limits, Sandbox, SandboxOptions, Trouble};
use nabat::telegram::{Button, ChatId, Client, ClientOptions, MessageId, Method, Photo, TopicId};
use serde_json::{Value, json};

use crate::support::install_crypto;
use crate::support::tdlib::tdlib;

const GROUP: ChatId = ChatId(-100_200_300);
const FORUM: ChatId = ChatId(-1_001_234_567_890);
const PERSON: ChatId = ChatId(4242);
const CHANNEL: ChatId = ChatId(-1_009_999_999_999);
const SOON: Duration = Duration::from_secs(10);

/// A sandbox with one chat of each kind, and a client of its Bot API.
struct Bot {
    sandbox: Sandbox,
    http: reqwest::Client,
    tasks: Tasks,
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: Value,
}

impl Answer {
    fn description(&self) -> &str {
        self.body["description"].as_str().unwrap_or_default()
    }
}

impl Bot {
    fn start(limits: Limits) -> Self {
        Self::start_with(SandboxOptions { limits, ..SandboxOptions::default() })
    }

    fn start_with(options: SandboxOptions) -> Self {
        let tasks = Tasks::default();
        let sandbox = Sandbox::start(options, &tasks).unwrap();
        sandbox.add_chat(GROUP, ChatKind::Group, "Old group");
        sandbox.add_chat(FORUM, ChatKind::Supergroup { forum: true }, "Operations");
        sandbox.add_topic(FORUM, TopicId(7), "Databases");
        sandbox.add_topic(FORUM, TopicId(8), "Closed");
        sandbox.close_topic(FORUM, TopicId(8));
        sandbox.add_chat(PERSON, ChatKind::Private, "Aigerim");
        sandbox.add_chat(CHANNEL, ChatKind::Channel, "Status");
        install_crypto();
        Self { sandbox, http: reqwest::Client::new(), tasks }
    }

    async fn try_call(&self, method: &str, params: &Value) -> reqwest::Result<Answer> {
        let url = format!("{}/bot{}/{method}", self.sandbox.url(), self.sandbox.token());
        let response = self.http.post(url).json(params).send().await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, retry_after, body })
    }

    async fn call(&self, method: &str, params: Value) -> Answer {
        self.try_call(method, &params).await.unwrap()
    }

    async fn say(&self, chat: ChatId, html: &str) -> MessageId {
        let params = json!({"chat_id": chat, "text": html, "parse_mode": "HTML"});
        let answer = self.call("sendMessage", params).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_value(answer.body["result"]["message_id"].clone()).unwrap()
    }
}

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
async fn tokens_are_refused_as_telegram_does() {
    let bot = Bot::start(Limits::None);
    for (path, status, said) in [
        ("/bot123:wrong/getMe", 401, "Unauthorized"),
        ("/botwrong/getMe", 404, "Not Found"),
        ("/getMe", 404, "Not Found"),
    ] {
        let response = bot.http.get(format!("{}{path}", bot.sandbox.url())).send().await.unwrap();
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["description"], said);
    }
    assert_eq!(bot.call("sendPoem", json!({})).await.description(), "Not Found: method not found");
    bot.sandbox.revoke_token();
    assert_eq!(bot.call("getMe", json!({})).await.status, 401);
    bot.sandbox.set_token(bot.sandbox.token());
    assert_eq!(bot.call("getMe", json!({})).await.status, 200);
}

#[tokio::test]
async fn sends_and_edits_share_a_groups_twenty_a_minute() {
    let bot = Bot::start(Limits::Real);
    let id = bot.say(FORUM, "0").await;
    for i in 1..20 {
        let edit = json!({"chat_id": FORUM, "message_id": id, "text": i.to_string()});
        assert_eq!(bot.call("editMessageText", edit).await.status, 200);
    }
    let topic = json!({"chat_id": FORUM, "message_thread_id": 7, "text": "one more"});
    let answer = bot.call("sendMessage", topic).await;
    assert_eq!(answer.status, 429);
    let seconds = answer.body["parameters"]["retry_after"].as_u64().unwrap();
    assert!((50..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.description(), format!("Too Many Requests: retry after {seconds}"));
    assert_eq!(answer.retry_after.as_deref(), Some(seconds.to_string().as_str()));
    assert_eq!(bot.sandbox.count_429(), 1);
    bot.say(CHANNEL, "another chat is free").await;
}

#[tokio::test]
async fn planted_answers_replace_the_true_ones() {
    let bot = Bot::start(Limits::None);
    let params = json!({"chat_id": PERSON, "text": "x"});
    bot.sandbox.inject(Fault::new(Trouble::bad_gateway()).method("sendMessage"));
    bot.sandbox.inject(Fault::new(Trouble::internal_server_error()).method("sendMessage"));
    bot.sandbox.inject(Fault::new(Trouble::too_many_requests(Some(7))).chat(PERSON));
    bot.sandbox.inject(Fault::new(Trouble::too_many_requests(None)).chat(PERSON));
    assert_eq!(bot.call("getMe", json!({})).await.status, 200);
    let html = bot.call("sendMessage", params.clone()).await;
    assert_eq!(html.status, 502);
    assert!(html.body.as_str().unwrap().contains("502 Bad Gateway"));
    assert_eq!(bot.call("sendMessage", params.clone()).await.status, 500);
    let limited = bot.call("sendMessage", params.clone()).await;
    assert_eq!((limited.status, limited.retry_after.as_deref()), (429, Some("7")));
    let limited = bot.call("sendMessage", params.clone()).await;
    assert_eq!((limited.status, limited.retry_after), (429, None));
    assert_eq!(bot.sandbox.count_429(), 2);
    assert_eq!(bot.sandbox.messages(PERSON), []);
    assert_eq!(bot.call("sendMessage", params).await.status, 200);

    let seen = bot.sandbox.requests();
    let statuses: Vec<_> = seen.iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [200, 502, 500, 429, 429, 200].map(Some));
    assert_eq!(seen[1].chat, Some(PERSON));
    assert_eq!(seen[1].body, json!({"chat_id": PERSON, "text": "x"}));
}

#[tokio::test]
async fn a_cut_connection_leaves_the_message_unsent_or_sent_as_asked() {
    let bot = Bot::start(Limits::None);
    let params = json!({"chat_id": PERSON, "text": "x"});
    bot.sandbox.inject(Fault::new(Trouble::DropBefore));
    assert!(bot.try_call("sendMessage", &params).await.is_err());
    assert_eq!(bot.sandbox.messages(PERSON).len(), 0);
    bot.sandbox.inject(Fault::new(Trouble::DropAfter));
    assert!(bot.try_call("sendMessage", &params).await.is_err());
    assert_eq!(bot.sandbox.messages(PERSON).len(), 1);
    assert_eq!(bot.sandbox.requests().last().unwrap().status, None);
    let answered = Trouble::AnswerAfter { status: 502, body: "gone".to_owned() };
    bot.sandbox.inject(Fault::new(answered));
    assert_eq!(bot.call("sendMessage", params).await.status, 502);
    assert_eq!(bot.sandbox.messages(PERSON).len(), 2);
}

#[tokio::test]
async fn a_late_answer_comes_after_the_message_is_shown() {
    let bot = Bot::start(Limits::None);
    bot.sandbox.inject(Fault::new(Trouble::DelayAfter { ms: 600_000 }));
    let params = json!({"chat_id": PERSON, "text": "x"});
    let asking = bot.try_call("sendMessage", &params);
    let shown = bot.sandbox.wait_for(SOON, |sandbox| !sandbox.messages(PERSON).is_empty());
    tokio::select! {
        _ = asking => panic!("answered already"),
        shown = shown => assert!(shown),
    }

    bot.sandbox.inject(Fault::new(Trouble::Hang));
    let params = json!({"chat_id": PERSON, "text": "y"});
    let asking = bot.try_call("sendMessage", &params);
    let seen = bot.sandbox.wait_for(SOON, |sandbox| sandbox.requests().len() == 2);
    tokio::select! {
        _ = asking => panic!("answered"),
        seen = seen => assert!(seen),
    }
    assert_eq!(bot.sandbox.messages(PERSON).len(), 1);
}

#[tokio::test]
async fn a_second_poller_ends_the_first_with_409() {
    let bot = Bot::start(Limits::None);
    let first = bot.call("getUpdates", json!({"timeout": 50}));
    let second = async {
        assert!(bot.sandbox.wait_for(SOON, |sandbox| sandbox.requests().len() == 1).await);
        let second = bot.call("getUpdates", json!({"timeout": 50}));
        let said = async {
            assert!(bot.sandbox.wait_for(SOON, |sandbox| sandbox.requests().len() == 2).await);
            bot.sandbox.person_says(PERSON, "/alerts");
        };
        tokio::join!(second, said).0
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(
        (first.status, first.description()),
        (
            409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot \
             instance is running"
        )
    );
    assert_eq!(second.body["result"][0]["message"]["text"], "/alerts");
    let id = second.body["result"][0]["update_id"].as_i64().unwrap();
    let rest = bot.call("getUpdates", json!({"offset": id + 1})).await;
    assert_eq!(rest.body["result"], json!([]));
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

#[tokio::test]
async fn another_process_sees_and_causes_the_same_over_http() {
    let bot = Bot::start(Limits::None);
    let control = |path: &str| format!("{}/sandbox/{path}", bot.sandbox.url());
    let get = async |path: &str| -> Value {
        bot.http.get(control(path)).send().await.unwrap().json().await.unwrap()
    };
    let post = async |path: &str, body: Value| {
        bot.http.post(control(path)).json(&body).send().await.unwrap().status().as_u16()
    };
    let new = ChatId(-1_005_555_555_555);
    let add = json!({
        "act": "add_chat", "chat": new, "kind": {"supergroup": {"forum": false}}, "title": "New",
    });
    assert_eq!(post("acts", add).await, 204);
    let fault = json!({
        "method": "sendMessage", "trouble": {"kind": "answer", "status": 502, "body": "<html>"},
    });
    assert_eq!(post("faults", fault).await, 204);
    assert_eq!(post("faults", json!({"trouble": {"kind": "sulk"}})).await, 422);
    assert_eq!(post("acts", json!({"act": "sing"})).await, 422);

    let params = json!({"chat_id": new, "text": "<b>x</b>", "parse_mode": "HTML"});
    assert_eq!(bot.call("sendMessage", params.clone()).await.status, 502);
    assert_eq!(bot.call("sendMessage", params).await.status, 200);
    let shown = get(&format!("messages?chat={new}")).await;
    assert_eq!(shown[0]["text"], "x");
    assert_eq!(shown[0]["source"], "<b>x</b>");
    let seen = get("requests?from=1").await;
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(seen[0]["status"], 200);
    assert_eq!(get("stats").await, json!({"requests": 2, "rate_limited": 0, "messages": 1}));
    assert_eq!(get("faults").await, json!([]));
    assert_eq!(post("acts", json!({"act": "revoke_token"})).await, 204);
    assert_eq!(bot.call("getMe", json!({})).await.status, 401);
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

#[tokio::test]
async fn a_photo_and_a_table_come_from_nabats_own_client() {
    let bot = Bot::start(Limits::None);
    let client =
        Client::new(&ClientOptions::new(bot.sandbox.url().parse().unwrap(), None)).unwrap();
    let token = secrecy::SecretString::from(bot.sandbox.token().to_owned());
    let text = bot.say(FORUM, "the alert").await;
    let photo = |content: Vec<u8>| Method::SendPhoto {
        chat: FORUM,
        topic: Some(TopicId(7)),
        photo: Photo { content: content.into(), content_type: "image/png", name: "graph.png" },
        silent: true,
        reply_to: Some(text),
    };
    // The line ends and dashes of a multipart body are no trouble inside of it.
    let png = [png(300, 200), b"\r\n--\r\n\r\n--x".to_vec()].concat();
    let answer = client.call(&token, &photo(png.clone())).await;
    let nabat::telegram::Answer::Done(Some(id)) = answer else { panic!("{answer:?}") };
    let shown = bot.sandbox.message(FORUM, id).unwrap();
    assert_eq!(shown.photo.unwrap().content, png);
    assert_eq!((shown.topic, shown.reply_to, shown.silent), (Some(TopicId(7)), Some(text), true));

    for (content, said) in [
        (b"no picture".to_vec(), "IMAGE_PROCESS_FAILED"),
        (self::png(9000, 1001), "PHOTO_INVALID_DIMENSIONS"),
        (self::png(210, 10), "PHOTO_INVALID_DIMENSIONS"),
        (Vec::new(), "file must be non-empty"),
    ] {
        let answer = client.call(&token, &photo(content)).await;
        let nabat::telegram::Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.description, format!("Bad Request: {said}"));
    }

    let table = |cell: &str| format!("<h3>Disk</h3><table><tr><td>{cell}</td></tr></table>");
    let sent = Method::SendRichMessage {
        chat: FORUM,
        topic: None,
        html: table("db-1"),
        silent: false,
        reply_to: None,
        buttons: vec![vec![Button::url("Runbook", "https://example.org/").unwrap()]],
    };
    let answer = client.call(&token, &sent).await;
    let nabat::telegram::Answer::Done(Some(id)) = answer else { panic!("{answer:?}") };
    let shown = bot.sandbox.message(FORUM, id).unwrap();
    assert_eq!(shown.text, "Disk\ndb-1");
    assert_eq!(shown.buttons[0][0].text, "Runbook");
    let edit = Method::EditRichMessage {
        chat: FORUM,
        message: id,
        html: table("db-2"),
        buttons: Vec::new(),
    };
    assert_eq!(client.call(&token, &edit).await.outcome(), "ok");
    let shown = bot.sandbox.message(FORUM, id).unwrap();
    assert_eq!((shown.text.as_str(), shown.buttons.len(), shown.edits), ("Disk\ndb-2", 0, 1));
}

/// The head of a picture of that size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    file.extend(width.to_be_bytes());
    file.extend(height.to_be_bytes());
    file
}
