use jiff::Timestamp;
use jiff::civil::ISOWeekDate;
use jiff::tz::TimeZone;

use super::{apart, count, day, noun, ordinal, times};
use crate::conversion::Conversion;
use crate::incentive::{Condition, Limit, NumberRange, NumberRule, Shortfall, SkipReason, Skipped};
use crate::money::Money;
use crate::reward::Beneficiary;

/// Why an incentive gave nothing for a conversion.
#[must_use]
pub fn skipped(conversion: &Conversion, skipped: &Skipped) -> String {
    let told = Told {
        conversion,
        skipped,
        noun: noun(&conversion.content.event),
    };
    match skipped.reason {
        SkipReason::Condition(condition) => told.condition(condition),
        SkipReason::Limit(limit) => told.limit(limit),
        SkipReason::CurrencyMismatch => told.currency_mismatch(),
        SkipReason::NoAmount => format!(
            "The {} came without an amount, which this reward needs.",
            told.noun
        ),
        SkipReason::ZeroValue => match conversion.content.amount {
            Some(amount) => format!("For {amount} this reward comes to nothing."),
            None => "The reward would have been worth nothing.".to_owned(),
        },
        SkipReason::NoUpline => match skipped.beneficiary {
            Beneficiary::Upline(level) => {
                format!(
                    "Nobody stood {} above the referrer.",
                    count(level.into(), "level")
                )
            }
            Beneficiary::Referrer | Beneficiary::Referee => {
                "There was nobody to earn this reward.".to_owned()
            }
        },
        SkipReason::NewCustomerUnknown => "This reward is for new customers, and the shop did not \
             say whether the customer is new."
            .to_owned(),
        SkipReason::NoOffer => format!(
            "This reward is given before paying, and the {} named no unused voucher of it.",
            told.noun
        ),
        SkipReason::BeneficiarySuspended => format!(
            "{} was suspended when the {} was recorded.",
            told.beneficiary(),
            told.noun
        ),
        SkipReason::ProgramPaused => format!(
            "The program was archived when the {} was recorded, and gives no rewards any more.",
            told.noun
        ),
    }
}

struct Told<'a> {
    conversion: &'a Conversion,
    skipped: &'a Skipped,
    noun: &'static str,
}

