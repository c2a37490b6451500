//! Rewards: what a party earns for one conversion, and the life of it.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::code::VoucherCode;
use crate::fulfilment::{Fulfilment, ShopWait};
use crate::id::{ConversionId, ParticipantId, ProgramId, ReferralId, RewardId};
use crate::incentive::Limit;
use crate::money::{Money, Sku, Unit};
use crate::program::{ProgramState, days};
use crate::text::Slug;
use crate::words::words;

words! {
    /// Where a reward is in its life.
    pub enum RewardState {
        /// Held until `release_at`.
        Pending = "pending",
        /// Released, waiting for its disbursement.
        Approved = "approved",
        /// Disbursed: in the balance, or made as a voucher.
        Issued = "issued",
        /// Used: paid out, voucher used, points spent.
        Redeemed = "redeemed",
        /// Never earned: refused in review.
        Rejected = "rejected",
        /// Taken back before it was issued.
        Cancelled = "cancelled",
        /// Taken back after it was issued.
        ClawedBack = "clawed_back",
        /// The provider refused; can be retried.
        Failed = "failed",
        /// Not used in time.
        Expired = "expired",
    }
}

impl RewardState {
    /// Whether what such a reward is worth stands among what is pending: promised, and not owed yet.
    #[must_use]
    pub fn is_held(self) -> bool {
        match self {
            Self::Pending | Self::Approved | Self::Failed => true,
            Self::Issued
            | Self::Redeemed
            | Self::Rejected
            | Self::Cancelled
            | Self::ClawedBack
            | Self::Expired => false,
        }
    }
}

/// What happens to a reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RewardEvent {
    /// The hold may be over: judged against `release_at`.
    HoldElapsed,
    /// The owner releases it before its time.
    Approve,
    /// The owner, or the review of its conversion, finds that it was never earned.
    Reject,
    /// The owner withdraws it before it is issued.
    Cancel,
    /// The provider carried it out.
    Disbursed,
    /// The provider refused it.
    DisbursementFailed,
    /// The owner has it tried again.
    Retry,
    /// It was used.
    Redeem,
    /// What it was earned for was taken back.
    TakeBack,
    /// Its time to be used is over.
    Expire,
    /// Its use came back: the bank returned the payment, the points were not spent after all.
    Return,
    /// The taking back was undone: a chargeback was won.
    Restore,
    /// The shop says that it has carried it out, as it was asked to, whatever was decided since.
    HandedOver,
}

impl RewardEvent {
    /// Every event.
    pub const ALL: [Self; 13] = [
        Self::HoldElapsed,
        Self::Approve,
        Self::Reject,
        Self::Cancel,
        Self::Disbursed,
        Self::DisbursementFailed,
        Self::Retry,
        Self::Redeem,
        Self::TakeBack,
        Self::Expire,
        Self::Return,
        Self::Restore,
        Self::HandedOver,
    ];
}

/// What an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The reward is in a new state.
    Moved(RewardState),
    /// It had happened already, or was overtaken: success without effect.
    Unchanged,
}

/// Why an event cannot happen to a reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RewardError {
    /// The hold is not over.
    #[error("the reward is held until {release_at}")]
    StillHeld {
        /// When it will be over.
        release_at: Timestamp,
    },
    /// The state does not allow it.
    #[error("a reward that is {from} cannot become {to}")]
    NotAllowed {
        /// The present state.
        from: RewardState,
        /// Where the event leads.
        to: RewardState,
    },
    /// Its conversion waits for review.
    #[error("the conversion that earned the reward waits for review")]
    InReview,
}

