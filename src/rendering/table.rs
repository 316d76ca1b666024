//! A big group as a real table, in the HTML of rich messages (Bot API 10.1).
//!
//! Documented limits: 32,768 characters, 500 blocks of which each row is one, 20 columns. A
//! table of two rows or more keeps its links, and no column says what a heading says already.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::excerpt::{MAX_LINE, cut, line};
use super::subject::Subject;
use super::visible::safe;
use super::{Kind, words};
use crate::alert::Alert;

/// From so many alerts on a table says more than lines.
const FROM: usize = 5;
/// Rows; more of them nobody reads, and 32,768 characters hold about a hundred full ones.
const MOST_ROWS: usize = 80;
/// Columns of labels that fit on a phone.
const MOST_COLUMNS: usize = 3;
/// Characters of a cell.
const MOST_OF_A_CELL: usize = 60;
/// Characters of a paragraph.
const MOST_OF_A_TEXT: usize = 1_000;

/// The table of a card, when its group is big enough for one. `heading` is the line that names
/// the group and says how it stands.
pub(super) fn table(subject: &Subject<'_>, heading: &str) -> Option<String> {
    if subject.scene.kind != Kind::Card || subject.told() < FROM {
        return None;
    }
    let mut html = String::with_capacity(8 << 10);
    let _ = write!(html, "<h3>{}</h3>", safe(heading));
    if let Some(note) = subject.scene.note {
        let _ = write!(html, "<p>ℹ️ {}</p>", safe(note));
    }
    let shared = |name: &str| subject.annotations.get(name).map(|text| text.trim());
    for name in ["summary", "description"] {
        if let Some(text) = shared(name).filter(|text| !text.is_empty()) {
            let _ = write!(html, "<p>{}</p>", safe(&cut(text, MOST_OF_A_TEXT)));
        }
    }
    if let Some(action) = shared("action").filter(|text| !text.is_empty()) {
        let _ = write!(html, "<p><code>{}</code></p>", safe(&line(action, MAX_LINE)));
    }
    let columns = columns(subject);
    html.push_str("<table bordered striped><tr><th></th>");
    for name in &columns {
        let _ = write!(html, "<th>{}</th>", safe(&line(name, MOST_OF_A_CELL)));
    }
    html.push_str("<th>⏱</th></tr>");
    let (firing, resolved) = subject.shares(MOST_ROWS);
    for alert in subject.firing[..firing].iter().chain(&subject.resolved[..resolved]) {
        row(&mut html, subject, alert, &columns);
    }
    html.push_str("</table>");
    let left_out = [
        (subject.firing.len() - firing, subject.colour(subject.severity)),
        (subject.resolved.len() - resolved, "✅"),
    ];
    let left_out: Vec<String> = left_out
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, emoji)| format!("+{count} {emoji}"))
        .collect();
    if !left_out.is_empty() {
        let _ = write!(html, "<footer>{}</footer>", left_out.join(" · "));
    }
    Some(html)
}

/// The labels that tell the alerts apart best: those with the most values.
fn columns<'a>(subject: &Subject<'a>) -> Vec<&'a str> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for alert in subject.firing.iter().chain(&subject.resolved) {
        let own = alert
            .labels
            .iter()
            .filter(|(name, _)| !subject.labels.contains_key(*name) && name.as_str() != "severity");
        for (name, value) in own {
            values.entry(name).or_default().insert(value);
        }
    }
    let mut names: Vec<_> = values.into_iter().collect();
    names.sort_by_key(|(name, values)| (std::cmp::Reverse(values.len()), *name));
    names.truncate(MOST_COLUMNS);
    names.into_iter().map(|(name, _)| name).collect()
}

fn row(html: &mut String, subject: &Subject<'_>, alert: &Alert, columns: &[&str]) {
    let sign = subject.emoji(alert);
    let _ = write!(html, "<tr><td>{sign}</td>");
    for name in columns {
        let value = alert.labels.get(*name).map_or("", String::as_str);
        let _ = write!(html, "<td>{}</td>", safe(&line(value, MOST_OF_A_CELL)));
    }
    let until = alert.ends_at.unwrap_or(subject.scene.now);
    let seconds = until.duration_since(alert.starts_at).as_secs();
    let _ = write!(html, "<td>{}</td></tr>", words::duration(seconds, subject.scene.language));
}
