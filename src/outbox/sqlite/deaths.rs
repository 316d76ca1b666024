//! Entries that die, told to whoever counts them once that is on disk.

use std::sync::{Arc, OnceLock};

use crate::outbox::DeathReason;
use crate::routing::ChatAlias;

type Listener = Box<dyn Fn(&ChatAlias, DeathReason, u64) + Send + Sync>;

/// Who is told.
#[derive(Clone, Default)]
pub(super) struct DeathListener(Arc<OnceLock<Listener>>);

impl std::fmt::Debug for DeathListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeathListener").finish_non_exhaustive()
    }
}

impl DeathListener {
    /// Tells `listener` from now on; the first one stays.
    pub fn listen(&self, listener: Listener) {
        let _ = self.0.set(listener);
    }
}

/// The deaths of the open transaction.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    uncommitted: Vec<(ChatAlias, DeathReason, u64)>,
    death_listener: DeathListener,
}

impl Deaths {
    /// Where to listen.
    pub fn death_listener(&self) -> DeathListener {
        self.death_listener.clone()
    }

    /// So many entries of a chat die in it.
    pub fn note(&mut self, chat: &str, reason: DeathReason, deaths: u64) {
        if deaths > 0 {
            self.uncommitted.push((ChatAlias(chat.to_owned()), reason, deaths));
        }
    }

    /// The transaction ended: its deaths are told, or did not happen.
    pub fn ended(&mut self, committed: bool) {
        for (chat, reason, deaths) in self.uncommitted.drain(..).filter(|_| committed) {
            if let Some(listener) = self.death_listener.0.get() {
                listener(&chat, reason, deaths);
            }
        }
    }
}
