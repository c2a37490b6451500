//! Limits of calls: a bucket of tokens in one number, and what the instances of functions take
//! from it.
//!
//! A bucket holds `burst` tokens and gets a new one at even intervals. Instead of counting tokens
//! it is kept until when what was taken lasts ([`Level`]): a token taken moves that instant by an
//! interval, and it may lie at most `burst` intervals ahead (the generic cell rate algorithm). So a
//! bucket needs no clock that ticks and no write while nobody calls.
//!
//! An instance takes several tokens at once ([`Share`]) and serves calls from memory meanwhile. A
//! lease is small at first and doubles while it is used up, so that many instances that serve a
//! call each do not empty a bucket, and a busy one asks rarely. When there is nothing to take, an
//! instance remembers it until a whole lease has come together: calls over a limit cost nothing.

use jiff::Timestamp;

/// The most calls a minute that a limit may allow.
pub const PER_MINUTE_MAX: u32 = 600_000;
/// The most calls at once that a limit may allow.
pub const BURST_MAX: u32 = 600_000;

const MINUTE_US: i64 = 60_000_000;
const SECOND_US: i64 = 1_000_000;
/// How long what was taken may be used: what stays unused is lost.
const LEASE_LIFE_US: i64 = 10 * SECOND_US;
/// How long calls are let through unasked when the table could not be asked.
const TRUCE_US: i64 = SECOND_US;
/// No lease is more than this part of the bucket.
const LEASES_PER_BUCKET: u32 = 20;

/// So many calls in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    per_minute: u32,
    burst: u32,
}

/// Until when what was taken out of a bucket lasts, in microseconds since 1970. It is all that is
/// kept of a bucket; a full one has a level in the past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub i64);

/// Tokens to be taken out of a bucket, as an update with a condition needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taking {
    /// The present instant, in microseconds since 1970.
    pub now: i64,
    /// How far the level moves.
    pub cost: i64,
    /// The highest level that leaves room for it.
    pub ceiling: i64,
}

impl Taking {
    /// The level afterwards, if there is room.
    #[must_use]
    pub fn of(self, level: Option<Level>) -> Option<Level> {
        match level {
            Some(Level(level)) if level > self.now => {
                (level <= self.ceiling).then(|| Level(level.saturating_add(self.cost)))
            }
            Some(_) | None => Some(Level(self.now.saturating_add(self.cost))),
        }
    }
}

impl Limit {
    /// A limit; both numbers are at least one.
    #[must_use]
    pub fn new(per_minute: u32, burst: u32) -> Self {
        Self {
            per_minute: per_minute.clamp(1, PER_MINUTE_MAX),
            burst: burst.clamp(1, BURST_MAX),
        }
    }

    /// How many calls at once.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// How many calls a minute.
    #[must_use]
    pub fn per_minute(self) -> u32 {
        self.per_minute
    }

    /// The same mix of steady and sudden calls for another number of calls a minute; never fewer
    /// than ten at once.
    #[must_use]
    pub fn scaled_to(self, per_minute: u32) -> Self {
        const BURST_MIN: u64 = 10;
        let share = u64::from(per_minute).saturating_mul(u64::from(self.burst));
        let burst = share.checked_div(u64::from(self.per_minute));
        let burst = burst.unwrap_or(BURST_MIN).max(BURST_MIN);
        Self::new(per_minute, u32::try_from(burst).unwrap_or(BURST_MAX))
    }

    /// Microseconds from one token to the next; at least a hundred.
    fn interval(self) -> i64 {
        let per_minute = i64::from(self.per_minute);
        // Rounded up, so that no minute brings one token too many.
        MINUTE_US
            .saturating_add(per_minute.saturating_sub(1))
            .checked_div(per_minute)
            .unwrap_or(MINUTE_US)
    }

    fn worth(self, calls: u32) -> i64 {
        self.interval().saturating_mul(i64::from(calls))
    }

    /// In how many seconds an empty bucket is full again.
    #[must_use]
    pub fn window_seconds(self) -> u32 {
        seconds(self.worth(self.burst))
    }

    /// The most tokens that one instance takes at once.
    #[must_use]
    pub fn lease_max(self) -> u32 {
        self.burst
            .checked_div(LEASES_PER_BUCKET)
            .unwrap_or(1)
            .max(1)
    }

