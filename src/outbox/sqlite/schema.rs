//! The tables, their version, and opening a file that may be foreign, newer or broken.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::memory::{self, Memory};

/// "nabt": marks the file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x6e61_6274;

/// Each step brings the schema one version up; the number of steps is the version.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE entries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    place       BLOB    NOT NULL,           -- hash of lane and group
    chat        TEXT    NOT NULL,
    topic       INTEGER NOT NULL,           -- 0: none; text: a topic that nabat makes
    state       INTEGER NOT NULL,           -- 0 waiting, 1 dead
    severity    INTEGER NOT NULL,
    class       INTEGER NOT NULL,
    first_at    INTEGER NOT NULL,           -- milliseconds since 1970
    last_at     INTEGER NOT NULL,
    merged      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    leased      INTEGER NOT NULL DEFAULT 0,
    version     INTEGER NOT NULL,
    template    TEXT    NOT NULL,
    updates     TEXT    NOT NULL,
    reason      TEXT,
    last_error  TEXT,
    alerts      BLOB    NOT NULL,           -- hashes of the fingerprints in body, sorted
    body        BLOB    NOT NULL            -- the merged notification, packed
);
CREATE UNIQUE INDEX entries_place ON entries (place) WHERE state = 0;
CREATE INDEX entries_order ON entries (state, chat, topic, severity, class, first_at);
CREATE INDEX entries_age ON entries (state, chat, first_at);
CREATE TABLE cards (
    place       BLOB PRIMARY KEY,
    updated_at  INTEGER NOT NULL,
    body        BLOB NOT NULL
);
CREATE INDEX cards_age ON cards (updated_at);
CREATE TABLE recent (
    place       BLOB PRIMARY KEY,
    last_at     INTEGER NOT NULL,
    events      BLOB NOT NULL               -- pairs of 8 bytes: event hash, milliseconds
) WITHOUT ROWID;
CREATE INDEX recent_age ON recent (last_at);
CREATE TABLE migrations (
    from_chat   INTEGER PRIMARY KEY,
    to_chat     INTEGER NOT NULL
);
CREATE TABLE rejected (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    body        BLOB NOT NULL
);
",
    "
-- Looking through the table in turn costs less than keeping it in order of age.
DROP INDEX recent_age;
",
    "
CREATE TABLE topics (
    chat        INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    topic       INTEGER NOT NULL,
    PRIMARY KEY (chat, name)
) WITHOUT ROWID;
",
    "
ALTER TABLE entries ADD COLUMN buttons TEXT;  -- the route's, as words; NULL: the chat's
",
    "
-- News of every severity go before everything else.
DROP INDEX entries_order;
CREATE INDEX entries_order ON entries (state, chat, topic, class, severity, first_at);
",
    "
CREATE TABLE homes (
    kin         BLOB PRIMARY KEY,           -- hash of chat and group
    topic       INTEGER NOT NULL,           -- as of entries
    at          INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX homes_age ON homes (at);
",
    "
CREATE TABLE digests (
    chat        TEXT    NOT NULL,
    topic                NOT NULL,           -- as in entries
    message     INTEGER NOT NULL,
    storm       INTEGER NOT NULL,           -- when it began
    updated_at  INTEGER NOT NULL,
    body        BLOB    NOT NULL,
    PRIMARY KEY (chat, topic, message)
);
CREATE INDEX digests_age ON digests (updated_at);
CREATE TABLE storms (
    chat        TEXT    NOT NULL,
    topic                NOT NULL,
    began_at    INTEGER NOT NULL,
    PRIMARY KEY (chat, topic)
);
CREATE TABLE footprints (
    chat        INTEGER PRIMARY KEY,
    body        BLOB    NOT NULL
);
",
    "
-- As recent.events, while the entry waits; NULL: see there.
ALTER TABLE entries ADD COLUMN events BLOB;
-- 1: people were told what it holds, and a message is left to be brought up to date.
ALTER TABLE entries ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
",
    "
-- Alerts that came and went while the entry waited, beyond what body keeps of them.
ALTER TABLE entries ADD COLUMN forgotten_ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN forgotten_unlisted INTEGER NOT NULL DEFAULT 0;
",
    "
CREATE INDEX entries_dead ON entries (place) WHERE state = 1;
",
];

