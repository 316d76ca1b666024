//! Notifications made up of strange text.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use nabat::alert::{Alert, GrafanaExtras, GroupId, Labels, Notification, Reason, Source, Status};
use proptest::prelude::*;

/// When the scenes of these notifications play.
pub fn now() -> Timestamp {
    "2026-11-03T10:00:00Z".parse().expect("a time")
}

/// The strings of `tests/corpus/text`, one a file, with their files' names.
pub fn corpus() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/text");
    let mut texts: Vec<_> = std::fs::read_dir(directory)
        .expect("the corpus is there")
        .map(|entry| {
            let path = entry.expect("a readable directory").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("the corpus is UTF-8"))
        })
        .collect();
    texts.sort();
    texts
}

/// A notification in which every text that a sender chooses is `text`.
pub fn all_of(text: &str) -> Notification {
    let field = || text.to_owned();
    let alert = |number: usize| Alert {
        fingerprint: format!("{number:016x}"),
        status: if number.is_multiple_of(2) { Status::Firing } else { Status::Resolved },
        labels: [
            ("alertname".to_owned(), field()),
            ("severity".to_owned(), field()),
            ("instance".to_owned(), format!("{number} {text}")),
            (field(), field()),
        ]
        .into(),
        annotations: ["summary", "description", "runbook", "action"]
            .map(|name| (name.to_owned(), format!("{number} {text}")))
            .into(),
        starts_at: now() - SignedDuration::from_mins(7),
        ends_at: (number % 2 == 1).then(now),
        generator_url: field(),
        grafana: Some(Box::new(GrafanaExtras { value_string: field(), ..extras(text) })),
        unlisted: number.is_multiple_of(3),
    };
    Notification {
        group: GroupId { source: Source::Grafana, receiver: field(), key: field() },
        status: Status::Firing,
        reason: Reason::Unknown,
        alerts: (0..3).map(alert).collect(),
        group_labels: [(field(), field())].into(),
        common_labels: BTreeMap::new(),
        common_annotations: BTreeMap::new(),
        external_url: field(),
        truncated_alerts: 1,
    }
}

fn extras(url: &str) -> GrafanaExtras {
    GrafanaExtras {
        silence_url: url.to_owned(),
        dashboard_url: url.to_owned(),
        panel_url: url.to_owned(),
        image_url: url.to_owned(),
        value_string: String::new(),
    }
}

/// Any text, often a nasty or a long one.
fn text() -> impl Strategy<Value = String> {
    let nasty: Vec<String> = corpus().into_iter().map(|(_, text)| text).collect();
    prop_oneof![
        4 => "\\PC{0,24}",
        3 => prop::collection::vec(any::<char>(), 0..40).prop_map(|chars| chars.into_iter().collect()),
        2 => prop::sample::select(nasty),
        1 => ("[a-z<&\"é🔥]{1,6}[ \n]?", 1usize..400).prop_map(|(word, times)| word.repeat(times)),
    ]
}

fn url() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        3 => "https://[a-z]{1,9}\\.example\\.com/[a-z0-9?&=%\"<>ы ]{0,40}",
        1 => text(),
    ]
}

fn pairs(names: &'static [&'static str]) -> impl Strategy<Value = Labels> {
    let name = prop_oneof![
        4 => prop::sample::select(names).prop_map(str::to_owned),
        1 => text(),
    ];
    prop::collection::btree_map(name, text(), 0..7)
}

fn alert() -> impl Strategy<Value = Alert> {
    let grafana = prop::option::weighted(
        0.3,
        (url(), text()).prop_map(|(url, value_string)| {
            Box::new(GrafanaExtras { value_string, ..extras(&url) })
        }),
    );
    (
        any::<u64>(),
        any::<bool>(),
        pairs(&["alertname", "severity", "instance", "job", "lot_id"]),
        pairs(&["summary", "description", "runbook", "runbook_url", "action"]),
        -100_000_000_000i64..10_000_000_000,
        url(),
        grafana,
        any::<bool>(),
    )
        .prop_map(
            |(hash, fires, labels, annotations, second, generator_url, grafana, unlisted)| {
                let starts_at =
                    Timestamp::from_second(second.clamp(-62_000_000_000, 4_000_000_000))
                        .unwrap_or(Timestamp::UNIX_EPOCH);
                Alert {
                    fingerprint: format!("{hash:016x}"),
                    status: if fires { Status::Firing } else { Status::Resolved },
                    labels,
                    annotations,
                    starts_at,
                    ends_at: (!fires).then(now),
                    generator_url,
                    grafana,
                    unlisted,
                }
            },
        )
}

/// Any notification that a sender could make up.
pub fn any_notification() -> impl Strategy<Value = Notification> {
    let alerts = prop_oneof![
        4 => prop::collection::vec(alert(), 0..5),
        1 => (alert(), 1usize..200).prop_map(|(alert, times)| {
            (0..times)
                .map(|number| {
                    let mut alert = alert.clone();
                    alert.labels.insert("instance".to_owned(), format!("node-{number}"));
                    alert
                })
                .collect()
        }),
    ];
    (
        alerts,
        prop::sample::select(Source::ALL.to_vec()),
        text(),
        pairs(&["alertname", "cluster"]),
        url(),
        0u64..3,
    )
        .prop_map(
            |(alerts, source, receiver, group_labels, external_url, truncated_alerts)| {
                Notification {
                    group: GroupId { source, receiver, key: "{}".to_owned() },
                    status: Status::Firing,
                    reason: Reason::Unknown,
                    alerts,
                    group_labels,
                    common_labels: BTreeMap::new(),
                    common_annotations: BTreeMap::new(),
                    external_url,
                    truncated_alerts,
                }
            },
        )
}
