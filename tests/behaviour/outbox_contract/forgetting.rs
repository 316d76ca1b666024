//! Alerts of a group that come and go without end while nothing is sent: a waiting entry stays within
//! bounds, and counts what it lets go of.

use std::ops::Range;

use nabat::alert::{Alert, Forgotten, Status};
use nabat::outbox::{Card, Class, DeathReason, EntryState, Leased, Outbox, Settlement, Submission};

use super::{Place, accept, at, card, ended, fires, for_every_store, lease, ops, submission};

for_every_store! {
    alerts_that_came_and_went_take_bounded_room_and_are_counted,
    those_whose_end_is_not_known_are_counted_apart,
    the_end_of_an_alert_that_a_card_shows_firing_is_never_forgotten,
    a_notification_that_lists_all_that_waits_leaves_the_count,
    alerts_that_are_all_listed_again_are_not_counted_as_unlisted,
    what_is_being_told_is_not_forgotten,
    what_was_shown_is_not_counted_with_what_comes_later,
    what_a_reply_leaves_to_the_card_stays_counted_when_more_comes_behind_it,
    what_a_reply_leaves_to_the_card_stays_counted_when_more_comes_meanwhile,
    what_was_counted_before_a_lease_is_told_by_it,
    a_dead_letter_brings_its_count_back,
    retried_dead_letters_take_bounded_room,
    the_count_outlives_the_process,
}

/// More than are kept.
const MANY: i64 = 6000;
/// How many each notification lists.
const LISTED: u8 = 200;

/// One that fires all the time, and some that ended, the later the greater their number.
fn state_with(numbers: Range<i64>) -> Submission {
    let end = |number| Alert {
        starts_at: at(number),
        ends_at: Some(at(number + 1)),
        ..ended(&format!("n{number}"))
    };
    let alerts: Vec<Alert> = std::iter::once(fires("steady")).chain(numbers.map(end)).collect();
    submission("disk", &alerts)
}

/// Accepts notification after notification, each with other ends.
async fn churn(store: &dyn Outbox, numbers: Range<i64>) {
    for from in numbers.clone().step_by(usize::from(LISTED)) {
        accept(store, state_with(from..(from + i64::from(LISTED)).min(numbers.end))).await;
    }
}

fn ends(leased: &Leased) -> u32 {
    u32::try_from(leased.entry.state.resolved().count()).unwrap()
}

fn has(leased: &Leased, name: &str, status: Status) -> bool {
    let alerts = &leased.entry.state.alerts;
    alerts.iter().any(|alert| alert.fingerprint == name && alert.status == status)
}

/// The card after a reply has told the news of what was leased.
fn replied(leased: &Leased) -> Card {
    let told = Some((leased.entry.id, leased.entry.version));
    Card { told, ..card(1, &leased.entry.state) }
}

/// The card when it shows all that was leased.
fn shown(leased: &Leased) -> Card {
    let card = replied(leased);
    Card { shown: card.told, ..card }
}

async fn settle(store: &dyn Outbox, leased: &Leased, settlement: Settlement) {
    store.settle(leased.lease.clone(), settlement).await.expect("settled");
}

async fn alerts_that_came_and_went_take_bounded_room_and_are_counted(place: &impl Place) {
    let store = place.open().await;
    churn(&*store, 0..MANY).await;
    let leased = lease(&*store, &ops()).await;
    let Forgotten { ended, unlisted } = leased.entry.forgotten;
    assert!(leased.entry.state.alerts.len() < 2500, "{} alerts", leased.entry.state.alerts.len());
    assert_eq!((i64::from(ends(&leased) + ended), unlisted), (MANY, 0), "each is held or counted");
    assert!(has(&leased, "steady", Status::Firing));
    assert!(has(&leased, "n5999", Status::Resolved) && has(&leased, "n5000", Status::Resolved));
    assert!(!has(&leased, "n0", Status::Resolved), "the oldest went");
    let view = store.show(leased.entry.id).await.unwrap();
    assert_eq!(view.forgotten, leased.entry.forgotten);
}

