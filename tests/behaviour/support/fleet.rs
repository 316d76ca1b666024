//! Groups of alerts as a real installation has them, of any size and always the same.

use jiff::{SignedDuration, Timestamp};
use nabat::alert::{Alert, GroupId, Labels, Notification, Reason, Source, Status};

/// When they are looked at: three at night in Almaty.
pub fn now() -> Timestamp {
    "2026-11-03T22:04:00Z".parse().expect("a time")
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// `size` database servers whose disks fill, every twelfth of them critical; one that is alone
/// explains itself at length.
pub fn fleet(size: usize) -> Notification {
    let alone = "The disk of the primary grows by 1.4 GB an hour since the nightly import began. \
                 At 0 bytes PostgreSQL stops accepting writes, and with it the shop.\n\
                 1. Free the journal.\n2. Drop the oldest partitions of raw_events.\n\
                 3. If neither helps, extend the volume.";
    let alert = |number: usize| {
        let instance = format!("db-{}", number + 1);
        let left = 9 - number % 7;
        let description = if size == 1 {
            alone.to_owned()
        } else {
            format!("/var/lib/postgresql has {left} % left")
        };
        Alert {
            fingerprint: format!("{number:016x}"),
            status: Status::Firing,
            labels: labels(&[
                ("alertname", "DiskWillFillSoon"),
                ("dc", if number % 3 == 1 { "ams" } else { "fra" }),
                ("instance", &instance),
                ("job", "node"),
                ("severity", if number.is_multiple_of(12) { "critical" } else { "warning" }),
                ("team", "storage"),
            ]),
            annotations: labels(&[
                ("summary", "Disk full within 4 hours"),
                ("description", &description),
                ("action", "journalctl --vacuum-size=1G && du -sh /var/* | sort -h"),
                ("runbook_url", "https://runbooks.example.org/disk-will-fill"),
            ]),
            starts_at: now()
                - SignedDuration::from_mins(12 - 3 * i64::try_from(number % 4).unwrap_or(0)),
            ends_at: None,
            generator_url: "https://prometheus.example.org/graph?g0.expr=disk".to_owned(),
            grafana: None,
            unlisted: false,
        }
    };
    let common = [("alertname", "DiskWillFillSoon"), ("job", "node"), ("team", "storage")];
    Notification {
        group: GroupId {
            source: Source::Alertmanager,
            receiver: "telegram".to_owned(),
            key: "{}:{alertname=\"DiskWillFillSoon\"}".to_owned(),
        },
        status: Status::Firing,
        reason: Reason::Unknown,
        alerts: (0..size).map(alert).collect(),
        group_labels: labels(&common[..1]),
        common_labels: labels(&common),
        common_annotations: Labels::new(),
        external_url: "https://alertmanager.example.org".to_owned(),
        truncated_alerts: 0,
    }
}

/// The same, with every third one over (of one alert none).
pub fn mixed(size: usize) -> Notification {
    let mut state = fleet(size);
    state.alerts.iter_mut().skip(2).step_by(3).for_each(end);
    state
}

/// The same, all over.
pub fn ended(size: usize) -> Notification {
    let mut state = fleet(size);
    state.alerts.iter_mut().for_each(end);
    state.status = Status::Resolved;
    state
}

fn end(alert: &mut Alert) {
    alert.status = Status::Resolved;
    alert.ends_at = Some(now() - SignedDuration::from_mins(1));
}
