//! The reading of markup, compared with Telegram's own parser.

use nabat::telegram::markup::{self, Entity, EntityKind, FormattedText};
use proptest::prelude::*;

use crate::support::tdlib::tdlib;

/// tdlib (1.8.67) names any unquoted value of `tg-time`'s format in lower case, and long formats
/// as short ones: spelling is no difference.
fn with_plain_dates(mut text: FormattedText) -> FormattedText {
    for Entity { kind, .. } in &mut text.entities {
        if let EntityKind::DateTime { format, .. } = kind {
            let relative = matches!(format.as_str(), "r" | "R");
            let said = |letters: [char; 2]| format.contains(letters);
            let parts = [(said(['w', 'W']), 'w'), (said(['d', 'D']), 'd'), (said(['t', 'T']), 't')];
            *format = if relative {
                "r".to_owned()
            } else {
                parts.iter().filter_map(|(said, letter)| said.then_some(*letter)).collect()
            };
        }
    }
    text
}

/// Pieces that make markup: tags whole and broken, references, blanks, strange characters.
fn markup_soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "<b>", "</b>", "<i>", "</i>", "<u>", "</u>", "<s>", "</s>", "<tg-spoiler>",
            "</tg-spoiler>", "<code>", "</code>", "<pre>", "</pre>", "<blockquote>",
            "</blockquote>", "<blockquote expandable>", "<code class=\"language-sh\">",
            "<a href=\"https://example.com/?a=1&amp;b\">", "<a href='tg://user?id=7'>", "<a>",
            "</a>", "</>", "<span class=\"tg-spoiler\">", "</span>", "<STRONG>", "</strong>",
            "<tg-time unix=\"1700000000\" format=\"wDT\">", "<tg-time unix=5 format=r>",
            "</tg-time>", "<tg-emoji emoji-id=\"5368324170671202286\">", "</tg-emoji>",
        ]).prop_map(str::to_owned),
        4 => prop::sample::select(vec![
            "a", "b c", " ", "\n", "\n\n", "ы", "🔥", "👩‍👩‍👧", "\r", "\t", "\u{0}", "\u{202e}",
            "\u{200b}", "\u{30a}", "\u{200f}", "\u{200e}", "&lt;", "&#60;", "&#x1F600;", "&amp",
            "&nbsp;", "&", "&#0;", "&#1114111;", "\u{a0}", "\u{b}", "é",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            "<", ">", "<b", "</", "</b", "<x>", "<a href=x/y>", "<a href=\"", "<b =", "<b a", "<i/>",
            "<span>", "<pre ", "&#xD83D;", "<tg-time unix=5 format=q>", "<tg-emoji emoji-id=0>",
            "<b a='>'>", "\" ", "' ", "=",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Markup whose tags are balanced, so that what comes after the reading is tried too.
pub fn balanced_markup() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a", "b c", " ", "\n", "ы", "🔥", "\r", "\t", "\u{202e}", "\u{30a}", "&lt;", "\u{200f}",
        "\u{200e}", "", "ё x",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 40, 5, |inner| {
        let tag = prop::sample::select(vec![
            ("<b>", "</b>"),
            ("<i>", "</i>"),
            ("<u>", "</u>"),
            ("<s>", "</s>"),
            ("<tg-spoiler>", "</tg-spoiler>"),
            ("<code>", "</code>"),
            ("<pre>", "</pre>"),
            ("<pre><code class=\"language-sh\">", "</code></pre>"),
            ("<blockquote>", "</blockquote>"),
            ("<blockquote expandable>", "</blockquote>"),
            ("<a href=\"https://example.com\">", "</a>"),
            ("<a href=\"tg://user?id=7\">", "</a>"),
            ("<tg-time unix=\"1700000000\" format=\"wdt\">", "</tg-time>"),
        ]);
        (tag, prop::collection::vec(inner, 1..5))
            .prop_map(|((open, close), inside)| format!("{open}{}{close}", inside.concat()))
    })
}

fn url() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "http",
        "HTTPS",
        "://",
        ":",
        "/",
        "//",
        "?",
        "#",
        "@",
        "a.b",
        "example.com",
        "localhost",
        "[::1]",
        "[",
        "]",
        ":80",
        ":0",
        ":65536",
        ":080",
        "tg:",
        "tg://",
        "ton://",
        "user?id=7",
        "user",
        "id=",
        "7",
        "&",
        "%41",
        "%",
        "%zz",
        " ",
        "\t",
        "ы",
        "_",
        "-",
        ".",
        "..",
        "=",
        "x",
        "\\",
        "'",
        "resolve?domain=x",
        "tonsite://",
    ]);
    prop::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn markup_is_read_as_telegram_reads_it(html in markup_soup()) {
        let ours = markup::read_tags(&html).map(with_plain_dates).map_err(|e| e.to_string());
        let theirs = tdlib().parse_html(&html).map_err(|words| words.replacen('C', "c", 1));
        prop_assert_eq!(ours, theirs.map(with_plain_dates));
    }

    #[test]
    fn a_text_is_put_in_order_as_telegram_does_it(
        html in prop::collection::vec(balanced_markup(), 1..4).prop_map(|parts| parts.concat())
    ) {
        let raw = markup::read_tags(&html).expect("balanced markup");
        let mut ours = with_plain_dates(markup::put_in_order_untrimmed(raw));
        let theirs = with_plain_dates(tdlib().put_in_order(&html));
        if theirs.text.is_empty() && ours.text.trim().is_empty() {
            ours = FormattedText::default();
        }
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn links_are_taken_as_telegram_takes_them(url in url()) {
        let html = format!("<a href=\"{}\">x</a>", markup::escape(&url));
        let ours = markup::read_tags(&html).map_err(|e| e.to_string());
        prop_assert_eq!(ours, tdlib().parse_html(&html));
    }

    #[test]
    fn html_written_from_a_parsed_text_reads_as_the_same_text(
        html in prop::collection::vec(balanced_markup(), 1..4).prop_map(|parts| parts.concat())
    ) {
        if let Ok(parsed) = markup::parse_html(&html) {
            let written = markup::to_html(&parsed);
            prop_assert_eq!(markup::parse_html(&written), Ok(parsed), "{}", written);
        }
    }
}
