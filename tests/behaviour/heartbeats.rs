//! The dead man's switch: what must keep coming is not shown, its silence is.

use nabat::sandbox::{Limits, Shown};
use serde_json::{Value, json};

use crate::support::alertmanager::Alertmanager;
use crate::support::eventually;
use crate::support::house::{House, Setup};
use crate::support::nabat::{Nabat, client};
use crate::support::stage::{BOSS, CHATS, OPS, Stage, a_moment, configuration, sandbox, webhook};
use crate::support::tiny::{Tiny, response};

/// An interval long enough for a busy machine, short enough for a test.
const WATCHDOG: &str =
    "heartbeats: {watchdog: {matchers: ['alertname=\"Watchdog\"'], interval: 6s}}";
/// One that ends in no test.
const PATIENT: &str = "heartbeats: {watchdog: {matchers: [alertname=Watchdog], interval: 1h}}";
/// One that ends at once when nothing comes.
const BRIEF: &str = "heartbeats: {watchdog: {matchers: [alertname=Watchdog], interval: 500ms}}";

fn beat() -> Value {
    webhook("Watchdog", &["none"])
}

fn tells_of_silence(shown: &[Shown]) -> bool {
    shown.iter().any(|shown| {
        shown.text.contains("the heartbeat watchdog has stopped") && !shown.text.starts_with('✅')
    })
}

fn tells_of_the_return(shown: &[Shown]) -> bool {
    shown.iter().any(|shown| shown.text.contains("watchdog") && shown.text.starts_with('✅'))
}

#[tokio::test]
async fn the_silence_of_a_real_alertmanager_is_told_and_its_return_and_nothing_else() {
    let mut stage = Stage::open(PATIENT).await;
    let timing = "group_wait: 100ms\n  group_interval: 500ms\n  repeat_interval: 500ms";
    let webhook = format!("{}/alertmanager", stage.nabat.url);
    let watchdog = json!({"alertname": "Watchdog", "severity": "none"});
    let mut alertmanager = Alertmanager::start(&webhook, timing).await;
    alertmanager.alert(&watchdog, "always fires", None).await;
    let beats = "heartbeats_received_total{heartbeat=\"watchdog\"}";
    eventually("it is heard again and again", async || stage.metric(beats).await >= 3).await;
    assert_eq!(stage.sandbox.messages(OPS), [], "nobody needs to read that it is alive");

    alertmanager.process.kill();
    let sooner = configuration(&stage.sandbox, CHATS, WATCHDOG);
    stage.rewrite(sooner);
    stage.nabat.process.signal("HUP");
    stage.shows(OPS, tells_of_silence).await;
    let missing = "heartbeat_missing{heartbeat=\"watchdog\"}";
    eventually("it is missing", async || stage.metric(missing).await == 1).await;

    let alertmanager = Alertmanager::start(&webhook, timing).await;
    alertmanager.alert(&watchdog, "always fires", None).await;
    let shown = stage.shows(OPS, tells_of_the_return).await;
    eventually("it is missing no more", async || stage.metric(missing).await == 0).await;
    assert!(shown.iter().all(|shown| !shown.text.contains("always fires")));
}

#[tokio::test]
async fn a_restart_neither_forgets_a_silence_nor_tells_it_twice() {
    let mut stage = Stage::open(BRIEF).await;
    stage.shows(OPS, tells_of_silence).await;
    stage.drained().await;
    stage.nabat.process.kill();
    stage.restart().await;
    assert_eq!(stage.metric("heartbeat_missing{heartbeat=\"watchdog\"}").await, 1);
    // Two intervals and more, in which it could be told again.
    a_moment(1500).await;
    assert_eq!(stage.sandbox.count_messages(OPS), 1);
    stage.post("ops", &beat()).await;
    stage.shows(OPS, tells_of_the_return).await;
}

