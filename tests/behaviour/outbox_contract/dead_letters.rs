//! Dead letters, and what people do about entries; moved chats, refused bodies, totals.

use jiff::Timestamp;
use nabat::alert::Status;
use nabat::outbox::{
    Card, Class, DeathReason, EntryId, EntryState, EntryView, Fate, Outbox, Rejected, Retried,
    Settlement, StoreError, Submission,
};
use nabat::telegram::ChatId;

use super::{
    Place, accept, alerts, at, card, ended, fires, for_every_store, groups, lane, lease, ops, show,
    submission, to, topic,
};

for_every_store! {
    a_dead_letter_says_why_and_is_not_leased,
    what_came_while_it_was_tried_does_not_die_with_it,
    a_dead_letter_retried_waits_again,
    a_dead_letter_retried_is_merged_beneath_what_waits,
    a_dead_letter_retried_is_merged_beneath_what_was_told_since,
    a_dead_letter_retried_during_a_lease_is_not_lost,
    dead_letters_of_a_group_wait_again_as_one_whichever_is_retried,
    dead_letters_are_a_new_version_when_they_hold_more_than_people_were_told,
    a_dead_letter_that_holds_what_people_were_told_keeps_its_version,
    a_dead_letter_merged_beneath_what_people_were_told_keeps_its_age_and_its_count,
    a_dead_letter_retried_during_a_lease_of_what_people_were_told_keeps_its_age_and_its_count,
    a_waiting_entry_retried_loses_its_attempts,
    burying_takes_what_is_older_in_that_lane_alone,
    a_leased_entry_is_not_buried,
    the_list_is_oldest_first_limited_and_by_state,
    one_entry_is_shown_with_its_notification,
    a_dropped_entry_is_gone,
    an_unknown_entry_is_named,
    a_move_is_followed_to_its_end,
    a_move_back_ends_the_circle,
    the_newest_hundred_refused_bodies_are_kept,
    totals_count_each_chats_entries_and_know_the_oldest,
}

/// Leases the next entry and makes it a dead letter.
async fn bury_next(store: &dyn Outbox) -> EntryId {
    let leased = lease(store, &ops()).await;
    let death = Settlement::Dead { reason: DeathReason::Refused, detail: "400 no form".into() };
    store.settle(leased.lease, death).await.unwrap();
    leased.entry.id
}

async fn a_dead_letter_says_why_and_is_not_leased(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let id = bury_next(&*store).await;
    assert!(store.lease(&ops()).await.unwrap().is_none());
    assert!(store.lanes().await.unwrap().is_empty());
    let dead = store.show(id).await.unwrap();
    assert_eq!(dead.state, EntryState::Dead);
    assert_eq!(dead.reason.as_deref(), Some("refused"));
    assert_eq!(dead.last_error.as_deref(), Some("400 no form"));
    assert_eq!(dead.notification.unwrap().alerts, [fires("a")]);
}

async fn what_came_while_it_was_tried_does_not_die_with_it(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    accept(&*store, submission("disk", &[fires("a"), fires("b")])).await;
    let dead = Settlement::Dead { reason: DeathReason::Refused, detail: "no form".into() };
    store.settle(leased.lease, dead.clone()).await.unwrap();
    assert_eq!(groups(&*store, EntryState::Dead).await, [""; 0]);
    let listed = store.list(Some(EntryState::Waiting), 5).await.unwrap().remove(0);
    assert_eq!((listed.attempts, listed.last_error.as_deref()), (1, Some("no form")));
    let leased = lease(&*store, &ops()).await;
    assert_eq!(leased.entry.state.alerts.len(), 2);
    store.settle(leased.lease, dead).await.unwrap();
    assert_eq!(groups(&*store, EntryState::Dead).await, ["disk"]);
}

