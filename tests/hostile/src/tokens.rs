//! Tokens: what opens was signed here, for this purpose, and reads back as it was written.

use kith_domain::signed::Purpose;
use kith_domain::token::{
    ARMS_MAX, ClickToken, SurveyToken, UnsubscribeToken, open_mail_id, seal_mail_id,
};

use crate::{both_keys, is_ours, text};

const PURPOSES: [Purpose; 5] = [
    Purpose::Click,
    Purpose::Survey,
    Purpose::Unsubscribe,
    Purpose::Cursor,
    Purpose::Mail,
];

/// Reads the bytes as a token of every kind.
pub fn tokens(data: &[u8]) {
    let text = text(data);
    let keys = both_keys();
    let opened: Vec<(Purpose, Vec<u8>)> = PURPOSES
        .into_iter()
        .filter_map(|purpose| Some((purpose, keys.open(purpose, &text)?)))
        .collect();
    assert!(opened.len() <= 1, "it passes for {opened:?}");
    for (purpose, payload) in &opened {
        assert!(
            is_ours(&text, |keys| keys.seal(*purpose, payload)),
            "nobody signed what opens for {purpose:?}"
        );
    }
    if let Some(token) = ClickToken::open(&keys, &text) {
        assert!(token.arms.len() <= ARMS_MAX);
        let sealed = token.seal(&keys);
        assert_eq!(ClickToken::open(&keys, &sealed).as_ref(), Some(&token));
        assert!(is_ours(&text, |keys| token.seal(keys)));
    }
    if let Some(token) = SurveyToken::open(&keys, &text) {
        assert!(is_ours(&text, |keys| token.seal(keys)));
    }
    if let Some(token) = UnsubscribeToken::open(&keys, &text) {
        assert!(is_ours(&text, |keys| token.seal(keys)));
    }
    if let Some(mail) = open_mail_id(&keys, &text) {
        assert!(is_ours(&text, |keys| seal_mail_id(keys, mail)));
    }
    // Whatever the bytes are: as a payload they are signed, and open as what they were.
    for purpose in PURPOSES {
        let sealed = keys.seal(purpose, data);
        match keys.open(purpose, &sealed) {
            Some(payload) => assert_eq!(payload, data),
            None => assert!(sealed.len() > 1_024, "{purpose:?} {}", sealed.len()),
        }
        let mut altered = sealed.into_bytes();
        let at = data.iter().map(|byte| usize::from(*byte)).sum::<usize>() % altered.len();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(keys.open(purpose, &altered), None);
    }
    // Signed by us, and still not a token: nothing that is made of bytes may panic.
    let _ = ClickToken::open(&keys, &keys.seal(Purpose::Click, data));
    let _ = SurveyToken::open(&keys, &keys.seal(Purpose::Survey, data));
    let _ = UnsubscribeToken::open(&keys, &keys.seal(Purpose::Unsubscribe, data));
    let _ = open_mail_id(&keys, &keys.seal(Purpose::Mail, data));
}
