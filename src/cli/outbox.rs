//! `nabat outbox`: what waits, what is dead, and what a person does about it.

mod list;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::http::{Nabat, ServerArgs};
use super::output::{say, say_json};

/// Look at and mend the outbox of a running nabat
#[derive(Debug, clap::Args)]
pub struct OutboxArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List what waits and what is dead, oldest first
    List(list::ListArgs),
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

/// The part of an entry that the retry needs.
#[derive(Debug, Deserialize)]
struct Row {
    id: i64,
}

/// Does what was asked for and prints it.
///
/// # Errors
/// When nabat is not there or refuses.
pub async fn run(args: OutboxArgs) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List(args) => list::list(&args).await?,
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
