//! What a person does to entries: each is told of, and one that can't be helped stops no other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::super::http::Nabat;
use super::super::output::{complain, say};
use super::{UNKNOWN, read};

/// How many dead letters are listed at once; nabat lists no more.
const PAGE: usize = 1000;

/// What is to be done to an entry.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    Retry,
    Drop,
}

/// What came of it.
#[derive(Debug)]
enum Outcome {
    /// In a person's words.
    Done(String),
    /// There is no such entry; the text says so.
    Gone(String),
    Refused(String),
}

/// Under which number each entry waits that a command let wait again, or that one of these took along.
type WaitsAs = BTreeMap<i64, i64>;

/// Nabat's answer to a retry.
#[derive(Debug, Deserialize)]
struct Retried {
    entry: i64,
    with: Vec<i64>,
}

impl Deed {
    /// Asks nabat for it. What an entry retried earlier took along is done.
    ///
    /// # Errors
    /// When nabat does not answer, wants a password, or is of another version: then no other entry fares
    /// better.
    async fn to(self, id: i64, nabat: &Nabat, waits_as: &mut WaitsAs) -> anyhow::Result<Outcome> {
        let (method, path) = match self {
            Self::Retry => (Method::POST, format!("/api/v1/outbox/{id}/retry")),
            Self::Drop => (Method::DELETE, format!("/api/v1/outbox/{id}")),
        };
        let answer = nabat.ask(method, &path, None).await;
        let answer = answer.with_context(|| format!("entry {id}"))?;
        let status = answer.status;
        let answer = match answer.json() {
            Ok(answer) => answer,
            Err(why) if status == StatusCode::UNAUTHORIZED => return Err(why),
            Err(why) if status == StatusCode::NOT_FOUND => {
                return Ok(match waits_as.get(&id) {
                    Some(entry) => Outcome::Done(waits_again(id, *entry)),
                    None => Outcome::Gone(why.to_string()),
                });
            }
            Err(why) => return Ok(Outcome::Refused(why.to_string())),
        };
        Ok(Outcome::Done(match self {
            Self::Retry => {
                let Retried { entry, with } = serde_json::from_value(answer).context(UNKNOWN)?;
                waits_as.extend(with.into_iter().chain([id, entry]).map(|id| (id, entry)));
                waits_again(id, entry)
            }
            Self::Drop => format!("entry {id} dropped"),
        }))
    }

    fn wish(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Drop => "drop",
        }
    }
}

/// What a person is told of an entry that waits under the number `entry`.
fn waits_again(id: i64, entry: i64) -> String {
    if id == entry {
        format!("entry {id} waits again")
    } else {
        format!("entry {id} waits again as {entry}")
    }
}

/// Does it to each entry. Returns whether all of it was done.
///
/// # Errors
/// Those of [`Deed::to`]; the entries behind are left.
pub async fn each(deed: Deed, ids: &[i64], nabat: &Nabat) -> anyhow::Result<bool> {
    let mut all = true;
    let mut waits_as = WaitsAs::new();
    for id in ids {
        match deed.to(*id, nabat, &mut waits_as).await? {
            Outcome::Done(what) => say(&what)?,
            Outcome::Gone(why) | Outcome::Refused(why) => {
                complain(format_args!("nabat: can't {} entry {id}: {why}", deed.wish()));
                all = false;
            }
        }
    }
    Ok(all)
}

/// Retries page after page, until there are no dead letters but those that died once more and those
/// that nabat does not retry; then has tried what waits anyhow. Returns whether it retried all.
pub async fn retry_all(nabat: &Nabat) -> anyhow::Result<bool> {
    let mut tried = BTreeSet::new();
    let mut waits_as = WaitsAs::new();
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let more_behind = loop {
        let page = dead_letters(nabat).await?;
        let fresh: Vec<i64> = page.iter().copied().filter(|id| tried.insert(*id)).collect();
        if fresh.is_empty() {
            break page.len() == PAGE;
        }
        for id in fresh {
            match Deed::Retry.to(id, nabat, &mut waits_as).await? {
                Outcome::Done(what) => say(&what)?,
                // Somebody else dropped or retried it meanwhile.
                Outcome::Gone(_) => {}
                Outcome::Refused(why) => *left.entry(why).or_default() += 1,
            }
        }
    };
    if tried.is_empty() {
        say("there are no dead letters")?;
    }
    for (why, count) in &left {
        let letters = if *count == 1 { "letter is" } else { "letters are" };
        complain(format_args!("nabat: {count} dead {letters} left: {why}"));
    }
    if more_behind {
        complain("nabat: these are the oldest; those behind them were not tried");
    }
    // Last: when it fails, all else has been told.
    try_what_waits(nabat).await?;
    Ok(left.is_empty() && !more_behind)
}

/// Has everything that waits tried now, and says in which chats that is.
async fn try_what_waits(nabat: &Nabat) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Lane {
        chat: String,
    }
    let mut answer = nabat.get(Method::POST, "/api/v1/outbox/retry").await?;
    let lanes: Vec<Lane> = read(answer["lanes"].take())?;
    let chats: BTreeSet<String> = lanes.into_iter().map(|lane| lane.chat).collect();
    if !chats.is_empty() {
        let chats = chats.into_iter().collect::<Vec<_>>().join(", ");
        say(&format!("what waits is tried now: {chats}"))?;
    }
    Ok(())
}

/// The oldest dead letters.
async fn dead_letters(nabat: &Nabat) -> anyhow::Result<Vec<i64>> {
    #[derive(Deserialize)]
    struct Letter {
        id: i64,
    }
    let path = format!("/api/v1/outbox?state=dead&limit={PAGE}");
    let mut answer = nabat.get(Method::GET, &path).await?;
    let letters: Vec<Letter> = read(answer["entries"].take())?;
    Ok(letters.into_iter().map(|letter| letter.id).collect())
}
