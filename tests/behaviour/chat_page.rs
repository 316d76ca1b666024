//! The sandbox's chat page in a real browser.

use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Limits, Sandbox, SandboxOptions};
use nabat::telegram::{ChatId, MessageId};
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::install_crypto;

const OPS: ChatId = ChatId(-1_001_234_567_890);
const PERSON: ChatId = ChatId(4242);

struct Page {
    sandbox: Sandbox,
    http: reqwest::Client,
    tasks: Tasks,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Page {
    fn start() -> Self {
        install_crypto();
        let tasks = Tasks::default();
        let options = SandboxOptions { limits: Limits::None, ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options, &tasks).unwrap();
        sandbox.add_chat(OPS, ChatKind::Supergroup { forum: false }, "Operations");
        Self { sandbox, http: reqwest::Client::new(), tasks }
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let url = format!("{}/bot{}/{method}", self.sandbox.url(), self.sandbox.token());
        let answer = self.http.post(url).json(&params).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
        answer["result"].clone()
    }

    async fn say(&self, chat: ChatId, html: &str) -> MessageId {
        let params = json!({"chat_id": chat, "text": html, "parse_mode": "HTML"});
        let sent = self.call("sendMessage", params).await;
        serde_json::from_value(sent["message_id"].clone()).unwrap()
    }
}

#[tokio::test]
async fn a_message_is_shown_with_its_formatting_and_its_edit_arrives_by_itself() {
    let page = Page::start();
    let sent = page
        .call(
            "sendMessage",
            json!({
                "chat_id": OPS, "parse_mode": "HTML", "disable_notification": true,
                "text": "<b>Disk <i>full</i></b> on <code>db-1</code>\n\
                         <blockquote expandable>one\ntwo\nthree\nfour\nfive</blockquote>",
                "reply_markup": {"inline_keyboard": [
                    [{"text": "Graph", "url": "https://example.com/graph"}],
                ]},
            }),
        )
        .await;
    let browser = Browser::open(&page.sandbox.url(), 460, 900).await;
    browser.until("document.querySelector('.bubble strong')").await;
    let seen = browser
        .run(
            "const all = (what) => [...document.querySelectorAll(what)].map((e) => e.textContent);
             return {
               title: all('#title'), bold: all('.bubble strong'), italic: all('strong em'),
               code: all('.bubble code'), keys: all('a.key'),
               address: document.querySelector('a.key').href,
               weight: Number(getComputedStyle(document.querySelector('strong')).fontWeight) >= 600,
               silent: document.querySelectorAll('.silent').length,
               edited: document.querySelectorAll('.edited').length,
               folded: document.querySelectorAll('.expandable.collapsed').length,
               wide: document.documentElement.scrollWidth > innerWidth,
             }",
        )
        .await;
    let expected = json!({
        "title": ["Operations"], "bold": ["Disk ", "full"], "italic": ["full"], "code": ["db-1"],
        "keys": ["Graph"], "address": "https://example.com/graph", "weight": true, "silent": 1,
        "edited": 0, "folded": 1, "wide": false,
    });
    assert_eq!(seen, expected);

    browser.run("document.querySelector('.expandable').click()").await;
    browser.until("!document.querySelector('.expandable.collapsed')").await;

    let edit = json!({
        "chat_id": OPS, "message_id": sent["message_id"], "text": "<b>Ended</b>",
        "parse_mode": "HTML",
    });
    page.call("editMessageText", edit).await;
    browser.until("document.querySelector('.bubble strong').textContent === 'Ended'").await;
    browser.until("document.querySelector('.edited')").await;
    assert_eq!(browser.run("return document.querySelectorAll('.bubble').length").await, 1);

    let reply = json!({
        "chat_id": OPS, "text": "all ended",
        "reply_parameters": {"message_id": sent["message_id"]},
    });
    page.call("sendMessage", reply).await;
    browser.until("document.querySelector('.reply')?.textContent.includes('Ended')").await;
    browser.run("document.querySelector('.reply').click()").await;
    browser.until("document.querySelector('#m1.spot')").await;
    page.sandbox.delete_message(OPS, MessageId(1));
    browser.until("document.querySelectorAll('.bubble').length === 1").await;
    assert_eq!(browser.console().await, json!([]));
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let page = Page::start();
    let hostile = "<img src=x onerror=\"document.title='pwned'\">\
                   <script>document.title='pwned'</script></div></li><h1>big</h1>\
                   <svg onload=\"document.title='pwned'\">";
    let escaped = nabat::telegram::markup::escape(hostile);
    page.sandbox.add_chat(PERSON, ChatKind::Private, hostile);
    page.say(PERSON, &escaped).await;
    page.say(PERSON, &format!("<pre><code class=\"language-{escaped}\">x</code></pre>")).await;
    page.call(
        "sendMessage",
        json!({
            "chat_id": PERSON, "text": hostile, "reply_parameters": {"message_id": 1},
            "reply_markup": {"inline_keyboard": [[{"text": hostile, "callback_data": "x"}]]},
        }),
    )
    .await;

    let browser = Browser::open(&format!("{}/#{PERSON}", page.sandbox.url()), 1100, 800).await;
    browser.until("document.querySelectorAll('.bubble').length === 3").await;
    let seen = browser
        .run(
            "return {
               foreign: document.querySelectorAll('img, main script, h1:not(.bar h1)').length,
               scripts: document.scripts.length,
               title: document.title,
               text: document.querySelector('.text').firstChild.textContent,
               key: document.querySelector('.key').textContent,
               shown: document.querySelectorAll('.reply').length,
             }",
        )
        .await;
    let expected = json!({
        "foreign": 0, "scripts": 1, "title": hostile, "text": hostile, "key": hostile, "shown": 1,
    });
    assert_eq!(seen, expected);

    // Even a hole in the page would run nothing: its policy forbids it.
    browser
        .run(
            "const hole = document.createElement('div');
             hole.innerHTML = '<img src=x onerror=\"window.ran = 1\">';
             document.body.append(hole);",
        )
        .await;
    let refusals = || async {
        let log = browser.console().await.to_string();
        log.contains("Content Security Policy")
    };
    crate::support::eventually("the policy refuses", refusals).await;
    assert_eq!(browser.run("return window.ran ?? null").await, Value::Null);
}

#[tokio::test]
async fn several_chats_stand_in_a_list_and_an_address_opens_one() {
    let page = Page::start();
    page.sandbox.add_chat(PERSON, ChatKind::Private, "Aigerim");
    page.say(OPS, "in the group").await;
    let browser = Browser::open(&page.sandbox.url(), 400, 800).await;
    // A phone shows the list first, then the chat in its place.
    browser.until("document.querySelectorAll('.item').length === 2").await;
    let in_sight = "(document.querySelector('#messages').offsetParent !== null)";
    browser.until(&format!("!{in_sight}")).await;
    browser.run("document.querySelector('.item').click()").await;
    browser.until(&format!("{in_sight} && document.querySelector('.bubble')")).await;
    page.say(PERSON, "to you").await;
    browser.run("document.querySelector('#back').click()").await;
    browser.until("document.querySelector('.badge')?.textContent === '1'").await;

    browser.go("about:blank").await;
    browser.go(&format!("{}/#{PERSON}", page.sandbox.url())).await;
    browser.until("document.querySelector('.text')?.textContent.startsWith('to you')").await;
    assert_eq!(browser.run("return document.title").await, "Aigerim");
}
