mod buttons;
mod documented;
mod names;
mod user;

use std::collections::BTreeMap;

use super::*;
use crate::alert::{Alert, GroupId, Labels, Reason, Source, Status};
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
        kind: Kind::Card,
        state,
        news: &[],
        merged: 1,
        accepted_at: at(12),
        now: at(12),
        note: None,
        template: "default",
        language: Language::En,
        timezone: &UTC,
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

#[test]
fn a_card_says_first_how_it_stands_and_what_it_is_about() {
    let state = group(vec![alert("db-1", "critical"), ended(alert("db-2", "critical"), 5)]);
    assert_eq!(
        text(&scene(&state)),
        "🔴 FIRING 1, resolved 1 · HighCPU — CPU over 80 %\n\
         job=calc\n\
         load > 80 & rising\n\
         graph\n\
         \n\
         🔴 instance=db-1 · since 09:00 UTC, 12 min\n\
         \n\
         Resolved\n\
         ✅ instance=db-2 · 09:00 UTC–09:05 UTC, 5 min"
    );
}

#[test]
fn a_card_speaks_the_chats_language_and_tells_its_time() {
    let mut state = group(vec![alert("db-1", "warning"), alert("db-2", "warning")]);
    let almaty = TimeZone::get("Asia/Almaty").unwrap();
    assert_eq!(
        text(&Scene { language: Language::Ru, timezone: &almaty, ..scene(&state) }),
        "🟡 ГОРИТ 2 · HighCPU — CPU over 80 %\njob=calc\nload > 80 & rising\nграфик\n\n\
         🟡 instance=db-1 · с 14:00, 12 мин\n🟡 instance=db-2 · с 14:00, 12 мин"
    );
    state.alerts = state.alerts.into_iter().map(|alert| ended(alert, 3)).collect();
    let said = text(&Scene { language: Language::Ru, timezone: &almaty, ..scene(&state) });
    assert!(said.starts_with("✅ РЕШЕНО 2 · HighCPU"), "{said}");
}

#[test]
fn every_kind_says_what_it_is_for_in_both_languages() {
    let firing = group(vec![alert("a", "critical"), alert("b", "critical")]);
    let over = group(vec![ended(alert("a", "critical"), 60)]);
    for (kind, state, en, ru) in [
        (Kind::Card, &firing, "🔴 FIRING 2 · HighCPU", "🔴 ГОРИТ 2 · HighCPU"),
        (Kind::News, &firing, "🔴 NEW 1 · HighCPU", "🔴 НОВОЕ 1 · HighCPU"),
        (Kind::Ended, &over, "✅ RESOLVED 1 · HighCPU", "✅ РЕШЕНО 1 · HighCPU"),
        (
            Kind::Reminder,
            &firing,
            "🔁 🔴 STILL FIRING 2 · HighCPU",
            "🔁 🔴 ВСЁ ЕЩЁ ГОРИТ 2 · HighCPU",
        ),
    ] {
        for (language, start) in [(Language::En, en), (Language::Ru, ru)] {
            let said = text(&Scene { kind, language, news: &[1], ..scene(state) });
            assert!(said.starts_with(start), "{said}");
        }
    }
}

#[test]
fn news_name_only_what_is_new() {
    let state = group(vec![alert("old", "critical"), alert("new", "critical")]);
    let said = text(&Scene { kind: Kind::News, news: &[1], ..scene(&state) });
    assert!(said.contains("instance=new") && !said.contains("instance=old"), "{said}");
    assert!(said.ends_with("Firing in all: 2"), "{said}");
}

#[test]
fn what_people_must_know_about_the_message_stands_below_the_first_line() {
    let mut state = group(vec![alert("a", "info")]);
    state.group.source = Source::Test;
    state.truncated_alerts = 3;
    let said = text(&Scene {
        merged: 4,
        accepted_at: at(0),
        note: Some("the topic is gone"),
        ..scene(&state)
    });
    assert!(said.starts_with("🧪 TEST · 🔵 FIRING 1"), "{said}");
    assert!(
        said.contains(
            "\nℹ️ the topic is gone\n⏳ late: accepted 12 min ago\n🔀 4 updates merged\n\
             ✂️ 3 alerts left out by the sender"
        ),
        "{said}"
    );
}

