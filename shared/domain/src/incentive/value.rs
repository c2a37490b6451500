use super::evaluate::{Seen, Span};
use super::skip::SkipReason;
use super::{Incentive, RewardRule};
use crate::money::Money;
use crate::rates::Rates;
use crate::reward::RewardValue;

/// How a reward's value came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Computation {
    /// The tier that replaced the reward, by the number it begins at.
    pub tier: Option<u32>,
    /// What was offered.
    pub rule: RewardRule,
    /// Of a share: what it is a share of, the conversion's amount.
    pub base: Option<Money>,
    /// Of a share: what it comes to, rounded down, before any maximum.
    pub share: Option<Money>,
    /// Of a share with a maximum: the maximum in the conversion's currency.
    pub maximum: Option<Money>,
    /// Whether the maximum was less than the share.
    pub maximum_applied: bool,
    /// Whether the maximum was converted by a rate of the program.
    pub used_rates: bool,
    /// What comes of it.
    pub value: RewardValue,
}

/// What an incentive gives for an amount, to a referrer with so many qualified referees.
///
/// # Errors
/// [`SkipReason::NoAmount`], [`SkipReason::CurrencyMismatch`], [`SkipReason::ZeroValue`].
pub fn compute(
    incentive: &Incentive,
    amount: Option<Money>,
    standing: u64,
    rates: &Rates,
) -> Result<Computation, SkipReason> {
    value_of(incentive, amount, standing, rates, &mut Seen::default())
}

/// As [`compute`], noting what was looked at.
pub(super) fn value_of(
    incentive: &Incentive,
    amount: Option<Money>,
    standing: u64,
    rates: &Rates,
    seen: &mut Seen,
) -> Result<Computation, SkipReason> {
    let (rule, tier) = incentive.rule_for(standing);
    seen.referees(same_tier(incentive, tier));
    let fixed = |value| Computation {
        tier,
        rule: *rule,
        base: None,
        share: None,
        maximum: None,
        maximum_applied: false,
        used_rates: false,
        value,
    };
    let computed = match *rule {
        RewardRule::Cash(amount) => fixed(RewardValue::Cash(amount)),
        RewardRule::Discount(discount) => fixed(RewardValue::Discount(discount)),
        RewardRule::Points(points) => fixed(RewardValue::Points(points)),
        RewardRule::FreeProduct { sku, quantity } => {
            fixed(RewardValue::FreeProduct { sku, quantity })
        }
        RewardRule::Percentage {
            basis_points,
            maximum,
        } => {
            let base = amount.ok_or(SkipReason::NoAmount)?;
            let too_large = |_| SkipReason::ZeroValue;
            let share = base.share_floor(basis_points).map_err(too_large)?;
            let maximum = match maximum {
                Some(maximum) => Some(seen.convert(rates, maximum, base.currency)?),
                None => None,
            };
            let cap = maximum.map_or(share.minor, |maximum| maximum.minor);
            Computation {
                base: Some(base),
                share: Some(share),
                maximum,
                maximum_applied: cap < share.minor,
                used_rates: seen.used_rates(),
                ..fixed(RewardValue::Cash(Money::new(
                    share.minor.min(cap),
                    base.currency,
                )))
            }
        }
    };
    if computed.value.number() <= 0 {
        return Err(SkipReason::ZeroValue);
    }
    Ok(computed)
}

/// The most that a share may come to, with so many referees.
pub(super) fn largest_share(incentive: &Incentive, standing: u64) -> Option<Money> {
    match incentive.rule_for(standing).0 {
        RewardRule::Percentage { maximum, .. } => *maximum,
        RewardRule::Cash(_)
        | RewardRule::Discount(_)
        | RewardRule::Points(_)
        | RewardRule::FreeProduct { .. } => None,
    }
}

/// With how many referees the reward is that of the same tier.
fn same_tier(incentive: &Incentive, tier: Option<u32>) -> Span {
    let above = |from: &u32| tier.is_none_or(|tier| *from > tier);
    let next = incentive.tiers.iter().map(|tier| tier.from).find(above);
    let high = next.map_or(u64::MAX, |next| u64::from(next).saturating_sub(1));
    Span::new(tier.map_or(0, u64::from), high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incentive::Tier;
    use crate::incentive::testing::{eur, incentive, rates, usd};
    use proptest::prelude::*;

    fn share(basis_points: u32, maximum: Option<Money>) -> Incentive {
        Incentive {
            reward: RewardRule::Percentage {
                basis_points,
                maximum,
            },
            ..incentive()
        }
    }

    fn value(incentive: &Incentive, amount: Option<Money>) -> Result<RewardValue, &'static str> {
        compute(incentive, amount, 1, &rates())
            .map(|computed| computed.value)
            .map_err(SkipReason::as_str)
    }

    #[test]
    fn a_share_is_paid_in_the_currency_of_the_conversion_up_to_its_maximum() {
        let cash = |money| Ok(RewardValue::Cash(money));
        let plain = share(2_000, None);
        assert_eq!(value(&plain, Some(eur(4_504))), cash(eur(900)));
        assert_eq!(value(&plain, Some(usd(4_504))), cash(usd(900)));
        assert_eq!(value(&plain, None), Err("no_amount"));
        assert_eq!(value(&plain, Some(eur(4))), Err("zero_value"));
        assert_eq!(value(&plain, Some(eur(0))), Err("zero_value"));
        let capped = share(2_000, Some(eur(920)));
        assert_eq!(value(&capped, Some(eur(4_604))), cash(eur(920)));
        assert_eq!(value(&capped, Some(eur(4_600))), cash(eur(920)));
        assert_eq!(value(&capped, Some(eur(4_599))), cash(eur(919)));
        assert_eq!(value(&capped, Some(usd(9_999))), cash(usd(1_000)));
        let pounds = Money::new(9_999, "GBP".parse().unwrap());
        assert_eq!(value(&capped, Some(pounds)), Err("currency_mismatch"));
    }

    #[test]
    fn a_computation_says_how_the_value_came_about() {
        let capped = Incentive {
            tiers: vec![Tier {
                from: 2,
                reward: RewardRule::Points(7),
            }],
            ..share(2_000, Some(eur(920)))
        };
        let computed = compute(&capped, Some(usd(9_999)), 1, &rates()).unwrap();
        assert_eq!(
            computed,
            Computation {
                tier: None,
                rule: capped.reward,
                base: Some(usd(9_999)),
                share: Some(usd(1_999)),
                maximum: Some(usd(1_000)),
                maximum_applied: true,
                used_rates: true,
                value: RewardValue::Cash(usd(1_000)),
            }
        );
        let computed = compute(&capped, None, 2, &rates()).unwrap();
        assert_eq!(computed.tier, Some(2));
        assert_eq!(computed.value, RewardValue::Points(7));
        assert!(!computed.used_rates && computed.base.is_none());
    }

    proptest! {
        /// 256 cases: never above the exact share or the maximum, never less than it must be.
        #[test]
        fn a_share_is_exact(amount in 0..1_000_000_i64, basis_points in 1..=10_000_u32, maximum in prop::option::of(1..100_000_i64)) {
            let given = share(basis_points, maximum.map(eur));
            let exact = amount * i64::from(basis_points) / 10_000;
            let expected = maximum.map_or(exact, |maximum| exact.min(maximum));
            let found = value(&given, Some(eur(amount)));
            if expected == 0 {
                prop_assert_eq!(found, Err("zero_value"));
            } else {
                prop_assert_eq!(found, Ok(RewardValue::Cash(eur(expected))));
            }
        }
    }
}
