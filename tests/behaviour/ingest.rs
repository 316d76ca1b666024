//! The webhook's door: what is accepted, what is refused with which answer, and what remains.

mod secrets;
mod senders;

use nabat::ingest::{self, BodyLimits};
use nabat::outbox::sqlite::SqliteOptions;
use nabat::outbox::{EntryState, Outbox};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::support::DEADLINE;
use crate::support::house::{BODY, House, SHORT, Setup, answer, exchange};
use crate::support::logs::Logs;

#[tokio::test]
async fn a_webhook_is_answered_200_when_it_is_stored_and_its_lane_is_woken() {
    let house = House::open(Setup::default()).await;
    let (status, said) = house.webhook("/alertmanager", BODY).await;
    assert_eq!(
        (status, said),
        (200, json!({"status": "ok", "lanes": [{"chat": "ops", "topic": null, "fate": "queued"}]}))
    );
    assert_eq!(house.woken().await.chat.as_str(), "ops");
    let entries = house.store.list(Some(EntryState::Waiting), 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].group.receiver, "web.hook");
    let (_, metrics) = house.get("/metrics").await;
    let line = "nabat_webhooks_received_total{code=\"200\",source=\"alertmanager\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("nabat_webhook_duration_seconds_count 1"), "{metrics}");
}

#[tokio::test]
async fn the_chat_in_the_path_goes_before_the_routing_tree() {
    let house = House::open(Setup::default()).await;
    let (status, said) = house.webhook("/alertmanager/db", BODY).await;
    assert_eq!((status, &said["lanes"][0]["chat"]), (200, &json!("db")));
}

#[tokio::test]
async fn an_unknown_chat_is_404_and_names_the_nearest() {
    let house = House::open(Setup::default()).await;
    let (status, said) = house.webhook("/alertmanager/opps", BODY).await;
    assert_eq!(status, 404);
    assert_eq!(said["error"], "there is no chat \"opps\"; did you mean \"ops\"?");
}

#[tokio::test]
async fn the_same_event_again_is_200_without_a_second_entry() {
    let house = House::open(Setup::default()).await;
    house.webhook("/alertmanager", BODY).await;
    let (status, said) = house.webhook("/alertmanager", BODY).await;
    assert_eq!((status, &said["lanes"][0]["fate"]), (200, &json!("duplicate")));
    assert_eq!(house.store.list(None, 10).await.unwrap().len(), 1);
    assert_eq!(house.metrics.notifications_deduplicated.get(), 1);
}

