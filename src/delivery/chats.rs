//! The configured chats: their numbers, once known, and how they like to be spoken to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use tokio::sync::watch;

use super::Sound;
use crate::rendering::{ButtonKind, Language};
use crate::routing::ChatAlias;
use crate::telegram::ChatId;

/// A chat as delivery needs it.
#[derive(Debug, Clone)]
pub struct Chat {
    pub number: ChatNumber,
    pub language: Language,
    pub timezone: TimeZone,
    /// Whether clients show times on the reader's own clock.
    pub tg_time: bool,
    pub buttons: Vec<ButtonKind>,
    /// Whether it takes big groups as tables.
    pub rich: bool,
    pub sound: Sound,
    /// Severities whose cards are pinned while they fire.
    pub pin: Vec<String>,
    /// A lane that needs longer than this to say what waits in it says it in digests.
    pub storm_threshold: Duration,
}

/// A chat's number, or the secret that will hold it.
#[derive(Debug, Clone)]
pub enum ChatNumber {
    Known(ChatId),
    Secret(watch::Receiver<Option<Arc<SecretString>>>),
}

impl ChatNumber {
    /// The number, when it is known and is one.
    pub fn get(&self) -> Option<ChatId> {
        match self {
            Self::Known(id) => Some(*id),
            Self::Secret(secret) => {
                let secret = secret.borrow();
                ChatId::new(secret.as_ref()?.expose_secret().trim().parse().ok()?)
            }
        }
    }
}

/// All chats, swapped as a whole at a reload, and the moves that Telegram told of.
#[derive(Debug, Default)]
pub struct Chats {
    book: ArcSwap<HashMap<ChatAlias, Chat>>,
    moves: Mutex<HashMap<ChatId, ChatId>>,
}

impl Chats {
    /// Starts with the moves that the store remembers.
    pub fn new(book: HashMap<ChatAlias, Chat>, moves: Vec<(ChatId, ChatId)>) -> Self {
        Self { book: ArcSwap::from_pointee(book), moves: Mutex::new(moves.into_iter().collect()) }
    }

    /// Replaces the configured chats.
    pub fn replace(&self, book: HashMap<ChatAlias, Chat>) {
        self.book.store(Arc::new(book));
    }

    /// A chat by its alias.
    pub fn get(&self, alias: &ChatAlias) -> Option<Chat> {
        self.book.load().get(alias).cloned()
    }

    /// The number that a chat goes by now, when it is known.
    pub fn number(&self, alias: &ChatAlias) -> Option<ChatId> {
        let configured = self.book.load().get(alias)?.number.get()?;
        Some(self.follow(configured))
    }

    /// The configured aliases, sorted.
    pub fn aliases(&self) -> Vec<ChatAlias> {
        let mut aliases: Vec<_> = self.book.load().keys().cloned().collect();
        aliases.sort();
        aliases
    }

    /// Where a chat is now.
    pub fn follow(&self, chat: ChatId) -> ChatId {
        let moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = chat;
        for _ in 0..moves.len() {
            match moves.get(&at) {
                Some(next) => at = *next,
                None => break,
            }
        }
        at
    }

    /// Notes a move; the store remembers it beside.
    pub fn moved(&self, from: ChatId, to: ChatId) {
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        moves.remove(&to);
        moves.insert(from, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_are_followed_to_their_end_and_a_circle_ends() {
        let chats = Chats::new(HashMap::new(), vec![(ChatId(-1), ChatId(-2))]);
        chats.moved(ChatId(-2), ChatId(-3));
        assert_eq!(chats.follow(ChatId(-1)), ChatId(-3));
        assert_eq!(chats.follow(ChatId(-9)), ChatId(-9));
        chats.moved(ChatId(-3), ChatId(-1));
        for chat in [-1, -2, -3] {
            assert_eq!(chats.follow(ChatId(chat)), ChatId(-1), "from {chat}");
        }
    }

    #[test]
    fn a_secret_number_is_known_once_it_is_a_chats_number() {
        let (secrets, watched) = watch::channel(None);
        let number = ChatNumber::Secret(watched);
        assert_eq!(number.get(), None);
        for (text, known) in [
            ("not a number", None),
            ("0", None),
            (" -1001234567890\n", Some(ChatId(-1_001_234_567_890))),
        ] {
            secrets.send_replace(Some(Arc::new(SecretString::from(text))));
            assert_eq!(number.get(), known, "{text:?}");
        }
    }
}
