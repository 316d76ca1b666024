use super::*;

fn glance(name: &str, place: &str, severity: &str, firing: u32) -> Glance {
    Glance {
        name: name.into(),
        place: place.into(),
        also: String::new(),
        severity: severity.into(),
        firing,
        ended: firing == 0,
        resolved: u32::from(firing == 0),
        unlisted: 0,
        moved: false,
    }
}

fn severities() -> Vec<String> {
    ["critical", "warning", "info"].map(str::to_owned).to_vec()
}

fn head(totals: &[(String, u64)]) -> Head<'_> {
    Head::Storm { totals, late: 0 }
}

fn storm(totals: &[(&str, u64)], glances: &[Glance]) -> (String, usize) {
    let totals: Vec<(String, u64)> =
        totals.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let (part, taken) = digest(head(&totals), glances, &severities(), Language::EN);
    (part.plain, taken)
}

#[test]
fn a_digest_says_how_bad_it_is_then_the_groups_by_name_worst_first() {
    let glances = [
        glance("HighCPU", "web-1", "warning", 1),
        glance("HighCPU", "web-2", "warning", 3),
        glance("DiskFull", "db-1", "critical", 1),
        glance("Backup", "", "info", 1),
        glance("Backup", "", "info", 0),
    ];
    let (text, taken) = storm(&[("warning", 2), ("critical", 1), ("info", 2)], &glances);
    assert_eq!(taken, 5);
    assert_eq!(
        text,
        "⛈ 🔴 1 · 🟡 2 · 🔵 2 · 5 groups\n\n🔴 DiskFull · db-1\n🟡 HighCPU ×2: web-1, web-2 (3)\n\
         🔵 Backup\n✅ Backup"
    );
}

#[test]
fn the_longest_heads_leave_the_message_within_telegrams_length() {
    let severity = |number: usize| format!("a{number}.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a");
    let glances: Vec<Glance> =
        (0..400).map(|n| glance(&format!("Rule{n}"), "h", &severity(n), 2)).collect();
    let totals: Vec<(String, u64)> = (0..60).map(|n| (severity(n), 999)).collect();
    for head in [head(&totals), Head::Standing, Head::Over { seconds: 1, groups: 1 }] {
        let (part, _) = digest(head, &glances, &severities(), Language::from_code("ru").unwrap());
        assert!(part.plain.chars().count() <= 4096, "{}", part.plain.chars().count());
    }
}

#[test]
fn what_is_not_reported_any_more_is_not_called_ended() {
    let gone = Glance { unlisted: 1, ..glance("Silenced", "a", "warning", 0) };
    let (part, _) =
        digest(Head::Standing, std::slice::from_ref(&gone), &severities(), Language::EN);
    assert_eq!(part.plain, "⛈ ❔ 1 · 1 group\n\n❔ Silenced · a");
    let head = Head::Over { seconds: 5, groups: 1 };
    let (part, _) = digest(head, &[gone], &severities(), Language::EN);
    assert!(!part.plain.contains("have ended"), "{}", part.plain);
}

#[test]
fn a_line_of_a_group_that_fires_counts_what_is_over_and_what_nobody_reports() {
    let partly = |firing, resolved, unlisted| Glance {
        resolved,
        unlisted,
        ..glance("Down", "a, b", "warning", firing)
    };
    for (glance, line) in [
        (partly(1, 0, 0), "🟡 Down · a, b"),
        (partly(3, 0, 0), "🟡 Down · a, b (3)"),
        (partly(1, 2, 0), "🟡 Down · a, b (1 · ✅ 2)"),
        (partly(3, 3001, 18), "🟡 Down · a, b (3 · ✅ 3001 · ❔ 18)"),
        (partly(0, 4, 0), "✅ Down · a, b"),
        (Glance { moved: true, ..partly(3, 1, 0) }, "↪ Down · a, b (3)"),
    ] {
        let (text, _) = storm(&[("warning", 1)], &[glance]);
        assert!(text.ends_with(&format!("\n{line}")), "{text}");
    }
}

#[test]
fn what_groups_of_a_name_share_is_said_once() {
    let at = |place: &str, also: &str| Glance {
        also: also.into(),
        ..glance("DiskFull", place, "warning", 1)
    };
    for (glances, line) in [
        (vec![at("db-1", "/a")], "DiskFull · db-1 /a"),
        (vec![at("", "/a")], "DiskFull · /a"),
        (vec![at("db-1", "/a"), at("db-1", "/b")], "DiskFull · db-1 ×2: /a, /b"),
        (vec![at("db-1", "/a"), at("db-2", "/a")], "DiskFull · /a ×2: db-1, db-2"),
        (vec![at("db-1", "/a"), at("db-2", "/b")], "DiskFull ×2: db-1 /a, db-2 /b"),
        (vec![at("db-1", "/a"), at("db-1", "")], "DiskFull · db-1 ×2: /a"),
        (vec![at("db-1", ""), at("db-1", "")], "DiskFull · db-1 ×2"),
        (vec![at("", "/a"), at("db-1", "/a")], "DiskFull · /a ×2: db-1"),
        (vec![at("", "/a"), at("", "/b")], "DiskFull ×2: /a, /b"),
    ] {
        let text = storm(&[("warning", 1)], &glances).0.replace('\u{2060}', "");
        assert!(text.ends_with(&format!("\n🟡 {line}")), "{text}");
    }
}

