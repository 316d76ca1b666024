//! What the chats have shown, message by message, in the order in which it happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nabat::sandbox::Shown;
use nabat::telegram::{ChatId, MessageId};

use crate::model::{Known, Model};
use crate::reading::{Kind, Mark, Read, Stands, read};

/// How old a state may be when Telegram takes it: a call's longest way, and its wait for the pace.
const IN_FLIGHT: Duration = Duration::from_secs(30);

/// A message says so when it tells what is older.
const LATE_AFTER: Duration = Duration::from_mins(1);

/// A group in a chat.
pub type Spot = (String, usize);

/// What was last said of an alert, and when.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub what: Mark,
    pub at: Duration,
}

/// What was said of a group without its alerts, and when.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    stands: Stands,
    /// How many fire.
    count: Option<usize>,
    pub at: Duration,
    /// When that was last the truth.
    pub true_at: Option<Duration>,
}

impl Named {
    /// Whether that is how the group stands.
    pub fn is_true(&self, known: &Known) -> bool {
        // What was left out of a notification is in no count.
        let counted =
            known.was_truncated || self.count.is_none_or(|count| count == known.firing().max(1));
        (known.is_unclear || agree(self.stands, known.stands())) && counted
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    /// What was last said of each alert.
    pub alerts: BTreeMap<(Spot, usize), Heard>,
    /// What was last said of each group without its alerts.
    pub groups: BTreeMap<Spot, Named>,
    /// What stands in each message.
    messages: BTreeMap<(ChatId, MessageId), Read>,
    /// How often a message with this head was sent.
    heads: BTreeMap<(ChatId, usize, Kind, u32), u32>,
    /// How many events a group had when a digest last told of it.
    digested: BTreeMap<Spot, u32>,
    /// Sends of what had been told.
    pub doubled: u64,
    /// Messages that people deleted: what they told may be told again.
    pub deleted: u64,
    /// Where dead letters were tried again.
    pub retried: BTreeSet<Spot>,
    /// Where it is not known how something was accepted.
    pub guessed: BTreeSet<Spot>,
    /// When each group was last told of.
    told: BTreeMap<Spot, Duration>,
    /// When the wall clock last jumped.
    pub jumped: Duration,
    /// Messages sent, by chat, of the last minute.
    sent: BTreeMap<String, VecDeque<Duration>>,
    pub shown: u64,
    pub faults: Vec<String>,
}

impl Ledger {
    /// A message was sent or edited in the chat of this alias. Returns it in short.
    pub fn note(&mut self, chat: &str, shown: &Shown, model: &Model, now: Duration) -> String {
        let said = read(shown);
        self.shown += 1;
        let sent = self.sent.entry(chat.to_owned()).or_default();
        sent.push_back(now);
        while sent.front().is_some_and(|at| *at + Duration::from_mins(1) < now) {
            sent.pop_front();
        }
        let before = self.messages.insert((shown.chat, shown.id), said.clone());
        if before.as_ref() == Some(&said) {
            return format!("{chat} keeps {}#{}", shown.chat, shown.id);
        }
        if before.is_none() {
            self.count(chat, shown.chat, &said, model, now);
        }
        self.compare_head(chat, &said, model, now);
        // What stays as it was in an edited message is said by it, too: a reply may have said another
        // thing meanwhile.
        for mark in &said.alerts {
            self.hear_alert(chat, *mark, now);
        }
        for line in &said.groups {
            let (group, stands, count) = line;
            let known = before.as_ref().is_some_and(|before| before.groups.contains(line));
            if !known {
                let spot = (chat.to_owned(), *group);
                self.told.insert(spot.clone(), now);
                let before = self.groups.get(&spot).and_then(|named| named.true_at);
                let (stands, count) = (*stands, *count);
                let named = Named { stands, count, at: now, true_at: before };
                let is_true = model.known.get(&spot).is_some_and(|known| named.is_true(known));
                let true_at = if is_true { Some(now) } else { before };
                self.groups.insert(spot, Named { true_at, ..named });
            }
        }
        let verb = if before.is_some() { "edits" } else { "sends" };
        format!("{chat} {verb} {}#{}: {}", shown.chat, shown.id, brief(&said))
    }

    fn hear_alert(&mut self, chat: &str, mark: Mark, now: Duration) {
        let key = ((chat.to_owned(), mark.group), mark.alert);
        if let Some(last) = self.alerts.get(&key)
            && last.what.number > mark.number
            // A dead letter may be of an age of which nothing else is known any more: its alerts
            // are then shown as not reported.
            && !(mark.unlisted && self.retried.contains(&key.0))
        {
            self.faults.push(format!("{chat}: {mark:?} was told after {:?}", last.what));
        }
        self.alerts.insert(key, Heard { what: mark, at: now });
    }

