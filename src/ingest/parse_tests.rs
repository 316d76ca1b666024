use serde_json::{Value, json};

use super::*;

/// Recorded from Alertmanager 0.25.
const V025_FIRING: &[u8] =
    include_bytes!("../../tests/data/webhooks/alertmanager-0.25-firing.json");
const V025_MIXED: &[u8] = include_bytes!("../../tests/data/webhooks/alertmanager-0.25-mixed.json");
/// The same with what 0.32 and 0.34 added.
const V032: &[u8] = include_bytes!("../../tests/data/webhooks/alertmanager-0.32.json");
const V034: &[u8] = include_bytes!("../../tests/data/webhooks/alertmanager-0.34.json");
const GRAFANA: &[u8] = include_bytes!("../../tests/data/webhooks/grafana.json");

fn now() -> Timestamp {
    "2026-11-23T20:00:00Z".parse().unwrap()
}

fn read(body: &[u8]) -> Notification {
    parse(body, now()).unwrap()
}

fn read_json(body: &Value) -> Notification {
    read(body.to_string().as_bytes())
}

fn refusal(body: impl AsRef<[u8]>) -> String {
    parse(body.as_ref(), now()).unwrap_err().to_string()
}

#[test]
fn a_body_of_alertmanager_0_25_is_read_whole() {
    let notification = read(V025_FIRING);
    assert_eq!(
        notification.group,
        GroupId {
            source: Source::Alertmanager,
            receiver: "web.hook".into(),
            key: "{}:{alertname=\"DiskFull\"}".into(),
        }
    );
    assert_eq!(notification.status, Status::Firing);
    assert_eq!(notification.reason, Reason::Unknown);
    assert_eq!(notification.external_url, "http://alertmanager.example:9093");
    assert_eq!(notification.common_labels, [("alertname".into(), "DiskFull".into())].into());
    let alert = &notification.alerts[0];
    assert_eq!(alert.labels["instance"], "db-1:9100");
    assert_eq!(alert.annotations["summary"], "<b>5%</b> left");
    assert_eq!(alert.starts_at, "2026-11-23T19:27:46Z".parse().unwrap());
    assert_eq!(alert.ends_at, None, "Go's zero time is no end");
    assert_eq!(alert.generator_url, "http://prometheus:9090/graph?g0.expr=x");
    assert_eq!(alert.grafana, None);
}

#[test]
fn each_alert_has_its_own_status_and_end() {
    let notification = read(V025_MIXED);
    assert_eq!(notification.status, Status::Firing);
    let [ended, fires] = &notification.alerts[..] else { panic!("two alerts") };
    assert_eq!(ended.status, Status::Resolved);
    assert_eq!(ended.ends_at, Some("2026-11-23T19:32:48Z".parse().unwrap()));
    assert_eq!((fires.status, fires.ends_at), (Status::Firing, None));
}

#[test]
fn the_reason_of_newer_alertmanagers_is_read_and_their_unknown_fields_are_skipped() {
    assert_eq!(read(V032).reason, Reason::SomeAlertsResolved);
    assert_eq!(read(V034).reason, Reason::RepeatIntervalElapsed);
    let odd = json!({"alerts": [{}], "notification_reason": "something new"});
    assert_eq!(read_json(&odd).reason, Reason::Unknown);
}

#[test]
fn a_body_of_grafana_keeps_what_only_grafana_sends() {
    let notification = read(GRAFANA);
    assert_eq!(notification.group.source, Source::Grafana);
    let extras = notification.alerts[0].grafana.as_deref().unwrap();
    assert!(extras.silence_url.starts_with("https://grafana.example/alerting/silence"));
    assert_eq!(extras.image_url, "https://grafana.example/image/1.png");
    assert!(extras.value_string.contains("44.239"));
    assert!(notification.alerts[1].annotations.is_empty(), "null annotations are none");
    assert_eq!(notification.alerts[0].starts_at, "2026-10-12T07:51:03.157076Z".parse().unwrap());
}

