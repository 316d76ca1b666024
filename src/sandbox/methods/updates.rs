//! getUpdates: long polling, one poller at a time.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::sandbox::params::Params;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::state::{Shared, World};

const LONGEST_POLL_SECONDS: u64 = 50;
const MOST_UPDATES: usize = 100;

/// Waits up to `timeout` seconds for updates from `offset` on. A newer getUpdates ends an older
/// one with 409.
pub(super) async fn get_updates(shared: &Shared, params: &Params) -> Result<Value, Refusal> {
    let timeout = params.number("timeout").unwrap_or(0).min(LONGEST_POLL_SECONDS);
    let limit = params.number("limit").unwrap_or(MOST_UPDATES).clamp(1, MOST_UPDATES);
    let until = Instant::now() + Duration::from_secs(timeout);
    let mut changes = shared.changes();
    let turn = {
        let mut world = shared.world();
        if let Some(offset) = params.number::<i64>("offset") {
            forget_before(&mut world, offset);
        }
        world.poller += 1;
        world.poller
    };
    shared.note_change();
    loop {
        changes.mark_unchanged();
        {
            let world = shared.world();
            if world.poller != turn {
                return Err(Refusal::Conflict);
            }
            if !world.updates.is_empty() || Instant::now() >= until {
                let first = world.updates.iter().take(limit).map(|(_, update)| update.clone());
                return Ok(Value::Array(first.collect()));
            }
        }
        // Either way the loop looks again.
        let _ = tokio::time::timeout_at(until, changes.changed()).await;
    }
}

/// Acknowledges what lies before `offset`; a negative one keeps only the last few.
fn forget_before(world: &mut World, offset: i64) {
    let offset = if offset < 0 { world.next_update + offset } else { offset };
    world.updates.retain(|(id, _)| *id >= offset);
}

impl World {
    /// Queues an update for the bot.
    pub(in crate::sandbox) fn push_update(&mut self, mut update: Value) {
        let id = self.next_update;
        self.next_update += 1;
        update["update_id"] = json!(id);
        self.updates.push_back((id, update));
    }
}