#[tokio::test]
async fn a_broken_body_is_400_counted_and_kept_for_inspection() {
    let house = House::open(Setup::default()).await;
    let (status, said) = house.webhook("/alertmanager", "{\"alerts\": [}").await;
    assert_eq!(status, 400);
    assert!(said["error"].as_str().unwrap().contains("line 1 column 13"), "{said}");
    house.rejected(1).await;
    let (_, kept) = house.ask("GET", "/api/v1/outbox/rejected").await;
    let kept = &kept["rejected"][0];
    assert_eq!(kept["head"], "{\"alerts\": [}");
    assert_eq!((&kept["path"], &kept["code"]), (&json!("/alertmanager"), &json!(400)));
    assert!(kept["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(house.metrics.webhooks_received.with_label_values(&["unknown", "400"]).get(), 1);
}

#[tokio::test]
async fn of_a_refused_body_only_the_head_is_kept_whatever_bytes_it_holds() {
    let house = House::open(Setup::default()).await;
    let body = [b"{\"alerts\": \xff".to_vec(), vec![b'x'; 100_000]].concat();
    let request = house.http.post(house.url("/alertmanager")).body(body);
    let (status, _) = answer(request.header("content-type", "application/json")).await;
    assert_eq!(status, 400);
    let kept = house.rejected(1).await.remove(0);
    assert!(kept.head.starts_with("{\"alerts\": \u{fffd}x"));
    assert!(kept.head.len() < 4200, "{}", kept.head.len());
}

#[tokio::test]
async fn only_plain_json_is_taken() {
    let house = House::open(Setup::default()).await;
    for (name, value, word) in [
        ("content-type", "text/plain", "application/json"),
        ("content-type", "application/x-www-form-urlencoded", "application/json"),
        ("content-encoding", "gzip", "uncompressed"),
    ] {
        let mut request = house.http.post(house.url("/alertmanager")).body(BODY);
        if name != "content-type" {
            request = request.header("content-type", "application/json");
        }
        let (status, said) = answer(request.header(name, value)).await;
        assert_eq!(status, 415, "{name}: {value}");
        assert!(said["error"].as_str().unwrap().contains(word), "{said}");
    }
    let bare = house.http.post(house.url("/alertmanager")).body(BODY);
    assert_eq!(answer(bare).await.0, 415, "no content type at all");
    let identity = house.http.post(house.url("/alertmanager")).body(BODY);
    let identity = identity.header("content-encoding", "identity");
    let identity = identity.header("content-type", "application/json; charset=utf-8");
    assert_eq!(answer(identity).await.0, 200);
}

fn small() -> Setup<'static> {
    Setup { body: BodyLimits { size: 2000, ..BodyLimits::default() }, ..Setup::default() }
}

#[tokio::test]
async fn large_bodies_that_come_at_once_are_all_stored_whole() {
    let house = House::open(Setup::default()).await;
    let body = |group: usize| {
        let alert = |name: usize| {
            json!({
                "status": "firing",
                "labels": {"alertname": "Down", "instance": format!("host-{name}")},
                "annotations": {"description": "does not answer ".repeat(20)},
            })
        };
        let alerts: Vec<_> = (0..1500).map(alert).collect();
        json!({"groupKey": group.to_string(), "receiver": "r", "alerts": alerts}).to_string()
    };
    let bodies = [body(1), body(2), body(3)];
    assert!(bodies[0].len() > 512 << 10, "{} bytes", bodies[0].len());
    let cut = &bodies[0][..400 << 10];
    let sent = bodies.iter().map(String::as_str).chain([cut]);
    let answers = sent.map(|body| house.webhook("/alertmanager", body));
    let answers = futures_util::future::join_all(answers).await;
    let codes: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(codes, [200, 200, 200, 400]);
    let entries = house.store.list(None, 10).await.unwrap();
    assert_eq!(entries.len(), 3);
    for entry in entries {
        let state = house.store.show(entry.id).await.unwrap().notification.unwrap();
        assert_eq!(state.alerts.len(), 1500);
    }
}

#[tokio::test]
async fn a_body_over_the_cap_is_413_announced_or_chunked() {
    let house = House::open(small()).await;
    let big = "x".repeat(100_000);
    let (status, said) = house.webhook("/alertmanager", big.clone()).await;
    assert_eq!(status, 413);
    assert!(said["error"].as_str().unwrap().contains("2000 bytes"), "{said}");

    let chunks = format!(
        "POST /alertmanager HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{big}\r\n0\r\n\r\n",
        big.len()
    );
    let answer = exchange(&mut house.dial().await, chunks.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let counted = house.metrics.webhooks_received.with_label_values(&["unknown", "413"]).get();
    assert_eq!(counted, 2);
    assert_eq!(house.webhook("/alertmanager", BODY).await.0, 200, "smaller ones are still taken");
}

#[tokio::test]
async fn a_body_that_dawdles_is_408() {
    let body = BodyLimits { timeout: SHORT, ..BodyLimits::default() };
    let house = House::open(Setup { body, ..Setup::default() }).await;
    let mut stream = house.dial().await;
    let head = "POST /alertmanager HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\n\
                content-length: 50\r\nconnection: close\r\n\r\n{\"alerts\"";
    let answer = exchange(&mut stream, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(house.rejected(1).await[0].head, "{\"alerts\"");
}

#[tokio::test]
async fn bodies_that_have_no_room_beside_the_others_are_503_until_there_is_room() {
    let body = BodyLimits { size: 4000, in_flight: 4000, ..BodyLimits::default() };
    let house = House::open(Setup { body, ..Setup::default() }).await;
    let mut holder = house.dial().await;
    let head = "POST /alertmanager HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\n\
                content-length: 4000\r\n\r\n";
    holder.write_all(head.as_bytes()).await.unwrap();
    holder.write_all(&[b' '; 3990]).await.unwrap();
    let told = async |code: u16| {
        let told = async {
            loop {
                let (status, said) = house.webhook("/alertmanager", BODY).await;
                if status == code {
                    return said;
                }
            }
        };
        tokio::time::timeout(DEADLINE, told).await.unwrap_or_else(|_| panic!("never {code}"))
    };
    let said = told(503).await;
    assert!(said["error"].as_str().unwrap().contains("too many bodies"), "{said}");
    drop(holder);
    told(200).await;
}

#[tokio::test]
async fn a_full_store_is_503_and_what_it_holds_stays() {
    let store = SqliteOptions { max_entries: 1, ..SqliteOptions::default() };
    let house = House::open(Setup { store, ..Setup::default() }).await;
    assert_eq!(house.webhook("/alertmanager", BODY).await.0, 200);
    let other = BODY.replace("DiskFull", "Other");
    let (status, said) = house.webhook("/alertmanager", other).await;
    assert_eq!(status, 503, "{said}");
    assert!(said["error"].as_str().unwrap().contains("full"), "{said}");
    assert_eq!(house.store.list(None, 10).await.unwrap().len(), 1);
    let counted = house.metrics.webhooks_received.with_label_values(&["alertmanager", "503"]);
    assert_eq!(counted.get(), 1);
}

#[tokio::test]
async fn of_the_webhooks_that_a_full_store_refuses_only_the_first_is_warned_of() {
    let logs = Logs::capture();
    let store = SqliteOptions { max_entries: 1, ..SqliteOptions::default() };
    let house = House::open(Setup { store, ..Setup::default() }).await;
    assert_eq!(house.webhook("/alertmanager", BODY).await.0, 200);
    for name in ["Second", "Third", "Fourth"] {
        let other = BODY.replace("DiskFull", name);
        assert_eq!(house.webhook("/alertmanager", other).await.0, 503);
    }
    assert_eq!(house.webhook("/alertmanager", "{").await.0, 400);
    let text = logs.text();
    let at = |level: &str| {
        text.lines().filter(|line| line.contains(level) && line.contains("webhook refused")).count()
    };
    assert_eq!((at(" WARN "), at(" DEBUG ")), (2, 2), "{text}");
}

#[tokio::test]
async fn a_closed_store_is_503() {
    let house = House::open(Setup::default()).await;
    house.store.close().await;
    assert_eq!(house.webhook("/alertmanager", BODY).await.0, 503);
}

#[tokio::test]
async fn a_sender_that_gives_up_during_the_commit_leaves_no_entry_that_nobody_was_woken_for() {
    let house = House::open(Setup::default()).await;
    let notification = ingest::parse(BODY.as_bytes(), house.intake.clock.now()).unwrap();
    tokio::select! {
        biased;
        // On a busy machine the commit may be done before the sender can give up.
        _ = house.intake.take(notification, None) => {}
        () = std::future::ready(()) => {}
    }
    assert_eq!(house.woken().await.chat.as_str(), "ops");
    assert_eq!(house.store.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_look_at_the_webhook_with_a_browser_explains_how_to_set_it_up() {
    let house = House::open(Setup::default()).await;
    let (status, said) = house.ask("GET", "/alertmanager").await;
    assert_eq!(status, 405);
    assert!(said["error"].as_str().unwrap().contains("webhook_configs"), "{said}");
    let (status, said) = house.webhook("/", BODY).await;
    assert_eq!(status, 404);
    assert!(said["error"].as_str().unwrap().contains("/alertmanager"), "{said}");
}

#[tokio::test]
async fn what_knocks_at_the_wrong_door_is_counted_and_kept_too() {
    let house = House::open(Setup::default()).await;
    house.webhook("/webhook", BODY).await;
    house.webhook("/", BODY).await;
    house.ask("PUT", "/alertmanager").await;
    // Doors of another kind, and a look at what there is not.
    house.ask("POST", "/api/v1/outbox/77/retry").await;
    house.ask("GET", "/webhook").await;
    house.ask("POST", "/boaform").await;
    let (status, said) = house.webhook("/alertmanager/%FF", BODY).await;
    assert_eq!((status, &said["status"]), (400, &json!("error")));
    let foreign =
        house.http.post(house.url("/alertmanager")).header("sec-fetch-site", "cross-site");
    assert_eq!(answer(foreign).await.0, 403);
    let kept = house.rejected(5).await;
    let mut codes: Vec<u16> = kept.iter().map(|one| one.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [400, 403, 404, 404, 405]);
    assert!(kept.iter().any(|one| one.reason.contains("webhook's path is /alertmanager")));
    assert!(kept.iter().any(|one| one.reason.contains("nothing at /webhook")));
    for (code, times) in [("400", 1), ("403", 1), ("404", 2), ("405", 1)] {
        let counted = house.metrics.webhooks_received.with_label_values(&["unknown", code]).get();
        assert_eq!(counted, times, "{code}");
    }
}

#[tokio::test]
async fn of_a_flood_of_refused_webhooks_all_are_counted_and_few_are_kept() {
    let house = House::open(Setup::default()).await;
    let flood = (0..60).map(|_| house.webhook("/alertmanager", "{"));
    futures_util::future::join_all(flood).await;
    assert_eq!(house.metrics.webhooks_received.with_label_values(&["unknown", "400"]).get(), 60);
    let kept = house.rejected(10).await.len();
    assert!(kept < 60, "{kept} were kept");
}
