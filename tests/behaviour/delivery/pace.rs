//! Telegram's limits, and that one slow chat never holds up another.

use std::fmt::Write;
use std::time::Duration;

use nabat::sandbox::{ChatKind, Limits, Trouble};
use nabat::telegram::ChatId;

use super::next_send;
use crate::support::DEADLINE;
use crate::support::nabat::client;
use crate::support::stage::{BOSS, OPS, Stage, configuration, sandbox, webhook};

#[tokio::test]
async fn a_429_stops_that_chat_alone_for_as_long_as_telegram_says() {
    let stage = Stage::open("").await;
    stage.sandbox.inject(next_send(Trouble::too_many_requests(Some(10))));
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    assert!(stage.sandbox.wait_for(Duration::from_secs(10), |s| s.count_429() == 1).await);
    stage.post("boss", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(BOSS, "NetDown").await;
    assert!(stage.sandbox.messages(OPS).is_empty(), "ops still waits");
    stage.shows_text(OPS, "DiskFull").await;
    let requests = stage.requests(OPS);
    assert_eq!(requests.len(), 2);
    assert!(requests[1].0 - requests[0].0 >= 10_000, "{requests:?}");
    assert_eq!(stage.metric("telegram_rate_limited_total{chat=\"ops\"}").await, 1);
    assert_eq!(stage.metric("telegram_rate_limited_total{chat=\"boss\"}").await, 0);
    assert_eq!(stage.metric("ambiguous_sends_total").await, 0);
}

#[tokio::test]
async fn a_chat_that_never_answers_does_not_hold_up_another() {
    let stage = Stage::open("").await;
    stage.sandbox.inject(next_send(Trouble::Hang));
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    let hangs = |sandbox: &nabat::sandbox::Sandbox| {
        sandbox.requests().iter().any(|seen| seen.chat == Some(OPS))
    };
    assert!(stage.sandbox.wait_for(Duration::from_secs(10), hangs).await);
    for (group, alert) in [("NetDown", "sw1"), ("Power", "ups")] {
        stage.post("boss", &webhook(group, &[alert])).await;
        stage.shows_text(BOSS, group).await;
    }
    assert!(stage.sandbox.messages(OPS).is_empty());
}

/// What is said is chosen when the pace allows it to be said, not before.
#[tokio::test]
async fn what_comes_while_the_pace_makes_a_lane_wait_is_merged_and_the_worst_goes_first() {
    let stage = Stage::open("").await;
    for group in ["One", "Two", "Three"] {
        stage.post("ops", &webhook(group, &["db1"])).await;
    }
    stage.shows(OPS, |shown| shown.len() == 3).await;
    // A longer wait than for one slot: all of it comes in time on a busy machine, too.
    stage.sandbox.inject(next_send(Trouble::too_many_requests(Some(8))));
    let mut info = webhook("Harmless", &["db1"]);
    info["alerts"][0]["labels"]["severity"] = "info".into();
    stage.post("ops", &info).await;
    assert!(stage.sandbox.wait_for(DEADLINE, |sandbox| sandbox.count_429() == 1).await);
    stage.post("ops", &webhook("Four", &["db1"])).await;
    stage.post("ops", &webhook("Four", &["db1", "db2"])).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    let texts: Vec<_> = shown.iter().skip(3).map(|shown| shown.text.as_str()).collect();
    assert_eq!(texts.len(), 2, "{texts:#?}");
    assert!(texts[0].contains("Four") && texts[0].contains("db2"), "{texts:#?}");
    assert!(texts[1].contains("Harmless"), "{texts:#?}");
}

#[tokio::test]
async fn sixty_groups_at_once_are_all_shown_without_one_429() {
    let sandbox = sandbox(Limits::Real);
    let mut chats = String::from("  ops: {id: -1001234567890}\n");
    let ids: Vec<ChatId> = (0..12).map(|number| ChatId(2_000_000 + number)).collect();
    for (number, id) in ids.iter().enumerate() {
        sandbox.add_chat(*id, ChatKind::Private, "a person");
        writeln!(chats, "  person{number}: {{id: {id}}}").unwrap();
    }
    let text = configuration(&sandbox, &chats, "");
    let stage = Stage::with(sandbox, text).await;
    let client = client();
    let posts = (0..60).map(|group| {
        let url = format!("{}/alertmanager/person{}", stage.nabat.url, group % 12);
        client.post(url).json(&webhook(&format!("Burst{group:02}"), &["db1"])).send()
    });
    for answer in futures_util::future::join_all(posts).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    stage.drained().await;
    for group in 0..60 {
        let name = format!("Burst{group:02}");
        let shown = stage.sandbox.messages(ids[group % 12]);
        let times = shown.iter().filter(|shown| shown.text.contains(&name)).count();
        assert_eq!(times, 1, "{name}");
    }
    assert_eq!(stage.sandbox.count_429(), 0);
}

#[tokio::test]
async fn a_restart_gives_a_busy_chat_no_second_burst() {
    let mut stage = Stage::open("").await;
    for group in ["One", "Two", "Three"] {
        stage.post("ops", &webhook(group, &["db1"])).await;
    }
    stage.shows(OPS, |shown| shown.len() == 3).await;
    stage.nabat.process.kill();
    stage.restart().await;
    for group in ["Four", "Five", "Six"] {
        stage.post("ops", &webhook(group, &["db1"])).await;
    }
    stage.shows(OPS, |shown| shown.len() == 6).await;
    let at: Vec<u64> = stage.requests(OPS).iter().map(|(at, _)| *at).collect();
    // Nine seconds of the even pace, however late they are posted; a burst would take less.
    assert!(at[5] - at[0] >= 9_000, "{at:?}");
    assert_eq!(stage.sandbox.count_429(), 0);
}