impl Told<'_> {
    fn beneficiary(&self) -> String {
        let referee = self.conversion.referee_id;
        let chosen = self.conversion.attribution.chosen.as_ref();
        match self.skipped.beneficiary {
            Beneficiary::Referee => format!("The customer {referee}"),
            Beneficiary::Referrer => match chosen {
                Some(chosen) => format!("The referrer {}", chosen.referrer_id),
                None => "The referrer".to_owned(),
            },
            Beneficiary::Upline(level) => {
                let above = usize::from(level).checked_sub(1);
                let above = above.and_then(|above| self.conversion.upline.get(above));
                above.map_or_else(
                    || "Whoever would have earned it".to_owned(),
                    ToString::to_string,
                )
            }
        }
    }

    /// What is said of a condition where it is not known any more what it asked for.
    fn unmet(&self) -> String {
        format!("The {} did not meet {}.", self.noun, self.skipped.reason)
    }

    fn condition(&self, condition: Condition) -> String {
        let noun = self.noun;
        let conversion = self.conversion;
        match condition {
            Condition::StartsAt => self.at(|happened, at| {
                format!("The {noun} was on {happened}, and this reward begins on {at}.")
            }),
            Condition::EndsAt => self.at(|happened, at| {
                format!("The {noun} was on {happened}, and this reward ended on {at}.")
            }),
            Condition::Channels => {
                let chosen = conversion.attribution.chosen.as_ref();
                let channel = chosen.and_then(|chosen| chosen.channel);
                self.text(match channel {
                    Some(channel) => format!("The customer came by the channel {channel}"),
                    None => "By which channel the customer came is not known".to_owned(),
                })
            }
            Condition::Countries => self.text(match conversion.content.country {
                Some(country) => format!("The {noun} came from {country}"),
                None => format!("The {noun} names no country"),
            }),
            Condition::Metadata => self.text(format!("The metadata of the {noun} did not fit")),
            Condition::NewRefereeOnly => {
                "This reward is for new customers, and the shop said that \
                 the customer is not new."
                    .to_owned()
            }
            Condition::WithinMonthsOfReferral => self.months(),
            Condition::MinimumAmount => self.amount("at least"),
            Condition::MaximumAmount => self.amount("at most"),
            Condition::FirstConversionOnly => {
                let only = "this reward is for the first only";
                match conversion.number {
                    Some(number) => format!("{}; {only}.", self.number(number)),
                    None => format!("It was not the first {noun} of the customer; {only}."),
                }
            }
            Condition::ConversionNumber => match (conversion.number, &self.skipped.shortfall) {
                (Some(number), Some(Shortfall::Numbers(rule))) => {
                    format!(
                        "{}; this reward is for {}.",
                        self.number(number),
                        numbers(*rule)
                    )
                }
                (Some(_) | None, Some(_) | None) => self.unmet(),
            },
            Condition::ReferralNumber => self.referral_number(),
        }
    }

    fn number(&self, number: u64) -> String {
        format!(
            "It was the customer's {} {} that counts",
            ordinal(number),
            self.noun
        )
    }

    fn at(&self, told: impl FnOnce(String, String) -> String) -> String {
        let Some(Shortfall::At(at)) = self.skipped.shortfall else {
            return self.unmet();
        };
        let (happened, at) = apart(self.conversion.occurred_at, at);
        told(happened, at)
    }

    fn text(&self, found: String) -> String {
        match &self.skipped.shortfall {
            Some(Shortfall::Text(asked)) => format!("{found}; this reward asks for {asked}."),
            Some(_) | None => format!("{found}; this reward asks for something else."),
        }
    }

    fn months(&self) -> String {
        let (Some(Shortfall::Months(months)), Some(bound_at)) =
            (&self.skipped.shortfall, self.conversion.bound_at)
        else {
            return self.unmet();
        };
        let (bound, happened) = apart(bound_at, self.conversion.occurred_at);
        let months = count((*months).into(), "month");
        format!(
            "The customer was bound on {bound} and the {} was on {happened}; this reward ends \
             {months} after the bond.",
            self.noun
        )
    }

    fn amount(&self, which: &str) -> String {
        let (Some(Shortfall::Amount { bound, counted }), Some(amount)) =
            (&self.skipped.shortfall, self.conversion.content.amount)
        else {
            return self.unmet();
        };
        let noun = self.noun;
        let found = match counted {
            Some(counted) => format!("The {noun} was {amount}, which counts as {counted}"),
            None => format!("The {noun} was {amount}"),
        };
        format!("{found}; this reward asks for {which} {bound}.")
    }

    fn referral_number(&self) -> String {
        let Some(Shortfall::Numbers(rule)) = self.skipped.shortfall else {
            return self.unmet();
        };
        match self.conversion.referral_number {
            Some(number) => format!(
                "The customer was the referrer's {} who bought; this reward is for {}.",
                ordinal(number),
                numbers(rule)
            ),
            None => format!(
                "This reward counts customers by their first {}, and this was a later one.",
                self.noun
            ),
        }
    }

    fn limit(&self, limit: Limit) -> String {
        let at = self.conversion.recorded_at;
        let through = "through this referrer";
        match limit {
            Limit::PerReferrerPerDay => self.count(through, &format!(" on {}", day(at)), " a day"),
            Limit::PerReferrerPerWeek => {
                self.count(through, &format!(" in {}", week(at)), " a week")
            }
            Limit::PerReferrerPerMonth => {
                self.count(through, &format!(" in {}", month(at)), " a month")
            }
            Limit::PerReferrer => self.count(through, "", ""),
            Limit::PerReferee => self.count("through this customer", "", ""),
            Limit::BudgetPerDay => self.budget(&format!(" for {}", day(at))),
            Limit::BudgetPerMonth => self.budget(&format!(" for {}", month(at))),
            Limit::Budget => self.budget(""),
        }
    }

    fn count(&self, through: &str, when: &str, each: &str) -> String {
        let Some(Shortfall::Count { used, cap }) = self.skipped.shortfall else {
            return format!("The limit {} was reached.", self.skipped.reason);
        };
        let used = times(used);
        format!("This reward was earned {used} {through}{when} already; the limit is {cap}{each}.")
    }

    fn budget(&self, window: &str) -> String {
        let Some(Shortfall::Budget { used, cap, cost }) = self.skipped.shortfall else {
            return format!("The budget {} was used up.", self.skipped.reason);
        };
        let money = |minor| Money::new(minor, cap.currency);
        let left = money(cap.minor.saturating_sub(used).max(0));
        format!(
            "Of the budget{window}, {cap}, {left} was left; this reward costs {}.",
            money(cost)
        )
    }

    fn currency_mismatch(&self) -> String {
        let amount = self.conversion.content.amount;
        let found = amount.map(|amount| amount.currency.code());
        match (found, &self.skipped.shortfall) {
            (Some(found), Some(Shortfall::Currency(asked))) if asked.code() != found => format!(
                "The {} was in {found}, this reward compares in {asked}, and the program has no \
                 rate between the two.",
                self.noun
            ),
            (_, Some(Shortfall::Currency(asked))) => {
                format!("This reward compares in {asked}, and the program has no rate to it.")
            }
            (_, Some(_) | None) => {
                "The program has no rate between the currencies that this reward compares."
                    .to_owned()
            }
        }
    }
}

fn numbers(rule: NumberRule) -> String {
    match rule {
        NumberRule::Range(NumberRange { from, to: None }) => {
            format!("the {} and later ones", ordinal(from.into()))
        }
        NumberRule::Range(NumberRange { from, to: Some(to) }) if from == to => {
            format!("the {}", ordinal(from.into()))
        }
        NumberRule::Range(NumberRange { from, to: Some(to) }) => {
            format!("the {} to the {}", ordinal(from.into()), ordinal(to.into()))
        }
        NumberRule::Every(step) => format!("every {}", ordinal(step.into())),
    }
}

fn week(at: Timestamp) -> String {
    let week = ISOWeekDate::from(at.to_zoned(TimeZone::UTC).date());
    format!("week {} of {}", week.week(), week.year())
}

fn month(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%B %Y").to_string()
}
