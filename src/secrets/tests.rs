//! Keeping secrets, with files for a source. Vault is tested against a real server.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::telemetry::{Metrics, Scrubber};

const NAME: &str = "telegram.bot_token";
const DEADLINE: Duration = Duration::from_secs(10);

struct Room {
    directory: TempDir,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    scrubber: Scrubber,
    secrets: Secrets,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Room {
    fn refreshing_every(refresh_interval: Duration) -> Self {
        let (tasks, scrubber) = (Tasks::default(), Scrubber::new());
        let metrics = Arc::new(Metrics::new("test"));
        let options = SecretsOptions {
            refresh_interval,
            retry: Pace { first: Duration::from_millis(40), cap: Duration::from_millis(80) },
            ..SecretsOptions::new(None, scrubber.clone())
        };
        let clock = Arc::new(Clock::system());
        let secrets = Secrets::start(options, metrics.clone(), &clock, &tasks);
        Self { directory: tempfile::tempdir().unwrap(), metrics, tasks, scrubber, secrets }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn keep(&self, at: &Path, checker: Option<Arc<dyn Checker>>) -> SecretWatch {
        let at = SecretRef::File(at.to_owned());
        self.secrets.keep(Wanted { name: NAME.to_owned(), at, checker })
    }

    fn failures(&self) -> u64 {
        self.metrics.secret_refresh_failures.with_label_values(&[NAME]).get()
    }
}

/// Says what the test wants, and counts how often it was asked.
#[derive(Default)]
struct Scripted {
    answer: Mutex<Option<Check>>,
    asked: AtomicU32,
}

impl Scripted {
    fn answering(answer: Check) -> Arc<Self> {
        let scripted = Arc::new(Self::default());
        scripted.answers(answer);
        scripted
    }

    fn answers(&self, answer: Check) {
        *self.answer.lock().unwrap() = Some(answer);
    }
}

#[async_trait]
impl Checker for Scripted {
    async fn check(&self, _: &SecretString) -> Check {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answer.lock().unwrap().clone().unwrap_or(Check::Good)
    }
}

/// Replaces a file at once, as Kubernetes and Vault's agent do.
fn write(path: &Path, content: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, content).unwrap();
    std::fs::rename(next, path).unwrap();
}

async fn arrives(watch: &mut SecretWatch, expected: &str) {
    let is_it = |value: &Option<Arc<SecretString>>| {
        value.as_ref().is_some_and(|secret| secret.expose_secret() == expected)
    };
    tokio::time::timeout(DEADLINE, watch.wait_for(is_it)).await.expect("in time").expect("kept");
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "not in time: {what}");
}

const OFTEN: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_secret_may_arrive_late_and_change_later() {
    let room = Room::refreshing_every(OFTEN);
    let path = room.path("token");
    let mut token = room.keep(&path, None);
    eventually("it is looked for", || room.failures() >= 2).await;
    assert!(token.borrow().is_none());

    write(&path, "first-token\n");
    arrives(&mut token, "first-token").await;
    write(&path, "second-token\n");
    arrives(&mut token, "second-token").await;
    assert_eq!(room.scrubber.clean("first-token second-token"), "[secret] [secret]");
}

#[tokio::test]
async fn a_secret_that_is_gone_stays_in_use_and_ages() {
    let room = Room::refreshing_every(OFTEN);
    let path = room.path("token");
    write(&path, "first-token");
    let mut token = room.keep(&path, None);
    arrives(&mut token, "first-token").await;
    std::fs::remove_file(&path).unwrap();
    eventually("it is missed", || room.failures() >= 2).await;
    assert_eq!(token.borrow().as_ref().unwrap().expose_secret(), "first-token");
}

#[tokio::test]
async fn a_first_value_that_does_not_work_is_not_used() {
    let room = Room::refreshing_every(OFTEN);
    let checker = Scripted::answering(Check::Bad("unauthorized".to_owned()));
    let path = room.path("token");
    write(&path, "wrong-token");
    let mut token = room.keep(&path, Some(checker.clone()));
    eventually("it is refused again and again", || room.failures() >= 3).await;
    assert!(token.borrow().is_none());

    checker.answers(Check::Good);
    arrives(&mut token, "wrong-token").await;
}

#[tokio::test]
async fn a_first_value_that_cannot_be_checked_is_used_and_a_changed_one_is_checked_again() {
    let room = Room::refreshing_every(OFTEN);
    let checker = Scripted::answering(Check::CannotTell);
    let path = room.path("token");
    write(&path, "first-token");
    let mut token = room.keep(&path, Some(checker.clone()));
    arrives(&mut token, "first-token").await;

    write(&path, "second-token");
    let asked = checker.asked.load(Ordering::SeqCst);
    eventually("it is checked again", || checker.asked.load(Ordering::SeqCst) >= asked + 2).await;
    assert_eq!(token.borrow().as_ref().unwrap().expose_secret(), "first-token");
    checker.answers(Check::Good);
    arrives(&mut token, "second-token").await;
}

