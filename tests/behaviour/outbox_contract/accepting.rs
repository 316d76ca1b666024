//! Accepting: all lanes or none, one entry a group, duplicates, merging, caps.

use std::sync::Arc;
use std::time::Duration;

use nabat::alert::{Reason, Source, Status};
use nabat::outbox::{Class, EntryState, Fate, Outbox, Priority, StoreError, Submission};

use super::{
    Place, Settings, accept, alerts, at, ended, fires, for_every_store, groups, lane, lease,
    notification, ops, show, submission, to, topic,
};

for_every_store! {
    the_latest_of_a_group_is_what_waits_or_else_what_is_shown,
    a_notification_waits_in_every_lane_it_was_accepted_for,
    topics_of_a_chat_are_lanes_of_their_own,
    a_group_has_one_waiting_entry_in_a_lane,
    an_alert_that_ended_while_waiting_stays_ended_when_no_longer_listed,
    an_alert_no_longer_listed_stays_as_unlisted,
    a_truncated_body_concludes_nothing_about_what_it_leaves_out,
    a_merge_takes_the_newer_route_settings_and_severity_and_keeps_the_nearest_class,
    groups_of_other_sources_and_receivers_are_other_groups,
    the_same_event_within_the_window_is_a_duplicate,
    the_order_of_alerts_makes_no_other_event,
    a_refire_or_another_status_is_another_event,
    a_group_that_is_back_in_an_earlier_state_is_no_duplicate,
    an_end_of_an_earlier_firing_is_a_late_copy_when_the_new_one_is_shown,
    one_alert_that_fired_anew_makes_a_late_copy_of_its_groups_earlier_state,
    what_leaves_alerts_out_makes_its_group_no_less_urgent,
    the_same_event_after_the_window_is_news,
    an_event_shown_already_is_a_duplicate_too,
    a_repeat_passes_within_the_window,
    ha_peers_say_the_same,
    duplicates_are_told_lane_by_lane,
    a_window_of_zero_knows_no_duplicates,
    a_full_store_refuses_new_entries_and_evicts_nothing,
    a_full_store_tells_a_probe_what_it_tells_a_new_group,
    a_store_that_takes_too_many_bytes_tells_a_probe_too,
    a_full_store_still_merges,
    what_a_full_store_refused_is_no_duplicate_when_it_comes_again,
    a_store_too_full_for_all_lanes_accepts_in_none,
    room_comes_back_when_something_is_shown,
}

async fn a_notification_waits_in_every_lane_it_was_accepted_for(place: &impl Place) {
    let store = place.open().await;
    let destinations = vec![to(ops()), to(lane("boss")), to(topic("ops", 7))];
    let accepted = store
        .accept(Submission { destinations, ..submission("disk", &[fires("a")]) })
        .await
        .unwrap();
    let queued = [ops(), lane("boss"), topic("ops", 7)].map(|lane| (lane, Fate::Queued));
    assert_eq!(accepted.lanes, queued);
    let mut lanes = store.lanes().await.unwrap();
    lanes.sort();
    assert_eq!(lanes, [lane("boss"), ops(), topic("ops", 7)]);
    for (lane, _) in queued {
        let leased = lease(&*store, &lane).await;
        assert_eq!(leased.entry.lane, lane);
        assert_eq!(leased.entry.state, *submission("disk", &[fires("a")]).notification);
        assert_eq!(leased.entry.first_accepted_at, at(0));
        assert_eq!((leased.entry.merged, leased.entry.attempts), (1, 0));
        assert!(leased.card.is_none());
    }
}

async fn topics_of_a_chat_are_lanes_of_their_own(place: &impl Place) {
    let store = place.open().await;
    let destinations = vec![to(topic("ops", 7))];
    let sent = Submission { destinations, ..submission("disk", &[fires("a")]) };
    assert_eq!(accept(&*store, sent).await, Fate::Queued);
    assert!(store.lease(&ops()).await.unwrap().is_none());
    assert!(store.lease(&topic("ops", 8)).await.unwrap().is_none());
    assert!(store.lease(&topic("ops", 7)).await.unwrap().is_some());
}

async fn a_group_has_one_waiting_entry_in_a_lane(place: &impl Place) {
    let store = place.open().await;
    let names = ["a", "b", "c"];
    for (second, name) in (0..).zip(names) {
        let sent = Submission { at: at(second), ..submission("disk", &[fires(name)]) };
        let fate = if second == 0 { Fate::Queued } else { Fate::Merged };
        assert_eq!(accept(&*store, sent).await, fate);
    }
    assert_eq!(groups(&*store, EntryState::Waiting).await, ["disk"]);
    let leased = lease(&*store, &ops()).await;
    assert_eq!(leased.entry.merged, 3);
    assert_eq!(leased.entry.first_accepted_at, at(0));
    assert_eq!(leased.entry.last_accepted_at, at(2));
    show(&*store, &leased, 1).await;
    assert!(store.lease(&ops()).await.unwrap().is_none());
    assert!(store.lanes().await.unwrap().is_empty());
}

