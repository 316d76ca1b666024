use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::alert::{Forgotten, GroupId, Labels, Reason, Source};
use crate::outbox::{EntryId, ShownPart};
use crate::routing::{ChatAlias, LaneId};
use crate::telegram::MessageId;

const CHAT: ChatId = ChatId(-1_001);
const HOUR: Duration = Duration::from_hours(1);

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn fires(name: &str) -> Alert {
    Alert {
        fingerprint: name.into(),
        status: Status::Firing,
        labels: Labels::new(),
        annotations: Labels::new(),
        starts_at: at(0),
        ends_at: None,
        generator_url: String::new(),
        grafana: None,
        unlisted: false,
    }
}

fn ended(name: &str) -> Alert {
    Alert { status: Status::Resolved, ends_at: Some(at(5)), ..fires(name) }
}

fn refired(name: &str) -> Alert {
    Alert { starts_at: at(9), ..fires(name) }
}

fn unlisted(name: &str) -> Alert {
    Alert { unlisted: true, ..fires(name) }
}

fn state(alerts: &[Alert]) -> Notification {
    let fires = alerts.iter().any(|alert| alert.fires() && !alert.unlisted);
    Notification {
        group: GroupId { source: Source::Alertmanager, receiver: "r".into(), key: "g".into() },
        status: if fires { Status::Firing } else { Status::Resolved },
        reason: Reason::Unknown,
        alerts: alerts.to_vec(),
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        external_url: String::new(),
        truncated_alerts: 0,
    }
}

fn entry(alerts: &[Alert]) -> Entry {
    Entry {
        buttons: None,
        id: EntryId(2),
        lane: LaneId { chat: ChatAlias("ops".into()), topic: None },
        template: "default".into(),
        updates: Updates::Thread,
        state: state(alerts),
        merged: 1,
        forgotten: Forgotten::default(),
        version: 1,
        first_accepted_at: at(10),
        last_accepted_at: at(10),
        attempts: 0,
    }
}

