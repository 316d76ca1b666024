//! A steady load for an hour: memory, file size, handles and answers must stay flat, though the
//! groups are never the same for long.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use nabat::sandbox::{ChatKind, Limits};
use nabat::telegram::ChatId;

use super::outage::on_disk;
use super::program::{self, Program};
use super::sender::{Connection, body, request};
use super::storm::percentile;

const MINUTES: u64 = 60;
/// Groups at a time; each fires, changes, ends, and makes room for another.
const GROUPS: u64 = 600;
const LIFE: u64 = 4;
const A_SECOND: u64 = 20;
const CHATS: u32 = 10;
const PEOPLE: u32 = 40;

pub async fn run(number: Option<&str>) {
    let minutes = number.and_then(|number| number.parse().ok()).unwrap_or(MINUTES);
    let sandbox = program::sandbox(Limits::default(), CHATS);
    let directory = tempfile::tempdir().expect("a directory");
    let mut configuration = program::configuration(&sandbox, CHATS);
    let mut people = String::from("chats:\n");
    for person in 0..PEOPLE {
        let id = 2_000_000 + i64::from(person);
        sandbox.add_chat(ChatId(id), ChatKind::Private, "a person");
        let _ = writeln!(people, "  p{person}: {{id: {id}}}");
    }
    configuration = configuration.replace("chats:\n", &people);
    // Short enough for the store to forget several times over while it is watched.
    configuration.push_str("delivery: {keep_cards: 5m, dedup_window: 1m}\n");
    let nabat = Program::nabat(directory.path(), &configuration);
    let mut connection = Connection::open(&nabat.address).await;
    println!("minute | webhooks | answered p50, p99 | resident KiB | handles | on disk KiB | 429s");
    let (started, mut number) = (Instant::now(), 0);
    let mut minutely = Vec::new();
    for minute in 1..=minutes {
        let mut answers = Vec::new();
        for _ in 0..60 * A_SECOND {
            let due = started + Duration::from_millis(number * 1000 / A_SECOND);
            tokio::time::sleep_until(due.into()).await;
            let sent = Instant::now();
            assert_eq!(connection.send(&webhook(number)).await, 200);
            answers.push(sent.elapsed());
            number += 1;
        }
        let (p50, p99) = (percentile(&mut answers, 0.5), percentile(&mut answers, 0.99));
        let (resident, disk) = (nabat.resident(), on_disk(directory.path()));
        let handles = nabat.handles();
        println!(
            "{minute:>6} | {number:>8} | {p50:.2?}, {p99:.2?} | {resident:>6} | {handles:>3} | \
             {disk:>7} | {}",
            sandbox.count_429()
        );
        minutely.push((resident, disk, handles));
    }
    for seen in sandbox.requests().iter().filter(|seen| seen.status == Some(429)).take(5) {
        println!("429 at {} ms in {:?}: {:?}", seen.at_ms, seen.chat, seen.description);
    }
    let part = (minutely.len() / 4).max(1);
    let mean = |of: &[(u64, u64, u64)], what: fn(&(u64, u64, u64)) -> u64| {
        of.iter().map(what).sum::<u64>() as f64 / of.len() as f64
    };
    let (second, last) =
        (&minutely[part.min(minutely.len() - 1)..][..part], &minutely[minutely.len() - part..]);
    println!(
        "last quarter beside the second: memory ×{:.2}, disk ×{:.2}, handles ×{:.2}",
        mean(last, |m| m.0) / mean(second, |m| m.0),
        mean(last, |m| m.1) / mean(second, |m| m.1),
        mean(last, |m| m.2) / mean(second, |m| m.2),
    );
}

/// The next notification of one of the groups, in its chat.
fn webhook(number: u64) -> Vec<u8> {
    let (slot, turn) = (number % GROUPS, number / GROUPS);
    let (generation, age) = (turn / LIFE, turn % LIFE);
    let group = generation * GROUPS + slot;
    let chats = u64::from(CHATS + PEOPLE);
    let path = match slot % chats {
        chat if chat < u64::from(CHATS) => format!("/alertmanager/c{chat}"),
        chat => format!("/alertmanager/p{}", chat - u64::from(CHATS)),
    };
    let mut text = body(group, age + 1);
    if age == LIFE - 1 {
        text = text.replace("\"firing\"", "\"resolved\"");
        text = text.replace("0001-01-01T00:00:00Z", "2026-11-23T11:00:00Z");
    }
    request(&path, &text)
}
