//! A big group as a table.

use super::*;

fn table(state: &Notification) -> Option<String> {
    Renderer::default().render(&Scene { table: true, ..scene(state) }).table
}

#[test]
fn a_table_stays_within_telegrams_limits_and_counts_what_it_leaves_out() {
    let long = "<&\u{202e}".repeat(400);
    let alerts = (0..500).map(|number| {
        let mut alert = alert(&format!("{number:03} {long}"), "critical");
        for name in ["pod", "node", "mount", "device"] {
            alert.labels.insert(name.to_owned(), format!("{number} {name} {long}"));
        }
        if number < 100 { ended(alert, 5) } else { alert }
    });
    let state = group(alerts.collect());
    let table = table(&state).unwrap();
    let mut seen = 0;
    let mut in_tag = false;
    for character in table.replace("&lt;", "<wbr>").replace("&amp;", "&").chars() {
        match character {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if !in_tag => seen += 1,
            _ => {}
        }
    }
    // A reference was read as a tag; it is one character.
    seen += table.matches("&lt;").count();
    assert!(seen <= 32_768, "{seen} characters");
    let rows = table.matches("<tr>").count();
    assert_eq!(rows, 81, "a head and eighty alerts");
    let alerts = ["<td>🔴</td>", "<td>✅</td>"].map(|cell| table.matches(cell).count());
    assert_eq!(alerts, [60, 20]);
    assert!(table.contains("<footer>+340 🔴 · +80 ✅</footer>"), "{}", &table[table.len() - 200..]);
    assert!(!table.contains('\u{202e}'));
}

#[test]
fn few_alerts_and_replies_are_no_tables() {
    let four = group((0..4).map(|number| alert(&number.to_string(), "critical")).collect());
    assert_eq!(table(&four), None);
    let five = group((0..5).map(|number| alert(&number.to_string(), "critical")).collect());
    assert!(table(&five).is_some());
    let news = Scene { kind: Kind::News, news: &[0, 1, 2, 3, 4], table: true, ..scene(&five) };
    assert_eq!(Renderer::default().render(&news).table, None);
    assert_eq!(Renderer::default().render(&scene(&five)).table, None, "nobody asked for it");
}

#[test]
fn a_table_says_what_the_card_says_and_counts_each_colour() {
    let alerts = (0..200).map(|number| {
        let severity = if number < 30 { "critical" } else { "warning" };
        let mut alert = alert(&format!("db-{number}"), severity);
        let name = if number % 2 == 0 { "kube.node.down" } else { "kube.pod.down" };
        alert.labels.insert("alertname".to_owned(), name.to_owned());
        alert.annotations.insert("summary".to_owned(), format!("summary of {number}"));
        if number >= 150 { ended(alert, 5) } else { alert }
    });
    let mut state = group(alerts.collect());
    state.truncated_alerts = 7;
    let wanted =
        Scene { table: true, note: Some("a note"), merged: 3, now: at(20), ..scene(&state) };
    let table = Renderer::default().render(&wanted).table.unwrap();
    let (head, rows) = table.split_once("<table").unwrap();
    assert!(head.starts_with("<h3>🔴 <b>CRITICAL · kube"), "{head}");
    assert!(!table.contains('⟨'), "{head}");
    let said = [
        "<p>summary of ",
        "150 firing (🔴 30, 🟡 120), 50 resolved",
        "since 09:00",
        "a note",
        "⏳",
        "🔀",
        "✂️",
    ];
    for said in said {
        assert!(head.contains(said), "{said}: {head}");
    }
    assert!(rows.contains("<tr><th></th><th>alertname</th><th>instance</th>"), "{rows}");
    assert!(rows.ends_with("<p><code>job=calc</code></p>"), "{rows}");
    let footer = rows.split_once("<footer>").unwrap().1.split_once("</footer>").unwrap().0;
    for (sign, all) in [("🔴", 30), ("🟡", 120), ("✅", 50)] {
        let shown = rows.matches(&format!("<td>{sign}</td>")).count();
        let left_out = footer
            .split(" · ")
            .find_map(|part| part.strip_suffix(sign)?.trim().parse::<usize>().ok());
        assert_eq!(shown + left_out.unwrap_or(0), all, "{sign}: {footer}");
    }
}
