//! Closing, and being opened again after an orderly end or none.

use std::sync::Arc;

use nabat::alert::Status;
use nabat::outbox::{
    DeathReason, EntryState, Fate, Outbox, Rejected, Settlement, StoreError, Submission,
};
use nabat::telegram::{ChatId, TopicId};

use super::{
    Place, accept, alerts, at, card, ended, fires, for_every_store, groups, lane, lease, ops, show,
    submission, to, topic_name,
};

for_every_store! {
    a_closed_store_answers_closed_to_everything,
    what_was_accepted_survives_a_close,
    what_was_accepted_survives_an_owner_that_just_goes_away,
    sends_cut_off_are_counted_at_the_next_start_and_leased_again,
    returned_leases_are_no_cut_sends,
    an_event_from_before_a_restart_is_still_a_duplicate,
    a_probe_succeeds_while_open,
}

async fn a_closed_store_answers_closed_to_everything(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    store.close().await;
    store.close().await;
    let shown = card(1, &leased.entry.state);
    let id = leased.entry.id;
    let group = leased.entry.state.group.clone();
    for answer in [
        store.accept(submission("disk", &[ended("a")])).await.map(drop),
        store.lanes().await.map(drop),
        store.lease(&ops()).await.map(drop),
        store.progress(&leased.lease, shown.clone()).await,
        store.settle(leased.lease, Settlement::Shown(shown)).await,
        store.bury(&ops(), at(9), DeathReason::Unreachable, "").await.map(drop),
        store.list(None, 1).await.map(drop),
        store.show(id).await.map(drop),
        store.retry(id).await.map(drop),
        store.drop_entry(id).await,
        store.remember_migration(ChatId(-1), ChatId(-2)).await,
        store.migrations().await.map(drop),
        store.remember_topic(ChatId(-1), &topic_name("db"), TopicId(7)).await,
        store.forget_topic(ChatId(-1), &topic_name("db")).await,
        store.topics().await.map(drop),
        store.latest(&ops(), &group).await.map(drop),
        store.rejected().await.map(drop),
        store.totals().await.map(drop),
        store.probe().await,
    ] {
        assert!(matches!(answer, Err(StoreError::Closed)), "{answer:?}");
    }
}

/// A store that has seen everything that must outlive its owner.
async fn lived_in(place: &impl Place) -> Arc<dyn Outbox> {
    let store = place.open().await;
    accept(&*store, submission("shown", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    show(&*store, &leased, 17).await;
    accept(&*store, submission("dead", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    let death = Settlement::Dead { reason: DeathReason::Refused, detail: "no".into() };
    store.settle(leased.lease, death).await.unwrap();
    for (second, alerts) in [(1, [fires("a"), fires("b")]), (2, [ended("a"), fires("b")])] {
        let destinations = vec![to(ops()), to(lane("boss"))];
        let sent = submission("waits", &alerts);
        store.accept(Submission { destinations, at: at(second), ..sent }).await.unwrap();
    }
    store.remember_migration(ChatId(-1), ChatId(-2)).await.unwrap();
    let refused = Rejected {
        at: at(0),
        peer: "192.0.2.1:4000".into(),
        path: "/alertmanager".into(),
        code: 400,
        reason: "no JSON".into(),
        head: "{".into(),
    };
    store.keep_rejected(refused).await.unwrap();
    store
}

async fn is_all_there(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(groups(&*store, EntryState::Dead).await, ["dead"]);
    for lane in [ops(), lane("boss")] {
        let leased = lease(&*store, &lane).await;
        assert_eq!(leased.entry.merged, 2);
        assert_eq!(leased.entry.first_accepted_at, at(1));
        let state = [("a", Status::Resolved, false), ("b", Status::Firing, false)];
        assert_eq!(alerts(&leased.entry.state), state);
        show(&*store, &leased, 18).await;
    }
    accept(&*store, submission("shown", &[ended("a")])).await;
    let card = lease(&*store, &ops()).await.card.expect("the card is remembered");
    assert_eq!(card.parts[0].id.0, 17);
    assert_eq!(store.migrations().await.unwrap(), [(ChatId(-1), ChatId(-2))]);
    assert_eq!(store.rejected().await.unwrap().len(), 1);
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.chats[&ops().chat].waiting, totals.chats[&ops().chat].dead), (1, 1));
}

async fn what_was_accepted_survives_a_close(place: &impl Place) {
    lived_in(place).await.close().await;
    is_all_there(place).await;
}

async fn what_was_accepted_survives_an_owner_that_just_goes_away(place: &impl Place) {
    drop(lived_in(place).await);
    is_all_there(place).await;
}

async fn sends_cut_off_are_counted_at_the_next_start_and_leased_again(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(store.cut_sends().values().sum::<u64>(), 0);
    for group in ["one", "two", "three"] {
        accept(&*store, submission(group, &[fires("a")])).await;
    }
    let first = lease(&*store, &ops()).await;
    let second = lease(&*store, &ops()).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(store.cut_sends(), &[(ops().chat, 2)].into(), "they are counted by chat");
    let mut again = Vec::new();
    while let Some(leased) = store.lease(&ops()).await.unwrap() {
        again.push(leased.entry.id);
    }
    assert_eq!(again.len(), 3);
    assert!(again.contains(&first.entry.id) && again.contains(&second.entry.id));
}

async fn returned_leases_are_no_cut_sends(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    store.settle(leased.lease, Settlement::Released { attempt: None }).await.unwrap();
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.cut_sends().values().sum::<u64>(), 0);
    assert!(store.lease(&ops()).await.unwrap().is_some());
}

async fn an_event_from_before_a_restart_is_still_a_duplicate(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(accept(&*store, submission("disk", &[fires("a")])).await, Fate::Duplicate);
}

async fn a_probe_succeeds_while_open(place: &impl Place) {
    place.open().await.probe().await.unwrap();
}
