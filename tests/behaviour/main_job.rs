//! The main job: a real Alertmanager notifies, Telegram shows it.

use std::time::Duration;

use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Fault, Limits, Sandbox, SandboxOptions, Shown, Trouble};
use nabat::telegram::ChatId;
use serde_json::json;
use tempfile::TempDir;

use crate::support::alertmanager::{Alertmanager, TIMING};
use crate::support::eventually;
use crate::support::nabat::{Nabat, configuration};

const OPS: ChatId = ChatId(-1_001_234_567_890);
const SOON: Duration = Duration::from_secs(20);

/// A sandbox with the chat `ops`, at Telegram's real limits.
fn sandbox() -> Sandbox {
    let options = SandboxOptions { limits: Limits::default(), ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options, &Tasks::default()).expect("a free port");
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: false }, "ops");
    sandbox
}

async fn shows(sandbox: &Sandbox, what: impl Fn(&[Shown]) -> bool) {
    let held = sandbox.wait_for(SOON, |sandbox| what(&sandbox.messages(OPS))).await;
    let texts: Vec<_> = sandbox.messages(OPS).into_iter().map(|shown| shown.text).collect();
    assert!(held, "the chat shows:\n{}", texts.join("\n---\n"));
}

#[tokio::test]
async fn a_real_alertmanagers_group_is_shown_grows_and_is_resolved() {
    let sandbox = sandbox();
    let directory = TempDir::new().expect("a temporary directory");
    let nabat = Nabat::start(directory.path(), &configuration(&sandbox, OPS.0), &sandbox).await;
    let alertmanager = Alertmanager::start(&format!("{}/alertmanager", nabat.url), TIMING).await;

    let first = json!({"alertname": "DiskFull", "instance": "db1", "severity": "critical"});
    alertmanager.alert(&first, "db1: disk < 5% & falling", None).await;
    shows(&sandbox, |shown| shown.len() == 1 && shown[0].text.contains("disk < 5% & falling"))
        .await;
    assert!(!sandbox.messages(OPS)[0].silent, "news ring");

    let second = json!({"alertname": "DiskFull", "instance": "db2", "severity": "critical"});
    alertmanager.alert(&second, "db2 as well", None).await;
    shows(&sandbox, |shown| {
        shown.len() == 2 && shown[1].text.contains("db2 as well") && shown[0].text.contains("db2")
    })
    .await;
    let messages = sandbox.messages(OPS);
    assert_eq!(messages[1].reply_to, Some(messages[0].id), "news reply to the card");

    let now = nabat::clock::Clock::system().now().to_string();
    alertmanager.alert(&first, "db1: disk < 5% & falling", Some(&now)).await;
    alertmanager.alert(&second, "db2 as well", Some(&now)).await;
    shows(&sandbox, |shown| shown.len() == 3 && shown[2].silent && shown[0].edits >= 2).await;
    assert_eq!(sandbox.count_429(), 0);
}

#[tokio::test]
async fn what_fires_while_nabat_is_down_is_shown_once_it_is_back() {
    let sandbox = sandbox();
    let directory = TempDir::new().expect("a temporary directory");
    let configuration = configuration(&sandbox, OPS.0);
    let mut nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
    let address = nabat.url.trim_start_matches("http://").to_owned();
    let mut alertmanager =
        Alertmanager::start(&format!("{}/alertmanager", nabat.url), TIMING).await;

    nabat.process.kill();
    alertmanager.alert(&json!({"alertname": "Lonely"}), "nobody listens", None).await;
    let refused = |output: &str| output.contains("connection refused").then_some(());
    alertmanager.process.wait_for(refused).await;
    let _nabat = Nabat::start_at(&address, directory.path(), &configuration, &sandbox).await;

    shows(&sandbox, |shown| shown.len() == 1 && shown[0].text.contains("nobody listens")).await;
}

#[tokio::test]
async fn a_full_outbox_answers_503_and_alertmanager_brings_the_group_again() {
    let sandbox = sandbox();
    let away = Fault::new(Trouble::DropBefore).method("sendMessage").always();
    sandbox.inject(away);
    let directory = TempDir::new().expect("a temporary directory");
    let configuration = configuration(&sandbox, OPS.0) + "delivery: {max_entries: 1}\n";
    let nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
    let mut alertmanager =
        Alertmanager::start(&format!("{}/alertmanager", nabat.url), TIMING).await;

    alertmanager.alert(&json!({"alertname": "First"}), "it takes the only place", None).await;
    eventually("the first group waits", async || {
        nabat.get("/api/v1/outbox").await.1.contains("First")
    })
    .await;
    alertmanager.alert(&json!({"alertname": "Second"}), "there is no room", None).await;
    let refused = |output: &str| output.contains("unexpected status code 503").then_some(());
    alertmanager.process.wait_for(refused).await;
    sandbox.clear_faults();

    shows(&sandbox, |shown| {
        let has = |text: &str| shown.iter().any(|shown| shown.text.contains(text));
        shown.len() == 2 && has("it takes the only place") && has("there is no room")
    })
    .await;
}

#[tokio::test]
async fn a_repeat_is_a_reminder_that_replies_to_the_card() {
    let sandbox = sandbox();
    let directory = TempDir::new().expect("a temporary directory");
    // Alertmanager 0.25 does not say that it repeats; only the window tells a retry from it.
    let configuration = configuration(&sandbox, OPS.0) + "delivery: {dedup_window: 1s}\n";
    let nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
    let timing = "group_wait: 200ms\n  group_interval: 1s\n  repeat_interval: 2s";
    let alertmanager = Alertmanager::start(&format!("{}/alertmanager", nabat.url), timing).await;

    alertmanager.alert(&json!({"alertname": "StillOn"}), "again and again", None).await;

    shows(&sandbox, |shown| shown.len() >= 2).await;
    let messages = sandbox.messages(OPS);
    assert_eq!(messages[1].reply_to, Some(messages[0].id));
    assert!(!messages[1].silent, "a reminder rings");
}