#[tokio::test]
async fn a_value_in_use_is_not_checked_again() {
    let room = Room::refreshing_every(OFTEN);
    let checker = Scripted::answering(Check::Good);
    let path = room.path("token");
    write(&path, "first-token");
    let mut token = room.keep(&path, Some(checker.clone()));
    arrives(&mut token, "first-token").await;
    write(&path, "second-token");
    arrives(&mut token, "second-token").await;
    assert_eq!(checker.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_refused_secret_is_read_again_at_once() {
    let room = Room::refreshing_every(NEVER);
    let path = room.path("token");
    write(&path, "first-token");
    let mut token = room.keep(&path, None);
    arrives(&mut token, "first-token").await;
    write(&path, "second-token");
    room.secrets.refresh_now(&SecretRef::File(path));
    arrives(&mut token, "second-token").await;
}

#[tokio::test]
async fn a_secret_that_stays_bad_is_not_read_as_often_as_it_is_refused() {
    let room = Room::refreshing_every(NEVER);
    let checker = Scripted::answering(Check::Good);
    let path = room.path("token");
    write(&path, "first-token");
    let mut token = room.keep(&path, Some(checker.clone()));
    arrives(&mut token, "first-token").await;
    checker.answers(Check::Bad("unauthorized".to_owned()));
    write(&path, "wrong-token");

    let started = tokio::time::Instant::now();
    let reads = loop {
        room.secrets.refresh_now(&SecretRef::File(path.clone()));
        tokio::time::sleep(Duration::from_millis(1)).await;
        let reads = checker.asked.load(Ordering::SeqCst) - 1;
        if reads >= 7 {
            break reads;
        }
        assert!(started.elapsed() < DEADLINE, "it is read again and again: {reads} reads");
    };
    // At once, then after 20 ms at least, then after 40 ms at least each time.
    let most = 2 + started.elapsed().as_millis().saturating_sub(20) / 40;
    assert!(u128::from(reads) <= most, "{reads} reads, at most {most}");

    checker.answers(Check::Good);
    room.secrets.refresh_now(&SecretRef::File(path));
    arrives(&mut token, "wrong-token").await;
}

#[tokio::test]
async fn a_reload_that_moves_a_secret_keeps_the_old_value_until_the_new_place_has_one() {
    let room = Room::refreshing_every(OFTEN);
    let (old, new) = (room.path("old"), room.path("new"));
    write(&old, "first-token");
    let mut token = room.keep(&old, None);
    arrives(&mut token, "first-token").await;

    let again = room.keep(&new, None);
    eventually("the new place is asked", || room.failures() >= 1).await;
    assert_eq!(again.borrow().as_ref().unwrap().expose_secret(), "first-token");
    assert!(room.secrets.watch(&SecretRef::File(old.clone())).is_none());
    write(&old, "not-wanted-any-more");
    write(&new, "second-token");
    arrives(&mut token, "second-token").await;
}

#[tokio::test]
async fn dropping_the_secrets_ends_their_tasks() {
    let tasks = Tasks::default();
    let options = SecretsOptions::new(None, Scrubber::new());
    let (metrics, clock) = (Arc::new(Metrics::new("test")), Arc::new(Clock::system()));
    let secrets = Secrets::start(options, metrics, &clock, &tasks);
    // Cargo sets this variable for every test.
    let at = SecretRef::Env("CARGO_PKG_NAME".to_owned());
    let mut name = secrets.keep(Wanted { name: NAME.to_owned(), at, checker: None });
    arrives(&mut name, "nabat").await;

    drop(secrets);
    tokio::time::timeout(DEADLINE, tasks.finished()).await.expect("the keeper has ended");
}

#[tokio::test]
async fn a_vault_reference_without_a_vault_section_is_explained() {
    let room = Room::refreshing_every(OFTEN);
    let options = SecretsOptions::new(None, Scrubber::new());
    let sources = Sources::new(&options, &room.metrics, &Arc::new(Clock::system()));
    let at = VaultField {
        mount: "kv".to_owned(),
        path: "monitoring".to_owned(),
        field: "TOKEN".to_owned(),
        engine: KvVersion::V2,
    };
    let error = sources.read(&SecretRef::Vault(at)).await.unwrap_err().to_string();
    assert!(error.contains("no vault section"), "{error}");
}
