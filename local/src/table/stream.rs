//! The table's stream, and what makes it cheap.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Table, TableError, parse};

/// What the emulator calls the account's region and number in its own ARNs.
const EMULATOR_ARN: &str = "arn:aws:dynamodb:dynoxide:000000000000:table";

/// Two indexes that the emulator's own statements use, though it does not make them: without the
/// first, each write reads every earlier stream record of the table; without the second, each read
/// of the stream does. `the_streams_statements_use_the_indexes` tells when a new version of the
/// emulator makes them unnecessary or impossible.
const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS kith_stream_by_table
        ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
    CREATE INDEX IF NOT EXISTS kith_stream_by_shard
        ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));
";

/// Makes the indexes from a connection of our own, and forgets records older than the retention.
pub(super) fn make_cheap(path: &str, retention: Duration) -> Result<(), TableError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(INDEXES)?;
    connection.execute(
        "DELETE FROM _stream_records WHERE created_at < unixepoch() - ?1",
        [i64::try_from(retention.as_secs()).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}

/// One record of the stream, in the shape in which Lambda hands it to a function.
#[derive(Debug, Clone)]
pub struct StreamRecord {
    /// Its place in the stream.
    pub sequence_number: String,
    /// The record.
    pub record: Value,
}

impl Table {
    /// Reads up to 1,000 records after a sequence number, or from the beginning.
    ///
    /// # Errors
    /// The database failed, or the number was never given out.
    pub fn stream_after(
        &self,
        sequence_number: Option<&str>,
        source_arn: &str,
        region: &str,
    ) -> Result<Vec<StreamRecord>, TableError> {
        let iterator = match sequence_number {
            None => json!({"ShardIteratorType": "TRIM_HORIZON"}),
            Some(number) => json!({
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number
            }),
        };
        let mut request = iterator;
        if let Some(request) = request.as_object_mut() {
            let name = &self.name;
            request.insert(
                "StreamArn".to_owned(),
                json!(format!("{EMULATOR_ARN}/{name}/stream/local")),
            );
            request.insert(
                "ShardId".to_owned(),
                json!(dynoxide::streams::shard_id(name)),
            );
        }
        let iterator = self.database.get_shard_iterator(parse(request)?)?;
        let page = self.database.get_records(parse(json!({
            "ShardIterator": iterator.shard_iterator, "Limit": 1000
        }))?)?;
        Ok(page
            .records
            .iter()
            .map(|record| {
                let mut value = serde_json::to_value(record).unwrap_or_default();
                if let Some(members) = value.as_object_mut() {
                    members.insert("eventSourceARN".to_owned(), json!(source_arn));
                    members.insert("awsRegion".to_owned(), json!(region));
                }
                StreamRecord {
                    sequence_number: record.dynamodb.sequence_number.clone(),
                    record: value,
                }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::table::Location;
    use crate::template::TableSpec;

    fn spec() -> TableSpec {
        TableSpec {
            name: "test".to_owned(),
            create: json!({
                "TableName": "test", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
            }),
            ttl_attribute: None,
            has_stream: true,
        }
    }

    fn put(table: &Table, pk: &str) {
        let body = json!({"TableName": "test", "Item": {"pk": {"S": pk}}}).to_string();
        let answer = table.call("PutItem", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// The statements are the emulator's, repeated here: if a new version words them otherwise or
    /// brings its own indexes, the indexes above are to be thought over.
    #[test]
    fn the_streams_statements_use_the_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.db");
        let table = Table::open(&Location::File(path.clone()), &spec()).unwrap();
        put(&table, "a");

        let connection = Connection::open(path).unwrap();
        let own: i64 = connection
            .query_row(
                "SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' \
                 AND tbl_name = '_stream_records' AND name NOT LIKE 'kith_%'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(own, 0, "the emulator makes indexes of its own now");
        let plan = |statement: &str| -> String {
            let mut prepared = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap();
            let steps: Vec<String> = prepared
                .query_map([], |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            steps.join("; ")
        };
        let next = plan(
            "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 \
             FROM _stream_records WHERE table_name = 'test'",
        );
        assert!(next.contains("kith_stream_by_table"), "{next}");
        let read = plan(
            "SELECT event_name FROM _stream_records \
             WHERE table_name = 'test' AND shard_id = 's' AND CAST(sequence_number AS INTEGER) > 5 \
             ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT 10",
        );
        assert!(read.contains("kith_stream_by_shard"), "{read}");
        assert!(!read.contains("TEMP B-TREE"), "{read}");
    }

    /// The rows that SQLite steps through for a write must not grow with the stream.
    #[test]
    fn a_write_costs_the_same_after_thousands() {
        let table = Table::open(&Location::Memory("stream-cost".to_owned()), &spec()).unwrap();
        let hundred = |from: usize| {
            let started = std::time::Instant::now();
            for index in from..from.saturating_add(100) {
                put(&table, &index.to_string());
            }
            started.elapsed()
        };
        // The fastest of several rounds: a busy machine slows some of them, never speeds one up.
        let early = (0..5).map(|round| hundred(round * 100)).min().unwrap();
        for index in 1_000..6_000 {
            put(&table, &index.to_string());
        }
        let late = (0..5)
            .map(|round| hundred(10_000 + round * 100))
            .min()
            .unwrap();
        assert!(
            late < early.saturating_mul(4),
            "100 puts took {early:?} at first and {late:?} after thousands"
        );
    }

    #[test]
    fn the_stream_resumes_after_a_sequence_number() {
        let table = Table::open(&Location::Memory("stream-resume".to_owned()), &spec()).unwrap();
        put(&table, "a");
        put(&table, "b");
        put(&table, "b");
        let all = table.stream_after(None, "arn:x", "local").unwrap();
        let kinds: Vec<&str> = all
            .iter()
            .map(|record| record.record.get("eventName").unwrap().as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["INSERT", "INSERT", "MODIFY"]);
        let first = all.first().unwrap();
        let rest = table
            .stream_after(Some(&first.sequence_number), "arn:x", "local")
            .unwrap();
        assert_eq!(rest.len(), 2);
        let record = &first.record;
        assert_eq!(record.pointer("/dynamodb/NewImage/pk/S").unwrap(), "a");
        assert_eq!(record.get("eventSourceARN").unwrap(), "arn:x");
    }
}
