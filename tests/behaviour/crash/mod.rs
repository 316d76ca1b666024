//! The crash campaign: `kill -9` at random moments in a stream of webhooks, at Telegram's real
//! limits. A short one is a test; a long one is the same with more kills:
//!
//! ```text
//! NABAT_KILLS=1000 cargo test --release --test behaviour crash -- --nocapture
//! ```
//!
//! `NABAT_SEED` plays the same choices again; what the processes make of them differs.

mod books;
mod sender;

use std::fmt::Write;
use std::time::Duration;

use nabat::sandbox::{ChatKind, Fault, Limits, Trouble};
use nabat::telegram::ChatId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use self::books::Books;
use self::sender::Sender;
use crate::support::eventually;
use crate::support::nabat::Nabat;
use crate::support::process::Process;
use crate::support::stage::{OPS, Stage, configuration, sandbox};

const KILLS: usize = 12;
/// Private chats, which may be written to once a second each.
const PEOPLE: usize = 24;
/// Groups of alerts in each of them.
const FOR_A_PERSON: usize = 4;
/// Groups of alerts in the group chat, where they are a storm.
const IN_A_STORM: usize = 40;
const GROUPS: usize = PEOPLE * FOR_A_PERSON + IN_A_STORM;

/// The chat that hears of a group, and its alias.
fn chat(group: usize) -> (ChatId, String) {
    match group.checked_sub(PEOPLE * FOR_A_PERSON) {
        Some(_) => (OPS, "ops".to_owned()),
        None => person(group % PEOPLE),
    }
}

fn person(number: usize) -> (ChatId, String) {
    (ChatId(i64::try_from(3_000_000 + number).unwrap()), format!("person{number:02}"))
}

/// When nabat is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Anytime,
    /// Telegram has heard a message, and nabat has not noted it.
    AfterASend,
    /// A webhook was answered 2xx this moment.
    AfterAnAnswer,
    /// It is not even ready.
    WhileStarting,
}

impl Moment {
    const ALL: [Self; 4] =
        [Self::Anytime, Self::AfterASend, Self::AfterAnAnswer, Self::WhileStarting];
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_2xx_is_shown_however_often_nabat_is_killed() {
    let kills = setting("NABAT_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = setting("NABAT_SEED").unwrap_or_else(|| rand::rng().random());
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut stage = stage().await;
    let mut sender = Sender::new(StdRng::seed_from_u64(random.random()));
    // Telegram takes its time, so that there are sends to cut.
    stage.sandbox.inject(Fault::new(Trouble::DelayAfter { ms: 60 }).always());

    let (began, mut cut_sends) = (Instant::now(), 0);
    for kill in 1..=kills {
        let moment = Moment::ALL[random.random_range(0..Moment::ALL.len())];
        sender.send_until(&stage, moment, random.random_range(5..400)).await;
        if matches!(moment, Moment::WhileStarting) {
            // What the former one cut off was counted by then; this one cuts nothing.
            stage.stop().await;
            kill_while_starting(&stage, Duration::from_millis(random.random_range(0..60))).await;
        } else {
            stage.nabat.process.kill();
        }
        stage.restart().await;
        cut_sends += stage.metric("ambiguous_sends_total").await;
        if kill % 50 == 0 {
            let seconds = began.elapsed().as_secs();
            println!("{kill} kills in {seconds} s: {} taken, {cut_sends} cut", sender.taken());
        }
    }
    eventually_drained(&stage).await;

    let books = Books::of(&stage.sandbox);
    let (lost, doubled) = (books.lost(&sender), books.doubled());
    println!(
        "{kills} kills in {} s: {} notifications taken, {} sends, {cut_sends} cut, {doubled} doubled, \
         {} lost, {} times 429",
        began.elapsed().as_secs(),
        sender.taken(),
        books.sends(),
        lost.len(),
        stage.sandbox.count_429(),
    );
    assert!(sender.taken() > kills, "the stream ran");
    assert!(cut_sends > 0, "no kill met a send (seed {seed})");
    for name in &lost {
        let group: usize = name[1..4].parse().unwrap();
        println!("{name} is lost; what was heard in its chat:");
        for seen in stage.sandbox.requests().iter().filter(|seen| seen.chat == Some(chat(group).0))
        {
            println!("{} {} {:?} {}", seen.at_ms, seen.method, seen.status, seen.body["text"]);
        }
    }
    assert_eq!(lost, Vec::<String>::new(), "seed {seed}");
    assert_eq!(books.out_of_order(), Vec::<String>::new(), "seed {seed}");
    assert!(doubled <= cut_sends, "{doubled} doubled, {cut_sends} cut (seed {seed})");
    for seen in stage.sandbox.requests().iter().filter(|seen| seen.status == Some(429)) {
        println!("429 at {} ms: {:?} in {:?}", seen.at_ms, seen.description, seen.chat);
    }
    assert_eq!(stage.sandbox.count_429(), 0, "the pace holds across restarts (seed {seed})");
    assert!(stage.entries("dead").await.is_empty());
}

/// nabat with all chats, at Telegram's real limits.
async fn stage() -> Stage {
    let sandbox = sandbox(Limits::Real);
    let mut chats = String::from("  ops: {id: -1001234567890, storm: {threshold: 5s}}\n");
    for number in 0..PEOPLE {
        let (id, alias) = person(number);
        sandbox.add_chat(id, ChatKind::Private, "a person");
        writeln!(chats, "  {alias}: {{id: {id}}}").unwrap();
    }
    let text = configuration(&sandbox, &chats, "");
    Stage::with(sandbox, text).await
}

/// Starts nabat on the stage's store and kills it after `life`, which is about as long as a start
/// takes.
async fn kill_while_starting(stage: &Stage, life: Duration) {
    let mut process =
        Process::start(&mut Nabat::serving("127.0.0.1:0", stage.directory.path(), &stage.sandbox));
    tokio::time::sleep(life).await;
    process.kill();
}

/// Waits as long as it takes to say what is left, at the pace that Telegram allows.
async fn eventually_drained(stage: &Stage) {
    stage.sandbox.clear_faults();
    let drained = async || stage.entries("waiting").await.is_empty();
    for _ in 0..8 {
        let waiting = tokio::time::timeout(Duration::from_secs(15), async {
            while !drained().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        if waiting.await.is_ok() {
            return;
        }
    }
    eventually("everything is sent", drained).await;
}
