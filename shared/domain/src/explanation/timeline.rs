//! What happened to one participant, entry by entry.

use jiff::Timestamp;

use super::{attribution, day, noun, skipped, touch};
use crate::attribution::Outcome;
use crate::conversion::{Conversion, ConversionState};
use crate::id::ParticipantId;
use crate::money::{Money, Unit};
use crate::participant::{Participant, ParticipantState, Referral};
use crate::payout::{LineState, PayoutLine};
use crate::redemption::{Redemption, RedemptionState};
use crate::refund::{Refund, RefundReason, RefundState};
use crate::reward::{
    Beneficiary, Discount, Reward, RewardSource, RewardState, RewardValue, Transition,
};
use crate::survey::{SkipReason, Survey, SurveyState};

/// One entry of a timeline, as it is read out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it comes to.
    pub text: String,
    /// What happened, oldest first.
    pub steps: Vec<Step>,
}

/// One step of an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

impl Told {
    fn new(text: String, mut steps: Vec<Step>) -> Self {
        // Stable: what happened at one instant stays in the order in which it was told.
        steps.sort_by_key(|step| step.at);
        Self { text, steps }
    }

    /// Adds a step in its place.
    pub fn step(&mut self, at: Timestamp, text: impl Into<String>) {
        let later = self.steps.partition_point(|step| step.at <= at);
        self.steps.insert(later, step(at, text));
    }
}

fn step(at: Timestamp, text: impl Into<String>) -> Step {
    Step {
        at,
        text: text.into(),
    }
}

/// How a participant stands, if that is not as usual.
#[must_use]
pub fn standing(participant: &Participant) -> String {
    match participant.state {
        ParticipantState::Active if participant.codes.is_empty() => {
            "Takes part as a customer and has no code to share.".to_owned()
        }
        ParticipantState::Active if participant.code().is_none() => {
            "Takes part, but each of the codes is disabled.".to_owned()
        }
        ParticipantState::Active => "Takes part.".to_owned(),
        ParticipantState::Suspended => "Is suspended: neither refers nor earns, and what was \
             released meanwhile has failed, until the participant is made active again."
            .to_owned(),
        ParticipantState::Merged => match participant.merged_into {
            Some(into) => format!("Is the same person as {into}, whose timeline goes on."),
            None => "Is the same person as somebody else.".to_owned(),
        },
    }
}

/// The first that is known of a participant.
#[must_use]
pub fn joined(participant: &Participant) -> Told {
    let codes = match participant.codes.len() {
        0 => "no code yet".to_owned(),
        1 => "1 code now".to_owned(),
        codes => format!("{codes} codes now"),
    };
    Told::new(
        format!("Became known to the program; has {codes}."),
        Vec::new(),
    )
}

/// A bond, as one of its two parties sees it.
#[must_use]
pub fn bond(referral: &Referral, whose: ParticipantId) -> Told {
    let text = if whose == referral.referee_id {
        format!("Was bound to the referrer {}.", referral.referrer_id)
    } else {
        format!("{} was bound to this referrer.", referral.referee_id)
    };
    let channel = referral
        .channel
        .map_or_else(String::new, |channel| format!(" ({channel})"));
    let steps = [
        referral
            .touch_at
            .map(|at| step(at, format!("The link was opened{channel}."))),
        referral.lead_at.map(|at| step(at, "Showed interest.")),
        Some(step(referral.created_at, "The bond was made, and stays.")),
        referral
            .first_qualified_at
            .map(|at| step(at, "Converted for the first time.")),
    ];
    Told::new(text, steps.into_iter().flatten().collect())
}

/// A conversion with its rewards and refunds, as the referrer or the referee sees it.
#[must_use]
pub fn conversion(
    conversion: &Conversion,
    whose: ParticipantId,
    rewards: &[Reward],
    refunds: &[Refund],
) -> Told {
    let content = &conversion.content;
    let noun = noun(&content.event);
    let amount = content
        .amount
        .map_or_else(String::new, |amount| format!(" of {amount}"));
    let who = if whose == conversion.referee_id {
        "Own".to_owned()
    } else {
        format!("{}:", conversion.referee_id)
    };
    let state = match conversion.state {
        ConversionState::Qualified | ConversionState::Unattributed => "",
        ConversionState::Quarantined => " It waits for review, and its rewards with it.",
        ConversionState::Rejected => " It was refused in review, and earned nothing.",
    };
    let own = |reward: &&Reward| reward.beneficiary_id == whose;
    let earned: Vec<String> = rewards
        .iter()
        .filter(own)
        .map(|reward| format!("{} ({})", worth(reward.original), reward.state))
        .collect();
    let earned = match earned.is_empty() {
        true => "It earned this participant nothing.".to_owned(),
        false => format!("It earned this participant {}.", earned.join(", ")),
    };
    let reasons = conversion
        .skipped
        .iter()
        .filter(|skipped| match skipped.beneficiary {
            Beneficiary::Referee => whose == conversion.referee_id,
            Beneficiary::Referrer | Beneficiary::Upline(_) => whose != conversion.referee_id,
        });
    let reasons = reasons.map(|one| format!(" {}: {}", one.incentive_id, skipped(conversion, one)));
    let text = format!(
        "{who} {noun} {}{amount}. {}{state} {earned}{}",
        content.external_id,
        attribution(conversion),
        reasons.collect::<String>()
    );
    let touches = conversion.attribution.considered.iter();
    let touches = touches.filter(|one| one.outcome != Outcome::BadToken);
    let touches = touches.filter_map(|one| Some(step(one.at?, touch(conversion, one))));
    let mut steps: Vec<Step> = touches.collect();
    steps.push(step(
        conversion.occurred_at,
        format!("The {noun} happened."),
    ));
    steps.push(step(
        conversion.recorded_at,
        format!("The {noun} was recorded."),
    ));
    steps.extend(
        refunds
            .iter()
            .map(|refund| step(refund.created_at, refunded(refund))),
    );
    Told::new(text, steps)
}

