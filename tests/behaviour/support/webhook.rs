//! Webhook bodies as Alertmanager writes them.

use serde_json::{Value, json};

/// One firing alert that is a group of its own.
pub fn firing(name: &str) -> Value {
    let labels = json!({"alertname": name, "severity": "warning", "instance": "db1"});
    json!({
        "version": "4",
        "receiver": "telegram",
        "groupKey": format!("{{}}:{{alertname=\"{name}\"}}"),
        "status": "firing",
        "groupLabels": {"alertname": name},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.org:9093",
        "truncatedAlerts": 0,
        "alerts": [{
            "status": "firing",
            "labels": labels,
            "annotations": {"summary": format!("{name} on db1")},
            "startsAt": "2026-11-03T10:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.org:9090/graph",
        }],
    })
}
