//! What the tests of incentives are about: the bakery's rule and one purchase.

use jiff::Timestamp;

use super::{
    Conditions, Facts, Grant, Incentive, LimitSubject, Limits, Party, RewardRule, Used, evaluate,
};
use crate::id::ParticipantId;
use crate::money::Money;
use crate::rates::{Rate, Rates};
use crate::reward::Beneficiary;
use crate::text::{EventName, Metadata, Slug};

pub(super) fn eur(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

pub(super) fn usd(minor: i64) -> Money {
    Money::new(minor, "USD".parse().unwrap())
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A dollar is 92 cents.
pub(super) fn rates() -> Rates {
    Rates::default().replaced(vec![Rate {
        from: "USD".parse().unwrap(),
        to: "EUR".parse().unwrap(),
        millionths: 920_000,
    }])
}

/// Five euros to the referrer for each purchase.
pub(crate) fn incentive() -> Incentive {
    Incentive {
        id: "thank-you".parse().unwrap(),
        on: "purchase".parse().unwrap(),
        beneficiary: Beneficiary::Referrer,
        grant: Grant::After,
        reward: RewardRule::Cash(eur(500)),
        tiers: Vec::new(),
        conditions: Conditions::default(),
        limits: Limits::default(),
        on_refund: None,
        hold_days: None,
        expires_after_days: None,
        unit_cost: None,
        fulfilment: None,
        budget_shards: 0,
    }
}

pub(super) fn every_limit() -> Limits {
    Limits {
        per_referrer_per_day: Some(1),
        per_referrer_per_week: Some(2),
        per_referrer_per_month: Some(3),
        per_referrer: Some(4),
        per_referee: Some(5),
        budget_per_day: Some(eur(1_000)),
        budget_per_month: Some(eur(2_000)),
        budget: Some(eur(3_000)),
    }
}

/// What [`Facts`] borrow.
pub(super) struct Given {
    pub(super) event: EventName,
    pub(super) metadata: Metadata,
    pub(super) rates: Rates,
    pub(super) upline: Vec<Party>,
    pub(super) offer: Option<Slug>,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            event: "purchase".parse().unwrap(),
            metadata: Metadata::default(),
            rates: Rates::default(),
            upline: Vec::new(),
            offer: None,
        }
    }
}

pub(super) fn party(tail: u8) -> Party {
    Party {
        id: ParticipantId::new(Timestamp::UNIX_EPOCH, [tail; 10]),
        active: true,
    }
}

impl Given {
    /// 45 euros, the referee's first purchase, on the first of January 2027.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            event: &self.event,
            amount: Some(eur(4_500)),
            occurred_at: at("2027-01-01T00:00:00Z"),
            recorded_at: at("2027-01-01T00:00:00Z"),
            country: None,
            channel: None,
            metadata: &self.metadata,
            new_customer: None,
            conversion_number: 1,
            referral_number: Some(1),
            referees: 1,
            bound_at: at("2027-01-01T00:00:00Z"),
            referrer: party(1),
            referee: party(2),
            upline: &self.upline,
            offer: self.offer.as_ref(),
            gives_rewards: true,
            rates: &self.rates,
            spread: 0,
        }
    }
}

/// Every counter and every shard of every budget stands here.
pub(super) struct Stands(pub(super) i64);

impl Used for Stands {
    fn counter(&self, _: LimitSubject, _: &str) -> u64 {
        self.0.unsigned_abs()
    }

    fn budget(&self, _: &Slug, _: &str, _: u8) -> i64 {
        self.0
    }
}

/// Why the only incentive gives nothing, or `None` if it gives something.
pub(super) fn reason(incentive: &Incentive, facts: &Facts<'_>, used: i64) -> Option<&'static str> {
    let evaluation = evaluate(std::slice::from_ref(incentive), facts, &Stands(used));
    assert_eq!(evaluation.earned.len() + evaluation.skipped.len(), 1);
    let skipped = evaluation.skipped.first()?;
    Some(skipped.reason.as_str())
}
