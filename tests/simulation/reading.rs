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

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub kind: Kind,
    /// The group and the number of the body in the head of a card or reply.
    pub head: Option<(usize, u32)>,
    pub alerts: Vec<Mark>,
    /// Groups that are named without their alerts, and how many of those fire, where that is said.
    pub groups: Vec<(usize, Stands, Option<usize>)>,
}

/// The template whose messages [`read`] understands: what each alert is, and nothing else.
pub const TEMPLATES: [(&str, &str); 4] = [
    (
        "sim",
        "Card of {{groupKey}} by {{externalURL}}\n{{#each alerts}}{{annotations.mark}}{{#if unlisted}}?{{/if}} {{annotations.padding}}\n{{/each}}",
    ),
    (
        "sim.news",
        "News of {{groupKey}} by {{externalURL}}\n{{#each alerts}}{{annotations.mark}}{{#if unlisted}}?{{/if}} {{annotations.padding}}\n{{/each}}",
    ),
    (
        "sim.ended",
        "Ended of {{groupKey}} by {{externalURL}}\n{{#each alerts}}{{annotations.mark}}{{#if unlisted}}?{{/if}} {{annotations.padding}}\n{{/each}}",
    ),
    (
        "sim.reminder",
        "Reminder of {{groupKey}} by {{externalURL}}\n{{#each alerts}}{{annotations.mark}}{{#if unlisted}}?{{/if}} {{annotations.padding}}\n{{/each}}",
    ),
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
        Some((kind, ..)) => kind,
        None if digest => Kind::Digest,
        None if summary => Kind::Summary,
        None => Kind::Other,
    };
    let groups = if head.is_none() && alerts.is_empty() {
        named(&text, kind != Kind::Other)
    } else {
        Vec::new()
    };
    Read { kind, head: head.map(|(_, group, made)| (group, made)), alerts, groups }
}

/// `Card of Grp0012 by s7`, with the number of a part before it.
fn head(line: &str) -> Option<(Kind, usize, u32)> {
    for (word, kind) in [
        ("Card of ", Kind::Card),
        ("News of ", Kind::News),
        ("Ended of ", Kind::Ended),
        ("Reminder of ", Kind::Reminder),
    ] {
        if let Some((_, rest)) = line.split_once(word) {
            let (group, made) = rest.split_once(" by s")?;
            let made = made.split_whitespace().next()?;
            return Some((kind, group.strip_prefix("Grp")?.parse().ok()?, made.parse().ok()?));
        }
    }
    None
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
fn named(text: &str, counts: bool) -> Vec<(usize, Stands, Option<usize>)> {
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
                let rest = line[at + 7..].trim_start_matches([' ', '·']);
                let count = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
                let count = count.and_then(|(count, _)| count.parse().ok()).unwrap_or(1);
                let fires = counts && stands == Stands::Fires;
                groups.push((group, stands, fires.then_some(count)));
            }
        }
    }
    groups
}
