use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::alert::Status::{Firing, Resolved};
use crate::alert::{Alert, GroupId, Labels, Reason, Source};

fn alert(name: usize, status: Status, since: i64) -> Alert {
    Alert {
        fingerprint: name.to_string(),
        status,
        labels: Labels::new(),
        annotations: Labels::new(),
        starts_at: Timestamp::from_second(since).unwrap(),
        ends_at: None,
        generator_url: String::new(),
        grafana: None,
        unlisted: false,
    }
}

fn state(alerts: Vec<Alert>, truncated_alerts: u64) -> Notification {
    let fires = alerts.iter().any(Alert::fires);
    Notification {
        group: GroupId { source: Source::Alertmanager, receiver: "r".into(), key: "g".into() },
        status: if fires { Firing } else { Resolved },
        reason: Reason::Unknown,
        alerts,
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        external_url: String::new(),
        truncated_alerts,
    }
}

fn overlaid(older: &Notification, newer: &Notification) -> Notification {
    merge(older.clone(), newer.clone())
}

fn names(state: &Notification) -> Vec<&str> {
    state.alerts.iter().map(|alert| alert.fingerprint.as_str()).collect()
}

#[test]
fn the_newer_state_of_each_alert_wins_and_comes_first() {
    let older = state(vec![alert(1, Firing, 0), alert(2, Firing, 0)], 0);
    let newer = state(vec![alert(3, Firing, 5), alert(2, Resolved, 0)], 0);
    let merged = overlaid(&older, &newer);
    assert_eq!(names(&merged), ["3", "2", "1"]);
    assert_eq!(merged.alerts[1].status, Resolved);
    assert!(merged.alerts[2].unlisted, "it fired and is not listed any more");
}

#[test]
fn what_comes_back_is_later_than_an_end_that_is_only_remembered() {
    let end = |name, since, ended| Alert {
        ends_at: Some(Timestamp::from_second(ended).unwrap()),
        ..alert(name, Resolved, since)
    };
    // 1 fired anew behind the remembered end, 2 is the same occurrence, 3 ended a second time.
    let comes_back = state(vec![alert(1, Firing, 20), alert(2, Firing, 5), end(3, 20, 30)], 0);
    let known = state(vec![alert(4, Firing, 40), end(1, 0, 10), end(2, 5, 10), end(3, 0, 10)], 0);
    let merged = merge_beneath(comes_back, known);
    let said: BTreeMap<&str, (bool, i64, bool)> = merged
        .alerts
        .iter()
        .map(|a| (&*a.fingerprint, (a.fires(), a.starts_at.as_second(), a.unlisted)))
        .collect();
    let wanted = [
        ("1", (true, 20, true)),
        ("2", (false, 5, false)),
        ("3", (false, 20, false)),
        ("4", (true, 40, false)),
    ];
    assert_eq!(said, BTreeMap::from(wanted));
}

#[test]
fn an_end_that_is_not_listed_any_more_stays_an_end() {
    let older = state(vec![alert(1, Resolved, 0)], 0);
    let merged = overlaid(&older, &state(vec![alert(2, Firing, 5)], 0));
    assert_eq!(merged.alerts[1], alert(1, Resolved, 0));
}

#[test]
fn an_unlisted_alert_that_is_listed_again_is_listed() {
    let one = state(vec![alert(1, Firing, 0), alert(2, Firing, 0)], 0);
    let gone = overlaid(&one, &state(vec![alert(2, Firing, 0)], 0));
    let back = overlaid(&gone, &one);
    assert!(back.alerts.iter().all(|alert| !alert.unlisted));
}

#[test]
fn a_group_whose_last_listed_alert_ended_has_ended_although_an_unlisted_one_fired() {
    let older = state(vec![alert(1, Firing, 0), alert(2, Firing, 0)], 0);
    let merged = overlaid(&older, &state(vec![alert(2, Resolved, 0)], 0));
    assert_eq!(merged.status, Resolved);
}

#[test]
fn a_truncated_body_ends_nothing_that_it_leaves_out() {
    let older = state(vec![alert(1, Firing, 0), alert(2, Firing, 0)], 0);
    let merged = overlaid(&older, &state(vec![alert(2, Resolved, 0)], 1));
    assert!(!merged.alerts[1].unlisted);
    assert_eq!(merged.status, Firing, "the one left out still fires, as far as anyone knows");
}

fn any_state() -> impl Strategy<Value = Notification> {
    let alerts = proptest::collection::btree_map(0..6_usize, (any::<bool>(), 0..3_i64), 0..6);
    (alerts, prop_oneof![4 => Just(0_u64), 1 => 1..9_u64]).prop_map(|(alerts, truncated)| {
        let read = |(name, (fires, since)): (usize, (bool, i64))| {
            alert(name, if fires { Firing } else { Resolved }, since)
        };
        state(alerts.into_iter().map(read).collect(), truncated)
    })
}

/// Everything but the order.
fn content(state: &Notification) -> BTreeMap<String, Alert> {
    state.alerts.iter().map(|alert| (alert.fingerprint.clone(), alert.clone())).collect()
}

proptest! {
    #[test]
    fn no_alert_is_lost_and_none_is_doubled(states in proptest::collection::vec(any_state(), 1..6)) {
        let merged = states.iter().skip(1).fold(states[0].clone(), |on, next| overlaid(&on, next));
        let mut once = names(&merged);
        once.sort_unstable();
        let all: BTreeSet<&str> = states.iter().flat_map(names).collect();
        prop_assert_eq!(once, all.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_last_word_on_each_alert_wins(states in proptest::collection::vec(any_state(), 1..6)) {
        let merged = states.iter().skip(1).fold(states[0].clone(), |on, next| overlaid(&on, next));
        for alert in &merged.alerts {
            let (index, last) = states
                .iter()
                .enumerate()
                .rev()
                .find_map(|(index, state)| {
                    let said = state.alerts.iter().find(|a| a.fingerprint == alert.fingerprint);
                    said.map(|said| (index, said))
                })
                .unwrap();
            prop_assert_eq!(alert.occurrence(), last.occurrence());
            let left_out_by_a_full_body =
                states[index + 1..].iter().any(|later| later.truncated_alerts == 0);
            prop_assert_eq!(alert.unlisted, last.fires() && left_out_by_a_full_body);
        }
    }

    #[test]
    fn merging_twice_with_the_same_changes_nothing(older in any_state(), newer in any_state()) {
        let once = overlaid(&older, &newer);
        let twice = overlaid(&once, &newer);
        prop_assert_eq!(content(&twice), content(&once));
        prop_assert_eq!(twice.status, once.status);
    }
}

#[test]
fn an_end_says_more_than_that_an_alert_is_not_listed() {
    let remembered = Alert { unlisted: true, ..alert(1, Firing, 0) };
    let ended = state(vec![alert(1, Resolved, 0)], 0);
    let merged = overlaid(&ended, &state(vec![remembered.clone()], 0));
    assert_eq!(merged.alerts, [alert(1, Resolved, 0)]);
    let fired_again = Alert { starts_at: Timestamp::from_second(9).unwrap(), ..remembered };
    let merged = overlaid(&ended, &state(vec![fired_again.clone()], 0));
    assert_eq!(merged.alerts, [fired_again], "it was another time");
}
