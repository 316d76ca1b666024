//! `nabat outbox`: what waits, what is dead, and what a person does about it.

mod deeds;
mod list;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::Value;

use super::http::{Nabat, ServerArgs};
use super::output::say_json;
use deeds::Deed;

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
        /// Every dead letter; what waits is tried now, too
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

/// Does what was asked for and prints it.
///
/// # Errors
/// When nabat is not there or refuses. What it refuses of several entries is told, and ends with 1.
pub async fn run(args: OutboxArgs) -> anyhow::Result<ExitCode> {
    let all_done = match args.action {
        Action::List(args) => {
            list::list(&args).await?;
            true
        }
        Action::Show { server, id } => {
            let answer = nabat(&server)?.get(Method::GET, &format!("/api/v1/outbox/{id}")).await?;
            say_json(&answer["entry"])?;
            true
        }
        Action::Retry { server, all: true, .. } => deeds::retry_all(&nabat(&server)?).await?,
        Action::Retry { server, ids, .. } => {
            deeds::each(Deed::Retry, &ids, &nabat(&server)?).await?
        }
        Action::Drop { server, ids } => deeds::each(Deed::Drop, &ids, &nabat(&server)?).await?,
    };
    Ok(if all_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn nabat(server: &ServerArgs) -> anyhow::Result<Nabat> {
    Nabat::new(server, Duration::from_secs(30))
}

/// What is to be said of an answer that can't be read.
const UNKNOWN: &str = "this nabat is of another version: its answer is unknown";

/// Reads a list in nabat's answer.
fn read<T: serde::de::DeserializeOwned>(list: Value) -> anyhow::Result<Vec<T>> {
    if !list.is_array() {
        bail!("this is no nabat: its answer holds no list");
    }
    serde_json::from_value(list).context(UNKNOWN)
}
