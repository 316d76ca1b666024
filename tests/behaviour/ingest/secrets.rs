//! What a sender has put where it does not belong is repeated to nobody.

use nabat::outbox::Outbox;
use secrecy::SecretString;

use crate::support::house::{House, Setup};
use crate::support::logs::Logs;

const TOKEN: &str = "7712345678:AAH-never_print_me_0123456789";
/// What follows the bot's number, which is no secret.
const SECRET: &str = "AAH-never_print_me";

async fn house() -> House {
    let house = House::open(Setup::default()).await;
    house.intake.scrubber.register(&SecretString::from(TOKEN));
    house
}

/// Each byte percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"))
}

#[tokio::test]
async fn a_secret_in_a_refused_webhook_is_neither_answered_nor_logged_nor_kept() {
    let logs = Logs::capture();
    let house = house().await;
    let paths = [format!("/alertmanager/{TOKEN}"), format!("/alertmanager/{}", encoded(TOKEN))];
    let good = crate::support::house::BODY;
    let broken = [format!("{{\"alerts\": \"{TOKEN}\"}}"), format!("{{\"{TOKEN}\" 1}}")];
    let posts = [(&*paths[0], good), (&*paths[1], good)]
        .into_iter()
        .chain(broken.iter().map(|body| ("/alertmanager", &**body)));
    for (path, body) in posts {
        let (status, said) = house.webhook(path, body).await;
        assert!(matches!(status, 400 | 404), "{status}");
        assert!(!said.to_string().contains(SECRET), "{said}");
    }
    let kept = format!("{:?}", house.rejected(4).await);
    assert!(!kept.contains(SECRET) && !kept.contains(&encoded(SECRET)), "{kept}");
    assert_eq!(kept.matches("[secret]").count(), 2 * 2 + 2 + 1, "{kept}");
    // The tests' logs are not scrubbed.
    let refused: String = logs.text().lines().filter(|line| line.contains("refused")).collect();
    assert!(refused.contains("[secret]") && !refused.contains(SECRET), "{refused}");
}

#[tokio::test]
async fn a_secret_at_the_end_of_what_is_kept_is_not_cut_in_two() {
    let house = house().await;
    house.webhook("/alertmanager", format!("{{{}{TOKEN} and more", " ".repeat(4070))).await;
    let head = house.rejected(1).await.remove(0).head;
    assert!(head.ends_with("[secret] and more") && head.len() <= 4096, "{head:?}");
    house.webhook("/alertmanager", format!("{{{}{TOKEN} and more", " ".repeat(4090))).await;
    let head = house.rejected(2).await.remove(0).head;
    assert!(head.ends_with(" [secr"), "{:?}", &head[4080..]);
}

#[tokio::test]
async fn what_was_kept_before_the_secret_was_known_is_shown_without_it() {
    let house = House::open(Setup::default()).await;
    house.webhook(&format!("/alertmanager/{TOKEN}"), format!("{{{TOKEN}")).await;
    assert!(house.rejected(1).await[0].head.contains(SECRET));
    house.intake.scrubber.register(&SecretString::from(TOKEN));
    let (_, shown) = house.ask("GET", "/api/v1/outbox/rejected").await;
    assert!(!shown.to_string().contains(SECRET), "{shown}");
    assert_eq!(house.store.rejected().await.unwrap().len(), 1);
}

#[tokio::test]
async fn no_other_door_repeats_a_secret_either() {
    let house = house().await;
    for path in [
        format!("/api/v1/outbox/{TOKEN}"),
        format!("/api/v1/outbox?{TOKEN}=1"),
        format!("/bot{TOKEN}/sendMessage"),
        format!("/{}", encoded(TOKEN)),
    ] {
        let (_, said) = house.ask("GET", &path).await;
        assert!(said["error"].as_str().unwrap().contains("[secret]"), "{path}: {said}");
        assert!(!said.to_string().contains(SECRET), "{said}");
    }
    let (status, said) =
        house.webhook("/api/v1/test-alert", format!("{{\"chat\": \"{TOKEN}\"}}")).await;
    assert_eq!(status, 404);
    assert_eq!(said["error"], "there is no chat \"[secret]\"");
}