fn unlisted(instance: &str) -> Alert {
    Alert { unlisted: true, ..alert(instance, "critical") }
}

#[test]
fn alerts_no_longer_reported_are_counted_on_their_own() {
    let state = group(vec![unlisted("a"), alert("b", "warning"), ended(alert("c", "info"), 5)]);
    let said = text(&scene(&state));
    assert!(said.starts_with("🟡 FIRING 1, resolved 1 · HighCPU"), "{said}");
    assert!(said.contains("\n❔ no longer reported: 1\n"), "{said}");
    let (listed, silent) = (said.find("instance=b").unwrap(), said.find("instance=a").unwrap());
    assert!(listed < silent, "{said}");
    assert!(said[silent..].contains(" · no longer reported\n"), "{said}");
}

#[test]
fn a_group_with_nothing_reported_that_fires_is_headed_as_ended() {
    let state = group(vec![unlisted("a"), ended(alert("b", "info"), 5)]);
    for kind in [Kind::Card, Kind::Ended] {
        let said = text(&Scene { kind, ..scene(&state) });
        assert!(said.starts_with("✅ RESOLVED 1 · HighCPU"), "{said}");
        assert!(said.contains("\n❔ no longer reported: 1"), "{said}");
        let said = text(&Scene { kind, language: Language::Ru, ..scene(&state) });
        assert!(said.starts_with("✅ РЕШЕНО 1 · HighCPU"), "{said}");
        assert!(said.contains("\n❔ больше не сообщается: 1"), "{said}");
    }
    assert_eq!(Renderer::default().minimal(&scene(&state)).plain, "✅ RESOLVED 1 · HighCPU");
}

#[test]
fn many_new_alerts_are_headed_by_their_sum() {
    let state = group((0..100).map(|number| alert(&number.to_string(), "info")).collect());
    let news: Vec<usize> = (0..100).collect();
    let scene = Scene { kind: Kind::News, news: &news, ..scene(&state) };
    assert!(text(&scene).starts_with("🔵 NEW 100 · "));
    let said = text(&Scene { language: Language::Ru, ..scene });
    assert!(said.starts_with("🔵 НОВОЕ 100 · "), "{said}");
}

