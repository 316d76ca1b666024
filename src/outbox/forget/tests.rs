use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::alert::{GroupId, Reason, Source, Status};
use crate::outbox::EntryId;
use crate::telegram::ChatId;

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

/// A card of which people know.
fn card(alerts: Vec<Alert>) -> Card {
    Card {
        chat: ChatId(1),
        parts: Vec::new(),
        state: state(alerts),
        told: Some((EntryId(1), 1)),
        shown: None,
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
    let mut state = state((0..1500).map(ended).collect());
    let forgotten = forget(&mut state, 0, None);
    assert_eq!(forgotten, Forgotten { ended: 500, unlisted: 0 });
    assert_eq!(names(&state.alerts), (500..1500).collect::<Vec<_>>());
}

#[test]
fn what_the_newest_notification_lists_stays_whatever_it_is() {
    let mut state = state((0..3000).map(ended).collect());
    assert_eq!(forget(&mut state, 3000, None), Forgotten::default());
    assert_eq!(state.alerts.len(), 3000);
}

#[test]
fn what_was_left_out_of_a_truncated_notification_stays_before_ends_and_these_before_what_is_unlisted()
 {
    let alerts =
        (0..900).map(unlisted).chain((900..1700).map(ended)).chain((1700..2000).map(fires));
    let mut state = state(alerts.collect());
    let forgotten = forget(&mut state, 0, None);
    assert_eq!(forgotten, Forgotten { ended: 100, unlisted: 900 });
    assert_eq!(names(&state.alerts), (1000..2000).collect::<Vec<_>>());
}

#[test]
fn an_alert_that_the_sender_counts_as_left_out_is_not_counted_again() {
    let mut state = state((0..1200).map(fires).collect());
    assert_eq!(forget(&mut state, 0, None), Forgotten::default());
    assert_eq!(names(&state.alerts), (200..1200).collect::<Vec<_>>());
}

#[test]
fn the_change_of_an_alert_that_people_believe_to_fire_stays_however_many_there_are() {
    let card = card((0..1500).map(fires).collect());
    let alerts =
        (0..1000).map(ended).chain((1000..1500).map(unlisted)).chain((1500..1600).map(ended));
    let mut state = state(alerts.collect());
    assert_eq!(forget(&mut state, 0, Some(&card)), Forgotten { ended: 100, unlisted: 0 });
    assert_eq!(names(&state.alerts), (0..1500).collect::<Vec<_>>());
}

#[test]
fn what_people_were_told_goes_first_and_is_not_counted() {
    let card = card((1000..2000).map(ended).collect());
    let mut state = state((0..2000).map(ended).collect());
    assert_eq!(forget(&mut state, 0, Some(&card)), Forgotten::default());
    assert_eq!(names(&state.alerts), (0..1000).collect::<Vec<_>>());
}

#[test]
fn of_a_card_that_was_not_shown_people_know_nothing() {
    let card = Card { told: None, ..card((0..1500).map(ended).collect()) };
    let mut state = state((0..1500).map(ended).collect());
    assert_eq!(forget(&mut state, 0, Some(&card)), Forgotten { ended: 500, unlisted: 0 });
}

#[test]
fn alerts_with_long_texts_are_fewer() {
    let long = |name| Alert {
        annotations: Labels::from([("description".into(), "x".repeat(KEPT.bytes / 10))]),
        ..ended(name)
    };
    let alerts: Vec<Alert> = (0..30).map(long).collect();
    assert!(is_too_much(&alerts));
    assert!(!is_too_much(&alerts[..15]));
    let mut state = state(alerts);
    let forgotten = forget(&mut state, 0, None);
    assert_eq!(forgotten.ended as usize + state.alerts.len(), 30);
    assert_eq!(names(&state.alerts), (21..30).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_alert_that_ended_is_held_or_counted_or_known(
        kinds in prop::collection::vec(0..4_u8, 0..3000),
        known in prop::collection::vec(0..3_u8, 0..3000),
        listed in 0..100_usize,
    ) {
        let of = |kind, name| match kind {
            0 => fires(name),
            1 => unlisted(name),
            _ => ended(name),
        };
        let alerts: Vec<Alert> = kinds.iter().enumerate().map(|(name, kind)| of(*kind, name)).collect();
        let listed = listed.min(alerts.len());
        let known: Vec<Alert> = known.iter().enumerate().map(|(name, kind)| of(*kind, name)).collect();
        let mut state = state(alerts.clone());
        let forgotten = forget(&mut state, listed, Some(&card(known.clone())));
        prop_assert_eq!(&state.alerts[..listed], &alerts[..listed]);
        let held: BTreeSet<usize> = names(&state.alerts).into_iter().collect();
        prop_assert!(names(&state.alerts).is_sorted(), "their order stays");
        let gone = |counts: &dyn Fn(&Alert) -> bool| {
            let gone = alerts.iter().enumerate().filter(|(name, alert)| {
                !held.contains(name) && counts(alert) && known.get(*name) != Some(*alert)
            });
            gone.count()
        };
        prop_assert_eq!(gone(&|alert| !alert.fires()), forgotten.ended as usize);
        prop_assert_eq!(gone(&|alert| alert.unlisted), forgotten.unlisted as usize);
        let number = |alert: &Alert| names(std::slice::from_ref(alert))[0];
        let believed = known.iter().filter(|alert| alert.fires() && !alert.unlisted);
        for known in believed {
            let changed = alerts.get(number(known)).is_some_and(|now| now != known);
            prop_assert!(!changed || held.contains(&number(known)));
        }
        let others = &state.alerts[listed..];
        let is_change = |alert: &&Alert| worth(alert, known.get(number(alert))) == Worth::Change;
        let changes = others.iter().filter(is_change).count();
        prop_assert!(others.len() - changes <= KEPT.alerts);
    }
}