    /// Tokens to be taken now.
    #[must_use]
    pub fn taking(self, calls: u32, now: Timestamp) -> Taking {
        let now = now.as_microsecond();
        let cost = self.worth(calls.min(self.burst));
        Taking {
            now,
            cost,
            ceiling: now
                .saturating_add(self.worth(self.burst))
                .saturating_sub(cost),
        }
    }

    /// How many tokens a bucket holds.
    #[must_use]
    pub fn room(self, level: Level, now: Timestamp) -> u32 {
        let now = now.as_microsecond();
        let taken = level.0.saturating_sub(now).max(0);
        let left = self.worth(self.burst).saturating_sub(taken).max(0);
        let calls = left.checked_div(self.interval()).unwrap_or(0);
        u32::try_from(calls).unwrap_or(self.burst)
    }

    /// In how many seconds a bucket holds this many tokens.
    #[must_use]
    pub fn seconds_until(self, calls: u32, level: Level, now: Timestamp) -> u32 {
        let spare = self.burst.saturating_sub(calls);
        let wait = level
            .0
            .saturating_sub(now.as_microsecond())
            .saturating_sub(self.worth(spare));
        seconds(wait)
    }
}

/// Whole seconds, rounded up.
fn seconds(microseconds: i64) -> u32 {
    let up = microseconds.max(0).saturating_add(SECOND_US - 1);
    let whole = up.checked_div(SECOND_US).unwrap_or(0);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// What one instance has of a bucket, and what it knows of the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Tokens that were taken and not used.
    left: u32,
    /// How many were taken the last time.
    size: u32,
    /// Until when they may be used.
    ends_at: i64,
    /// The bucket's level when it was last heard of. Others may have taken more since.
    level: Level,
    /// Whether there was nothing to take then.
    empty: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It goes on.
    Admitted,
    /// It is refused, and the bucket need not be asked.
    Refused,
    /// The bucket has to be asked for this many tokens.
    Ask(u32),
}

/// What a caller is told of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub limit: Limit,
    /// How many calls are left, as far as this instance knows.
    pub remaining: u32,
    /// In how many seconds there are more: the bucket is full again, or, when nothing is left, the
    /// next call may pass.
    pub seconds: u32,
}

impl Share {
    /// Takes a call.
    pub fn serve(&mut self, limit: Limit, now: Timestamp) -> Step {
        if self.left > 0 && now.as_microsecond() < self.ends_at {
            self.left = self.left.saturating_sub(1);
            return Step::Admitted;
        }
        if self.empty && limit.room(self.level, now) < limit.lease_max() {
            return Step::Refused;
        }
        Step::Ask(self.next(limit))
    }

    /// Twice as many as the last time if they were used up in time, or as many as were used.
    fn next(&self, limit: Limit) -> u32 {
        let wanted = if self.left == 0 {
            self.size.saturating_mul(2)
        } else {
            self.size.saturating_sub(self.left)
        };
        wanted.clamp(1, limit.lease_max())
    }

    /// Where the bucket was when it was last heard of.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Notes that tokens were taken, to a level of the bucket; the next call is served from them.
    pub fn granted(&mut self, calls: u32, level: Level, now: Timestamp) {
        *self = Self {
            left: calls,
            size: calls,
            ends_at: now.as_microsecond().saturating_add(LEASE_LIFE_US),
            level,
            empty: false,
        };
    }

    /// Notes that there was nothing to take.
    pub fn refused(&mut self, level: Level) {
        *self = Self {
            left: 0,
            size: 0,
            ends_at: 0,
            level,
            empty: true,
        };
    }

    /// Notes that the bucket could not be asked: calls pass for a moment, since a limit that fails
    /// must not stop what it protects.
    pub fn unreachable(&mut self, limit: Limit, now: Timestamp) {
        let calls = limit.lease_max();
        *self = Self {
            left: calls,
            size: 1,
            ends_at: now.as_microsecond().saturating_add(TRUCE_US),
            level: self.level,
            empty: false,
        };
    }

    /// What a caller is told.
    #[must_use]
    pub fn standing(&self, limit: Limit, now: Timestamp) -> Standing {
        let room = limit.room(self.level, now);
        if self.empty {
            return Standing {
                limit,
                remaining: 0,
                seconds: limit
                    .seconds_until(limit.lease_max(), self.level, now)
                    .max(1),
            };
        }
        Standing {
            limit,
            remaining: room.saturating_add(self.left).min(limit.burst),
            seconds: limit.seconds_until(limit.burst, self.level, now),
        }
    }
}

#[cfg(test)]
mod tests;
