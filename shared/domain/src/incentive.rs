//! Incentives: which rewards a conversion earns, which it does not, and why not.
//!
//! [`evaluate`] is a function of its inputs only. It never compares rewards with each other: each
//! incentive that holds gives its own reward.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::ISOWeekDate;
use jiff::tz::TimeZone;

use crate::id::ParticipantId;
use crate::money::Money;
use crate::reward::{Beneficiary, RewardValue};
use crate::text::{EventName, Slug};

/// The largest limit on the number of rewards.
pub const LIMIT_MAX: u32 = 1_000_000;
/// The most points that one reward gives.
pub const POINTS_MAX: i64 = 1_000_000_000;

/// What has to hold for an incentive to give a reward. All of it has to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The conversion's amount is at least this. An amount of another currency does not meet it.
    pub minimum_amount: Option<Money>,
    /// It is this referee's first qualified conversion of that event.
    pub first_conversion_only: bool,
}

/// How many rewards an incentive gives at most, counted over rewards made and not cancelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In a calendar day, UTC, for one referrer.
    pub per_referrer_per_day: Option<u32>,
    /// In an ISO week, UTC, for one referrer.
    pub per_referrer_per_week: Option<u32>,
    /// In a calendar month, UTC, for one referrer.
    pub per_referrer_per_month: Option<u32>,
    /// Ever, for one referrer.
    pub per_referrer: Option<u32>,
    /// Ever, for one referee.
    pub per_referee: Option<u32>,
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
    /// What.
    pub reward: RewardValue,
    /// When.
    pub conditions: Conditions,
    /// How often at most.
    pub limits: Limits,
}

/// Whose rewards a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitSubject {
    /// Those earned through one referrer.
    Referrer,
    /// Those earned through one referee.
    Referee,
}

/// A limit at an instant: whose counter, under which name, and how high it may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitUse {
    /// The limit, as the API names it.
    pub limit: &'static str,
    /// Whose counter.
    pub subject: LimitSubject,
    /// The counter's name in its subject's item: incentive and window.
    pub counter: String,
    /// The most it may come to.
    pub cap: u32,
}

impl Incentive {
    /// The limits that a reward recorded at `now` counts towards.
    #[must_use]
    pub fn limit_uses(&self, now: Timestamp) -> Vec<LimitUse> {
        let date = now.to_zoned(TimeZone::UTC).date();
        let week = ISOWeekDate::from(date);
        let id = &self.id;
        let referrer = LimitSubject::Referrer;
        let windows = [
            (
                "per_referrer_per_day",
                self.limits.per_referrer_per_day,
                referrer,
                format!("{id}#day#{date}"),
            ),
            (
                "per_referrer_per_week",
                self.limits.per_referrer_per_week,
                referrer,
                format!("{id}#week#{}-W{:02}", week.year(), week.week()),
            ),
            (
                "per_referrer_per_month",
                self.limits.per_referrer_per_month,
                referrer,
                format!("{id}#month#{}", date.strftime("%Y-%m")),
            ),
            (
                "per_referrer",
                self.limits.per_referrer,
                referrer,
                format!("{id}#ever"),
            ),
            (
                "per_referee",
                self.limits.per_referee,
                LimitSubject::Referee,
                format!("{id}#referee"),
            ),
        ];
        windows
            .into_iter()
            .filter_map(|(limit, cap, subject, counter)| {
                Some(LimitUse {
                    limit,
                    subject,
                    counter,
                    cap: cap?,
                })
            })
            .collect()
    }
}

/// Whether a counter of [`Incentive::limit_uses`] belongs to a window that is over at `now`: nothing
/// counts towards it any more.
#[must_use]
pub fn window_is_over(counter: &str, now: Timestamp) -> bool {
    let date = now.to_zoned(TimeZone::UTC).date();
    let week = ISOWeekDate::from(date);
    let mut parts = counter.rsplit('#');
    let (Some(window), Some(kind)) = (parts.next(), parts.next()) else {
        return false;
    };
    match kind {
        "day" => window != date.to_string(),
        "week" => window != format!("{}-W{:02}", week.year(), week.week()),
        "month" => window != date.strftime("%Y-%m").to_string(),
        _ => false,
    }
}

/// Why an incentive gave no reward: the name of the condition or limit, or one of the reasons that
/// stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SkipReason(&'static str);

impl SkipReason {
    /// The amount is below the minimum.
    pub const MINIMUM_AMOUNT: Self = Self("minimum_amount");
    /// The referee converted before.
    pub const FIRST_CONVERSION_ONLY: Self = Self("first_conversion_only");
    /// The condition speaks of another currency.
    pub const CURRENCY_MISMATCH: Self = Self("currency_mismatch");
    /// The conversion has no amount, and the incentive needs one.
    pub const NO_AMOUNT: Self = Self("no_amount");
    /// The beneficiary does not take part.
    pub const BENEFICIARY_SUSPENDED: Self = Self("beneficiary_suspended");
    /// The program is archived.
    pub const PROGRAM_PAUSED: Self = Self("program_paused");

