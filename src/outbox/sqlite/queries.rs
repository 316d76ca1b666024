//! What people and the other rooms ask: lists, dead letters, moves, refused bodies, totals.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, params};
use serde::Deserialize;

use super::columns::{NAMED, place};
use super::desk::{DEAD, Desk, WAITING, timestamp};
use crate::alert::{Forgotten, GroupId, Labels, Notification, Reason, Source, Status};
use crate::outbox::pack::{pack, unpack};
use crate::outbox::{
    ChatTotals, Class, EntryId, EntryState, EntryView, Footprint, Rejected, StoreError, Totals,
};
use crate::routing::{ChatAlias, LaneId, Topic, TopicName};
use crate::telegram::{ChatId, TopicId};

const VIEW: &str = "SELECT id, chat, topic, state, severity, class, merged, attempts, first_at, \
                    last_at, reason, last_error, body, forgotten_ended, forgotten_unlisted \
                    FROM entries";

/// The longest list given at once; all of them would hold up the store's thread.
const LONGEST_LIST: u32 = 1000;
/// How many refused bodies are kept.
const KEPT_REJECTED: i64 = 100;

impl Desk {
    pub fn list(
        &mut self,
        state: Option<EntryState>,
        limit: u32,
    ) -> Result<Vec<EntryView>, StoreError> {
        let wanted = state.map(state_number);
        // The inner choice runs over an index, without the bodies.
        let sql = format!(
            "{VIEW} WHERE id IN (SELECT id FROM entries WHERE ?1 IS NULL OR state = ?1 \
             ORDER BY first_at, id LIMIT ?2) ORDER BY first_at, id"
        );
        self.rows(&sql, params![wanted, limit.min(LONGEST_LIST)], |row| {
            let body = row.get_ref(12)?.as_blob()?;
            let group = unpack(body).map_or_else(|_| nothing().group, |Head { group }| group);
            view(row, group, None)
        })
    }

    pub fn show(&mut self, id: EntryId) -> Result<EntryView, StoreError> {
        let sql = format!("{VIEW} WHERE id = ?");
        let read = |row: &Row<'_>| {
            let body = row.get_ref(12)?.as_blob()?;
            let notification: Notification = unpack(body).unwrap_or_else(|_| nothing());
            view(row, notification.group.clone(), Some(notification))
        };
        self.rows(&sql, [id.0], read)?.pop().ok_or(StoreError::NoSuchEntry(id))
    }

    pub fn drop_entry(&mut self, id: EntryId) -> Result<(), StoreError> {
        let view = self.show(id)?;
        if view.state == EntryState::Waiting {
            self.remember(id)?;
        }
        self.change("DELETE FROM entries WHERE id = ?", [id.0])?;
        self.leases.end(id);
        let count = self.count(view.chat.as_str());
        match view.state {
            EntryState::Waiting => count.waiting -= 1,
            EntryState::Dead => count.dead -= 1,
        }
        Ok(())
    }

    pub fn latest(
        &mut self,
        lane: &LaneId,
        group: &GroupId,
    ) -> Result<Option<Notification>, StoreError> {
        let place = place(lane, group);
        match self.waiting(&place).map_err(|error| self.judge(&error))? {
            Some(waiting) => self.body(waiting.id).map(Some),
            None => Ok(self.card(&place)?.map(|card| card.state)),
        }
    }

    pub fn keep_footprint(&mut self, footprint: &Footprint) -> Result<(), StoreError> {
        self.change(
            "INSERT INTO footprints (chat, body) VALUES (?, ?) \
             ON CONFLICT (chat) DO UPDATE SET body = excluded.body",
            params![footprint.chat.0, pack(footprint)?],
        )
        .map(drop)
    }

    pub fn footprints(&mut self) -> Result<Vec<Footprint>, StoreError> {
        let bodies: Vec<Vec<u8>> =
            self.rows("SELECT body FROM footprints", [], |row| row.get(0))?;
        // One that does not read costs at most a 429.
        Ok(bodies.iter().filter_map(|body| unpack(body).ok()).collect())
    }

    pub fn remember_migration(&mut self, from: ChatId, to: ChatId) -> Result<(), StoreError> {
        // A chat that moved back ends a circle; a chain is followed to its end when read.
        self.change("DELETE FROM migrations WHERE from_chat = ?", [to.0])?;
        self.change(
            "INSERT INTO migrations (from_chat, to_chat) VALUES (?, ?) \
             ON CONFLICT (from_chat) DO UPDATE SET to_chat = excluded.to_chat",
            [from.0, to.0],
        )?;
        self.change("UPDATE migrations SET to_chat = ? WHERE to_chat = ?", [to.0, from.0])?;
        Ok(())
    }

    pub fn migrations(&mut self) -> Result<Vec<(ChatId, ChatId)>, StoreError> {
        self.rows("SELECT from_chat, to_chat FROM migrations", [], |row| {
            Ok((ChatId(row.get(0)?), ChatId(row.get(1)?)))
        })
    }

    pub fn remember_topic(
        &mut self,
        chat: ChatId,
        name: &TopicName,
        topic: TopicId,
    ) -> Result<(), StoreError> {
        self.change(
            "INSERT INTO topics (chat, name, topic) VALUES (?, ?, ?) \
             ON CONFLICT (chat, name) DO UPDATE SET topic = excluded.topic",
            params![chat.0, name.as_str(), topic.0],
        )
        .map(drop)
    }

    pub fn forget_topic(&mut self, chat: ChatId, name: &TopicName) -> Result<(), StoreError> {
        let key = params![chat.0, name.as_str()];
        self.change("DELETE FROM topics WHERE chat = ? AND name = ?", key).map(drop)
    }

    pub fn topics(&mut self) -> Result<Vec<(ChatId, TopicName, TopicId)>, StoreError> {
        let rows = self.rows("SELECT chat, name, topic FROM topics", [], |row| {
            let name: String = row.get(1)?;
            Ok((ChatId(row.get(0)?), TopicName::new(&name), TopicId(row.get(2)?)))
        })?;
        Ok(rows.into_iter().filter_map(|(chat, name, topic)| Some((chat, name?, topic))).collect())
    }

    pub fn keep_rejected(&mut self, rejected: &Rejected) -> Result<(), StoreError> {
        self.change("INSERT INTO rejected (body) VALUES (?)", [pack(rejected)?])?;
        self.change(
            "DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?",
            [KEPT_REJECTED],
        )?;
        Ok(())
    }

    pub fn rejected(&mut self) -> Result<Vec<Rejected>, StoreError> {
        let bodies: Vec<Vec<u8>> =
            self.rows("SELECT body FROM rejected ORDER BY id DESC", [], |row| row.get(0))?;
        bodies.iter().map(|body| unpack(body)).collect()
    }

    /// The oldest of what people wait for: a message that only has to be brought up to date keeps
    /// nobody waiting.
    pub fn totals(&mut self) -> Result<Totals, StoreError> {
        let mut totals = Totals::default();
        for (chat, count) in &self.counts {
            let oldest: Option<i64> = self
                .connection
                .prepare_cached(
                    "SELECT min(first_at) FROM entries WHERE state = 0 AND chat = ? AND told = 0",
                )
                .and_then(|mut statement| statement.query_row([chat], |row| row.get(0)).optional())
                .map_err(|error| self.judge(&error))?
                .flatten();
            totals.chats.insert(
                ChatAlias(chat.clone()),
                ChatTotals {
                    waiting: count.waiting,
                    dead: count.dead,
                    oldest_waiting: oldest.map(timestamp),
                },
            );
        }
        Ok(totals)
    }

    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.room_on_disk()?;
        self.room_for_more(1)?;
        // Rewriting a header field is the smallest write that goes through the whole commit.
        let now: i32 = self
            .connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .map_err(|error| self.judge(&error))?;
        self.connection
            .pragma_update(None, "application_id", now)
            .map_err(|error| self.judge(&error))
    }

    /// Reads all rows of a query.
    pub fn rows<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(|error| self.judge(&error))
    }
}

