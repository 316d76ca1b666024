//! Whose turn it is among the lanes of a chat: the most urgent of those that ask, and among equals
//! the one that asked first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::outbox::Priority;

/// The turns of one chat.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    taken: bool,
    asked: u64,
    waiting: BTreeMap<(Priority, u64), oneshot::Sender<()>>,
}

/// The right to speak in the chat; given on when dropped.
#[derive(Debug)]
#[must_use]
pub struct Turn<'t>(&'t Turns);

impl Turns {
    /// Takes the turn if nobody has it.
    pub fn try_take(&self) -> Option<Turn<'_>> {
        let mut queue = self.queue();
        if queue.taken {
            return None;
        }
        queue.taken = true;
        Some(Turn(self))
    }

    /// Waits for the turn; `most_urgent` is the first that the lane has to say. When the future is
    /// dropped, the others go on.
    pub async fn take(&self, most_urgent: Priority) -> Turn<'_> {
        let mut waiting = {
            let mut queue = self.queue();
            if !queue.taken {
                queue.taken = true;
                return Turn(self);
            }
            queue.asked += 1;
            let place = (most_urgent, queue.asked);
            let (grant, granted) = oneshot::channel();
            queue.waiting.insert(place, grant);
            Waiting { turns: self, place, granted, done: false }
        };
        // The sender is only let go of with a grant, or by the one that waits.
        let _ = (&mut waiting.granted).await;
        waiting.done = true;
        Turn(self)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_on(&self) {
        let mut queue = self.queue();
        while let Some((_, grant)) = queue.waiting.pop_first() {
            if grant.send(()).is_ok() {
                return;
            }
        }
        queue.taken = false;
    }
}

impl Turn<'_> {
    /// The most urgent that any lane that waits for the turn has to say.
    pub fn most_wanted(&self) -> Option<Priority> {
        self.0.queue().waiting.first_key_value().map(|((first, _), _)| *first)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

/// A lane that waits for its turn.
struct Waiting<'t> {
    turns: &'t Turns,
    place: (Priority, u64),
    granted: oneshot::Receiver<()>,
    done: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let gone = self.turns.queue().waiting.remove(&self.place).is_none();
        // It was granted, and nobody is there to take it.
        if gone && self.granted.try_recv().is_ok() {
            self.turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::Poll;

    use futures_util::FutureExt;
    use futures_util::future::poll_fn;

    use super::*;
    use crate::outbox::Class;

    const CRITICAL: Priority = Priority { class: Class::News, severity: 0 };
    const WARNING: Priority = Priority { class: Class::News, severity: 1 };
    const EDIT: Priority = Priority { class: Class::Edit, severity: 0 };

    /// Asks, without waiting.
    async fn ask(
        turns: &Turns,
        first: Priority,
    ) -> std::pin::Pin<Box<impl Future<Output = Turn<'_>>>> {
        let mut asking = Box::pin(turns.take(first));
        poll_fn(|context| {
            assert!(asking.as_mut().poll(context).is_pending(), "it is taken");
            Poll::Ready(())
        })
        .await;
        asking
    }

    #[tokio::test]
    async fn the_most_urgent_is_next_and_among_equals_the_one_that_asked_first() {
        let turns = Turns::default();
        let turn = turns.try_take().unwrap();
        assert!(turns.try_take().is_none());
        let (edit, first) = (ask(&turns, EDIT).await, ask(&turns, WARNING).await);
        let (second, critical) = (ask(&turns, WARNING).await, ask(&turns, CRITICAL).await);
        assert_eq!(turn.most_wanted(), Some(CRITICAL));
        drop(turn);
        for next in [critical, first, second, edit] {
            let turn = next.now_or_never().expect("it is its turn");
            drop(turn);
        }
        assert!(turns.try_take().is_some());
    }

    #[tokio::test]
    async fn one_that_goes_away_leaves_the_turn_to_the_others() {
        let turns = Turns::default();
        let turn = turns.try_take().unwrap();
        let (gone, granted) = (ask(&turns, CRITICAL).await, ask(&turns, CRITICAL).await);
        let last = ask(&turns, WARNING).await;
        drop(gone);
        drop(turn);
        // It has the turn, and does not live to hear of it.
        drop(granted);
        assert!(last.now_or_never().is_some());
        assert!(turns.try_take().is_some());
    }
}