async fn those_whose_end_is_not_known_are_counted_apart(place: &impl Place) {
    let store = place.open().await;
    for from in (0..MANY).step_by(usize::from(LISTED)) {
        let alerts: Vec<Alert> =
            (from..from + i64::from(LISTED)).map(|n| fires(&format!("n{n}"))).collect();
        accept(&*store, submission("disk", &alerts)).await;
    }
    let leased = lease(&*store, &ops()).await;
    let Forgotten { ended, unlisted } = leased.entry.forgotten;
    assert_eq!(ended, 0);
    assert_eq!(leased.entry.state.alerts.len() + unlisted as usize, usize::try_from(MANY).unwrap());
}

async fn the_end_of_an_alert_that_a_card_shows_firing_is_never_forgotten(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("n0"), fires("steady")])).await;
    let leased = lease(&*store, &ops()).await;
    store.settle(leased.lease.clone(), Settlement::Shown(shown(&leased))).await.unwrap();
    churn(&*store, 0..MANY).await;
    let leased = lease(&*store, &ops()).await;
    assert!(has(&leased, "n0", Status::Resolved), "the oldest end of all");
    assert!(!has(&leased, "n1", Status::Resolved));
    assert_eq!(i64::from(ends(&leased) + leased.entry.forgotten.ended), MANY);
}

async fn a_notification_that_lists_all_that_waits_leaves_the_count(place: &impl Place) {
    let store = place.open().await;
    churn(&*store, 0..MANY).await;
    let id = store.list(None, 1).await.unwrap()[0].id;
    let before = store.show(id).await.unwrap();
    let alerts = before.notification.unwrap().alerts;
    let next = submission("disk", &alerts.into_iter().chain([ended("new")]).collect::<Vec<_>>());
    accept(&*store, next).await;
    assert_eq!(store.show(id).await.unwrap().forgotten, before.forgotten);
}

async fn alerts_that_are_all_listed_again_are_not_counted_as_unlisted(place: &impl Place) {
    let store = place.open().await;
    let all: Vec<Alert> = (0..3000).map(|n| fires(&format!("n{n}"))).collect();
    accept(&*store, submission("disk", &all)).await;
    // All but one were silenced, and are not any more.
    accept(&*store, submission("disk", &[fires("steady")])).await;
    let id = store.list(None, 1).await.unwrap()[0].id;
    assert_eq!(store.show(id).await.unwrap().forgotten, Forgotten { ended: 0, unlisted: 2000 });
    accept(&*store, submission("disk", &[fires("steady"), ended("other")])).await;
    assert_eq!(store.show(id).await.unwrap().forgotten.unlisted, 2000, "they are not back");
    let all: Vec<Alert> = all.into_iter().chain([fires("steady")]).collect();
    accept(&*store, submission("disk", &all)).await;
    let view = store.show(id).await.unwrap();
    assert_eq!(view.forgotten, Forgotten::default());
    assert_eq!(view.notification.unwrap().firing().count(), 3001);
}

async fn what_is_being_told_is_not_forgotten(place: &impl Place) {
    let store = place.open().await;
    churn(&*store, 0..2000).await;
    let first = lease(&*store, &ops()).await;
    assert_eq!((ends(&first), first.entry.forgotten), (2000, Forgotten::default()));
    churn(&*store, 2000..4000).await;
    store.settle(first.lease.clone(), Settlement::Shown(shown(&first))).await.unwrap();
    // The next notification finds what was told by the card, and counts none of it.
    churn(&*store, 4000..4200).await;
    let rest = lease(&*store, &ops()).await;
    let untold = (2000..4200).filter(|n| has(&rest, &format!("n{n}"), Status::Resolved)).count();
    assert_eq!(untold + rest.entry.forgotten.ended as usize, 2200);
    assert!(rest.entry.state.alerts.len() < 2500);
}

async fn what_was_shown_is_not_counted_with_what_comes_later(place: &impl Place) {
    let store = place.open().await;
    churn(&*store, 0..MANY).await;
    let leased = lease(&*store, &ops()).await;
    assert!(leased.entry.forgotten.ended > 0);
    // Something is left to be done that shows nothing, such as a pin.
    settle(&*store, &leased, Settlement::Partly(shown(&leased), Class::Edit)).await;
    churn(&*store, MANY..MANY + i64::from(LISTED)).await;
    let next = lease(&*store, &ops()).await;
    assert_eq!(next.entry.forgotten, Forgotten::default());
    assert!(has(&next, &format!("n{MANY}"), Status::Resolved));
}