/// A lane from its two columns, the chat's and the topic's behind it.
pub(super) fn lane(row: &Row<'_>, chat: usize) -> rusqlite::Result<LaneId> {
    let topic = match row.get_ref(chat + 1)? {
        ValueRef::Text(_) => {
            let text: String = row.get(chat + 1)?;
            let name = text.strip_prefix(NAMED).and_then(TopicName::new);
            name.map(Topic::Named)
        }
        _ => Some(row.get(chat + 1)?).filter(|n| *n != 0).map(|n| Topic::Number(TopicId(n))),
    };
    Ok(LaneId { chat: ChatAlias(row.get(chat)?), topic })
}

/// What a list needs of a stored notification.
#[derive(Deserialize)]
struct Head {
    group: GroupId,
}

/// Stands for a stored notification that does not read.
pub(super) fn nothing() -> Notification {
    Notification {
        group: GroupId {
            source: Source::Nabat,
            receiver: String::new(),
            key: "unreadable".to_owned(),
        },
        status: Status::Firing,
        reason: Reason::Unknown,
        alerts: Vec::new(),
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        external_url: String::new(),
        truncated_alerts: 0,
    }
}

fn view(
    row: &Row<'_>,
    group: GroupId,
    notification: Option<Notification>,
) -> rusqlite::Result<EntryView> {
    let LaneId { chat, topic } = lane(row, 1)?;
    let class: usize = row.get(5)?;
    Ok(EntryView {
        id: EntryId(row.get(0)?),
        chat,
        topic,
        state: if row.get::<_, i64>(3)? == DEAD { EntryState::Dead } else { EntryState::Waiting },
        group,
        severity: row.get(4)?,
        class: Class::ALL.get(class).copied().unwrap_or_default(),
        merged: row.get(6)?,
        attempts: row.get(7)?,
        first_accepted_at: timestamp(row.get(8)?),
        last_accepted_at: timestamp(row.get(9)?),
        reason: row.get(10)?,
        last_error: row.get(11)?,
        forgotten: Forgotten { ended: row.get(13)?, unlisted: row.get(14)? },
        notification,
    })
}

fn state_number(state: EntryState) -> i64 {
    match state {
        EntryState::Waiting => WAITING,
        EntryState::Dead => DEAD,
    }
}