async fn an_alert_that_ended_while_waiting_stays_ended_when_no_longer_listed(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a"), fires("b")])).await;
    accept(&*store, submission("disk", &[ended("a"), fires("b")])).await;
    accept(&*store, submission("disk", &[fires("b"), fires("c")])).await;
    let leased = lease(&*store, &ops()).await;
    let state = [
        ("a", Status::Resolved, false),
        ("b", Status::Firing, false),
        ("c", Status::Firing, false),
    ];
    assert_eq!(alerts(&leased.entry.state), state);
}

async fn an_alert_no_longer_listed_stays_as_unlisted(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a"), fires("b")])).await;
    accept(&*store, submission("disk", &[fires("b")])).await;
    let leased = lease(&*store, &ops()).await;
    let state = [("a", Status::Firing, true), ("b", Status::Firing, false)];
    assert_eq!(alerts(&leased.entry.state), state);
}

async fn a_truncated_body_concludes_nothing_about_what_it_leaves_out(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a"), fires("b")])).await;
    let mut sent = submission("disk", &[fires("b")]);
    Arc::make_mut(&mut sent.notification).truncated_alerts = 1;
    accept(&*store, sent).await;
    let leased = lease(&*store, &ops()).await;
    let state = [("a", Status::Firing, false), ("b", Status::Firing, false)];
    assert_eq!(alerts(&leased.entry.state), state);
}

async fn a_merge_takes_the_newer_route_settings_and_severity_and_keeps_the_nearest_class(
    place: &impl Place,
) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let mut sent = submission("disk", &[ended("a")]);
    sent.destinations[0].template = "short".into();
    sent.priority = Priority { severity: 2, class: Class::End };
    accept(&*store, sent).await;
    let view = &store.list(None, 10).await.unwrap()[0];
    assert_eq!((view.severity, view.class), (2, Class::News), "people know of nothing yet");
    assert_eq!(lease(&*store, &ops()).await.entry.template, "short");
}

async fn groups_of_other_sources_and_receivers_are_other_groups(place: &impl Place) {
    let store = place.open().await;
    let mut other_source = submission("disk", &[fires("a")]);
    Arc::make_mut(&mut other_source.notification).group.source = Source::Grafana;
    let mut other_receiver = submission("disk", &[fires("a")]);
    Arc::make_mut(&mut other_receiver.notification).group.receiver = "pager".into();
    for sent in [submission("disk", &[fires("a")]), other_source, other_receiver] {
        assert_eq!(accept(&*store, sent).await, Fate::Queued);
    }
}

async fn the_same_event_within_the_window_is_a_duplicate(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let again = Submission { at: at(119), ..submission("disk", &[fires("a")]) };
    let accepted = store.accept(again).await.unwrap();
    assert!(accepted.is_duplicate());
    assert_eq!(lease(&*store, &ops()).await.entry.merged, 1);
}

async fn the_order_of_alerts_makes_no_other_event(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a"), ended("b")])).await;
    let again = submission("disk", &[ended("b"), fires("a")]);
    assert_eq!(accept(&*store, again).await, Fate::Duplicate);
}

async fn a_refire_or_another_status_is_another_event(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    assert_eq!(accept(&*store, submission("disk", &[ended("a")])).await, Fate::Merged);
    let refire = nabat::alert::Alert { starts_at: at(5), ..fires("a") };
    assert_eq!(accept(&*store, submission("disk", &[refire])).await, Fate::Merged);
    let late = submission("disk", &[ended("a")]);
    assert_eq!(accept(&*store, late).await, Fate::Duplicate, "an HA peer that lags behind");
}

async fn a_group_that_is_back_in_an_earlier_state_is_no_duplicate(place: &impl Place) {
    let store = place.open().await;
    for (alerts, fate) in [
        (vec![fires("a")], Fate::Queued),
        (vec![ended("a")], Fate::Merged),
        (vec![fires("a")], Fate::Merged),
        (vec![fires("a")], Fate::Duplicate),
        (vec![fires("a"), fires("b")], Fate::Merged),
        (vec![fires("a")], Fate::Merged),
    ] {
        assert_eq!(accept(&*store, submission("disk", &alerts)).await, fate, "{alerts:?}");
    }
    let leased = lease(&*store, &ops()).await;
    let waits = alerts(&leased.entry.state);
    assert_eq!(waits, [("a", Status::Firing, false), ("b", Status::Firing, true)]);
    // Shown already, it is none either.
    show(&*store, &leased, 1).await;
    for (alerts, fate) in [
        (vec![ended("a")], Fate::Queued),
        (vec![fires("a")], Fate::Merged),
        (vec![fires("a")], Fate::Duplicate),
    ] {
        assert_eq!(accept(&*store, submission("disk", &alerts)).await, fate, "{alerts:?}");
    }
}

