use jiff::Timestamp;

use super::budget::{BudgetTake, take_from_budget};
use super::conditions::Condition;
use super::limits::{LimitSubject, LimitUse};
use super::shortfall::Shortfall;
use super::skip::SkipReason;
use super::value::value_of;
use super::{Grant, Incentive};
use crate::channel::Channel;
use crate::fulfilment::FulfilmentRule;
use crate::id::ParticipantId;
use crate::money::{Currency, Money};
use crate::rates::Rates;
use crate::reward::{Beneficiary, LimitApplied, RewardValue};
use crate::text::{CountryCode, EventName, Metadata, Slug};

/// A party to a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// Who.
    pub id: ParticipantId,
    /// Whether they take part.
    pub active: bool,
}

/// What [`evaluate`] judges.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// What happened.
    pub event: &'a EventName,
    /// For how much.
    pub amount: Option<Money>,
    /// When: decides `starts_at`, `ends_at` and the months since the referral.
    pub occurred_at: Timestamp,
    /// When it is recorded, on the program's clock: limits and budgets are counted in the windows of it.
    pub recorded_at: Timestamp,
    /// Where from.
    pub country: Option<CountryCode>,
    /// Through which channel the referee came.
    pub channel: Option<Channel>,
    /// What else the shop told.
    pub metadata: &'a Metadata,
    /// Whether the shop says that the referee is a new customer.
    pub new_customer: Option<bool>,
    /// Which qualified conversion of that event it is for this referee, from 1.
    pub conversion_number: u64,
    /// Which distinct qualified referee it makes the referee for the referrer, from 1; only on the
    /// referee's first qualified conversion.
    pub referral_number: Option<u64>,
    /// How many distinct referees of the referrer stand qualified, this one included: it chooses the
    /// tier.
    pub referees: u64,
    /// When the referee was bound to the referrer.
    pub bound_at: Timestamp,
    /// Who shared.
    pub referrer: Party,
    /// Who was invited.
    pub referee: Party,
    /// Who is above the referrer: the first is one level above.
    pub upline: &'a [Party],
    /// The incentive that made the offer whose unused voucher the conversion names.
    pub offer: Option<&'a Slug>,
    /// Whether the program gives rewards at all.
    pub gives_rewards: bool,
    /// How amounts of different currencies are compared.
    pub rates: &'a Rates,
    /// Anything: with which shard of a budget to begin. It decides where a reward is counted and
    /// never whether it is made.
    pub spread: u64,
}

/// What [`evaluate`] asks of what was counted so far.
pub trait Used {
    /// How high a counter of a limit stands.
    fn counter(&self, subject: LimitSubject, name: &str) -> u64;
    /// How much was taken from a shard of an incentive's budget in a window.
    fn budget(&self, incentive: &Slug, window: &str, shard: u8) -> i64;
}

/// Numbers from one to another, both included: those for which an evaluation comes out the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The lowest.
    pub low: u64,
    /// The highest.
    pub high: u64,
}

/// A reward that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earned {
    /// The rule.
    pub incentive_id: Slug,
    /// The party.
    pub beneficiary: Beneficiary,
    /// Who that is.
    pub beneficiary_id: ParticipantId,
    /// What.
    pub value: RewardValue,
    /// The counters that it raises by one, each guarded by its cap in the same transaction.
    pub uses: Vec<LimitUse>,
    /// The shards of budgets that it takes from, each guarded in the same transaction. Those of
    /// nothing are guards alone.
    pub takes: Vec<BudgetTake>,
    /// The tier that replaced the reward, by the number it begins at.
    pub tier: Option<u32>,
    /// The limits and budgets that it counts towards, as they stood before.
    pub limits: Vec<LimitApplied>,
    /// Whether a rate of the program was used.
    pub used_rates: bool,
    /// Whether it was given before paying, and is used by this conversion.
    pub redeemed: bool,
    /// How long it is held, in days, if not as long as the program's rewards are.
    pub hold_days: Option<u16>,
    /// How long it can be used, in days.
    pub expires_after_days: Option<u16>,
    /// Who carries it out, if the shop does so itself.
    pub fulfilment: Option<FulfilmentRule>,
}

