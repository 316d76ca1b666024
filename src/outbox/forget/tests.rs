use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::alert::{GroupId, Reason, Source, Status};
use crate::outbox::{EntryId, ShownPart};
use crate::telegram::{ChatId, MessageId};

fn at(second: usize) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::try_from(second).unwrap())
}

fn fires(name: usize) -> Alert {
    Alert {
        fingerprint: name.to_string(),
        status: Status::Firing,
        labels: Labels::new(),
        annotations: Labels::new(),
        starts_at: at(name),
        ends_at: None,
        generator_url: String::new(),
        grafana: None,
        unlisted: false,
    }
}

/// Ended the later, the greater its number.
fn ended(name: usize) -> Alert {
    Alert { status: Status::Resolved, ends_at: Some(at(name + 1)), ..fires(name) }
}

fn unlisted(name: usize) -> Alert {
    Alert { unlisted: true, ..fires(name) }
}

fn state(alerts: Vec<Alert>) -> Notification {
    Notification {
        group: GroupId { source: Source::Alertmanager, receiver: "r".into(), key: "g".into() },
        status: Status::Firing,
        reason: Reason::Unknown,
        alerts,
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        external_url: String::new(),
        truncated_alerts: 0,
    }
}

/// What stays: so many at the beginning.
fn first(listed: usize) -> impl Fn(usize, &Alert) -> bool {
    move |index, _| index < listed
}

/// A card that shows all of it.
fn card(alerts: Vec<Alert>) -> Card {
    Card {
        chat: ChatId(1),
        parts: vec![ShownPart { id: MessageId(1), digest: 0 }],
        state: state(alerts),
        told: Some((EntryId(1), 1)),
        shown: Some((EntryId(1), 1)),
        pinned: None,
        digest: None,
        stale: Vec::new(),
        unfinished: None,
        updated_at: at(0),
        closed_at: None,
    }
}

fn names(alerts: &[Alert]) -> Vec<usize> {
    alerts.iter().map(|alert| alert.fingerprint.parse().unwrap()).collect()
}

#[test]
fn the_latest_ends_stay_in_their_order_and_the_others_are_counted() {
    let mut state = state((0..2500).map(ended).collect());
    let forgotten = forget(&mut state, first(0), None);
    assert_eq!(forgotten, Forgotten { ended: 1500, unlisted: 0 });
    assert_eq!(names(&state.alerts), (1500..2500).collect::<Vec<_>>());
}

#[test]
fn what_the_newest_notification_lists_stays_whatever_it_is() {
    let mut state = state((0..3000).map(ended).collect());
    assert_eq!(forget(&mut state, first(3000), None), Forgotten::default());
    assert_eq!(state.alerts.len(), 3000);
}

#[test]
fn what_a_truncated_notification_left_out_stays_before_ends_and_these_before_what_is_unlisted() {
    let gone = (0..900).map(unlisted).chain((900..2000).map(ended));
    let mut state = state(gone.chain((2000..2300).map(fires)).collect());
    let forgotten = forget(&mut state, first(0), None);
    assert_eq!(forgotten, Forgotten { ended: 400, unlisted: 900 });
    assert_eq!(names(&state.alerts), (1300..2300).collect::<Vec<_>>());
}

#[test]
fn what_truncated_notifications_left_out_is_counted_as_not_reported_any_more() {
    let mut state = state((0..2200).map(fires).collect());
    assert_eq!(forget(&mut state, first(0), None), Forgotten { ended: 0, unlisted: 1200 });
    assert_eq!(names(&state.alerts), (1200..2200).collect::<Vec<_>>());
}

