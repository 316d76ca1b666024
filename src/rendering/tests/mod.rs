mod adversarial;
mod buttons;
mod card;
mod counts;
mod digest;
mod documented;
mod foreign;
mod length;
mod names;
mod table;
mod user;

use std::collections::BTreeMap;

use super::*;
use crate::alert::{Alert, Forgotten, GroupId, Labels, Reason, Source, Status};
use crate::telegram::markup;

static UTC: TimeZone = TimeZone::UTC;

fn at(minutes: i64) -> Timestamp {
    let base: Timestamp = "2026-11-03T09:00:00Z".parse().unwrap();
    base + jiff::SignedDuration::from_mins(minutes)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn alert(instance: &str, severity: &str) -> Alert {
    Alert {
        fingerprint: format!("{instance:0>16}"),
        status: Status::Firing,
        labels: labels(&[
            ("alertname", "HighCPU"),
            ("instance", instance),
            ("job", "calc"),
            ("severity", severity),
        ]),
        annotations: labels(&[("summary", "CPU over 80 %"), ("description", "load > 80 & rising")]),
        starts_at: at(0),
        ends_at: None,
        generator_url: "https://prometheus.example.com/graph?g0.expr=up".to_owned(),
        grafana: None,
        unlisted: false,
    }
}

fn ended(mut alert: Alert, minutes: i64) -> Alert {
    alert.status = Status::Resolved;
    alert.ends_at = Some(at(minutes));
    alert
}

fn group(alerts: Vec<Alert>) -> Notification {
    Notification {
        group: GroupId {
            source: Source::Alertmanager,
            receiver: "telegram".to_owned(),
            key: "{}:{}".to_owned(),
        },
        status: Status::Firing,
        reason: Reason::Unknown,
        alerts,
        group_labels: BTreeMap::new(),
        common_labels: BTreeMap::new(),
        common_annotations: BTreeMap::new(),
        external_url: String::new(),
        truncated_alerts: 0,
    }
}

fn scene(state: &Notification) -> Scene<'_> {
    Scene {
        buttons: &[],
        table: false,
        kind: Kind::Card,
        state,
        news: &[],
        merged: 1,
        forgotten: Forgotten::default(),
        accepted_at: at(12),
        now: at(12),
        note: None,
        template: "default",
        language: Language::EN,
        timezone: &UTC,
        tg_time: false,
    }
}

fn text(scene: &Scene<'_>) -> String {
    let rendered = Renderer::default().render(scene);
    assert_eq!(rendered.fell_back, None);
    rendered
        .parts
        .iter()
        .map(|part| markup::parse_html(&part.html).unwrap().text)
        .collect::<Vec<_>>()
        .join("\n----\n")
}
