//! What becomes of a reward when the shop has answered, or has not.

use jiff::{SignedDuration, Timestamp};

use super::handed::{Handed, handed};
use super::{Asked, Fulfilment, Progress, Question, Verdict};
use crate::code::VoucherCode;
use crate::money::Money;
use crate::program::ProgramState;
use crate::reward::{Reward, RewardError, RewardEvent, RewardState};
use crate::text::Name;
use crate::webhook::Attempt;

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// How it ended.
    pub attempt: Attempt,
    /// How long the shop asks to be left alone.
    pub retry_after: Option<SignedDuration>,
    /// What the shop calls what it has done.
    pub receipt: Option<Name>,
    /// The voucher that it has made.
    pub code: NamedCode,
}

/// The code that an answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedCode {
    /// None, or one for a reward that is no voucher.
    None,
    /// One that can be this reward's.
    Good(VoucherCode),
    /// One that cannot, and why.
    Bad(&'static str),
}

/// What is written after a try.
#[derive(Debug, Clone, PartialEq)]
pub enum Noted {
    /// How far the question is; the reward stands where it stood.
    Kept(Reward),
    /// The shop has agreed, and the reward is released.
    Approved(Reward),
    /// The shop has not agreed.
    Rejected(Reward),
    /// The shop has refused, or did not answer until the last time.
    Failed(Reward),
    /// The shop has carried it out.
    Given(Box<Handed>),
}

/// What becomes of a reward after a try, whatever has happened to it since it was begun; `None` if
/// another try tells. `unit_cost` is what its rule says that a piece costs.
///
/// # Errors
/// [`RewardError`], which no caller ever sees: every event here is one that its state allows.
pub fn note(
    reward: &Reward,
    (asked, answered): (&Asked, &Answered),
    program: ProgramState,
    unit_cost: Option<Money>,
    (now, by): (Timestamp, &str),
) -> Result<Option<Noted>, RewardError> {
    let Some(present) = reward.fulfilment.as_ref() else {
        return Ok(None);
    };
    if !present.is_asking(asked) {
        return Ok(None);
    }
    let mut fulfilment = present.answered(reward.id, answered, now);
    let verdict = Verdict::of(&answered.attempt);
    if (asked.question, verdict) == (Question::Validate, Verdict::Done) {
        fulfilment.validated = true;
    }
    let progress = fulfilment.progress;
    let next = with(reward, fulfilment);
    let moved = |event, reason: Option<String>| next.after(event, now, by, reason.as_deref());
    let ending = answered.attempt.ending();
    let is_pending = reward.state == RewardState::Pending;
    let is_approved = reward.state == RewardState::Approved;
    // Asked again, or withdrawn, or decided by hand: whatever it became, it stays.
    let noted = match (asked.question, verdict) {
        (Question::Validate, Verdict::Done) => {
            let is_released = program == ProgramState::Active && now >= reward.release_at;
            if is_pending && is_released {
                moved(RewardEvent::HoldElapsed, None)?.map(Noted::Approved)
            } else {
                None
            }
        }
        (Question::Validate, Verdict::Refused) if is_pending => {
            let reason = format!("refused by the shop: {ending}");
            moved(RewardEvent::Reject, Some(reason))?.map(Noted::Rejected)
        }
        (Question::Fulfil, Verdict::Done) => {
            let given = handed(reward, &next, (asked, answered), unit_cost, (now, by))?;
            match given {
                Ok(given) => given.map(|given| Noted::Given(Box::new(given))),
                Err(why) => {
                    moved(RewardEvent::DisbursementFailed, Some(why.to_owned()))?.map(Noted::Failed)
                }
            }
        }
        (Question::Fulfil, Verdict::Refused) if is_approved => {
            let reason = format!("the shop refused it: {ending}");
            moved(RewardEvent::DisbursementFailed, Some(reason))?.map(Noted::Failed)
        }
        (Question::Fulfil, Verdict::Again) if is_approved && progress == Progress::GivenUp => {
            let reason = format!("the shop did not take it, the last time: {ending}");
            moved(RewardEvent::DisbursementFailed, Some(reason))?.map(Noted::Failed)
        }
        (Question::Validate | Question::Fulfil, Verdict::Refused | Verdict::Again) => None,
    };
    Ok(Some(noted.unwrap_or(Noted::Kept(next))))
}

fn with(reward: &Reward, fulfilment: Fulfilment) -> Reward {
    Reward {
        fulfilment: Some(Box::new(fulfilment)),
        version: reward.version.saturating_add(1),
        ..reward.clone()
    }
}