/// Applies one event to a reward's state. Pure: the caller reads the clock and writes the result.
///
/// # Errors
/// [`RewardError::StillHeld`] before `release_at`; [`RewardError::NotAllowed`] for what can never
/// happen in that state.
pub fn step(
    state: RewardState,
    event: RewardEvent,
    release_at: Timestamp,
    now: Timestamp,
) -> Result<Step, RewardError> {
    use {RewardEvent as E, RewardState as S, Step::*};
    let refused = |to| Err(RewardError::NotAllowed { from: state, to });
    match (state, event) {
        (S::Pending, E::HoldElapsed) if now < release_at => {
            Err(RewardError::StillHeld { release_at })
        }
        (S::Pending, E::HoldElapsed | E::Approve) | (S::Failed, E::Retry) => Ok(Moved(S::Approved)),
        (
            S::Approved
            | S::Issued
            | S::Redeemed
            | S::Rejected
            | S::Cancelled
            | S::ClawedBack
            | S::Failed
            | S::Expired,
            E::HoldElapsed,
        )
        | (S::Approved, E::Approve | E::Retry) => Ok(Unchanged),
        (
            S::Issued
            | S::Redeemed
            | S::Rejected
            | S::Cancelled
            | S::ClawedBack
            | S::Failed
            | S::Expired,
            E::Approve,
        )
        | (
            S::Pending
            | S::Issued
            | S::Redeemed
            | S::Rejected
            | S::Cancelled
            | S::ClawedBack
            | S::Expired,
            E::Retry,
        ) => refused(S::Approved),

        (S::Pending | S::Approved | S::Failed, E::Reject) => Ok(Moved(S::Rejected)),
        (S::Rejected, E::Reject) => Ok(Unchanged),
        (S::Issued | S::Redeemed | S::Cancelled | S::ClawedBack | S::Expired, E::Reject) => {
            refused(S::Rejected)
        }

        (S::Pending | S::Approved | S::Failed, E::Cancel | E::TakeBack) => Ok(Moved(S::Cancelled)),
        (S::Cancelled, E::Cancel) => Ok(Unchanged),
        (S::Issued | S::Redeemed | S::Rejected | S::ClawedBack | S::Expired, E::Cancel) => {
            refused(S::Cancelled)
        }

        (S::Issued | S::Redeemed, E::TakeBack) => Ok(Moved(S::ClawedBack)),
        // Nothing is left to take back: it never was, already is, or lapsed by itself.
        (S::Rejected | S::Cancelled | S::ClawedBack | S::Expired, E::TakeBack) => Ok(Unchanged),

        (S::Approved, E::Disbursed) => Ok(Moved(S::Issued)),
        (S::Issued | S::Redeemed | S::ClawedBack | S::Expired, E::Disbursed) => Ok(Unchanged),
        (S::Pending | S::Rejected | S::Cancelled | S::Failed, E::Disbursed) => refused(S::Issued),

        (S::Approved, E::DisbursementFailed) => Ok(Moved(S::Failed)),
        (S::Failed, E::DisbursementFailed) => Ok(Unchanged),
        (
            S::Pending
            | S::Issued
            | S::Redeemed
            | S::Rejected
            | S::Cancelled
            | S::ClawedBack
            | S::Expired,
            E::DisbursementFailed,
        ) => refused(S::Failed),

        (S::Issued, E::Redeem) => Ok(Moved(S::Redeemed)),
        (S::Redeemed, E::Redeem) => Ok(Unchanged),
        (
            S::Pending
            | S::Approved
            | S::Rejected
            | S::Cancelled
            | S::ClawedBack
            | S::Failed
            | S::Expired,
            E::Redeem,
        ) => refused(S::Redeemed),

        (S::Issued, E::Expire) => Ok(Moved(S::Expired)),
        // Used or taken back before the time was over.
        (S::Redeemed | S::Rejected | S::Cancelled | S::ClawedBack | S::Expired, E::Expire) => {
            Ok(Unchanged)
        }
        (S::Pending | S::Approved | S::Failed, E::Expire) => refused(S::Expired),

        (S::Redeemed, E::Return) | (S::ClawedBack, E::Restore) => Ok(Moved(S::Issued)),
        // Held again: whoever releases it judges the hold anew.
        (S::Cancelled, E::Restore) => Ok(Moved(S::Pending)),
        (S::Issued | S::ClawedBack | S::Expired, E::Return)
        | (
            S::Pending
            | S::Approved
            | S::Issued
            | S::Redeemed
            | S::Rejected
            | S::Failed
            | S::Expired,
            E::Restore,
        ) => Ok(Unchanged),
        (S::Pending | S::Approved | S::Rejected | S::Cancelled | S::Failed, E::Return) => {
            refused(S::Issued)
        }

        // What was given was given. Whoever withdrew it meanwhile takes it back.
        (S::Pending | S::Approved | S::Rejected | S::Cancelled | S::Failed, E::HandedOver) => {
            Ok(Moved(S::Issued))
        }
        (S::Issued | S::Redeemed | S::ClawedBack | S::Expired, E::HandedOver) => Ok(Unchanged),
    }
}

