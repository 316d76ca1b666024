//! Who may ask, how often, and how many at a time.

use nabat::sandbox::Limits;
use serde_json::{Value, json};

use super::{Bot, CHANNEL, FORUM, PERSON, SOON};

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
