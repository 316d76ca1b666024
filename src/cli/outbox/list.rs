//! What waits, what is dead, and what was refused, as tables.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;

use super::super::http::ServerArgs;
use super::super::output::{plain, say, say_json};
use super::{nabat, read};
use crate::clock::Clock;
use crate::outbox::Rejected;
use crate::routing::Topic;

/// What is to be listed.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Only the entries in this state
    #[arg(long, value_parser = ["waiting", "dead"])]
    state: Option<String>,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1000))]
    limit: u32,
    /// List refused webhooks instead, newest first
    #[arg(long, conflicts_with_all = ["state", "limit"])]
    rejected: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The part of an entry that the table shows.
#[derive(Debug, Deserialize)]
struct Row {
    id: i64,
    chat: String,
    topic: Option<Topic>,
    state: String,
    group: Group,
    merged: u32,
    attempts: u32,
    first_accepted_at: Timestamp,
    reason: Option<String>,
    last_error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Group {
    receiver: String,
    key: String,
}

/// Prints what was asked for.
///
/// # Errors
/// When nabat is not there or refuses.
pub async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let path = match (args.rejected, &args.state) {
        (true, _) => "/api/v1/outbox/rejected".to_owned(),
        (false, None) => format!("/api/v1/outbox?limit={}", args.limit),
        (false, Some(state)) => format!("/api/v1/outbox?limit={}&state={state}", args.limit),
    };
    let mut answer = nabat(&args.server)?.get(Method::GET, &path).await?;
    let list = answer[if args.rejected { "rejected" } else { "entries" }].take();
    if args.json {
        return say_json(&list);
    }
    let now = Clock::system().now();
    let lines = if args.rejected {
        rejected_lines(&read(list)?, now)
    } else {
        let rows: Vec<Row> = read(list)?;
        if rows.is_empty() { vec![nothing(args)] } else { table(&rows, now) }
    };
    for line in lines {
        say(&line)?;
    }
    Ok(())
}

/// What a list without entries means.
fn nothing(args: &ListArgs) -> String {
    match &args.state {
        _ if args.limit == 0 => "nothing is listed: --limit is 0".to_owned(),
        Some(state) => format!("there are no {state} entries"),
        None => "the outbox is empty: everything accepted is shown".to_owned(),
    }
}

fn table(rows: &[Row], now: Timestamp) -> Vec<String> {
    let heads = ["ID", "CHAT", "STATE", "AGE", "UPDATES", "TRIES", "GROUP", "WHY"];
    let mut cells = vec![heads.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let chat = match &row.topic {
            Some(topic) => format!("{}/{topic}", row.chat),
            None => row.chat.clone(),
        };
        let why = [row.reason.as_deref(), row.last_error.as_deref()];
        let why: Vec<&str> = why.into_iter().flatten().collect();
        [
            row.id.to_string(),
            plain(&chat),
            plain(&row.state),
            age(now.duration_since(row.first_accepted_at)),
            row.merged.to_string(),
            row.attempts.to_string(),
            plain(&format!("{} {}", row.group.receiver, row.group.key)),
            plain(&why.join(": ")),
        ]
    }));
    let widths: [usize; 8] = std::array::from_fn(|column| {
        cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    cells
        .iter()
        .map(|row| {
            let padded: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            padded.join("  ").trim_end().to_owned()
        })
        .collect()
}

fn rejected_lines(rejected: &[Rejected], now: Timestamp) -> Vec<String> {
    if rejected.is_empty() {
        return vec!["no webhook was refused".to_owned()];
    }
    rejected
        .iter()
        .flat_map(|one| {
            let age = age(now.duration_since(one.at));
            let what = format!(
                "{age} ago  {}  {}  from {}: {}",
                one.code,
                plain(&one.path),
                plain(&one.peer),
                plain(&one.reason)
            );
            // What was posted to a wrong path is not read.
            let head = (!one.head.is_empty()).then(|| format!("    {}", plain(&one.head)));
            std::iter::once(what).chain(head)
        })
        .collect()
}

/// A duration in its largest fitting unit.
fn age(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up_and_shows_why_a_letter_is_dead() {
        let rows: Vec<Row> = read(serde_json::json!([
            {"id": 7, "chat": "ops", "topic": 3, "state": "dead",
             "group": {"source": "alertmanager", "receiver": "tg", "key": "{}:{a=\"b\"}"},
             "severity": 0, "class": "news", "merged": 2, "attempts": 9,
             "first_accepted_at": "2026-01-01T00:00:00Z",
             "last_accepted_at": "2026-01-01T00:00:00Z",
             "reason": "unreachable", "last_error": "bot was kicked"},
        ]))
        .unwrap();
        let now = "2026-01-01T03:00:00Z".parse().unwrap();
        assert_eq!(
            table(&rows, now),
            [
                "ID  CHAT   STATE  AGE  UPDATES  TRIES  GROUP          WHY",
                "7   ops/3  dead   3h   2        9      tg {}:{a=\"b\"}  unreachable: bot was kicked",
            ]
        );
    }

    #[test]
    fn an_age_is_told_in_its_largest_fitting_unit() {
        let told = [0, 119, 120, 7199, 7200, 172_799, 172_800]
            .map(|seconds| age(SignedDuration::from_secs(seconds)));
        assert_eq!(told, ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