    const KNOWN: [Self; 11] = [
        Self::MINIMUM_AMOUNT,
        Self::FIRST_CONVERSION_ONLY,
        Self::CURRENCY_MISMATCH,
        Self::NO_AMOUNT,
        Self::BENEFICIARY_SUSPENDED,
        Self::PROGRAM_PAUSED,
        Self("per_referrer_per_day"),
        Self("per_referrer_per_week"),
        Self("per_referrer_per_month"),
        Self("per_referrer"),
        Self("per_referee"),
    ];

    /// A limit was reached.
    #[must_use]
    pub fn limit(name: &'static str) -> Self {
        Self(name)
    }

    /// The word in the API and the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for SkipReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::KNOWN
            .into_iter()
            .find(|known| known.0 == text)
            .ok_or(UnknownReason)
    }
}

/// The text is no reason to skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reason to skip")]
pub struct UnknownReason;

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
    /// Which qualified conversion of that event it is for this referee, from 1.
    pub conversion_number: u64,
    /// Who shared.
    pub referrer: Party,
    /// Who was invited.
    pub referee: Party,
    /// Whether the program gives rewards at all.
    pub gives_rewards: bool,
    /// When it is recorded, on the program's clock: limits are counted in the windows of it.
    pub recorded_at: Timestamp,
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
}

/// What a conversion earns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// Rewards to make.
    pub earned: Vec<Earned>,
    /// Incentives that gave nothing, with the reason.
    pub skipped: Vec<Skipped>,
    /// Whether the decision rests on the referee's conversion number, which then has to be
    /// guarded when it is written.
    pub rests_on_conversion_number: bool,
}

/// Judges every incentive of the event. `used` tells how high a counter stands.
#[must_use]
pub fn evaluate(
    incentives: &[Incentive],
    facts: &Facts<'_>,
    used: impl Fn(LimitSubject, &str) -> u64,
) -> Evaluation {
    let mut evaluation = Evaluation::default();
    for incentive in incentives
        .iter()
        .filter(|incentive| &incentive.on == facts.event)
    {
        let party = match incentive.beneficiary {
            Beneficiary::Referrer => facts.referrer,
            Beneficiary::Referee => facts.referee,
        };
        evaluation.rests_on_conversion_number |= incentive.conditions.first_conversion_only;
        let uses = incentive.limit_uses(facts.recorded_at);
        let verdict = judge(incentive, facts, party).and_then(|()| within_limits(&uses, &used));
        match verdict {
            Ok(()) => evaluation.earned.push(Earned {
                incentive_id: incentive.id.clone(),
                beneficiary: incentive.beneficiary,
                beneficiary_id: party.id,
                value: incentive.reward,
                uses,
            }),
            Err(reason) => evaluation.skipped.push(Skipped {
                incentive_id: incentive.id.clone(),
                beneficiary: incentive.beneficiary,
                reason,
            }),
        }
    }
    evaluation
}

fn judge(incentive: &Incentive, facts: &Facts<'_>, party: Party) -> Result<(), SkipReason> {
    if !facts.gives_rewards {
        return Err(SkipReason::PROGRAM_PAUSED);
    }
    if !party.active {
        return Err(SkipReason::BENEFICIARY_SUSPENDED);
    }
    if let Some(minimum) = incentive.conditions.minimum_amount {
        let amount = facts.amount.ok_or(SkipReason::NO_AMOUNT)?;
        if !amount
            .at_least(minimum)
            .ok_or(SkipReason::CURRENCY_MISMATCH)?
        {
            return Err(SkipReason::MINIMUM_AMOUNT);
        }
    }
    if incentive.conditions.first_conversion_only && facts.conversion_number > 1 {
        return Err(SkipReason::FIRST_CONVERSION_ONLY);
    }
    Ok(())
}