async fn a_dead_letter_retried_waits_again(place: &impl Place) {
    let store = place.open().await;
    let destinations = vec![to(topic("ops", 7))];
    accept(&*store, Submission { destinations, ..submission("disk", &[fires("a")]) }).await;
    let leased = lease(&*store, &topic("ops", 7)).await;
    let release = Settlement::Released { attempt: Some("403".into()) };
    store.settle(leased.lease, release).await.unwrap();
    let buried = store.bury(&topic("ops", 7), at(9), DeathReason::Unreachable, "403").await;
    assert_eq!(buried.unwrap(), 1);
    let retried = store.retry(leased.entry.id).await.unwrap();
    let alone = Retried { lane: topic("ops", 7), entry: leased.entry.id, with: vec![] };
    assert_eq!(retried, alone);
    let view = store.show(leased.entry.id).await.unwrap();
    assert_eq!((view.state, view.attempts, view.reason), (EntryState::Waiting, 0, None));
    let again = lease(&*store, &topic("ops", 7)).await;
    assert_eq!((again.entry.id, again.entry.first_accepted_at), (leased.entry.id, at(0)));
    assert!(groups(&*store, EntryState::Dead).await.is_empty());
}

async fn a_dead_letter_retried_is_merged_beneath_what_waits(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a"), ended("b")])).await;
    let dead = bury_next(&*store).await;
    let sent = Submission { at: at(5), ..submission("disk", &[ended("a"), fires("c")]) };
    assert_eq!(accept(&*store, sent).await, Fate::Queued);
    let newer = store.list(Some(EntryState::Waiting), 1).await.unwrap()[0].id;
    let retried = store.retry(dead).await.unwrap();
    assert_eq!(retried, Retried { lane: ops(), entry: newer, with: vec![dead] });
    assert!(matches!(store.show(dead).await, Err(StoreError::NoSuchEntry(id)) if id == dead));
    let leased = lease(&*store, &ops()).await;
    let state = [
        ("a", Status::Resolved, false),
        ("b", Status::Resolved, false),
        ("c", Status::Firing, false),
    ];
    assert_eq!(alerts(&leased.entry.state), state);
    assert_eq!((leased.entry.merged, leased.entry.first_accepted_at), (2, at(5)));
    show(&*store, &leased, 1).await;
    assert!(store.list(None, 10).await.unwrap().is_empty());
}

async fn a_dead_letter_retried_is_merged_beneath_what_was_told_since(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a"), fires("b")])).await;
    let dead = bury_next(&*store).await;
    // The clock was set back meanwhile: only the order of events counts.
    accept(&*store, Submission { at: at(-900), ..submission("disk", &[ended("a")]) }).await;
    let leased = lease(&*store, &ops()).await;
    let told = Some((leased.lease.entry, leased.lease.version));
    let shown = Card { told, ..card(1, &leased.entry.state) };
    store.settle(leased.lease, Settlement::Shown(shown)).await.unwrap();
    store.retry(dead).await.unwrap();
    let state = [("a", Status::Resolved, false), ("b", Status::Firing, true)];
    assert_eq!(alerts(&lease(&*store, &ops()).await.entry.state), state);
}

async fn a_dead_letter_retried_during_a_lease_is_not_lost(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[ended("b")])).await;
    let dead = bury_next(&*store).await;
    accept(&*store, Submission { at: at(5), ..submission("disk", &[fires("c")]) }).await;
    let leased = lease(&*store, &ops()).await;
    store.retry(dead).await.unwrap();
    show(&*store, &leased, 1).await;
    let rest = lease(&*store, &ops()).await;
    let state = [("b", Status::Resolved, false), ("c", Status::Firing, false)];
    assert_eq!(alerts(&rest.entry.state), state);
}

