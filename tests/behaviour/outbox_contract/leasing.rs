//! Leasing and settling: the order, the exclusive right to speak, what comes meanwhile.

use futures_util::future::BoxFuture;
use nabat::alert::Status;
use nabat::outbox::{
    Card, Class, DeathReason, EntryState, Fate, Leased, Priority, Settlement, StoreError,
};
use nabat::outbox::{Outbox, Submission};
use nabat::routing::LaneId;

use super::{
    Place, accept, alerts, at, card, ended, fires, for_every_store, lane, lease, ops, show,
    submission, to,
};

for_every_store! {
    news_go_before_everything_else_and_the_worst_of_them_first,
    a_leased_entry_is_given_to_nobody_else,
    what_is_merged_during_a_lease_waits_after_it_was_shown,
    what_is_merged_during_a_lease_makes_the_rest_news,
    what_is_partly_shown_waits_on_in_its_class,
    what_people_were_told_neither_ages_nor_counts_with_what_comes_later,
    an_attempt_is_counted_when_one_was_made,
    what_came_during_a_release_is_leased_with_the_rest,
    a_settled_lease_is_lost,
    an_earlier_lease_of_the_same_entry_is_lost,
    a_dropped_entrys_lease_is_lost,
    progress_saves_the_card_and_keeps_the_lease,
    the_card_comes_back_with_the_groups_next_lease,
    a_card_belongs_to_its_lane,
    the_card_outlives_a_dead_letter,
    a_lane_that_waits_is_given_what_comes_next,
    a_lane_that_waits_is_given_what_is_there_already,
    a_lane_that_waits_is_given_a_dead_letter_that_is_tried_again,
    a_lane_that_waits_hears_nothing_of_another,
    what_a_lane_waited_for_and_did_not_take_waits_for_the_next_lease,
    what_was_handed_over_and_not_taken_waits_for_the_next_lease,
    of_two_that_wait_for_one_lane_the_latest_is_served,
}

async fn news_go_before_everything_else_and_the_worst_of_them_first(place: &impl Place) {
    let store = place.open().await;
    let order = [
        ("info, news", 2, Class::News, 0),
        ("critical, edit", 0, Class::Edit, 1),
        ("warning, news", 1, Class::News, 2),
        ("critical, news, later", 0, Class::News, 4),
        ("critical, end", 0, Class::End, 3),
        ("critical, news", 0, Class::News, 3),
        ("critical, repeat", 0, Class::Repeat, 3),
        ("info, repeat", 2, Class::Repeat, 0),
        ("warning, edit", 1, Class::Edit, 0),
        ("info, end", 2, Class::End, 0),
    ];
    for (group, severity, class, second) in order {
        let priority = Priority { severity, class };
        let sent = Submission { priority, at: at(second), ..submission(group, &[fires("a")]) };
        accept(&*store, sent).await;
    }
    let mut said = Vec::new();
    while let Some(leased) = store.lease(&ops()).await.unwrap() {
        said.push(leased.entry.state.group.key);
    }
    let expected = [
        "critical, news",
        "critical, news, later",
        "warning, news",
        "info, news",
        "critical, repeat",
        "info, repeat",
        "critical, end",
        "info, end",
        "critical, edit",
        "warning, edit",
    ];
    assert_eq!(said, expected);
}

async fn a_leased_entry_is_given_to_nobody_else(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    assert!(store.lease(&ops()).await.unwrap().is_none());
    store.settle(leased.lease, Settlement::Released { attempt: None }).await.unwrap();
    assert!(store.lease(&ops()).await.unwrap().is_some());
}

