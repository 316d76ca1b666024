//! When a lane may speak: when its chat's pace allows it, and no other lane of the chat has
//! something more urgent to say.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use crate::delivery::pace::{ChatPace, Turn};
use crate::outbox::{Class, Priority};

/// How often a lane that waits for its turn looks whether it has something more urgent by now;
/// shorter than any slot of a pace.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After a longer sleep the token or the chat may be another one.
const LONG_SLEEP: Duration = Duration::from_secs(5);
/// What a lane says last.
const LAST: Priority = Priority { class: Class::Edit, severity: u8::MAX };

impl Worker {
    /// Waits for the lane's turn, and until the pace allows a send; but not with something in hand.
    /// `None` when it was not to be had, or when so much time went by that all has to be asked anew.
    /// What was accepted before the end of a wait was held up by it.
    pub(super) async fn my_turn<'p>(
        &mut self,
        pace: &'p ChatPace,
        in_hand: bool,
    ) -> Option<Turn<'p>> {
        let turn = match pace.turns.try_take() {
            Some(turn) => turn,
            None if in_hand => return None,
            None => {
                let turn = self.wait(false, self.ask_for_turn(pace)).await?;
                self.held_up.paced = Some(self.delivery.shared.with.clock.now());
                turn
            }
        };
        loop {
            let now = Instant::now();
            let silent_until = self.delivery.shared.paces.silent_until(now);
            let Some(free_at) = silent_until.max(pace.free_at(now)) else { break };
            // A person who urges may have given the alias another chat.
            let free = async {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(free_at) => true,
                    () = self.bell.urge.notified() => false,
                }
            };
            let waited = self.wait(in_hand, free).await;
            let clock = self.delivery.shared.with.clock.now();
            self.held_up.paced = Some(clock);
            if silent_until.is_some() {
                self.held_up.trouble = Some(clock);
            }
            if !waited? {
                return None;
            }
            let overtaken = match turn.most_wanted() {
                Some(other) => other < self.most_urgent().await,
                None => false,
            };
            if overtaken || now.elapsed() > LONG_SLEEP {
                return None;
            }
        }
        Some(turn)
    }

    async fn ask_for_turn<'p>(&self, pace: &'p ChatPace) -> Turn<'p> {
        let mut first = self.most_urgent().await;
        let mut asking = pin!(pace.turns.take(first));
        loop {
            if let Ok(turn) = tokio::time::timeout(LOOK_AGAIN, asking.as_mut()).await {
                return turn;
            }
            let by_now = self.most_urgent().await;
            if by_now < first {
                first = by_now;
                asking.set(pace.turns.take(first));
            }
        }
    }

    /// The priority of what the lane has to say first.
    async fn most_urgent(&self) -> Priority {
        let first = self.delivery.shared.with.outbox.most_urgent(&self.lane).await;
        first.ok().flatten().unwrap_or(LAST)
    }
}