/// Off the price, by share or by amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discount {
    /// A share of the price, in basis points, 1 to 10,000.
    BasisPoints(u32),
    /// An amount.
    Amount(Money),
}

/// What a reward is worth to its beneficiary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardValue {
    /// Money, credited to the balance.
    Cash(Money),
    /// A discount, handed out as a voucher.
    Discount(Discount),
    /// Loyalty points, credited to the balance.
    Points(i64),
    /// Pieces of a product, handed out as a voucher.
    FreeProduct {
        /// Which.
        sku: Sku,
        /// How many, at least 1.
        quantity: u32,
    },
}

impl RewardValue {
    /// The kind, as the API names it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Cash(_) => "cash",
            Self::Discount(_) => "discount",
            Self::Points(_) => "points",
            Self::FreeProduct { .. } => "free_product",
        }
    }

    /// What it adds to a balance: the unit and the amount. A discount adds nothing: what it is worth
    /// shows when it is used.
    #[must_use]
    pub fn credit(self) -> Option<(Unit, i64)> {
        match self {
            Self::Cash(money) => Some((Unit::Currency(money.currency), money.minor)),
            Self::Points(points) => Some((Unit::Points, points)),
            Self::FreeProduct { sku, quantity } => Some((Unit::Items(sku), i64::from(quantity))),
            Self::Discount(_) => None,
        }
    }

    /// Whether it is handed out as a voucher.
    #[must_use]
    pub fn is_voucher(self) -> bool {
        match self {
            Self::Discount(_) | Self::FreeProduct { .. } => true,
            Self::Cash(_) | Self::Points(_) => false,
        }
    }

    /// The number in it, which a partial refund takes a share of: minor units, basis points, points,
    /// pieces.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Cash(money) | Self::Discount(Discount::Amount(money)) => money.minor,
            Self::Discount(Discount::BasisPoints(share)) => i64::from(share),
            Self::Points(points) => points,
            Self::FreeProduct { quantity, .. } => i64::from(quantity),
        }
    }

    /// The same kind of value with another number; what does not fit is as much as fits.
    #[must_use]
    pub fn with_number(self, number: i64) -> Self {
        let small = || u32::try_from(number.max(0)).unwrap_or(u32::MAX);
        let money = |money: Money| Money::new(number, money.currency);
        match self {
            Self::Cash(cash) => Self::Cash(money(cash)),
            Self::Discount(Discount::Amount(amount)) => {
                Self::Discount(Discount::Amount(money(amount)))
            }
            Self::Discount(Discount::BasisPoints(_)) => {
                Self::Discount(Discount::BasisPoints(small()))
            }
            Self::Points(_) => Self::Points(number),
            Self::FreeProduct { sku, .. } => Self::FreeProduct {
                sku,
                quantity: small(),
            },
        }
    }
}

words! {
    /// One of the two sides of a referral.
    pub enum Side {
        /// Who shared.
        Referrer = "referrer",
        /// Who was invited.
        Referee = "referee",
    }
}

/// The most levels above the referrer that earn.
pub const UPLINE_MAX: u8 = 5;

/// Who earns for a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beneficiary {
    /// Who shared.
    Referrer,
    /// Who was invited.
    Referee,
    /// Who is so many levels above the referrer, from 1: who had referred them, and so on.
    Upline(u8),
}

impl From<Side> for Beneficiary {
    fn from(side: Side) -> Self {
        match side {
            Side::Referrer => Self::Referrer,
            Side::Referee => Self::Referee,
        }
    }
}

