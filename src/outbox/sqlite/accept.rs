//! Accepting: duplicates are recognised, the rest is merged into what waits.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::columns::{
    Place, alert_hashes, buttons_words, event, pack_events, place, topic_column, unpack_events,
    updates_word,
};
use super::desk::{Desk, WAITING, millis};
use super::homes::Home;
use crate::alert::{Alert, GroupId, Notification};
use crate::outbox::pack;
use crate::outbox::{Accepted, EntryId, Fate, Priority, StoreError, Submission};
use crate::routing::Destination;

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
    /// Whether its sender left alerts out.
    pub left_out: bool,
}

impl Parcel {
    pub fn pack(submission: Submission) -> Result<Self, StoreError> {
        let body = pack::pack(&*submission.notification)?;
        Ok(Self::new(submission, body))
    }

    /// Of a submission whose notification is packed as `body`.
    pub fn new(submission: Submission, body: Vec<u8>) -> Self {
        let Submission { notification, destinations, priority, at } = submission;
        let notification = &*notification;
        let places = destinations
            .iter()
            .map(|destination| place(&destination.lane, &notification.group))
            .collect();
        let by_label = destinations.iter().any(|destination| destination.by_label);
        Self {
            places,
            group: by_label.then(|| notification.group.clone()),
            event: event(notification),
            alerts: alert_hashes(notification),
            body,
            left_out: !notification.is_complete(),
            destinations,
            priority,
            at: millis(at),
        }
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
            let before = self.before(parcel, &home.place)?;
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
        let events = pack_events(&events);
        match before.waiting {
            Some(waiting) => self.merge_into(parcel, destination, &home.place, &waiting, &events),
            None => self.queue(parcel, destination, home, &events),
        }
    }

    fn before(&self, parcel: &Parcel, place: &Place) -> Result<Before, StoreError> {
        let waiting = self.waiting(place).map_err(|error| self.judge(&error))?;
        let events = self.events(parcel.at, place, waiting.as_ref());
        let events = events.map_err(|error| self.judge(&error))?;
        let duplicate = match events.iter().rposition(|(event, _)| *event == parcel.event) {
            Some(newest) if newest + 1 == events.len() => true,
            Some(_) => self.is_outdated(parcel, place, waiting.as_ref())?,
            None => false,
        };
        Ok(Before { events, duplicate, waiting })
    }

    /// The group's events within the window that ends now.
    fn events(
        &self,
        now: i64,
        place: &Place,
        waiting: Option<&Waiting>,
    ) -> rusqlite::Result<Vec<(u64, i64)>> {
        let window = self.options.load().dedup_window.as_millis();
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        // What waits remembers its group's events itself: one row to read and write.
        let known = match waiting.and_then(|waiting| waiting.events.as_deref()) {
            Some(events) => Some(unpack_events(events)),
            None => self
                .connection
                .prepare_cached("SELECT events FROM recent WHERE place = ?")?
                .query_row([place], |row| row.get::<_, Vec<u8>>(0))
                .optional()?
                .map(|events| unpack_events(&events)),
        };
        let mut events = known.unwrap_or_default();
        events.retain(|(_, at)| *at > now.saturating_sub(window));
        Ok(events)
    }

    /// Whether an event that was followed by others is a late copy, of an Alertmanager that lags behind:
    /// some of its alerts have fired anew since, and none is newer. Otherwise the group is back in a
    /// state that it had.
    fn is_outdated(
        &self,
        parcel: &Parcel,
        place: &Place,
        waiting: Option<&Waiting>,
    ) -> Result<bool, StoreError> {
        let shown = self.card(place)?.map(|card| card.state);
        // One that does not read is replaced by what comes.
        let waits = waiting.and_then(|waiting| self.body(waiting.id).ok());
        let states = shown.iter().chain(&waits);
        let starts: HashMap<&str, Timestamp> = states
            .flat_map(|state| &state.alerts)
            .map(|alert| (alert.fingerprint.as_str(), alert.starts_at))
            .collect();
        let event: Notification = pack::unpack(&parcel.body)?;
        let known_since = |alert: &Alert| starts.get(alert.fingerprint.as_str()).copied();
        let mut fired_anew = false;
        for alert in &event.alerts {
            match known_since(alert) {
                Some(start) if start < alert.starts_at => return Ok(false),
                start => fired_anew |= start.is_some_and(|start| start > alert.starts_at),
            }
        }
        Ok(fired_anew)
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