async fn an_end_of_an_earlier_firing_is_a_late_copy_when_the_new_one_is_shown(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[ended("a")])).await;
    let refire = nabat::alert::Alert { starts_at: at(5), ..fires("a") };
    accept(&*store, submission("disk", &[refire])).await;
    show(&*store, &lease(&*store, &ops()).await, 1).await;
    assert_eq!(accept(&*store, submission("disk", &[ended("a")])).await, Fate::Duplicate);
}

async fn one_alert_that_fired_anew_makes_a_late_copy_of_its_groups_earlier_state(
    place: &impl Place,
) {
    let store = place.open().await;
    let early = submission("disk", &[fires("a"), fires("b")]);
    accept(&*store, early.clone()).await;
    let refire = nabat::alert::Alert { starts_at: at(5), ..fires("a") };
    accept(&*store, submission("disk", &[refire, fires("b")])).await;
    assert_eq!(accept(&*store, early).await, Fate::Duplicate);
}

async fn what_leaves_alerts_out_makes_its_group_no_less_urgent(place: &impl Place) {
    let store = place.open().await;
    let with = |severity, alerts: &[nabat::alert::Alert]| {
        let sent = submission("disk", alerts);
        Submission { priority: Priority { severity, ..sent.priority }, ..sent }
    };
    accept(&*store, with(0, &[fires("worst"), fires("a")])).await;
    let mut truncated = with(1, &[fires("a")]);
    Arc::make_mut(&mut truncated.notification).truncated_alerts = 1;
    accept(&*store, truncated).await;
    let severity = async || store.most_urgent(&ops()).await.unwrap().unwrap().severity;
    assert_eq!(severity().await, 0);
    accept(&*store, with(1, &[fires("a"), ended("worst")])).await;
    assert_eq!(severity().await, 1);
}

async fn the_same_event_after_the_window_is_news(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let again = |second| Submission { at: at(second), ..submission("disk", &[fires("a")]) };
    assert_eq!(accept(&*store, again(121)).await, Fate::Merged);
    assert_eq!(accept(&*store, again(240)).await, Fate::Duplicate, "the window began anew");
}

async fn an_event_shown_already_is_a_duplicate_too(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    assert_eq!(accept(&*store, submission("disk", &[fires("a")])).await, Fate::Duplicate);
    show(&*store, &leased, 1).await;
    assert_eq!(accept(&*store, submission("disk", &[fires("a")])).await, Fate::Duplicate);
    assert!(store.lease(&ops()).await.unwrap().is_none());
}

async fn a_repeat_passes_within_the_window(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let leased = lease(&*store, &ops()).await;
    show(&*store, &leased, 1).await;
    let mut repeat = submission("disk", &[fires("a")]);
    Arc::make_mut(&mut repeat.notification).reason = Reason::RepeatIntervalElapsed;
    assert_eq!(accept(&*store, repeat.clone()).await, Fate::Queued);
    // Its own retry is no second repeat.
    assert_eq!(accept(&*store, repeat).await, Fate::Duplicate);
}

async fn ha_peers_say_the_same(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let mut peer = submission("disk", &[fires("a")]);
    Arc::make_mut(&mut peer.notification).external_url = "http://alertmanager-2:9093".into();
    assert_eq!(accept(&*store, peer).await, Fate::Duplicate);
}

async fn duplicates_are_told_lane_by_lane(place: &impl Place) {
    let store = place.open().await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    let destinations = vec![to(ops()), to(lane("boss"))];
    let again = Submission { destinations, ..submission("disk", &[fires("a")]) };
    let accepted = store.accept(again).await.unwrap();
    assert!(!accepted.is_duplicate());
    assert_eq!(accepted.lanes, [(ops(), Fate::Duplicate), (lane("boss"), Fate::Queued)]);
}

async fn a_window_of_zero_knows_no_duplicates(place: &impl Place) {
    let settings = Settings { dedup_window: Duration::ZERO, ..Settings::default() };
    let store = place.open_with(settings).await;
    accept(&*store, submission("disk", &[fires("a")])).await;
    assert_eq!(accept(&*store, submission("disk", &[fires("a")])).await, Fate::Merged);
}

