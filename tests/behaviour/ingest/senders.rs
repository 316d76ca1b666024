//! Senders that announce too much, that have said everything, and that are gone.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use nabat::ingest::{self, BodyLimits};
use nabat::outbox::Outbox;
use nabat::web::ServeOptions;
use tokio::io::AsyncWriteExt;
use tower::Service;

use crate::support::eventually;
use crate::support::house::{BODY, House, Setup, read_answer, read_to_end};
use crate::support::logs::Logs;

/// The head of a webhook with a body of so many bytes.
fn head(length: usize, more: &str) -> String {
    format!(
        "POST /alertmanager HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\n\
         {more}content-length: {length}\r\n\r\n"
    )
}

fn counted(house: &House, source: &str, code: &str) -> u64 {
    house.metrics.webhooks_received.with_label_values(&[source, code]).get()
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_answered_before_it_comes() {
    let house = House::open(Setup::default()).await;
    let mut stream = house.dial().await;
    stream.write_all(head(9_000_000, "").as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("--web.max-body-bytes"), "{answer}");
}

#[tokio::test]
async fn nobody_is_asked_to_send_a_body_that_is_too_large() {
    let house = House::open(Setup::default()).await;
    let mut stream = house.dial().await;
    stream.write_all(head(9_000_000, "expect: 100-continue\r\n").as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn who_sends_a_body_that_is_too_large_all_the_same_sees_the_answer_and_may_send_another() {
    let body = BodyLimits { size: 1 << 20, ..BodyLimits::default() };
    let house = House::open(Setup { body, ..Setup::default() }).await;
    let mut stream = house.dial().await;
    let large = format!("{{\"receiver\": \"me\"{}", " ".repeat(3 << 20));
    stream.write_all(head(large.len(), "").as_bytes()).await.unwrap();
    stream.write_all(large.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(house.rejected(1).await[0].head.starts_with("{\"receiver\": \"me\""));
    stream.write_all((head(BODY.len(), "") + BODY).as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_sender_that_closes_its_half_behind_the_body_is_answered() {
    let house = House::open(Setup::default()).await;
    let mut stream = house.dial().await;
    stream.write_all((head(BODY.len(), "") + BODY).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_sender_that_closes_its_half_within_the_body_is_told_that_it_broke_off() {
    let house = House::open(Setup::default()).await;
    let mut stream = house.dial().await;
    stream.write_all((head(BODY.len() + 1, "") + BODY).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    eventually("it is counted", async || counted(&house, "unknown", "400") == 1).await;
}

#[tokio::test]
async fn a_sender_that_is_gone_is_counted_and_its_place_is_free_again() {
    let serve = ServeOptions { max_connections: 1, ..ServeOptions::default() };
    let house = House::open(Setup { serve, ..Setup::default() }).await;
    let mut stream = house.dial().await;
    stream.write_all((head(BODY.len(), "") + BODY).as_bytes()).await.unwrap();
    drop(stream);
    eventually("it is counted", async || counted(&house, "alertmanager", "200") == 1).await;
    assert_eq!(house.store.list(None, 10).await.unwrap().len(), 1);
    assert_eq!(house.get("/-/healthy").await.0, 200);
}

#[tokio::test]
async fn a_webhook_whose_connection_ends_before_the_answer_is_counted_and_logged() {
    let logs = Logs::capture();
    let house = House::open(Setup::default()).await;
    let stuck = tower::service_fn(|_: Request<Body>| std::future::pending());
    let stuck: tower::util::BoxCloneService<_, Response, Infallible> =
        tower::util::BoxCloneService::new(stuck);
    let mut site = ingest::keep_books(stuck, house.intake.clone());
    let (_, metrics) = house.get("/metrics").await;
    assert!(metrics.contains("nabat_webhooks_received_total{code=\"499\",source=\"unknown\"} 0"));
    let webhook = Request::post("/alertmanager/ops").body(Body::empty()).unwrap();
    let mut answering = site.call(webhook);
    assert!(futures_util::poll!(&mut answering).is_pending());
    assert_eq!(counted(&house, "unknown", "499"), 0);
    drop(answering);
    assert_eq!(counted(&house, "unknown", "499"), 1);
    assert_eq!(logs.count("webhook not answered"), 1);
    drop(site.call(Request::get("/metrics").body(Body::empty()).unwrap()));
    assert_eq!(counted(&house, "unknown", "499"), 1, "that was no webhook");
}
