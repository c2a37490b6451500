//! What goes wrong, by name.

use std::collections::BTreeMap;
use std::fmt;

/// A fault of a request that a function makes, or of what feeds functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The process ends before the request is sent.
    CrashBefore,
    /// The process ends after the request took effect, before the answer is read.
    CrashAfter,
    /// The request is lost; the caller sees a timeout.
    LostBefore,
    /// The answer is lost; the caller sees a timeout.
    LostAfter,
    /// The caller sees a timeout, and the request takes effect later.
    Late,
    /// The service is throttled.
    Throttled,
    /// Another transaction holds an item.
    Conflict,
    /// An index has not heard of the last minute yet.
    StaleIndex,
    /// SQS takes a part of a batch only.
    PartlySent,
    /// A function does not end in time.
    TimedOut,
    /// A request of a client does not arrive.
    RequestLost,
    /// A client never hears the answer.
    AnswerLost,
    /// A client sends the same at the same time again.
    SentTwice,
    /// A message is handed over twice.
    MessageTwice,
    /// A message is handed over out of order, or late.
    MessageLate,
    /// A message is gone.
    MessageLost,
    /// A batch of the stream is handed over again although it was dealt with.
    BatchTwice,
    /// A batch of the stream is given up.
    BatchLost,
    /// The schedule fires while its last run is under way.
    ScheduleTwice,
    /// The process that looks at a clock has one that is fast or slow.
    Skewed,
    /// Time passes while work is under way.
    Stalled,
    /// An endpoint of webhooks answers 500.
    EndpointRefuses,
    /// It does not answer.
    EndpointHangs,
    /// It takes the message, and the connection breaks before it says so.
    EndpointForgets,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How often what happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(BTreeMap<Fault, u64>);

impl Tally {
    pub(crate) fn note(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    pub(crate) fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (fault, times) in &other.0 {
            *self.0.entry(*fault).or_default() += times;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Fault, u64)> {
        self.0.iter().map(|(fault, times)| (*fault, *times))
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}