async fn what_is_merged_during_a_lease_waits_after_it_was_shown(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    accept(&*store, Submission { at: at(1), ..submission("disk", &[fires("a"), fires("b")]) })
        .await;
    let first = lease(&*store, &ops()).await;
    for (second, alerts) in [(5, [ended("a"), fires("b")]), (6, [ended("a"), ended("b")])] {
        let sent = Submission { at: at(second), ..submission("disk", &alerts) };
        assert_eq!(accept(&*store, sent).await, Fate::Merged);
    }
    assert!(store.lease(&ops()).await.unwrap().is_none(), "the lease is out");
    show(&*store, &first, 1).await;
    let second = lease(&*store, &ops()).await;
    assert_eq!(second.entry.id, first.entry.id);
    assert!(second.entry.version > first.entry.version);
    assert_eq!(second.entry.merged, 2, "the two that came meanwhile");
    assert_eq!(second.entry.first_accepted_at, at(5));
    let state = [("a", Status::Resolved, false), ("b", Status::Resolved, false)];
    assert_eq!(alerts(&second.entry.state), state);
    show(&*store, &second, 1).await;
    assert!(store.lease(&ops()).await.unwrap().is_none());
}

async fn what_is_merged_during_a_lease_makes_the_rest_news(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    accept(&*store, submission("disk", &[fires("a"), fires("b")])).await;
    let shown = card(1, &leased.entry.state);
    store.settle(leased.lease, Settlement::Partly(shown, Class::Edit)).await.unwrap();
    assert_eq!(store.list(None, 10).await.unwrap()[0].class, Class::News);
    let rest = lease(&*store, &ops()).await;
    assert_eq!(rest.entry.merged, 2);
}

async fn what_is_partly_shown_waits_on_in_its_class(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    let shown = card(1, &leased.entry.state);
    store.settle(leased.lease, Settlement::Partly(shown.clone(), Class::Edit)).await.unwrap();
    accept(&*store, Submission { at: at(9), ..submission("net", &[fires("a")]) }).await;
    assert_eq!(lease(&*store, &ops()).await.entry.state.group.key, "net", "news before edits");
    let rest = lease(&*store, &ops()).await;
    assert_eq!(rest.card, Some(shown));
    assert_eq!((rest.entry.id, rest.entry.version), (leased.entry.id, leased.entry.version));
}

async fn what_people_were_told_neither_ages_nor_counts_with_what_comes_later(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    let told = Some((leased.entry.id, leased.entry.version));
    let shown = Card { told, ..card(1, &leased.entry.state) };
    store.settle(leased.lease, Settlement::Partly(shown, Class::Edit)).await.unwrap();
    let waiting = async || store.totals().await.unwrap().chats[&ops().chat].oldest_waiting;
    assert_eq!(waiting().await, None, "a message to be brought up to date keeps nobody waiting");
    let more = Submission { at: at(9), ..submission("disk", &[fires("a"), fires("b")]) };
    accept(&*store, more).await;
    assert_eq!(waiting().await, Some(at(9)));
    let rest = lease(&*store, &ops()).await;
    assert_eq!((rest.entry.merged, rest.entry.first_accepted_at), (1, at(9)));
}

async fn an_attempt_is_counted_when_one_was_made(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    for (attempt, attempts) in [(None, 0), (Some("502"), 1), (None, 1), (Some("timeout"), 2)] {
        let leased = lease(&*store, &ops()).await;
        let attempt = attempt.map(str::to_owned);
        store.settle(leased.lease, Settlement::Released { attempt }).await.unwrap();
        assert_eq!(store.list(None, 10).await.unwrap()[0].attempts, attempts);
    }
    let view = &store.list(None, 10).await.unwrap()[0];
    assert_eq!(view.last_error.as_deref(), Some("timeout"));
}

async fn what_came_during_a_release_is_leased_with_the_rest(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    accept(&*store, Submission { at: at(3), ..submission("disk", &[ended("a")]) }).await;
    store.settle(leased.lease, Settlement::Released { attempt: None }).await.unwrap();
    let again = lease(&*store, &ops()).await;
    assert_eq!((again.entry.merged, again.entry.first_accepted_at), (2, at(0)));
    assert_eq!(alerts(&again.entry.state), [("a", Status::Resolved, false)]);
    show(&*store, &again, 1).await;
    assert!(store.lease(&ops()).await.unwrap().is_none(), "everything was shown");
}

