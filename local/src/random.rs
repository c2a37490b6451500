//! Random names and secrets.

use kith_edge::Randomness;

/// A version 4 UUID.
pub(crate) fn uuid(randomness: &dyn Randomness) -> String {
    let mut bytes = [0_u8; 16];
    randomness.fill(&mut bytes);
    let hex = u128::from_be_bytes(bytes) & !(0xf << 76) | (4 << 76);
    let hex = format!("{:032x}", hex & !(0x3 << 62) | (0x2 << 62));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// Letters and digits, this many, nearly six bits each.
pub(crate) fn secret(randomness: &dyn Randomness, length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    let mut byte = [0_u8; 1];
    while text.len() < length {
        randomness.fill(&mut byte);
        // Six bits; the two values without a letter are drawn again, so that each is as likely.
        let index = usize::from(u8::from_be_bytes(byte) & 0x3f);
        if let Some(letter) = ALPHABET.get(index) {
            text.push(char::from(*letter));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kith_edge::SystemRandomness;

    #[test]
    fn uuids_have_their_version_and_variant() {
        for _ in 0..64 {
            let uuid = uuid(&SystemRandomness);
            assert_eq!(uuid.len(), 36, "{uuid}");
            assert_eq!(uuid.as_bytes().get(14), Some(&b'4'), "{uuid}");
            assert!(
                matches!(uuid.as_bytes().get(19), Some(b'8' | b'9' | b'a' | b'b')),
                "{uuid}"
            );
        }
    }

    #[test]
    fn secrets_are_as_long_as_asked() {
        let secret = secret(&SystemRandomness, 43);
        assert_eq!(secret.len(), 43);
        assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