#[tokio::test]
async fn time_in_which_nabat_itself_stood_still_is_no_silence() {
    let stage = Stage::open(WATCHDOG).await;
    stage.post("ops", &beat()).await;
    stage.nabat.process.signal("STOP");
    a_moment(7500).await;
    stage.nabat.process.signal("CONT");
    stage.post("ops", &beat()).await;
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows_text(OPS, "DiskFull").await;
    stage.drained().await;
    let (_, status) = stage.nabat.get("/api/v1/status").await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["heartbeats"][0]["heartbeat"], "watchdog");
    assert_eq!(status["heartbeats"][0]["missing_since"], Value::Null);
    assert_eq!(stage.sandbox.count_messages(OPS), 1, "neither a silence nor its end is told");
    // It is still listened for.
    stage.shows(OPS, tells_of_silence).await;
}

#[tokio::test]
async fn other_alerts_of_its_group_are_shown_without_the_heartbeat() {
    let stage = Stage::open(PATIENT).await;
    let mut body = webhook("Watchdog", &["none"]);
    let other = webhook("DiskFull", &["db1"])["alerts"][0].clone();
    body["alerts"].as_array_mut().unwrap().push(other);
    body["groupLabels"] = json!({});
    stage.post("ops", &body).await;
    let shown = stage.shows_text(OPS, "DiskFull").await;
    assert!(!shown[0].text.contains("Watchdog"), "{}", shown[0].text);
    assert_eq!(stage.metric("heartbeats_received_total{heartbeat=\"watchdog\"}").await, 1);
    // The other one ends while the heartbeat goes on.
    body["alerts"][1]["status"] = "resolved".into();
    body["alerts"][1]["endsAt"] = "2026-01-31T12:05:00Z".into();
    stage.post("ops", &body).await;
    stage.shows(OPS, |shown| shown[0].text.starts_with('✅')).await;
}

#[tokio::test]
async fn what_the_sender_left_out_beside_the_heartbeat_is_not_hidden_with_it() {
    let stage = Stage::open(WATCHDOG).await;
    let mut body = beat();
    body["truncatedAlerts"] = 50.into();
    stage.post("ops", &body).await;
    stage.shows_text(OPS, "50").await;
    assert_eq!(stage.metric("heartbeats_received_total{heartbeat=\"watchdog\"}").await, 1);
}

#[tokio::test]
async fn an_end_is_no_beat() {
    let stage = Stage::open(BRIEF).await;
    stage.shows(OPS, tells_of_silence).await;
    stage.post("ops", &webhook("Watchdog", &["-none"])).await;
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows_text(OPS, "DiskFull").await;
    assert!(!tells_of_the_return(&stage.sandbox.messages(OPS)));
    assert_eq!(stage.sandbox.count_messages(OPS), 2);
}

#[tokio::test]
async fn the_silence_goes_to_its_own_chats_in_their_language() {
    let chats = "  ops: {id: -1001234567890}\n  boss: {id: 1000042, language: ru}";
    let more =
        "heartbeats: {watchdog: {matchers: [alertname=Watchdog], interval: 500ms, chats: [boss]}}";
    let sandbox = sandbox(Limits::Real);
    let text = configuration(&sandbox, chats, more);
    let stage = Stage::with(sandbox, text).await;
    stage.shows_text(BOSS, "сигнал жизни watchdog пропал").await;
    assert_eq!(stage.sandbox.count_messages(OPS), 0);
}

#[tokio::test]
async fn a_chat_that_is_to_hear_of_a_silence_from_a_restart_on_is_told_and_no_return_is_made_up() {
    let mut stage = Stage::open(BRIEF).await;
    stage.shows(OPS, tells_of_silence).await;
    stage.drained().await;
    stage.stop().await;
    let both = BRIEF.replace("interval: 500ms", "interval: 500ms, chats: [ops, boss]");
    let text = configuration(&stage.sandbox, CHATS, &both);
    stage.rewrite(text);
    stage.restart().await;
    stage.shows(BOSS, tells_of_silence).await;
    stage.drained().await;
    // Several looks, in which it could be taken for heard.
    a_moment(1000).await;
    for chat in [OPS, BOSS] {
        assert_eq!(stage.sandbox.count_messages(chat), 1, "told once, and nothing else");
    }
    stage.post("ops", &beat()).await;
    stage.shows(OPS, tells_of_the_return).await;
    stage.shows(BOSS, tells_of_the_return).await;
}

