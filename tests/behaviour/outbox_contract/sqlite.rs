//! The embedded store's own promises: one owner, and no file touched that is not understood.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nabat::outbox::sqlite::{OpenError, SqliteOptions, SqliteOutbox};
use nabat::outbox::{DeathReason, EntryState, Outbox, Settlement, StoreError, Submission};
use nabat::telegram::{ChatId, TopicId};
use prometheus::{Histogram, HistogramOpts};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::Instant;

use super::leasing::waits;
use super::{Place, Settings, accept, at, fires, lane, lease, ops, submission, to, topic_name};

/// A directory that holds an embedded store.
#[derive(Debug)]
pub struct Directory(TempDir);

impl Directory {
    pub fn fresh() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("outbox.sqlite3")
    }

    /// A store that was used and closed.
    async fn used() -> Self {
        let directory = Self::fresh();
        let store = directory.open().await;
        for number in 0..50 {
            let group = format!("group {number}");
            accept(&*store, submission(&group, &[fires("a"), fires("b")])).await;
        }
        store.close().await;
        directory
    }
}

fn try_open(directory: &Path, settings: Settings) -> Result<SqliteOutbox, OpenError> {
    let options = SqliteOptions {
        dedup_window: settings.dedup_window,
        max_entries: settings.max_entries,
        max_bytes: settings.max_bytes,
        ..SqliteOptions::default()
    };
    let commits = Histogram::with_opts(HistogramOpts::new("commits", "of the test")).unwrap();
    SqliteOutbox::open(directory, options, commits)
}

