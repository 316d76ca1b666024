//! Leases: taking, holding and ending them, one or many.

use std::sync::PoisonError;

use super::told::{MOST, Told};
use super::{STORE_PAUSE, Worker};
use crate::outbox::{DeathReason, Digest, Lease, Leased, Settlement, StoreError};
use crate::telegram::MessageId;

impl Worker {
    pub(super) fn hold(&self, lease: Lease) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.contains(&lease) {
            held.push(lease);
        }
    }

    pub(super) fn let_go(&self, lease: &Lease) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| held != lease);
    }

    /// Ends the lease, however long the store takes: what was shown must not be shown again.
    pub(super) async fn settle(&self, lease: Lease, settlement: Settlement) {
        let with = &self.delivery.shared.with;
        loop {
            match with.outbox.settle(lease.clone(), settlement.clone()).await {
                Ok(()) | Err(StoreError::Closed) => break,
                Err(StoreError::LeaseLost(_) | StoreError::NoSuchEntry(_)) => {
                    tracing::debug!(lane = %self.lane, entry = %lease.entry, "not leased any more");
                    break;
                }
                Err(error) => {
                    tracing::warn!(lane = %self.lane, %error, "the outbox can't note what was sent; trying on");
                }
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
        self.let_go(&lease);
    }

    /// Ends a lease for which nothing was said.
    pub(super) async fn give_back(&self, leased: Option<Leased>) {
        if let Some(leased) = leased {
            self.settle(leased.lease, Settlement::Released { attempt: None }).await;
        }
    }

    /// Leases as many groups as one digest is made from.
    pub(super) async fn lease_some(&self) -> Result<Vec<Leased>, StoreError> {
        let leased = self.delivery.shared.with.outbox.lease_some(&self.lane, MOST).await?;
        for leased in &leased {
            self.hold(leased.lease.clone());
        }
        Ok(leased)
    }

    pub(super) async fn give_back_all(&self, leases: impl IntoIterator<Item = Lease>) {
        let quietly = |lease| (lease, Settlement::Released { attempt: None });
        self.settle_all(leases.into_iter().map(quietly).collect()).await;
    }

    /// As [`Worker::settle`], for many.
    pub(super) async fn settle_all(&self, settled: Vec<(Lease, Settlement)>) {
        let outbox = &self.delivery.shared.with.outbox;
        // All are handed in before the first answer is waited for: the store takes them together.
        let ended = settled.iter().map(|(lease, how)| outbox.settle(lease.clone(), how.clone()));
        let ended = futures_util::future::join_all(ended).await;
        for ((lease, how), ended) in settled.into_iter().zip(ended) {
            match ended {
                Ok(()) => self.let_go(&lease),
                Err(_) => self.settle(lease, how).await,
            }
        }
    }

    /// As [`Worker::settle`], for all that a digest told of.
    pub(super) async fn settle_digest(&self, digest: Digest, told: &[Told]) {
        loop {
            match self.try_to_settle_digest(&digest, told).await {
                Ok(()) | Err(StoreError::Closed) => break,
                Err(error) => {
                    tracing::warn!(lane = %self.lane, %error, "the outbox can't note what was sent; trying on");
                }
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
        for told in told {
            self.let_go(&told.lease);
        }
    }

    async fn try_to_settle_digest(&self, digest: &Digest, told: &[Told]) -> Result<(), StoreError> {
        let shared = &self.delivery.shared;
        let _room = shared.settling.acquire().await;
        let (chat, message, now) = (digest.chat, digest.message, digest.updated_at);
        let mut settled = Vec::with_capacity(told.len());
        for (index, told) in told.iter().enumerate() {
            let how = told.settlement(chat, message, now);
            settled.push((told.lease.clone(), how.unwrap_or_else(|error| self.poisonous(&error))));
            breathe(index).await;
        }
        shared.with.outbox.settle_digest(&self.lane, digest.clone(), settled).await
    }

    /// Nobody sees the digest any more, or Telegram will not change it: what there is to say of its
    /// groups is said as if it had never been.
    pub(super) async fn leave_digest(&self, told: Vec<Told>, message: MessageId) {
        let left = |told: Told| {
            let left = told.left(message).unwrap_or_else(|error| self.poisonous(&error));
            (told.lease, left)
        };
        self.settle_all(told.into_iter().map(left).collect()).await;
    }

    /// How the lease of an entry ends that does not read: it must not hold up the others, and stays
    /// for a person to look at.
    pub(super) fn poisonous(&self, error: &StoreError) -> Settlement {
        tracing::error!(lane = %self.lane, %error, "dead letter");
        Settlement::Dead { reason: DeathReason::Poisonous, detail: error.to_string() }
    }
}

/// Lets others run now and then: hundreds of groups with hundreds of alerts take a while.
pub(super) async fn breathe(index: usize) {
    if index % 8 == 7 {
        tokio::task::yield_now().await;
    }
}