#[tokio::test]
async fn a_silent_heartbeat_that_is_configured_no_more_ends() {
    let mut stage = Stage::open(BRIEF).await;
    stage.shows(OPS, tells_of_silence).await;
    let without = configuration(&stage.sandbox, CHATS, "");
    stage.rewrite(without);
    stage.nabat.process.signal("HUP");
    stage.shows(OPS, tells_of_the_return).await;
    let (_, page) = stage.nabat.get("/metrics").await;
    assert!(!page.contains("heartbeat=\"watchdog\""), "its series would fire alerts for ever");
}

/// A monitor that answers `status`, and a nabat that calls it at a secret address.
async fn with_monitor(status: &'static str) -> (Tiny, Stage) {
    let monitor = Tiny::start(move |_| response(status, "", "")).await;
    let sandbox = sandbox(Limits::Real);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("monitor");
    std::fs::write(&file, format!("http://{}/ping/the-secret-key\n", monitor.address)).unwrap();
    let more = format!(
        "heartbeats: {{watchdog: {{matchers: [alertname=Watchdog], url: {{file: {}}}}}}}",
        file.display()
    );
    let text = configuration(&sandbox, CHATS, &more);
    let nabat = Nabat::start(directory.path(), &text, &sandbox).await;
    (monitor, Stage::around(sandbox, nabat, directory))
}

#[tokio::test]
async fn a_monitor_at_a_secret_address_is_called_with_a_beat() {
    let (monitor, stage) = with_monitor("200 OK").await;
    // The first beats may come before its address is read.
    let called = async || {
        stage.post("ops", &beat()).await;
        !monitor.asked().is_empty()
    };
    eventually("the monitor is called", called).await;
    assert!(monitor.asked()[0].starts_with("GET /ping/the-secret-key HTTP/1.1"));
    let ok = "heartbeat_pushes_total{heartbeat=\"watchdog\",outcome=\"ok\"}";
    eventually("it is counted", async || stage.metric(ok).await >= 1).await;
}

#[tokio::test]
async fn a_monitor_that_fails_is_counted_and_its_address_stays_secret() {
    let (_monitor, stage) = with_monitor("500 Internal Server Error").await;
    let failed = "heartbeat_pushes_total{heartbeat=\"watchdog\",outcome=\"failed\"}";
    let counted = async || {
        stage.post("ops", &beat()).await;
        stage.metric(failed).await >= 1
    };
    eventually("it is counted", counted).await;
    stage.says(&["the monitor could not be called"]).await;
    let output = stage.nabat.process.output();
    assert!(!output.contains("the-secret-key"), "{output}");
}

#[tokio::test]
async fn a_heartbeat_is_refused_like_an_alert_when_nothing_can_be_stored() {
    let house = House::open(Setup::default()).await;
    house.listen_for("watchdog", "alertname=Watchdog");
    let (code, _) = house.webhook("/alertmanager", beat().to_string()).await;
    assert_eq!(code, 200);
    house.intake.outbox.close().await;
    let (code, _) = house.webhook("/alertmanager", beat().to_string()).await;
    assert_eq!(code, 503, "or an outside monitor would believe that alerts are safe here");
}

#[tokio::test]
async fn a_heartbeat_for_an_unknown_chat_is_404() {
    let stage = Stage::open(WATCHDOG).await;
    let url = format!("{}/alertmanager/opps", stage.nabat.url);
    let answer = client().post(url).json(&beat()).send().await.unwrap();
    assert_eq!(answer.status(), 404);
}
