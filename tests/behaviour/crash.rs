//! `kill -9` at random moments in a stream of webhooks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use nabat::sandbox::{ChatKind, Fault, Limits, Sandbox, Trouble};
use nabat::telegram::ChatId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::support::eventually;
use crate::support::nabat::{Nabat, client};
use crate::support::stage::{Stage, configuration, sandbox, webhook};

const KILLS: usize = 12;
/// Private chats, which may be written to once a second each.
const CHATS: usize = 24;
const GROUPS: usize = 96;
/// Notifications a group, each with one alert more than the one before.
const VERSIONS: usize = 16;

/// What the sender knows: how far it is with each group.
struct Sender {
    http: reqwest::Client,
    /// Notifications that were answered 2xx, by group.
    taken: Vec<usize>,
    random: StdRng,
}

fn chat(group: usize) -> ChatId {
    ChatId(i64::try_from(3_000_000 + group % CHATS).unwrap())
}

/// The name of an alert, found again in every message that shows it.
fn alert(group: usize, version: usize) -> String {
    format!("g{group:03}v{version:02}")
}

/// The `version`th notification of a group: its present state.
fn body(group: usize, version: usize) -> Value {
    let names: Vec<String> = (1..=version).map(|version| alert(group, version)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    webhook(&format!("Group{group:03}"), &names)
}

impl Sender {
    /// Posts the next notification of some groups at once; remembers which were answered 2xx.
    async fn send_some(&mut self, nabat: &Nabat) {
        let mut groups = BTreeSet::new();
        for _ in 0..4 {
            groups.insert(self.random.random_range(0..GROUPS));
        }
        groups.retain(|group| self.taken[*group] < VERSIONS);
        let posts = groups.iter().map(|group| {
            let url = format!("{}/alertmanager/chat{:02}", nabat.url, group % CHATS);
            self.http.post(url).json(&body(*group, self.taken[*group] + 1)).send()
        });
        let answers = futures_util::future::join_all(posts).await;
        for (group, answer) in groups.into_iter().zip(answers) {
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                self.taken[group] += 1;
            }
        }
    }

    fn taken_in_all(&self) -> usize {
        self.taken.iter().sum()
    }

    fn is_done(&self) -> bool {
        self.taken_in_all() == GROUPS * VERSIONS
    }

    /// Sends for a random while, but not all of `share`: a fast machine must not be through
    /// before the last kill.
    async fn send_for_a_while(&mut self, nabat: &Nabat, share: usize) {
        let while_ = Duration::from_millis(self.random.random_range(20..500));
        let until = self.taken_in_all() + share;
        let _ = tokio::time::timeout(while_, async {
            while self.taken_in_all() < until {
                self.send_some(nabat).await;
            }
        })
        .await;
    }
}

/// The newest alert of each group that each request showed, in the order in which they came.
fn told(sandbox: &Sandbox) -> BTreeMap<usize, Vec<usize>> {
    let mut told: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for seen in sandbox.requests() {
        // A request whose sender was killed has no status, but was heard.
        let heard = seen.status.is_none_or(|status| status == 200);
        let Some(text) = seen.body["text"].as_str().filter(|_| heard) else { continue };
        for group in 0..GROUPS {
            let newest =
                (1..=VERSIONS).rev().find(|version| text.contains(&alert(group, *version)));
            if let Some(newest) = newest {
                told.entry(group).or_default().push(newest);
            }
        }
    }
    told
}

/// How many messages tell again what people had been told: second cards of a group, and replies
/// that name an alert an earlier reply has named.
fn doubled(sandbox: &Sandbox) -> usize {
    let mut doubled = 0;
    for group in 0..GROUPS {
        let (mut cards, mut named) = (0, BTreeSet::new());
        for shown in sandbox.messages(chat(group)) {
            let told: Vec<usize> = (1..=VERSIONS)
                .filter(|version| shown.text.contains(&alert(group, *version)))
                .collect();
            if told.is_empty() {
                continue;
            }
            if shown.reply_to.is_none() {
                cards += 1;
            } else {
                doubled += usize::from(told.iter().any(|version| named.contains(version)));
                named.extend(told);
            }
        }
        doubled += cards - 1;
    }
    doubled
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_2xx_is_shown_however_often_nabat_is_killed() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let sandbox = sandbox(Limits::None);
    let mut chats = String::from("  ops: {id: -1001234567890}\n");
    for number in 0..CHATS {
        sandbox.add_chat(chat(number), ChatKind::Private, "a person");
        writeln!(chats, "  chat{number:02}: {{id: {}}}", chat(number)).unwrap();
    }
    let text = configuration(&sandbox, &chats, "");
    let mut stage = Stage::with(sandbox, text).await;
    let mut sender =
        Sender { http: client(), taken: vec![0; GROUPS], random: StdRng::seed_from_u64(seed) };

    // Telegram takes its time, so that there are sends to cut.
    stage.sandbox.inject(Fault::new(Trouble::DelayAfter { ms: 80 }).always());
    let mut cut_sends = 0;
    for _ in 0..KILLS {
        sender.send_for_a_while(&stage.nabat, GROUPS * VERSIONS / (KILLS + 1)).await;
        stage.nabat.process.kill();
        stage.restart().await;
        cut_sends += stage.metric("ambiguous_sends_total").await;
    }
    let taken_before = sender.taken_in_all();
    while !sender.is_done() {
        sender.send_some(&stage.nabat).await;
    }
    let drained = async || stage.entries("waiting").await.is_empty();
    eventually("everything is sent", drained).await;

    assert!(taken_before > KILLS, "the stream ran: {taken_before}");
    assert!(cut_sends > 0, "no kill met a send ({seed})");
    assert!(stage.entries("dead").await.is_empty());
    for (group, taken) in sender.taken.iter().enumerate() {
        let shown = stage.sandbox.messages(chat(group));
        for version in 1..=*taken {
            let name = alert(group, version);
            assert!(
                shown.iter().any(|shown| shown.text.contains(&name)),
                "{name} is lost ({seed})"
            );
        }
    }
    for (group, newest) in told(&stage.sandbox) {
        assert!(newest.is_sorted(), "group {group} was told out of order: {newest:?} ({seed})");
    }
    let doubled = doubled(&stage.sandbox) as u64;
    println!("{taken_before} taken during {KILLS} kills, {cut_sends} cut sends, {doubled} doubled");
    assert!(doubled <= cut_sends, "{doubled} doubled, {cut_sends} cut ({seed})");
}
