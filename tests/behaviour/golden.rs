//! The built-in messages as people get them, kept as text: a change of looks is seen in review.
//!
//! After a wanted change: `INSTA_UPDATE=always cargo test --test behaviour golden`, then read the
//! difference.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use nabat::alert::Notification;
use nabat::rendering::{ButtonKind, Kind, Language, Renderer, Scene};

use crate::support::fleet::{ended, fleet, mixed, now};

const SIZES: [usize; 4] = [1, 5, 60, 500];

/// Every message of one kind in one language, all sizes in one text.
fn messages(kind: Kind, language: Language, state: fn(usize) -> Notification) -> String {
    let renderer = Renderer::default();
    let zone = TimeZone::get("Asia/Almaty").unwrap();
    let mut shown = String::new();
    for size in SIZES {
        let state = state(size);
        let news: Vec<usize> = (0..size.div_ceil(2)).collect();
        let message = renderer.render(&Scene {
            kind,
            state: &state,
            news: &news,
            merged: 1,
            accepted_at: now(),
            now: now(),
            note: None,
            template: "default",
            language,
            timezone: &zone,
            tg_time: false,
            buttons: &ButtonKind::ALL,
            table: false,
        });
        assert_eq!(message.fell_back, None);
        for (index, part) in message.parts.iter().enumerate() {
            let count = message.parts.len();
            writeln!(shown, "═══ {size} alerts, message {} of {count}", index + 1).unwrap();
            writeln!(shown, "{}", part.html).unwrap();
            let rows = message.buttons.iter().filter(|_| index == 0);
            for row in rows {
                let keys: Vec<String> =
                    row.iter().map(|button| format!("[ {} ]", button.text())).collect();
                writeln!(shown, "{}", keys.join(" ")).unwrap();
            }
            writeln!(shown).unwrap();
        }
    }
    shown
}

/// What a chat is shown in each mode of updates: `thread` all of it, `edit` and `new` the cards.
#[test]
fn messages_look_as_reviewed() {
    let firing: fn(usize) -> Notification = fleet;
    for language in Language::all() {
        for (name, kind, state) in [
            ("card_firing", Kind::Card, firing),
            ("card_partly_over", Kind::Card, mixed),
            ("card_over", Kind::Card, ended),
            ("reply_news", Kind::News, firing),
            ("reply_reminder", Kind::Reminder, mixed),
            ("reply_ended", Kind::Ended, ended),
        ] {
            let name = format!("{name}.{}", language.code());
            insta::with_settings!({
                snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true,
            }, {
                insta::assert_snapshot!(name, messages(kind, language, state));
            });
        }
    }
}
