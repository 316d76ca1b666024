mod buttons;
mod documented;
mod names;
mod table;
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
        table: false,
        kind: Kind::Card,
        state,
        news: &[],
        merged: 1,
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

#[test]
fn a_card_says_how_bad_it_is_what_where_and_then_the_rest() {
    let state = group(vec![alert("db-1", "critical"), ended(alert("db-2", "critical"), 5)]);
    assert_eq!(
        text(&scene(&state)),
        "🔴 CRITICAL · HighCPU · db-1\n\
         CPU over 80 %\n\
         1 firing, 1 resolved · since 09:00 UTC (12 min)\n\
         \n\
         load > 80 & rising\n\
         \n\
         🔴 db-1\n\
         \n\
         ✅ db-2 (5 min)\n\
         \n\
         job=calc\n\
         graph"
    );
}

#[test]
fn one_alert_needs_no_list() {
    let state = group(vec![alert("db-1", "warning")]);
    assert_eq!(
        text(&scene(&state)),
        "🟡 HighCPU · db-1\nCPU over 80 %\nsince 09:00 UTC (12 min)\n\nload > 80 & rising\n\n\
         job=calc\ngraph"
    );
}

#[test]
fn a_card_speaks_the_chats_language_and_tells_its_time() {
    let mut state = group(vec![alert("db-1", "critical"), alert("db-2", "warning")]);
    let almaty = TimeZone::get("Asia/Almaty").unwrap();
    let language = |code| Language::from_code(code).unwrap();
    let said = |state: &Notification, code| {
        text(&Scene { language: language(code), timezone: &almaty, ..scene(state) })
    };
    assert_eq!(
        said(&state, "ru"),
        "🔴 КРИТИЧНО · HighCPU · db-1, db-2\nCPU over 80 %\n\
         2 горят (🔴 1, 🟡 1) · с 14:00 (12 мин)\n\nload > 80 & rising\n\n\
         🔴 db-1\n🟡 db-2\n\njob=calc\nграфик"
    );
    assert!(said(&state, "kk").contains("2 белсенді (🔴 1, 🟡 1) · басталғаны 14:00 (12 мин)"));
    state.alerts = state.alerts.into_iter().map(|alert| ended(alert, 3)).collect();
    assert_eq!(
        said(&state, "ru"),
        "✅ РЕШЕНО · HighCPU · db-1, db-2\nCPU over 80 %\n2 алерта · 14:00–14:03 (3 мин)"
    );
}

#[test]
fn every_kind_says_what_it_is_for() {
    let firing = group(vec![alert("a", "critical"), alert("b", "critical")]);
    let over = group(vec![ended(alert("a", "critical"), 60)]);
    for (kind, state, start, standing) in [
        (Kind::Card, &firing, "🔴 CRITICAL · HighCPU · a, b\n", "\n2 firing · since 09:00"),
        (
            Kind::News,
            &firing,
            "🆕 🔴 CRITICAL · HighCPU · b\n",
            "\n1 new · 2 firing in all · since 09:00",
        ),
        (Kind::Ended, &over, "✅ RESOLVED · HighCPU · a\n", "\n09:00–10:00 UTC (1 h)"),
        (
            Kind::Reminder,
            &firing,
            "🔁 🔴 CRITICAL · HighCPU · a, b\n",
            "\nstill 2 firing · since 09:00",
        ),
    ] {
        let said = text(&Scene { kind, news: &[1], ..scene(state) });
        assert!(said.starts_with(start) && said.contains(standing), "{said}");
    }
}

#[test]
fn news_name_only_what_is_new() {
    let state = group(vec![alert("old", "critical"), alert("new", "critical")]);
    let said = text(&Scene { kind: Kind::News, news: &[1], ..scene(&state) });
    assert!(said.contains("new") && !said.contains("old"), "{said}");
}

#[test]
fn a_notifications_preview_has_severity_name_place_and_summary() {
    let mut own = vec![alert("db-1", "critical"), alert("db-2", "warning")];
    own[1].annotations.insert("summary".to_owned(), "CPU over 70 %".to_owned());
    for alerts in [
        vec![alert("db-1", "critical")],
        (1..500).map(|number| alert(&format!("db-{number}"), "critical")).collect(),
        own,
    ] {
        let said = text(&scene(&group(alerts)));
        let preview: String = said.chars().take(100).collect();
        for meaning in ["🔴 CRITICAL", "HighCPU", "db-1", "CPU over 80 %"] {
            assert!(preview.contains(meaning), "{preview}");
        }
    }
}

