//! Topics that are made when they are first needed: their lanes, and what is remembered of them.

use nabat::alert::Alert;
use nabat::outbox::{EntryState, Fate, Outbox, Settlement, Submission};
use nabat::routing::{Destination, LaneId, Topic};
use nabat::telegram::{ChatId, TopicId};

use super::{
    Place, accept, at, card, ended, fires, for_every_store, lane, lease, named_topic, show,
    submission, to, topic, topic_name,
};

for_every_store! {
    a_lane_may_be_named_before_its_topic_has_a_number,
    a_topic_is_remembered_until_it_is_forgotten,
    a_group_that_waits_or_fires_in_a_topic_stays_there_whatever_its_labels_choose,
    a_group_that_ended_goes_where_its_labels_choose,
    a_topic_that_no_label_chose_or_of_another_chat_or_group_is_obeyed,
    a_chat_that_hears_of_a_group_in_several_topics_goes_on_to,
}

async fn a_lane_may_be_named_before_its_topic_has_a_number(place: &impl Place) {
    let lanes = [
        lane("ops"),
        topic("ops", 7),
        named_topic("ops", "7"),
        named_topic("ops", "Базы данных 'x' %"),
        named_topic("ops", "0"),
        named_topic("boss", "7"),
    ];
    let store = place.open().await;
    let destinations = lanes.iter().cloned().map(to).collect();
    let sent = submission("disk", &[fires("a")]);
    store.accept(Submission { destinations, ..sent }).await.unwrap();
    drop(store);

    let store = place.open().await;
    let mut waiting = store.lanes().await.unwrap();
    waiting.sort();
    let mut wanted = lanes.to_vec();
    wanted.sort();
    assert_eq!(waiting, wanted);
    for (lane, message) in lanes.iter().zip(1..) {
        let leased = lease(&*store, lane).await;
        assert_eq!(&leased.entry.lane, lane);
        show(&*store, &leased, message).await;
        assert!(store.lease(lane).await.unwrap().is_none(), "{lane} had one entry");
    }
    // Each lane has its own card of the group.
    for (lane, message) in lanes.iter().zip(1..) {
        let next = submission("disk", &[fires("a"), fires("b")]);
        accept(&*store, Submission { destinations: vec![to(lane.clone())], ..next }).await;
        let card = lease(&*store, lane).await.card.expect("the lane's own card");
        assert_eq!(card.parts[0].id.0, message, "{lane}");
    }
    let views = store.list(Some(EntryState::Waiting), 100).await.unwrap();
    let named = views.iter().filter(|view| matches!(view.topic, Some(Topic::Named(_)))).count();
    assert_eq!(named, 4);
}

async fn a_topic_is_remembered_until_it_is_forgotten(place: &impl Place) {
    let (chat, other) = (ChatId(-1_001), ChatId(-1_002));
    let (db, web) = (topic_name("db"), topic_name("web"));
    let store = place.open().await;
    assert_eq!(store.topics().await.unwrap(), []);
    for (chat, name, number) in [(chat, &db, 7), (chat, &web, 8), (other, &db, 7), (chat, &db, 9)] {
        store.remember_topic(chat, name, TopicId(number)).await.unwrap();
    }
    store.forget_topic(chat, &web).await.unwrap();
    store.forget_topic(chat, &web).await.unwrap();
    drop(store);
    let mut topics = place.open().await.topics().await.unwrap();
    topics.sort();
    assert_eq!(topics, [(other, db.clone(), TopicId(7)), (chat, db, TopicId(9))]);
}

/// A destination whose topic a label chose.
fn by_label(lane: LaneId) -> Destination {
    Destination { by_label: true, ..to(lane) }
}

/// Accepts news of a group; returns the lane in which they are.
async fn sent_to(
    store: &dyn Outbox,
    second: i64,
    group: &str,
    alerts: &[Alert],
    destination: Destination,
) -> LaneId {
    let (destinations, at) = (vec![destination], at(second));
    let sent = Submission { destinations, at, ..submission(group, alerts) };
    store.accept(sent).await.unwrap().lanes.remove(0).0
}

