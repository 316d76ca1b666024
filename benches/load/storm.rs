//! How soon a storm is on the screen, under Telegram's real limits.
//!
//! Two storms: a thousand groups in ten seconds into one supergroup, with a critical alert in
//! the middle; and ten thousand groups over fifty chats, as fast as they are taken. Every group
//! is looked for in what its chat shows.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nabat::sandbox::{Limits, Sandbox};
use nabat::telegram::ChatId;

use super::program::{self, Program};
use super::sender::{Connection, body, request};

/// Nothing is waited for longer.
const PATIENCE: Duration = Duration::from_mins(5);
/// Between two looks at the chats.
const LOOK: Duration = Duration::from_millis(50);

/// The group that is critical.
const CRITICAL: u64 = 999_999;

pub async fn run() {
    one_chat().await;
    many_chats().await;
}

/// Groups that a chat's messages name.
pub fn named(sandbox: &Sandbox, chat: ChatId) -> HashSet<u64> {
    let mut named = HashSet::new();
    for shown in sandbox.messages(chat) {
        let words = shown.text.split("Group").skip(1);
        named.extend(words.filter_map(|rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..digits].parse::<u64>().ok()
        }));
    }
    named
}

/// Waits until `done`, and returns how long it took since `since`.
async fn until(since: Instant, done: impl Fn() -> bool) -> Duration {
    while !done() {
        assert!(since.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
    since.elapsed()
}

pub fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let index = (times.len() as f64 * share) as usize;
    times[index.min(times.len() - 1)]
}

async fn one_chat() {
    const GROUPS: u64 = 1_000;
    const SPAN: Duration = Duration::from_secs(10);
    let sandbox = program::sandbox(Limits::default(), 1);
    let directory = tempfile::tempdir().expect("a directory");
    let nabat = Program::nabat(directory.path(), &program::configuration(&sandbox, 1));
    let mut connection = Connection::open(&nabat.address).await;
    let chat = program::chat_id(0);
    let started = Instant::now();
    let mut answers = Vec::new();
    let mut critical_sent = None;
    for group in 0..GROUPS {
        let due = started + SPAN * u32::try_from(group).unwrap_or_default() / 1_000;
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        let status = connection.send(&request("/alertmanager/c0", &body(group, 1))).await;
        assert_eq!(status, 200);
        answers.push(sent.elapsed());
        if group == GROUPS / 2 {
            let critical = body(CRITICAL, 1).replace("\"warning\"", "\"critical\"");
            critical_sent = Some(Instant::now());
            assert_eq!(connection.send(&request("/alertmanager/c0", &critical)).await, 200);
        }
    }
    let critical_sent = critical_sent.expect("it was sent");
    let all_sent = Instant::now();
    // What is looked at stands since the message's own time.
    let (start_of_sandbox, first) = (sandbox.elapsed(), started.elapsed());
    let took = until(started, || named(&sandbox, chat).len() as u64 > GROUPS).await;
    let critical = sandbox.messages(chat).into_iter().find(|m| m.text.contains("Group999999"));
    let critical = critical.expect("it is shown").sent_at;
    let behind = critical_sent - started;
    let critical = critical.saturating_sub(start_of_sandbox.saturating_sub(first) + behind);
    println!("{GROUPS} groups in {SPAN:?} into one supergroup:");
    println!("  every group on the screen {took:.1?} after the first webhook");
    println!("  (the last webhook was answered after {:.1?})", all_sent - started);
    println!("  in {} messages", sandbox.count_messages(chat));
    println!("  the critical alert in the middle: {critical:.2?} after its webhook");
    println!("  answers: p99 {:.2?}", percentile(&mut answers, 0.99));
    println!("  429s: {}, resident {} KiB", sandbox.count_429(), nabat.resident());
}

async fn many_chats() {
    const GROUPS: u64 = 10_000;
    const CHATS: u32 = 50;
    const SENDERS: u64 = 8;
    let sandbox = program::sandbox(Limits::default(), CHATS);
    let directory = tempfile::tempdir().expect("a directory");
    let nabat = Program::nabat(directory.path(), &program::configuration(&sandbox, CHATS));
    let started = Instant::now();
    let senders = (0..SENDERS).map(|sender| {
        let address = nabat.address.clone();
        tokio::spawn(async move {
            let mut connection = Connection::open(&address).await;
            let mut answers = Vec::new();
            for group in (sender..GROUPS).step_by(SENDERS as usize) {
                let path = format!("/alertmanager/c{}", group % u64::from(CHATS));
                let sent = Instant::now();
                let status = connection.send(&request(&path, &body(group, 1))).await;
                assert_eq!(status, 200);
                answers.push(sent.elapsed());
            }
            answers
        })
    });
    let senders: Vec<_> = senders.collect();
    let mut answers = Vec::new();
    for sender in senders {
        answers.extend(sender.await.expect("a sender ends"));
    }
    let all_sent = started.elapsed();
    let all = || (0..CHATS).map(|chat| named(&sandbox, program::chat_id(chat)).len() as u64);
    let took = until(started, || all().sum::<u64>() >= GROUPS).await;
    let messages: usize =
        (0..CHATS).map(|chat| sandbox.count_messages(program::chat_id(chat))).sum();
    println!("{GROUPS} groups over {CHATS} chats, answered within {all_sent:.1?}:");
    println!("  every group on the screen {took:.1?} after the first webhook");
    println!("  in {messages} messages");
    println!("  answers: p99 {:.2?}", percentile(&mut answers, 0.99));
    println!("  429s: {}, resident {} KiB", sandbox.count_429(), nabat.resident());
}