/// An incentive of the event that gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The rule.
    pub incentive_id: Slug,
    /// The party that would have earned.
    pub beneficiary: Beneficiary,
    /// Why not.
    pub reason: SkipReason,
    /// What it asked for and did not find; `None` where the reason and the conversion say it all.
    pub shortfall: Option<Shortfall>,
    /// The window of the budget that could not pay for it, if that was the reason. Said once, where
    /// it is decided; not kept.
    pub budget: Option<String>,
}

/// What a conversion earns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Rewards to make.
    pub earned: Vec<Earned>,
    /// Incentives that gave nothing, with the reason.
    pub skipped: Vec<Skipped>,
    /// The conversion numbers with which all of this would be the same. Whoever writes it guards the
    /// counter by them; every number, if no rule of the event looked.
    pub conversion_number: Span,
    /// The same of the referrer's standing referees.
    pub referees: Span,
    /// The same of the referral number.
    pub referral_number: Span,
}

impl Span {
    /// Every number.
    pub const ALL: Self = Self {
        low: 0,
        high: u64::MAX,
    };

    /// From one to another.
    #[must_use]
    pub fn new(low: u64, high: u64) -> Self {
        Self { low, high }
    }

    /// From one on.
    #[must_use]
    pub fn from(low: u64) -> Self {
        Self::new(low, u64::MAX)
    }

    /// Up to one.
    #[must_use]
    pub fn to(high: u64) -> Self {
        Self::new(0, high)
    }

    /// Whether every number is in it, so that there is nothing to guard.
    #[must_use]
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn contains(self, number: u64) -> bool {
        (self.low..=self.high).contains(&number)
    }

    fn narrow(&mut self, by: Self) {
        self.low = self.low.max(by.low);
        self.high = self.high.min(by.high);
    }
}

/// What an evaluation looked at.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    conversion_number: Span,
    referral_number: Span,
    referees: Span,
    rates: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            conversion_number: Span::ALL,
            referral_number: Span::ALL,
            referees: Span::ALL,
            rates: false,
        }
    }
}

impl Seen {
    pub(super) fn conversion_number(&mut self, (held, span): (bool, Span)) -> bool {
        self.conversion_number.narrow(span);
        held
    }

    pub(super) fn referral_number(&mut self, (held, span): (bool, Span)) -> bool {
        self.referral_number.narrow(span);
        held
    }

    pub(super) fn referees(&mut self, span: Span) {
        self.referees.narrow(span);
    }

    /// An amount in another currency, by a rate if it takes one.
    pub(super) fn convert(
        &mut self,
        rates: &Rates,
        money: Money,
        to: Currency,
    ) -> Result<Money, SkipReason> {
        self.rates |= money.currency != to;
        rates.convert(money, to).ok_or(SkipReason::CurrencyMismatch)
    }

    pub(super) fn used_rates(&self) -> bool {
        self.rates
    }
}

/// Why an incentive gives nothing, and which budget's window could not pay.
struct Refusal {
    reason: SkipReason,
    budget: Option<String>,
}

impl From<SkipReason> for Refusal {
    fn from(reason: SkipReason) -> Self {
        Self {
            reason,
            budget: None,
        }
    }
}

/// Judges every incentive of the event: a function of its inputs only.
#[must_use]
pub fn evaluate(incentives: &[Incentive], facts: &Facts<'_>, used: &impl Used) -> Evaluation {
    let mut seen = Seen::default();
    let mut earned = Vec::new();
    let mut skipped = Vec::new();
    let of_event = |incentive: &&Incentive| &incentive.on == facts.event;
    for incentive in incentives.iter().filter(of_event) {
        match judge(incentive, facts, used, &mut seen) {
            Ok(reward) => earned.push(reward),
            Err(Refusal { reason, budget }) => skipped.push(Skipped {
                incentive_id: incentive.id.clone(),
                beneficiary: incentive.beneficiary,
                reason,
                shortfall: Shortfall::of(incentive, reason, facts, used),
                budget,
            }),
        }
    }
    Evaluation {
        earned,
        skipped,
        conversion_number: seen.conversion_number,
        referees: seen.referees,
        referral_number: seen.referral_number,
    }
}

