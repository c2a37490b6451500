#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Signatures that others made: `published` ones stand in the tests of the specification's own libraries.
const VECTORS: &str = include_str!("vectors.json");

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::parse(text).unwrap()
}

fn vectors() -> Vec<Value> {
    serde_json::from_str(VECTORS).unwrap()
}

fn headers_of(vector: &Value) -> HeaderMap {
    let given = vector["headers"].as_object().unwrap();
    given
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.as_str().unwrap().parse().unwrap())
        })
        .collect()
}

#[test]
fn the_vectors_are_judged_as_they_say() {
    for vector in vectors() {
        let headers = headers_of(&vector);
        let secrets = [secret(vector["secret"].as_str().unwrap())];
        let body = vector["body"].as_str().unwrap().as_bytes();
        let now = at(vector["now"].as_i64().unwrap());
        let verified = verify(&headers, &secrets, body, now);
        let expected = vector["expect"] == "accept";
        assert_eq!(verified.is_ok(), expected, "{}: {verified:?}", vector["id"]);
        if expected {
            assert_eq!(verified.unwrap(), vector["headers"]["webhook-id"]);
        }
    }
}

/// The same in the other direction.
#[test]
fn published_signatures_are_made() {
    let mut made = 0;
    for vector in vectors() {
        if vector["status"] != "published" {
            continue;
        }
        let expected = headers_of(&vector);
        let headers = headers(
            &[secret(vector["secret"].as_str().unwrap())],
            expected[ID_HEADER].to_str().unwrap(),
            at(vector["now"].as_i64().unwrap()),
            vector["body"].as_str().unwrap().as_bytes(),
        );
        assert_eq!(headers.unwrap(), expected);
        made += 1;
    }
    assert_eq!(made, 2);
}

/// While a secret is being replaced, receivers with either one believe the message, and others do not.
#[test]
fn a_message_is_signed_by_the_new_secret_and_the_old_one() {
    let (new, old) = (Secret::of_random([7; 32]), secret(KEY));
    let both = [new.clone(), old.clone()];
    let headers = headers(&both, "evt_1", at(1_000), b"{}").unwrap();
    let signatures: Vec<&str> = headers[SIGNATURE_HEADER]
        .to_str()
        .unwrap()
        .split(' ')
        .collect();
    let alone = |secret: &Secret| sign(std::slice::from_ref(secret), "evt_1", at(1_000), b"{}");
    assert_eq!(signatures, [alone(&new).unwrap(), alone(&old).unwrap()]);
    for secrets in [&[new][..], &[old], &both, &[secret(OTHER_KEY), secret(KEY)]] {
        assert_eq!(verify(&headers, secrets, b"{}", at(1_000)), Ok("evt_1"));
    }
    for secrets in [&[][..], &[secret(OTHER_KEY)]] {
        assert_eq!(
            verify(&headers, secrets, b"{}", at(1_000)),
            Err(Unverified::Signature)
        );
    }
}

#[test]
fn five_minutes_are_good_both_ways_and_no_more() {
    let secrets = [secret(KEY)];
    let headers = headers(&secrets, "evt_1", at(1_000), b"").unwrap();
    for (now, expected) in [
        (at(700), Ok("evt_1")),
        (at(1_300), Ok("evt_1")),
        (at(699), Err(Unverified::Stale)),
        (at(1_301), Err(Unverified::Stale)),
        (Timestamp::from_millisecond(1_300_999).unwrap(), Ok("evt_1")),
    ] {
        assert_eq!(verify(&headers, &secrets, b"", now), expected, "{now}");
    }
}

#[test]
fn headers_must_be_there_once_and_of_their_form() {
    let secrets = [secret(KEY)];
    let good = headers(&secrets, "evt_1", at(1_000), b"").unwrap();
    let judge = |headers: &HeaderMap| verify(headers, &secrets, b"", at(1_000)).map(str::to_owned);
    assert!(judge(&good).is_ok());
    for name in [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER] {
        let mut fewer = good.clone();
        fewer.remove(&name);
        assert_eq!(judge(&fewer), Err(Unverified::Headers), "{name}");
        let mut more = good.clone();
        more.append(&name, good[&name].clone());
        assert_eq!(judge(&more), Err(Unverified::Headers), "{name}");
    }
    for (name, value) in [
        (ID_HEADER, ""),
        (ID_HEADER, "evt.1"),
        (TIMESTAMP_HEADER, "+1000"),
        (TIMESTAMP_HEADER, "01000"),
        (TIMESTAMP_HEADER, "1e3"),
        (TIMESTAMP_HEADER, "-1000"),
        (TIMESTAMP_HEADER, "99999999999999999999"),
        (TIMESTAMP_HEADER, ""),
    ] {
        let mut bad = good.clone();
        bad.insert(&name, HeaderValue::from_static(value));
        assert_eq!(judge(&bad), Err(Unverified::Headers), "{name}: {value}");
    }
}