/// What the text of a level above the referrer begins with.
const UPLINE: &str = "upline:";

impl fmt::Display for Beneficiary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Referrer => f.write_str("referrer"),
            Self::Referee => f.write_str("referee"),
            Self::Upline(level) => write!(f, "{UPLINE}{level}"),
        }
    }
}

/// The text names no beneficiary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be referrer, referee or {{\"upline\": 1}} to {{\"upline\": {UPLINE_MAX}}}")]
pub struct UnknownBeneficiary;

impl FromStr for Beneficiary {
    type Err = UnknownBeneficiary;

    fn from_str(text: &str) -> Result<Self, UnknownBeneficiary> {
        match (text, text.strip_prefix(UPLINE)) {
            ("referrer", _) => Ok(Self::Referrer),
            ("referee", _) => Ok(Self::Referee),
            (_, Some(level)) => match level.parse() {
                Ok(level @ 1..=UPLINE_MAX) => Ok(Self::Upline(level)),
                Ok(_) | Err(_) => Err(UnknownBeneficiary),
            },
            (_, None) => Err(UnknownBeneficiary),
        }
    }
}

words! {
    /// Where a reward comes from.
    pub enum RewardSource {
        /// A rule of the program, on a conversion.
        Rule = "rule",
        /// The owner's word.
        Manual = "manual",
        /// Another system, brought along.
        Import = "import",
        /// A contest.
        Contest = "contest",
    }
}

/// A limit or budget that a reward counts towards, as it stood when the reward was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitApplied {
    /// The limit.
    pub limit: Limit,
    /// How much of it was used before: rewards, or minor units of a budget.
    pub used_before: i64,
    /// How much there is of it.
    pub cap: i64,
}

/// What a reward took from one shard of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetShare {
    /// The window that the budget is counted in: `day#2026-03-01`, `month#2026-03`, `ever`.
    pub window: String,
    /// The shard.
    pub shard: u8,
    /// How much, in minor units of the budget's currency.
    pub amount: i64,
}

/// What a rule's reward rests on, beyond the rule and the conversion: what cannot be found out later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Basis {
    /// The tier that replaced the reward, by the number it begins at.
    pub tier: Option<u32>,
    /// The limits and budgets it counts towards.
    pub limits: Vec<LimitApplied>,
    /// What it took from budgets.
    pub budgets: Vec<BudgetShare>,
    /// The version of the program's rates, if one was used.
    pub rates_version: Option<u64>,
}

/// One change of a reward's state, for its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The state it came to.
    pub to: RewardState,
    /// When, on the program's clock.
    pub at: Timestamp,
    /// The key that asked for it, or the worker's name.
    pub by: String,
    /// The reason given by hand.
    pub reason: Option<String>,
}

/// The shortest time after which a reward of a paused program is looked at again.
const PAUSED_WAIT_MIN: SignedDuration = SignedDuration::from_mins(5);
/// The longest.
const PAUSED_WAIT_MAX: SignedDuration = SignedDuration::from_hours(1);
/// In between, this part of the time that it has waited already.
const PAUSED_WAIT_PART: i32 = 4;

/// What is to be done for a reward that may be able to move on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Nothing: it is done, or waits for somebody's word.
    None,
    /// It stays held: to be looked at again at this instant, on the program's clock.
    LookAgain(Timestamp),
    /// To be released if it is held, and disbursed.
    Disburse,
    /// Its time to be used is over.
    Expire,
}

/// The most transitions that a history keeps; a reward's life has far fewer.
pub const HISTORY_MAX: usize = 50;

