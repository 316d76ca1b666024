//! What happens: alerts, storms, trouble of every kind, deaths and new starts of nabat.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use nabat::outbox::{EntryState, Outbox};
use nabat::sandbox::{Access, ChatKind, TOKEN};
use nabat::telegram::ChatId;
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::time::sleep;

use crate::network::Weather;
use crate::run::Run;
use crate::setting::ForumTopic;

impl Run {
    /// Lets some time pass, and one thing happen.
    pub async fn happen(&mut self) {
        // Most of a life is quiet; now and then much happens at once.
        let pause = match self.random.random_range(0..10) {
            0..3 => self.random.random_range(0..2_000),
            3..7 => self.random.random_range(0..60_000),
            _ => self.random.random_range(0..900_000),
        };
        if self.wait(Duration::from_millis(pause)).await.is_err() {
            return;
        }
        match self.random.random_range(0..1000) {
            0..600 => self.everyday().await,
            600..680 => self.duplicate().await,
            680..700 => self.storm().await,
            700..790 => self.weather(),
            790..850 => self.access(),
            850..880 => self.delete_something(),
            880..910 => self.die().await,
            910..930 => self.restart().await,
            930..940 => self.jump(),
            940..950 => self.migrate(),
            950..965 => self.topics(),
            965..972 => self.refuse_token(),
            972..982 => self.try_dead_letters().await,
            _ => self.mend(),
        }
        if self.world.process.is_none() && self.random.random_bool(0.6) {
            self.start(200_000).await;
        }
    }

    async fn everyday(&mut self) {
        let group = self.random.random_range(0..self.world.setting.everyday);
        let now = self.world.clock.now();
        let said = if self.owed.contains(&group) {
            // What was not taken is posted as it is now, or together with what happens.
            self.alertmanager.again(group, &mut self.random)
        } else {
            self.alertmanager.happen(group, now, &mut self.random)
        };
        if let Some(said) = said {
            self.post(said).await;
        }
    }

    /// Another Alertmanager of the cluster says the same a little later.
    async fn duplicate(&mut self) {
        let group = self.random.random_range(0..self.world.setting.everyday);
        let now = self.world.clock.now();
        let Some(said) = self.alertmanager.happen(group, now, &mut self.random) else { return };
        self.post(said.clone()).await;
        let pause = Duration::from_millis(self.random.random_range(0..20_000));
        let _ = self.wait(pause).await;
        // If the first was not taken, the second is what is owed.
        self.post(said).await;
    }

    /// Many groups in a few moments.
    async fn storm(&mut self) {
        let groups = self.world.setting.groups.len();
        let everyday = self.world.setting.everyday;
        if groups == everyday {
            return;
        }
        self.outcome.storms += 1;
        self.say("a storm");
        let _ = self.look();
        self.storming = true;
        let ends = self.random.random_bool(0.4);
        let share = self.random.random_range(0.3..=1.0);
        let mut posted = Vec::new();
        for group in everyday..groups {
            if !self.random.random_bool(share) {
                continue;
            }
            let now = self.world.clock.now();
            let said = if self.owed.contains(&group) {
                self.alertmanager.again(group, &mut self.random)
            } else if ends {
                self.alertmanager.calm(group, now, &mut self.random)
            } else {
                self.alertmanager.flare(group, now, &mut self.random)
            };
            let Some(said) = said else { continue };
            let Some(post) = self.begin_post(&said) else { continue };
            posted.push((said, post));
            if self.random.random_bool(0.05) {
                sleep(Duration::from_millis(self.random.random_range(0..1500))).await;
            }
        }
        for (said, post) in posted {
            self.end_post(said, post).await;
        }
        self.storming = false;
        self.stormed = self.now();
        // The pace is used up, and much is half said: the worst moment to forget something.
        while self.world.process.is_some() && self.random.random_bool(0.4) {
            let pause = Duration::from_millis(self.random.random_range(0..40_000));
            let _ = self.wait(pause).await;
            self.die().await;
            self.start(20_000).await;
        }
    }

    fn some_chat(&mut self) -> (String, ChatId) {
        let numbers: Vec<(ChatId, String)> =
            self.numbers.iter().map(|(id, alias)| (*id, alias.clone())).collect();
        let (id, alias) = numbers.choose(&mut self.random).unwrap();
        (alias.clone(), *id)
    }

