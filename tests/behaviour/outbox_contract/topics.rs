//! Topics that are made when they are first needed: their lanes, and what is remembered of them.

use nabat::outbox::{EntryState, Submission};
use nabat::routing::Topic;
use nabat::telegram::{ChatId, TopicId};

use super::{
    Place, accept, fires, for_every_store, lane, lease, named_topic, show, submission, to, topic,
    topic_name,
};

for_every_store! {
    a_lane_may_be_named_before_its_topic_has_a_number,
    a_topic_is_remembered_until_it_is_forgotten,
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
