//! What must hold of a rendering, whatever it is made from. The fuzz targets try it on what they
//! think up, the tests on what was once found (`tests/corpus/fuzz`).

#![allow(dead_code, reason = "each target uses one of the checks")]

use std::path::PathBuf;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nabat::alert::{Forgotten, Notification};
use nabat::ingest;
use nabat::rendering::{ButtonKind, Kind, Language, Limits, Part, Renderer, Scene, TemplateSource};
use nabat::sandbox::{self, Block, Cell};
use nabat::telegram::markup::{self, MarkupError};

/// The line between a template and the body it is rendered with.
const DIVIDER: &str = "\n---\n";

/// The body of a template that brings none.
const BODY: &str = r#"{"version":"4","status":"firing","receiver":"r","groupKey":"k","alerts":[
    {"status":"firing","labels":{"alertname":"A","instance":"db-1","severity":"critical"},
     "annotations":{"summary":"s","description":"d\n@all"},"startsAt":"2026-11-03T09:00:00Z"},
    {"status":"resolved","labels":{"alertname":"A","instance":"db-2"},"annotations":{},
     "startsAt":"2026-11-03T08:00:00Z","endsAt":"2026-11-03T08:30:00Z"}]}"#;

/// A body that is taken at all becomes messages within the limits, in every kind and language,
/// by the built-in templates alone; and a table where it is big enough for one.
///
/// # Panics
/// When it does not; so do all checks.
pub fn payload(data: &[u8]) {
    static RENDERER: LazyLock<Renderer> = LazyLock::new(Renderer::default);
    let Ok(state) = ingest::parse(data, now()) else { return };
    for kind in [Kind::Card, Kind::News, Kind::Ended, Kind::Reminder] {
        for language in ["en", "ru"].map(language) {
            let scene = Scene { kind, language, ..scene(&state) };
            for limits in [Limits::TELEGRAM, Limits { characters: 700, entities: 24 }] {
                let fell_back = within_limits(&RENDERER, &scene, limits);
                assert_eq!(fell_back, None, "the built-in templates render everything");
            }
            let wanted = Scene { table: true, tg_time: true, ..scene };
            if let Some(html) = RENDERER.render(&wanted).table {
                assert_eq!(kind, Kind::Card, "only a card is a table");
                let Forgotten { ended, unlisted } = wanted.forgotten;
                table(&html, state.alerts.len() + (ended + unlisted) as usize);
            }
        }
    }
}

/// The sandbox, which keeps the documented limits, reads a table, and every one of the `alerts` is
/// in it or counted below it.
fn table(html: &str, alerts: usize) {
    let blocks = sandbox::read_rich(html).unwrap_or_else(|error| panic!("{error}: {html}"));
    let mut tables = blocks.iter().filter_map(|block| match block {
        Block::Table(rows) => Some(rows),
        _ => None,
    });
    let (rows, more) = (tables.next().expect("a table"), tables.next());
    assert_eq!(more, None, "one table: {html}");
    let is_head = |cells: &Vec<Cell>| cells.iter().all(|cell| cell.header);
    assert!(is_head(&rows[0]) && !rows[1..].iter().any(is_head), "{html}");
    assert!(rows.iter().all(|cells| cells.len() == rows[0].len()), "{html}");
    let counted = blocks.iter().any(|block| matches!(block, Block::Footer(_)));
    assert_eq!(counted, rows.len() - 1 < alerts, "{alerts} alerts: {html}");
}

/// A template that compiles renders, or is replaced; either way the message is within the limits.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (template, body) = text.split_once(DIVIDER).unwrap_or((text, BODY));
    let Ok(state) = ingest::parse(body.as_bytes(), now()) else { return };
    let source = TemplateSource {
        name: "own".to_owned(),
        language: None,
        text: template.to_owned(),
        file: PathBuf::from("own.hbs"),
    };
    let Ok(renderer) = Renderer::new(vec![source]) else { return };
    within_limits(&renderer, &Scene { template: "own", ..scene(&state) }, Limits::TELEGRAM);
}

/// Markup that is taken is the same when it is written and read again.
pub fn markup(data: &[u8]) {
    let Ok(html) = std::str::from_utf8(data) else { return };
    match markup::parse_unbounded_html(html) {
        Ok(parsed) => {
            let written = markup::to_html(&parsed);
            assert_eq!(markup::parse_unbounded_html(&written), Ok(parsed), "{written}");
        }
        Err(MarkupError::Tags(words)) => assert!(!words.is_empty()),
        Err(_) => {}
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_793_700_000).expect("a time")
}

fn language(code: &str) -> Language {
    Language::from_code(code).expect("a language of the built-in texts")
}

fn scene(state: &Notification) -> Scene<'_> {
    static UTC: TimeZone = TimeZone::UTC;
    Scene {
        kind: Kind::Card,
        state,
        news: &[0],
        merged: 2,
        forgotten: Forgotten { ended: 3, unlisted: 1 },
        accepted_at: now(),
        now: now(),
        note: Some("a note"),
        template: "default",
        language: language("en"),
        timezone: &UTC,
        tg_time: false,
        buttons: &ButtonKind::ALL,
        table: false,
    }
}

/// Renders, and checks each form of each part.
fn within_limits(renderer: &Renderer, scene: &Scene<'_>, limits: Limits) -> Option<String> {
    let message = renderer.render_within(scene, limits);
    assert!(!message.parts.is_empty(), "a message has a part");
    let minimal = renderer.minimal(scene);
    assert!(!minimal.plain.contains('\n'), "the last resort is one line");
    for part in message.parts.iter().chain([&minimal]) {
        let Part { html, plain } = part;
        let rich = markup::parse_html(html).unwrap_or_else(|error| panic!("{error}: {html}"));
        let plain = markup::parse_plain(plain).unwrap_or_else(|error| panic!("{error}: {plain}"));
        assert!(rich.characters() <= limits.characters, "{html}");
        assert!(rich.entities.len() <= limits.entities, "{html}");
        assert!(plain.characters() <= limits.characters, "{}", plain.text);
    }
    message.fell_back
}
