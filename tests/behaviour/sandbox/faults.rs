//! Troubles that a test plants, from inside and from another process.

use nabat::sandbox::{Fault, Limits, Trouble};
use nabat::telegram::ChatId;
use serde_json::{Value, json};

use super::{Bot, PERSON, SOON};

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