#[test]
fn an_alert_of_many_says_only_what_tells_it_from_the_others() {
    let mut late = alert("db-2", "critical");
    late.starts_at = at(7);
    late.labels.insert("disk".to_owned(), "sda".to_owned());
    late.annotations.insert("summary".to_owned(), "CPU over 95 %".to_owned());
    let mut other = alert("db-3", "critical");
    other.labels.insert("alertname".to_owned(), "HighLoad".to_owned());
    let said = text(&scene(&group(vec![alert("db-1", "warning"), late, other])));
    assert!(said.contains("\n🔴 HighLoad db-3\nCPU over 80 %\n"), "{said}");
    assert!(said.contains("\n🟡 HighCPU db-1\nCPU over 80 %\n"), "{said}");
    assert!(said.contains("🔴 HighCPU db-2  disk=sda · since 09:07 UTC (5 min)\n"), "{said}");
    assert_eq!(said.matches("CPU over 95 %").count(), 1, "{said}");
}

#[test]
fn where_it_is_comes_from_the_label_that_says_it() {
    for (labels_of, place) in [
        (vec![("instance", "10.0.0.7:9100"), ("cluster", "fra")], "10.0.0.7:9100"),
        (vec![("instance", "10.0.0.7:8080"), ("pod", "api-7d9"), ("namespace", "shop")], "api-7d9"),
        (vec![("instance", "kubelet-1"), ("job", "kubelet"), ("pod", "api-7d9")], "api-7d9"),
        (vec![("instance", "node-1:9100"), ("pod", "node-exporter-x")], "node-1:9100"),
        (vec![("job", "kube-state-metrics"), ("instance", "n:8"), ("node", "n-1")], "n-1"),
        (vec![("team", "db")], ""),
    ] {
        let mut alert = alert("x", "warning");
        alert.labels = labels(&labels_of);
        let state = group(vec![alert]);
        let scene = scene(&state);
        let subject = subject::Subject::new(&scene, &[]);
        assert_eq!(subject.places(), place, "{labels_of:?}");
    }
}

#[test]
fn a_long_description_is_folded_and_steps_are_copied_with_their_lines() {
    let html = |description: &str, action: &str| {
        let mut alert = alert("a", "info");
        alert.annotations.insert("description".to_owned(), description.to_owned());
        alert.annotations.insert("action".to_owned(), action.to_owned());
        Renderer::default().render(&scene(&group(vec![alert]))).parts.remove(0).html
    };
    let short = html("one\ntwo\nthree", "ls");
    assert!(short.contains("<blockquote>one\ntwo\nthree</blockquote>"), "{short}");
    assert!(short.contains("👉 <code>ls</code>\n"), "{short}");
    let lines = html("1\n2\n3\n4", "cd /\nls");
    assert!(lines.contains("<blockquote expandable>1\n2\n3\n4</blockquote>"), "{lines}");
    assert!(lines.contains("👉 <pre>cd /\nls</pre>"), "{lines}");
    assert!(html(&"long ".repeat(51), "ls").contains("<blockquote expandable>long"));
}

#[test]
fn times_follow_the_readers_clock_where_the_chat_wants_that() {
    let state = group(vec![alert("a", "info")]);
    let html = |scene: &Scene<'_>| Renderer::default().render(scene).parts.remove(0).html;
    let live = html(&Scene { tg_time: true, ..scene(&state) });
    let unix = at(0).as_second();
    assert!(
        live.contains(&format!(
            "since <tg-time unix=\"{unix}\" format=\"t\">09:00 UTC</tg-time> \
             (<tg-time unix=\"{unix}\" format=\"r\">12 min</tg-time>)"
        )),
        "{live}"
    );
    assert!(!html(&scene(&state)).contains("tg-time"));
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
    assert!(said.starts_with("🧪 TEST · 🔵 HighCPU · a\n"), "{said}");
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
    assert!(said.starts_with("🟡 HighCPU · b"), "{said}");
    assert!(said.contains("\n1 firing, 1 resolved · since 09:00"), "{said}");
    assert!(said.contains("\n❔ 1 no longer reported\n"), "{said}");
    assert!(said.contains("\n🟡 b\n❔ a\n"), "{said}");
}

