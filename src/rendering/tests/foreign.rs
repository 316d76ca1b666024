//! What data cannot do to a message.

use super::*;

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
