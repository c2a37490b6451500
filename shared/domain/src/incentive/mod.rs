//! Incentives: which rewards a conversion earns, which it does not, and why not.
//!
//! [`evaluate`] is a function of its inputs only. It never compares rewards with each other: each
//! incentive that holds gives its own reward. [`explain`] says of the same inputs what was asked and
//! what was found.

mod budget;
mod conditions;
mod evaluate;
mod explain;
mod limits;
mod shortfall;
mod skip;
#[cfg(test)]
pub(crate) mod testing;
mod value;

pub use budget::{BUDGET_SHARDS_MAX, BudgetTake, shards_for, take_from_budget};
pub use conditions::{
    COUNTRIES_MAX, Condition, Conditions, METADATA_CONDITIONS_MAX, METADATA_VALUES_MAX,
    MetadataCondition, MetadataOperator, MetadataTest, NUMBER_MAX, NumberRange, NumberRule,
    WITHIN_MONTHS_MAX,
};
pub use evaluate::{Earned, Evaluation, Facts, Party, Skipped, Span, Used, evaluate};
pub use explain::{Check, explain};
pub use limits::{BudgetWindow, LIMIT_MAX, Limit, LimitSubject, LimitUse, Limits, window_is_over};
pub use shortfall::{SHORTFALL_CHARS_MAX, Shortfall};
pub use skip::{SkipReason, UnknownReason};
pub use value::{Computation, compute};

pub use crate::reward::LimitApplied;

use crate::fulfilment::FulfilmentRule;
use crate::money::{Money, Sku, Unit};
use crate::rates::Rates;
use crate::reward::{Beneficiary, Discount, RewardValue};
use crate::text::{EventName, Slug};
use crate::words::words;

/// The most points that one reward gives.
pub const POINTS_MAX: i64 = 1_000_000_000;
/// The most pieces of a product that one reward gives.
pub const QUANTITY_MAX: u32 = 10_000;
/// The most tiers of an incentive.
pub const TIERS_MAX: usize = 20;
/// The longest time, in days, for which a reward can be used.
pub const EXPIRES_AFTER_DAYS_MAX: u16 = 3_650;

words! {
    /// When a reward is given.
    pub enum Grant {
        /// For a conversion that happened.
        After = "after",
        /// Before the friend pays, as an offer whose voucher the conversion then names.
        AtCheckout = "at_checkout",
    }
}

words! {
    /// What a refund of the conversion does to a reward.
    pub enum OnRefund {
        /// The refunded share is taken back, rounded down over all refunds together.
        Proportional = "proportional",
        /// Nothing, as long as what remains of the conversion meets the conditions; then all.
        KeepWhileConditionsHold = "keep_while_conditions_hold",
        /// Nothing.
        Keep = "keep",
    }
}

impl OnRefund {
    /// What happens to such a reward unless its incentive says otherwise.
    #[must_use]
    pub fn default_of(value: &RewardValue) -> Self {
        match value {
            RewardValue::Cash(_) | RewardValue::Points(_) => Self::Proportional,
            RewardValue::Discount(_) | RewardValue::FreeProduct { .. } => {
                Self::KeepWhileConditionsHold
            }
        }
    }
}

/// What an incentive offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardRule {
    /// That much money, whatever the conversion's currency.
    Cash(Money),
    /// A share of the conversion's amount, rounded down, in its currency.
    Percentage {
        /// The share: 1 to 10,000.
        basis_points: u32,
        /// At most this.
        maximum: Option<Money>,
    },
    /// A discount.
    Discount(Discount),
    /// Loyalty points: 1 to [`POINTS_MAX`].
    Points(i64),
    /// Pieces of a product.
    FreeProduct {
        /// Which.
        sku: Sku,
        /// How many: 1 to [`QUANTITY_MAX`].
        quantity: u32,
    },
}

impl RewardRule {
    /// The kind, as the API names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cash(_) => "cash",
            Self::Percentage { .. } => "percentage",
            Self::Discount(_) => "discount",
            Self::Points(_) => "points",
            Self::FreeProduct { .. } => "free_product",
        }
    }

    /// What its rewards add to a balance in, as far as that is known before the conversion.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        match self {
            Self::Cash(amount) => Some(Unit::Currency(amount.currency)),
            Self::Points(_) => Some(Unit::Points),
            Self::FreeProduct { sku, .. } => Some(Unit::Items(*sku)),
            Self::Percentage { .. } | Self::Discount(_) => None,
        }
    }

    /// What a refund does to its rewards unless the incentive says otherwise.
    #[must_use]
    pub fn on_refund_default(&self) -> OnRefund {
        match self {
            Self::Cash(_) | Self::Percentage { .. } | Self::Points(_) => OnRefund::Proportional,
            Self::Discount(_) | Self::FreeProduct { .. } => OnRefund::KeepWhileConditionsHold,
        }
    }

    /// Whether its rewards are money, which budgets count at its amount.
    #[must_use]
    pub fn gives_cash(&self) -> bool {
        match self {
            Self::Cash(_) | Self::Percentage { .. } => true,
            Self::Discount(_) | Self::Points(_) | Self::FreeProduct { .. } => false,
        }
    }
}

