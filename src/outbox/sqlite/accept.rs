//! Accepting: duplicates are recognised, the rest is merged into what waits.

use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::desk::{Desk, WAITING, millis};
use super::homes::Home;
use super::merging::alert_hashes;
use crate::alert::{GroupId, Notification, Reason};
use crate::outbox::contract::{Accepted, EntryId, Fate, Priority, StoreError, Submission};
use crate::outbox::pack;
use crate::rendering::ButtonKind;
use crate::routing::{Destination, LaneId, Topic};

/// How many events of one group are remembered within the window.
const EVENTS_A_GROUP: usize = 16;

/// A submission with all the work done that needs no store, so that it is done in parallel, and
/// by the thread that made its many small strings and can best let go of them.
pub(super) struct Parcel {
    pub destinations: Vec<Destination>,
    places: Vec<Place>,
    /// Whose it is; known when a label chose a topic.
    pub group: Option<GroupId>,
    pub priority: Priority,
    /// When it was accepted, in milliseconds since 1970.
    pub at: i64,
    /// Hash over (fingerprint, status, startsAt) of every alert.
    event: u64,
    pub alerts: Vec<u8>,
    pub body: Vec<u8>,
}

/// The hash of a lane and a group.
pub(super) type Place = [u8; 16];

impl Parcel {
    pub fn pack(submission: Submission) -> Result<Self, StoreError> {
        let Submission { notification, destinations, priority, at } = submission;
        let notification = &*notification;
        let places = destinations
            .iter()
            .map(|destination| place(&destination.lane, &notification.group))
            .collect();
        let by_label = destinations.iter().any(|destination| destination.by_label);
        Ok(Self {
            places,
            group: by_label.then(|| notification.group.clone()),
            event: event(notification),
            alerts: alert_hashes(notification),
            body: pack::pack(notification)?,
            destinations,
            priority,
            at: millis(at),
        })
    }
}

/// What one lane has of a group before a parcel is accepted.
struct Before {
    /// The events within the window, with their times.
    events: Vec<(u64, i64)>,
    duplicate: bool,
    waiting: Option<Waiting>,
}

/// An entry that waits.
pub(super) struct Waiting {
    pub id: EntryId,
    pub severity: u8,
    pub class: i64,
    pub alerts: Vec<u8>,
    pub told: bool,
    /// Whether it counts alerts that are not listed any more and does not hold them.
    pub forgot_unlisted: bool,
    /// The events remembered with it, packed; none when they are remembered apart.
    events: Option<Vec<u8>>,
}

impl Desk {
    /// Accepts in every lane or in none. Everything that can refuse is looked at before
    /// anything is changed.
    pub fn accept(&mut self, parcel: &Parcel) -> Result<Accepted, StoreError> {
        self.room_on_disk()?;
        self.saw(parcel.at);
        let mut lanes = Vec::with_capacity(parcel.places.len());
        for (destination, place) in parcel.destinations.iter().zip(&parcel.places) {
            let home = self.home(parcel, destination, *place)?;
            let before = self.before(parcel, &home.place).map_err(|error| self.judge(&error))?;
            lanes.push((destination, home, before));
        }
        let is_new = |before: &Before| !before.duplicate && before.waiting.is_none();
        let new = lanes.iter().filter(|(.., before)| is_new(before)).count();
        if new > 0 {
            self.room_for_more(new as u64)?;
        }
        let mut fates = Vec::with_capacity(lanes.len());
        for (destination, home, before) in lanes {
            let fate = self.accept_in(parcel, destination, &home, before)?;
            fates.push((home.lane, fate));
        }
        Ok(Accepted { lanes: fates })
    }

    fn accept_in(
        &mut self,
        parcel: &Parcel,
        destination: &Destination,
        home: &Home,
        before: Before,
    ) -> Result<Fate, StoreError> {
        if before.duplicate {
            return Ok(Fate::Duplicate);
        }
        self.move_in(home, parcel.at)?;
        let mut events = before.events;
        events.push((parcel.event, parcel.at));
        let events = packed(&events);
        match before.waiting {
            Some(waiting) => self.merge_into(parcel, destination, &home.place, &waiting, &events),
            None => self.queue(parcel, destination, home, &events),
        }
    }

    fn before(&self, parcel: &Parcel, place: &Place) -> rusqlite::Result<Before> {
        let now = parcel.at;
        let window = self.options.load().dedup_window.as_millis();
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        // What waits remembers its group's events itself: one row to read and write.
        let waiting = self.waiting(place)?;
        let known = match waiting.as_ref().and_then(|waiting| waiting.events.as_deref()) {
            Some(events) => Some(unpack(events)),
            None => self
                .connection
                .prepare_cached("SELECT events FROM recent WHERE place = ?")?
                .query_row([place], |row| row.get::<_, Vec<u8>>(0))
                .optional()?
                .map(|events| unpack(&events)),
        };
        let mut events = known.unwrap_or_default();
        events.retain(|(_, at)| *at > now.saturating_sub(window));
        let duplicate = events.iter().any(|(event, _)| *event == parcel.event);
        Ok(Before { events, duplicate, waiting })
    }

    /// Remembers an entry's events apart from it, so that their repetition is a duplicate when the
    /// entry waits no more. Called before it is changed.
    pub fn remember(&mut self, id: EntryId) -> Result<(), StoreError> {
        let remembered = self.change(
            "INSERT INTO recent (place, last_at, events) \
             SELECT place, last_at, events FROM entries WHERE id = ? AND events IS NOT NULL \
             ON CONFLICT (place) DO UPDATE SET last_at = excluded.last_at, events = excluded.events",
            [id.0],
        )?;
        self.newly_remembered += u32::from(remembered > 0);
        Ok(())
    }