async fn fill(place: &impl Place) -> Arc<dyn Outbox> {
    let store = place.open_with(Settings { max_entries: 2, ..Settings::default() }).await;
    accept(&*store, submission("one", &[fires("a")])).await;
    accept(&*store, Submission { at: at(1), ..submission("two", &[fires("a")]) }).await;
    store
}

async fn a_full_store_refuses_new_entries_and_evicts_nothing(place: &impl Place) {
    let store = fill(place).await;
    let refused = store.accept(submission("three", &[fires("a")])).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert_eq!(groups(&*store, EntryState::Waiting).await, ["one", "two"]);
}

async fn a_full_store_tells_a_probe_what_it_tells_a_new_group(place: &impl Place) {
    let store = fill(place).await;
    let refused = store.accept(submission("three", &[fires("a")])).await.unwrap_err();
    let probed = store.probe().await.unwrap_err();
    assert!(matches!(probed, StoreError::Full(_)), "{probed}");
    assert_eq!(probed.to_string(), refused.to_string());
    let leased = lease(&*store, &ops()).await;
    show(&*store, &leased, 1).await;
    store.probe().await.expect("there is room for one more");
}

async fn a_store_that_takes_too_many_bytes_tells_a_probe_too(place: &impl Place) {
    let store = place.open_with(Settings { max_bytes: 1, ..Settings::default() }).await;
    let refused = store.accept(submission("one", &[fires("a")])).await.unwrap_err();
    assert!(refused.to_string().contains("delivery.max_bytes"), "{refused}");
    assert_eq!(store.probe().await.unwrap_err().to_string(), refused.to_string());
}

async fn a_full_store_still_merges(place: &impl Place) {
    let store = fill(place).await;
    assert_eq!(accept(&*store, submission("one", &[fires("b")])).await, Fate::Merged);
    assert_eq!(accept(&*store, submission("one", &[fires("b")])).await, Fate::Duplicate);
}

async fn what_a_full_store_refused_is_no_duplicate_when_it_comes_again(place: &impl Place) {
    let store = fill(place).await;
    store.accept(submission("three", &[fires("a")])).await.unwrap_err();
    let leased = lease(&*store, &ops()).await;
    show(&*store, &leased, 1).await;
    assert_eq!(accept(&*store, submission("three", &[fires("a")])).await, Fate::Queued);
}

async fn a_store_too_full_for_all_lanes_accepts_in_none(place: &impl Place) {
    let store = place.open_with(Settings { max_entries: 2, ..Settings::default() }).await;
    accept(&*store, submission("one", &[fires("a")])).await;
    let destinations = vec![to(ops()), to(lane("boss"))];
    let sent = Submission { destinations, ..submission("two", &[fires("a")]) };
    let refused = store.accept(sent.clone()).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert_eq!(groups(&*store, EntryState::Waiting).await, ["one"]);
    assert!(!store.totals().await.unwrap().chats.contains_key(&lane("boss").chat));
    let mixed = vec![to(ops()), to(lane("boss"))];
    let sent = Submission { destinations: mixed, ..submission("one", &[fires("b")]) };
    let fates: Vec<_> = store.accept(sent).await.unwrap().lanes.into_iter().map(|l| l.1).collect();
    assert_eq!(fates, [Fate::Merged, Fate::Queued], "only the second lane needs room");
}

async fn room_comes_back_when_something_is_shown(place: &impl Place) {
    let store = fill(place).await;
    let leased = lease(&*store, &ops()).await;
    show(&*store, &leased, 1).await;
    assert_eq!(accept(&*store, submission("three", &[fires("a")])).await, Fate::Queued);
}

async fn the_latest_of_a_group_is_what_waits_or_else_what_is_shown(place: &impl Place) {
    let store = place.open().await;
    let group = notification("disk", &[]).group;
    assert_eq!(store.latest(&ops(), &group).await.unwrap(), None);
    let latest = async |store: &dyn Outbox| {
        let state = store.latest(&ops(), &group).await.unwrap().expect("something is known");
        state.alerts.len()
    };
    accept(&*store, submission("disk", &[fires("a")])).await;
    assert_eq!(latest(&*store).await, 1, "it waits");
    let leased = lease(&*store, &ops()).await;
    show(&*store, &leased, 1).await;
    assert_eq!(latest(&*store).await, 1, "it is shown");
    accept(&*store, submission("disk", &[fires("a"), fires("b")])).await;
    assert_eq!(latest(&*store).await, 2, "what waits is newer");
    assert_eq!(store.latest(&lane("boss"), &group).await.unwrap(), None, "another lane");
    drop(store);
    assert_eq!(latest(&*place.open().await).await, 2);
}
