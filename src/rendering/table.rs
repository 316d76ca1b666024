//! A big group as a real table, in the HTML of rich messages (Bot API 10.1).
//!
//! Documented limits: 32,768 characters, 500 blocks of which each row is one, 20 columns. A
//! table of two rows or more keeps its links, and no column says what a heading says already.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use handlebars::Handlebars;

use super::catalogue::write;
use super::excerpt::{cut, line};
use super::rest::{add_unlisted, shares};
use super::subject::{Subject, plausible};
use super::view::View;
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

/// The table of a card, when its group is big enough for one. Above it stands what stands above
/// the card's list, in the words of the same templates.
pub(super) fn table(subject: &Subject<'_>, registry: &Handlebars<'static>) -> Option<String> {
    if subject.scene.kind != Kind::Card || subject.told() < FROM {
        return None;
    }
    // Times in words: whether rich messages take others is not known.
    let mut view = View::new(subject, 0, false);
    view.tg_time = false;
    let mut html = String::with_capacity(8 << 10);
    for template in ["heading", "standing", "notes"] {
        let written = write(registry, template, &view).ok()?;
        for said in written.lines().filter(|line| !line.trim().is_empty()) {
            let tag = if html.is_empty() { "h3" } else { "p" };
            let _ = write!(html, "<{tag}>{said}</{tag}>");
        }
    }
    let shared = |name: &str| {
        let said = subject.annotations.get(name).map(|text| line(text, MOST_OF_A_TEXT));
        said.filter(|text| !text.is_empty())
    };
    if let Some(text) = shared("description") {
        let _ = write!(html, "<p>{}</p>", safe(&text));
    }
    if let Some(action) = shared("action") {
        let _ = write!(html, "<p>👉 <code>{}</code></p>", safe(&action));
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
    let gone = subject.forgotten;
    let mut rest = shares(subject, subject.firing[firing..].iter());
    add_unlisted(&mut rest, gone.unlisted);
    let mut left_out: Vec<String> = rest
        .iter()
        .map(|share| {
            let name = share.name.as_ref().map(|name| format!(" {}", safe(name)));
            format!("+{} {}{}", share.count, share.emoji, name.unwrap_or_default())
        })
        .collect();
    let ended = subject.resolved.len() - resolved + gone.ended as usize;
    if ended > 0 {
        left_out.push(format!("+{ended} ✅"));
    }
    if !left_out.is_empty() {
        let _ = write!(html, "<footer>{}</footer>", left_out.join(" · "));
    }
    if !view.shared.is_empty() {
        let _ = write!(html, "<p><code>{}</code></p>", safe(&cut(&view.shared, MOST_OF_A_TEXT)));
    }
    Some(html)
}

/// The labels that tell the alerts apart best: their names if they differ, then those with the
/// most values.
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
    names.sort_by_key(|(name, values)| {
        (*name != "alertname", std::cmp::Reverse(values.len()), *name)
    });
    names.truncate(MOST_COLUMNS);
    names.into_iter().map(|(name, _)| name).collect()
}

fn row(html: &mut String, subject: &Subject<'_>, alert: &Alert, columns: &[&str]) {
    let sign = subject.emoji(alert);
    let _ = write!(html, "<tr><td>{sign}");
    let named = Subject::named_severity(alert.severity());
    if let Some(name) = named.filter(|_| !subject.labels.contains_key("severity")) {
        let _ = write!(html, " {}", safe(&name));
    }
    html.push_str("</td>");
    for name in columns {
        let value = alert.labels.get(*name).map_or("", String::as_str);
        let _ = write!(html, "<td>{}</td>", safe(&line(value, MOST_OF_A_CELL)));
    }
    let until = alert.ends_at.and_then(plausible).unwrap_or(subject.scene.now);
    let lasted = plausible(alert.starts_at).map(|start| {
        words::duration(until.duration_since(start).as_secs(), subject.scene.language)
    });
    let _ = write!(html, "<td>{}</td></tr>", lasted.unwrap_or_default());
}
