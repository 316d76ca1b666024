//! Buttons under messages: shown, kept by edits, chosen by configuration, and never the reason
//! why an alert is not read.

use nabat::alert::Forgotten;
use nabat::lifecycle::Tasks;
use nabat::rendering::{ButtonKind, Kind, Language, Renderer, Scene};
use nabat::sandbox::{
    ButtonAction, ChatKind, Fault, Limits, Sandbox, SandboxOptions, Shown, Trouble,
};
use nabat::telegram::{Answer, Client, ClientOptions, Method};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::install_crypto;
use crate::support::notifications::{any_notification, now};
use crate::support::stage::{BOSS, CHATS, OPS, Stage, configuration, sandbox, webhook};

/// A webhook with something for every button.
fn complete(alerts: &[&str]) -> Value {
    let mut body = webhook("DiskFull", alerts);
    body["externalURL"] = json!("https://alerts.example.org");
    for alert in body["alerts"].as_array_mut().unwrap() {
        alert["generatorURL"] = json!("https://prometheus.example.org/graph?g0.expr=up");
        alert["annotations"]["runbook_url"] = json!("https://wiki.example.org/disk");
        alert["annotations"]["dashboard"] = json!("https://grafana.example.org/d/disk");
        alert["annotations"]["action"] = json!("df -h /var");
    }
    body
}

/// What stands on a message's buttons, row by row.
fn labels(shown: &Shown) -> Vec<Vec<&str>> {
    shown
        .buttons
        .iter()
        .map(|row| row.iter().map(|button| button.text.as_str()).collect())
        .collect()
}

#[tokio::test]
async fn a_card_has_buttons_that_edits_keep_and_the_end_thins_out() {
    let stage = Stage::open("").await;
    stage.post("ops", &complete(&["db1"])).await;
    let card = stage.shows_text(OPS, "DiskFull").await.remove(0);
    let all =
        vec![vec!["📖 Runbook", "📊 Dashboard", "📈 Graph"], vec!["🔕 Silence", "📋 Copy command"]];
    assert_eq!(labels(&card), all);
    assert_eq!(card.buttons[1][1].action, ButtonAction::CopyText { text: "df -h /var".into() });
    let ButtonAction::Url(silence) = &card.buttons[1][0].action else { panic!() };
    assert_eq!(
        silence,
        "https://alerts.example.org/#/silences/new?filter=%7Balertname%3D%22DiskFull%22%7D"
    );

    stage.post("ops", &complete(&["db1", "db2"])).await;
    let shown = stage.shows(OPS, |shown| shown.len() == 2 && shown[0].edits == 1).await;
    assert_eq!((labels(&shown[0]), labels(&shown[1])), (all.clone(), all));

    stage.post("ops", &complete(&["-db1", "-db2"])).await;
    let shown = stage.shows(OPS, |shown| shown.len() == 3 && shown[0].edits == 2).await;
    assert_eq!(labels(&shown[0]), [["📊 Dashboard", "📈 Graph"]]);
    assert_eq!(labels(&shown[2]), Vec::<Vec<&str>>::new());
}

#[tokio::test]
async fn buttons_that_telegram_refuses_cost_nobody_the_alert() {
    let stage = Stage::open("").await;
    let refusal = Trouble::refusal(400, "Bad Request: BUTTON_URL_INVALID");
    stage.sandbox.inject(Fault::new(refusal).method("sendMessage"));
    stage.post("ops", &complete(&["db1"])).await;
    let card = stage.shows_text(OPS, "DiskFull").await.remove(0);
    assert_eq!(labels(&card), Vec::<Vec<&str>>::new());
    assert!(card.source.contains("https://wiki.example.org/disk"), "{}", card.source);
    assert!(!card.entities.is_empty(), "it keeps its formatting");
    assert_eq!(stage.metric("button_fallbacks_total").await, 1);
    assert_eq!(stage.metric("plain_fallbacks_total").await, 0);
}