/// What replaces the reward once the referrer has enough qualified referees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// From which number of them, from 1; each tier of an incentive begins higher than the one before.
    pub from: u32,
    /// What is given then.
    pub reward: RewardRule,
}

/// One rule: on this event, this party earns that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incentive {
    /// Its name within the program. It keeps its kind and beneficiary for ever.
    pub id: Slug,
    /// On which event.
    pub on: EventName,
    /// Who earns.
    pub beneficiary: Beneficiary,
    /// Whether afterwards or before paying.
    pub grant: Grant,
    /// What.
    pub reward: RewardRule,
    /// What instead, for referrers with many referees: at most [`TIERS_MAX`], ascending.
    pub tiers: Vec<Tier>,
    /// When.
    pub conditions: Conditions,
    /// How often and how much at most.
    pub limits: Limits,
    /// What a refund does; by the kind of the reward unless said.
    pub on_refund: Option<OnRefund>,
    /// How long its rewards are held, in days; as long as the program's unless said.
    pub hold_days: Option<u16>,
    /// How long its rewards can be used, in days; for ever unless said.
    pub expires_after_days: Option<u16>,
    /// What a voucher, a point or a piece costs the program: budgets count it.
    pub unit_cost: Option<Money>,
    /// Who carries its rewards out, if the shop does so itself.
    pub fulfilment: Option<FulfilmentRule>,
    /// Over how many counters each of its budgets is spread: 1 to [`BUDGET_SHARDS_MAX`], fixed once it
    /// has had a budget; 0 as long as it never had one.
    pub budget_shards: u8,
}

impl Incentive {
    /// What is given to a referrer with so many qualified referees, and the tier it comes from.
    #[must_use]
    pub fn rule_for(&self, standing: u64) -> (&RewardRule, Option<u32>) {
        let reached = |tier: &&Tier| u64::from(tier.from) <= standing;
        match self.tiers.iter().rev().find(reached) {
            Some(tier) => (&tier.reward, Some(tier.from)),
            None => (&self.reward, None),
        }
    }

    /// Everything that it may give.
    pub fn rules(&self) -> impl Iterator<Item = &RewardRule> {
        std::iter::once(&self.reward).chain(self.tiers.iter().map(|tier| &tier.reward))
    }

    /// Whether what remains of a conversion is as much as was asked for.
    #[must_use]
    pub fn minimum_still_met(&self, remaining: Option<Money>, rates: &Rates) -> bool {
        let Some(minimum) = self.conditions.minimum_amount else {
            return true;
        };
        remaining
            .and_then(|remaining| rates.convert(remaining, minimum.currency))
            .and_then(|remaining| remaining.at_least(minimum))
            .unwrap_or(false)
    }

    /// What a refund does to one of its rewards.
    #[must_use]
    pub fn on_refund_of(&self, value: RewardValue) -> OnRefund {
        self.on_refund
            .unwrap_or_else(|| OnRefund::default_of(&value))
    }

