//! Reading messages as people do: which groups and alerts they tell of, and how those stand.

use nabat::sandbox::Shown;

/// How a message says that a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stands {
    Fires,
    Over,
    /// Not reported any more.
    Unknown,
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Card,
    News,
    Ended,
    Reminder,
    Digest,
    Summary,
    /// A later part of a long message, the minimal form, or a word of nabat's own.
    Other,
}

/// What one alert is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub group: usize,
    pub alert: usize,
    pub number: u32,
    pub unlisted: bool,
}

/// The first line of a card or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub group: usize,
    /// The number of the newest body.
    pub made: u32,
    pub merged: u32,
    pub late: bool,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub kind: Kind,
    /// Of a card or reply.
    pub head: Option<Head>,
    pub alerts: Vec<Mark>,
    /// Groups that are named without their alerts, and how many of those fire, where that is said.
    pub groups: Vec<(usize, Stands, Option<usize>)>,
}

/// What each alert is, how many notifications are merged, and whether it is late.
macro_rules! template {
    ($word:literal) => {
        concat!(
            $word,
            " of {{groupKey}} by {{externalURL}} merged {{merged}}{{#if late}} late{{/if}}\n",
            "{{#each alerts}}",
            "{{annotations.mark}}{{#if unlisted}}?{{/if}} {{annotations.padding}}\n",
            "{{/each}}"
        )
    };
}

/// The templates whose messages [`read`] understands.
pub const TEMPLATES: [(&str, &str); 4] = [
    ("sim", template!("Card")),
    ("sim.news", template!("News")),
    ("sim.ended", template!("Ended")),
    ("sim.reminder", template!("Reminder")),
];

/// Reads a message.
pub fn read(shown: &Shown) -> Read {
    // Joiners keep Telegram from finding links and the like; people do not see them.
    let text: String = shown.text.chars().filter(|c| *c != '\u{2060}').collect();
    let alerts: Vec<Mark> = text.split_whitespace().filter_map(mark).collect();
    let head = text.lines().find_map(head);
    let digest = text.lines().any(|line| line.starts_with('⛈'));
    let summary = text.lines().any(|line| line.starts_with('🌤'));
    let kind = match head {
        Some((kind, _)) => kind,
        None if digest => Kind::Digest,
        None if summary => Kind::Summary,
        None => Kind::Other,
    };
    let groups = if head.is_none() && alerts.is_empty() {
        named(&text, kind != Kind::Other)
    } else {
        Vec::new()
    };
    Read { kind, head: head.map(|(_, head)| head), alerts, groups }
}

/// `Card of Grp0012 by s7 merged 2 late`, with the number of a part before it.
fn head(line: &str) -> Option<(Kind, Head)> {
    let kinds = [
        ("Card of Grp", Kind::Card),
        ("News of Grp", Kind::News),
        ("Ended of Grp", Kind::Ended),
        ("Reminder of Grp", Kind::Reminder),
    ];
    let (rest, kind) =
        kinds.iter().find_map(|(word, kind)| Some((line.split_once(word)?.1, *kind)))?;
    let (group, rest) = rest.split_once(' ')?;
    let mut words = rest.split_whitespace();
    let made = words.nth(1)?.strip_prefix('s')?.parse().ok()?;
    let merged = words.nth(1)?.parse().ok()?;
    let late = words.next() == Some("late");
    Some((kind, Head { group: group.parse().ok()?, made, merged, late }))
}

/// `m0012a003n5`, with `?` when it is not listed any more.
fn mark(word: &str) -> Option<Mark> {
    let word = word.strip_prefix('m')?;
    let (word, unlisted) = word.strip_suffix('?').map_or((word, false), |word| (word, true));
    let (group, rest) = word.split_once('a')?;
    let (alert, number) = rest.split_once('n')?;
    Some(Mark {
        group: group.parse().ok()?,
        alert: alert.parse().ok()?,
        number: number.parse().ok()?,
        unlisted,
    })
}

/// The groups of a digest, a summary or a minimal message; each line's first sign says how they
/// stand, a folded list belongs to the line before it.
fn named(text: &str, is_list: bool) -> Vec<(usize, Stands, Option<usize>)> {
    let mut groups = Vec::new();
    let mut stands = Stands::Fires;
    let mut moved = false;
    for line in text.lines() {
        let sign = line.chars().next();
        if sign.is_some_and(|sign| "✅❔🔥🔴🟠🟡🔵⚪↪".contains(sign)) {
            moved = sign == Some('↪');
        }
        // A later digest tells of them.
        if moved {
            continue;
        }
        match sign {
            Some('✅') => stands = Stands::Over,
            Some('❔') => stands = Stands::Unknown,
            Some('🔥' | '🔴' | '🟠' | '🟡' | '🔵' | '⚪') => stands = Stands::Fires,
            _ => {}
        }
        for (at, _) in line.match_indices("Grp") {
            if let Some(group) = line.get(at + 3..at + 7).and_then(|digits| digits.parse().ok()) {
                let count = if is_list {
                    // `Grp0012 (2)`, or `Grp0012 (2 · ✅ 1)` where one of its alerts is over;
                    // nothing behind one that has one alert.
                    let rest = line[at + 7..].trim_start_matches([' ', '·']);
                    let count =
                        rest.strip_prefix('(').and_then(|rest| rest.split([' ', ')']).next());
                    Some(
                        count.map_or(1, |count| count.parse().unwrap_or_else(|_| panic!("{line}"))),
                    )
                } else {
                    // `FIRING 2 · Grp0012`
                    let before = line[..at].trim_end_matches([' ', '·']);
                    before.rsplit(' ').next().and_then(|count| count.parse().ok())
                };
                let fires = stands == Stands::Fires;
                groups.push((group, stands, count.filter(|_| fires)));
            }
        }
    }
    groups
}