#[async_trait]
impl Place for Directory {
    async fn open_with(&self, settings: Settings) -> Arc<dyn Outbox> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match try_open(self.0.path(), settings) {
                Ok(store) => return Arc::new(store),
                Err(OpenError::Busy { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Opening must fail; returns what people are told.
fn refusal(directory: &Directory) -> String {
    try_open(directory.0.path(), Settings::default()).expect_err("it must not open").to_string()
}

#[tokio::test]
async fn a_second_instance_is_refused_and_the_first_named() {
    let directory = Directory::fresh();
    let first = directory.open().await;
    let told = refusal(&directory);
    assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
    assert!(told.contains("--storage.path"), "{told}");
    assert_eq!(
        accept(&*first, submission("disk", &[fires("a")])).await,
        nabat::outbox::Fate::Queued,
        "the first goes on"
    );
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_the_present_one() {
    let directory = Directory::used().await;
    let file = Connection::open(directory.file()).unwrap();
    file.execute_batch(
        "DROP TABLE topics; DROP TABLE homes; DROP TABLE digests; DROP TABLE storms; \
         DROP TABLE footprints; DROP INDEX entries_order; DROP INDEX entries_dead; \
         CREATE INDEX entries_order ON entries (state, chat, topic, severity, class, first_at); \
         ALTER TABLE entries DROP COLUMN buttons; ALTER TABLE entries DROP COLUMN events; \
         ALTER TABLE entries DROP COLUMN told; ALTER TABLE entries DROP COLUMN forgotten_ended; \
         ALTER TABLE entries DROP COLUMN forgotten_unlisted; \
         CREATE INDEX recent_age ON recent (last_at); PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(file);
    let store = directory.open().await;
    store.remember_topic(ChatId(-1_001), &topic_name("db"), TopicId(7)).await.unwrap();
    assert_eq!(store.topics().await.unwrap().len(), 1);
    assert_eq!(store.list(Some(EntryState::Waiting), 100).await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_untouched() {
    let directory = Directory::used().await;
    Connection::open(directory.file()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(directory.file()).unwrap();
    let told = refusal(&directory);
    assert!(told.contains("schema version 99"), "{told}");
    assert_eq!(std::fs::read(directory.file()).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_untouched() {
    let directory = Directory::fresh();
    let garbage = b"these are not the alerts you are looking for\n".repeat(1000);
    std::fs::write(directory.file(), &garbage).unwrap();
    let told = refusal(&directory);
    assert!(told.contains("outbox.sqlite3"), "{told}");
    assert_eq!(std::fs::read(directory.file()).unwrap(), garbage);
}

#[tokio::test]
async fn somebody_elses_database_is_refused_and_left_untouched() {
    let directory = Directory::fresh();
    let theirs = Connection::open(directory.file()).unwrap();
    theirs.execute_batch("CREATE TABLE recipes (name TEXT); PRAGMA user_version = 1;").unwrap();
    drop(theirs);
    let before = std::fs::read(directory.file()).unwrap();
    let told = refusal(&directory);
    assert!(told.contains("is not an outbox of nabat"), "{told}");
    assert_eq!(std::fs::read(directory.file()).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_page_is_refused_loudly_not_started_empty() {
    let directory = Directory::used().await;
    let mut bytes = std::fs::read(directory.file()).unwrap();
    assert!(bytes.len() > 4 * 4096, "there are pages to damage");
    // Every page but the first, whose header must still say whose file it is.
    for page in bytes.chunks_mut(4096).skip(1) {
        page[..512].fill(0xa5);
    }
    std::fs::write(directory.file(), &bytes).unwrap();
    let told = refusal(&directory);
    assert!(told.contains("damaged") && told.contains("nothing was changed"), "{told}");
    assert_eq!(std::fs::read(directory.file()).unwrap(), bytes);
}

#[tokio::test]
async fn a_truncated_file_is_refused_loudly() {
    let directory = Directory::used().await;
    let bytes = std::fs::read(directory.file()).unwrap();
    std::fs::write(directory.file(), &bytes[..bytes.len() / 2]).unwrap();
    let told = refusal(&directory);
    assert!(told.contains("damaged"), "{told}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named_with_a_remedy() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("data");
    let told = try_open(&below, Settings::default()).unwrap_err().to_string();
    assert!(told.contains(&below.display().to_string()), "{told}");
    assert!(told.contains("--storage.path"), "{told}");
}

#[tokio::test]
async fn the_data_directory_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("data");
    let store = try_open(&directory, Settings::default()).unwrap();
    let mode = std::fs::metadata(&directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    store.close().await;
}

#[tokio::test]
async fn a_changed_dedup_window_and_cap_count_from_now_on() {
    let directory = Directory::fresh();
    let store = try_open(directory.0.path(), Settings::default()).unwrap();
    accept(&store, submission("disk", &[fires("a")])).await;
    let leased = lease(&store, &ops()).await;
    super::show(&store, &leased, 1).await;
    store.set_options(SqliteOptions {
        dedup_window: Duration::ZERO,
        max_entries: 1,
        ..SqliteOptions::default()
    });
    let again = accept(&store, submission("disk", &[fires("a")])).await;
    assert_eq!(again, nabat::outbox::Fate::Queued);
    store.accept(submission("net", &[fires("a")])).await.expect_err("one is all that fits");
}

#[tokio::test]
async fn many_callers_at_once_are_all_answered_and_kept() {
    let directory = Directory::fresh();
    let store = directory.open().await;
    let calls = (0..300).map(|number| {
        let store = store.clone();
        async move {
            let group = format!("group {}", number % 100);
            accept(&*store, submission(&group, &[fires(&number.to_string())])).await
        }
    });
    let fates = futures_util::future::join_all(calls).await;
    let queued = fates.iter().filter(|fate| **fate == nabat::outbox::Fate::Queued).count();
    assert_eq!(queued, 100);
    let mut merged = 0;
    while let Some(leased) = store.lease(&ops()).await.unwrap() {
        assert_eq!(leased.entry.state.alerts.len(), 3);
        merged += leased.entry.merged;
    }
    assert_eq!(merged, 300);
}

#[tokio::test]
async fn a_row_that_does_not_read_becomes_a_dead_letter_and_the_lane_goes_on() {
    let directory = Directory::fresh();
    let store = directory.open().await;
    accept(&*store, submission("torn", &[fires("a")])).await;
    accept(&*store, submission("whole", &[fires("a")])).await;
    store.close().await;
    let connection = Connection::open(directory.file()).unwrap();
    connection.execute("UPDATE entries SET body = x'7b' WHERE id = 1", []).unwrap();
    drop(connection);

    let store = directory.open().await;
    let leased = lease(&*store, &ops()).await;
    assert_eq!(leased.entry.state.group.key, "whole");
    let dead = store.list(Some(EntryState::Dead), 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].reason.as_deref(), Some("poisonous"));
    // Whoever asks for it is told, and nobody else's work is taken back.
    let tried = store.retry(dead[0].id).await;
    assert!(matches!(tried, Err(StoreError::Unreadable(_))), "{tried:?}");
}

#[tokio::test]
async fn every_death_is_told_once_whatever_brought_it() {
    let directory = Directory::fresh();
    let store = directory.open().await;
    for group in ["torn", "refused", "old", "older"] {
        accept(&*store, submission(group, &[fires("a")])).await;
    }
    store.close().await;
    let connection = Connection::open(directory.file()).unwrap();
    connection.execute("UPDATE entries SET body = x'7b' WHERE id = 1", []).unwrap();
    drop(connection);

    let store = try_open(directory.0.path(), Settings::default()).unwrap();
    let (told, deaths) = std::sync::mpsc::channel();
    store.on_deaths(move |chat, reason, number| {
        told.send((chat.clone(), reason, number)).unwrap();
    });
    let told = || deaths.try_iter().collect::<Vec<_>>();
    let ops = ops();
    let leased = lease(&store, &ops).await;
    assert_eq!(told(), [(ops.chat.clone(), DeathReason::Poisonous, 1)]);
    let death = Settlement::Dead { reason: DeathReason::Refused, detail: "400".into() };
    store.settle(leased.lease, death).await.unwrap();
    assert_eq!(told(), [(ops.chat.clone(), DeathReason::Refused, 1)]);
    for buried in [2, 0] {
        let bury = store.bury(&ops, at(10), DeathReason::Unreachable, "403").await;
        assert_eq!(bury.unwrap(), buried);
    }
    assert_eq!(told(), [(ops.chat.clone(), DeathReason::Unreachable, 2)]);
}

#[tokio::test]
async fn a_lane_is_told_when_what_it_was_handed_could_not_be_committed() {
    let directory = Directory::used().await;
    let connection = Connection::open(directory.file()).unwrap();
    // Whatever mentions it is checked at the commit and refused then.
    let fails = "CREATE TABLE never (id INTEGER PRIMARY KEY);
        CREATE TABLE debts (id INTEGER REFERENCES never DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER no_commit AFTER INSERT ON entries WHEN new.chat = 'boss'
        BEGIN INSERT INTO debts VALUES (1); END;";
    connection.execute_batch(fails).unwrap();
    drop(connection);

    let store = directory.open().await;
    let boss = lane("boss");
    let mut next = waits(&*store, &boss).await;
    let to_boss = |group: &str| Submission {
        destinations: vec![to(lane("boss"))],
        ..submission(group, &[fires("a")])
    };
    let refused = store.accept(to_boss("disk")).await;
    assert!(matches!(refused, Err(StoreError::Commit(_))), "{refused:?}");
    let leased = (&mut next).await.unwrap();
    assert!(!leased.durable.wait().await);
    let settled = store.settle(leased.lease, Settlement::Released { attempt: None }).await;
    assert!(matches!(settled, Err(StoreError::LeaseLost(_))), "{settled:?}");
    assert!(store.lease(&boss).await.unwrap().is_none());

    store.close().await;
    let connection = Connection::open(directory.file()).unwrap();
    connection.execute_batch("DROP TRIGGER no_commit").unwrap();
    drop(connection);
    let store = directory.open().await;
    let next = waits(&*store, &boss).await;
    store.accept(to_boss("disk")).await.unwrap();
    assert!(next.await.unwrap().durable.wait().await);
}
