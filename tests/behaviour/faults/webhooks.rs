//! Webhooks that are deep, huge, hostile, repeated or flapping, seen in the chat.

use nabat::sandbox::{Fault, Limits, Trouble};
use serde_json::{Value, json};

use super::interposer::Interposer;
use super::{play, post, serve, telegram};
use crate::support::eventually;
use crate::support::nabat::client;
use crate::support::stage::{CHATS, OPS, Stage, configuration, sandbox, webhook};

/// Posts a body as it is; returns the status.
async fn raw(stage: &Stage, body: String) -> u16 {
    let request = client().post(format!("{}/alertmanager", stage.nabat.url));
    let request = request.header("content-type", "application/json").body(body);
    request.send().await.map_or(0, |answer| answer.status().as_u16())
}

async fn quiet() -> Stage {
    let sandbox = sandbox(Limits::None);
    let text = configuration(&sandbox, CHATS, "");
    Stage::with(sandbox, text).await
}

#[tokio::test]
async fn json_nested_a_hundred_thousand_deep_is_400() {
    let stage = quiet().await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(raw(&stage, deep.clone()).await, 400);
    let labels = format!("{{\"alerts\": [{{\"labels\": {{\"a\": {deep}}}}}]}}");
    assert_eq!(raw(&stage, labels).await, 400);
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows_text(OPS, "DiskFull").await;
}

#[tokio::test]
async fn a_body_over_the_cap_is_413_counted_and_logged() {
    let stage = quiet().await;
    assert_eq!(raw(&stage, " ".repeat((8 << 20) + 1)).await, 413);
    let counted = "webhooks_received_total{code=\"413\",source=\"unknown\"}";
    eventually("it is counted", async || stage.metric(counted).await == 1).await;
    stage.says(&["webhook refused", "413"]).await;
}

#[tokio::test]
async fn characters_that_deceive_or_are_not_seen_are_made_harmless_and_the_alert_is_shown() {
    let stage = quiet().await;
    let mut body = webhook("DiskFull", &["db1"]);
    let summary = "nul \0 bell \u{7} evil\u{202e}gpj.exe zero\u{200b}width @all visible";
    body["alerts"][0]["annotations"]["summary"] = summary.into();
    stage.post("ops", &body).await;
    let text = stage.shows_text(OPS, "DiskFull").await.remove(0).text;
    assert!(text.contains("visible"), "{text}");
    for bad in ['\0', '\u{7}', '\u{202e}', '\u{200b}'] {
        assert!(!text.contains(bad), "{bad:?} in {text:?}");
    }
}

#[tokio::test]
async fn ten_thousand_alerts_with_a_huge_label_are_one_bounded_message_that_counts_all() {
    let stage = quiet().await;
    let names: Vec<String> = (0..10_000).map(|number| format!("db{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut body = webhook("DiskFull", &names);
    body["alerts"][0]["labels"]["huge"] = "x".repeat(100_000).into();
    stage.post("ops", &body).await;
    let shown = stage.shows_text(OPS, "DiskFull").await;
    stage.drained().await;
    assert_eq!(shown.len(), 1);
    let text = &shown[0].text;
    assert!(text.chars().count() <= 4096);
    assert!(text.contains("10000") || text.contains("10,000") || text.contains("10 000"), "{text}");
    assert!(text.contains("more"), "{text}");
}

#[tokio::test]
async fn a_template_that_loops_without_end_gives_way_to_the_built_in_one() {
    let sandbox = sandbox(Limits::None);
    let more = "  template: endless\ntemplates: ['*.hbs']";
    let text = configuration(&sandbox, CHATS, more);
    let directory = tempfile::TempDir::new().unwrap();
    let endless = "{{#each alerts}}{{#each @root.alerts}}{{#each @root.alerts}}{{#each @root.alerts}}\
                   {{#each @root.alerts}}x{{/each}}{{/each}}{{/each}}{{/each}}{{/each}}";
    std::fs::write(directory.path().join("endless.hbs"), endless).unwrap();
    let nabat = crate::support::nabat::Nabat::start(directory.path(), &text, &sandbox).await;
    let stage = Stage::around(sandbox, nabat, directory);
    let names: Vec<String> = (0..100).map(|number| format!("db{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.post("ops", &webhook("DiskFull", &names)).await;
    stage.shows_text(OPS, "db1 of DiskFull").await;
    assert_eq!(stage.metric("template_fallbacks_total").await, 1);
}

#[tokio::test]
async fn two_alertmanagers_and_their_retries_are_shown_once() {
    let stage = quiet().await;
    for peer in ["http://am-0:9093", "http://am-1:9093", "http://am-0:9093"] {
        let mut body = webhook("DiskFull", &["db1"]);
        body["externalURL"] = peer.into();
        stage.post("ops", &body).await;
    }
    stage.shows_text(OPS, "DiskFull").await;
    stage.drained().await;
    assert_eq!(stage.sandbox.messages(OPS).len(), 1);
    assert_eq!(stage.metric("notifications_deduplicated_total").await, 2);
}

/// A group of two alerts; the second started at this minute, and has ended or not.
fn flap(minute: usize, over: bool) -> Value {
    let mut body = webhook("Flapping", &["db1", if over { "-db2" } else { "db2" }]);
    body["alerts"][1]["startsAt"] = json!(format!("2026-01-31T12:{minute:02}:00Z"));
    body
}

#[tokio::test]
async fn a_flapping_alert_has_one_card_whose_last_state_is_the_true_one() {
    let stage = quiet().await;
    for minute in 0..10 {
        stage.post("ops", &flap(minute, false)).await;
        stage.post("ops", &flap(minute, true)).await;
    }
    stage.post("ops", &webhook("Flapping", &["-db1", "-db2"])).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    let cards: Vec<_> = shown.iter().filter(|shown| shown.reply_to.is_none()).collect();
    assert_eq!(cards.len(), 1, "{shown:#?}");
    assert!(cards[0].text.contains("RESOLVED"), "{}", cards[0].text);
    assert!(shown.len() < 21, "merged while they waited: {}", shown.len());
}

#[tokio::test]
async fn what_waited_for_hours_is_one_message_of_the_present_state_that_tells_its_age() {
    let directory = tempfile::TempDir::new().unwrap();
    let interposer = Interposer::new(directory.path());
    let sandbox = telegram(Limits::None);
    let away = Fault::new(Trouble::bad_gateway()).always();
    sandbox.inject(away);
    let mut command = serve(directory.path(), &sandbox);
    interposer.below(&mut command, &directory.path().join("data"));
    let stage = play(command, sandbox, directory).await;
    assert_eq!(post(&stage.nabat.url, "ops", &webhook("DiskFull", &["db1"])).await, 200);
    interposer.move_clock(2 * 3600);
    assert_eq!(post(&stage.nabat.url, "ops", &webhook("DiskFull", &["db1", "db2"])).await, 200);
    interposer.move_clock(3 * 3600);
    stage.go_on_at_once().await;
    // No try from before is on its way any more: it would tell what waited then.
    let tried = async || {
        stage.sandbox.requests().iter().any(|seen| {
            let text = seen.body["text"].as_str().unwrap_or_default();
            text.contains("db2") && text.contains("late: accepted 3")
        })
    };
    eventually("it tries to tell the present state", tried).await;
    stage.sandbox.clear_faults();
    stage.go_on_at_once().await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    assert_eq!(shown.len(), 1, "{shown:#?}");
    let text = &shown[0].text;
    assert!(text.contains("db1") && text.contains("db2"), "{text}");
    assert!(text.contains("late: accepted 3"), "{text}");
}
