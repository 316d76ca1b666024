//! A process that is killed at the worst moment, or stopped and let go on.

use nabat::sandbox::{Fault, Limits, Trouble};
use tempfile::TempDir;

use super::interposer::{Interposer, Switch};
use super::{group, person, play, post, serve, telegram, told};
use crate::support::eventually;
use crate::support::nabat::{Nabat, client};
use crate::support::stage::{Stage, a_moment};

/// nabat above the interposer, which is told to hold calls while a webhook is posted; then nabat
/// is killed, and started again on what is left.
async fn killed_while(hold: Switch) -> Stage {
    let directory = TempDir::new().unwrap();
    let interposer = Interposer::new(directory.path());
    let sandbox = telegram(Limits::None);
    let mut command = serve(directory.path(), &sandbox);
    interposer.below(&mut command, &directory.path().join("data"));
    let mut stage = play(command, sandbox, directory).await;
    interposer.set(hold, 1);
    let (body, name) = group(1);
    let url = stage.nabat.url.clone();
    let (status, ()) = tokio::join!(post(&url, "person0", &body), async {
        interposer.holds().await;
        assert_eq!(told(&stage.sandbox, &name), 0, "nothing is said before it is durable");
        stage.nabat.process.kill();
    });
    assert_eq!(status, 0, "no answer");
    stage.nabat = Nabat::run(&mut serve(stage.directory.path(), &stage.sandbox)).await;
    stage
}

#[tokio::test]
async fn killed_before_the_commit_it_has_answered_nothing_and_the_retry_is_taken() {
    let stage = killed_while(Switch::HoldWrites).await;
    assert!(stage.entries("waiting").await.is_empty(), "nothing was kept");
    let (body, name) = group(1);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    eventually("it is shown", async || told(&stage.sandbox, &name) == 1).await;
    assert_eq!(stage.metric("notifications_deduplicated_total").await, 0);
}

#[tokio::test]
async fn killed_between_the_commit_and_the_answer_it_knows_the_retry_again() {
    let stage = killed_while(Switch::HoldFlushes).await;
    let (body, name) = group(1);
    let url = format!("{}/alertmanager/person0", stage.nabat.url);
    let answer = client().post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer = answer.text().await.unwrap();
    assert!(answer.contains("duplicate"), "{answer}");
    stage.drained().await;
    assert_eq!(told(&stage.sandbox, &name), 1);
    assert_eq!(stage.metric("notifications_deduplicated_total").await, 1);
}

#[tokio::test]
async fn killed_between_a_send_and_its_note_it_sends_once_more_and_counts_that() {
    let directory = TempDir::new().unwrap();
    let sandbox = telegram(Limits::None);
    let command = serve(directory.path(), &sandbox);
    let mut stage = play(command, sandbox, directory).await;
    let late = Trouble::DelayAfter { ms: 60_000 };
    stage.sandbox.inject(Fault::new(late).method("sendMessage"));
    let (body, name) = group(1);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    eventually("Telegram has it", async || told(&stage.sandbox, &name) == 1).await;
    stage.nabat.process.kill();

    stage.nabat = Nabat::run(&mut serve(stage.directory.path(), &stage.sandbox)).await;
    stage.drained().await;
    assert_eq!(told(&stage.sandbox, &name), 2);
    assert_eq!(stage.metric("ambiguous_sends_total").await, 1);
    stage.says(&["may appear twice"]).await;
}

#[tokio::test]
async fn suspended_for_hours_while_it_sends_it_goes_on_and_says_nothing_twice() {
    let directory = TempDir::new().unwrap();
    let interposer = Interposer::new(directory.path());
    let sandbox = telegram(Limits::None);
    let mut command = serve(directory.path(), &sandbox);
    interposer.below(&mut command, &directory.path().join("data"));
    let stage = play(command, sandbox, directory).await;
    let late = Trouble::DelayAfter { ms: 500 };
    stage.sandbox.inject(Fault::new(late).method("sendMessage").chat(person(0)));
    let (in_flight, its_name) = group(1);
    assert_eq!(post(&stage.nabat.url, "person0", &in_flight).await, 200);
    let (behind, the_next) = group(2);
    assert_eq!(post(&stage.nabat.url, "person0", &behind).await, 200);
    eventually("Telegram has it", async || told(&stage.sandbox, &its_name) == 1).await;
    stage.nabat.process.signal("STOP");

    // The kernel takes the connection; nabat answers when it goes on. Telegram answers meanwhile.
    let (meanwhile, another) = group(3);
    let (status, ()) = tokio::join!(post(&stage.nabat.url, "person1", &meanwhile), async {
        a_moment(1000).await;
        interposer.move_clock(8 * 3600);
        stage.nabat.process.signal("CONT");
    });
    assert_eq!(status, 200);
    stage.drained().await;
    for name in [its_name, the_next, another] {
        assert_eq!(told(&stage.sandbox, &name), 1, "{name}");
    }
    assert_eq!(stage.metric("ambiguous_sends_total").await, 0);
}
