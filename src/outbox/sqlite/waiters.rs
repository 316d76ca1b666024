//! Lanes that wait for the next thing to say, and are given it in the commit that accepted it.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;

use super::desk::Desk;
use crate::outbox::contract::{Leased, Settlement, StoreError};
use crate::routing::LaneId;

/// Where a waiting lane is answered.
type Answer = oneshot::Sender<Leased>;

/// The lanes that wait, and those in which something new does.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    answers: HashMap<LaneId, Answer>,
    touched: HashSet<LaneId>,
}

impl Waiters {
    /// Something may wait in the lane that did not before.
    pub fn touch(&mut self, lane: &LaneId) {
        if self.answers.contains_key(lane) {
            self.touched.insert(lane.clone());
        }
    }
}

/// A lease for a lane that waited, to be told once it is committed.
pub(super) struct Handover {
    lane: LaneId,
    answer: Answer,
    leased: Leased,
}

impl Desk {
    /// Notes that the lane waits; what is there already is handed over at the end of the batch.
    pub fn wait_for_next(&mut self, lane: LaneId, answer: Answer) {
        self.waiters.touched.insert(lane.clone());
        self.waiters.answers.insert(lane, answer);
    }

    /// Leases for the lanes that wait what has come for them, inside the open transaction.
    ///
    /// # Errors
    /// When a statement failed: the transaction is to be taken back.
    pub fn serve_waiters(&mut self) -> Result<Vec<Handover>, StoreError> {
        let mut handovers = Vec::new();
        for lane in std::mem::take(&mut self.waiters.touched) {
            let Some(answer) = self.waiters.answers.remove(&lane) else { continue };
            if answer.is_closed() {
                continue;
            }
            match self.lease(&lane) {
                Ok(Some(leased)) => handovers.push(Handover { lane, answer, leased }),
                Ok(None) => drop(self.waiters.answers.insert(lane, answer)),
                Err(error) => {
                    self.take_back(handovers);
                    self.wait_for_next(lane, answer);
                    return Err(error);
                }
            }
        }
        Ok(handovers)
    }

    /// The transaction was taken back: the lanes wait on.
    pub fn take_back(&mut self, handovers: Vec<Handover>) {
        for Handover { lane, answer, .. } in handovers {
            self.wait_for_next(lane, answer);
        }
    }

    /// Tells the lanes. A lane that went away meanwhile gets no lease: its entry waits again.
    pub fn hand_over(&mut self, handovers: Vec<Handover>) {
        let refused: Vec<Leased> = handovers
            .into_iter()
            .filter_map(|Handover { answer, leased, .. }| answer.send(leased).err())
            .collect();
        if refused.is_empty() {
            return;
        }
        let released = self.in_transaction(|desk| {
            refused.iter().try_for_each(|leased| {
                desk.settle(&leased.lease, Settlement::Released { attempt: None })
            })
        });
        if let Err(error) = released {
            // They stay leased until the next start, which gives everything back.
            tracing::error!(%error, "a lease that nobody took could not be given back");
        }
    }
}