#[test]
fn alerts_the_sender_left_out_agree_with_their_number() {
    let mut state = group(vec![alert("a", "info")]);
    for (count, said) in [
        (1, "✂️ 1 алерт отправитель не показал; возможно, ещё горит\n"),
        (3, "✂️ 3 алерта отправитель не показал; возможно, ещё горят\n"),
        (11, "✂️ 11 алертов отправитель не показал; возможно, ещё горят\n"),
    ] {
        state.truncated_alerts = count;
        let text = text(&Scene { language: Language::Ru, ..scene(&state) });
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn nothing_is_late_within_a_minute() {
    let state = group(vec![alert("a", "info")]);
    let said = text(&Scene { accepted_at: at(11), ..scene(&state) });
    assert!(!said.contains('⏳'), "{said}");
}

#[test]
fn hostile_labels_stay_text() {
    let mut hostile = alert("<b>\u{202e}x</b>", "critical");
    hostile.annotations = labels(&[
        ("summary", "<a href=\"https://evil.example\">click</a> @admin /stop &amp;"),
        ("action", "rm -rf \"x\" && y < z"),
    ]);
    let state = group(vec![hostile]);
    let part = Renderer::default().render(&scene(&state)).parts.remove(0);
    let parsed = markup::parse_html(&part.html).unwrap();
    for said in [
        "instance=<b>⟨U+202E⟩x</b>",
        "<a href=\"https://evil.example\">click</a> @\u{2060}admin /\u{2060}stop &amp;",
        "👉 rm -rf \"x\" && y < z",
    ] {
        assert!(parsed.text.contains(said), "{}", parsed.text);
        assert!(part.plain.contains(said), "{}", part.plain);
    }
    assert!(!part.html.contains("evil.example\">"), "{}", part.html);
}

#[test]
fn links_that_telegram_or_a_browser_would_not_open_are_left_out() {
    for (url, shown) in [
        ("https://prometheus.example.com/graph?a=1&b=%22", true),
        ("http://10.0.0.1:9090/graph", true),
        ("http://prometheus:9090/graph", false),
        ("javascript:alert(1)", false),
        ("tg://user?id=7", false),
        ("", false),
    ] {
        let state = group(vec![Alert { generator_url: url.to_owned(), ..alert("a", "info") }]);
        let html = Renderer::default().render(&scene(&state)).parts.remove(0).html;
        assert_eq!(html.contains(">graph</a>"), shown, "{url}: {html}");
    }
}

#[test]
fn grafanas_values_and_links_are_shown() {
    let extras = crate::alert::GrafanaExtras {
        dashboard_url: "https://grafana.example.com/d/1".to_owned(),
        silence_url: "https://grafana.example.com/silence".to_owned(),
        value_string: "[ var='A' value=91.5 ]".to_owned(),
        ..Default::default()
    };
    let state = group(vec![Alert { grafana: Some(Box::new(extras)), ..alert("a", "info") }]);
    let part = Renderer::default().render(&scene(&state)).parts.remove(0);
    assert!(part.html.contains("<code>[ var='A' value=91.5 ]</code>"), "{}", part.html);
    assert!(part.html.contains("https://grafana.example.com/d/1\">dashboard</a>"), "{}", part.html);
    assert!(part.plain.contains("silence (https://grafana.example.com/silence)"), "{}", part.plain);
}

#[test]
fn the_worst_come_first_and_the_rest_is_counted() {
    let mut alerts: Vec<Alert> =
        (0..10_000).map(|number| alert(&format!("node-{number}"), "warning")).collect();
    alerts[7_777].labels.insert("severity".to_owned(), "critical".to_owned());
    alerts.push(ended(alert("gone", "info"), 2));
    let state = group(alerts);
    let rendered = Renderer::default().render(&scene(&state));
    assert!(rendered.parts.len() <= 3, "{} parts", rendered.parts.len());
    let said: Vec<_> =
        rendered.parts.iter().map(|part| markup::parse_html(&part.html).unwrap().text).collect();
    assert!(said[0].starts_with("🔴 FIRING 10000, resolved 1 · HighCPU"), "{}", said[0]);
    let all = said.concat();
    let first = all.find("instance=").unwrap();
    assert!(all[first..].starts_with("instance=node-7777"), "{all}");
    assert!(all.contains("instance=gone"), "an end is not hidden by those that fire");
    let shown = all.matches("instance=node-").count();
    assert!(all.contains(&format!("+{} more firing", 10_000 - shown)), "{all}");
}

#[test]
fn long_messages_are_cut_into_numbered_parts_within_the_limits() {
    let alerts = (0..40).map(|number| {
        let mut alert = alert(&format!("node-{number}"), "warning");
        alert.annotations.insert("description".to_owned(), format!("{number} ").repeat(60));
        alert
    });
    let state = group(alerts.collect());
    let renderer = Renderer::default();
    for limits in [Limits::TELEGRAM, Limits { characters: 1024, entities: 50 }] {
        let parts = renderer.render_within(&scene(&state), limits).parts;
        assert!(parts.len() > 1);
        for (index, part) in parts.iter().enumerate() {
            let parsed = markup::parse_html(&part.html).unwrap();
            assert!(parsed.characters() <= limits.characters);
            assert!(parsed.entities.len() <= limits.entities);
            assert!(part.plain.chars().count() <= limits.characters);
            let number = format!("({}/{})", index + 1, parts.len());
            assert!(parsed.text.ends_with(&number) && part.plain.ends_with(&number));
        }
    }
}

#[test]
fn a_huge_annotation_is_cut_and_counted() {
    let mut big = alert("a", "info");
    big.annotations.insert("description".to_owned(), "ы".repeat(1_000_000));
    let said = text(&scene(&group(vec![big])));
    assert!(said.contains("ы… (+999000)"), "{} characters", said.chars().count());
}

#[test]
fn the_last_resort_is_one_plain_line() {
    let mut state = group(vec![alert("a", "critical")]);
    state.alerts[0].labels.insert("alertname".to_owned(), "a<b>\n@all".to_owned());
    let part = Renderer::default().minimal(&scene(&state));
    assert_eq!(part.plain, "🔴 FIRING 1 · a<b>⏎ @\u{2060}all");
    assert_eq!(markup::parse_html(&part.html).unwrap().text, part.plain);
    let empty = group(Vec::new());
    assert_eq!(Renderer::default().minimal(&scene(&empty)).plain, "✅ RESOLVED 0 · telegram");
}
