use nabat::outbox::sqlite::SqliteOptions;
use nabat::outbox::{DeathReason, EntryState, Outbox, Settlement};
use nabat::routing::{ChatAlias, LaneId};
use serde_json::json;

use crate::support::house::{BODY, House, Setup, answer};

#[tokio::test]
async fn it_is_healthy_at_once_and_ready_when_nothing_holds_it_back() {
    let house = House::open(Setup::default()).await;
    let starting = house.readiness.hold("starting");
    assert_eq!(house.get("/-/healthy").await.0, 200);
    let (status, text) = house.get("/-/ready").await;
    assert_eq!((status, text.as_str()), (503, "nabat is not ready: starting\n"));
    drop(starting);
    assert_eq!(house.get("/-/ready").await.0, 200);
}

#[tokio::test]
async fn it_is_not_ready_when_the_store_can_not_commit() {
    let house = House::open(Setup::default()).await;
    house.store.close().await;
    let (status, text) = house.get("/-/ready").await;
    assert_eq!(status, 503);
    assert!(text.contains("closed"), "{text}");
}

#[tokio::test]
async fn it_is_not_ready_while_the_store_is_full_and_says_what_the_webhooks_are_told() {
    let store = SqliteOptions { max_entries: 1, ..SqliteOptions::default() };
    let house = House::open(Setup { store, ..Setup::default() }).await;
    assert_eq!(house.webhook("/alertmanager", BODY).await.0, 200);
    let (_, said) = house.webhook("/alertmanager", BODY.replace("DiskFull", "Other")).await;
    let why = said["error"].as_str().unwrap();
    let (status, text) = house.get("/-/ready").await;
    assert_eq!((status, text), (503, format!("nabat is not ready: {why}\n")));
    let (_, status) = house.ask("GET", "/api/v1/status").await;
    assert_eq!((&status["ready"], &status["not_ready_because"]), (&json!(false), &json!(why)));
}

#[tokio::test]
async fn an_order_that_is_too_large_is_not_told_of_alertmanagers_settings() {
    let house = House::open(Setup::default()).await;
    let (status, said) = house.webhook("/api/v1/test-alert", " ".repeat(100_000)).await;
    assert_eq!((status, &said["error"]), (413, &json!("the body is larger than 65536 bytes")));
}

#[tokio::test]
async fn a_reload_answers_with_its_faults_and_is_never_a_get() {
    let house = House::open(Setup::default()).await;
    assert_eq!(house.ask("POST", "/-/reload").await.0, 200);
    *house.reload.0.lock().unwrap() = Err("chats.ops.id: missing".into());
    let (status, said) = house.ask("POST", "/-/reload").await;
    assert_eq!(status, 500);
    assert!(said["error"].as_str().unwrap().contains("chats.ops.id: missing"), "{said}");
    assert_eq!(house.ask("GET", "/-/reload").await.0, 405);
}

#[tokio::test]
async fn metrics_show_the_store_as_it_is_now_and_every_chat_from_the_start() {
    let house = House::open(Setup::default()).await;
    let (_, metrics) = house.get("/metrics").await;
    for line in [
        "nabat_outbox_entries{chat=\"db\",state=\"waiting\"} 0",
        "nabat_outbox_entries{chat=\"ops\",state=\"dead\"} 0",
        "nabat_outbox_oldest_entry_age_seconds{chat=\"ops\"} 0",
        "nabat_webhooks_received_total{code=\"503\",source=\"grafana\"} 0",
    ] {
        assert!(metrics.contains(line), "no {line} in:\n{metrics}");
    }
    house.webhook("/alertmanager", BODY).await;
    let (_, metrics) = house.get("/metrics").await;
    assert!(metrics.contains("nabat_outbox_entries{chat=\"ops\",state=\"waiting\"} 1"));
}

#[tokio::test]
async fn the_status_tells_what_waits_for_each_chat() {
    let house = House::open(Setup::default()).await;
    house.webhook("/alertmanager", BODY).await;
    let (status, said) = house.ask("GET", "/api/v1/status").await;
    assert_eq!((status, &said["ready"]), (200, &json!(true)));
    assert_eq!(said["chats"][1]["chat"], "ops");
    assert_eq!(said["chats"][1]["waiting"], 1);
    assert_eq!(said["chats"][1]["last_success"], json!(null));
}