fn judge(
    incentive: &Incentive,
    facts: &Facts<'_>,
    used: &impl Used,
    seen: &mut Seen,
) -> Result<Earned, Refusal> {
    seen.rates = false;
    if !facts.gives_rewards {
        return Err(SkipReason::ProgramPaused.into());
    }
    let redeemed = incentive.grant == Grant::AtCheckout;
    if redeemed && facts.offer != Some(&incentive.id) {
        return Err(SkipReason::NoOffer.into());
    }
    let party = party(incentive.beneficiary, facts).ok_or(SkipReason::NoUpline)?;
    if !party.active {
        return Err(SkipReason::BeneficiarySuspended.into());
    }
    for condition in Condition::ALL {
        if let Some(verdict) = condition.judge(&incentive.conditions, facts, seen) {
            verdict?;
        }
    }
    let computed = value_of(incentive, facts.amount, facts.referees, facts.rates, seen)?;
    let uses = incentive.limit_uses(facts.recorded_at);
    let mut limits = within_limits(&uses, used)?;
    let takes = within_budgets(incentive, computed.value, facts, used, seen, &mut limits)?;
    Ok(Earned {
        incentive_id: incentive.id.clone(),
        beneficiary: incentive.beneficiary,
        beneficiary_id: party.id,
        value: computed.value,
        uses,
        takes,
        tier: computed.tier,
        limits,
        used_rates: seen.used_rates(),
        redeemed,
        hold_days: incentive.hold_days,
        expires_after_days: incentive.expires_after_days,
        fulfilment: incentive.fulfilment,
    })
}

fn party(beneficiary: Beneficiary, facts: &Facts<'_>) -> Option<Party> {
    match beneficiary {
        Beneficiary::Referrer => Some(facts.referrer),
        Beneficiary::Referee => Some(facts.referee),
        Beneficiary::Upline(level) => {
            let above = usize::from(level).checked_sub(1)?;
            facts.upline.get(above).copied()
        }
    }
}

fn within_limits(uses: &[LimitUse], used: &impl Used) -> Result<Vec<LimitApplied>, SkipReason> {
    let mut applied = Vec::with_capacity(uses.len());
    for limit in uses {
        let before = used.counter(limit.subject, &limit.counter);
        if before >= u64::from(limit.cap) {
            return Err(SkipReason::Limit(limit.limit));
        }
        applied.push(LimitApplied {
            limit: limit.limit,
            used_before: i64::try_from(before).unwrap_or(i64::MAX),
            cap: i64::from(limit.cap),
        });
    }
    Ok(applied)
}

fn within_budgets(
    incentive: &Incentive,
    value: RewardValue,
    facts: &Facts<'_>,
    used: &impl Used,
    seen: &mut Seen,
    applied: &mut Vec<LimitApplied>,
) -> Result<Vec<BudgetTake>, Refusal> {
    let mut takes = Vec::new();
    for window in incentive.budgets(facts.recorded_at) {
        // What a budget cannot count, it cannot allow: a scheme is not saved without a cost.
        let cost = incentive
            .cost_of(value)
            .ok_or(SkipReason::CurrencyMismatch)?;
        let cost = seen.convert(facts.rates, cost, window.cap.currency)?.minor;
        let stands: Vec<i64> = (0..window.shards)
            .map(|shard| used.budget(&incentive.id, &window.window, shard))
            .collect();
        let taken = take_from_budget(&window, &stands, cost, facts.spread);
        let Some(taken) = taken else {
            return Err(Refusal {
                reason: SkipReason::Limit(window.limit),
                budget: Some(window.window),
            });
        };
        takes.extend(taken);
        applied.push(LimitApplied {
            limit: window.limit,
            used_before: stands.iter().fold(0, |sum, used| sum.saturating_add(*used)),
            cap: window.cap.minor,
        });
    }
    Ok(takes)
}

#[cfg(test)]
mod tests;