async fn is_lost(store: &dyn Outbox, lease: &nabat::outbox::Lease) {
    let shown = card(66, &super::notification("disk", &[]));
    let lost = store.progress(lease, shown.clone()).await;
    assert!(
        matches!(lost, Err(StoreError::LeaseLost(entry)) if entry == lease.entry),
        "progress: {lost:?}"
    );
    for settlement in [
        Settlement::Shown(shown.clone()),
        Settlement::Partly(shown, Class::Edit),
        Settlement::Released { attempt: Some("late".into()) },
        Settlement::Dead { reason: DeathReason::Refused, detail: "late".into() },
    ] {
        let lost = store.settle(lease.clone(), settlement).await;
        assert!(
            matches!(lost, Err(StoreError::LeaseLost(entry)) if entry == lease.entry),
            "settle: {lost:?}"
        );
    }
}

async fn a_settled_lease_is_lost(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    show(&*store, &leased, 1).await;
    is_lost(&*store, &leased.lease).await;
}

async fn an_earlier_lease_of_the_same_entry_is_lost(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let earlier = lease(&*store, &ops()).await;
    let release = Settlement::Released { attempt: None };
    store.settle(earlier.lease.clone(), release).await.unwrap();
    let present = lease(&*store, &ops()).await;
    is_lost(&*store, &earlier.lease).await;
    let view = &store.list(Some(EntryState::Waiting), 10).await.unwrap()[0];
    assert_eq!((view.attempts, &view.last_error), (0, &None), "nothing was changed");
    assert!(present.card.is_none());
    show(&*store, &present, 1).await;
}

async fn a_dropped_entrys_lease_is_lost(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    store.drop_entry(leased.entry.id).await.unwrap();
    is_lost(&*store, &leased.lease).await;
    assert!(store.lease(&ops()).await.unwrap().is_none());
}

async fn progress_saves_the_card_and_keeps_the_lease(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    let shown = card(5, &leased.entry.state);
    store.progress(&leased.lease, shown.clone()).await.unwrap();
    assert!(store.lease(&ops()).await.unwrap().is_none());
    store.settle(leased.lease, Settlement::Released { attempt: None }).await.unwrap();
    assert_eq!(lease(&*store, &ops()).await.card, Some(shown));
}

async fn the_card_comes_back_with_the_groups_next_lease(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    let mut shown = card(5, &leased.entry.state);
    shown.told = Some((leased.entry.id, leased.entry.version));
    shown.unfinished = Some((leased.entry.id, 3, 2));
    shown.closed_at = Some(at(3));
    store.settle(leased.lease, Settlement::Shown(shown.clone())).await.unwrap();
    accept(&*store, Submission { at: at(9), ..submission("disk", &[ended("a")]) }).await;
    accept(&*store, Submission { at: at(10), ..submission("net", &[fires("a")]) }).await;
    let next = lease(&*store, &ops()).await;
    assert_eq!(next.card, Some(shown));
    assert_ne!(next.entry.id, leased.entry.id, "numbers are never used again");
    assert!(lease(&*store, &ops()).await.card.is_none(), "another group's");
}

async fn a_card_belongs_to_its_lane(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    show(&*store, &leased, 1).await;
    let destinations = vec![to(lane("boss"))];
    let sent = Submission { destinations, ..submission("disk", &[fires("a")]) };
    assert_eq!(accept(&*store, sent).await, Fate::Queued);
    assert!(lease(&*store, &lane("boss")).await.card.is_none());
}

