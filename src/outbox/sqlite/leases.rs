//! The leases that are out. They live in memory beside the file, so what a transaction did to them is
//! taken back with it.

use std::collections::HashMap;

use crate::alert::Forgotten;
use crate::outbox::EntryId;

/// A lease that is out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    pub token: u64,
    /// How many notifications were merged when it was given.
    pub merged: u32,
    /// What the entry counted as forgotten then.
    pub forgotten: Forgotten,
    /// When the first notification came that the lease does not cover.
    pub news_at: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Leases {
    out: HashMap<EntryId, Out>,
    /// What was there before each change of the open transaction, in their order.
    before: Vec<(EntryId, Option<Out>)>,
}

impl Leases {
    pub fn get(&self, id: EntryId) -> Option<Out> {
        self.out.get(&id).copied()
    }

    pub fn give(&mut self, id: EntryId, out: Out) {
        let before = self.out.insert(id, out);
        self.before.push((id, before));
    }

    pub fn end(&mut self, id: EntryId) {
        let before = self.out.remove(&id);
        self.before.push((id, before));
    }

    /// Something newer waits behind the lease, since `at` at the latest.
    pub fn news(&mut self, id: EntryId, at: i64) {
        if let Some(out) = self.get(id) {
            self.give(id, Out { news_at: out.news_at.or(Some(at)), ..out });
        }
    }

    /// None of the notifications that wait from now on are covered by the lease.
    pub fn covers_none(&mut self, id: EntryId) {
        if let Some(out) = self.get(id) {
            self.give(id, Out { merged: 0, ..out });
        }
    }

    /// The lease tells of none that is not listed any more and forgotten.
    pub fn recall_unlisted(&mut self, id: EntryId) {
        if let Some(out) = self.get(id) {
            let forgotten = Forgotten { unlisted: 0, ..out.forgotten };
            self.give(id, Out { forgotten, ..out });
        }
    }

    /// The transaction is committed.
    pub fn keep(&mut self) {
        self.before.clear();
    }

    /// The transaction is taken back.
    pub fn take_back(&mut self) {
        while let Some((id, before)) = self.before.pop() {
            match before {
                Some(out) => self.out.insert(id, out),
                None => self.out.remove(&id),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transaction_did_is_taken_back_as_a_whole() {
        let out = |token| Out { token, merged: 1, forgotten: Forgotten::default(), news_at: None };
        let mut leases = Leases::default();
        leases.give(EntryId(1), out(1));
        leases.keep();
        leases.news(EntryId(1), 5);
        leases.end(EntryId(1));
        leases.give(EntryId(1), out(2));
        leases.give(EntryId(2), out(3));
        leases.take_back();
        assert!(leases.get(EntryId(1)).is_some_and(|out| out.token == 1 && out.news_at.is_none()));
        assert!(leases.get(EntryId(2)).is_none());
        leases.news(EntryId(1), 5);
        leases.news(EntryId(1), 6);
        leases.keep();
        leases.take_back();
        assert_eq!(leases.get(EntryId(1)).unwrap().news_at, Some(5), "the first counts");
    }
}
