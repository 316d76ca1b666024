//! What is ordered, counted and named instead of listed.

use super::*;
use crate::rendering::Head;

fn unlisted(instance: &str) -> Alert {
    Alert { unlisted: true, ..alert(instance, "critical") }
}

#[test]
fn a_truncated_group_that_fires_is_not_called_resolved() {
    let mut state = group(vec![ended(alert("web-1", "warning"), 5)]);
    (state.status, state.truncated_alerts) = (Status::Firing, 3);
    let renderer = Renderer::default();
    assert_eq!(renderer.minimal(&scene(&state)).plain, "🟡 FIRING 3 · HighCPU");
    let card = renderer.render(&scene(&state));
    assert!(!card.parts[0].plain.starts_with('✅'), "{}", card.parts[0].plain);
}

#[test]
fn a_truncated_group_that_says_resolved_is_not_headed_as_that() {
    let over = (1..=5).map(|number| ended(alert(&format!("web-{number}"), "critical"), 5));
    let mut state = group(over.collect());
    (state.status, state.truncated_alerts) = (Status::Resolved, 7);
    for kind in [Kind::Card, Kind::Ended] {
        let said = text(&Scene { kind, ..scene(&state) });
        assert!(said.starts_with("❔ HighCPU · web-1, web-2 +3\n"), "{said}");
        assert!(
            said.contains("\n5 resolved · 09:00–09:05 UTC (5 min)\n✂️ 7 alerts left"),
            "{said}"
        );
        assert!(!said.contains("RESOLVED"), "{said}");
    }
    let table = Renderer::default().render(&Scene { table: true, ..scene(&state) }).table.unwrap();
    assert!(table.starts_with("<h3>❔ <b>HighCPU · "), "{table}");
    let minimal = Renderer::default().minimal(&scene(&state)).plain;
    assert_eq!(minimal, "❔ 7 alerts left out by the sender, may still fire · HighCPU");
    let glance = Renderer::default().glance(&scene(&state));
    assert!(!glance.fires() && glance.unlisted == 7, "{glance:?}");
    let (line, _) = Renderer::default().digest(Head::Standing, &[glance], Language::EN);
    assert!(line.plain.contains("\n❔ HighCPU · web-1"), "{}", line.plain);

    state.reason = Reason::AllAlertsResolved;
    assert!(text(&scene(&state)).starts_with("✅ RESOLVED · "), "the sender says so of all");
    state.truncated_alerts = 0;
    assert!(text(&scene(&state)).contains("\n5 alerts · "), "nothing was left out");
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
fn the_end_of_a_group_says_nothing_of_what_is_no_longer_reported() {
    let slow = |instance: &str, severity: &str| {
        let mut alert = alert(instance, severity);
        alert.labels.insert("alertname".to_owned(), format!("{instance} slow"));
        alert.annotations.insert("summary".to_owned(), format!("{instance} is slow"));
        alert
    };
    let over = Alert { starts_at: at(3), ..ended(slow("web-1", "info"), 5) };
    let gone = Alert { unlisted: true, ..slow("web-2", "critical") };
    let state = group(vec![over, gone.clone()]);
    for kind in [Kind::Card, Kind::Ended] {
        let said = text(&Scene { kind, ..scene(&state) });
        let start = "✅ RESOLVED · web-1 slow · web-1\nweb-1 is slow\n09:03–09:05 UTC (2 min)\n";
        assert!(said.starts_with(start), "{said}");
    }
    assert_eq!(Renderer::default().glance(&scene(&state)).severity, "info");
    let said = text(&scene(&group(vec![gone])));
    assert!(said.contains("❔ NO LONGER REPORTED · web-2 slow · web-2"), "{said}");
}

#[test]
fn alerts_that_were_forgotten_are_counted_with_those_that_are_shown() {
    let state = group(vec![alert("a", "warning"), ended(alert("b", "info"), 5), unlisted("c")]);
    let forgotten = Forgotten { ended: 40, unlisted: 3 };
    let scene = Scene { forgotten, ..scene(&state) };
    let said = text(&scene);
    assert!(said.contains("\n1 firing, 41 resolved · since 09:00"), "{said}");
    assert!(said.contains("\n❔ 4 no longer reported\n"), "{said}");
    assert!(said.contains("\n+3 more: ❔ 3\n"), "{said}");
    assert!(said.contains("\n✅ b (5 min) +40"), "{said}");
    let glance = Renderer::default().glance(&scene);
    assert_eq!((glance.firing, glance.unlisted), (1, 4));
    let news = text(&Scene { kind: Kind::News, news: &[0], ..scene.clone() });
    assert!(!news.contains("more") && !news.contains("+40"), "it is about the new one: {news}");
}

#[test]
fn a_group_that_is_over_counts_the_forgotten_among_its_ends() {
    let state = group(vec![ended(alert("a", "info"), 5), ended(alert("b", "info"), 6)]);
    let scene = Scene { forgotten: Forgotten { ended: 40, unlisted: 0 }, ..scene(&state) };
    for kind in [Kind::Card, Kind::Ended] {
        let said = text(&Scene { kind, ..scene.clone() });
        assert!(said.contains("\n42 alerts · "), "{said}");
    }
    assert_eq!(Renderer::default().minimal(&scene).plain, "✅ RESOLVED 42 · HighCPU");
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
