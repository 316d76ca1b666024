//! Lanes that wait for the next thing to say, and are given it by the transaction that accepted it,
//! with word of its commit to follow.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use super::desk::Desk;
use crate::outbox::{Durable, Lease, Leased, Settlement, StoreError};
use crate::routing::LaneId;

/// Where a waiting lane is answered.
type Answer = oneshot::Sender<Leased>;

/// The lanes that wait, and those in which something new does.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    answers: HashMap<LaneId, Answer>,
    /// Served in order, so that the same history always has the same outcome.
    touched: BTreeSet<LaneId>,
    returned: Arc<Returned>,
}

/// Leases that were handed over and that nobody took.
#[derive(Debug, Default)]
pub(super) struct Returned(Mutex<Vec<Lease>>);

impl Returned {
    /// Gives a lease back; the store's thread sees to it with its next piece of work.
    pub fn push(&self, lease: Lease) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
    }

    fn take(&self) -> Vec<Lease> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Waiters {
    /// Where leases are given back.
    pub fn returned(&self) -> Arc<Returned> {
        Arc::clone(&self.returned)
    }

    /// Something may wait in the lane that did not before.
    pub fn touch(&mut self, lane: &LaneId) {
        if self.answers.contains_key(lane) {
            self.touched.insert(lane.clone());
        }
    }
}

/// A lease for a lane that waited.
struct Handover {
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

    /// Leases for the lanes that wait what has come for them, inside the open transaction, and
    /// tells them. Whether the transaction is committed they learn from `committed`; after one
    /// that failed they have to ask anew. A lane that went away meanwhile gets no lease: its entry
    /// waits again.
    ///
    /// # Errors
    /// When a statement failed: the transaction is to be taken back, and the lanes wait on.
    pub fn serve_waiters(
        &mut self,
        committed: &watch::Receiver<Option<bool>>,
    ) -> Result<(), StoreError> {
        let mut handovers = Vec::new();
        for lane in std::mem::take(&mut self.waiters.touched) {
            let Some(answer) = self.waiters.answers.remove(&lane) else { continue };
            if answer.is_closed() {
                continue;
            }
            match self.lease(&lane) {
                Ok(Some(leased)) => {
                    let leased = Leased { durable: Durable::when(committed.clone()), ..leased };
                    handovers.push(Handover { lane, answer, leased });
                }
                Ok(None) => drop(self.waiters.answers.insert(lane, answer)),
                Err(error) => {
                    self.wait_for_next(lane, answer);
                    for Handover { lane, answer, .. } in handovers {
                        self.wait_for_next(lane, answer);
                    }
                    return Err(error);
                }
            }
        }
        for Handover { answer, leased, .. } in handovers {
            if let Err(refused) = answer.send(leased) {
                self.waiters.returned.push(refused.lease);
            }
        }
        Ok(())
    }

    /// Lets the entries wait again whose leases nobody took.
    pub fn release_returned(&mut self) {
        let returned = self.waiters.returned.take();
        if returned.is_empty() {
            return;
        }
        let released = self.in_transaction(|desk| {
            let quietly = || Settlement::Released { attempt: None };
            returned.iter().try_for_each(|lease| match desk.settle(lease, quietly()) {
                // Dropped by hand meanwhile.
                Err(StoreError::LeaseLost(_) | StoreError::NoSuchEntry(_)) => Ok(()),
                settled => settled,
            })
        });
        if let Err(error) = released {
            tracing::warn!(%error, "leases that nobody took could not be given back yet");
            for lease in returned {
                self.waiters.returned.push(lease);
            }
        }
    }
}