async fn the_card_outlives_a_dead_letter(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    let shown = card(5, &leased.entry.state);
    store.progress(&leased.lease, shown.clone()).await.unwrap();
    let death = Settlement::Dead { reason: DeathReason::Refused, detail: "no".into() };
    store.settle(leased.lease, death).await.unwrap();
    assert_eq!(accept(&*store, submission("disk", &[ended("a")])).await, Fate::Queued);
    assert_eq!(lease(&*store, &ops()).await.card, Some(shown));
}

pub type Waiting<'a> = BoxFuture<'a, Result<Leased, StoreError>>;

/// Begins to wait for the next entry of a lane; the store knows of it.
pub async fn waits<'a>(store: &'a dyn Outbox, lane: &'a LaneId) -> Waiting<'a> {
    let mut waiting: Waiting<'a> = Box::pin(store.lease_next(lane));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    // Behind this everything asked of the store before is done.
    store.probe().await.unwrap();
    waiting
}

async fn a_lane_that_waits_is_given_what_comes_next(place: &impl Place) {
    let store = place.open().await;
    let ops = ops();
    let waiting = waits(&*store, &ops).await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = waiting.await.unwrap();
    assert!(leased.durable.wait().await);
    assert_eq!(leased.entry.state.group.key, "disk");
    assert!(store.lease(&ops).await.unwrap().is_none(), "it is leased");
    store.settle(leased.lease, Settlement::Shown(card(1, &leased.entry.state))).await.unwrap();
    assert!(store.list(None, 10).await.unwrap().is_empty());
}

async fn a_lane_that_waits_is_given_what_is_there_already(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = store.lease_next(&ops()).await.unwrap();
    assert_eq!(leased.entry.state.group.key, "disk");
}

async fn a_lane_that_waits_is_given_a_dead_letter_that_is_tried_again(place: &impl Place) {
    let store = place.open().await;
    let ops = ops();
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops).await;
    let id = leased.entry.id;
    let dead = Settlement::Dead { reason: DeathReason::Refused, detail: "no".into() };
    store.settle(leased.lease, dead).await.unwrap();
    let waiting = waits(&*store, &ops).await;
    store.retry(id).await.unwrap();
    assert_eq!(waiting.await.unwrap().entry.id, id);
}

async fn a_lane_that_waits_hears_nothing_of_another(place: &impl Place) {
    let store = place.open().await;
    let ops = ops();
    let waiting = waits(&*store, &ops).await;
    let destinations = vec![to(lane("boss"))];
    accept(&*store, Submission { destinations, ..submission("disk", &[fires("a")]) }).await;
    let mut waiting = waiting;
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert!(store.lease(&lane("boss")).await.unwrap().is_some());
}

async fn what_a_lane_waited_for_and_did_not_take_waits_for_the_next_lease(place: &impl Place) {
    let store = place.open().await;
    let ops = ops();
    let waiting = waits(&*store, &ops).await;
    drop(waiting);
    accept(&*store, submission("disk", &[fires("a")])).await;
    assert!(store.lease(&ops).await.unwrap().is_some());
}

async fn what_was_handed_over_and_not_taken_waits_for_the_next_lease(place: &impl Place) {
    let store = place.open().await;
    let ops = ops();
    let waiting = waits(&*store, &ops).await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    // It is on its way by now, and nobody looks.
    drop(waiting);
    let leased = store.lease(&ops).await.unwrap().expect("it waits again");
    store.settle(leased.lease, Settlement::Released { attempt: None }).await.unwrap();
    let leased = store.lease_next(&ops).await.unwrap();
    assert_eq!(leased.entry.attempts, 0);
}

async fn of_two_that_wait_for_one_lane_the_latest_is_served(place: &impl Place) {
    let store = place.open().await;
    let ops = ops();
    let first = waits(&*store, &ops).await;
    let second = waits(&*store, &ops).await;
    assert!(matches!(first.await, Err(StoreError::Closed)));
    accept(&*store, submission("disk", &[fires("a")])).await;
    assert!(second.await.is_ok());
}
