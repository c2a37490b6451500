//! A bounded memory of what was read, for as long as it may be believed.

use std::collections::HashMap;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

/// How long what was read is believed, and how long it may stand in when it cannot be read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) fresh: SignedDuration,
    pub(crate) stale: SignedDuration,
}

/// What the cache knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known<V> {
    /// Believed.
    Fresh(V),
    /// Too old to be believed while it can be read again.
    Stale(V),
    /// Nothing.
    Nothing,
}

impl<V> Known<V> {
    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh(_))
    }

    pub(crate) fn any(self) -> Option<V> {
        match self {
            Self::Fresh(value) | Self::Stale(value) => Some(value),
            Self::Nothing => None,
        }
    }
}

/// A bounded map with two generations. What is written goes into the young one; when that is half
/// of the bound, it becomes the old one, and the old one is dropped. So the bound holds, every step
/// is cheap, and what is in use stays, since it is written again whenever it is no longer fresh.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    young: HashMap<K, Entry<V>>,
    old: HashMap<K, Entry<V>>,
    half: usize,
    life: Life,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    read_at: Timestamp,
    fresh_until: Timestamp,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new(entries_max: usize, life: Life) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: entries_max / 2,
            life,
        }
    }

    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Known<V> {
        let Some(entry) = self.young.get(key).or_else(|| self.old.get(key)) else {
            return Known::Nothing;
        };
        if now < entry.fresh_until {
            return Known::Fresh(entry.value.clone());
        }
        if now.duration_since(entry.read_at) < self.life.stale {
            return Known::Stale(entry.value.clone());
        }
        Known::Nothing
    }

    pub(crate) fn put(&mut self, key: K, value: V, now: Timestamp) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        let entry = Entry {
            value,
            read_at: now,
            fresh_until: after(now, self.life.fresh),
        };
        self.young.insert(key, entry);
    }

    /// Believes what is known for a while longer, because it could not be read again.
    pub(crate) fn extend(&mut self, key: &K, now: Timestamp, by: SignedDuration) {
        let entry = match self.young.get_mut(key) {
            Some(entry) => Some(entry),
            None => self.old.get_mut(key),
        };
        if let Some(entry) = entry {
            let end = after(entry.read_at, self.life.stale);
            entry.fresh_until = entry.fresh_until.max(after(now, by).min(end));
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

fn after(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Life = Life {
        fresh: SignedDuration::from_secs(60),
        stale: SignedDuration::from_secs(3_600),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_read_is_believed_for_a_while_and_stands_in_for_longer() {
        let mut cache = Cache::new(10, LIFE);
        assert_eq!(cache.get(&"a", at(0)), Known::Nothing);
        cache.put("a", 1, at(0));
        assert_eq!(cache.get(&"a", at(59)), Known::Fresh(1));
        assert_eq!(cache.get(&"a", at(60)), Known::Stale(1));
        assert_eq!(cache.get(&"a", at(3_599)), Known::Stale(1));
        assert_eq!(cache.get(&"a", at(3_600)), Known::Nothing);
        cache.put("a", 2, at(3_600));
        assert_eq!(cache.get(&"a", at(3_601)), Known::Fresh(2));
    }

    /// A table that is down is not asked by every single click, and yet nothing outlives its hour.
    #[test]
    fn what_cannot_be_read_again_is_believed_longer_but_not_for_ever() {
        let mut cache = Cache::new(10, LIFE);
        cache.put("a", 1, at(0));
        cache.extend(&"a", at(100), SignedDuration::from_secs(5));
        assert_eq!(cache.get(&"a", at(104)), Known::Fresh(1));
        assert_eq!(cache.get(&"a", at(105)), Known::Stale(1));
        cache.extend(&"a", at(3_599), SignedDuration::from_secs(5));
        assert_eq!(cache.get(&"a", at(3_600)), Known::Nothing);
        cache.extend(&"b", at(0), SignedDuration::from_secs(5));
        assert_eq!(cache.get(&"b", at(0)), Known::Nothing);
    }

    #[test]
    fn the_bound_holds_and_the_latest_stay() {
        let mut cache = Cache::new(10, LIFE);
        for number in 0..1_000 {
            cache.put(number, number, at(0));
            assert!(cache.len() <= 10);
        }
        for number in 995..1_000 {
            assert_eq!(cache.get(&number, at(1)), Known::Fresh(number));
        }
        assert_eq!(cache.get(&1, at(1)), Known::Nothing);
    }
}
