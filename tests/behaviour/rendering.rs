//! Rendering, judged by Telegram's own parser.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use nabat::alert::Notification;
use nabat::rendering::{Kind, Language, Limits, Part, Renderer, Scene};
use nabat::telegram::markup::{self, Entity, EntityKind, FormattedText};
use proptest::prelude::*;

use crate::support::notifications::{all_of, any_notification, corpus, now};
use crate::support::tdlib::tdlib;

static UTC: TimeZone = TimeZone::UTC;

const KINDS: [Kind; 4] = [Kind::Card, Kind::News, Kind::Ended, Kind::Reminder];

/// The built-in templates, compiled once for all tests.
fn renderer() -> &'static Renderer {
    static RENDERER: LazyLock<Renderer> = LazyLock::new(Renderer::default);
    &RENDERER
}

/// Every kind in every language, for one state.
fn scenes<'a>(state: &'a Notification, note: &'a str) -> Vec<Scene<'a>> {
    let languages = [Language::En, Language::Ru];
    let kinds = KINDS.into_iter().flat_map(|kind| languages.map(|language| (kind, language)));
    kinds
        .map(|(kind, language)| Scene {
            kind,
            state,
            news: &[0, 2],
            merged: 3,
            accepted_at: now() - jiff::SignedDuration::from_mins(5),
            now: now(),
            note: Some(note),
            template: "default",
            language,
            timezone: &UTC,
        })
        .collect()
}

/// What Telegram makes of a part; the words of a refusal name the part.
fn accepted(part: &Part, limits: Limits) -> Result<FormattedText, String> {
    let Part { html, plain } = part;
    let theirs = tdlib().parse_html(html).map_err(|error| format!("{error}: {html}"))?;
    let ours = markup::read_tags(html).map_err(|error| format!("{error}: {html}"))?;
    if ours != theirs {
        return Err(format!("read otherwise than by Telegram: {html}"));
    }
    let shown = markup::parse_html(html).map_err(|error| format!("{error}: {html}"))?;
    let plainly = markup::parse_plain(plain).map_err(|error| format!("{error}: {plain}"))?;
    let most = limits.characters;
    if shown.characters().max(theirs.characters()).max(plainly.characters()) > most {
        return Err(format!("longer than {most}: {html}"));
    }
    if shown.entities.len().max(theirs.entities.len()) > limits.entities {
        return Err(format!("more than {} entities: {html}", limits.entities));
    }
    Ok(shown)
}

/// Renders every kind and language and has Telegram judge each part.
fn judge(state: &Notification, limits: Limits) -> Result<(), String> {
    for scene in scenes(state, "a note <of> nabat's") {
        let rendered = renderer().render_within(&scene, limits);
        if let Some(why) = rendered.fell_back {
            return Err(why);
        }
        for part in rendered.parts.iter().chain([&renderer().minimal(&scene)]) {
            accepted(part, limits)?;
        }
    }
    Ok(())
}

#[test]
fn every_nasty_text_of_the_corpus_is_accepted_wherever_it_stands() {
    for (file, text) in corpus() {
        let state = all_of(&text);
        for limits in [Limits::TELEGRAM, Limits { characters: 1024, entities: 40 }] {
            judge(&state, limits).unwrap_or_else(|why| panic!("{file}: {why}"));
        }
    }
}

#[test]
fn no_text_of_the_corpus_becomes_a_mention_or_a_link_of_its_own() {
    for (file, text) in corpus() {
        let state = all_of(&text);
        for scene in scenes(&state, &text) {
            for part in renderer().render(&scene).parts {
                let shown =
                    accepted(&part, Limits::TELEGRAM).unwrap_or_else(|why| panic!("{file}: {why}"));
                let calls = |text: &str| tdlib().finds_call(text);
                let outside = outside_code(&shown);
                assert!(!calls(&outside), "{file}: {outside}");
                assert!(!calls(&part.plain), "{file}: {}", part.plain);
            }
        }
    }
}

/// The text that Telegram searches for mentions and commands: not what is code.
fn outside_code(shown: &FormattedText) -> String {
    let units: Vec<u16> = shown.text.encode_utf16().collect();
    let mut outside = Vec::new();
    let mut at = 0;
    for entity in shown.entities.iter().filter(|entity| entity.kind == EntityKind::Code) {
        outside.extend_from_slice(&units[at..entity.offset]);
        outside.push(u16::from(b'x'));
        at = entity.end();
    }
    outside.extend_from_slice(&units[at..]);
    String::from_utf16_lossy(&outside)
}

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
fn balanced_markup() -> impl Strategy<Value = String> {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_notification_holds_telegram_takes_what_is_made_of_it(state in any_notification()) {
            judge(&state, Limits::TELEGRAM).map_err(TestCaseError::fail)?;
    }
}
