//! The embedded table: DynamoDB's operations on SQLite, inside this process.

mod operations;
mod stream;

use std::path::PathBuf;
use std::time::Duration;

use dynoxide::actions::describe_table::DescribeTableResponse;
use dynoxide::{Database, DynoxideError};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::template::TableSpec;
pub use stream::StreamRecord;

/// Where a table is kept.
#[derive(Debug, Clone)]
pub enum Location {
    /// In a file; survives the process.
    File(PathBuf),
    /// In memory, under a name of its own within the process.
    Memory(String),
}

/// Why the table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The emulator refused.
    #[error("the embedded table cannot be opened: {0}")]
    Emulator(#[from] DynoxideError),
    /// The database beside it failed.
    #[error("the table's stream cannot be used: {0}")]
    Stream(#[from] rusqlite::Error),
    /// The data is of another template.
    #[error(
        "the table in the data folder was made by another template ({0}); \
         move the folder away or name another one with --data"
    )]
    OtherTemplate(String),
}

/// The table of one bundle. Cheap to clone.
#[derive(Clone)]
pub struct Table {
    database: Database,
    name: String,
    /// Counts writes, so that whoever reads the stream wakes when there is something to read.
    writes: watch::Sender<u64>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Table")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How long DynamoDB keeps a stream's records.
const STREAM_RETENTION: Duration = Duration::from_secs(24 * 3600);

impl Table {
    /// Opens the table, making it as the template says if it is not there yet.
    ///
    /// # Errors
    /// The file cannot be opened, or holds a table of another shape.
    pub fn open(location: &Location, spec: &TableSpec) -> Result<Self, TableError> {
        let path = match location {
            Location::File(path) => path.to_string_lossy().into_owned(),
            // Shared within the process, so that a second connection reaches it for the indexes.
            Location::Memory(name) => format!("file:{name}?mode=memory&cache=shared"),
        };
        let table = Self {
            database: Database::new(&path)?,
            name: spec.name.clone(),
            writes: watch::Sender::new(0),
        };
        table.create_or_compare(spec)?;
        stream::make_cheap(&path, STREAM_RETENTION)?;
        Ok(table)
    }

    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts the writes so far; changes with each one.
    #[must_use]
    pub fn writes(&self) -> watch::Receiver<u64> {
        self.writes.subscribe()
    }

    /// Removes what has expired, as DynamoDB does in the background. Returns how many items.
    ///
    /// # Errors
    /// The database failed.
    pub fn sweep_expired(&self) -> Result<usize, TableError> {
        let swept = self.database.sweep_ttl()?;
        if swept > 0 {
            self.written();
        }
        Ok(swept)
    }

    fn written(&self) {
        self.writes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn create_or_compare(&self, spec: &TableSpec) -> Result<(), TableError> {
        let describe = parse(json!({"TableName": spec.name}))?;
        match self.database.describe_table(describe) {
            Ok(present) => compare(&present, spec),
            Err(DynoxideError::ResourceNotFoundException(_)) => {
                self.database.create_table(parse(spec.create.clone())?)?;
                if let Some(attribute) = &spec.ttl_attribute {
                    self.database.update_time_to_live(parse(json!({
                        "TableName": spec.name,
                        "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true},
                    }))?)?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, DynoxideError> {
    serde_json::from_value(value)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))
}

/// A file made by another template would answer queries wrongly, so it is refused.
fn compare(present: &DescribeTableResponse, spec: &TableSpec) -> Result<(), TableError> {
    let present = serde_json::to_value(present).unwrap_or_default();
    let present = present.get("Table").cloned().unwrap_or_default();
    for member in ["KeySchema", "GlobalSecondaryIndexes"] {
        let wanted = shape(spec.create.get(member));
        let found = shape(present.get(member));
        if wanted != found {
            return Err(TableError::OtherTemplate(member.to_owned()));
        }
    }
    Ok(())
}

/// Keys and names of an index list, in an order of its own.
fn shape(value: Option<&Value>) -> Vec<String> {
    let mut parts: Vec<String> = value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|entry| match entry.get("IndexName") {
            Some(name) => {
                let mut included = shape(entry.pointer("/Projection/NonKeyAttributes"));
                included.sort();
                format!("{name} {:?} {included:?}", shape(entry.get("KeySchema")))
            }
            None => entry.to_string(),
        })
        .collect();
    parts.sort();
    parts
}
