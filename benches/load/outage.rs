//! An outage of Telegram while webhooks keep coming, and what happens when it is over.
//!
//! First a million webhooks to the same groups: what waits is one entry a group, so memory, disk
//! and answers must not depend on how many there were. Then a hundred thousand groups: that is
//! what an outage of hours can leave at the most.

use std::path::Path;
use std::time::{Duration, Instant};

use nabat::sandbox::{Fault, Limits, Sandbox, Trouble};

use super::program::{self, Program};
use super::sender::{Connection, body, request};
use super::storm::{named, percentile};

const SENDERS: u64 = 8;
/// What is promised while a hundred thousand groups are told, in KiB.
const MOST_RESIDENT: u64 = 150 << 10;
const PATIENCE: Duration = Duration::from_mins(20);

pub async fn run(number: Option<&str>) {
    let webhooks = number.and_then(|number| number.parse().ok()).unwrap_or(1_000_000);
    Outage { webhooks, groups: 2_000, chats: 20, steps: 10 }.play().await;
    Outage { webhooks: 100_000, groups: 100_000, chats: 50, steps: 2 }.play().await;
}

struct Outage {
    webhooks: u64,
    groups: u64,
    chats: u32,
    steps: u64,
}

impl Outage {
    async fn play(&self) {
        let sandbox = program::sandbox(Limits::default(), self.chats);
        let directory = tempfile::tempdir().expect("a directory");
        let nabat = Program::nabat(directory.path(), &program::configuration(&sandbox, self.chats));
        sandbox.inject(Fault::new(Trouble::bad_gateway()).always());
        println!("{} webhooks to {} groups in {} chats:", self.webhooks, self.groups, self.chats);
        let mut sent = 0;
        for step in 1..=self.steps {
            let until = self.webhooks * step / self.steps;
            let (mut answers, took) = self.send(&nabat, sent..until).await;
            println!(
                "  {until:>8} taken, {:>6.0}/s, p99 {:.2?}, resident {} KiB, on disk {} KiB",
                (until - sent) as f64 / took.as_secs_f64(),
                percentile(&mut answers, 0.99),
                nabat.resident(),
                on_disk(directory.path()),
            );
            sent = until;
        }
        sandbox.clear_faults();
        let over = Instant::now();
        let everyone = self.groups.min(self.webhooks);
        while shown(&sandbox, self.chats) < everyone {
            assert!(over.elapsed() < PATIENCE, "not within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let messages: usize =
            (0..self.chats).map(|chat| sandbox.count_messages(program::chat_id(chat))).sum();
        println!(
            "  every group on the screen {:.0?} after the end, in {messages} messages, {} times 429, \
             resident {} KiB",
            over.elapsed(),
            sandbox.count_429(),
            nabat.resident(),
        );
        while !(0..self.chats).all(|chat| is_over(&sandbox, chat)) {
            assert!(over.elapsed() < PATIENCE, "not within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let most = nabat.most_resident();
        println!(
            "  the storms over after {:.0?}, {} times 429, {most} KiB resident at the most",
            over.elapsed(),
            sandbox.count_429()
        );
        assert!(most <= MOST_RESIDENT, "more than {MOST_RESIDENT} KiB");
        let first = sandbox.messages(program::chat_id(0)).into_iter().next();
        let first = first.map(|shown| shown.text).unwrap_or_default();
        let head: Vec<&str> = first.lines().take(2).collect();
        println!("  the first message begins: {}", head.join(" / "));
    }

    /// Sends these webhooks from all senders; returns the times of the answers.
    async fn send(
        &self,
        nabat: &Program,
        numbers: std::ops::Range<u64>,
    ) -> (Vec<Duration>, Duration) {
        let started = Instant::now();
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (address, groups) = (nabat.address.clone(), self.groups);
                let (chats, numbers) = (u64::from(self.chats), numbers.clone());
                tokio::spawn(async move {
                    let mut connection = Connection::open(&address).await;
                    let mut answers = Vec::new();
                    for number in numbers.skip(sender as usize).step_by(SENDERS as usize) {
                        let group = number % groups;
                        let path = format!("/alertmanager/c{}", group % chats);
                        let request = request(&path, &body(group, 1 + number / groups));
                        let sent = Instant::now();
                        assert_eq!(connection.send(&request).await, 200);
                        answers.push(sent.elapsed());
                    }
                    answers
                })
            })
            .collect();
        let mut answers = Vec::new();
        for sender in senders {
            answers.extend(sender.await.expect("a sender ends"));
        }
        (answers, started.elapsed())
    }
}

/// Whether the chat's last message says that its storm is over.
fn is_over(sandbox: &Sandbox, chat: u32) -> bool {
    let shown = sandbox.messages(program::chat_id(chat));
    shown.last().is_some_and(|shown| shown.text.starts_with('🌤'))
}

/// How many groups the chats name.
fn shown(sandbox: &Sandbox, chats: u32) -> u64 {
    (0..chats).map(|chat| named(sandbox, program::chat_id(chat)).len() as u64).sum()
}

/// What the store takes, in KiB.
pub fn on_disk(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory.join("data")).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>() / 1024
}