fn refunded(refund: &Refund) -> String {
    let amount = refund
        .amount
        .map_or_else(|| "The whole".to_owned(), |amount| amount.to_string());
    let why = match refund.reason {
        RefundReason::Refund => "was refunded",
        RefundReason::Chargeback => "was charged back by the customer's bank",
        RefundReason::Cancellation => "was cancelled",
        RefundReason::Correction => "was taken off as a correction",
    };
    let name = &refund.external_id;
    match refund.state {
        RefundState::Applied => format!("{amount} {why} (refund {name})."),
        RefundState::WaitingForConversion => format!("A refund {name} waits for the order."),
        RefundState::Reversed => format!("{amount} {why} (refund {name}), which was undone since."),
    }
}

/// What a reward is worth, as people say it.
#[must_use]
pub fn worth(value: RewardValue) -> String {
    match value {
        RewardValue::Cash(amount) => amount.to_string(),
        RewardValue::Discount(Discount::Amount(amount)) => format!("a discount of {amount}"),
        RewardValue::Discount(Discount::BasisPoints(share)) => {
            let (whole, part) = (share.checked_div(100), share.checked_rem(100));
            match (whole.unwrap_or(0), part.unwrap_or(0)) {
                (whole, 0) => format!("a discount of {whole} %"),
                (whole, part) => format!("a discount of {whole}.{part:02} %"),
            }
        }
        RewardValue::Points(points) => super::count(points, "point"),
        RewardValue::FreeProduct { sku, quantity } => format!("{quantity} × {sku}"),
    }
}

/// A reward, as its beneficiary sees it.
#[must_use]
pub fn reward(reward: &Reward, conversion: Option<&Conversion>) -> Told {
    let source = match (reward.source, conversion) {
        (RewardSource::Rule, Some(conversion)) => {
            let noun = noun(&conversion.content.event);
            format!(" for the {noun} {}", conversion.content.external_id)
        }
        (RewardSource::Rule, None) => String::new(),
        (RewardSource::Manual, _) => " given by hand".to_owned(),
        (RewardSource::Import, _) => " brought along".to_owned(),
        (RewardSource::Contest, _) => " from a contest".to_owned(),
    };
    let rule = reward
        .incentive_id
        .as_ref()
        .map_or_else(String::new, |id| format!(" ({id})"));
    let reduced = if reward.value == reward.original {
        String::new()
    } else {
        format!(" It was {} at first.", worth(reward.original))
    };
    let text = format!(
        "Reward of {}{source}{rule}.{reduced} {}",
        worth(reward.value),
        stands(reward)
    );
    let steps = reward
        .history
        .iter()
        .map(|one| step(one.at, moved(reward, one)));
    Told::new(text, steps.collect())
}

/// Where a reward is, and what it waits for.
fn stands(reward: &Reward) -> String {
    let voucher = reward.value.is_voucher();
    let until = reward
        .expires_at
        .map_or_else(String::new, |at| format!(" until {}", day(at)));
    match reward.state {
        RewardState::Pending if reward.in_review => {
            "It waits for the review of what earned it.".to_owned()
        }
        RewardState::Pending => format!("It is held until {}.", day(reward.release_at)),
        RewardState::Approved if reward.fulfilment.is_some() => {
            "It is released, and the shop is asked to carry it out.".to_owned()
        }
        RewardState::Approved => {
            "It is released and about to be issued; a voucher waits as long as the owner's list is \
             empty."
                .to_owned()
        }
        RewardState::Issued if voucher => match &reward.voucher_code {
            Some(code) => format!("Its voucher is {code}, and can be used{until}."),
            None => format!("It can be used{until}."),
        },
        RewardState::Issued => match reward.value {
            RewardValue::Cash(_) => "It is in the balance, and the next payout pays it.".to_owned(),
            RewardValue::Points(_) | RewardValue::Discount(_) | RewardValue::FreeProduct { .. } => {
                format!("It is in the balance, and can be spent{until}.")
            }
        },
        RewardState::Redeemed if reward.fulfilment.is_some() && reward.voucher_code.is_none() => {
            "The shop has given it.".to_owned()
        }
        RewardState::Redeemed if voucher => "Its voucher was used.".to_owned(),
        RewardState::Redeemed => match reward.value {
            RewardValue::Cash(_) => "It was paid out.".to_owned(),
            RewardValue::Points(_) | RewardValue::Discount(_) | RewardValue::FreeProduct { .. } => {
                "It was spent.".to_owned()
            }
        },
        RewardState::Rejected => "It was refused in review, and never earned.".to_owned(),
        RewardState::Cancelled => "It was withdrawn before it was issued.".to_owned(),
        RewardState::ClawedBack => "It was taken back after it was issued.".to_owned(),
        RewardState::Failed => {
            "It could not be issued; somebody has to look at it and try again.".to_owned()
        }
        RewardState::Expired => "It was not used in time.".to_owned(),
    }
}

