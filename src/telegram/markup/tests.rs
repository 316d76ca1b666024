use super::*;

fn bold(offset: usize, length: usize) -> Entity {
    Entity { offset, length, kind: EntityKind::Bold }
}

fn refused(html: &str) -> String {
    parse_html(html).unwrap_err().to_string()
}

#[test]
fn offsets_count_utf16_units() {
    let parsed = parse_html("🔥 <b>диск 💾</b>").unwrap();
    assert_eq!(parsed.text, "🔥 диск 💾");
    assert_eq!(parsed.entities, [bold(3, 7)]);
    assert_eq!(parsed.characters(), 8);
}

#[test]
fn broken_markup_is_refused_in_the_servers_words() {
    for (html, words) in [
        ("<b", "Unclosed start tag at byte offset 0"),
        ("a<script>", "Unsupported start tag \"script\" at byte offset 1"),
        ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
        ("<b>x</i>", "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\""),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<span>x</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
        ("<a href=x/y>z</a>", "Unexpected end of name token at byte offset 8"),
    ] {
        assert_eq!(refused(html), format!("can't parse entities: {words}"), "{html}");
    }
}

#[test]
fn text_without_anything_to_see_is_empty() {
    for html in ["", "<b></b>", " \n ", "<b> </b>", "\u{200b}\u{2800}", "\r"] {
        assert_eq!(parse_html(html), Err(MarkupError::Empty), "{html:?}");
    }
}

#[test]
fn a_text_over_32768_bytes_is_refused_before_it_is_read() {
    assert_eq!(parse_html(&"<".repeat(32_769)), Err(MarkupError::TooLong));
}

#[test]
fn control_characters_are_cleaned_and_entities_follow() {
    let parsed = parse_html("a\r\u{202e}<b>b\tc\r</b>\r\n").unwrap();
    assert_eq!(parsed.text, "ab c");
    assert_eq!(parsed.entities, [bold(1, 3)]);
}

#[test]
fn ends_are_trimmed_except_for_leading_blanks_inside_an_entity() {
    assert_eq!(parse_html(" \n x \n").unwrap().text, "x");
    let parsed = parse_html(" <b> x </b> ").unwrap();
    assert_eq!((parsed.text.as_str(), parsed.entities.as_slice()), (" x", &[bold(0, 2)][..]));
}

#[test]
fn formatting_inside_code_is_dropped_and_around_it_cut() {
    assert_eq!(parse_html("<code><b>x</b>y</code>").unwrap().entities.len(), 1);
    let parsed = parse_html("<b>q<code>x</code>y</b>").unwrap();
    let stretches: Vec<_> = parsed.entities.iter().map(|e| (e.offset, e.length)).collect();
    assert_eq!(stretches, [(0, 1), (1, 1), (2, 1)]);
}

#[test]
fn equal_neighbours_are_joined() {
    assert_eq!(parse_html("<b>a</b><b>b</b>").unwrap().entities, [bold(0, 2)]);
}

#[test]
fn links_that_telegram_cannot_open_are_left_out() {
    for url in ["ftp://example.com", "http://prometheus:9090/graph", "javascript:alert(1)", "x"] {
        let parsed = parse_html(&format!("<a href=\"{url}\">x</a>")).unwrap();
        assert_eq!(parsed.entities, [], "{url}");
    }
    for (url, kept) in [
        ("Example.COM", "http://example.com/"),
        ("https://a.b?q=1 2", "https://a.b/?q=1%202"),
        ("http://[::1]:9090", "http://[::1]:9090/"),
    ] {
        assert_eq!(checked_link(url).as_deref(), Some(kept), "{url}");
    }
}

#[test]
fn html_written_from_a_parsed_text_reads_as_the_same_text() {
    for html in [
        "<b>a<i>b</i>c</b> &lt;&amp;",
        "<blockquote expandable>a\n<a href=\"https://a.b/?x=%22&amp;y\">l</a></blockquote>",
        "<pre><code class=\"language-sh\">rm -rf \"x\" &amp;&amp; y</code></pre>",
        "<a href=\"tg://user?id=7\">u</a> <tg-emoji emoji-id=\"5\">🔥</tg-emoji>",
        "<tg-time unix=\"1700000000\" format=\"wDT\">then</tg-time> <s>s</s><u>u</u>",
        "<tg-spoiler><b>x</b>y</tg-spoiler><b>z</b>",
    ] {
        let parsed = parse_html(html).unwrap();
        assert_eq!(parse_html(&to_html(&parsed)).unwrap(), parsed, "{html}");
    }
}

#[test]
fn crossing_entities_are_written_as_nested_tags() {
    let kind = EntityKind::Italic;
    let crossing = FormattedText {
        text: "abcd".to_owned(),
        entities: vec![bold(0, 3), Entity { offset: 1, length: 3, kind }],
    };
    assert_eq!(to_html(&crossing), "<b>a<i>bc</i></b><i>d</i>");
}