    /// Counts a new message that tells what an earlier one told.
    fn count(&mut self, chat: &str, id: ChatId, said: &Read, model: &Model, now: Duration) {
        let events = |spot: &Spot| model.known.get(spot).map_or(0, |known| known.events);
        if let Some(head) = said.head {
            let spot = (chat.to_owned(), head.group);
            let accepted = model.known.get(&spot).and_then(|known| known.accepted.get(&head.made));
            let key = (id, head.group, said.kind, head.made);
            let times = self.heads.entry(key).or_default();
            *times += 1;
            self.doubled += u64::from(*times > accepted.copied().unwrap_or(1).max(1));
        }
        if said.kind == Kind::Digest {
            let mut again = false;
            for (group, ..) in &said.groups {
                let spot = (chat.to_owned(), *group);
                self.told.insert(spot.clone(), now);
                let events = events(&spot);
                again |= self.digested.insert(spot, events) == Some(events);
            }
            self.doubled += u64::from(again);
        }
    }

    /// The first message of an entry says how many notifications are merged in it, and whether it
    /// is late.
    fn compare_head(&mut self, chat: &str, said: &Read, model: &Model, now: Duration) {
        let Some(head) = said.head else { return };
        let spot = (chat.to_owned(), head.group);
        let Some(known) = model.known.get(&spot) else { return };
        let told = self.told.insert(spot.clone(), now);
        // What was told before counts no more; of what came at about that time nobody knows for sure.
        let behind = |at: Duration| told.is_none_or(|told| at > told);
        let untold: Vec<Duration> =
            known.entry.iter().copied().filter(|at| behind(*at + IN_FLIGHT)).collect();
        let surely: Vec<Duration> = untold.iter().copied().filter(|at| behind(*at)).collect();
        // What is told bit by bit.
        let Some(first) = surely.first().copied() else { return };
        if self.guessed.contains(&spot) || self.retried.contains(&spot) {
            return;
        }
        let in_flight = |at: &&Duration| **at + IN_FLIGHT >= now;
        // Nabat may not know that a message was taken, and then counts all from the beginning.
        let most = known.entry.len();
        let oldest = known.entry.first().map_or(Duration::ZERO, |at| now.saturating_sub(*at));
        let least = surely.len() - surely.iter().filter(in_flight).count();
        let merged = head.merged as usize;
        let counted = merged <= most && merged >= least.max(1);
        let age = now.saturating_sub(first);
        // It may count from the beginning.
        let jumped = known.entry.first().is_some_and(|first| self.jumped >= *first);
        let timed = jumped
            || (head.late && oldest >= LATE_AFTER)
            || (!head.late && age <= LATE_AFTER + IN_FLIGHT);
        if !counted || !timed {
            let entry = &untold;
            self.faults.push(format!("{chat}: {said:?} at {now:?}, but of {entry:?}"));
        }
    }

    /// How many messages were sent or edited in a chat in the last minute.
    pub fn lately(&self, chat: &str, now: Duration) -> usize {
        let sent = self.sent.get(chat).into_iter().flatten();
        sent.filter(|at| **at + Duration::from_mins(1) >= now).count()
    }

    /// The newest card of each group in a chat, if it is still there.
    pub fn cards(&self, chat: ChatId, there: &BTreeSet<MessageId>) -> BTreeMap<usize, &Read> {
        let of = self.messages.iter().filter(|((of, _), _)| *of == chat);
        let cards = of.filter(|(_, said)| said.kind == Kind::Card);
        let mut newest: BTreeMap<usize, (MessageId, &Read)> = BTreeMap::new();
        newest.extend(cards.filter_map(|((_, id), said)| Some((said.head?.group, (*id, said)))));
        newest.retain(|_, (id, _)| there.contains(id));
        newest.into_iter().map(|(group, (_, said))| (group, said)).collect()
    }

    /// The groups that a message tells of.
    pub fn told_by(&self, chat: ChatId, message: MessageId) -> BTreeSet<usize> {
        let Some(said) = self.messages.get(&(chat, message)) else { return BTreeSet::new() };
        let alerts = said.alerts.iter().map(|mark| mark.group);
        alerts.chain(said.groups.iter().map(|(group, ..)| *group)).collect()
    }
}

/// Whether a message says how a group stands. The minimal form has one word for what is over and
/// what is only not reported any more.
fn agree(said: Stands, stands: Stands) -> bool {
    said == stands || (said == Stands::Over && stands == Stands::Unknown)
}

fn brief(said: &Read) -> String {
    let head = said.head.map_or(String::new(), |head| {
        let late = if head.late { " late" } else { "" };
        format!(" g{} s{} m{}{late}", head.group, head.made, head.merged)
    });
    let alerts: Vec<String> = said
        .alerts
        .iter()
        .map(|m| format!("{}:{}{}", m.alert, m.number, if m.unlisted { "?" } else { "" }))
        .collect();
    let groups: Vec<String> = said
        .groups
        .iter()
        .map(|(group, stands, count)| {
            let sign = match stands {
                Stands::Fires => '!',
                Stands::Over => '.',
                Stands::Unknown => '?',
            };
            format!("g{group}{sign}{}", count.map_or(String::new(), |count| count.to_string()))
        })
        .collect();
    format!("{:?}{head} [{}] [{}]", said.kind, alerts.join(" "), groups.join(" "))
}
