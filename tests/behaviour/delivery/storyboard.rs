//! The storyboard of `docs/storyboard.md`, played as it is written there: what a person sees as a
//! group fires, grows, partly ends, repeats and ends.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use nabat::clock::Clock;
use nabat::sandbox::{Limits, Shown};
use nabat::telegram::MessageId;
use serde_json::{Value, json};

use crate::support::stage::{OPS, Stage, configuration, sandbox};

const MODES: [&str; 3] = ["thread", "edit", "new"];

/// The five scenes: what Alertmanager sends in each.
fn scenes() -> [(&'static str, Value); 5] {
    let now = Clock::system().now();
    let body = |alerts: &[&str], reason| body(now, alerts, reason);
    [
        ("fires", body(&["db-1"], "first notification")),
        ("grows", body(&["db-1", "db-2"], "new alerts added")),
        ("partly ends", body(&["-db-1", "db-2"], "some alerts resolved")),
        ("repeats", body(&["db-2"], "repeat interval elapsed")),
        ("ends", body(&["-db-2"], "all alerts resolved")),
    ]
}

/// A group of disks that fill; an alert that ended has a minus before its name.
fn body(now: Timestamp, alerts: &[&str], reason: &str) -> Value {
    let ago = |minutes: i64| (now - SignedDuration::from_mins(minutes)).to_string();
    let alert = |name: &&str| {
        let ended = name.starts_with('-');
        let name = name.trim_start_matches('-');
        let started = ago(if name == "db-1" { 12 } else { 7 });
        json!({
            "status": if ended { "resolved" } else { "firing" },
            "labels": {
                "alertname": "DiskWillFill", "severity": "critical", "instance": name,
                "mountpoint": "/var/lib/postgresql", "team": "db",
            },
            "annotations": {
                "summary": "The disk will be full within four hours",
                "action": "sudo pg_archivecleanup /var/lib/postgresql/wal",
            },
            "startsAt": started,
            "endsAt": if ended { ago(0) } else { "0001-01-01T00:00:00Z".to_owned() },
            "fingerprint": name,
        })
    };
    let fires = alerts.iter().any(|name| !name.starts_with('-'));
    json!({
        "version": "4",
        "groupKey": "{}:{alertname=\"DiskWillFill\"}",
        "receiver": "telegram",
        "status": if fires { "firing" } else { "resolved" },
        "notification_reason": reason,
        "groupLabels": {"alertname": "DiskWillFill"},
        "commonLabels": {
            "alertname": "DiskWillFill", "severity": "critical", "team": "db",
            "mountpoint": "/var/lib/postgresql",
        },
        "commonAnnotations": {
            "summary": "The disk will be full within four hours",
            "action": "sudo pg_archivecleanup /var/lib/postgresql/wal",
        },
        "externalURL": "http://alertmanager:9093",
        "alerts": alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

async fn stage(updates: &str) -> Stage {
    let sandbox = sandbox(Limits::None);
    let chats = "  ops: {id: -1001234567890, pin: critical}";
    let text = configuration(&sandbox, chats, &format!("  updates: {updates}"));
    Stage::with(sandbox, text).await
}

/// One scene: what Telegram shows after it.
async fn play(stage: &Stage, body: &Value) -> Vec<Shown> {
    assert_eq!(stage.nabat.post(body).await, 200);
    stage.drained().await;
    stage.sandbox.messages(OPS)
}

/// Who of the two is named.
fn names(shown: &Shown) -> [bool; 2] {
    ["db-1", "db-2"].map(|name| shown.text.contains(name))
}

/// Which messages are pinned.
fn pinned(shown: &[Shown]) -> Vec<MessageId> {
    shown.iter().filter(|shown| shown.pinned).map(|shown| shown.id).collect()
}

/// How a message came: with a sound, and as a reply to which.
fn came(shown: &Shown) -> (bool, Option<MessageId>) {
    (!shown.silent, shown.reply_to)
}

#[tokio::test]
async fn in_a_thread_one_card_is_kept_up_to_date_and_what_must_be_noticed_is_a_reply() {
    let stage = stage("thread").await;
    let [fires, grows, partly, repeats, ends] = scenes().map(|(_, body)| body);

    let shown = play(&stage, &fires).await;
    let card = shown[0].id;
    assert_eq!((shown.len(), came(&shown[0]), names(&shown[0])), (1, (true, None), [true, false]));
    assert_eq!(pinned(&shown), [card]);

    let shown = play(&stage, &grows).await;
    assert_eq!(shown.len(), 2);
    assert_eq!(
        (came(&shown[1]), names(&shown[1])),
        ((true, Some(card)), [false, true]),
        "the news"
    );
    assert_eq!((shown[0].edits, names(&shown[0])), (1, [true, true]), "the card");

    let shown = play(&stage, &partly).await;
    assert_eq!(
        (shown.len(), shown[0].edits, names(&shown[0])),
        (2, 2, [true, true]),
        "an edit alone"
    );
    assert_eq!(pinned(&shown), [card]);

    let shown = play(&stage, &repeats).await;
    assert_eq!((shown.len(), came(&shown[2])), (3, (true, Some(card))), "the reminder");
    assert_eq!((names(&shown[0]), pinned(&shown)), ([true, true], vec![card]));
    let edits = shown[0].edits;

    let shown = play(&stage, &ends).await;
    assert_eq!((shown.len(), came(&shown[3])), (4, (false, Some(card))), "the end makes no sound");
    assert!(shown[0].edits > edits, "the card ended, too");
    assert_eq!(pinned(&shown), []);
    assert!(shown[1..].iter().all(|reply| reply.edits == 0), "replies stay as they were said");
}

#[tokio::test]
async fn with_edits_there_is_one_message_which_rings_once() {
    let stage = stage("edit").await;
    let [fires, grows, partly, repeats, ends] = scenes().map(|(_, body)| body);

    let shown = play(&stage, &fires).await;
    let card = shown[0].id;
    assert_eq!((came(&shown[0]), names(&shown[0])), ((true, None), [true, false]));
    let mut edits = 0;
    for (scene, named) in [(&grows, [true, true]), (&partly, [true, true])] {
        let shown = play(&stage, scene).await;
        edits += 1;
        assert_eq!((shown.len(), shown[0].edits, names(&shown[0])), (1, edits, named));
        assert_eq!(pinned(&shown), [card]);
    }
    let shown = play(&stage, &repeats).await;
    assert_eq!((shown.len(), pinned(&shown)), (1, vec![card]));
    let edits = shown[0].edits;
    let shown = play(&stage, &ends).await;
    assert_eq!((shown.len(), pinned(&shown)), (1, vec![]));
    assert!(shown[0].edits > edits);
}

#[tokio::test]
async fn with_new_messages_the_last_one_is_the_present_and_only_news_and_reminders_ring() {
    let stage = stage("new").await;
    let rings = [true, true, false, true, false];
    for (index, (scene, body)) in scenes().iter().enumerate() {
        let shown = play(&stage, body).await;
        assert_eq!(shown.len(), index + 1, "{scene}");
        let last = &shown[index];
        assert_eq!(came(last), (rings[index], None), "{scene}");
        assert!(shown.iter().all(|shown| shown.edits == 0), "{scene}: nothing is edited");
        let present = if *scene == "ends" { vec![] } else { vec![last.id] };
        assert_eq!(pinned(&shown), present, "{scene}");
    }
    let named: Vec<_> = stage.sandbox.messages(OPS).iter().take(4).map(names).collect();
    assert_eq!(named, [[true, false], [true, true], [true, true], [false, true]]);
}

/// Takes the pictures of `docs/storyboard.md`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes docs/images; needs Chromium"]
async fn the_pictures_of_the_storyboard() {
    for mode in MODES {
        let stage = stage(mode).await;
        for (_, body) in scenes() {
            play(&stage, &body).await;
        }
        let home = env!("CARGO_MANIFEST_DIR");
        let picture = format!("{home}/docs/images/storyboard-{mode}.png");
        let page = format!("{}/#{OPS}", stage.sandbox.url());
        let shot = Command::new("python3")
            .args([&format!("{home}/scripts/screenshot.py"), &page, &picture])
            .status();
        assert!(shot.unwrap().success(), "{mode}");
    }
}
