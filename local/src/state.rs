//! What the host itself has to remember: queues, mails, and how far each stream was read.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// The host's own database, shared by queues, mails and checkpoints. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    connection: Arc<Mutex<Connection>>,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        message_id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        sent_ms INTEGER NOT NULL,
        visible_ms INTEGER NOT NULL,
        receives INTEGER NOT NULL DEFAULT 0,
        first_received_ms INTEGER,
        receipt TEXT
    );
    CREATE INDEX IF NOT EXISTS messages_by_time ON messages (queue, visible_ms);
    CREATE TABLE IF NOT EXISTS mails (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        mail TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS checkpoints (
        mapping TEXT PRIMARY KEY,
        sequence_number TEXT NOT NULL
    );
";

impl State {
    /// Opens the database in a file, or in memory.
    ///
    /// # Errors
    /// The file cannot be opened or is no database.
    pub fn open(path: Option<&Path>) -> Result<Self, rusqlite::Error> {
        let connection = match path {
            Some(path) => {
                let connection = Connection::open(path)?;
                // A write-ahead log outlives the process; only a power cut could take messages,
                // and those are wake-ups that the due index repeats.
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "NORMAL")?;
                connection
            }
            None => Connection::open_in_memory()?,
        };
        connection.execute_batch(SCHEMA)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    /// The connection, for as long as the guard lives.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic while it was held rolled its transaction back; the connection is sound.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a mapping has read its stream.
    ///
    /// # Errors
    /// The database failed.
    pub fn checkpoint(&self, mapping: &str) -> Result<Option<String>, rusqlite::Error> {
        use rusqlite::OptionalExtension;
        self.connection()
            .prepare_cached("SELECT sequence_number FROM checkpoints WHERE mapping = ?1")?
            .query_row([mapping], |row| row.get(0))
            .optional()
    }

    /// Notes how far a mapping has read its stream.
    ///
    /// # Errors
    /// The database failed.
    pub fn set_checkpoint(&self, mapping: &str, sequence: &str) -> Result<(), rusqlite::Error> {
        self.connection()
            .prepare_cached("INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2)")?
            .execute([mapping, sequence])
            .map(drop)
    }
}
