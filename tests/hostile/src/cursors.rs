//! Cursors: good for the list that wrote them, and for nothing else.

use kith_store::cursor;

use crate::{both_keys, is_ours, text};

const LISTS: [&str; 3] = ["rewards?", "rewards?state=issued", "conversions?"];

/// Reads the bytes as a cursor of every list, and as a position.
pub fn cursors(data: &[u8]) {
    let text = text(data);
    let keys = both_keys();
    let good: Vec<&str> = LISTS
        .into_iter()
        .filter(|list| {
            let Ok(position) = cursor::read(&keys, list, &text) else {
                return false;
            };
            assert!(
                is_ours(&text, |keys| cursor::write(keys, list, &position)),
                "nobody wrote what is read"
            );
            true
        })
        .collect();
    assert!(good.len() <= 1, "it is good for {good:?}");
    let written = cursor::write(&keys, LISTS[0], &text);
    match cursor::read(&keys, LISTS[0], &written) {
        Ok(position) => assert_eq!(position, text),
        Err(_) => assert!(written.len() > 5_120, "{}", written.len()),
    }
    assert!(cursor::read(&keys, LISTS[1], &written).is_err());
    let at = text.len() * 7 % written.len();
    let (before, rest) = written.split_at(at);
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    let altered = format!("{before}{other}{}", &rest[1..]);
    assert!(cursor::read(&keys, LISTS[0], &altered).is_err());
    let shorter = &written[..written.len() - 1];
    assert!(cursor::read(&keys, LISTS[0], shorter).is_err());
}
