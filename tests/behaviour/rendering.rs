//! Rendering, judged by Telegram's own parser.

use std::path::Path;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use nabat::alert::{Forgotten, Notification, Status};
use nabat::rendering::{ButtonKind, Kind, Language, Limits, Part, Renderer, Scene, TemplateSource};
use nabat::telegram::markup::{self, FormattedText};
use proptest::prelude::*;
use regex::Regex;

use crate::markup::balanced_markup;
use crate::support::fleet::{self, fleet, mixed};
use crate::support::notifications::{all_of, any_notification, corpus, now};
use crate::support::tdlib::tdlib;

static UTC: TimeZone = TimeZone::UTC;

const KINDS: [Kind; 4] = [Kind::Card, Kind::News, Kind::Ended, Kind::Reminder];

/// The built-in templates, compiled once for all tests.
pub fn renderer() -> &'static Renderer {
    static RENDERER: LazyLock<Renderer> = LazyLock::new(Renderer::default);
    &RENDERER
}

/// Every kind in every language, for one state.
pub fn scenes<'a>(state: &'a Notification, note: &'a str) -> Vec<Scene<'a>> {
    let kinds = KINDS.into_iter();
    let kinds = kinds.flat_map(|kind| Language::all().map(move |language| (kind, language)));
    kinds
        .map(|(kind, language)| Scene {
            kind,
            state,
            news: &[0, 2],
            merged: 3,
            forgotten: Forgotten { ended: 7, unlisted: 2 },
            accepted_at: now() - jiff::SignedDuration::from_mins(5),
            now: now(),
            note: Some(note),
            template: "default",
            language,
            timezone: &UTC,
            tg_time: kind == Kind::Card,
            buttons: &ButtonKind::ALL,
            table: false,
        })
        .collect()
}

/// What Telegram makes of a part; the words of a refusal name the part.
pub fn accepted(part: &Part, limits: Limits) -> Result<FormattedText, String> {
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
fn every_kind_in_every_language_of_a_group_of_any_size_is_accepted() {
    for state in [fleet, mixed, fleet::ended] {
        for size in [1, 5, 60, 500] {
            let state = state(size);
            judge(&state, Limits::TELEGRAM).unwrap_or_else(|why| panic!("{size}: {why}"));
        }
    }
}

/// The number in front of `behind`, in a text.
fn number_before(text: &str, behind: &str) -> usize {
    let digits = Regex::new(&format!(r"(\d+){}", regex::escape(behind))).unwrap();
    digits.captures(text).map_or(0, |found| found[1].parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_notification_holds_telegram_takes_what_is_made_of_it(state in any_notification()) {
            judge(&state, Limits::TELEGRAM).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn what_is_shown_and_what_is_counted_are_all_alerts(
        ends in prop::collection::vec(prop::bool::weighted(0.3), 2..200),
        colours in prop::collection::vec(0usize..3, 200),
        sentences in 0usize..60,
    ) {
        let mut state = fleet(ends.len());
        for (index, alert) in state.alerts.iter_mut().enumerate() {
            let severity = ["critical", "warning", "info"][colours[index]];
            alert.labels.insert("severity".to_owned(), severity.to_owned());
            let description = format!("on {}. ", alert.labels["instance"]).repeat(sentences);
            alert.annotations.insert("description".to_owned(), description);
            if ends[index] {
                alert.status = Status::Resolved;
                alert.ends_at = Some(now());
            }
        }
        let resolved = ends.iter().filter(|ends| **ends).count();
        let firing = ends.len() - resolved;
        let forgotten = Forgotten::default();
        let scene = Scene { merged: 1, note: None, forgotten, tg_time: false, ..scenes(&state, "")[0].clone() };
        let parts = renderer().render(&scene).parts;
        let said: String = parts.iter().map(|part| part.plain.clone() + "\n").collect();
        if firing > 0 {
            let listed = Regex::new("(?m)^(🔴|🟡|🔵) db-").unwrap().find_iter(&said).count();
            let counted = number_before(&said, " more: ");
            prop_assert_eq!(listed + counted, firing, "{}", said);
            prop_assert!(firing == 1 || number_before(&said, " firing") == firing, "{}", said);
            if let Some((_, shares)) = said.split_once(" more: ") {
                let colours = Regex::new(r"(?:🔴|🟡|🔵) (\d+)").unwrap();
                let shares = colours.captures_iter(shares.lines().next().unwrap());
                let sum: usize = shares.map(|share| share[1].parse::<usize>().unwrap()).sum();
                prop_assert_eq!(sum, counted, "{}", said);
            }
            let over = said.lines().find_map(|line| line.strip_prefix("✅ ")).unwrap_or_default();
            let more = Regex::new(r" \+(\d+)$").unwrap();
            let more = more.captures(over).map_or(0, |more| more[1].parse::<usize>().unwrap());
            prop_assert_eq!(over.matches("db-").count() + more, resolved, "{}", said);
        } else {
            prop_assert!(said.contains(&format!("\n{resolved} alerts · ")), "{}", said);
        }
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
