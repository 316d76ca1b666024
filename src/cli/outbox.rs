//! `nabat outbox`: what waits, what is dead, and what a person does about it.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::outbox::Rejected;
use crate::routing::Topic;

use super::http::{Nabat, ServerArgs};
use super::output::{plain, say, say_json};

/// Look at and mend the outbox of a running nabat
#[derive(Debug, clap::Args)]
pub struct OutboxArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List what waits and what is dead, oldest first
    List(ListArgs),
    /// Show one entry with everything it holds, as JSON
    Show {
        #[command(flatten)]
        server: ServerArgs,
        /// The entry's number
        id: i64,
    },
    /// Let dead letters be sent again
    Retry {
        #[command(flatten)]
        server: ServerArgs,
        /// The entries' numbers
        #[arg(required_unless_present = "all")]
        ids: Vec<i64>,
        /// Every dead letter
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Forget entries for good, without sending them
    Drop {
        #[command(flatten)]
        server: ServerArgs,
        /// The entries' numbers
        #[arg(required = true)]
        ids: Vec<i64>,
    },
}

#[derive(Debug, clap::Args)]
struct ListArgs {
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

/// Does what was asked for and prints it.
///
/// # Errors
/// When nabat is not there or refuses.
pub async fn run(args: OutboxArgs) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List(args) => list(&args).await?,
        Action::Show { server, id } => {
            let answer = nabat(&server)?.get(Method::GET, &format!("/api/v1/outbox/{id}")).await?;
            say_json(&answer["entry"])?;
        }
        Action::Retry { server, ids, all } => {
            let nabat = nabat(&server)?;
            if all {
                retry_all(&nabat).await?;
            } else {
                retry(&nabat, &ids).await?;
            }
        }
        Action::Drop { server, ids } => {
            let nabat = nabat(&server)?;
            for id in ids {
                nabat.get(Method::DELETE, &format!("/api/v1/outbox/{id}")).await?;
                say(&format!("entry {id} dropped"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn nabat(server: &ServerArgs) -> anyhow::Result<Nabat> {
    Nabat::new(server, Duration::from_secs(30))
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
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
    let lines =
        if args.rejected { rejected_lines(&read(list)?, now) } else { table(&read(list)?, now) };
    for line in lines {
        say(&line)?;
    }
    Ok(())
}

/// Retries page after page, until there are no dead letters but those that died once more.
async fn retry_all(nabat: &Nabat) -> anyhow::Result<()> {
    let mut retried = BTreeSet::new();
    loop {
        let mut ids = dead_letters(nabat).await?;
        ids.retain(|id| retried.insert(*id));
        if ids.is_empty() {
            break;
        }
        retry(nabat, &ids).await?;
    }
    if retried.is_empty() {
        say("there are no dead letters")?;
    }
    Ok(())
}

async fn retry(nabat: &Nabat, ids: &[i64]) -> anyhow::Result<()> {
    for id in ids {
        nabat.get(Method::POST, &format!("/api/v1/outbox/{id}/retry")).await?;
        say(&format!("entry {id} waits again"))?;
    }
    Ok(())
}

/// The oldest dead letters, as many as are listed at once.
async fn dead_letters(nabat: &Nabat) -> anyhow::Result<Vec<i64>> {
    let mut answer = nabat.get(Method::GET, "/api/v1/outbox?state=dead&limit=1000").await?;
    let rows: Vec<Row> = read(answer["entries"].take())?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

fn read<T: serde::de::DeserializeOwned>(list: Value) -> anyhow::Result<Vec<T>> {
    if !list.is_array() {
        bail!("this is no nabat: its answer holds no list");
    }
    serde_json::from_value(list).context("this nabat is of another version: its answer is unknown")
}

fn table(rows: &[Row], now: Timestamp) -> Vec<String> {
    if rows.is_empty() {
        return vec!["the outbox is empty: everything accepted is shown".to_owned()];
    }
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
            [
                format!(
                    "{age} ago  {}  {}  from {}: {}",
                    one.code,
                    plain(&one.path),
                    plain(&one.peer),
                    plain(&one.reason)
                ),
                format!("    {}", plain(&one.head)),
            ]
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
