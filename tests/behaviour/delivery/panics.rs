//! A lane's worker that panics: it goes on, and what made it panic ends as a dead letter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nabat::outbox::EntryState;
use nabat::sandbox::Limits;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::outbox_contract::{fires, ops, submission};
use crate::support::eventually;
use crate::support::stage::{OPS, sandbox};
use crate::support::wired::Wired;

#[tokio::test]
async fn an_entry_whose_handling_panics_again_and_again_is_a_dead_letter() {
    let sandbox = sandbox(Limits::None);

    // Every refused token is replaced, by something that then panics inside the worker.
    let right = Arc::new(SecretString::from(sandbox.token()));
    let wrong = || Some(Arc::new(SecretString::from("700000001:WRONG")));
    let (tokens, watched) = watch::channel(wrong());
    let panics = Arc::new(AtomicU32::new(0));
    let ask = {
        let (tokens, panics) = (tokens.clone(), panics.clone());
        move || {
            tokens.send_replace(wrong());
            panics.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose, by the test");
        }
    };
    let wired = Wired::new(&sandbox.url(), Duration::from_secs(20), watched, Arc::new(ask));
    let outbox = &wired.outbox;

    outbox.accept(submission("poison", &[fires("a")])).await.unwrap();
    wired.delivery.start().await.unwrap();
    let dead = async || outbox.list(Some(EntryState::Dead), 10).await.unwrap();
    eventually("a dead letter", async || !dead().await.is_empty()).await;
    assert_eq!(panics.load(Ordering::Relaxed), 3);
    assert_eq!(dead().await[0].reason.as_deref(), Some("poisonous"));
    assert_eq!(wired.metrics.dead_letters.with_label_values(&["ops", "poisonous"]).get(), 1);

    tokens.send_replace(Some(right));
    outbox.accept(submission("good", &[fires("a")])).await.unwrap();
    wired.delivery.wake(&ops());
    eventually("the lane goes on", async || sandbox.messages(OPS).len() == 1).await;
    wired.stop().await;
}