#[test]
fn grafana_is_known_by_its_version_or_its_organisation() {
    for (extra, source) in [
        (json!({"version": "1"}), Source::Grafana),
        (json!({"version": 1}), Source::Grafana),
        (json!({"orgId": 3}), Source::Grafana),
        (json!({"version": "4", "orgId": null}), Source::Alertmanager),
        (json!({}), Source::Alertmanager),
    ] {
        let mut body = json!({"alerts": [{}]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(read_json(&body).group.source, source, "{extra}");
    }
}

#[test]
fn a_missing_fingerprint_is_computed_as_alertmanager_would() {
    let mut body: Value = serde_json::from_slice(V025_FIRING).unwrap();
    for alert in body["alerts"].as_array_mut().unwrap() {
        alert.as_object_mut().unwrap().remove("fingerprint");
    }
    let computed = read_json(&body);
    let sent = read(V025_FIRING);
    for (computed, sent) in computed.alerts.iter().zip(&sent.alerts) {
        assert_eq!(computed.fingerprint, sent.fingerprint);
    }
}

#[test]
fn what_is_missing_is_derived_from_what_is_there() {
    let alert = |name: &str, ends: Option<&str>| json!({"labels": {"alertname": name, "team": "db"}, "endsAt": ends});
    let body = json!({"receiver": null, "alerts": [
        alert("A", None), alert("B", Some("2026-11-23T19:00:00Z")),
    ]});
    let notification = read_json(&body);
    assert_eq!(notification.status, Status::Firing);
    assert_eq!(notification.alerts[0].starts_at, Timestamp::UNIX_EPOCH, "the same each time");
    assert_eq!(notification.alerts[1].status, Status::Resolved);
    assert_eq!(notification.common_labels, [("team".into(), "db".into())].into());
    assert_eq!(notification.group.key, "{}:{team=\"db\"}");

    let ended = read_json(&json!({"alerts": [alert("B", Some("2026-11-23T19:00:00Z"))]}));
    assert_eq!(ended.status, Status::Resolved);

    let grouped = json!({"alerts": [alert("A", None)], "groupLabels": {"alertname": "A"}});
    assert_eq!(read_json(&grouped).group.key, "{}:{alertname=\"A\"}");
}

#[test]
fn a_firing_alert_has_no_end_and_a_resolved_one_always_has() {
    let later = json!({"alerts": [{"status": "firing", "endsAt": "2026-11-23T23:00:00Z"}]});
    assert_eq!(read_json(&later).alerts[0].ends_at, None);
    let ended = json!({"alerts": [{"status": "resolved"}]});
    assert_eq!(read_json(&ended).alerts[0].ends_at, Some(now()));
}

#[test]
fn labels_that_are_no_text_are_taken_as_text() {
    let labels = json!({"n": 5, "f": 0.5, "b": true, "none": null, "big": u64::MAX});
    let read = read_json(&json!({"alerts": [{"labels": labels}]}));
    let labels = &read.alerts[0].labels;
    assert_eq!(labels["n"], "5");
    assert_eq!(labels["f"], "0.5");
    assert_eq!(labels["b"], "true");
    assert_eq!(labels["big"], u64::MAX.to_string());
    assert!(!labels.contains_key("none"));
}

#[test]
fn of_alerts_with_one_fingerprint_the_last_wins() {
    let alert =
        |fingerprint: &str, status: &str| json!({"fingerprint": fingerprint, "status": status});
    let body = json!({"alerts": [
        alert("a", "firing"), alert("b", "firing"), alert("a", "resolved"),
    ]});
    let read = read_json(&body);
    let states: Vec<_> =
        read.alerts.iter().map(|alert| (alert.fingerprint.as_str(), alert.status)).collect();
    assert_eq!(states, [("b", Status::Firing), ("a", Status::Resolved)]);
}

#[test]
fn a_receiver_is_freed_from_gos_quoting() {
    for (sent, name) in [
        (r"web\.hook", "web.hook"),
        ("web.hook", "web.hook"),
        (r"a\+b\\c\(d\)", r"a+b\c(d)"),
        (r"team\-x", r"team\-x"),
        ("end\\", "end\\"),
    ] {
        let body = json!({"receiver": sent, "alerts": [{}]});
        assert_eq!(read_json(&body).group.receiver, name);
    }
}

#[test]
fn broken_json_is_refused_with_its_line_and_column() {
    let fault = refusal("{\n  \"alerts\": [}\n");
    assert!(fault.contains("line 2 column 14"), "{fault}");
    let fault = refusal(r#"{"alerts": [{"status": "on fire"}]}"#);
    assert!(fault.contains("on fire") && fault.contains("line 1 column"), "{fault}");
    assert!(refusal("").contains("line 1 column 0"));
    assert!(refusal(r#"{"alerts": [{}]} trailing"#).contains("trailing"));
}

#[test]
fn what_is_no_webhook_is_refused_with_the_way_to_send_one() {
    for body in [r"{}", r#"{"alerts": null}"#, r#"{"a": {"b": 1}}"#] {
        let fault = refusal(body);
        assert!(fault.contains("webhook_configs"), "{fault}");
    }
    let fault = refusal(r#" [{"labels": {"alertname": "A"}}]"#);
    assert!(fault.contains("Prometheus itself"), "{fault}");
    assert!(refusal(r#"{"alerts": []}"#).contains("empty"));
}

#[test]
fn more_alerts_than_memory_is_meant_for_are_refused_with_the_remedy() {
    let body = |count: usize| format!(r#"{{"alerts": [{}]}}"#, vec!["{}"; count].join(","));
    read(body(wire::MOST_ALERTS).as_bytes());
    for count in [wire::MOST_ALERTS + 1, 2_000_000] {
        let fault = refusal(body(count));
        assert!(fault.contains("more than 50000 alerts; lower max_alerts"), "{fault}");
    }
}

#[test]
fn a_broken_time_is_refused_with_its_field() {
    let fault = refusal(r#"{"alerts": [{}, {"startsAt": "yesterday"}]}"#);
    assert!(fault.starts_with("alerts[1].startsAt: \"yesterday\" is not a time"), "{fault}");
    let fault = refusal(r#"{"alerts": [{"endsAt": "2026-13-01T00:00:00Z"}]}"#);
    assert!(fault.starts_with("alerts[0].endsAt"), "{fault}");
}

#[test]
fn no_group_is_lost_to_a_time_that_is_odd_and_says_nothing() {
    let starts =
        |text: &str| read_json(&json!({"alerts": [{"startsAt": text}]})).alerts[0].starts_at;
    assert_eq!(starts("9999-12-31T23:59:59Z"), Timestamp::MAX);
    assert_eq!(
        starts("2026-11-23T19:00:00.12345678901+02:00"),
        "2026-11-23T17:00:00.123456789Z".parse().unwrap()
    );
    let fires = json!({"alerts": [{"status": "firing", "endsAt": "never"}]});
    assert_eq!(read_json(&fires).alerts[0].ends_at, None);
    let fault = refusal(r#"{"alerts": [{"startsAt": "9999-12-31"}]}"#);
    assert!(fault.starts_with("alerts[0].startsAt"), "{fault}");
}

#[test]
fn deep_nesting_is_refused_where_it_is_read_and_harmless_where_it_is_skipped() {
    let deep = |open: &str, close: &str| open.repeat(200_000) + &close.repeat(200_000);
    refusal(deep("[", "]"));
    refusal(deep(r#"{"alerts":"#, "}"));
    refusal(format!(r#"{{"alerts": [{{"labels": {{"a": {}}}}}]}}"#, deep("[", "]")));
    read(format!(r#"{{"alerts": [{{}}], "unknown": {}}}"#, deep("[", "]")).as_bytes());
}

#[test]
fn what_does_not_fit_is_told_in_plain_words() {
    for (body, words) in [
        ("5", "expected an object, as a webhook's body is one"),
        (r#"{"alerts": [5]}"#, "expected an object, as an alert is one"),
        (r#"{"alerts": 5}"#, "expected an array of alerts"),
        (r#"{"alerts": [], "truncatedAlerts": "many"}"#, "expected a number from 0 on"),
        (r#"{"alerts": [], "truncatedAlerts": -1}"#, "expected a number from 0 on"),
        (r#"{"alerts": [], "receiver": 5}"#, "expected a string"),
        (r#"{"alerts": [], "status": "burning"}"#, r#"expected "firing" or "resolved""#),
        (r#"{"alerts": [{"status": 5}]}"#, r#"expected "firing" or "resolved""#),
    ] {
        let told = refusal(body);
        assert!(told.contains(words) && told.contains("line 1 column"), "{body}: {told}");
        assert!(!told.contains("struct") && !told.contains("u64"), "{body}: {told}");
    }
    let nulls = json!({"alerts": [{"status": null}], "status": null, "truncatedAlerts": null});
    assert_eq!(read_json(&nulls).truncated_alerts, 0);
}

#[test]
fn a_byte_that_is_no_utf_8_is_named_by_line_and_column() {
    for (body, place) in [
        (&b"\xff"[..], "line 1 column 1"),
        (b"{\n\"a\":\n  \xff}", "line 3 column 3"),
        (b"{\n\xff", "line 2 column 1"),
    ] {
        let told = refusal(body);
        assert!(told.ends_with(place), "{told}");
    }
}