/// With a dot in the id, `a.1` at 2 and `a` at 1 with the body `2.…` would be signed alike.
#[test]
fn ids_without_a_dot_and_with_a_secret_are_signed() {
    let secrets = [secret(KEY)];
    let longest = "i".repeat(MESSAGE_ID_BYTES_MAX);
    assert!(sign(&secrets, &longest, at(1), b"").is_ok());
    for id in ["", "a.1", "a b", "ä", "a\n", &format!("{longest}i")] {
        assert_eq!(
            sign(&secrets, id, at(1), b""),
            Err(Unsignable::MessageId),
            "{id}"
        );
        assert_eq!(
            headers(&secrets, id, at(1), b""),
            Err(Unsignable::MessageId)
        );
    }
    assert_eq!(sign(&[], "a", at(1), b""), Err(Unsignable::NoSecret));
}

#[test]
fn secrets_have_one_form() {
    for bytes in [24, 25, 26, 32, 64] {
        let text = format!("whsec_{}", STANDARD.encode(vec![9; bytes]));
        assert_eq!(Secret::parse(&text).unwrap().reveal(), text);
    }
    for bytes in [0, 1, 23, 65, 66, 4_000] {
        let text = format!("whsec_{}", STANDARD.encode(vec![9; bytes]));
        assert_eq!(Secret::parse(&text), Err(BadSecret), "{bytes}");
    }
    for text in [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA",
    ] {
        assert_eq!(Secret::parse(text), Err(BadSecret), "{text}");
    }
    assert_eq!(
        Secret::of_random([1; 32]).reveal(),
        "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
    );
}

#[test]
fn secrets_are_compared_and_never_printed() {
    assert_eq!(secret(KEY), secret(KEY));
    assert_ne!(secret(KEY), secret(OTHER_KEY));
    assert_ne!(Secret::of_random([1; 32]), secret(KEY));
    assert_eq!(format!("{:?}", secret(KEY)), "Secret(…)");
    assert_eq!(format!("{:?}", [secret(KEY)]), "[Secret(…)]");
}

proptest! {
    /// What was signed is believed; with any bit of any part changed it is not.
    #[test]
    fn a_changed_message_is_not_believed(
        key in any::<[u8; 32]>(),
        id in "[a-z0-9_]{1,40}",
        second in 0_i64..4_000_000_000,
        body in proptest::collection::vec(any::<u8>(), 1..200),
        flipped in any::<proptest::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let secrets = [Secret::of_random(key)];
        let headers = headers(&secrets, &id, at(second), &body).unwrap();
        prop_assert_eq!(verify(&headers, &secrets, &body, at(second)), Ok(id.as_str()));

        let mut changed = body.clone();
        changed[flipped.index(body.len())] ^= 1_u8.rotate_left(bit);
        prop_assert_eq!(verify(&headers, &secrets, &changed, at(second)), Err(Unverified::Signature));

        let mut later = headers.clone();
        later.insert(TIMESTAMP_HEADER, HeaderValue::from(second + 1));
        prop_assert_eq!(verify(&later, &secrets, &body, at(second)), Err(Unverified::Signature));

        let mut renamed = headers.clone();
        renamed.insert(ID_HEADER, HeaderValue::from_str(&format!("{id}x")).unwrap());
        prop_assert_eq!(verify(&renamed, &secrets, &body, at(second)), Err(Unverified::Signature));

        let mut key = key;
        key[flipped.index(32)] ^= 1_u8.rotate_left(bit);
        let others = [Secret::of_random(key)];
        prop_assert_eq!(verify(&headers, &others, &body, at(second)), Err(Unverified::Signature));
    }
}
