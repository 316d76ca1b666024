//! What a message says, and where.

use super::*;

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

#[test]
fn nothing_is_said_to_end_before_it_started() {
    let clock_behind = |name: &str| ended(alert(name, "info"), -120);
    for alerts in [vec![clock_behind("a")], vec![clock_behind("a"), clock_behind("b")]] {
        let said = text(&scene(&group(alerts)));
        assert!(said.contains("09:00–09:00 UTC (0 s)"), "{said}");
    }
}

#[test]
fn nothing_is_late_within_a_minute() {
    let state = group(vec![alert("a", "info")]);
    let said = text(&Scene { accepted_at: at(11), ..scene(&state) });
    assert!(!said.contains('⏳'), "{said}");
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