#[test]
fn the_change_of_what_people_know_as_not_over_stays_and_takes_no_others_place() {
    let card = card((0..1500).map(fires).chain((1500..2500).map(unlisted)).collect());
    let changes = (0..1000).map(ended).chain((1000..1500).map(unlisted));
    let changes: Vec<Alert> = changes.chain((1500..2500).map(ended)).collect();
    let with =
        |others: usize| changes.iter().cloned().chain((2500..2500 + others).map(ended)).collect();
    let mut few = state(with(100));
    assert_eq!(forget(&mut few, first(0), Some(&card)), Forgotten::default());
    assert_eq!(few.alerts.len(), 2600);
    let mut many = state(with(2100));
    assert_eq!(forget(&mut many, first(0), Some(&card)), Forgotten { ended: 1100, unlisted: 0 });
    assert_eq!(names(&many.alerts), (0..2500).chain(3600..4600).collect::<Vec<_>>());
}

#[test]
fn what_people_were_shown_goes_first_and_is_not_counted() {
    let card = card((1000..2500).map(ended).collect());
    let mut state = state((0..2500).map(ended).collect());
    assert_eq!(forget(&mut state, first(0), Some(&card)), Forgotten::default());
    assert_eq!(names(&state.alerts), (0..1000).collect::<Vec<_>>());
}

#[test]
fn what_no_message_shows_in_full_is_counted() {
    let shown = card((0..2500).map(ended).collect());
    let never = Card { told: None, shown: None, ..shown.clone() };
    let by_a_reply = Card { shown: Some((EntryId(1), 0)), ..shown.clone() };
    let by_a_digest = Card { parts: Vec::new(), ..shown.clone() };
    for (card, counted) in [(shown, 0), (never, 1500), (by_a_reply, 1500), (by_a_digest, 1500)] {
        let mut state = state((0..2500).map(ended).collect());
        let forgotten = forget(&mut state, first(0), Some(&card));
        assert_eq!(forgotten, Forgotten { ended: counted, unlisted: 0 }, "{card:?}");
    }
}

#[test]
fn alerts_with_long_texts_are_fewer() {
    let long = |name| Alert {
        annotations: Labels::from([("description".into(), "x".repeat(KEPT.bytes / 10))]),
        ..ended(name)
    };
    let alerts: Vec<Alert> = (0..30).map(long).collect();
    assert!(may_be_too_much(&alerts));
    assert!(!may_be_too_much(&alerts[..15]));
    let mut state = state(alerts);
    assert_eq!(forget(&mut state, first(0), None), Forgotten { ended: 21, unlisted: 0 });
    assert_eq!(names(&state.alerts), (21..30).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_alert_is_held_or_counted_or_shown_already(
        kinds in prop::collection::vec(0..4_u8, 0..4000),
        known in prop::collection::vec(0..3_u8, 0..4000),
        listed in 0..100_usize,
    ) {
        let of = |(name, kind): (usize, &u8)| match kind {
            0 => fires(name),
            1 => unlisted(name),
            _ => ended(name),
        };
        let alerts: Vec<Alert> = kinds.iter().enumerate().map(of).collect();
        let known: Vec<Alert> = known.iter().enumerate().map(of).collect();
        let listed = listed.min(alerts.len());
        let mut state = state(alerts.clone());
        let forgotten = forget(&mut state, first(listed), Some(&card(known.clone())));
        prop_assert_eq!(&state.alerts[..listed], &alerts[..listed]);
        let held = names(&state.alerts);
        prop_assert!(held.is_sorted(), "their order stays");
        let held: BTreeSet<usize> = held.into_iter().collect();
        let gone = |ended: bool| {
            let is_gone = |(name, alert): &(usize, &Alert)| {
                alert.fires() != ended && !held.contains(name) && known.get(*name) != Some(*alert)
            };
            alerts.iter().enumerate().filter(is_gone).count()
        };
        prop_assert_eq!(gone(true), forgotten.ended as usize);
        prop_assert_eq!(gone(false), forgotten.unlisted as usize);
        let is_change = |name: usize| known.get(name).is_some_and(|known| {
            known.fires() && known != &alerts[name]
        });
        prop_assert!((0..alerts.len()).all(|name| !is_change(name) || held.contains(&name)));
        let others = held.iter().filter(|name| **name >= listed && !is_change(**name)).count();
        prop_assert!(others <= MOST.alerts && (forgotten.is_none() || others <= KEPT.alerts));
    }
}