    /// Something begins to be wrong with a chat, or with all, or is right again.
    fn ail(&mut self, chat: &str, what: &'static str, is_wrong: bool) {
        self.disturb(chat);
        if is_wrong {
            self.ill.insert((chat.to_owned(), what));
        } else {
            self.ill.remove(&(chat.to_owned(), what));
        }
    }

    /// The trouble of a chat has changed.
    fn disturb(&mut self, chat: &str) {
        self.trouble.insert(chat.to_owned(), self.now());
    }

    fn weather(&mut self) {
        let weather = *Weather::ALL.choose(&mut self.random).unwrap();
        let clears = self.random.random_bool(0.5);
        if self.random.random_bool(0.4) {
            let (alias, _) = self.some_chat();
            self.say(format!("{alias}: {weather:?}, or fair: {clears}"));
            self.ail(&alias, "weather", !clears);
            for (id, _) in self.numbers.iter().filter(|(_, name)| **name == alias) {
                self.world.network.set(Some(*id), (!clears).then_some(weather));
            }
        } else {
            self.say(format!("everywhere {weather:?}, or fair: {clears}"));
            self.ail("", "weather", !clears);
            self.world.network.set(None, (!clears).then_some(weather));
        }
    }

    fn access(&mut self) {
        let (alias, id) = self.some_chat();
        if self.is_old(id) {
            return;
        }
        let access = match self.random.random_range(0..6) {
            0 => Access::Kicked,
            1 => Access::NoRights,
            _ => Access::Open,
        };
        let admin = self.random.random_bool(0.8);
        self.say(format!("{alias}: {access:?}, may pin: {admin}"));
        self.ail(&alias, "access", access != Access::Open);
        self.world.sandbox.set_access(id, access);
        self.world.sandbox.set_admin(id, admin);
    }

    /// Whether a chat has moved on from this number.
    pub fn is_old(&self, id: ChatId) -> bool {
        let alias = &self.numbers[&id];
        // The number that a chat moves to is lower than the one it had.
        self.numbers.iter().any(|(other, name)| name == alias && *other < id)
    }

    /// A person deletes a message.
    fn delete_something(&mut self) {
        let (alias, id) = self.some_chat();
        let messages = self.world.sandbox.messages(id);
        let lately = messages.len().saturating_sub(30);
        let Some(message) = messages[lately..].choose(&mut self.random) else { return };
        let groups = self.ledger.told_by(id, message.id);
        self.say(format!("{alias}: a person deletes {id}#{} of {groups:?}", message.id));
        self.ledger.deleted += 1;
        self.world.sandbox.delete_message(id, message.id);
    }

    /// Nabat dies at any point of what it does, while notifications come in.
    async fn die(&mut self) {
        let mut posted = Vec::new();
        for _ in 0..self.random.random_range(0..4) {
            let group = self.random.random_range(0..self.world.setting.everyday);
            let now = self.world.clock.now();
            if self.owed.contains(&group) {
                continue;
            }
            let said = self.alertmanager.happen(group, now, &mut self.random);
            let Some(said) = said else { continue };
            posted.extend(self.begin_post(&said).map(|post| (said, post)));
        }
        // A step of the runtime is the finest that can be cut at; a call takes a while.
        if self.random.random_bool(0.5) {
            let pause = self.random.random_range(0..1500);
            sleep(Duration::from_millis(pause)).await;
        }
        for _ in 0..self.random.random_range(0..60) {
            tokio::task::yield_now().await;
        }
        self.world.kill().await;
        self.outcome.kills += 1;
        self.say("killed");
        self.disturb("");
        for (said, post) in posted {
            self.end_post(said, post).await;
        }
    }

    /// Nabat is asked to stop, and starts again.
    async fn restart(&mut self) {
        self.world.stop().await;
        self.say("stopped");
        self.disturb("");
        self.start(200_000).await;
    }

    /// Starts nabat after at most so many milliseconds.
    async fn start(&mut self, longest: u64) {
        let pause = Duration::from_millis(self.random.random_range(0..longest));
        let _ = self.wait(pause).await;
        self.world.start().await;
        self.say("started");
        self.disturb("");
    }

