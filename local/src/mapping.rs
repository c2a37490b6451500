//! What feeds functions besides HTTP: queues, the table's stream, schedules.

pub(crate) mod queue;
mod report;
pub(crate) mod schedule;
pub(crate) mod stream;
mod subject;