async fn dead_letters_of_a_group_wait_again_as_one_whichever_is_retried(place: &impl Place) {
    let store = place.open().await;
    for (group, newest_first) in [("disk", false), ("net", true)] {
        accept(&*store, submission(group, &[fires("a"), fires("b")])).await;
        let older = bury_next(&*store).await;
        let more = submission(group, &[ended("a"), fires("c")]);
        accept(&*store, Submission { at: at(5), ..more }).await;
        let newer = bury_next(&*store).await;
        let retried = store.retry(if newest_first { newer } else { older }).await.unwrap();
        assert_eq!(retried, Retried { lane: ops(), entry: newer, with: vec![older] }, "{group}");
        assert_eq!(groups(&*store, EntryState::Dead).await, [""; 0]);
        // Who goes on with the list finds that it waits.
        let again = store.retry(newer).await.unwrap();
        assert_eq!(again, Retried { lane: ops(), entry: newer, with: vec![] });
        let leased = lease(&*store, &ops()).await;
        let state = [
            ("a", Status::Resolved, false),
            ("b", Status::Firing, true),
            ("c", Status::Firing, false),
        ];
        assert_eq!(alerts(&leased.entry.state), state, "{group}");
        let entry = &leased.entry;
        assert_eq!((entry.id, entry.merged, entry.first_accepted_at), (newer, 2, at(0)));
        show(&*store, &leased, 1).await;
    }
    assert_eq!(store.totals().await.unwrap().chats[&ops().chat].dead, 0);
}

/// A dead letter that people were told of before it died; returns its number and version.
async fn tell_and_bury(store: &dyn Outbox) -> (EntryId, u64) {
    accept(store, Submission { at: at(5), ..submission("disk", &[fires("c")]) }).await;
    let leased = lease(store, &ops()).await;
    let told = (leased.lease.entry, leased.lease.version);
    let shown = Card { told: Some(told), ..card(1, &leased.entry.state) };
    store.settle(leased.lease, Settlement::Partly(shown, Class::Edit)).await.unwrap();
    assert_eq!(bury_next(store).await, told.0);
    told
}

async fn dead_letters_are_a_new_version_when_they_hold_more_than_people_were_told(
    place: &impl Place,
) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let older = bury_next(&*store).await;
    let (newer, told) = tell_and_bury(&*store).await;
    store.retry(older).await.unwrap();
    let entry = lease(&*store, &ops()).await.entry;
    assert_eq!((entry.id, entry.state.alerts.len()), (newer, 2));
    assert!(entry.version > told, "people were told version {told}, this is {}", entry.version);
}

async fn a_dead_letter_that_holds_what_people_were_told_keeps_its_version(place: &impl Place) {
    let store = place.open().await;
    let told = tell_and_bury(&*store).await;
    store.retry(told.0).await.unwrap();
    let entry = lease(&*store, &ops()).await.entry;
    assert_eq!((entry.id, entry.version), told, "nobody is told it twice");
}

/// A dead letter of two notifications, the first at second 0, and what people were told of its group
/// since: a card is left to be brought up to date.
async fn bury_and_tell(store: &dyn Outbox) -> EntryId {
    accept(store, submission("disk", &[fires("a")])).await;
    let more = Submission { at: at(1), ..submission("disk", &[fires("a"), fires("b")]) };
    assert_eq!(accept(store, more).await, Fate::Merged);
    let dead = bury_next(store).await;
    accept(store, Submission { at: at(5), ..submission("disk", &[fires("c")]) }).await;
    let leased = lease(store, &ops()).await;
    let told = Some((leased.lease.entry, leased.lease.version));
    let shown = Card { told, ..card(1, &leased.entry.state) };
    store.settle(leased.lease, Settlement::Partly(shown, Class::Edit)).await.unwrap();
    assert_eq!(oldest_waiting(store).await, None);
    dead
}

async fn oldest_waiting(store: &dyn Outbox) -> Option<Timestamp> {
    store.totals().await.unwrap().chats[&ops().chat].oldest_waiting
}

async fn a_dead_letter_merged_beneath_what_people_were_told_keeps_its_age_and_its_count(
    place: &impl Place,
) {
    let store = place.open().await;
    let dead = bury_and_tell(&*store).await;
    store.retry(dead).await.unwrap();
    assert_eq!(oldest_waiting(&*store).await, Some(at(0)));
    let listed = store.list(None, 10).await.unwrap().remove(0);
    assert_eq!((listed.class, listed.merged), (Class::News, 2), "only it is news");
    accept(&*store, Submission { at: at(9), ..submission("disk", &[fires("d")]) }).await;
    assert_eq!(oldest_waiting(&*store).await, Some(at(0)));
    let leased = lease(&*store, &ops()).await;
    assert_eq!((leased.entry.merged, leased.entry.first_accepted_at), (3, at(0)));
}