    fn queue(
        &mut self,
        parcel: &Parcel,
        destination: &Destination,
        home: &Home,
        events: &[u8],
    ) -> Result<Fate, StoreError> {
        let (now, priority) = (parcel.at, parcel.priority);
        let Home { lane, place, .. } = home;
        self.connection
            .prepare_cached(
                "INSERT INTO entries (place, chat, topic, state, severity, class, first_at, last_at, \
                 merged, version, template, updates, buttons, alerts, body, events) \
                 VALUES (?, ?, ?, 0, ?, ?, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    place,
                    lane.chat.as_str(),
                    topic_column(lane),
                    priority.severity,
                    priority.class as i64,
                    now,
                    now,
                    destination.template,
                    updates_word(destination.updates),
                    buttons_words(destination.buttons.as_deref()),
                    parcel.alerts,
                    parcel.body,
                    events,
                ])
            })
            .map_err(|error| self.judge(&error))?;
        self.count(lane.chat.as_str()).waiting += 1;
        self.waiters.touch(lane);
        Ok(Fate::Queued)
    }

    /// The entry that waits in a place.
    pub fn waiting(&self, place: &Place) -> rusqlite::Result<Option<Waiting>> {
        self.connection
            .prepare_cached(
                "SELECT id, severity, class, alerts, events, told, forgotten_unlisted > 0 FROM entries \
                 WHERE place = ? AND state = 0",
            )?
            .query_row([place], |row| {
                Ok(Waiting {
                    id: EntryId(row.get(0)?),
                    severity: row.get(1)?,
                    class: row.get(2)?,
                    alerts: row.get(3)?,
                    events: row.get(4)?,
                    told: row.get(5)?,
                    forgot_unlisted: row.get(6)?,
                })
            })
            .optional()
    }
}

const _: () = assert!(WAITING == 0, "the statements above spell it out");

/// A lane's topic as a column: 0 stands for none, and the name of one that nabat makes is a text
/// that can't be taken for a number.
pub(super) fn topic_column(lane: &LaneId) -> Value {
    match &lane.topic {
        None => Value::Integer(0),
        Some(Topic::Number(number)) => Value::Integer(number.0.into()),
        Some(Topic::Named(name)) => Value::Text(format!("{NAMED}{name}")),
    }
}

/// What the column of a lane with a named topic begins with.
pub(super) const NAMED: &str = "name=";

/// A lane's topic as bytes, no two alike: a number has four, a name more.
fn topic_bytes(lane: &LaneId) -> Vec<u8> {
    match &lane.topic {
        None => 0i32.to_le_bytes().to_vec(),
        Some(Topic::Number(number)) => number.0.to_le_bytes().to_vec(),
        Some(Topic::Named(name)) => format!("{NAMED}{name}").into_bytes(),
    }
}

pub(super) fn updates_word(updates: crate::routing::Updates) -> &'static str {
    use crate::routing::Updates;
    match updates {
        Updates::Thread => "thread",
        Updates::Edit => "edit",
        Updates::New => "new",
    }
}

/// A route's buttons as a column.
pub(super) fn buttons_words(buttons: Option<&[ButtonKind]>) -> Option<String> {
    let words = |kinds: &[ButtonKind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>();
    buttons.map(|kinds| words(kinds).join(" "))
}

/// What a column of buttons says; words of a newer nabat are skipped.
pub(super) fn buttons_of(column: &str) -> Vec<ButtonKind> {
    column.split_whitespace().filter_map(ButtonKind::named).collect()
}

/// The hash of a lane and a group; 128 bits, so that no two ever meet.
pub(super) fn place(lane: &LaneId, group: &GroupId) -> Place {
    let topic = topic_bytes(lane);
    hash_of(&[
        lane.chat.as_str().as_bytes(),
        &topic,
        group.source.as_str().as_bytes(),
        group.receiver.as_bytes(),
        group.key.as_bytes(),
    ])
}

/// A hash over words, no two rows of them alike.
pub(super) fn hash_of(words: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

/// What makes an event the same: the set of (fingerprint, status, startsAt), how many alerts
/// were left out, and whether the sender repeats itself: a repeat is another event than what it
/// repeats, but the same as its own retry.
fn event(notification: &Notification) -> u64 {
    let mut occurrences: Vec<_> =
        notification.alerts.iter().map(crate::alert::Alert::occurrence).collect();
    occurrences.sort_unstable();
    // The default hasher with its fixed keys gives the same hash in every process of a build;
    // after an upgrade a retry in flight could be shown twice at worst.
    let mut hasher = DefaultHasher::new();
    occurrences.hash(&mut hasher);
    notification.truncated_alerts.hash(&mut hasher);
    (notification.reason == Reason::RepeatIntervalElapsed).hash(&mut hasher);
    hasher.finish()
}

/// The latest events, as the tables keep them.
fn packed(events: &[(u64, i64)]) -> Vec<u8> {
    let skip = events.len().saturating_sub(EVENTS_A_GROUP);
    let pairs = events[skip..].iter();
    pairs.flat_map(|(event, at)| [event.to_le_bytes(), at.to_le_bytes()]).flatten().collect()
}

fn unpack(events: &[u8]) -> Vec<(u64, i64)> {
    events
        .chunks_exact(16)
        .map(|pair| {
            let (event, at) = pair.split_at(8);
            let number = |bytes: &[u8]| bytes.try_into().unwrap_or([0; 8]);
            (u64::from_le_bytes(number(event)), i64::from_le_bytes(number(at)))
        })
        .collect()
}