/// A card of an earlier entry, complete and told.
fn card(alerts: &[Alert]) -> Card {
    Card {
        chat: CHAT,
        parts: vec![ShownPart { id: MessageId(1), digest: 0 }],
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

/// The same card after everything on it had ended.
fn closed(alerts: &[Alert]) -> Card {
    Card { closed_at: Some(at(5)), ..card(alerts) }
}

fn planned_at(entry: &Entry, card: Option<&Card>, now: Timestamp) -> Plan {
    let ground = Ground {
        chat: CHAT,
        now: now.to_zoned_datetime(jiff::tz::TimeZone::UTC),
        new_card_after: HOUR,
        sound: &Sound::default(),
        pin: None,
        severities: &Severities::default(),
    };
    plan(entry, card, &ground)
}

fn planned(entry: &Entry, card: Option<&Card>) -> Plan {
    planned_at(entry, card, at(10))
}

fn open() -> Step {
    Step::Open { silent: false }
}

fn reply(kind: Kind, news: &[usize]) -> Step {
    Step::Reply { kind, news: news.to_vec(), silent: kind == Kind::Ended }
}

#[test]
fn in_a_thread_each_change_has_its_step() {
    let a = card(&[fires("a")]);
    let ab = card(&[fires("a"), fires("b")]);
    let closed_a = closed(&[ended("a")]);
    let table: [(&str, Vec<Alert>, Option<&Card>, Step); 14] = [
        ("the first notification opens a card", vec![fires("a")], None, open()),
        (
            "a group that ended before it was shown is shown without a sound",
            vec![ended("a")],
            None,
            Step::Open { silent: true },
        ),
        ("what fires is news although something ended", vec![ended("a"), fires("b")], None, open()),
        (
            "a new alert is a reply with sound",
            vec![fires("a"), fires("b")],
            Some(&a),
            reply(Kind::News, &[1]),
        ),
        ("a re-fire is news", vec![refired("a")], Some(&a), reply(Kind::News, &[0])),
        (
            "a re-fire after the end is news",
            vec![refired("a")],
            Some(&closed_a),
            reply(Kind::News, &[0]),
        ),
        (
            "an alert listed again is news",
            vec![fires("a"), fires("b")],
            Some(&card(&[unlisted("a"), fires("b")])),
            reply(Kind::News, &[0]),
        ),
        (
            "an alert that ended beside one that fires is an edit",
            vec![ended("a"), fires("b")],
            Some(&ab),
            Step::Edit,
        ),
        (
            "one that is silenced now is an edit, and rings nobody",
            vec![fires("b")],
            Some(&card(&[fires("a"), fires("b"), ended("c")])),
            Step::Edit,
        ),
        (
            "the end of the group is told silently",
            vec![ended("a")],
            Some(&a),
            reply(Kind::Ended, &[]),
        ),
        (
            "the end of the last that fired is the end of the group",
            vec![ended("b")],
            Some(&card(&[ended("a"), fires("b")])),
            reply(Kind::Ended, &[]),
        ),
        ("the same again is a reminder", vec![fires("a")], Some(&a), reply(Kind::Reminder, &[])),
        ("the same end again is an edit at most", vec![ended("a")], Some(&closed_a), Step::Edit),
        (
            "one that ended while another began is news",
            vec![ended("a"), fires("b")],
            Some(&a),
            reply(Kind::News, &[1]),
        ),
    ];
    for (name, alerts, card, step) in table {
        let plan = planned(&entry(&alerts), card);
        assert_eq!(plan.next.as_ref(), Some(&step), "{name}");
        let rest = matches!(step, Step::Reply { .. }).then_some(Class::Edit);
        assert_eq!(plan.then, rest, "{name}: after a reply the card is brought up to date");
    }
}

#[test]
fn after_the_reply_the_card_is_edited_and_nothing_more() {
    let entry = entry(&[fires("a"), fires("b")]);
    let told = Card { told: Some((entry.id, entry.version)), ..card(&entry.state.alerts) };
    let plan = planned(&entry, Some(&told));
    assert_eq!((plan.next, plan.then), (Some(Step::Edit), None));
}

#[test]
fn what_came_after_the_reply_is_told_as_well() {
    let entry = Entry { version: 2, ..entry(&[fires("a"), fires("b")]) };
    let told = Card { told: Some((entry.id, 1)), ..card(&[fires("a")]) };
    assert_eq!(planned(&entry, Some(&told)).next, Some(reply(Kind::News, &[1])));
}

#[test]
fn a_long_ended_group_gets_a_new_card_and_a_lately_ended_one_keeps_its_own() {
    let entry = entry(&[refired("a")]);
    let old = closed(&[ended("a")]);
    let later = |minutes| planned_at(&entry, Some(&old), at(minutes)).next;
    assert_eq!(later(64), Some(reply(Kind::News, &[0])));
    assert_eq!(later(65), Some(open()));
    let long_open = card(&[fires("a")]);
    let still = planned_at(&entry, Some(&long_open), at(10_000)).next;
    assert_eq!(still, Some(reply(Kind::News, &[0])), "only a closed card grows old");
}

#[test]
fn an_old_card_is_finished_when_its_entry_was_begun() {
    let entry = entry(&[ended("a")]);
    let begun = Card { told: Some((entry.id, entry.version)), ..closed(&[ended("a")]) };
    assert_eq!(planned_at(&entry, Some(&begun), at(500)).next, Some(Step::Edit));
}

#[test]
fn a_card_in_another_chat_is_left_alone() {
    let elsewhere = Card { chat: ChatId(-1_002), ..card(&[fires("a")]) };
    assert_eq!(planned(&entry(&[fires("a")]), Some(&elsewhere)).next, Some(open()));
}

#[test]
fn an_unfinished_card_is_finished() {
    let unfinished = Card { told: None, ..card(&[fires("a")]) };
    for updates in [Updates::Thread, Updates::Edit, Updates::New] {
        let entry = Entry { updates, ..entry(&[fires("a")]) };
        assert_eq!(planned(&entry, Some(&unfinished)).next, Some(open()), "{updates:?}");
    }
    let nothing_sent = Card { parts: Vec::new(), ..unfinished };
    assert_eq!(planned(&entry(&[fires("a")]), Some(&nothing_sent)).next, Some(open()));
}

#[test]
fn with_edits_only_the_card_changes() {
    let table = [
        (vec![fires("a"), fires("b")], Step::Edit),
        (vec![ended("a")], Step::Edit),
        (vec![fires("a")], Step::Edit),
    ];
    for (alerts, step) in table {
        let entry = Entry { updates: Updates::Edit, ..entry(&alerts) };
        let plan = planned(&entry, Some(&card(&[fires("a")])));
        assert_eq!((plan.next, plan.then), (Some(step), None), "{alerts:?}");
        assert_eq!(planned(&entry, None).then, None);
    }
}

#[test]
fn with_new_messages_every_notification_is_one_and_rings_while_something_fires() {
    for (alerts, silent) in [([fires("a")], false), ([ended("a")], true)] {
        let entry = Entry { updates: Updates::New, ..entry(&alerts) };
        let plan = planned(&entry, Some(&card(&[fires("a")])));
        assert_eq!((plan.next, plan.then), (Some(Step::Open { silent }), None));
        let told = Card { told: Some((entry.id, entry.version)), ..card(&alerts) };
        assert_eq!(planned(&entry, Some(&told)).next, None, "it was told before a crash");
    }
}

#[test]
fn the_card_keeps_what_ended_and_forgets_the_oldest_ends_alone() {
    let old: Vec<Alert> = (0..40)
        .map(|minute| Alert { ends_at: Some(at(minute)), ..ended(&format!("old {minute}")) })
        .collect();
    let before = card(&[&old[..], &[fires("a")]].concat());
    let present = planned(&entry(&[fires("b")]), Some(&before)).present;
    let names: Vec<&str> = present.alerts.iter().map(|alert| alert.fingerprint.as_str()).collect();
    assert_eq!(names.len(), 2 + ENDED_KEPT, "{names:?}");
    assert!(names.contains(&"a") && names.contains(&"b"));
    assert!(names.contains(&"old 39") && names.contains(&"old 20"));
    assert!(!names.contains(&"old 19"));
}

#[test]
fn what_is_said_rings_only_when_the_sender_still_lists_something_that_fires() {
    let quiet = planned(&entry(&[unlisted("a"), ended("b")]), None);
    assert_eq!(quiet.next, Some(Step::Open { silent: true }));
    let mut truncated = entry(&[ended("a")]);
    truncated.state.truncated_alerts = 3;
    truncated.state.status = Status::Firing;
    assert_eq!(planned(&truncated, None).next, Some(open()), "what was left out fires");
    let after = planned(&truncated, Some(&card(&[fires("a")])));
    assert_eq!(after.next, Some(Step::Edit), "the end of a part is no end of the group");
}

#[test]
fn the_end_of_a_truncated_group_is_told_when_the_sender_says_that_all_ended() {
    let mut over = entry(&[ended("a")]);
    over.state.truncated_alerts = 20;
    over.state.reason = Reason::AllAlertsResolved;
    let plan = planned(&over, Some(&card(&[fires("a"), fires("b")])));
    assert!(
        matches!(plan.next, Some(Step::Reply { kind: Kind::Ended, silent: true, .. })),
        "{:?}",
        plan.next
    );
}

#[test]
fn a_truncated_group_that_says_resolved_may_still_fire() {
    let mut partial = entry(&[ended("a")]);
    partial.state.truncated_alerts = 20;
    let plan = planned(&partial, Some(&card(&[fires("a"), fires("b")])));
    assert_eq!(plan.next, Some(Step::Edit));
}

#[test]
fn an_end_accepted_by_a_clock_that_was_set_back_is_the_newest_all_the_same() {
    let mut over = entry(&[ended("a")]);
    over.last_accepted_at = at(-3600);
    let plan = planned(&over, Some(&card(&[fires("a")])));
    assert!(plan.present.alerts.iter().all(|alert| !alert.fires()), "{:?}", plan.present);
    assert!(matches!(plan.next, Some(Step::Reply { kind: Kind::Ended, .. })), "{:?}", plan.next);
}

#[test]
fn the_first_card_in_another_chat_shows_what_is_known_of_the_group() {
    let elsewhere = Card { chat: ChatId(-5), ..card(&[fires("a"), fires("b"), ended("c")]) };
    let plan = planned(&entry(&[ended("b")]), Some(&elsewhere));
    assert_eq!(plan.next, Some(Step::Open { silent: true }), "it is an end");
    let mut shown: Vec<_> = plan
        .present
        .alerts
        .iter()
        .map(|alert| (alert.fingerprint.as_str(), alert.fires(), alert.unlisted))
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, [("a", true, true), ("b", false, false), ("c", false, false)]);
    let each_alone = Entry { updates: Updates::New, ..entry(&[ended("b")]) };
    assert_eq!(planned(&each_alone, Some(&elsewhere)).present.alerts.len(), 1);
}

#[test]
fn a_pin_that_is_refused_each_time_does_not_hold_up_the_line() {
    let entry = entry(&[critical(fires("a"))]);
    let told = Some((entry.id, entry.version));
    let digest = MessageId(9);
    let shown =
        Card { told, shown: told, digest: Some((digest, true)), ..card(&entry.state.alerts) };
    assert_eq!(pinning(&entry, Some(&shown)), (Some(Step::Line(digest)), Some(Class::Edit)));
    let told = Card { digest: Some((digest, false)), ..shown };
    assert_eq!(pinning(&entry, Some(&told)), (Some(Step::Pin(MessageId(1))), None));
}

#[test]
fn an_end_behind_a_line_that_says_ended_already_is_a_message() {
    let digest = |ended| Some((MessageId(9), ended));
    let in_digest = |alerts: &[Alert], ended| Card {
        parts: Vec::new(),
        digest: digest(ended),
        closed_at: ended.then(|| at(5)),
        ..card(alerts)
    };
    let over = entry(&[ended("a")]);
    let fired = in_digest(&[fires("a")], false);
    assert_eq!(planned(&over, Some(&fired)).next, Some(Step::Line(MessageId(9))));
    let again = Alert { starts_at: at(6), ..ended("a") };
    let before = in_digest(&[ended("a")], true);
    let plan = planned(&entry(&[again]), Some(&before));
    assert_eq!(plan.next, Some(Step::Open { silent: true }), "it fired and ended again");
    assert_eq!(planned(&over, Some(&before)).next, Some(Step::Line(MessageId(9))));
}

/// An entry of critical alerts, and what is planned where these are pinned.
fn pinning(entry: &Entry, card: Option<&Card>) -> (Option<Step>, Option<Class>) {
    let pin = ["critical".to_owned()];
    let ground = Ground {
        chat: CHAT,
        now: at(10).to_zoned_datetime(jiff::tz::TimeZone::UTC),
        new_card_after: HOUR,
        sound: &Sound::default(),
        pin: Some(&pin),
        severities: &Severities::default(),
    };
    let plan = plan(entry, card, &ground);
    (plan.next, plan.then)
}

fn critical(alert: Alert) -> Alert {
    Alert { labels: Labels::from([("severity".into(), "critical".into())]), ..alert }
}

#[test]
fn a_card_is_pinned_behind_what_is_said_and_unpinned_when_it_ended() {
    let front = MessageId(1);
    let fire = entry(&[critical(fires("a"))]);
    let shown = |entry: &Entry, pinned| Card {
        told: Some((entry.id, entry.version)),
        shown: Some((entry.id, entry.version)),
        pinned,
        ..card(&entry.state.alerts)
    };
    let later = Some(Class::Edit);
    assert_eq!(pinning(&fire, None), (Some(open()), later));
    assert_eq!(pinning(&fire, Some(&shown(&fire, None))), (Some(Step::Pin(front)), None));
    assert_eq!(pinning(&fire, Some(&shown(&fire, Some(front)))), (None, None));

    let end = entry(&[critical(ended("a"))]);
    let before = Card { pinned: Some(front), ..card(&[critical(fires("a"))]) };
    assert_eq!(pinning(&end, Some(&before)), (Some(reply(Kind::Ended, &[])), later));
    let replied = Card { shown: None, ..shown(&end, Some(front)) };
    assert_eq!(pinning(&end, Some(&replied)), (Some(Step::Edit), later));
    assert_eq!(pinning(&end, Some(&shown(&end, Some(front)))), (Some(Step::Unpin(front)), None));
    assert_eq!(pinning(&end, Some(&shown(&end, None))), (None, None));
}

#[test]
fn a_message_of_its_own_takes_the_pin_of_the_one_before() {
    let former = MessageId(9);
    let entry = Entry { updates: Updates::New, ..entry(&[critical(fires("a"))]) };
    let told = Some((entry.id, entry.version));
    let shown = Card { told, shown: told, pinned: Some(former), ..card(&entry.state.alerts) };
    let later = Some(Class::Edit);
    assert_eq!(pinning(&entry, Some(&shown)), (Some(Step::Unpin(former)), later));
    let free = Card { pinned: None, ..shown };
    assert_eq!(pinning(&entry, Some(&free)), (Some(Step::Pin(MessageId(1))), None));
}

#[test]
fn what_is_not_critical_or_not_reported_any_more_is_not_pinned() {
    for alert in [fires("a"), critical(unlisted("a")), critical(ended("a"))] {
        assert_eq!(pinning(&entry(std::slice::from_ref(&alert)), None).1, None, "{alert:?}");
    }
}

#[test]
fn a_message_rings_for_the_alerts_that_it_is_about() {
    let of = |severity: &str, alert: Alert| Alert {
        labels: Labels::from([("severity".into(), severity.into())]),
        ..alert
    };
    let sound = Sound { silent_severities: vec!["info".into()], ..Sound::default() };
    let silent = |updates, alerts: &[Alert], card: Option<&Card>| {
        let ground = Ground {
            chat: CHAT,
            now: at(10).to_zoned_datetime(jiff::tz::TimeZone::UTC),
            new_card_after: HOUR,
            sound: &sound,
            pin: None,
            severities: &Severities::default(),
        };
        let entry = Entry { updates, ..entry(alerts) };
        match plan(&entry, card, &ground).next {
            Some(Step::Open { silent } | Step::Reply { silent, .. }) => silent,
            other => panic!("{other:?}"),
        }
    };
    let (info, warning) = (of("info", fires("a")), of("warning", fires("b")));
    let thread = Updates::Thread;
    assert!(silent(thread, std::slice::from_ref(&info), None));
    assert!(!silent(thread, &[info.clone(), warning.clone()], None), "the worst counts");
    assert!(silent(thread, &[info.clone(), of("warning", ended("b"))], None), "it ended");
    let card = card(std::slice::from_ref(&warning));
    assert!(silent(thread, &[warning.clone(), info.clone()], Some(&card)), "the news is info");
    assert!(
        !silent(thread, std::slice::from_ref(&warning), Some(&card)),
        "a reminder of a warning"
    );

    // A message of its own that tells of nothing new and is no repeat.
    let both = Card { ..self::card(&[warning.clone(), of("warning", fires("c"))]) };
    let partly = [warning.clone(), of("warning", ended("c"))];
    assert!(silent(Updates::New, &partly, Some(&both)));
    assert!(!silent(Updates::New, &both.state.alerts, Some(&both)), "a repeat");
    let mut truncated = entry(&[]);
    truncated.state.status = Status::Firing;
    truncated.state.truncated_alerts = 5;
    assert_eq!(planned(&truncated, None).next, Some(open()), "what was left out may be critical");
}
