//! Messages that are long, and the shortest one.

use super::*;

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
