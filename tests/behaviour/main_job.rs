//! The main job: a real Alertmanager notifies, Telegram shows it.

use std::time::Duration;

use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Limits, Sandbox, SandboxOptions, Shown};
use nabat::telegram::ChatId;
use serde_json::json;
use tempfile::TempDir;

use crate::support::alertmanager::{Alertmanager, TIMING};
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
