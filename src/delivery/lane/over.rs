//! The end of a storm: how long it took, and what still fires.

use std::collections::HashMap;

use super::trouble::{FIRST_BACKOFF, LONGEST_BACKOFF, Tried};
use super::{Next, Worker};
use crate::alert::GroupId;
use crate::delivery::speaker::{Interruption, Target, Voice};
use crate::outbox::Storm;
use crate::rendering::{Glance, Head, Language, Part};
use crate::telegram::{ChatId, MessageId};

impl Worker {
    /// The storm is over: says how long it took and what still fires.
    pub(super) async fn tell_over(&mut self, mut voice: Voice<'_>) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let storm = match with.outbox.storm(&self.lane).await {
            Ok(storm) => storm,
            Err(error) => {
                self.store_failed(&error).await;
                return Next::Again;
            }
        };
        // The lines of the whole storm are let go of before anything is waited for.
        let summary = storm
            .filter(|storm| !storm.digests.is_empty())
            .map(|storm| self.summary(&storm, voice.chat.language));
        if let Some((part, first)) = summary {
            let here = first.filter(|(chat, _)| *chat == voice.number);
            let reply_to = here.map(|(_, message)| message);
            let target = Target::New { silent: true, reply_to };
            match voice.say_digest(&part, target).await {
                Ok(_) => self.recovered(Tried::Summary).await,
                Err(failed @ Interruption::Failed { .. }) => {
                    self.note_failure(Tried::Summary, &voice.token, &failed).await;
                    if self.trouble.blames(Tried::Summary) {
                        self.trouble.forget(Tried::Summary);
                        let why = "Telegram fails on it";
                        tracing::warn!(lane = %self.lane, %why, "a storm ended without a summary");
                        return self.close_storm().await;
                    }
                    let Interruption::Failed { why, .. } = failed else { return Next::Again };
                    self.fail(&why, FIRST_BACKOFF, LONGEST_BACKOFF);
                    self.trouble.yields = true;
                    return Next::Again;
                }
                Err(Interruption::RateLimited) => {
                    self.delivery.keep_paces(voice.number).await;
                    return Next::Again;
                }
                Err(Interruption::Moved(to)) => {
                    self.chat_moved(voice.number, to).await;
                    return Next::Again;
                }
                // Nobody reads a summary there, or Telegram will not have it: no loss.
                Err(Interruption::Refused { why } | Interruption::Unreachable { why }) => {
                    tracing::warn!(lane = %self.lane, %why, "a storm ended without a summary");
                }
                Err(_) => return Next::Again,
            }
        }
        self.close_storm().await
    }

    async fn close_storm(&mut self) -> Next {
        if let Err(error) = self.delivery.shared.with.outbox.end_storm(&self.lane).await {
            self.store_failed(&error).await;
            return Next::Again;
        }
        tracing::info!(lane = %self.lane, "the storm is over");
        self.weather.storm = None;
        Next::Again
    }

    /// What the storm comes to, and where its first digest stands.
    fn summary(&self, storm: &Storm, language: Language) -> (Part, Option<(ChatId, MessageId)>) {
        let mut groups: HashMap<&GroupId, &Glance> = HashMap::new();
        for digest in &storm.digests {
            groups.extend(digest.lines.iter().map(|(group, glance)| (group, glance)));
        }
        if let Some(ongoing) = &self.weather.storm {
            groups.extend(&ongoing.alone);
        }
        let mut still: Vec<(&GroupId, &Glance)> =
            groups.iter().map(|(group, glance)| (*group, *glance)).collect();
        still.retain(|(_, glance)| glance.fires() || (glance.unlisted > 0 && !glance.moved));
        still.sort_by(|a, b| (&a.1.name, &a.0.key).cmp(&(&b.1.name, &b.0.key)));
        let still: Vec<&Glance> = still.into_iter().map(|(_, glance)| glance).collect();
        let last = storm.digests.iter().map(|digest| digest.updated_at).max();
        let lasted = last.unwrap_or(storm.began_at).duration_since(storm.began_at).as_secs();
        let all = u64::try_from(groups.len()).unwrap_or(u64::MAX);
        let head = Head::Over { seconds: lasted, groups: all };
        let renderer = self.delivery.shared.with.renderer.load();
        let (part, _) = renderer.digest(head, &still, language);
        (part, storm.digests.first().map(|digest| (digest.chat, digest.message)))
    }
}
