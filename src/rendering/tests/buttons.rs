//! Which buttons a message has.

use super::*;
use crate::alert::GrafanaExtras;
use crate::telegram::{Button, ButtonAction};

fn keyboard(scene: &Scene<'_>) -> Vec<Vec<Button>> {
    Renderer::default().render(&Scene { buttons: &ButtonKind::ALL, ..scene.clone() }).buttons
}

/// Labels, and what is behind them.
fn said(keyboard: &[Vec<Button>]) -> Vec<(&str, &str)> {
    let buttons = keyboard.iter().flatten();
    buttons
        .map(|button| match button.action() {
            ButtonAction::Url(url) => (button.text(), url.as_str()),
            ButtonAction::Copy(text) => (button.text(), text.as_str()),
        })
        .collect()
}

fn annotated(instance: &str, annotations: &[(&str, &str)]) -> Alert {
    let mut alert = alert(instance, "critical");
    alert.annotations.extend(labels(annotations));
    alert
}

#[test]
fn a_group_has_the_buttons_that_its_alerts_share_in_two_rows() {
    let about = [
        ("runbook_url", "https://wiki.example.com/cpu"),
        ("dashboard", "https://grafana.example.com/d/1"),
        ("action", "systemctl restart calc"),
    ];
    let mut state = group(vec![annotated("db-1", &about), annotated("db-2", &about)]);
    state.external_url = "https://alerts.example.com/am/".to_owned();
    state.group_labels = labels(&[("cluster", "eu \"1\""), ("dotted.name", "a+b")]);
    let keyboard = keyboard(&scene(&state));
    assert_eq!(
        said(&keyboard),
        [
            ("📖 Runbook", "https://wiki.example.com/cpu"),
            ("📊 Dashboard", "https://grafana.example.com/d/1"),
            ("📈 Graph", "https://prometheus.example.com/graph?g0.expr=up"),
            (
                "🔕 Silence",
                "https://alerts.example.com/am/#/silences/new?filter=%7Balertname%3D%22HighCPU%22\
                 %2Ccluster%3D%22eu%20%5C%221%5C%22%22%2C%22dotted.name%22%3D%22a%2Bb%22%7D"
            ),
            ("📋 Copy command", "systemctl restart calc"),
        ]
    );
    assert_eq!(keyboard.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn what_alerts_do_not_share_is_a_link_of_each_and_no_button() {
    let page = |name: &str| format!("https://wiki.example.com/{name}");
    let state = group(
        ["db-1", "db-2"].map(|name| annotated(name, &[("runbook_url", &page(name))])).to_vec(),
    );
    let scene = scene(&state);
    assert_eq!(
        said(&keyboard(&scene)).iter().map(|(text, _)| *text).collect::<Vec<_>>(),
        ["📈 Graph"]
    );
    let html = &Renderer::default().render(&scene).parts[0].html;
    assert!(html.contains(&page("db-1")) && html.contains(&page("db-2")), "{html}");
}

#[test]
fn a_link_that_has_a_button_is_not_in_the_text_as_well() {
    let state = group(vec![annotated("db-1", &[("runbook", "https://wiki.example.com/cpu")])]);
    let html = |buttons| {
        let scene = Scene { buttons, ..scene(&state) };
        Renderer::default().render(&scene).parts.remove(0).html
    };
    for link in ["https://wiki.example.com/cpu", "https://prometheus.example.com/graph"] {
        assert!(html(&[]).contains(link), "{}", html(&[]));
        assert!(!html(&ButtonKind::ALL).contains(link), "{}", html(&ButtonKind::ALL));
    }
    assert!(html(&[ButtonKind::Graph]).contains("https://wiki.example.com/cpu"));
}

#[test]
fn only_what_telegram_opens_has_a_button() {
    let mut hostile = annotated(
        "db-1",
        &[
            ("runbook_url", "javascript:alert(1)"),
            ("runbook", "see the wiki"),
            ("dashboard", "http://grafana:3000/d/1"),
            ("command", "rm -rf /tmp/x\u{202e}gpj"),
        ],
    );
    hostile.generator_url = "http://localhost:9090/graph".to_owned();
    let mut state = group(vec![hostile]);
    state.external_url = "http://alertmanager:9093".to_owned();
    state.group_labels = labels(&[("alertname", "HighCPU")]);
    assert_eq!(said(&keyboard(&scene(&state))), []);
}

#[test]
fn when_the_group_ended_one_may_still_look_how_it_went() {
    let about = [("runbook_url", "https://wiki.example.com/cpu"), ("command", "true")];
    let state = group(vec![ended(annotated("db-1", &about), 5)]);
    assert_eq!(said(&keyboard(&scene(&state))).len(), 1);
    assert_eq!(keyboard(&Scene { kind: Kind::Ended, ..scene(&state) }), Vec::<Vec<Button>>::new());
}

#[test]
fn grafanas_own_links_go_first_and_labels_speak_the_chats_language() {
    let mut alert = alert("db-1", "critical");
    alert.grafana = Some(Box::new(GrafanaExtras {
        silence_url: "https://grafana.example.com/alerting/silence/new".to_owned(),
        dashboard_url: "https://grafana.example.com/d/1".to_owned(),
        panel_url: "https://grafana.example.com/d/1?viewPanel=2".to_owned(),
        ..GrafanaExtras::default()
    }));
    let mut state = group(vec![alert]);
    state.group.source = Source::Grafana;
    let scene = Scene { language: Language::Ru, ..scene(&state) };
    assert_eq!(
        said(&keyboard(&scene)),
        [
            ("📊 Панель", "https://grafana.example.com/d/1?viewPanel=2"),
            ("📈 График", "https://prometheus.example.com/graph?g0.expr=up"),
            ("🔕 Заглушить", "https://grafana.example.com/alerting/silence/new"),
        ]
    );
}
