//! The built-in messages as people get them, kept as text: a change of looks is seen in review.
//!
//! After a wanted change: `INSTA_UPDATE=always cargo test --test behaviour golden`, then read the
//! difference.

use std::fmt::Write as _;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use nabat::alert::{Forgotten, Notification};
use nabat::rendering::{ButtonKind, Glance, Head, Kind, Language, Rendered, Renderer, Scene};
use nabat::sandbox;

use crate::support::fleet::{ended, fleet, mixed, now};
use crate::support::tdlib::tdlib;

const SIZES: [usize; 4] = [1, 5, 60, 500];

/// Four are too few for a table, and five hundred too many to be all in it.
const SIZES_OF_TABLES: [usize; 3] = [4, 5, 500];

/// What is made of a group for a chat in `language`.
fn rendered(kind: Kind, language: Language, state: &Notification, table: bool) -> Rendered {
    static RENDERER: LazyLock<Renderer> = LazyLock::new(Renderer::default);
    let zone = TimeZone::get("Asia/Almaty").unwrap();
    let news: Vec<usize> = (0..state.alerts.len().div_ceil(2)).collect();
    let message = RENDERER.render(&Scene {
        kind,
        state,
        news: &news,
        merged: 1,
        forgotten: Forgotten::default(),
        accepted_at: now(),
        now: now(),
        note: None,
        template: "default",
        language,
        timezone: &zone,
        tg_time: false,
        buttons: &ButtonKind::ALL,
        table,
    });
    assert_eq!(message.fell_back, None);
    message
}

/// Every message of one kind in one language, all sizes in one text.
fn messages(kind: Kind, language: Language, state: fn(usize) -> Notification) -> String {
    let mut shown = String::new();
    for size in SIZES {
        let message = rendered(kind, language, &state(size), false);
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

/// The tables of all sizes in one language, a line a block and a row.
fn tables(language: Language) -> String {
    let mut shown = String::new();
    for size in SIZES_OF_TABLES {
        let message = rendered(Kind::Card, language, &mixed(size), true);
        writeln!(shown, "═══ {size} alerts").unwrap();
        let Some(html) = message.table else {
            writeln!(shown, "no table\n").unwrap();
            continue;
        };
        sandbox::read_rich(&html).unwrap();
        let ends = ["</h3>", "</p>", "</tr>", "</table>", "</footer>"];
        let lines = ends.iter().fold(html, |html, end| html.replace(end, &format!("{end}\n")));
        writeln!(shown, "{lines}").unwrap();
    }
    shown
}

fn assert_as_reviewed(name: &str, language: Language, shown: &str) {
    let name = format!("{name}.{}", language.code());
    insta::with_settings!({
        snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true,
    }, {
        insta::assert_snapshot!(name, shown);
    });
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
            assert_as_reviewed(name, language, &messages(kind, language, state));
        }
    }
}

/// What a chat of rich messages is shown of a big group.
#[test]
fn tables_look_as_reviewed() {
    for language in Language::all() {
        assert_as_reviewed("card_table", language, &tables(language));
    }
}

/// Groups in a storm: of each severity and one that nabat does not know, alike by name or not, some
/// of them in one place, a fifth of them over.
fn storm(size: u32) -> Vec<Glance> {
    const NAMES: [&str; 4] = ["DiskWillFillSoon", "ServiceDown", "HighLatency", "Certificate<7d"];
    const SEVERITIES: [&str; 5] = ["critical", "warning", "warning", "info", "sev2"];
    let glance = |number: u32| {
        let at = number as usize;
        let ended = number % 5 == 3;
        let disk = number.is_multiple_of(6);
        let name = match number {
            _ if number.is_multiple_of(7) => format!("Probe_{number}_failed & retried"),
            _ if disk => "DiskFull".to_owned(),
            _ => NAMES[at % NAMES.len()].to_owned(),
        };
        Glance {
            name,
            place: match number {
                _ if disk => "db-1.example.org".to_owned(),
                _ if number % 11 == 4 => String::new(),
                _ => format!("db-{number}.example.org"),
            },
            also: match at % NAMES.len() {
                _ if disk => format!("/mnt/vol{number:02}"),
                1 => format!("shop-{} fra", number % 3),
                2 => "shop fra".to_owned(),
                _ => String::new(),
            },
            severity: SEVERITIES[at % SEVERITIES.len()].to_owned(),
            firing: if ended { 0 } else { 1 + number % 3 },
            ended,
            resolved: if ended { 1 } else { number % 9 / 7 },
            unlisted: u32::from(number % 13 == 8),
            moved: number % 17 == 16,
        }
    };
    (1..=size).map(glance).collect()
}

/// What people see of a storm: digests while it lasts and as they stand later, and its end.
#[test]
fn digests_look_as_reviewed_and_telegram_reads_them() {
    let renderer = Renderer::default();
    for language in Language::all() {
        let mut shown = String::new();
        for size in [2, 20, 600] {
            let glances = storm(size);
            let totals =
                [("critical".to_owned(), 17), ("warning".to_owned(), 240), (String::new(), 3)];
            let heads = [
                ("in the storm", Head::Storm { totals: &totals, late: 600 }),
                ("as it stands", Head::Standing),
                ("over", Head::Over { seconds: 754, groups: 260 }),
            ];
            for (when, head) in heads {
                let (part, taken) = renderer.digest(head, &glances, language);
                let read = tdlib().parse_html(&part.html);
                assert!(read.is_ok(), "{read:?} {}", part.html);
                assert!(part.plain.chars().count() <= 4096);
                writeln!(shown, "═══ {size} groups, {when}: {taken} told").unwrap();
                writeln!(shown, "{}\n", part.html).unwrap();
            }
        }
        assert_as_reviewed("digest", language, &shown);
    }
}
