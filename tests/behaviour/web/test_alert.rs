use nabat::delivery::{Hindrance, Outcome};
use nabat::outbox::Outbox;
use nabat::telegram::{ChatId, MessageId};
use serde_json::{Value, json};

use crate::support::house::{BODY, House, Setup, answer};

async fn order(house: &House, query: &str, order: Value) -> (u16, Value) {
    let url = house.url(&format!("/api/v1/test-alert{query}"));
    answer(house.http.post(url).json(&order)).await
}

fn shown(message: i32) -> Outcome {
    Outcome::Shown { chat: ChatId(-100), message: MessageId(message) }
}

#[tokio::test]
async fn a_test_alert_is_answered_when_telegram_took_it_in_every_chat() {
    let house = House::open(Setup::default()).await;
    let labels = json!({"labels": {"team": "db"}});
    let ((status, said), ()) = tokio::join!(order(&house, "", labels), async {
        house.deliver(shown(1)).await;
        house.deliver(shown(2)).await;
    });
    assert_eq!((status, &said["status"]), (200, &json!("delivered")));
    let result = |chat, id| json!({"chat": chat, "topic": null, "outcome": "delivered", "message_id": id, "error": null});
    let mut results = said["results"].as_array().unwrap().clone();
    results.sort_by_key(|result| result["chat"].as_str().map(str::to_owned));
    let ids: Vec<_> = results.iter().map(|result| result["message_id"].clone()).collect();
    assert_eq!(results, [result("db", ids[0].clone()), result("ops", ids[1].clone())]);
    assert!(ids.contains(&json!(1)) && ids.contains(&json!(2)), "{ids:?}");
}

#[tokio::test]
async fn without_a_body_it_is_an_info_alert_through_the_routing_tree() {
    let house = House::open(Setup::default()).await;
    let asked = async { house.ask("POST", "/api/v1/test-alert?timeout=1").await };
    let ((status, said), entry) = tokio::join!(asked, async {
        house.woken().await;
        house.store.list(None, 5).await.unwrap().remove(0)
    });
    assert_eq!((status, &said["status"]), (504, &json!("waiting")));
    assert_eq!(said["results"][0]["outcome"], "waiting");
    let state = house.store.show(entry.id).await.unwrap().notification.unwrap();
    assert_eq!(state.common_labels["alertname"], "NabatTestAlert");
    assert_eq!(state.common_labels["severity"], "info");
    assert_eq!(state.group.source, nabat::alert::Source::Test);
}

#[tokio::test]
async fn a_refusal_by_telegram_is_answered_with_its_reason() {
    let house = House::open(Setup::default()).await;
    let ((status, said), ()) = tokio::join!(order(&house, "", json!({"chat": "db"})), async {
        house.deliver(Outcome::Dead { why: "bot was kicked".into() }).await;
    });
    assert_eq!((status, &said["status"]), (502, &json!("failed")));
    assert_eq!(said["results"][0]["chat"], "db");
    assert_eq!(said["results"][0]["error"], "bot was kicked");
}

#[tokio::test]
async fn an_alert_that_still_waits_at_the_end_is_answered_with_the_last_failure() {
    let house = House::open(Setup::default()).await;
    let ((status, said), ()) = tokio::join!(order(&house, "?timeout=1s", json!({})), async {
        house.deliver(Outcome::Waiting { why: "502".into(), lasts: false }).await;
    });
    assert_eq!((status, &said["status"]), (504, &json!("waiting")));
    assert_eq!(said["results"][0]["error"], "502");
}

#[tokio::test]
async fn what_waits_in_vain_until_somebody_acts_is_answered_at_once() {
    let house = House::open(Setup::default()).await;
    let ((status, said), ()) = tokio::join!(order(&house, "?timeout=5m", json!({})), async {
        house.deliver(Outcome::Waiting { why: "403 kicked".into(), lasts: true }).await;
    });
    assert_eq!((status, &said["results"][0]["error"]), (504, &json!("403 kicked")));
    let hindrance = Hindrance { why: "no bot token: Vault is sealed".into(), lasts: true };
    *house.delivery.hindrance.lock().unwrap() = Some(hindrance);
    let (status, said) = order(&house, "?timeout=5m", json!({})).await;
    assert_eq!((status, &said["status"]), (504, &json!("waiting")));
    assert_eq!(said["results"][0]["error"], "no bot token: Vault is sealed");
}

#[tokio::test]
async fn what_stops_an_older_alert_of_the_lane_is_the_reason_for_the_test_alert_too() {
    let house = House::open(Setup::default()).await;
    assert_eq!(house.webhook("/alertmanager/db", BODY).await.0, 200);
    house.woken().await;
    let order = order(&house, "?timeout=5m", json!({"chat": "db"}));
    let ((status, said), ()) = tokio::join!(order, async {
        // Delivery speaks of the older one first.
        house.deliver(Outcome::Waiting { why: "400 chat not found".into(), lasts: true }).await;
    });
    assert_eq!((status, &said["results"][0]["error"]), (504, &json!("400 chat not found")));
}

#[tokio::test]
async fn what_keeps_a_lane_silent_is_said_at_the_end_and_in_the_list_of_what_waits() {
    let house = House::open(Setup::default()).await;
    let hindrance = Hindrance { why: "connection refused".into(), lasts: false };
    *house.delivery.hindrance.lock().unwrap() = Some(hindrance);
    let (status, said) = order(&house, "?timeout=0", json!({})).await;
    assert_eq!((status, &said["results"][0]["error"]), (504, &json!("connection refused")));
    let (_, listed) = house.ask("GET", "/api/v1/outbox").await;
    assert_eq!(listed["entries"][0]["last_error"], "connection refused");
}

#[tokio::test]
async fn an_order_that_can_not_be_understood_says_why_and_costs_nothing() {
    let house = House::open(Setup::default()).await;
    for (query, body, word) in [
        ("", json!({"severty": "info"}), "did you mean \"severity\"?"),
        ("", json!({"zzz": 1}), "known are chat"),
        ("", json!({"status": "burning"}), "burning"),
        ("", json!([1]), "no JSON object"),
        ("", json!({"severity": 5}), "line 1 column"),
        ("?timeout=soon", json!({}), "soon"),
        ("?patience=1", json!({}), "timeout"),
    ] {
        let (status, said) = order(&house, query, body).await;
        assert_eq!(status, 400, "{said}");
        assert!(said["error"].as_str().unwrap().contains(word), "{said}");
    }
    assert_eq!(house.store.list(None, 5).await.unwrap(), []);
}

#[tokio::test]
async fn an_unknown_chat_is_404_and_a_closed_store_503() {
    let house = House::open(Setup::default()).await;
    let (status, said) = order(&house, "", json!({"chat": "opss"})).await;
    assert_eq!(status, 404);
    assert!(said["error"].as_str().unwrap().contains("\"ops\""), "{said}");
    house.store.close().await;
    assert_eq!(order(&house, "", json!({})).await.0, 503);
}

#[tokio::test]
async fn the_fourth_test_alert_in_a_row_is_told_when_to_come_back() {
    let house = House::open(Setup::default()).await;
    for _ in 0..3 {
        let (status, _) = order(&house, "", json!({"chat": "nowhere"})).await;
        assert_eq!(status, 404, "it costs nothing");
        let (status, _) = order(&house, "?timeout=0", json!({})).await;
        assert_eq!(status, 504);
    }
    let url = house.url("/api/v1/test-alert");
    let response = house.http.post(url).send().await.unwrap();
    assert_eq!(response.status(), 429);
    let pause: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=11).contains(&pause), "{pause}");
}