    /// What its budgets count for a reward: cash at its amount, other kinds at `unit_cost` for each
    /// point, piece or voucher. `None` if that is not known.
    #[must_use]
    pub fn cost_of(&self, value: RewardValue) -> Option<Money> {
        let units = match value {
            RewardValue::Cash(amount) => return Some(amount),
            RewardValue::Points(points) => points,
            RewardValue::Discount(_) => 1,
            RewardValue::FreeProduct { quantity, .. } => i64::from(quantity),
        };
        let cost = self.unit_cost?;
        Some(Money::new(cost.minor.saturating_mul(units), cost.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{eur, incentive, rates, usd};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tiers_replace_the_reward_from_their_number_on() {
        let tier = |from, cents| Tier {
            from,
            reward: RewardRule::Cash(eur(cents)),
        };
        let tiered = Incentive {
            tiers: vec![tier(5, 1_000), tier(20, 2_000)],
            ..incentive()
        };
        let given = |standing| {
            let (rule, tier) = tiered.rule_for(standing);
            (*rule, tier)
        };
        assert_eq!(given(0), (RewardRule::Cash(eur(500)), None));
        assert_eq!(given(4), (RewardRule::Cash(eur(500)), None));
        assert_eq!(given(5), (RewardRule::Cash(eur(1_000)), Some(5)));
        assert_eq!(given(19), (RewardRule::Cash(eur(1_000)), Some(5)));
        assert_eq!(given(u64::MAX), (RewardRule::Cash(eur(2_000)), Some(20)));
    }

    /// A refund asks again whether the order was large enough, and nothing else.
    #[test]
    fn the_minimum_is_judged_on_what_remains() {
        let mut asked = incentive();
        assert!(asked.minimum_still_met(None, &Rates::default()));
        asked.conditions.minimum_amount = Some(eur(2_000));
        for (remaining, rates, met) in [
            (Some(eur(2_000)), Rates::default(), true),
            (Some(eur(1_999)), Rates::default(), false),
            (None, Rates::default(), false),
            (Some(usd(9_999)), Rates::default(), false),
            (Some(usd(2_174)), rates(), true),
            (Some(usd(2_173)), rates(), false),
        ] {
            assert_eq!(
                asked.minimum_still_met(remaining, &rates),
                met,
                "{remaining:?}"
            );
        }
    }

    #[test]
    fn each_kind_has_its_own_default_on_refund() {
        let sku = "CAKE".parse().unwrap();
        let proportional = OnRefund::Proportional;
        let keep = OnRefund::KeepWhileConditionsHold;
        for (value, expected) in [
            (RewardValue::Cash(eur(1)), proportional),
            (RewardValue::Points(1), proportional),
            (RewardValue::Discount(Discount::BasisPoints(1)), keep),
            (RewardValue::FreeProduct { sku, quantity: 1 }, keep),
        ] {
            assert_eq!(incentive().on_refund_of(value), expected, "{value:?}");
            let said = Incentive {
                on_refund: Some(OnRefund::Keep),
                ..incentive()
            };
            assert_eq!(said.on_refund_of(value), OnRefund::Keep);
        }
    }

    /// The default of what a rule offers is the default of what it gives.
    #[test]
    fn rules_and_their_rewards_agree_on_refunds() {
        let sku = "CAKE".parse().unwrap();
        let facts = |amount| (Some(eur(amount)), Rates::default());
        for rule in [
            RewardRule::Cash(eur(1)),
            RewardRule::Percentage {
                basis_points: 1_000,
                maximum: None,
            },
            RewardRule::Discount(Discount::Amount(eur(1))),
            RewardRule::Points(1),
            RewardRule::FreeProduct { sku, quantity: 1 },
        ] {
            let giving = Incentive {
                reward: rule,
                ..incentive()
            };
            let (amount, rates) = facts(100);
            let value = compute(&giving, amount, 1, &rates).unwrap().value;
            assert_eq!(rule.on_refund_default(), OnRefund::default_of(&value));
            assert_eq!(rule.gives_cash(), matches!(value, RewardValue::Cash(_)));
        }
    }

    #[test]
    fn budgets_count_cash_at_its_amount_and_the_rest_by_unit() {
        let sku = "CAKE".parse().unwrap();
        let discount = RewardValue::Discount(Discount::BasisPoints(5_000));
        let cakes = RewardValue::FreeProduct { sku, quantity: 3 };
        let mut costed = incentive();
        assert_eq!(costed.cost_of(RewardValue::Cash(eur(7))), Some(eur(7)));
        assert_eq!(costed.cost_of(discount), None);
        costed.unit_cost = Some(usd(250));
        assert_eq!(costed.cost_of(RewardValue::Cash(eur(7))), Some(eur(7)));
        assert_eq!(costed.cost_of(discount), Some(usd(250)));
        assert_eq!(costed.cost_of(cakes), Some(usd(750)));
        assert_eq!(costed.cost_of(RewardValue::Points(4)), Some(usd(1_000)));
        let all = costed.cost_of(RewardValue::Points(i64::MAX));
        assert_eq!(all, Some(usd(i64::MAX)));
    }

    proptest! {
        /// 256 cases: the tier is the highest that was reached.
        #[test]
        fn the_highest_reached_tier_counts(mut from in prop::collection::btree_set(1_u32..50, 0..6), standing in 0_u64..60) {
            let tiers = from.iter().map(|&from| Tier { from, reward: RewardRule::Points(i64::from(from)) });
            let tiered = Incentive { tiers: tiers.collect(), ..incentive() };
            from.retain(|&from| u64::from(from) <= standing);
            prop_assert_eq!(tiered.rule_for(standing).1, from.last().copied());
        }
    }
}