/// Files up to this size are checked page by page at every start; bigger ones would hold the
/// start up, and show their damage when the damaged page is read.
const CHECKED_AT_START: u64 = 32 << 20;

/// Why the store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "can't use the data directory {path}: {source}; create it, or name another with --storage.path"
    )]
    Directory { path: PathBuf, source: std::io::Error },
    #[error(
        "another nabat (process {owner}) already works on {path}; stop it, or name another --storage.path"
    )]
    Busy { path: PathBuf, owner: String },
    #[error(
        "{path} has schema version {found}, this nabat knows up to {known}; start the newer nabat that wrote it"
    )]
    Newer { path: PathBuf, found: i64, known: usize },
    #[error("{path} is not an outbox of nabat; move it away or name another --storage.path")]
    Foreign { path: PathBuf },
    #[error(
        "{path} is damaged ({detail}); nothing was changed. Restore it from a backup, or move the file and its -wal away to start empty: what it holds is then not delivered"
    )]
    Damaged { path: PathBuf, detail: String },
    #[error("can't open {path}: {source}")]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

/// An opened store: the connection, and the lock that keeps a second instance out.
#[derive(Debug)]
pub(super) struct Opened {
    pub connection: Connection,
    pub path: PathBuf,
    pub lock: File,
}

/// Opens or creates the outbox in `directory`.
pub(super) fn open(directory: &Path) -> Result<Opened, OpenError> {
    let lock = lock(directory)?;
    let path = directory.join("outbox.sqlite3");
    let connection = Connection::open(&path)
        .map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
    prepare(&connection, &path).map_err(|error| explain(error, &path))?;
    Ok(Opened { connection, path, lock })
}

/// An opened store in memory. Its path only names it.
#[derive(Debug)]
pub(super) struct InMemory {
    pub connection: Connection,
    pub path: PathBuf,
}

/// Opens or creates the outbox in `memory`.
pub(super) fn open_in(memory: &Memory) -> Result<InMemory, OpenError> {
    let path = PathBuf::from(&memory.uri);
    let connection = memory::connect(&memory.uri)
        .map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
    prepare(&connection, &path).map_err(|error| explain(error, &path))?;
    Ok(InMemory { connection, path })
}

enum Refusal {
    Open(OpenError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn explain(refusal: Refusal, path: &Path) -> OpenError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match refusal {
        Refusal::Open(error) => error,
        Refusal::Sqlite(source) => match source.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => {
                OpenError::Damaged { path: path.into(), detail: source.to_string() }
            }
            _ => OpenError::Sqlite { path: path.into(), source },
        },
    }
}

fn prepare(connection: &Connection, path: &Path) -> Result<(), Refusal> {
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |r| r.get(0))?;
    if owner != APPLICATION_ID && (tables > 0 || version != 0) {
        return Err(Refusal::Open(OpenError::Foreign { path: path.into() }));
    }
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        return Err(Refusal::Open(OpenError::Newer {
            path: path.into(),
            found: version,
            known: MIGRATIONS.len(),
        }));
    }
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    if bytes > 0 && bytes <= CHECKED_AT_START {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if verdict != "ok" {
            return Err(Refusal::Open(OpenError::Damaged { path: path.into(), detail: verdict }));
        }
    }
    // Without it a statement is compiled anew for each value bound to a column that the condition
    // of a partial index might be about.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // SQLite's own checkpoints keep their errors to themselves: the desk makes them.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -4096)?; // KiB
    for (index, step) in MIGRATIONS.iter().enumerate().skip(done) {
        let version = index + 1;
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step} PRAGMA application_id = {APPLICATION_ID}; \
             PRAGMA user_version = {version}; COMMIT;"
        ))?;
    }
    Ok(())
}

/// Takes the lock file; it names the process that holds it.
fn lock(directory: &Path) -> Result<File, OpenError> {
    let refused = |source| OpenError::Directory { path: directory.into(), source };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(refused)?;
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(directory.join("nabat.lock"))
        .map_err(refused)?;
    if let Err(error) = file.try_lock() {
        return Err(match error {
            std::fs::TryLockError::WouldBlock => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                OpenError::Busy { path: directory.into(), owner: owner.trim().to_owned() }
            }
            std::fs::TryLockError::Error(source) => refused(source),
        });
    }
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "{}", std::process::id());
    Ok(file)
}
