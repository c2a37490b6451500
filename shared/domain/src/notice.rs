//! Notices: mail that tells a person what became of something of theirs, such as an issued reward, and the
//! owner of what needs somebody.

use jiff::Timestamp;

use crate::id::{EventId, MailId, RewardId};
use crate::reward::RewardState;
use crate::words::words;

words! {
    /// Why a person is not told.
    pub enum Silence {
        /// No mail address is known.
        NoAddress = "no_address",
        /// The person unsubscribed, or the address does not take mail.
        Suppressed = "suppressed",
        /// There is nothing to tell any more: it was taken back, or somebody has seen to it.
        Withdrawn = "withdrawn",
    }
}

/// Whether to tell a person of an issued reward. What is theirs is told without asking for consent,
/// until they ask for no more mail.
///
/// # Errors
/// The reason not to.
pub fn may_tell(reward: RewardState, has_address: bool, suppressed: bool) -> Result<(), Silence> {
    match reward {
        RewardState::Issued | RewardState::Redeemed => {}
        RewardState::Pending
        | RewardState::Approved
        | RewardState::Rejected
        | RewardState::Cancelled
        | RewardState::ClawedBack
        | RewardState::Failed
        | RewardState::Expired => return Err(Silence::Withdrawn),
    }
    if !has_address {
        return Err(Silence::NoAddress);
    }
    if suppressed {
        return Err(Silence::Suppressed);
    }
    Ok(())
}

/// The id of the mail that tells of a reward that was issued at an instant: the same however often it
/// is written, and found again by whoever has the reward.
#[must_use]
pub fn mail_of_issued(reward: RewardId, issued_at: Timestamp) -> MailId {
    MailId::derived(issued_at, &[&reward.to_bytes(), b"reward_issued"])
}

/// The id of the mail that tells the owner of an event: the same however often it is written.
#[must_use]
pub fn mail_to_owner(event: EventId) -> MailId {
    MailId::derived(event.at(), &[&event.to_bytes(), b"owner"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_against_their_will_or_of_what_they_do_not_have() {
        use RewardState as S;
        for (reward, has_address, suppressed, expected) in [
            (S::Issued, true, false, Ok(())),
            (S::Redeemed, true, false, Ok(())),
            (S::Issued, true, true, Err(Silence::Suppressed)),
            (S::Issued, false, false, Err(Silence::NoAddress)),
            (S::ClawedBack, true, false, Err(Silence::Withdrawn)),
            (S::Expired, true, false, Err(Silence::Withdrawn)),
        ] {
            assert_eq!(
                may_tell(reward, has_address, suppressed),
                expected,
                "{reward}"
            );
        }
    }
}
