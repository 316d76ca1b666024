//! What is more than text.

use super::{Bot, FORUM};
use nabat::sandbox::Limits;
use nabat::telegram::{Button, Client, ClientOptions, Method, Photo, TopicId};

#[tokio::test]
async fn a_photo_and_a_table_come_from_nabats_own_client() {
    let bot = Bot::start(Limits::None);
    let client =
        Client::new(&ClientOptions::new(bot.sandbox.url().parse().unwrap(), None)).unwrap();
    let token = secrecy::SecretString::from(bot.sandbox.token().to_owned());
    let text = bot.say(FORUM, "the alert").await;
    let photo = |content: Vec<u8>| Method::SendPhoto {
        chat: FORUM,
        topic: Some(TopicId(7)),
        photo: Photo { content: content.into(), content_type: "image/png", name: "graph.png" },
        silent: true,
        reply_to: Some(text),
    };
    // The line ends and dashes of a multipart body are no trouble inside of it.
    let png = [png(300, 200), b"\r\n--\r\n\r\n--x".to_vec()].concat();
    let answer = client.call(&token, &photo(png.clone())).await;
    let nabat::telegram::Answer::Done(Some(id)) = answer else { panic!("{answer:?}") };
    let shown = bot.sandbox.message(FORUM, id).unwrap();
    assert_eq!(shown.photo.unwrap().content, png);
    assert_eq!((shown.topic, shown.reply_to, shown.silent), (Some(TopicId(7)), Some(text), true));

    for (content, said) in [
        (b"no picture".to_vec(), "IMAGE_PROCESS_FAILED"),
        (self::png(9000, 1001), "PHOTO_INVALID_DIMENSIONS"),
        (self::png(210, 10), "PHOTO_INVALID_DIMENSIONS"),
        (Vec::new(), "file must be non-empty"),
    ] {
        let answer = client.call(&token, &photo(content)).await;
        let nabat::telegram::Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.description, format!("Bad Request: {said}"));
    }

    let table = |cell: &str| format!("<h3>Disk</h3><table><tr><td>{cell}</td></tr></table>");
    let sent = Method::SendRichMessage {
        chat: FORUM,
        topic: None,
        html: table("db-1"),
        silent: false,
        reply_to: None,
        buttons: vec![vec![Button::url("Runbook", "https://example.org/").unwrap()]],
    };
    let answer = client.call(&token, &sent).await;
    let nabat::telegram::Answer::Done(Some(id)) = answer else { panic!("{answer:?}") };
    let shown = bot.sandbox.message(FORUM, id).unwrap();
    assert_eq!(shown.text, "Disk\ndb-1");
    assert_eq!(shown.buttons[0][0].text, "Runbook");
    let edit = Method::EditRichMessage {
        chat: FORUM,
        message: id,
        html: table("db-2"),
        buttons: Vec::new(),
    };
    assert_eq!(client.call(&token, &edit).await.outcome(), "ok");
    let shown = bot.sandbox.message(FORUM, id).unwrap();
    assert_eq!((shown.text.as_str(), shown.buttons.len(), shown.edits), ("Disk\ndb-2", 0, 1));
}

/// The head of a picture of that size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    file.extend(width.to_be_bytes());
    file.extend(height.to_be_bytes());
    file
}
