//! The topics that nabat makes by itself: which there are, and how many there may be.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Chats;
use crate::routing::{ChatAlias, TopicName};
use crate::telegram::{ChatId, TopicId};

/// Topics that nabat makes in a chat at most: a label whose values have no end must not fill it.
const MOST: usize = 50;
/// A chat in which no topic could be made is not asked again for this long.
pub const REFUSAL: Duration = Duration::from_hours(1);
/// Messages in a row that Telegram finds no topic for, after which it is made anew. One is not
/// enough: Telegram says so of living topics of busy groups, too.
const MISSES: u32 = 3;

/// What is known of them; the store remembers the numbers beside.
#[derive(Debug)]
pub struct TopicBook {
    chats: Arc<Chats>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    made: HashMap<(ChatId, TopicName), Made>,
    /// Names that a chat was promised a topic for, made or not, since the start.
    admitted: HashMap<ChatAlias, HashSet<TopicName>>,
    /// Until when no topic is made in a chat.
    refused: HashMap<ChatId, Instant>,
}

#[derive(Debug)]
struct Made {
    number: TopicId,
    misses: u32,
}

impl TopicBook {
    /// Starts with what the store remembers. `chats` know the numbers of chats.
    pub fn new(chats: Arc<Chats>, remembered: Vec<(ChatId, TopicName, TopicId)>) -> Self {
        let book = Self { chats, pages: Mutex::default() };
        for (chat, name, number) in remembered {
            book.made(chat, &name, number);
        }
        book
    }

    /// Whether notifications may be sent to a topic of this name: it is there already, or there
    /// may be one more. The answer for a name stays the same until the program ends, unless its topic is
    /// forgotten meanwhile, or the chat gets another number.
    pub fn admits(&self, alias: &ChatAlias, name: &TopicName) -> bool {
        let chat = self.chats.number(alias);
        let mut pages = self.pages();
        let Pages { made, admitted, .. } = &mut *pages;
        let admitted = admitted.entry(alias.clone()).or_default();
        let is_made =
            |name: &TopicName| chat.is_some_and(|chat| made.contains_key(&(chat, name.clone())));
        if admitted.contains(name) || is_made(name) {
            return true;
        }
        let there = made.keys().filter(|(known, _)| Some(*known) == chat).count();
        let more = admitted.iter().filter(|name| !is_made(name)).count();
        there + more < MOST && admitted.insert(name.clone())
    }

    /// The number of a topic that was made.
    pub fn number(&self, chat: ChatId, name: &TopicName) -> Option<TopicId> {
        self.pages().made.get(&(chat, name.clone())).map(|made| made.number)
    }

    /// Whether it is worth trying to make one more in the chat.
    pub fn may_make(&self, chat: ChatId, now: Instant) -> bool {
        let pages = self.pages();
        pages.made.keys().filter(|(known, _)| *known == chat).count() < MOST
            && pages.refused.get(&chat).is_none_or(|until| now >= *until)
    }

    /// A topic was made.
    pub fn made(&self, chat: ChatId, name: &TopicName, number: TopicId) {
        let made = Made { number, misses: 0 };
        self.pages().made.insert((chat, name.clone()), made);
    }

    /// No topic can be made in the chat until then.
    pub fn refused(&self, chat: ChatId, until: Instant) {
        self.pages().refused.insert(chat, until);
    }

    /// A message went into the topic.
    pub fn found(&self, chat: ChatId, name: &TopicName) {
        if let Some(made) = self.pages().made.get_mut(&(chat, name.clone())) {
            made.misses = 0;
        }
    }

    /// Telegram found no such topic. True when it was so often enough in a row that the topic is
    /// to be forgotten, and made anew when it is needed next.
    pub fn missed(&self, chat: ChatId, name: &TopicName) -> bool {
        let mut pages = self.pages();
        let key = (chat, name.clone());
        let Some(made) = pages.made.get_mut(&key) else { return false };
        made.misses += 1;
        let gone = made.misses >= MISSES;
        if gone {
            pages.made.remove(&key);
        }
        gone
    }

    /// A person may have given the bot the rights it lacked.
    pub fn try_again(&self) {
        self.pages().refused.clear();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::delivery::{Chat, ChatNumber, Sound};
    use crate::rendering::Language;

    const CHAT: ChatId = ChatId(-1_001);

    /// One chat, `ops`.
    fn chats() -> Arc<Chats> {
        let ops = Chat {
            number: ChatNumber::Known(CHAT),
            language: Language::default(),
            timezone: TimeZone::UTC,
            tg_time: false,
            buttons: Vec::new(),
            rich: false,
            sound: Sound::default(),
            pin: Vec::new(),
            storm_threshold: Duration::from_secs(30),
        };
        Arc::new(Chats::new([(ChatAlias("ops".into()), ops)].into(), Vec::new()))
    }

    fn name(text: &str) -> TopicName {
        TopicName::new(text).unwrap()
    }

    #[test]
    fn a_label_without_end_gets_fifty_topics_and_those_that_are_there_stay() {
        let book = TopicBook::new(chats(), vec![(CHAT, name("db"), TopicId(7))]);
        let ops = ChatAlias("ops".into());
        let admitted =
            (0..1000).filter(|value| book.admits(&ops, &name(&value.to_string()))).count();
        assert_eq!(admitted, MOST - 1, "one is there");
        assert!(book.admits(&ops, &name("0")), "the same answer as before");
        assert!(book.admits(&ops, &name("db")), "it is remembered");
        assert!(!book.admits(&ops, &name("web")));
        assert!(book.admits(&ChatAlias("web".into()), &name("web")), "another chat's room");
        // When it is made at last, it is counted once.
        book.made(CHAT, &name("0"), TopicId(8));
        assert!(!book.admits(&ops, &name("web")));
    }

    #[test]
    fn a_restart_makes_no_room_for_more_topics() {
        let made = (0..50).map(|number| (CHAT, name(&number.to_string()), TopicId(number + 2)));
        let book = TopicBook::new(chats(), made.collect());
        let ops = ChatAlias("ops".into());
        assert!(book.admits(&ops, &name("49")));
        assert!(!book.admits(&ops, &name("50")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_chat_gets_no_more_topics_than_it_may_and_a_refusal_is_respected_for_an_hour() {
        let book = TopicBook::new(chats(), Vec::new());
        for number in 0..50 {
            assert!(book.may_make(CHAT, Instant::now()), "{number}");
            book.made(CHAT, &name(&format!("topic {number}")), TopicId(number + 2));
        }
        assert!(!book.may_make(CHAT, Instant::now()));

        let other = ChatId(-1_002);
        book.refused(other, Instant::now() + REFUSAL);
        assert!(!book.may_make(other, Instant::now()));
        tokio::time::advance(REFUSAL).await;
        assert!(book.may_make(other, Instant::now()));
        book.refused(other, Instant::now() + REFUSAL);
        book.try_again();
        assert!(book.may_make(other, Instant::now()));
    }

    #[test]
    fn a_topic_is_forgotten_when_it_is_missed_three_times_in_a_row() {
        let book = TopicBook::new(chats(), vec![(CHAT, name("db"), TopicId(7))]);
        let send = |times: u32| -> Vec<bool> {
            (0..times).map(|_| book.missed(CHAT, &name("db"))).collect()
        };
        assert_eq!(send(2), [false, false]);
        book.found(CHAT, &name("db"));
        assert_eq!(send(4), [false, false, true, false]);
        assert_eq!(book.number(CHAT, &name("db")), None);
    }
}
