//! Rendering, judged by Telegram's own parser.

use std::path::Path;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use nabat::alert::Notification;
use nabat::rendering::{ButtonKind, Kind, Language, Limits, Part, Renderer, Scene, TemplateSource};
use nabat::telegram::markup::{self, EntityKind, FormattedText};
use proptest::prelude::*;

use crate::markup::balanced_markup;
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
            buttons: &ButtonKind::ALL,
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_notification_holds_telegram_takes_what_is_made_of_it(state in any_notification()) {
            judge(&state, Limits::TELEGRAM).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a_long_text_with_any_formatting_is_cut_into_parts_that_telegram_takes(
        pieces in prop::collection::vec(
            prop_oneof![balanced_markup(), "[a-zё🔥 \n.]{1,80}", Just("\n\n".to_owned())],
            20..120,
        ),
    ) {
        let text = pieces.concat();
        let template = TemplateSource::from_file(Path::new("default.hbs"), text.clone());
        let renderer = Renderer::new(vec![template]).expect("a template without expressions");
        let state = all_of("x");
        let scene = &scenes(&state, "")[0];
        let limits = Limits { characters: 400, entities: 24 };
        let message = renderer.render_within(scene, limits);
        let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        if message.fell_back.is_none() {
            let total = message.parts.len();
            let mut said = String::new();
            for (index, part) in message.parts.iter().enumerate() {
                let shown = accepted(part, limits).map_err(TestCaseError::fail)?;
                let number = if total > 1 { format!("({}/{total})", index + 1) } else { String::new() };
                let rest = shown.text.strip_suffix(&number);
                said.push_str(rest.ok_or_else(|| TestCaseError::fail(shown.text.clone()))?);
            }
            let whole = markup::parse_unbounded_html(&text).expect("balanced markup").text;
            prop_assert_eq!(visible(&said), visible(&whole));
        }
    }
}