#[tokio::test]
async fn the_routes_buttons_go_before_the_chats_also_after_a_restart() {
    let sandbox = sandbox(Limits::Real);
    let chats = "  ops: {id: -1001234567890, buttons: [graph, runbook]}\n\
                 \x20 boss: {id: 1000042, buttons: []}";
    let text = configuration(
        &sandbox,
        chats,
        "  routes: [{matchers: ['alertname=\"DiskFull\"'], buttons: [copy], chats: [ops]}]",
    );
    let mut stage = Stage::with(sandbox, text).await;
    // What waits over a restart keeps what its route said.
    stage
        .sandbox
        .inject(Fault::new(Trouble::internal_server_error()).method("sendMessage").always());
    stage.post("ops", &complete(&["db1"])).await;
    assert_eq!(stage.stop().await, Some(0));
    stage.sandbox.clear_faults();
    stage.restart().await;
    let card = stage.shows_text(OPS, "DiskFull").await.remove(0);
    assert_eq!(labels(&card), [["📋 Copy command"]]);

    let mut other = complete(&["sw1"]);
    other["groupLabels"] = json!({"alertname": "NetDown"});
    other["groupKey"] = json!("{}:{alertname=\"NetDown\"}");
    other["alerts"][0]["labels"]["alertname"] = json!("NetDown");
    stage.post("ops", &other).await;
    let shown = stage.shows_text(OPS, "NetDown").await;
    assert_eq!(labels(shown.last().unwrap()), [["📈 Graph", "📖 Runbook"]]);
    stage.post("boss", &other).await;
    let shown = stage.shows_text(BOSS, "NetDown").await.remove(0);
    assert_eq!(labels(&shown), Vec::<Vec<&str>>::new());
}

#[tokio::test]
async fn a_button_that_does_not_exist_is_a_fault_with_the_nearest_name() {
    let sandbox = sandbox(Limits::Real);
    let chats = CHATS.replace("}\n", ", buttons: [runbok]}\n");
    let text = configuration(&sandbox, &chats, "");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("nabat.yml"), text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_nabat"))
        .args(["check", "--config.file=nabat.yml"])
        .env("TEST_BOT_TOKEN", sandbox.token())
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("chats.ops.buttons[0]") && said.contains("runbook"), "{said}");
}

#[tokio::test]
async fn no_notification_makes_a_keyboard_that_telegram_refuses() {
    install_crypto();
    let options = SandboxOptions { limits: Limits::None, ..SandboxOptions::default() };
    let tasks = Tasks::default();
    let sandbox = Sandbox::start(options, &tasks).unwrap();
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: false }, "ops");
    let client = Client::new(&ClientOptions::new(sandbox.url().parse().unwrap(), None)).unwrap();
    let token = secrecy::SecretString::from(sandbox.token().to_owned());
    let renderer = Renderer::default();
    let mut runner = TestRunner::default();
    let mut with_buttons = 0;
    for _ in 0..512 {
        let state = any_notification().new_tree(&mut runner).unwrap().current();
        let message = renderer.render(&Scene {
            kind: Kind::Card,
            state: &state,
            news: &[],
            merged: 1,
            forgotten: Forgotten::default(),
            accepted_at: now(),
            now: now(),
            note: None,
            template: "default",
            language: Language::from_code("ru").unwrap(),
            timezone: &jiff::tz::TimeZone::UTC,
            tg_time: false,
            buttons: &ButtonKind::ALL,
            table: false,
        });
        if message.buttons.is_empty() {
            continue;
        }
        with_buttons += 1;
        assert!(message.buttons.len() <= 2);
        let method = Method::Send {
            chat: OPS,
            topic: None,
            text: "x".into(),
            html: false,
            silent: true,
            reply_to: None,
            buttons: message.buttons,
        };
        let answer = client.call(&token, &method).await;
        assert!(matches!(answer, Answer::Done(_)), "{answer:?} to {}", method.payload());
    }
    assert!(with_buttons > 50, "{with_buttons} of 512 had buttons");
    tasks.stop();
}
