use super::Incentive;
use super::conditions::{Condition, NumberRange, NumberRule};
use super::evaluate::{Facts, Used};
use super::explain::{metadata_required, one_of};
use super::limits::Limit;
use super::skip::SkipReason;
use super::value::largest_share;
use crate::money::{Currency, Money};

/// The longest [`Shortfall::Text`], in characters; the rest of what is asked is left out.
pub const SHORTFALL_CHARS_MAX: usize = 200;

/// What an incentive asked for and did not find, as far as the conversion does not say it itself: kept
/// with it, so that it can be told what was missing when rules and counters have long changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortfall {
    /// An instant: when the incentive began, or ended.
    At(jiff::Timestamp),
    /// So many calendar months from the bond.
    Months(u16),
    /// An amount; and what the conversion's came to in its currency, where a rate was used.
    Amount {
        /// The bound.
        bound: Money,
        /// What was compared with it.
        counted: Option<Money>,
    },
    /// Certain numbers.
    Numbers(NumberRule),
    /// For people to read: channels, countries, a condition on metadata.
    Text(String),
    /// A currency that there was no rate to.
    Currency(Currency),
    /// A limit on the number of rewards, and how many there were.
    Count {
        /// Rewards that counted towards it.
        used: i64,
        /// The most there may be.
        cap: i64,
    },
    /// A budget, what was taken from it, and what the reward would have cost.
    Budget {
        /// Minor units that were taken.
        used: i64,
        /// The whole budget.
        cap: Money,
        /// Minor units that the reward costs.
        cost: i64,
    },
}

impl Shortfall {
    /// What an incentive asked for that was skipped for this reason.
    pub(super) fn of(
        incentive: &Incentive,
        reason: SkipReason,
        facts: &Facts<'_>,
        used: &impl Used,
    ) -> Option<Self> {
        match reason {
            SkipReason::Condition(condition) => Self::by(incentive, condition, facts),
            SkipReason::Limit(limit) => counted(incentive, limit, facts, used)
                .or_else(|| spent(incentive, limit, facts, used)),
            SkipReason::CurrencyMismatch => foreign(incentive, facts).map(Self::Currency),
            SkipReason::NoAmount
            | SkipReason::ZeroValue
            | SkipReason::NoUpline
            | SkipReason::NewCustomerUnknown
            | SkipReason::NoOffer
            | SkipReason::BeneficiarySuspended
            | SkipReason::ProgramPaused => None,
        }
    }

    fn by(incentive: &Incentive, condition: Condition, facts: &Facts<'_>) -> Option<Self> {
        let asked = &incentive.conditions;
        let bound = |bound: Money| {
            let found = facts.amount?;
            let converted = facts.rates.convert(found, bound.currency);
            let counted = converted.filter(|counted| *counted != found);
            Some(Self::Amount { bound, counted })
        };
        let range = |range: NumberRange| Self::Numbers(NumberRule::Range(range));
        match condition {
            Condition::StartsAt => asked.starts_at.map(Self::At),
            Condition::EndsAt => asked.ends_at.map(Self::At),
            Condition::Channels => Some(Self::text(one_of(asked.channels.iter()))),
            Condition::Countries => Some(Self::text(one_of(asked.countries.iter()))),
            Condition::Metadata => {
                let mut unmet = asked
                    .metadata
                    .iter()
                    .filter(|one| !one.holds(facts.metadata));
                unmet.next().map(|one| Self::text(metadata_required(one)))
            }
            Condition::WithinMonthsOfReferral => asked.within_months_of_referral.map(Self::Months),
            Condition::MinimumAmount => asked.minimum_amount.and_then(bound),
            Condition::MaximumAmount => asked.maximum_amount.and_then(bound),
            Condition::ConversionNumber => asked.conversion_number.map(range),
            Condition::ReferralNumber => asked.referral_number.map(Self::Numbers),
            Condition::NewRefereeOnly | Condition::FirstConversionOnly => None,
        }
    }

    /// What people read, cut where it becomes too long.
    fn text(text: String) -> Self {
        if text.chars().count() <= SHORTFALL_CHARS_MAX {
            return Self::Text(text);
        }
        let kept = text.chars().take(SHORTFALL_CHARS_MAX.saturating_sub(1));
        Self::Text(kept.chain(['…']).collect())
    }
}

fn counted(
    incentive: &Incentive,
    limit: Limit,
    facts: &Facts<'_>,
    used: &impl Used,
) -> Option<Shortfall> {
    let uses = incentive.limit_uses(facts.recorded_at);
    let reached = uses.into_iter().find(|one| one.limit == limit)?;
    let count = used.counter(reached.subject, &reached.counter);
    Some(Shortfall::Count {
        used: i64::try_from(count).unwrap_or(i64::MAX),
        cap: i64::from(reached.cap),
    })
}

fn spent(
    incentive: &Incentive,
    limit: Limit,
    facts: &Facts<'_>,
    used: &impl Used,
) -> Option<Shortfall> {
    let windows = incentive.budgets(facts.recorded_at);
    let window = windows.into_iter().find(|one| one.limit == limit)?;
    let taken = (0..window.shards)
        .map(|shard| used.budget(&incentive.id, &window.window, shard))
        .fold(0_i64, i64::saturating_add);
    let computed = super::compute(incentive, facts.amount, facts.referees, facts.rates).ok()?;
    let cost = incentive.cost_of(computed.value)?;
    let cost = facts.rates.convert(cost, window.cap.currency)?;
    Some(Shortfall::Budget {
        used: taken,
        cap: window.cap,
        cost: cost.minor,
    })
}

