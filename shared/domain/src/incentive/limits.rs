use jiff::Timestamp;
use jiff::civil::{Date, ISOWeekDate};
use jiff::tz::TimeZone;

use super::Incentive;
use crate::money::Money;
use crate::words::words;

/// The largest limit on the number of rewards.
pub const LIMIT_MAX: u32 = 1_000_000;

words! {
    /// A limit or budget by its name, in the order in which they are judged.
    pub enum Limit {
        /// [`Limits::per_referrer_per_day`].
        PerReferrerPerDay = "per_referrer_per_day",
        /// [`Limits::per_referrer_per_week`].
        PerReferrerPerWeek = "per_referrer_per_week",
        /// [`Limits::per_referrer_per_month`].
        PerReferrerPerMonth = "per_referrer_per_month",
        /// [`Limits::per_referrer`].
        PerReferrer = "per_referrer",
        /// [`Limits::per_referee`].
        PerReferee = "per_referee",
        /// [`Limits::budget_per_day`].
        BudgetPerDay = "budget_per_day",
        /// [`Limits::budget_per_month`].
        BudgetPerMonth = "budget_per_month",
        /// [`Limits::budget`].
        Budget = "budget",
    }
}

/// How many rewards an incentive gives at most, and for how much money, counted over rewards made and
/// not cancelled.
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
    /// In a calendar day, UTC, for everybody.
    pub budget_per_day: Option<Money>,
    /// In a calendar month, UTC, for everybody.
    pub budget_per_month: Option<Money>,
    /// Ever, for everybody.
    pub budget: Option<Money>,
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
    /// The limit.
    pub limit: Limit,
    /// Whose counter.
    pub subject: LimitSubject,
    /// The counter's name in its subject's item: incentive and window.
    pub counter: String,
    /// The most it may come to.
    pub cap: u32,
}

/// A budget at an instant: in which window it is counted, and how high it may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetWindow {
    /// The budget.
    pub limit: Limit,
    /// The window: `day#2026-03-01`, `month#2026-03`, `ever`.
    pub window: String,
    /// The most that may be spent in it.
    pub cap: Money,
    /// Over how many counters it is spread, at least 1.
    pub shards: u8,
}

impl Limits {
    /// Its budgets.
    pub fn budgets(&self) -> impl Iterator<Item = Money> {
        [self.budget_per_day, self.budget_per_month, self.budget]
            .into_iter()
            .flatten()
    }
}

impl Incentive {
    /// The limits that a reward recorded at `now` counts towards.
    #[must_use]
    pub fn limit_uses(&self, now: Timestamp) -> Vec<LimitUse> {
        let date = now.to_zoned(TimeZone::UTC).date();
        let id = &self.id;
        let limits = &self.limits;
        let referrer = LimitSubject::Referrer;
        let windows = [
            (
                Limit::PerReferrerPerDay,
                limits.per_referrer_per_day,
                referrer,
                day_of(date),
            ),
            (
                Limit::PerReferrerPerWeek,
                limits.per_referrer_per_week,
                referrer,
                week_of(date),
            ),
            (
                Limit::PerReferrerPerMonth,
                limits.per_referrer_per_month,
                referrer,
                month_of(date),
            ),
            (
                Limit::PerReferrer,
                limits.per_referrer,
                referrer,
                "ever".to_owned(),
            ),
            (
                Limit::PerReferee,
                limits.per_referee,
                LimitSubject::Referee,
                "referee".to_owned(),
            ),
        ];
        windows
            .into_iter()
            .filter_map(|(limit, cap, subject, window)| {
                Some(LimitUse {
                    limit,
                    subject,
                    counter: format!("{id}#{window}"),
                    cap: cap?,
                })
            })
            .collect()
    }

    /// The budgets that a reward recorded at `now` counts towards.
    #[must_use]
    pub fn budgets(&self, now: Timestamp) -> Vec<BudgetWindow> {
        let date = now.to_zoned(TimeZone::UTC).date();
        let limits = &self.limits;
        let windows = [
            (Limit::BudgetPerDay, limits.budget_per_day, day_of(date)),
            (
                Limit::BudgetPerMonth,
                limits.budget_per_month,
                month_of(date),
            ),
            (Limit::Budget, limits.budget, "ever".to_owned()),
        ];
        windows
            .into_iter()
            .filter_map(|(limit, cap, window)| {
                Some(BudgetWindow {
                    limit,
                    window,
                    cap: cap?,
                    shards: self.budget_shards.max(1),
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
    let mut parts = counter.rsplit('#');
    let (Some(window), Some(kind)) = (parts.next(), parts.next()) else {
        return false;
    };
    let present = match kind {
        "day" => day_of(date),
        "week" => week_of(date),
        "month" => month_of(date),
        _ => return false,
    };
    present
        .split_once('#')
        .is_some_and(|(_, now)| now != window)
}

fn day_of(date: Date) -> String {
    format!("day#{date}")
}

fn week_of(date: Date) -> String {
    let week = ISOWeekDate::from(date);
    format!("week#{}-W{:02}", week.year(), week.week())
}

fn month_of(date: Date) -> String {
    format!("month#{}", date.strftime("%Y-%m"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incentive::testing::{at, every_limit, incentive};

    fn limited() -> Incentive {
        Incentive {
            limits: every_limit(),
            budget_shards: 4,
            ..incentive()
        }
    }

    /// ISO week 53 of 2026 still runs on the first of January 2027.
    #[test]
    fn windows_are_days_iso_weeks_and_months_in_utc() {
        let names: Vec<String> = limited()
            .limit_uses(at("2027-01-01T00:00:00Z"))
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
        let names: Vec<String> = limited()
            .budgets(at("2026-12-31T23:59:59.999Z"))
            .into_iter()
            .map(|one| {
                format!(
                    "{} {} {} {}",
                    one.limit, one.window, one.cap.minor, one.shards
                )
            })
            .collect();
        assert_eq!(
            names,
            [
                "budget_per_day day#2026-12-31 1000 4",
                "budget_per_month month#2026-12 2000 4",
                "budget ever 3000 4",
            ]
        );
    }

    /// Whatever window a reward counts in now is open now, and over a month later.
    #[test]
    fn windows_end() {
        let now = at("2026-12-31T23:59:59Z");
        let later = at("2027-02-01T00:00:00Z");
        let mut over = Vec::new();
        for used in limited().limit_uses(now) {
            assert!(!window_is_over(&used.counter, now), "{used:?}");
            if window_is_over(&used.counter, later) {
                over.push(used.limit);
            }
        }
        assert_eq!(
            over,
            [
                Limit::PerReferrerPerDay,
                Limit::PerReferrerPerWeek,
                Limit::PerReferrerPerMonth,
            ]
        );
        assert!(!window_is_over("conversions#purchase", later));
        assert!(!window_is_over("referees", later));
    }
}
