//! The embedded store in memory, as simulations use it: the same contract.

use std::sync::Arc;

use async_trait::async_trait;
use nabat::lifecycle::Tasks;
use nabat::outbox::Outbox;
use nabat::outbox::sqlite::{Memory, SqliteOptions, SqliteOutbox};
use prometheus::{Histogram, HistogramOpts};

use super::{Place, Settings};

/// A memory that holds an embedded store.
#[derive(Debug)]
pub struct InMemory {
    memory: Memory,
    /// The store that was opened last ends with its handles.
    last: tokio::sync::Mutex<Tasks>,
}

impl InMemory {
    pub fn fresh() -> Self {
        Self { memory: Memory::new().unwrap(), last: tokio::sync::Mutex::default() }
    }
}

#[async_trait]
impl Place for InMemory {
    async fn open_with(&self, settings: Settings) -> Arc<dyn Outbox> {
        let mut last = self.last.lock().await;
        last.finished().await;
        *last = Tasks::default();
        let options = SqliteOptions {
            dedup_window: settings.dedup_window,
            max_entries: settings.max_entries,
            max_bytes: settings.max_bytes,
            ..SqliteOptions::default()
        };
        let commits = Histogram::with_opts(HistogramOpts::new("commits", "of the test")).unwrap();
        Arc::new(SqliteOutbox::open_in(&self.memory, options, commits, &last).unwrap())
    }
}