async fn a_dead_letter_retried_during_a_lease_of_what_people_were_told_keeps_its_age_and_its_count(
    place: &impl Place,
) {
    let store = place.open().await;
    let dead = bury_and_tell(&*store).await;
    let leased = lease(&*store, &ops()).await;
    store.retry(dead).await.unwrap();
    accept(&*store, Submission { at: at(9), ..submission("disk", &[fires("d")]) }).await;
    show(&*store, &leased, 1).await;
    assert_eq!(oldest_waiting(&*store).await, Some(at(0)));
    let rest = lease(&*store, &ops()).await;
    assert_eq!((rest.entry.merged, rest.entry.first_accepted_at), (3, at(0)));
}

async fn a_waiting_entry_retried_loses_its_attempts(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    let release = Settlement::Released { attempt: Some("502".into()) };
    store.settle(leased.lease, release).await.unwrap();
    let retried = store.retry(leased.entry.id).await.unwrap();
    assert_eq!(retried, Retried { lane: ops(), entry: leased.entry.id, with: vec![] });
    assert_eq!(store.show(leased.entry.id).await.unwrap().attempts, 0);
}

async fn burying_takes_what_is_older_in_that_lane_alone(place: &impl Place) {
    let store = place.open().await;
    for (group, second) in [("old", 0), ("older", -5), ("young", 10)] {
        let destinations = vec![to(ops()), to(lane("boss")), to(topic("ops", 7))];
        let sent = submission(group, &[fires("a")]);
        store.accept(Submission { destinations, at: at(second), ..sent }).await.unwrap();
    }
    let buried = store.bury(&ops(), at(10), DeathReason::Unreachable, "403 kicked").await.unwrap();
    assert_eq!(buried, 2);
    assert_eq!(groups(&*store, EntryState::Dead).await, ["older", "old"]);
    assert_eq!(groups(&*store, EntryState::Waiting).await.len(), 7);
    let dead = &store.list(Some(EntryState::Dead), 1).await.unwrap()[0];
    assert_eq!((&dead.chat, &dead.topic), (&ops().chat, &None));
    assert_eq!(dead.reason.as_deref(), Some("unreachable"));
    assert_eq!(dead.last_error.as_deref(), Some("403 kicked"));
}

async fn a_leased_entry_is_not_buried(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    let buried = store.bury(&ops(), at(10), DeathReason::Unreachable, "403").await.unwrap();
    assert_eq!(buried, 0);
    show(&*store, &leased, 1).await;
}

async fn the_list_is_oldest_first_limited_and_by_state(place: &impl Place) {
    let store = place.open().await;
    for (group, second) in [("third", 3), ("first", 1), ("second", 2)] {
        accept(&*store, Submission { at: at(second), ..submission(group, &[fires("a")]) }).await;
    }
    assert_eq!(groups(&*store, EntryState::Waiting).await, ["first", "second", "third"]);
    let keys = |views: Vec<EntryView>| views.into_iter().map(|view| view.group.key);
    let two: Vec<_> = keys(store.list(None, 2).await.unwrap()).collect();
    assert_eq!(two, ["first", "second"]);
    bury_next(&*store).await;
    assert_eq!(groups(&*store, EntryState::Dead).await, ["first"]);
    assert_eq!(groups(&*store, EntryState::Waiting).await, ["second", "third"]);
    assert_eq!(store.list(None, 10).await.unwrap().len(), 3);
}

async fn one_entry_is_shown_with_its_notification(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let listed = store.list(None, 10).await.unwrap().remove(0);
    assert!(listed.notification.is_none(), "lists stay short");
    let shown = store.show(listed.id).await.unwrap();
    assert_eq!(shown.notification.as_ref().unwrap().alerts, [fires("a")]);
    assert_eq!(EntryView { notification: None, ..shown }, listed);
}