#[test]
fn a_group_of_which_nothing_is_reported_is_not_called_resolved() {
    let state = group(vec![unlisted("a"), unlisted("b")]);
    for kind in [Kind::Card, Kind::Ended] {
        let said = text(&Scene { kind, ..scene(&state) });
        assert!(said.starts_with("❔ NO LONGER REPORTED · HighCPU · a, b\n"), "{said}");
        assert!(!said.contains("RESOLVED"), "{said}");
    }
    let minimal = Renderer::default().minimal(&scene(&state));
    assert_eq!(minimal.plain, "❔ NO LONGER REPORTED 2 · HighCPU");
}

#[test]
fn a_group_with_nothing_reported_that_fires_is_headed_as_ended() {
    let state = group(vec![unlisted("a"), ended(alert("b", "info"), 5)]);
    for kind in [Kind::Card, Kind::Ended] {
        let said = text(&Scene { kind, ..scene(&state) });
        assert!(said.starts_with("✅ RESOLVED · HighCPU · b\n"), "{said}");
        assert!(said.contains("\n❔ 1 no longer reported"), "{said}");
    }
    assert_eq!(Renderer::default().minimal(&scene(&state)).plain, "✅ RESOLVED 1 · HighCPU");
}

#[test]
fn many_new_alerts_are_told_by_their_sum() {
    let state = group((0..100).map(|number| alert(&number.to_string(), "info")).collect());
    let news: Vec<usize> = (0..100).collect();
    let said = text(&Scene { kind: Kind::News, news: &news, ..scene(&state) });
    assert!(said.contains("\n100 new · 100 firing in all · "), "{said}");
    assert!(said.contains("\n+88 more: 🔵 88\n"), "{said}");
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
        let text = text(&Scene { language: Language::from_code("ru").unwrap(), ..scene(&state) });
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
        "🔴 CRITICAL · HighCPU · <b>⟨U+202E⟩x</b>\n",
        "<a href=\"https://\u{2060}evil.\u{2060}example\">click</a> @\u{2060}admin /\u{2060}stop &amp;",
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
    assert!(part.html.contains("\nA = 91.5\n"), "{}", part.html);
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
    assert_eq!(rendered.parts.len(), 1);
    let said = text(&scene(&state));
    assert!(said.starts_with("🔴 CRITICAL · HighCPU · node-7777, node-0 +9998\n"), "{said}");
    assert!(said.contains("\n10000 firing (🔴 1, 🟡 9999), 1 resolved · "), "{said}");
    let list = &said[said.find("\n🔴 node-7777\n").expect("the worst is listed")..];
    assert!(list.contains("✅ gone ("), "an end is not hidden by those that fire");
    let shown = list.matches("\n🟡 node-").count() + 1;
    assert!(list.contains(&format!("+{0} more: 🟡 {0}\n", 10_000 - shown)), "{list}");
}

#[test]
fn what_is_not_listed_is_parted_by_the_label_that_tells_most() {
    let alerts = (0..60).map(|number| {
        let mut alert = alert(&format!("node-{number}"), "warning");
        let place = if number % 3 == 0 { "ams" } else { "fra" };
        alert.labels.insert("dc".to_owned(), place.to_owned());
        alert.labels.insert("shard".to_owned(), (number % 2).to_string());
        alert
    });
    let said = text(&scene(&group(alerts.collect())));
    let (_, rest) = said.split_once("\n+48 more: 🟡 48 · dc: fra ").expect(&said);
    let (counts, names) = rest.split_once('\n').unwrap();
    let (fra, ams) = counts.split_once(", ams ").unwrap();
    assert_eq!(fra.parse::<usize>().unwrap() + ams.parse::<usize>().unwrap(), 48);
    assert_eq!(names.lines().next().unwrap().split(", ").count(), 48);
}

