//! Senders that announce too much.

use nabat::ingest::BodyLimits;
use tokio::io::AsyncWriteExt;

use crate::support::house::{BODY, House, Setup, read_answer, read_to_end};

/// The head of a webhook with a body of so many bytes.
fn head(length: usize, more: &str) -> String {
    format!(
        "POST /alertmanager HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\n\
         {more}content-length: {length}\r\n\r\n"
    )
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
