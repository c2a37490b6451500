//! Inputs made of others by chance: repeatable, by a seed.

use serde_json::{Map, Number, Value};

/// Texts that have been trouble somewhere.
const TEXTS: [&str; 36] = [
    "",
    " ",
    "0",
    "-1",
    "null",
    "true",
    "\0",
    "\u{7f}",
    "\r\nX: y",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "ä",
    "ß",
    "İ",
    "ſ",
    "K",
    "😀",
    "%00",
    "%",
    "%2e%2e%2f",
    "../",
    "//",
    "\\\\",
    "~",
    "~1",
    "#",
    "?",
    "&",
    "=",
    "+",
    "@",
    "a@b@c.example",
    "xn--",
    "9223372036854775808",
    "1e400",
];
const NUMBERS: [i64; 20] = [
    0,
    1,
    -1,
    2,
    7,
    10,
    99,
    100,
    101,
    255,
    256,
    1_000,
    10_000,
    10_001,
    1_000_000_000,
    1_000_000_000_000_000,
    1_000_000_000_000_001,
    i64::MAX,
    i64::MIN,
    4_294_967_296,
];
const INSTANTS: [&str; 6] = [
    "2026-03-01T12:00:00Z",
    "1970-01-01T00:00:00Z",
    "9999-12-30T22:00:00Z",
    "-009999-01-02T01:59:59Z",
    "2024-02-29T23:59:60Z",
    "2026-03-01T12:00:00+25:00",
];
/// No input gets longer by itself.
const BYTES_MAX: usize = 16_384;
/// How often a JSON value is put into another.
const NESTED_MAX: usize = 40;

/// Numbers by chance that are the same for the same seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, 0 below 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound.max(1) as u64)) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, of: &'a [&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Another input, made of this one: of its values if it is JSON, and mostly of its bytes otherwise.
#[must_use]
pub fn mutate(data: &[u8], random: &mut Random) -> Vec<u8> {
    let mut made = data.to_vec();
    for _ in 0..=random.below(3) {
        // What stands behind an empty line may be JSON by itself.
        let at = made.windows(2).position(|pair| pair == b"\n\n");
        let at = at.map_or(0, |at| at + 2);
        let value: Option<Value> = serde_json::from_slice(&made[at..]).ok();
        match value {
            Some(mut value) if random.below(8) > 0 => {
                change(&mut value, random);
                made.truncate(at);
                made.extend(value.to_string().into_bytes());
            }
            _ => change_bytes(&mut made, random),
        }
        made.truncate(BYTES_MAX);
    }
    made
}

/// Changes one value somewhere in a value.
fn change(value: &mut Value, random: &mut Random) {
    let others: Vec<Value> = all(value).into_iter().cloned().collect();
    let at = random.below(others.len());
    let mut left = at;
    let Some(chosen) = nth(value, &mut left) else {
        return;
    };
    match chosen {
        Value::Object(members) if random.below(3) > 0 => {
            let names: Vec<String> = members.keys().cloned().collect();
            match random.below(4) {
                0 => {
                    if let Some(name) = names.get(random.below(names.len())) {
                        members.remove(name);
                    }
                }
                1 => {
                    members.insert(hostile_text(random), hostile(random));
                }
                2 => {
                    if let Some(name) = names.get(random.below(names.len())) {
                        let moved = members.remove(name).unwrap_or_default();
                        members.insert(hostile_text(random), moved);
                    }
                }
                _ => {
                    if let Some(name) = names.get(random.below(names.len())) {
                        let other = others[random.below(others.len())].clone();
                        members.insert(name.clone(), other);
                    }
                }
            }
        }
        Value::Array(values) if random.below(3) > 0 => {
            let index = random.below(values.len());
            match random.below(3) {
                0 if !values.is_empty() => _ = values.remove(index),
                1 if !values.is_empty() => {
                    let times = 1 << random.below(7);
                    let again = values[index].clone();
                    values.extend(std::iter::repeat_n(again, times));
                }
                _ => values.push(others[random.below(others.len())].clone()),
            }
        }
        Value::String(text) if random.below(2) > 0 => {
            let mut bytes = std::mem::take(text).into_bytes();
            change_bytes(&mut bytes, random);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        Value::Number(number) if random.below(2) > 0 => {
            let near = number.as_i64().unwrap_or_default();
            let by = [-1, 1, 2, 10][random.below(4)];
            let near = if random.below(2) > 0 {
                near.wrapping_add(by)
            } else {
                near.wrapping_mul(by)
            };
            *number = near.into();
        }
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_)) => {
            *other = match random.below(6) {
                0 => others[random.below(others.len())].clone(),
                1 => nested(other, random),
                _ => hostile(random),
            }
        }
    }
}

fn nested(value: &Value, random: &mut Random) -> Value {
    let mut nested = value.clone();
    for _ in 0..=random.below(NESTED_MAX) {
        nested = if random.below(2) > 0 {
            Value::Array(vec![nested])
        } else {
            Value::Object(Map::from_iter([("a".to_owned(), nested)]))
        };
    }
    nested
}

fn hostile(random: &mut Random) -> Value {
    match random.below(9) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) > 0),
        2 => Number::from_f64(0.5).map_or(Value::Null, Value::Number),
        3 => Value::Array(Vec::new()),
        4 => Value::Object(Map::new()),
        5 | 6 => NUMBERS[random.below(NUMBERS.len())].into(),
        7 => random.of(&INSTANTS).into(),
        _ => hostile_text(random).into(),
    }
}

fn hostile_text(random: &mut Random) -> String {
    let text = random.of(&TEXTS);
    match random.below(8) {
        0 => text.repeat(1 << random.below(10)),
        1 => format!("{text}{}", random.of(&TEXTS)),
        _ => text.to_owned(),
    }
}

fn all(value: &Value) -> Vec<&Value> {
    let mut found = vec![value];
    match value {
        Value::Array(values) => found.extend(values.iter().flat_map(all)),
        Value::Object(members) => found.extend(members.values().flat_map(all)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

/// The value at a place in the order of [`all`].
fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(values) => values.iter_mut().find_map(|value| nth(value, left)),
        Value::Object(members) => members.values_mut().find_map(|value| nth(value, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn change_bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let until = at + random.below(bytes.len() - at + 1).min(64);
    match random.below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
        2 => _ = bytes.drain(at..until),
        3 => {
            let again: Vec<u8> = bytes[at..until].repeat(1 << random.below(6));
            let place = random.below(bytes.len() + 1);
            bytes.splice(place..place, again);
        }
        4 => bytes.truncate(at),
        5 => bytes.make_ascii_uppercase(),
        _ => {
            let text = hostile_text(random);
            bytes.splice(at..at, text.into_bytes());
        }
    }
}
