//! How a group's later notifications are shown, as the route says.

use nabat::sandbox::Limits;

use crate::support::stage::{CHATS, OPS, Stage, configuration, sandbox, webhook};

/// A stage whose route says how updates are shown.
async fn with(updates: &str) -> Stage {
    let sandbox = sandbox(Limits::Real);
    let text = configuration(&sandbox, CHATS, &format!("  updates: {updates}"));
    Stage::with(sandbox, text).await
}

/// Fires, grows and ends, each shown before the next comes.
async fn play(stage: &Stage) {
    for alerts in [&["db1"][..], &["db1", "db2"], &["-db1", "-db2"]] {
        assert_eq!(stage.nabat.post(&webhook("DiskFull", alerts)).await, 200);
        stage.drained().await;
    }
}

#[tokio::test]
async fn a_thread_is_a_card_that_is_edited_with_replies_for_what_people_must_notice() {
    let stage = with("thread").await;
    play(&stage).await;
    let shown = stage.sandbox.messages(OPS);
    assert_eq!(shown.len(), 3, "{shown:#?}");
    let (card, news, end) = (&shown[0], &shown[1], &shown[2]);
    assert!(card.text.contains("RESOLVED") && card.edits == 2, "{card:?}");
    assert!(news.text.contains("db2") && !news.text.contains("db1"), "{news:?}");
    assert_eq!((news.reply_to, end.reply_to), (Some(card.id), Some(card.id)));
    assert_eq!((card.silent, news.silent, end.silent), (false, false, true));
}

#[tokio::test]
async fn with_edits_the_card_alone_changes() {
    let stage = with("edit").await;
    play(&stage).await;
    let shown = stage.sandbox.messages(OPS);
    assert_eq!(shown.len(), 1);
    assert!(shown[0].text.contains("RESOLVED") && shown[0].edits == 2, "{shown:?}");
}

#[tokio::test]
async fn with_new_every_notification_is_a_message_of_its_own() {
    let stage = with("new").await;
    play(&stage).await;
    let shown = stage.sandbox.messages(OPS);
    assert_eq!(shown.len(), 3);
    assert!(shown.iter().all(|shown| shown.edits == 0 && shown.reply_to.is_none()), "{shown:?}");
    let silent: Vec<bool> = shown.iter().map(|shown| shown.silent).collect();
    assert_eq!(silent, [false, false, true]);
}
