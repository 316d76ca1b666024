//! Many leases at once: taking them, and ending them.

use super::told::Told;
use super::{STORE_PAUSE, Worker};
use crate::outbox::{Digest, Lease, Leased, Settlement, StoreError};
use crate::telegram::MessageId;

impl Worker {
    /// Leases as many groups as one digest is made from.
    pub(super) async fn lease_some(&self, most: u32) -> Result<Vec<Leased>, StoreError> {
        let leased = self.delivery.shared.with.outbox.lease_some(&self.lane, most).await?;
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
            match self.try_to_settle(&digest, told).await {
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

    async fn try_to_settle(&self, digest: &Digest, told: &[Told]) -> Result<(), StoreError> {
        let shared = &self.delivery.shared;
        let _hands = shared.hands.acquire().await;
        let (chat, message, now) = (digest.chat, digest.message, digest.updated_at);
        let settled = |told: &Told| Ok((told.lease.clone(), told.settlement(chat, message, now)?));
        let settled = told.iter().map(settled).collect::<Result<_, StoreError>>()?;
        shared.with.outbox.settle_digest(&self.lane, digest.clone(), settled).await
    }

    /// Nobody sees the digest any more, or Telegram will not change it: what there is to say of its
    /// groups is said as if it had never been.
    pub(super) async fn leave_digest(&self, told: Vec<Told>, message: MessageId) {
        let _hands = self.delivery.shared.hands.acquire().await;
        let left = |told: Told| {
            let left = told.left(message).unwrap_or_else(|error| {
                tracing::error!(lane = %self.lane, %error, "a card is not known any more");
                Settlement::Released { attempt: Some(error.to_string()) }
            });
            (told.lease, left)
        };
        self.settle_all(told.into_iter().map(left).collect()).await;
    }
}
