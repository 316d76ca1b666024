//! `nabat demo`, as a newcomer starts it.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::alertmanager::{Alertmanager, TIMING};
use crate::support::browser::Browser;
use crate::support::eventually;
use crate::support::nabat::{Nabat, client};
use crate::support::process::Process;

/// At Telegram's pace the story needs half a minute for a chat, however fast it is told.
const WHOLE_STORY: Duration = Duration::from_mins(2);

struct Demo {
    process: Process,
    page: String,
    webhook: String,
    /// Where it keeps what it needs while it runs.
    scratch: TempDir,
}

impl Demo {
    async fn start(arguments: &[&str]) -> Self {
        let scratch = TempDir::new().unwrap();
        let free = ["--web.listen-address=127.0.0.1:0", "--page.listen-address=127.0.0.1:0"];
        let mut command = Nabat::command(&["demo"]);
        // Nothing of the demo goes through a proxy; this one is nobody.
        command.env("HTTP_PROXY", "http://127.0.0.1:1").env_remove("NO_PROXY");
        command.args(free).args(arguments).env("TMPDIR", scratch.path());
        let mut process = Process::start(&mut command);
        let told = |output: &str, what: &str| {
            let (_, rest) = output.split_once(what)?;
            Some(rest.split_whitespace().next()?.to_owned())
        };
        let page = process.wait_for(|output| told(output, "chat page")).await;
        let webhook = process.wait_for(|output| told(output, "webhook")).await;
        Self { process, page, webhook, scratch }
    }

    /// It says so once all of it is shown.
    async fn story_is_over(&self) {
        let said = async {
            while !self.process.output().contains("The story is over.") {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let said = tokio::time::timeout(WHOLE_STORY, said).await;
        assert!(said.is_ok(), "{}", self.process.output());
    }

    /// What its chats show, by title.
    async fn messages(&self) -> Vec<(String, Vec<Value>)> {
        let page = self.page.trim_end_matches('/');
        let get = async |path: String| -> Value {
            client().get(format!("{page}{path}")).send().await.unwrap().json().await.unwrap()
        };
        let mut chats = Vec::new();
        for chat in get("/sandbox/chats".to_owned()).await["chats"].as_array().unwrap() {
            let shown = get(format!("/sandbox/messages?chat={}&last=500", chat["id"])).await;
            chats.push((
                chat["title"].as_str().unwrap().to_owned(),
                shown.as_array().unwrap().clone(),
            ));
        }
        chats
    }

    fn left_behind(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.scratch.path()).unwrap();
        entries.map(|entry| entry.unwrap().path().display().to_string()).collect()
    }
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_story_is_shown_in_a_browser_from_the_first_alert_to_the_last_end() {
    let demo = Demo::start(&["--speed=100"]).await;
    let browser = Browser::open(&demo.page, 1200, 900).await;
    demo.story_is_over().await;

    for title in ["On call", "Дежурные"] {
        let open =
            "[...document.querySelectorAll('.item')].find((item) => item.textContent.includes";
        browser.until(&format!("{open}('{title}'))")).await;
        browser.run(&format!("{open}('{title}')).click()")).await;
        browser.until(&format!("document.querySelector('#title').textContent === '{title}'")).await;
        let shows = |text: &str| {
            format!("document.querySelector('#messages').innerText.includes({text:?})")
        };
        for text in ["db1: disk full in 4 hours", "db2", "<b>Injected</b> & Co", "web</code>1"] {
            browser.until(&shows(text)).await;
        }
        for mark in [".edited", ".reply", ".silent"] {
            browser.until(&format!("document.querySelector('#messages {mark}')")).await;
        }
        let seen = browser
            .run(
                "const all = (what) => document.querySelectorAll('#messages ' + what).length;
                 return {
                   foreign: all('script') + all('img') + all('b.injected'),
                   disguised: [...document.querySelectorAll('#messages a')]
                     .filter((link) => link.href.includes('evil.example'))
                     .filter((link) => !link.textContent.includes('evil.example')).length,
                   sideways: document.documentElement.scrollWidth > innerWidth,
                 }",
            )
            .await;
        let expected = json!({"foreign": 0, "disguised": 0, "sideways": false});
        assert_eq!(seen, expected, "{title}");
    }
    for (title, messages) in demo.messages().await {
        let burst = texts(&messages).iter().filter(|text| text.contains("5xx above 2 %")).count();
        assert!(burst >= 8, "{title} shows {burst} of the burst");
    }
    assert_eq!(browser.console().await, json!([]));
}

#[tokio::test]
async fn a_real_alertmanager_can_post_to_it_and_nothing_is_left_behind() {
    let mut demo = Demo::start(&["--no-story"]).await;
    let alertmanager = Alertmanager::start(&demo.webhook, TIMING).await;
    let labels = json!({"alertname": "MyOwnAlert", "severity": "critical"});
    alertmanager.alert(&labels, "from my own Alertmanager", None).await;
    eventually("both chats show it", async || {
        demo.messages().await.iter().all(|(_, messages)| {
            texts(messages).iter().any(|text| text.contains("from my own Alertmanager"))
        })
    })
    .await;

    assert_eq!(demo.left_behind().len(), 1, "the store is there while it runs");
    demo.process.signal("TERM");
    assert_eq!(demo.process.ended().await, Some(0));
    assert_eq!(demo.left_behind(), [""; 0]);
}

#[tokio::test]
async fn told_once_it_ends_by_itself_when_everything_is_shown() {
    let mut demo = Demo::start(&["--once", "--speed=100"]).await;
    demo.story_is_over().await;
    assert_eq!(demo.process.ended().await, Some(0));
    assert_eq!(demo.left_behind(), [""; 0]);
}

#[tokio::test]
async fn a_busy_port_is_named_with_the_flag_for_another() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap();
    for (flag, other) in [
        ("--web.listen-address", "--page.listen-address"),
        ("--page.listen-address", "--web.listen-address"),
    ] {
        let scratch = TempDir::new().unwrap();
        let mut command = Nabat::command(&["demo"]);
        command.arg(format!("{flag}={address}")).arg(format!("{other}=127.0.0.1:0"));
        let mut process = Process::start(command.env("TMPDIR", scratch.path()));
        assert_eq!(process.ended().await, Some(1));
        let said = |output: &str| {
            (output.contains(&address.to_string()) && output.contains(flag)).then_some(())
        };
        process.wait_for(said).await;
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
