//! A bounded memory: what was not used for longest is forgotten first.

use std::collections::HashMap;
use std::hash::Hash;

/// A bounded map with two generations. What is written or looked at is in the young one; when that
/// is half of the bound, it becomes the old one, and the old one is dropped.
#[derive(Debug)]
pub struct Bounded<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V> Bounded<K, V> {
    /// A memory of so many entries at most.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: entries_max / 2,
        }
    }

    /// What is known under a key, made first if need be.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let known = self.old.remove(&key);
        if !self.young.contains_key(&key) && self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young
            .entry(key)
            .or_insert_with(|| known.unwrap_or_else(make))
    }

    /// What is known under a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Remembers this in place of what was known.
    pub fn put(&mut self, key: K, value: V) {
        self.remove(&key);
        self.entry(key, || value);
    }

    /// Forgets what is known under a key.
    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_what_is_used_stays() {
        let mut known = Bounded::new(10);
        known.put("a", 0);
        for number in 0..1_000 {
            let name: &'static str = Box::leak(number.to_string().into_boxed_str());
            known.put(name, number);
            assert!(known.young.len() + known.old.len() <= 10);
            *known.entry("a", || panic!("it was forgotten")) += 1;
        }
        assert_eq!(known.get(&"a"), Some(&1_000));
        assert_eq!(known.get(&"1"), None);
        known.remove(&"a");
        assert_eq!(known.get(&"a"), None);
    }
}