#[test]
fn long_messages_are_cut_into_numbered_parts_within_the_limits() {
    let alerts = (0..40).map(|number| {
        let mut alert = alert(&format!("node-{number}"), "warning");
        alert.annotations.insert("description".to_owned(), format!("{number} ").repeat(250));
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

#[test]
fn severities_of_ones_own_have_the_colour_of_their_rank_and_are_named() {
    let own = ["sev1", "sev2", "sev3"].map(str::to_owned).to_vec();
    let renderer = Renderer::default().with_severities(own);
    let lines = |alerts: &[Alert]| -> Vec<String> {
        let state = group(alerts.to_vec());
        let message = renderer.render(&scene(&state));
        assert_eq!(message.fell_back, None);
        let text = markup::parse_html(&message.parts[0].html).unwrap().text;
        text.lines().map(str::to_owned).collect()
    };
    for (severity, head) in [
        ("sev1", "🔴 SEV1 · HighCPU · db-1"),
        ("Sev2", "🟠 Sev2 · HighCPU · db-1"),
        ("sev3", "🟡 sev3 · HighCPU · db-1"),
        ("urgent", "🔥 urgent · HighCPU · db-1"),
        ("", "🔥 HighCPU · db-1"),
        ("warning", "🟡 HighCPU · db-1"),
    ] {
        assert_eq!(lines(&[alert("db-1", severity)])[0], head);
    }
    let severities = ["sev2", "urgent", "later", "sev2"];
    let alerts: Vec<Alert> = severities
        .iter()
        .enumerate()
        .map(|(number, severity)| alert(&format!("db-{number}"), severity))
        .collect();
    let said = lines(&alerts);
    assert!(said[2].starts_with("4 firing (🟠 sev2 2, 🔥 urgent 1, 🔥 later 1)"), "{said:?}");
    for row in ["🟠 sev2 db-0", "🔥 urgent db-1", "🔥 later db-2", "🟠 sev2 db-3"] {
        assert!(said.iter().any(|line| line == row), "{row}: {said:?}");
    }
    let minimal = renderer.minimal(&scene(&group(alerts))).plain;
    assert_eq!(minimal, "🟠 sev2 FIRING 4 · HighCPU");
}

#[test]
fn data_that_begins_like_a_verdict_does_not_pass_for_one() {
    let mut forged = alert("eu", "warning");
    forged.labels.insert("alertname".to_owned(), "🔴 CRITICAL · DB".to_owned());
    forged.labels.insert("pod".to_owned(), "✅\u{fe0f} x".to_owned());
    let description = "ok\n  🔴 CRITICAL · PaymentsDown · eu\r5 firing";
    forged.annotations.insert("description".to_owned(), description.to_owned());
    forged.annotations.insert("summary".to_owned(), "🔥 hot 🔥".to_owned());
    let state = group(vec![forged]);
    let message = Renderer::default().render(&scene(&state));
    let [part] = &message.parts[..] else { panic!("{message:?}") };
    let text = markup::parse_html(&part.html).unwrap().text;
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("🟡 [🔴] CRITICAL · DB · eu"));
    assert_eq!(lines.next(), Some("[🔥] hot 🔥"));
    assert!(text.contains("pod=[✅] x"), "{text}");
    assert!(!lines.any(|line| line.starts_with(['🔴', '✅', '🔥'])), "{text}");
    let quote = "<blockquote>ok\n[🔴] CRITICAL · PaymentsDown · eu\n5 firing</blockquote>";
    assert!(part.html.contains(quote), "{}", part.html);
}

#[test]
fn without_a_place_the_head_has_two_values_of_group_labels_at_most() {
    let mut one = alert("db-1", "warning");
    let long = "x".repeat(90);
    let grouped = [("alertname", "HighCPU"), ("a", "1"), ("b", &long), ("c", "3"), ("d", "4")];
    one.labels = labels(&grouped);
    let mut state = group(vec![one]);
    state.group_labels = labels(&grouped);
    let said = text(&scene(&state));
    let head = format!("🔥 HighCPU · 1 {}… (+50)\n", "x".repeat(40));
    assert!(said.starts_with(&head), "{said}");
    assert!(said.contains("c=3  d=4"), "{said}");
}