async fn what_a_reply_leaves_to_the_card_stays_counted_when_more_comes_behind_it(
    place: &impl Place,
) {
    let store = place.open().await;
    churn(&*store, 0..MANY).await;
    let leased = lease(&*store, &ops()).await;
    settle(&*store, &leased, Settlement::Partly(replied(&leased), Class::Edit)).await;
    churn(&*store, MANY..MANY + i64::from(LISTED)).await;
    let next = lease(&*store, &ops()).await;
    let all = i64::from(ends(&next) + next.entry.forgotten.ended);
    assert_eq!(all, MANY + i64::from(LISTED));
}

async fn what_a_reply_leaves_to_the_card_stays_counted_when_more_comes_meanwhile(
    place: &impl Place,
) {
    let store = place.open().await;
    churn(&*store, 0..MANY).await;
    let leased = lease(&*store, &ops()).await;
    churn(&*store, MANY..MANY + i64::from(LISTED)).await;
    settle(&*store, &leased, Settlement::Partly(replied(&leased), Class::Edit)).await;
    let next = lease(&*store, &ops()).await;
    let all = i64::from(ends(&next) + next.entry.forgotten.ended);
    assert_eq!(all, MANY + i64::from(LISTED));
}

async fn what_was_counted_before_a_lease_is_told_by_it(place: &impl Place) {
    let store = place.open().await;
    churn(&*store, 0..MANY).await;
    let leased = lease(&*store, &ops()).await;
    assert!(leased.entry.forgotten.ended > 0);
    churn(&*store, MANY..MANY + i64::from(LISTED)).await;
    store.settle(leased.lease.clone(), Settlement::Shown(shown(&leased))).await.unwrap();
    let next = lease(&*store, &ops()).await;
    assert_eq!((next.entry.merged, next.entry.forgotten), (1, Forgotten::default()));
}

async fn a_dead_letter_brings_its_count_back(place: &impl Place) {
    let store = place.open().await;
    churn(&*store, 0..MANY).await;
    let leased = lease(&*store, &ops()).await;
    let (dead, counted) = (leased.entry.id, leased.entry.forgotten);
    let held = ends(&leased);
    let death = Settlement::Dead { reason: DeathReason::Refused, detail: "no".into() };
    store.settle(leased.lease, death).await.unwrap();
    assert_eq!(store.show(dead).await.unwrap().forgotten, counted);
    accept(&*store, submission("disk", &[ended("new")])).await;
    store.retry(dead).await.unwrap();
    assert!(store.list(Some(EntryState::Dead), 1).await.unwrap().is_empty());
    let leased = lease(&*store, &ops()).await;
    let ended = ends(&leased) + leased.entry.forgotten.ended;
    assert_eq!(ended, held + counted.ended + 1);
}

async fn retried_dead_letters_take_bounded_room(place: &impl Place) {
    let store = place.open().await;
    let mut dead = Vec::new();
    for letter in 0..4 {
        churn(&*store, letter * 2000..(letter + 1) * 2000).await;
        let leased = lease(&*store, &ops()).await;
        dead.push(leased.entry.id);
        let death = Settlement::Dead { reason: DeathReason::Refused, detail: "no".into() };
        settle(&*store, &leased, death).await;
    }
    accept(&*store, submission("disk", &[fires("steady")])).await;
    store.retry(dead[1]).await.unwrap();
    assert!(store.list(Some(EntryState::Dead), 1).await.unwrap().is_empty());
    let leased = lease(&*store, &ops()).await;
    assert!(leased.entry.state.alerts.len() < 2500, "{} alerts", leased.entry.state.alerts.len());
    assert_eq!(ends(&leased) + leased.entry.forgotten.ended, 8000);
}

async fn the_count_outlives_the_process(place: &impl Place) {
    let store = place.open().await;
    churn(&*store, 0..MANY).await;
    let id = store.list(None, 1).await.unwrap()[0].id;
    let before = store.show(id).await.unwrap().forgotten;
    assert!(before.ended > 0);
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!(lease(&*store, &ops()).await.entry.forgotten, before);
}
