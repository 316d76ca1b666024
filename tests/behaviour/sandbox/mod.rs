//! The sandbox answers as Telegram does.

mod access;
mod chats;
mod faults;
mod pictures_and_tables;
mod sends;

use std::time::Duration;

use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Limits, Sandbox, SandboxOptions};
use nabat::telegram::{ChatId, MessageId, TopicId};
use serde_json::{Value, json};

use crate::support::install_crypto;

const GROUP: ChatId = ChatId(-100_200_300);
const FORUM: ChatId = ChatId(-1_001_234_567_890);
const PERSON: ChatId = ChatId(4242);
const CHANNEL: ChatId = ChatId(-1_009_999_999_999);
const SOON: Duration = Duration::from_secs(10);

/// A sandbox with one chat of each kind, and a client of its Bot API.
struct Bot {
    sandbox: Sandbox,
    http: reqwest::Client,
    tasks: Tasks,
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: Value,
}

impl Answer {
    fn description(&self) -> &str {
        self.body["description"].as_str().unwrap_or_default()
    }
}

impl Bot {
    fn start(limits: Limits) -> Self {
        Self::start_with(SandboxOptions { limits, ..SandboxOptions::default() })
    }

    fn start_with(options: SandboxOptions) -> Self {
        let tasks = Tasks::default();
        let sandbox = Sandbox::start(options, &tasks).unwrap();
        sandbox.add_chat(GROUP, ChatKind::Group, "Old group");
        sandbox.add_chat(FORUM, ChatKind::Supergroup { forum: true }, "Operations");
        sandbox.add_topic(FORUM, TopicId(7), "Databases");
        sandbox.add_topic(FORUM, TopicId(8), "Closed");
        sandbox.close_topic(FORUM, TopicId(8));
        sandbox.add_chat(PERSON, ChatKind::Private, "Aigerim");
        sandbox.add_chat(CHANNEL, ChatKind::Channel, "Status");
        install_crypto();
        Self { sandbox, http: reqwest::Client::new(), tasks }
    }

    async fn try_call(&self, method: &str, params: &Value) -> reqwest::Result<Answer> {
        let url = format!("{}/bot{}/{method}", self.sandbox.url(), self.sandbox.token());
        let response = self.http.post(url).json(params).send().await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, retry_after, body })
    }

    async fn call(&self, method: &str, params: Value) -> Answer {
        self.try_call(method, &params).await.unwrap()
    }

    async fn say(&self, chat: ChatId, html: &str) -> MessageId {
        let params = json!({"chat_id": chat, "text": html, "parse_mode": "HTML"});
        let answer = self.call("sendMessage", params).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_value(answer.body["result"]["message_id"].clone()).unwrap()
    }
}