/// The first currency that the incentive compares with and that there is no rate to, in the order in
/// which it is judged.
fn foreign(incentive: &Incentive, facts: &Facts<'_>) -> Option<Currency> {
    let amount = facts.amount;
    let asked = &incentive.conditions;
    let bounds = [asked.minimum_amount, asked.maximum_amount];
    let share = largest_share(incentive, facts.referees);
    let compared = bounds.into_iter().chain([share]).flatten();
    let unlike = |to: &Currency, from: Money| facts.rates.convert(from, *to).is_none();
    let mut currencies = compared.map(|bound| bound.currency);
    let first = amount.and_then(|from| currencies.find(|to| unlike(to, from)));
    first.or_else(|| {
        let computed = super::compute(incentive, amount, facts.referees, facts.rates).ok()?;
        let cost = incentive.cost_of(computed.value)?;
        let caps = incentive.budgets(facts.recorded_at).into_iter();
        let mut caps = caps.map(|window| window.cap.currency);
        caps.find(|to| unlike(to, cost))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incentive::testing::{Given, Stands, at, eur, every_limit, incentive, rates, usd};
    use crate::incentive::{
        Conditions, Limits, MetadataCondition, MetadataTest, RewardRule, evaluate,
    };

    /// What is missing where the only incentive gives nothing.
    fn missing(incentive: &Incentive, facts: &Facts<'_>, used: i64) -> Option<Shortfall> {
        let evaluation = evaluate(std::slice::from_ref(incentive), facts, &Stands(used));
        evaluation.skipped[0].shortfall.clone()
    }

    /// The conversion is of 45 euros, on the first of January 2027, and the referee's first.
    #[test]
    fn what_a_condition_asked_for_is_kept() {
        let asking = |conditions| Incentive {
            conditions,
            ..incentive()
        };
        let given = Given::default();
        let later = at("2027-02-01T00:00:00Z");
        let range = NumberRange { from: 2, to: None };
        let metadata = MetadataCondition {
            key: "items".parse().unwrap(),
            test: MetadataTest::AtLeast(3),
        };
        let none = Conditions::default();
        for (conditions, expected) in [
            (
                Conditions {
                    starts_at: Some(later),
                    ..none.clone()
                },
                Shortfall::At(later),
            ),
            (
                Conditions {
                    countries: vec!["DE".parse().unwrap()],
                    ..none.clone()
                },
                Shortfall::Text("one of DE".to_owned()),
            ),
            (
                Conditions {
                    metadata: vec![metadata],
                    ..none.clone()
                },
                Shortfall::Text("items is at least 3".to_owned()),
            ),
            (
                Conditions {
                    minimum_amount: Some(eur(5_000)),
                    ..none.clone()
                },
                Shortfall::Amount {
                    bound: eur(5_000),
                    counted: None,
                },
            ),
            (
                Conditions {
                    conversion_number: Some(range),
                    ..none.clone()
                },
                Shortfall::Numbers(NumberRule::Range(range)),
            ),
            (
                Conditions {
                    maximum_amount: Some(usd(5_000)),
                    ..none
                },
                Shortfall::Currency(usd(0).currency),
            ),
        ] {
            assert_eq!(
                missing(&asking(conditions), &given.facts(), 0),
                Some(expected)
            );
        }
    }

    #[test]
    fn what_an_amount_came_to_by_a_rate_is_kept() {
        let asking = Incentive {
            conditions: Conditions {
                minimum_amount: Some(eur(5_000)),
                ..Conditions::default()
            },
            ..incentive()
        };
        let given = Given {
            rates: rates(),
            ..Given::default()
        };
        let facts = Facts {
            amount: Some(usd(5_000)),
            ..given.facts()
        };
        let expected = Shortfall::Amount {
            bound: eur(5_000),
            counted: Some(eur(4_600)),
        };
        assert_eq!(missing(&asking, &facts, 0), Some(expected));
    }

    #[test]
    fn how_much_of_a_limit_was_used_is_kept() {
        let given = Given::default();
        let limited = |limits| Incentive {
            limits,
            ..incentive()
        };
        assert_eq!(
            missing(&limited(every_limit()), &given.facts(), 3),
            Some(Shortfall::Count { used: 3, cap: 1 })
        );
        let budget = Limits {
            budget: Some(eur(1_200)),
            ..Limits::default()
        };
        assert_eq!(
            missing(&limited(budget), &given.facts(), 800),
            Some(Shortfall::Budget {
                used: 800,
                cap: eur(1_200),
                cost: 500
            })
        );
        let foreign = Limits {
            budget: Some(usd(1_200)),
            ..Limits::default()
        };
        assert_eq!(
            missing(&limited(foreign), &given.facts(), 0),
            Some(Shortfall::Currency(usd(0).currency))
        );
    }

    #[test]
    fn the_currency_of_a_maximum_is_kept() {
        let share = Incentive {
            reward: RewardRule::Percentage {
                basis_points: 1_000,
                maximum: Some(usd(500)),
            },
            ..incentive()
        };
        assert_eq!(
            missing(&share, &Given::default().facts(), 0),
            Some(Shortfall::Currency(usd(0).currency))
        );
    }

    /// A condition may list 249 countries; what is kept of them is bounded.
    #[test]
    fn what_people_read_is_cut() {
        let long = Shortfall::text("ü".repeat(SHORTFALL_CHARS_MAX + 1));
        let Shortfall::Text(cut) = long else {
            panic!("text")
        };
        assert_eq!(cut.chars().count(), SHORTFALL_CHARS_MAX);
        assert!(cut.ends_with("ü…"));
        let whole = "ü".repeat(SHORTFALL_CHARS_MAX);
        assert_eq!(Shortfall::text(whole.clone()), Shortfall::Text(whole));
    }
}
