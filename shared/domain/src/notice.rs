//! Notices: mail that tells a person what happened to something of theirs, such as an issued reward.

use crate::survey::SkipReason;

/// Whether to tell a person. What is theirs is told without asking for consent, until they ask for
/// no more mail.
///
/// # Errors
/// The reason not to.
pub fn may_tell(has_address: bool, suppressed: bool) -> Result<(), SkipReason> {
    if !has_address {
        return Err(SkipReason::NoAddress);
    }
    if suppressed {
        return Err(SkipReason::Suppressed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_unsubscribed_is_left_alone() {
        assert_eq!(may_tell(true, false), Ok(()));
        assert_eq!(may_tell(true, true), Err(SkipReason::Suppressed));
        assert_eq!(may_tell(false, false), Err(SkipReason::NoAddress));
    }
}