fn moved(reward: &Reward, to: &Transition) -> String {
    let text = match to.to {
        RewardState::Pending => format!("Held until {}", day(reward.release_at)),
        RewardState::Approved => "Released".to_owned(),
        RewardState::Issued => "Issued".to_owned(),
        RewardState::Redeemed => "Redeemed".to_owned(),
        RewardState::Rejected => "Refused in review".to_owned(),
        RewardState::Cancelled => "Withdrawn".to_owned(),
        RewardState::ClawedBack => "Taken back".to_owned(),
        RewardState::Failed => "Could not be issued".to_owned(),
        RewardState::Expired => "Expired".to_owned(),
    };
    format!("{text}, by {}.", to.by)
}

/// A survey, as the one who is asked sees it. What was answered in words is not told.
#[must_use]
pub fn survey(survey: &Survey) -> Told {
    let rule = &survey.rule_id;
    let text = match survey.state {
        SurveyState::Scheduled | SurveyState::Sending => {
            format!("Is to be asked {rule} on {}.", day(survey.due_at))
        }
        SurveyState::Sent => format!("Was asked {rule}, and has not answered yet."),
        SurveyState::Answered => format!("Was asked {rule}, and answered."),
        SurveyState::Closed if survey.answer.is_some() => {
            format!("Was asked {rule}, and answered; it is closed.")
        }
        SurveyState::Closed => format!("Was asked {rule}, and did not answer before it closed."),
        SurveyState::Skipped => {
            format!(
                "Was not asked {rule}: {}.",
                survey.skipped.map_or("", not_asked)
            )
        }
        SurveyState::Failed => format!("Was not asked {rule}: the mail was refused."),
        SurveyState::Unknown => {
            format!("Whether the mail with {rule} was sent is not known; it is not sent again.")
        }
    };
    let answered = survey.answer.as_ref();
    let steps = [
        Some(step(survey.created_at, "Planned.")),
        survey.sent_at.map(|at| step(at, "The mail was sent.")),
        answered.map(|answer| {
            let score = answer.score.get();
            step(answer.answered_at, format!("Answered with {score} of 10."))
        }),
    ];
    Told::new(text, steps.into_iter().flatten().collect())
}

fn not_asked(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::NoAddress => "no mail address is known",
        SkipReason::NoConsent => "there is no consent",
        SkipReason::Suppressed => "the address takes no mail from this program",
        SkipReason::Cooldown => "the last time was not long ago",
        SkipReason::Suspended => "the participant was suspended",
        SkipReason::RuleGone => "the program does not ask it any more",
    }
}

/// A line of a payout, as the one who is paid sees it.
#[must_use]
pub fn payout_line(line: &PayoutLine) -> Told {
    let (amount, payout) = (line.amount, line.payout_id);
    let text = match line.state {
        LineState::Open => format!("{amount} is being paid by the payout {payout}."),
        LineState::Paid => format!("{amount} was paid by the payout {payout}."),
        LineState::Failed => {
            format!("{amount} could not be paid by the payout {payout}, and is available again.")
        }
        LineState::Returned => {
            format!("{amount} paid by the payout {payout} came back, and is available again.")
        }
    };
    Told::new(text, Vec::new())
}

/// A spending of points.
#[must_use]
pub fn redemption(redemption: &Redemption) -> Told {
    let amount = match redemption.unit {
        Unit::Points => super::count(redemption.amount, "point"),
        Unit::Currency(currency) => Money::new(redemption.amount, currency).to_string(),
        Unit::Items(sku) => format!("{} × {sku}", redemption.amount),
    };
    let name = &redemption.external_id;
    let text = match redemption.state {
        RedemptionState::Redeemed => format!("Spent {amount} ({name})."),
        RedemptionState::Reversed => format!("Spent {amount} ({name}), which was undone."),
    };
    let steps = [
        Some(step(
            redemption.created_at,
            format!("Spent, by {}.", redemption.by),
        )),
        redemption
            .reversed_at
            .map(|at| step(at, "Undone: they are available again.")),
    ];
    Told::new(text, steps.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
