//! The outbox: what was accepted and is not yet shown. One contract, which any store can keep; the
//! embedded one in [`sqlite`] does.
//!
//! What every store guarantees (the contract suite in `tests/behaviour/outbox_contract` holds each
//! to it):
//!
//! - [`Outbox::accept`] returns only when the notification is durable in all its lanes: all or
//!   none of them.
//! - In a lane a group has at most one waiting entry; newer notifications are merged into it. Of
//!   alerts that they do not list any more it keeps a bounded number, and counts the rest.
//! - A leased entry is given to nobody else until it is settled or the process that leased it
//!   is gone. What arrives meanwhile is kept and waits for the next lease.
//! - [`Outbox::settle`] and [`Outbox::progress`] change nothing when the lease is not valid any
//!   more.
//! - Nothing accepted is ever evicted: a full store refuses with [`StoreError::Full`].
//!
//! All methods are safe to cancel in one sense only: the caller stops waiting, the change may
//! still happen.

mod contract;
mod forget;
mod merge;
mod pack;
pub mod sqlite;
mod words;

pub use contract::{Outbox, StoreError};
pub use merge::merge;
pub use pack::Packed;
pub use words::{
    Accepted, Backlog, Card, ChatTotals, Class, DeathReason, Digest, Durable, Entry, EntryId,
    EntryState, EntryView, Fate, Footprint, Lease, Leased, Priority, Rejected, Retried, Settlement,
    ShownPart, Storm, Submission, Totals,
};
