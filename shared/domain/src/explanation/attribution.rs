use jiff::{SignedDuration, Timestamp};

use super::{apart, day, noun, span};
use crate::attribution::{Considered, Outcome, Reason, TouchKind};
use crate::conversion::Conversion;

/// Why a conversion belongs to its referrer, or to nobody.
#[must_use]
pub fn attribution(conversion: &Conversion) -> String {
    let noun = noun(&conversion.content.event);
    let attribution = &conversion.attribution;
    let considered = &attribution.considered;
    let deciding = considered.iter().find(|one| one.outcome == Outcome::Chosen);
    if let Some(chosen) = &attribution.chosen {
        let belongs = format!("The {noun} belongs to {}.", chosen.referrer_id);
        return match deciding {
            Some(touch) => format!("{belongs} {}", self::touch(conversion, touch)),
            None => belongs,
        };
    }
    match attribution.reason {
        Reason::NoTouch => format!(
            "The {noun} belongs to nobody: it came without click token, offer and code, and the \
             customer was bound to no referrer."
        ),
        Reason::OutsideWindow
        | Reason::BadToken
        | Reason::UnknownCode
        | Reason::DisabledCode
        | Reason::SelfReferral
        | Reason::ReferralLoop
        | Reason::Suspended
        | Reason::CodeWithoutClick
        | Reason::ExistingReferral
        | Reason::Voucher
        | Reason::ClickToken
        | Reason::Code
        | Reason::Manual => {
            let first = considered.first();
            let first = first.map_or_else(String::new, |first| touch(conversion, first));
            let others = match considered.len().saturating_sub(1) {
                0 => "",
                1 => " The other touch did not hold either.",
                _ => " The other touches did not hold either.",
            };
            format!("The {noun} belongs to nobody. {first}{others}")
        }
    }
}

/// What came of one touch, and why.
#[must_use]
pub fn touch(conversion: &Conversion, considered: &Considered) -> String {
    let told = Told {
        conversion,
        considered,
        noun: noun(&conversion.content.event),
    };
    match considered.outcome {
        Outcome::Chosen => told.chosen(),
        Outcome::NotNeeded => format!("{}, but another touch came first.", told.what()),
        Outcome::OutsideWindow => told.outside_window(),
        Outcome::BadToken => {
            "The click token is damaged or not one of this program, so it proves no visit."
                .to_owned()
        }
        Outcome::UnknownCode => format!("{}, but nobody in this program has it.", told.code_came()),
        Outcome::DisabledCode => {
            let noun = told.noun;
            format!(
                "{}, but it was disabled when the {noun} was recorded.",
                told.code_came()
            )
        }
        Outcome::SelfReferral => told.self_referral(),
        Outcome::ReferralLoop => format!(
            "{}, who was referred by this customer, directly or further up, and cannot be their \
             referrer.",
            told.leads_to()
        ),
        Outcome::Suspended => format!(
            "{}, who was suspended when the {} was recorded.",
            told.leads_to(),
            told.noun
        ),
        Outcome::CodeWithoutClick => format!(
            "{}, but without a click, and this program goes by clicks only.",
            told.what()
        ),
    }
}

struct Told<'a> {
    conversion: &'a Conversion,
    considered: &'a Considered,
    noun: &'static str,
}

impl Told<'_> {
    fn code(&self) -> String {
        let code = self.considered.code.as_ref();
        code.map_or_else(|| "a code".to_owned(), |code| format!("the code {code}"))
    }

    fn referrer(&self) -> String {
        let referrer = self.considered.referrer_id;
        referrer.map_or_else(|| "somebody".to_owned(), |id| id.to_string())
    }

    /// What the touch was, without a full stop.
    fn what(&self) -> String {
        let (noun, code) = (self.noun, self.code());
        let on =
            |at: Option<Timestamp>| at.map_or_else(String::new, |at| format!(" on {}", day(at)));
        match self.considered.touch {
            TouchKind::ExistingReferral => {
                let since = self.conversion.bound_at;
                let since = since.map_or_else(String::new, |at| format!(" since {}", day(at)));
                format!("The customer has been bound to {}{since}", self.referrer())
            }
            TouchKind::Voucher => format!("The {noun} used the voucher of an offer by {code}"),
            TouchKind::ClickToken => {
                format!("The link with {code} was opened{}", on(self.considered.at))
            }
            TouchKind::Code => format!("The {noun} came with {code}"),
            TouchKind::Manual => format!(
                "{} was named as the referrer by hand{}",
                self.referrer(),
                on(self.considered.at)
            ),
        }
    }

    /// How the code came, where the next word is "but".
    fn code_came(&self) -> String {
        match self.considered.touch {
            TouchKind::ClickToken => {
                let opened = self
                    .considered
                    .at
                    .map_or_else(String::new, |at| format!(" on {}", day(at)));
                format!("A link with {} was opened{opened}", self.code())
            }
            TouchKind::Voucher => format!(
                "The {} used the voucher of an offer by {}",
                self.noun,
                self.code()
            ),
            TouchKind::ExistingReferral | TouchKind::Code | TouchKind::Manual => {
                format!("The {} came with {}", self.noun, self.code())
            }
        }
    }

    /// Whose the touch is, where the next word is "who".
    fn leads_to(&self) -> String {
        match self.considered.code {
            Some(_) => format!("{} belongs to {}", capital(&self.code()), self.referrer()),
            None => format!("It leads to {}", self.referrer()),
        }
    }

    fn chosen(&self) -> String {
        let noun = self.noun;
        match self.considered.touch {
            TouchKind::ExistingReferral => {
                format!("{}, and the first referrer stays.", self.what())
            }
            TouchKind::ClickToken => {
                let at = self.considered.at;
                let age = at.map(|at| self.conversion.occurred_at.duration_since(at));
                match age.filter(|age| !age.is_negative()) {
                    Some(age) if age.as_secs() == 0 => {
                        format!("{}, just before the {noun}.", self.what())
                    }
                    Some(age) => {
                        format!("{}, {} before the {noun}.", self.what(), span(age, false))
                    }
                    None => format!("{}.", self.what()),
                }
            }
            TouchKind::Voucher | TouchKind::Code | TouchKind::Manual => format!("{}.", self.what()),
        }
    }

    fn outside_window(&self) -> String {
        let (noun, code) = (self.noun, self.code());
        let occurred_at = self.conversion.occurred_at;
        let Some(at) = self.considered.at else {
            return format!("{}, but outside the window.", self.what());
        };
        let age = occurred_at.duration_since(at);
        if age < SignedDuration::ZERO {
            let (opened, happened) = apart(at, occurred_at);
            return format!(
                "The link with {code} was opened on {opened}, after the {noun} of {happened}; only \
                 a link that is opened before counts."
            );
        }
        let window = self.conversion.attribution.window_days;
        let window = window.map_or_else(String::new, |days| {
            let days = super::count(days.into(), "day");
            format!(", and the window is {days}")
        });
        let opened = day(at);
        let later = span(age, true);
        format!(
            "The link with {code} was opened on {opened}; the {noun} came {later} later{window}."
        )
    }

    fn self_referral(&self) -> String {
        let belongs = format!("{} belongs to", capital(&self.code()));
        if self.considered.referrer_id == Some(self.conversion.referee_id) {
            format!("{belongs} the customer, and nobody refers themselves.")
        } else {
            format!(
                "{belongs} {}, who has the same mail address as the customer, and nobody refers \
                 themselves.",
                self.referrer()
            )
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