    /// The wall clock is set. Not soon after a start: a process can't know how long the time
    /// before it was if not from that clock.
    fn jump(&mut self) {
        let soon =
            |process: &crate::world::Process| process.began.elapsed() < Duration::from_mins(5);
        if self.world.process.as_ref().is_none_or(soon) {
            return;
        }
        let by = match self.random.random_range(0..3) {
            0 => SignedDuration::from_millis(self.random.random_range(-5_000..5_000)),
            1 => SignedDuration::from_secs(self.random.random_range(-3_600..3_600)),
            _ => SignedDuration::from_hours(self.random.random_range(-30..30)),
        };
        self.say(format!("the wall clock jumps by {by:#}"));
        self.world.clock.jump(by);
        self.ledger.jumped = self.now();
    }

    fn migrate(&mut self) {
        let (alias, id) = self.some_chat();
        if self.is_old(id) || id.is_private() || id.0 < -1_001_000_000_000 {
            return;
        }
        let new = ChatId(-1_001_000_000_500 + id.0);
        self.say(format!("{alias}: {id} becomes {new}"));
        self.disturb(&alias);
        self.world.sandbox.migrate_chat(id, new);
        self.numbers.insert(new, alias);
    }

    fn topics(&mut self) {
        let (alias, id) = self.some_chat();
        let topics = self.world.sandbox.topics(id);
        let closes = self.random.random_bool(0.5);
        if let Some((topic, _)) = topics.choose(&mut self.random) {
            self.say(format!("{alias}: topic {topic} is closed ({closes}) or deleted"));
            self.disturb(&alias);
            if closes {
                self.world.sandbox.close_topic(id, *topic);
            } else {
                self.world.sandbox.delete_topic(id, *topic);
            }
        } else if self.is_forum(id) {
            self.say(format!("{alias}: the topic is there again"));
            self.world.sandbox.add_topic(id, ForumTopic::NUMBER, "fixed");
        }
    }

    fn is_forum(&self, id: ChatId) -> bool {
        let chats = &self.world.setting.chats;
        chats.iter().any(|c| c.id == id && c.kind == ChatKind::Supergroup { forum: true })
    }

    fn refuse_token(&mut self) {
        self.say("the token is refused");
        self.ail("", "token", true);
        self.world.sandbox.revoke_token();
    }

    /// A person tries some dead letters again.
    async fn try_dead_letters(&mut self) {
        let Some(process) = &self.world.process else { return };
        let (outbox, delivery) = (process.outbox.clone(), process.delivery.clone());
        let mut waits_again = BTreeSet::new();
        for view in outbox.list(Some(EntryState::Dead), 100_000).await.unwrap() {
            if self.random.random_bool(0.7) {
                self.say(format!("{} of {} is tried again", view.group.key, view.chat));
                // Unless it waits already, with another of its group.
                if !waits_again.contains(&view.id) {
                    let retried = outbox.retry(view.id).await.unwrap();
                    delivery.urge(&retried.lane);
                    waits_again.insert(retried.entry);
                    waits_again.extend(retried.with);
                }
                if let Some(group) = view.group.key.strip_prefix("Grp") {
                    self.ledger.retried.insert((view.chat.0, group.parse().unwrap()));
                }
            }
        }
    }

    /// Everything is well again.
    pub fn mend(&mut self) {
        self.say("everything is mended");
        self.ill.clear();
        self.disturb("");
        let ids: Vec<ChatId> = self.numbers.keys().copied().collect();
        for id in ids {
            let alias = self.numbers[&id].clone();
            self.disturb(&alias);
            if !self.is_old(id) {
                self.world.sandbox.set_access(id, Access::Open);
                self.world.sandbox.set_admin(id, true);
            }
            if self.is_forum(id) {
                self.world.sandbox.add_topic(id, ForumTopic::NUMBER, "fixed");
            }
        }
        self.world.network.clear();
        self.world.sandbox.set_token(TOKEN);
    }

    /// At most one entry waits for a group in a lane, and the store counts right.
    pub async fn check_store(&mut self) -> Result<(), String> {
        let Some(process) = &self.world.process else { return Ok(()) };
        let waiting = process.outbox.list(None, 100_000).await.unwrap();
        let totals = process.outbox.totals().await.unwrap();
        let counted: u64 = totals.chats.values().map(|chat| chat.waiting + chat.dead).sum();
        if counted != waiting.len() as u64 {
            return Err(format!("{counted} counted, {} there", waiting.len()));
        }
        Ok(())
    }
}