#[test]
fn severities_of_ones_own_are_named() {
    let (text, _) = storm(&[("sev0", 1)], &[glance("Down", "a", "sev0", 1)]);
    assert!(text.contains("🔥 sev0: 1"), "{text}");
    assert!(text.ends_with("🔥 sev0: Down · a"), "{text}");
}

#[test]
fn a_digest_takes_as_many_groups_as_fit_and_at_least_one() {
    let glances: Vec<Glance> = (0..1000)
        .map(|number| {
            glance("InstanceDown", &format!("web-{number:03}.example:9100"), "warning", 1)
        })
        .collect();
    let (text, taken) = storm(&[("warning", 1000)], &glances);
    assert!(taken > 120 && taken < 200, "{taken}");
    assert!(text.chars().count() <= 4096);
    assert!(text.contains(&format!("web-{:03}", taken - 1)));
    let long = "x".repeat(5_000);
    assert_eq!(storm(&[("warning", 1)], &[glance(&long, "", "warning", 1)]).1, 1);
}

#[test]
fn names_of_their_own_stay_within_telegrams_entities() {
    let glances: Vec<Glance> =
        (0..400).map(|number| glance(&format!("A{number}"), "", "warning", 1)).collect();
    let head = head(&[]);
    let (part, taken) = digest(head, &glances, &severities(), Language::EN);
    assert!(taken > 100, "{taken}");
    assert!(part.html.matches("<b>").count() <= 100);
    let many: Vec<Glance> =
        (0..400).map(|n| glance(&format!("A{}", n / 2), "p", "warning", 1)).collect();
    let (part, _) = digest(head, &many, &severities(), Language::EN);
    let entities = part.html.matches("<b>").count() + part.html.matches("<blockquote").count();
    assert!(entities > 80 && entities <= 100, "{entities}");
}

#[test]
fn more_groups_than_fit_at_full_length_are_named_shortly() {
    let mut glances: Vec<Glance> = (0..300)
        .map(|number| glance(&format!("Rule{number:03}"), "host0.example, host1 +3", "warning", 5))
        .collect();
    glances.push(glance("Down", "db-1.a-long-name.example.org", "warning", 1));
    glances.push(glance("Down", "db-2", "warning", 1));
    let (text, taken) = storm(&[("warning", 302)], &glances[50..]);
    assert!(taken > 200, "{taken}");
    assert!(text.contains("\nRule050 (5), Rule051 (5), "), "{text}");
}

#[test]
fn data_forges_no_markup() {
    let evil = glance("<b>@all</b> & http://x.y", "</a> @all שרת", "<i>", 1);
    let totals = [("<i>".to_owned(), 1)];
    let (part, _) = digest(head(&totals), &[evil], &severities(), Language::EN);
    for said in ["&lt;b&gt;@\u{2060}all&lt;/b&gt;", "&lt;/a&gt;", "&lt;i&gt;", "http://\u{2060}x."]
    {
        assert!(part.html.contains(said), "{said}: {}", part.html);
    }
    assert!(part.html.contains("\u{2068}&lt;/a&gt; @\u{2060}all שרת\u{2069}"), "{}", part.html);
}

#[test]
fn a_digest_that_stands_counts_what_ended_and_what_has_no_room() {
    let mut glances: Vec<Glance> = (0..900)
        .map(|number| glance("InstanceDown", &format!("web-{number:03}"), "warning", 0))
        .collect();
    glances.push(glance("DiskFull", "db-1", "critical", 1));
    let (part, taken) = digest(Head::Standing, &glances, &severities(), Language::EN);
    let mut lines = part.plain.lines();
    assert_eq!(lines.next(), Some("⛈ 🔴 1 · ✅ 900 · 901 groups"));
    assert_eq!(lines.nth(1), Some("🔴 DiskFull · db-1"));
    assert_eq!(lines.last(), Some(&*format!("+{} more", 901 - taken)));
}

#[test]
fn when_it_is_over_what_still_fires_is_told() {
    let head = Head::Over { seconds: 240, groups: 1000 };
    let still = [glance("DiskFull", "db-1", "critical", 1)];
    let (part, _) = digest(head, &still, &severities(), Language::EN);
    assert_eq!(
        part.plain,
        "🌤 storm over after 4 min · 1000 groups\nstill 1 firing · 🔴 1\n\n🔴 DiskFull · db-1"
    );
    let head = Head::Over { seconds: 5, groups: 1 };
    let (part, _) = digest(head, &[] as &[Glance], &severities(), Language::EN);
    assert_eq!(
        part.plain,
        "🌤 storm over after 5 s · 1 group\n✅ all groups of these messages have ended"
    );
}