fn within_limits(
    uses: &[LimitUse],
    used: &impl Fn(LimitSubject, &str) -> u64,
) -> Result<(), SkipReason> {
    match uses
        .iter()
        .find(|limit| used(limit.subject, &limit.counter) >= u64::from(limit.cap))
    {
        Some(reached) => Err(SkipReason::limit(reached.limit)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eur(minor: i64) -> Money {
        Money::new(minor, "EUR".parse().unwrap())
    }

    fn incentive(conditions: Conditions, limits: Limits) -> Incentive {
        Incentive {
            id: "thank-you".parse().unwrap(),
            on: "purchase".parse().unwrap(),
            beneficiary: Beneficiary::Referrer,
            reward: RewardValue::Cash(eur(500)),
            conditions,
            limits,
        }
    }

    fn facts(event: &EventName) -> Facts<'_> {
        let party = |tail| Party {
            id: ParticipantId::new(Timestamp::UNIX_EPOCH, [tail; 10]),
            active: true,
        };
        Facts {
            event,
            amount: Some(eur(4_500)),
            conversion_number: 1,
            referrer: party(1),
            referee: party(2),
            gives_rewards: true,
            recorded_at: "2027-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn reason(incentive: &Incentive, facts: &Facts<'_>, used: u64) -> Option<&'static str> {
        let evaluation = evaluate(std::slice::from_ref(incentive), facts, |_, _| used);
        assert_eq!(evaluation.earned.len() + evaluation.skipped.len(), 1);
        evaluation
            .skipped
            .first()
            .map(|skipped| skipped.reason.as_str())
    }

    #[test]
    fn each_condition_has_its_reason() {
        let purchase: EventName = "purchase".parse().unwrap();
        let minimum = incentive(
            Conditions {
                minimum_amount: Some(eur(4_500)),
                ..Conditions::default()
            },
            Limits::default(),
        );
        assert_eq!(reason(&minimum, &facts(&purchase), 0), None);
        assert_eq!(
            reason(
                &minimum,
                &Facts {
                    amount: Some(eur(4_499)),
                    ..facts(&purchase)
                },
                0
            ),
            Some("minimum_amount")
        );
        assert_eq!(
            reason(
                &minimum,
                &Facts {
                    amount: None,
                    ..facts(&purchase)
                },
                0
            ),
            Some("no_amount")
        );
        let dollars = Some(Money::new(9_999, "USD".parse().unwrap()));
        assert_eq!(
            reason(
                &minimum,
                &Facts {
                    amount: dollars,
                    ..facts(&purchase)
                },
                0
            ),
            Some("currency_mismatch")
        );

        let first = incentive(
            Conditions {
                first_conversion_only: true,
                ..Conditions::default()
            },
            Limits::default(),
        );
        assert_eq!(reason(&first, &facts(&purchase), 0), None);
        assert_eq!(
            reason(
                &first,
                &Facts {
                    conversion_number: 2,
                    ..facts(&purchase)
                },
                0
            ),
            Some("first_conversion_only")
        );

        let plain = incentive(Conditions::default(), Limits::default());
        assert_eq!(
            reason(
                &plain,
                &Facts {
                    gives_rewards: false,
                    ..facts(&purchase)
                },
                0
            ),
            Some("program_paused")
        );
        let mut suspended = facts(&purchase);
        suspended.referrer.active = false;
        assert_eq!(reason(&plain, &suspended, 0), Some("beneficiary_suspended"));
        let other: EventName = "signup".parse().unwrap();
        assert_eq!(
            evaluate(&[plain], &facts(&other), |_, _| 0),
            Evaluation::default()
        );
    }

    /// ISO week 53 of 2026 still runs on the first of January 2027.
    #[test]
    fn windows_are_days_iso_weeks_and_months_in_utc() {
        let limits = Limits {
            per_referrer_per_day: Some(1),
            per_referrer_per_week: Some(2),
            per_referrer_per_month: Some(3),
            per_referrer: Some(4),
            per_referee: Some(5),
        };
        let names: Vec<String> = incentive(Conditions::default(), limits)
            .limit_uses("2027-01-01T00:00:00Z".parse().unwrap())
            .into_iter()
            .map(|limit| format!("{} {} {}", limit.limit, limit.counter, limit.cap))
            .collect();
        assert_eq!(
            names,
            [
                "per_referrer_per_day thank-you#day#2027-01-01 1",
                "per_referrer_per_week thank-you#week#2026-W53 2",
                "per_referrer_per_month thank-you#month#2027-01 3",
                "per_referrer thank-you#ever 4",
                "per_referee thank-you#referee 5",
            ]
        );
    }

    /// Whatever window a reward counts in now is open now, and over a month later.
    #[test]
    fn windows_end() {
        let limits = Limits {
            per_referrer_per_day: Some(1),
            per_referrer_per_week: Some(1),
            per_referrer_per_month: Some(1),
            per_referrer: Some(1),
            per_referee: Some(1),
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for used in incentive(Conditions::default(), limits).limit_uses(at("2026-12-31T23:59:59Z"))
        {
            let windowed = used.limit.contains("_per_");
            let windowed = windowed && used.limit != "per_referrer" && used.limit != "per_referee";
            let windowed = windowed && used.counter.matches('#').count() == 2;
            assert!(
                !window_is_over(&used.counter, at("2026-12-31T23:59:59Z")),
                "{used:?}"
            );
            assert_eq!(
                window_is_over(&used.counter, at("2027-02-01T00:00:00Z")),
                windowed,
                "{used:?}"
            );
        }
        assert!(!window_is_over(
            "conversions#purchase",
            at("2027-02-01T00:00:00Z")
        ));
        assert!(!window_is_over("referees", at("2027-02-01T00:00:00Z")));
    }

    proptest! {
        #[test]
        fn a_limit_is_reached_at_its_cap_and_not_before(cap in 0u32..100, used in 0u64..200) {
            let purchase: EventName = "purchase".parse().unwrap();
            let limited = incentive(Conditions::default(), Limits { per_referrer_per_month: Some(cap), ..Limits::default() });
            let skipped = reason(&limited, &facts(&purchase), used);
            prop_assert_eq!(skipped.is_none(), used < u64::from(cap));
        }
    }
}
