//! What feeds functions besides HTTP: queues, the table's stream, schedules.

pub(crate) mod queue;
pub mod report;
pub(crate) mod schedule;
pub(crate) mod stream;
mod subject;

pub use queue::queue_event;
pub use schedule::schedule_event;
pub use stream::stream_event;