/// Posts a webhook and makes its entry a dead letter.
async fn dead_letter(house: &House) -> i64 {
    house.webhook("/alertmanager", BODY).await;
    let lane = house.woken().await;
    let leased = house.store.lease(&lane).await.unwrap().unwrap();
    let dead = Settlement::Dead { reason: DeathReason::Refused, detail: "no".into() };
    house.store.settle(leased.lease, dead).await.unwrap();
    leased.entry.id.0
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_retried_and_dropped() {
    let house = House::open(Setup::default()).await;
    let id = dead_letter(&house).await;
    let (_, listed) = house.ask("GET", "/api/v1/outbox?state=dead").await;
    assert_eq!(listed["entries"][0]["id"], id);
    let (status, said) = house.ask("GET", "/api/v1/outbox?limit=1001").await;
    assert_eq!((status, &said["error"]), (400, &"limit: 1001 is too many; at most 1000".into()));
    let (_, waiting) = house.ask("GET", "/api/v1/outbox?state=waiting&limit=5").await;
    assert_eq!(waiting["entries"], json!([]));
    let (_, shown) = house.ask("GET", &format!("/api/v1/outbox/{id}")).await;
    assert_eq!(shown["entry"]["reason"], "refused");
    assert_eq!(shown["entry"]["notification"]["alerts"][0]["labels"]["alertname"], "DiskFull");

    let (status, said) = house.ask("POST", &format!("/api/v1/outbox/{id}/retry")).await;
    assert_eq!((status, &said["chat"]), (200, &json!("ops")));
    assert_eq!((&said["entry"], &said["with"]), (&json!(id), &json!([])));
    assert_eq!(house.woken().await.chat.as_str(), "ops");
    let waiting = house.store.list(Some(EntryState::Waiting), 5).await.unwrap();
    let id = waiting[0].id;
    assert_eq!(house.ask("DELETE", &format!("/api/v1/outbox/{id}")).await.0, 200);
    assert_eq!(house.store.list(None, 5).await.unwrap(), []);
    assert_eq!(house.ask("DELETE", &format!("/api/v1/outbox/{id}")).await.0, 404);
}

#[tokio::test]
async fn an_entry_of_a_chat_that_is_not_configured_any_more_is_not_retried() {
    let house = House::open(Setup::default()).await;
    let id = house.dead_letter("night", "disk").await;
    let (status, said) = house.ask("POST", &format!("/api/v1/outbox/{id}/retry")).await;
    assert_eq!(status, 409, "{said}");
    let error = said["error"].as_str().unwrap();
    assert!(error.starts_with("chat \"night\" is not configured any more; "), "{error}");
    let dead = house.store.list(Some(EntryState::Dead), 5).await.unwrap();
    assert_eq!(dead[0].id.0, id);
    let (status, _) = house.ask("POST", "/api/v1/outbox/999/retry").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn of_chats_in_which_nothing_waits_nothing_is_tried() {
    let house = House::open(Setup::default()).await;
    // A storm that is not over keeps its lane at work, with nothing to send.
    let db = LaneId { chat: ChatAlias("db".into()), topic: None };
    house.store.begin_storm(&db, house.intake.clock.now()).await.unwrap();
    let (status, said) = house.ask("POST", "/api/v1/outbox/retry").await;
    assert_eq!((status, &said["lanes"]), (200, &json!([])));
    house.webhook("/alertmanager", BODY).await;
    let (_, said) = house.ask("POST", "/api/v1/outbox/retry").await;
    assert_eq!(said["lanes"], json!([{"chat": "ops", "topic": null}]));
}

#[tokio::test]
async fn what_can_not_be_understood_is_answered_with_what_could_be() {
    let house = House::open(Setup::default()).await;
    for (method, path, status, word) in [
        ("GET", "/api/v1/outbox?state=gone", 400, "waiting|dead"),
        ("GET", "/api/v1/outbox?sate=dead", 400, "state="),
        ("GET", "/api/v1/outbox/seven", 400, "entry number"),
        ("GET", "/api/v1/outbox/7", 404, "no entry 7"),
        ("GET", "/api/v1/outbocks", 404, "/api/v1/outbocks"),
        ("GET", "/metrics/", 404, "did you mean /metrics?"),
        ("POST", "/webhook", 404, "webhook_configs"),
        ("DELETE", "/metrics", 405, "DELETE"),
    ] {
        let (answered, said) = house.ask(method, path).await;
        assert_eq!(answered, status, "{method} {path}: {said}");
        let error = said["error"].as_str().unwrap();
        assert!(error.contains(word), "{method} {path}: {error}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let house = House::open(Setup::default()).await;
    let id = dead_letter(&house).await;
    let drop = || house.http.delete(house.url(&format!("/api/v1/outbox/{id}")));
    let foreign = drop().header("origin", "http://evil.example");
    assert_eq!(answer(foreign).await.0, 403);
    let foreign = drop().header("sec-fetch-site", "cross-site");
    assert_eq!(answer(foreign).await.0, 403);
    let own = drop().header("origin", format!("http://{}", house.address));
    assert_eq!(answer(own).await.0, 200);
}

#[tokio::test]
async fn the_landing_page_leads_to_everything() {
    let house = House::open(Setup::default()).await;
    let (status, page) = house.get("/").await;
    assert_eq!(status, 200);
    for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert_eq!(house.get(link).await.0, 200, "{link}");
    }
}