async fn a_group_that_waits_or_fires_in_a_topic_stays_there_whatever_its_labels_choose(
    place: &impl Place,
) {
    let (db, main) = (topic("ops", 7), lane("ops"));
    let store = place.open().await;
    let first = sent_to(&*store, 0, "disk", &[fires("a")], by_label(db.clone())).await;
    assert_eq!(first, db);
    let both = [fires("a"), fires("b")];
    let merged = sent_to(&*store, 1, "disk", &both, by_label(main.clone())).await;
    assert_eq!(merged, db, "it waits there");
    let leased = lease(&*store, &db).await;
    assert_eq!(leased.entry.merged, 2);
    show(&*store, &leased, 1).await;
    drop(store);

    let store = place.open().await;
    for (second, alerts) in [(200, [fires("b")]), (201, [ended("b")])] {
        let found = sent_to(&*store, second, "disk", &alerts, by_label(main.clone())).await;
        assert_eq!(found, db, "its card is there");
    }
    assert_eq!(lease(&*store, &db).await.card.unwrap().parts[0].id.0, 1);
    assert!(store.lease(&main).await.unwrap().is_none());
    let again = Submission {
        destinations: vec![by_label(main)],
        at: at(202),
        ..submission("disk", &[ended("b")])
    };
    assert_eq!(accept(&*store, again).await, Fate::Duplicate, "the same event in the same place");
}

async fn a_group_that_ended_goes_where_its_labels_choose(place: &impl Place) {
    let (db, main) = (topic("ops", 7), lane("ops"));
    let store = place.open().await;
    sent_to(&*store, 0, "disk", &[ended("a")], by_label(db.clone())).await;
    let leased = lease(&*store, &db).await;
    let mut over = card(1, &leased.entry.state);
    over.closed_at = Some(at(1));
    store.settle(leased.lease, Settlement::Shown(over)).await.unwrap();
    for second in [200, 400] {
        let again = [Alert { starts_at: at(second), ..fires("a") }];
        let found = sent_to(&*store, second, "disk", &again, by_label(main.clone())).await;
        assert_eq!(found, main);
    }
    let back = sent_to(&*store, 600, "disk", &[fires("c")], by_label(db)).await;
    assert_eq!(back, main, "now it is open there");
}

async fn a_topic_that_no_label_chose_or_of_another_chat_or_group_is_obeyed(place: &impl Place) {
    let (db, main, boss) = (topic("ops", 7), lane("ops"), lane("boss"));
    let store = place.open().await;
    sent_to(&*store, 0, "disk", &[fires("a")], by_label(db)).await;
    for (group, destination, lane) in [
        ("disk", to(main.clone()), &main),
        ("disk", by_label(boss.clone()), &boss),
        ("net", by_label(main.clone()), &main),
    ] {
        let found = sent_to(&*store, 5, group, &[fires("b")], destination).await;
        assert_eq!(found, *lane, "{group}");
    }
}

async fn a_chat_that_hears_of_a_group_in_several_topics_goes_on_to(place: &impl Place) {
    let (db, critical, main) = (topic("ops", 7), topic("ops", 9), lane("ops"));
    let store = place.open().await;
    for (second, lanes) in [(0, [&db, &critical]), (5, [&main, &critical]), (9, [&db, &main])] {
        let destinations = lanes.map(|lane| by_label(lane.clone())).to_vec();
        let alerts = [Alert { starts_at: at(second), ..fires("a") }];
        let sent = Submission { destinations, at: at(second), ..submission("disk", &alerts) };
        let accepted = store.accept(sent).await.unwrap();
        assert_eq!(accepted.lanes.iter().map(|(lane, _)| lane).collect::<Vec<_>>(), lanes);
    }
}
