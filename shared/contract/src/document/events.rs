use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{AuditEntry, Event, List};
use crate::requests::{AuditFilter, EventFilter};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Events",
    about: "What happened in a program, and who did what.",
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::LIST_EVENTS, TAG.name, "List events")
            .about("Oldest first, each once; events are kept for as long as the program. `next_cursor` is always there: at the end it is where the next event will be, and whoever goes on behind it misses nothing, although what is recorded at the same time appears in any order. Within a minute at most 256 changes are told; a reader who is faster gets an empty page and asks again.")
            .query::<EventFilter>()
            .answers::<List<Event>>(200, "A page of events.")
            .yields("event", "/data/0/id"),
        op(&routes::LIST_AUDIT, TAG.name, "List the audit log of a program")
            .about("Who did what to which object of the program, its keys included, newest first.")
            .query::<AuditFilter>()
            .answers::<List<AuditEntry>>(200, "A page of the log."),
        op(&routes::LIST_OPERATOR_AUDIT, TAG.name, "List the operator's audit log")
            .about("What the operator did outside any program, in the mode of the key, newest first.")
            .query::<AuditFilter>()
            .answers::<List<AuditEntry>>(200, "A page of the log."),
    ]
}