async fn a_dropped_entry_is_gone(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("waits", &[fires("a")])).await;
    accept(&*store, Submission { at: at(1), ..submission("dead", &[fires("a")]) }).await;
    let waiting = store.list(None, 1).await.unwrap()[0].id;
    store.drop_entry(waiting).await.unwrap();
    let dead = bury_next(&*store).await;
    store.drop_entry(dead).await.unwrap();
    assert!(store.list(None, 10).await.unwrap().is_empty());
    let totals = store.totals().await.unwrap();
    assert!(totals.chats.values().all(|chat| (chat.waiting, chat.dead) == (0, 0)), "{totals:?}");
}

async fn an_unknown_entry_is_named(place: &impl Place) {
    let store = place.open().await;
    let unknown = EntryId(4711);
    for answer in [
        store.show(unknown).await.map(drop),
        store.retry(unknown).await.map(drop),
        store.drop_entry(unknown).await,
    ] {
        assert!(matches!(answer, Err(StoreError::NoSuchEntry(id)) if id == unknown), "{answer:?}");
    }
}

/// Where the remembered moves lead from `chat`.
async fn follow(store: &dyn Outbox, chat: i64) -> i64 {
    let moves = store.migrations().await.unwrap();
    nabat::delivery::Chats::new(std::collections::HashMap::new(), moves).follow(ChatId(chat)).0
}

async fn a_move_is_followed_to_its_end(place: &impl Place) {
    let store = place.open().await;
    store.remember_migration(ChatId(-1), ChatId(-2)).await.unwrap();
    store.remember_migration(ChatId(-2), ChatId(-3)).await.unwrap();
    store.remember_migration(ChatId(-2), ChatId(-3)).await.unwrap();
    for (from, to) in [(-1, -3), (-2, -3), (-3, -3), (-9, -9)] {
        assert_eq!(follow(&*store, from).await, to);
    }
}

async fn a_move_back_ends_the_circle(place: &impl Place) {
    let store = place.open().await;
    store.remember_migration(ChatId(-1), ChatId(-2)).await.unwrap();
    store.remember_migration(ChatId(-2), ChatId(-3)).await.unwrap();
    store.remember_migration(ChatId(-3), ChatId(-1)).await.unwrap();
    for from in [-1, -2, -3] {
        assert_eq!(follow(&*store, from).await, -1, "from {from}");
    }
}

async fn the_newest_hundred_refused_bodies_are_kept(place: &impl Place) {
    let store = place.open().await;
    let refused = |number: i64| Rejected {
        at: at(number),
        peer: "192.0.2.1:4000".into(),
        path: "/alertmanager".into(),
        code: 400,
        reason: format!("number {number}"),
        head: "{\"alerts\": \u{fffd}".into(),
    };
    assert!(store.rejected().await.unwrap().is_empty());
    for number in 0..130 {
        store.keep_rejected(refused(number)).await.unwrap();
    }
    let expected: Vec<_> = (30..130).rev().map(refused).collect();
    assert_eq!(store.rejected().await.unwrap(), expected);
}

async fn totals_count_each_chats_entries_and_know_the_oldest(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("one", &[fires("a")])).await;
    accept(&*store, Submission { at: at(4), ..submission("two", &[fires("a")]) }).await;
    let destinations = vec![to(topic("ops", 7)), to(lane("boss"))];
    let sent = submission("three", &[fires("a")]);
    store.accept(Submission { destinations, at: at(2), ..sent }).await.unwrap();
    bury_next(&*store).await;
    let leased = lease(&*store, &ops()).await;
    let shown = card(1, &leased.entry.state);
    store.settle(leased.lease, Settlement::Partly(shown, Class::Edit)).await.unwrap();
    let totals = store.totals().await.unwrap();
    let of = |chat: &str| {
        let chat = &totals.chats[&lane(chat).chat];
        (chat.waiting, chat.dead, chat.oldest_waiting)
    };
    assert_eq!(of("ops"), (2, 1, Some(at(2))));
    assert_eq!(of("boss"), (1, 0, Some(at(2))));
    assert!(totals.bytes > 0);
}
