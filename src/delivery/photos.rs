//! Pictures of alerts, as quiet replies to the message that tells of them.
//!
//! The text always goes first, and nothing waits for a picture: it is fetched and sent beside
//! the lanes, takes a slot of the chat's pace only while half of them are free, and is dropped
//! when that does not happen soon. A private chat has but one slot, which it leaves alone: there
//! it goes after a silence. A 429 stops the chat, as any does, but leaves the alerts their pace:
//! it is the pictures that were too many. It is not stored: a restart loses it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Delivery;
use super::pace::{ChatPace, ChatSlot};
use crate::alert::Alert;
use crate::images::{Image, Images};
use crate::routing::LaneId;
use crate::telegram::{Answer, ChatId, Complaint, Failure, MessageId, Method, Photo, TopicId};

/// Pictures of one message.
const MOST_OF_A_MESSAGE: usize = 3;
/// Pictures that are fetched or wait at a time; each may hold `images.max_bytes` of memory.
pub const MOST_AT_ONCE: usize = 8;
/// A picture that could not be sent for so long is of no use any more.
const KEPT: Duration = Duration::from_mins(2);
/// How often a picture is tried when Telegram fails.
const TRIES: u32 = 3;
/// Between two tries, and between two looks at the pace.
const PAUSE: Duration = Duration::from_secs(1);

/// The message that pictures reply to.
#[derive(Debug, Clone)]
pub struct Beneath {
    pub lane: LaneId,
    pub chat: ChatId,
    pub topic: Option<TopicId>,
    pub message: MessageId,
}

impl Delivery {
    /// Has the alerts' pictures sent as replies to a message. Returns at once.
    pub(super) fn attach<'a>(
        &self,
        alerts: impl Iterator<Item = &'a Alert>,
        beneath: &Beneath,
        token: &Arc<SecretString>,
    ) {
        let Some(images) = self.shared.with.options.load().images.clone() else { return };
        let mut seen = HashSet::new();
        let addresses = alerts
            .filter_map(|alert| Some(alert.grafana.as_deref()?.image_url.as_str()))
            .filter(|address| !address.is_empty() && seen.insert(address.to_owned()));
        for address in addresses.take(MOST_OF_A_MESSAGE).map(str::to_owned) {
            let Ok(room) = Arc::clone(&self.shared.photos).try_acquire_owned() else {
                self.count("dropped");
                continue;
            };
            let (delivery, images) = (self.clone(), Arc::clone(&images));
            let beneath = beneath.clone();
            let (tasks, token) = (&self.shared.with.tasks, Arc::clone(token));
            tasks.spawn("photo", async move {
                let tasks = &delivery.shared.with.tasks;
                tokio::select! {
                    () = delivery.show(&images, &address, &beneath, &token, room) => {}
                    () = tasks.stopping() => {}
                }
            });
        }
    }

    async fn show(
        &self,
        images: &Images,
        address: &str,
        beneath: &Beneath,
        token: &SecretString,
        _room: OwnedSemaphorePermit,
    ) {
        let deadline = Instant::now() + KEPT;
        let outcome = match images.fetch(address).await {
            Ok(image) => self.send(image, beneath, token, deadline).await,
            Err(error) => {
                tracing::info!(chat = %beneath.chat, %error, "a picture of an alert was left out");
                error.outcome()
            }
        };
        self.count(outcome);
    }

    /// Returns the word for the metric.
    async fn send(
        &self,
        image: Image,
        beneath: &Beneath,
        token: &SecretString,
        deadline: Instant,
    ) -> &'static str {
        let with = &self.shared.with;
        let Beneath { lane, chat, topic, message } = beneath;
        let chat = *chat;
        let method = Method::SendPhoto {
            chat,
            topic: *topic,
            photo: Photo {
                content: image.content,
                content_type: image.kind.content_type(),
                name: image.kind.file_name(),
            },
            silent: true,
            reply_to: Some(*message),
        };
        let pace = self.shared.paces.chat(chat);
        for _ in 0..TRIES {
            let Some(of_the_chat) = spare_slot(&pace, deadline).await else { return "dropped" };
            let slot = self.shared.paces.bot_slot().await;
            let asked = Instant::now();
            let answer = with.client.load().call(token, &method).await;
            slot.answered(Instant::now());
            of_the_chat.arrived(&pace, Instant::now());
            with.metrics.telegram_answered(method.name(), answer.outcome(), asked.elapsed());
            match answer {
                Answer::Done(_) => return "sent",
                Answer::Refused(refusal) => match refusal.complaint() {
                    Complaint::TooManyRequests => {
                        let wait = pace.spare_rate_limited(refusal.retry_after, Instant::now());
                        let limited = &with.metrics.telegram_rate_limited;
                        limited.with_label_values(&[lane.chat.as_str()]).inc();
                        tracing::warn!(
                            %lane, seconds = wait.as_secs(),
                            "Telegram asked to wait (429) with a picture; this chat alone does, and \
                             gets no pictures for a while"
                        );
                        self.keep_paces(chat).await;
                        return "dropped";
                    }
                    Complaint::Server => {}
                    _ => {
                        tracing::info!(%chat, refusal = %refusal.description, "Telegram refused a picture");
                        return "refused";
                    }
                },
                Answer::Failed(Failure::NotSent(..)) => {}
                // It may have arrived, and a second picture is worse than none.
                Answer::Failed(_) => return "unknown",
            }
            tokio::time::sleep(PAUSE).await;
        }
        "dropped"
    }

    fn count(&self, outcome: &str) {
        self.shared.with.metrics.images.with_label_values(&[outcome]).inc();
    }
}

/// Waits until the chat is quiet enough for a picture; nothing when that takes too long.
async fn spare_slot(pace: &ChatPace, deadline: Instant) -> Option<ChatSlot> {
    while Instant::now() < deadline {
        if let Some(slot) = pace.take_spare(Instant::now()) {
            return Some(slot);
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}
