//! Telegram's part of the live check: whose the token is, and whether each chat can be written to.

use std::time::Duration;

use secrecy::SecretString;

use super::live::Outcome;
use crate::cli::output::plain;
use crate::telegram::{
    Answer, ChatId, ChatInfo, Client, Complaint, Failure, Hurdle, Me, Method, Refusal, TopicId,
};

/// The Bot API as the check asks it.
#[derive(Debug)]
pub(super) struct Telegram {
    pub client: Client,
    /// Absent when it could not be read.
    pub token: Option<SecretString>,
    pub patience: Duration,
}

impl Telegram {
    /// Whether the token is some bot's.
    pub async fn bot(&self) -> Outcome {
        let Some(token) = &self.token else {
            return Outcome::Skipped("there is no bot token");
        };
        let asked = self.client.ask::<Me>(token, &Method::GetMe);
        match self.in_time(asked).await {
            Ok(me) => Outcome::Good(format!("the bot is @{}", plain(&me.username))),
            Err(answer) => {
                let remedy = match &answer {
                    Answer::Refused(refusal) if is(refusal, Complaint::Unauthorized) => {
                        "take the bot's token from @BotFather (after a /revoke only the new one works), and check telegram.api_url"
                    }
                    _ => {
                        "check telegram.api_url, telegram.proxy_url and the way out of this machine"
                    }
                };
                Outcome::bad(said(&answer), remedy)
            }
        }
    }

    /// Whether the bot can write to the chat, in each of these topics. A group that moved is
    /// followed, once.
    pub async fn chat(&self, chat: ChatId, topics: &[Option<TopicId>]) -> Outcome {
        match self.look(chat, topics).await {
            Ok(shown) => Outcome::Good(shown),
            Err(Answer::Refused(Refusal { migrate_to: Some(new), .. })) => {
                match self.look(new, topics).await {
                    Ok(shown) => Outcome::Good(format!(
                        "{shown}; the group has moved there from {chat}: write {new} instead"
                    )),
                    Err(answer) => wrong(new, &answer),
                }
            }
            Err(answer) => wrong(chat, &answer),
        }
    }

    /// What the chat is called, when it can be written to.
    async fn look(&self, chat: ChatId, topics: &[Option<TopicId>]) -> Result<String, Answer> {
        let Some(token) = &self.token else {
            return Err(Answer::Failed(Failure::NotSent(
                Hurdle::Connection,
                "there is no bot token".to_owned(),
            )));
        };
        let method = Method::GetChat { chat };
        let info: ChatInfo = self.in_time(self.client.ask(token, &method)).await?;
        for topic in topics {
            let method = Method::Typing { chat, topic: *topic };
            self.in_time(self.client.ask::<bool>(token, &method)).await?;
        }
        let mut shown = format!("{} {:?} ({chat})", plain(&info.kind), plain(info.name()));
        for topic in topics.iter().flatten() {
            shown.push_str(if info.is_forum {
                ", topic "
            } else {
                ", without topics: ignored is "
            });
            shown.push_str(&topic.to_string());
        }
        Ok(shown)
    }

    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, Answer>>,
    ) -> Result<T, Answer> {
        tokio::time::timeout(self.patience, asked).await.unwrap_or_else(|_| {
            Err(Answer::Failed(Failure::Lost { timed_out: true, why: "no answer in time".into() }))
        })
    }
}

fn is(refusal: &Refusal, complaint: Complaint) -> bool {
    refusal.complaint() == complaint
}

/// What came instead of what was asked for.
fn said(answer: &Answer) -> String {
    match answer {
        Answer::Refused(refusal) => {
            format!("Telegram answers {} {}", refusal.code, plain(&refusal.description))
        }
        Answer::Failed(Failure::NotSent(_, why)) => {
            format!("Telegram cannot be reached: {}", plain(why))
        }
        Answer::Failed(Failure::Lost { why, .. }) => {
            format!("Telegram did not answer: {}", plain(why))
        }
        Answer::Failed(Failure::Unreadable { why, .. }) => {
            format!("no answer of Telegram's: {}", plain(why))
        }
        Answer::Done(_) => "Telegram answered with something else".to_owned(),
    }
}

/// Why a chat can't be written to, with what to do about it.
fn wrong(chat: ChatId, answer: &Answer) -> Outcome {
    let remedy = match answer {
        Answer::Refused(refusal) => remedy(chat, refusal),
        _ => "try again; a running nabat keeps trying by itself",
    };
    Outcome::bad(format!("{chat}: {}", said(answer)), remedy)
}

fn remedy(chat: ChatId, refusal: &Refusal) -> &'static str {
    match refusal.complaint() {
        Complaint::TopicGone => {
            "take the topic's number from a link to it, and reopen it if it is closed"
        }
        Complaint::TooManyRequests => "try again later; something else uses this bot's limits",
        Complaint::Unauthorized => "replace the bot token",
        Complaint::ChatGone if refusal.description.contains("rights") => {
            "let the bot write there: make it an administrator, or allow members to write"
        }
        Complaint::ChatGone if chat.is_private() => {
            "the person has to write to the bot first, and not block it; then check the id"
        }
        Complaint::ChatGone => "add the bot to the group or channel, then check the id",
        _ => "check the id, and that the bot is in the chat",
    }
}