/// What one party earns for one conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reward {
    /// Its id, derived from conversion, incentive and beneficiary: a repetition makes it again.
    pub id: RewardId,
    /// The program.
    pub program: ProgramId,
    /// Whose it is.
    pub beneficiary_id: ParticipantId,
    /// In which part of the referral; a reward by hand counts as a referrer's.
    pub beneficiary: Beneficiary,
    /// Where it comes from.
    pub source: RewardSource,
    /// The conversion that earned it.
    pub conversion_id: Option<ConversionId>,
    /// The bond under which it was earned.
    pub referral_id: Option<ReferralId>,
    /// The rule that made it.
    pub incentive_id: Option<Slug>,
    /// The version of the program's scheme that the rule stood in, or that was in force.
    pub scheme_version: u64,
    /// What a rule's reward rests on.
    pub basis: Option<Basis>,
    /// What it was worth when it was made.
    pub original: RewardValue,
    /// What it is worth: less than originally after a refund, and nothing when all was taken back.
    pub value: RewardValue,
    /// Where it is.
    pub state: RewardState,
    /// When the hold ends.
    pub release_at: Timestamp,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it was disbursed.
    pub issued_at: Option<Timestamp>,
    /// How long it can be used once it is issued, in days; for ever unless said.
    pub expires_after_days: Option<u16>,
    /// Until when it can be used; known once it is issued.
    pub expires_at: Option<Timestamp>,
    /// The voucher made for it.
    pub voucher_code: Option<VoucherCode>,
    /// How far the shop is with it, if the shop carries it out.
    pub fulfilment: Option<Box<Fulfilment>>,
    /// Whether its conversion waits for review: until then nothing releases it.
    pub in_review: bool,
    /// What happened to it, oldest first.
    pub history: Vec<Transition>,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl Reward {
    /// What is to be done for it now. In a program that is paused or archived it stays held, and is
    /// looked at again the more rarely the longer that lasts.
    #[must_use]
    pub fn attention(&self, program: ProgramState, now: Timestamp) -> Attention {
        let shop = self.shop_wait();
        match (self.state, program) {
            (RewardState::Pending, _) if self.in_review => Attention::None,
            (RewardState::Pending, _) if shop == Some(ShopWait::Owner) => Attention::None,
            (RewardState::Pending, _) if now < self.release_at => {
                Attention::LookAgain(self.release_at)
            }
            (RewardState::Pending, ProgramState::Paused | ProgramState::Archived) => {
                let waited = now.duration_since(self.release_at);
                let part = waited.checked_div(PAUSED_WAIT_PART).unwrap_or_default();
                let wait = part.clamp(PAUSED_WAIT_MIN, PAUSED_WAIT_MAX);
                Attention::LookAgain(now.checked_add(wait).unwrap_or(Timestamp::MAX))
            }
            (RewardState::Pending, ProgramState::Active) | (RewardState::Approved, _) => match shop
            {
                Some(ShopWait::UnderWay(until)) if until > now => Attention::None,
                Some(ShopWait::Until(at)) if at > now => Attention::LookAgain(at),
                Some(ShopWait::UnderWay(_) | ShopWait::Until(_) | ShopWait::Owner) | None => {
                    Attention::Disburse
                }
            },
            (RewardState::Issued, _) => match self.expires_at {
                Some(at) if at <= now => Attention::Expire,
                Some(at) => Attention::LookAgain(at),
                None => Attention::None,
            },
            (
                RewardState::Redeemed
                | RewardState::Rejected
                | RewardState::Cancelled
                | RewardState::ClawedBack
                | RewardState::Failed
                | RewardState::Expired,
                _,
            ) => Attention::None,
        }
    }

    /// What it waits for at the shop, if that is what it waits for.
    #[must_use]
    pub fn shop_wait(&self) -> Option<ShopWait> {
        self.fulfilment.as_ref()?.wait(self.state)
    }

    /// Whether it was given before paying: it was used when it was made.
    #[must_use]
    pub fn was_offered(&self) -> bool {
        let first = self.history.first();
        first.is_some_and(|made| made.to == RewardState::Redeemed)
    }

    /// Whether all of it was taken back by a refund, which may be undone.
    #[must_use]
    pub fn is_taken_back(&self) -> bool {
        matches!(self.state, RewardState::Cancelled | RewardState::ClawedBack)
            && self.value.number() == 0
    }

    /// The reward after an event, or `None` when the event changes nothing.
    ///
    /// # Errors
    /// As [`step`]; [`RewardError::InReview`] for what would release it before its conversion is reviewed.
    pub fn after(
        &self,
        event: RewardEvent,
        now: Timestamp,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Option<Self>, RewardError> {
        let releases = matches!(event, RewardEvent::HoldElapsed | RewardEvent::Approve);
        if self.in_review && releases {
            return Err(RewardError::InReview);
        }
        match step(self.state, event, self.release_at, now)? {
            Step::Unchanged => Ok(None),
            Step::Moved(state) => {
                let mut next = self.clone();
                next.state = state;
                if next.history.len() < HISTORY_MAX {
                    next.history.push(Transition {
                        to: state,
                        at: now,
                        by: by.to_owned(),
                        reason: reason.map(str::to_owned),
                    });
                }
                if matches!(event, RewardEvent::Retry | RewardEvent::Restore) {
                    let again = |fulfilment: Box<Fulfilment>| Box::new(fulfilment.again(event));
                    next.fulfilment = next.fulfilment.map(again);
                }
                if matches!(event, RewardEvent::Disbursed | RewardEvent::HandedOver) {
                    next.issued_at = Some(now);
                    let ends = |number| now.checked_add(days(number)).unwrap_or(Timestamp::MAX);
                    next.expires_at = self.expires_after_days.map(ends);
                }
                Ok(Some(next))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Five points for a conversion, held until a million seconds after 1970.
    pub(crate) fn reward(state: RewardState) -> Reward {
        let zero = Timestamp::UNIX_EPOCH;
        Reward {
            id: RewardId::floor_of(zero),
            program: ProgramId::floor_of(zero),
            beneficiary_id: ParticipantId::floor_of(zero),
            beneficiary: Beneficiary::Referrer,
            source: RewardSource::Rule,
            conversion_id: Some(ConversionId::floor_of(zero)),
            referral_id: Some(ReferralId::floor_of(zero)),
            incentive_id: Some("thank-you".parse().unwrap()),
            scheme_version: 1,
            basis: None,
            original: RewardValue::Points(5),
            value: RewardValue::Points(5),
            state,
            release_at: zero + SignedDuration::from_secs(1_000_000),
            created_at: zero,
            issued_at: None,
            expires_after_days: None,
            expires_at: None,
            voucher_code: None,
            fulfilment: None,
            in_review: false,
            history: Vec::new(),
            version: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::reward;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Every state and event, decided: `.` unchanged, `-` refused, a letter the next state.
    #[test]
    fn every_event_in_every_state() {
        let letter = |state: RewardState| match state {
            RewardState::Pending => 'P',
            RewardState::Approved => 'A',
            RewardState::Issued => 'I',
            RewardState::Redeemed => 'D',
            RewardState::Rejected => 'R',
            RewardState::Cancelled => 'C',
            RewardState::ClawedBack => 'B',
            RewardState::Failed => 'F',
            RewardState::Expired => 'X',
        };
        // Columns as in RewardEvent::ALL: elapsed approve reject cancel disbursed failed retry redeem
        // take-back expire return restore handed-over.
        let table = [
            (RewardState::Pending, "AARC----C--.I"),
            (RewardState::Approved, "..RCIF.-C--.I"),
            (RewardState::Issued, ".---.--DBX..."),
            (RewardState::Redeemed, ".---.--.B.I.."),
            (RewardState::Rejected, ".-.-----..-.I"),
            (RewardState::Cancelled, ".--.----..-PI"),
            (RewardState::ClawedBack, ".---.---...I."),
            (RewardState::Failed, ".-RC-.A-C--.I"),
            (RewardState::Expired, ".---.---....."),
        ];
        for (state, row) in table {
            let decided: String = RewardEvent::ALL
                .into_iter()
                .map(|event| match step(state, event, at(100), at(100)) {
                    Ok(Step::Moved(next)) => letter(next),
                    Ok(Step::Unchanged) => '.',
                    Err(_) => '-',
                })
                .collect();
            assert_eq!(decided, row, "{state}");
        }
    }

    #[test]
    fn a_hold_ends_at_its_instant_and_not_before() {
        let held = step(
            RewardState::Pending,
            RewardEvent::HoldElapsed,
            at(100),
            at(99),
        );
        assert_eq!(
            held,
            Err(RewardError::StillHeld {
                release_at: at(100)
            })
        );
        let released = step(
            RewardState::Pending,
            RewardEvent::HoldElapsed,
            at(100),
            at(100),
        );
        assert_eq!(released, Ok(Step::Moved(RewardState::Approved)));
    }

    /// Neither time nor the owner's word releases what its conversion's review has not passed.
    #[test]
    fn nothing_releases_a_reward_before_its_conversion_is_reviewed() {
        let mut waiting = reward(RewardState::Pending);
        waiting.in_review = true;
        let late = at(9_000_000);
        assert_eq!(
            waiting.attention(ProgramState::Active, late),
            Attention::None
        );
        for event in [RewardEvent::HoldElapsed, RewardEvent::Approve] {
            let released = waiting.after(event, late, "test", None);
            assert_eq!(released, Err(RewardError::InReview));
        }
        for event in [
            RewardEvent::Reject,
            RewardEvent::Cancel,
            RewardEvent::TakeBack,
        ] {
            let ended = waiting.after(event, late, "test", None);
            assert!(matches!(ended, Ok(Some(_))), "{event:?}");
        }
    }

    /// What can be used for a time is looked at again when that is over.
    #[test]
    fn an_issued_reward_expires_at_its_time() {
        let mut held = reward(RewardState::Approved);
        held.expires_after_days = Some(1);
        let issued = held.after(RewardEvent::Disbursed, at(0), "test", None);
        let issued = issued.unwrap().unwrap();
        assert_eq!(issued.expires_at, Some(at(86_400)));
        let look = |second| issued.attention(ProgramState::Active, at(second));
        assert_eq!(look(86_399), Attention::LookAgain(at(86_400)));
        assert_eq!(look(86_400), Attention::Expire);
    }

    #[test]
    fn a_beneficiary_reads_back() {
        for text in ["referrer", "referee", "upline:1", "upline:5"] {
            assert_eq!(text.parse::<Beneficiary>().unwrap().to_string(), text);
        }
        for bad in ["", "upline", "upline:0", "upline:6", "upline:x", "Referrer"] {
            assert_eq!(bad.parse::<Beneficiary>(), Err(UnknownBeneficiary), "{bad}");
        }
    }

    /// A pause keeps what is held, not what was released; and the release keeps its promised time.
    #[test]
    fn a_paused_program_keeps_rewards_held() {
        use ProgramState as P;
        use RewardState as S;
        let look = |second| Attention::LookAgain(at(second));
        for (state, program, now, expected) in [
            (S::Pending, P::Active, 999_999, look(1_000_000)),
            (S::Pending, P::Paused, 999_999, look(1_000_000)),
            (S::Pending, P::Active, 1_000_000, Attention::Disburse),
            (S::Pending, P::Paused, 1_000_000, look(1_000_300)),
            (S::Pending, P::Paused, 1_008_000, look(1_010_000)),
            (S::Pending, P::Archived, 9_000_000, look(9_003_600)),
            (S::Approved, P::Active, 0, Attention::Disburse),
            (S::Approved, P::Paused, 0, Attention::Disburse),
            (S::Issued, P::Active, 1_000_000, Attention::None),
            (S::Failed, P::Active, 1_000_000, Attention::None),
            (S::Cancelled, P::Active, 1_000_000, Attention::None),
        ] {
            let attention = reward(state).attention(program, at(now));
            assert_eq!(attention, expected, "{state} {program} {now}");
        }
    }

    /// Redelivery: whatever moved a reward moves it once.
    #[test]
    fn any_event_repeated_changes_nothing_more() {
        for &state in RewardState::ALL {
            for event in RewardEvent::ALL {
                if let Ok(Step::Moved(next)) = step(state, event, at(0), at(0)) {
                    let again = step(next, event, at(0), at(0));
                    assert_eq!(again, Ok(Step::Unchanged), "{state} {event:?} {next}");
                }
            }
        }
    }
}
