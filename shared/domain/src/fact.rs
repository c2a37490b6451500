//! Facts: what was committed, for the rest of the bundle and for the outside.
//!
//! A fact carries ids and the anchors that numbers by cohort need and that cannot be recounted
//! later. It never carries personal data.

use jiff::Timestamp;

use crate::channel::Channel;
use crate::code::ReferralCode;
use crate::id::{
    ClickId, ConversionId, MergeId, ParticipantId, PayoutId, ProgramId, ReferralId, RefundId,
    RewardId, SurveyId, WebhookId,
};
use crate::money::Money;
use crate::reward::{Reward, RewardValue};
use crate::text::{EventName, Slug};
use crate::words::words;

words! {
    /// What happened.
    pub enum FactKind {
        /// A referee was bound to a referrer.
        ReferralCreated = "referral.created",
        /// A conversion was recorded.
        ConversionRecorded = "conversion.recorded",
        /// A conversion got its referrer later, by a touch or by hand.
        ConversionAttributed = "conversion.attributed",
        /// A conversion that waited for review was found good.
        ConversionApproved = "conversion.approved",
        /// A conversion that waited for review was refused.
        ConversionRejected = "conversion.rejected",
        /// A reward was made.
        RewardCreated = "reward.created",
        /// A reward was released.
        RewardApproved = "reward.approved",
        /// A reward was disbursed.
        RewardIssued = "reward.issued",
        /// A reward was used.
        RewardRedeemed = "reward.redeemed",
        /// A reward was withdrawn before it was issued.
        RewardCancelled = "reward.cancelled",
        /// A reward was found never to have been earned.
        RewardRejected = "reward.rejected",
        /// A reward's disbursement was refused.
        RewardFailed = "reward.failed",
        /// A reward lost part of its value to a refund, or got it back.
        RewardReduced = "reward.reduced",
        /// A reward was taken back after it was issued.
        RewardClawedBack = "reward.clawed_back",
        /// A reward was not used in time.
        RewardExpired = "reward.expired",
        /// A refund was recorded: applied, or waiting for its conversion.
        RefundRecorded = "refund.recorded",
        /// A refund was undone.
        RefundReversed = "refund.reversed",
        /// A payout is built and can be carried out.
        PayoutOpened = "payout.opened",
        /// A line of a payout was paid.
        PayoutLinePaid = "payout.line_paid",
        /// A line of a payout could not be paid.
        PayoutLineFailed = "payout.line_failed",
        /// A line of a payout came back after it was paid.
        PayoutLineReturned = "payout.line_returned",
        /// A payout is done.
        PayoutClosed = "payout.closed",
        /// A budget cannot pay for the next reward.
        BudgetExhausted = "budget.exhausted",
        /// The owner's own voucher codes run out.
        VoucherListLow = "voucher_list.low",
        /// A survey was handed to the mail provider.
        SurveySent = "survey.sent",
        /// A survey was answered, or answered again.
        SurveyAnswered = "survey.answered",
        /// A survey closed.
        SurveyClosed = "survey.closed",
        /// A participant was first seen.
        ParticipantCreated = "participant.created",
        /// A participant was changed.
        ParticipantUpdated = "participant.updated",
        /// A participant was merged into another.
        ParticipantMerged = "participant.merged",
        /// A program was made or changed.
        ProgramUpdated = "program.updated",
        /// The owner asked an endpoint of webhooks whether it hears.
        WebhookTest = "webhook.test",
        /// An endpoint of webhooks is told no more, because nothing was delivered.
        WebhookDisabled = "webhook.disabled",
    }
}

/// One fact: what happened, to what, with the anchors of the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What happened.
    pub kind: FactKind,
    /// The conversion.
    pub conversion_id: Option<ConversionId>,
    /// The bond.
    pub referral_id: Option<ReferralId>,
    /// The reward.
    pub reward_id: Option<RewardId>,
    /// The refund.
    pub refund_id: Option<RefundId>,
    /// The payout.
    pub payout_id: Option<PayoutId>,
    /// The survey.
    pub survey_id: Option<SurveyId>,
    /// The endpoint of webhooks.
    pub webhook_id: Option<WebhookId>,
    /// The participant that the fact is about, where it is about one alone.
    pub participant_id: Option<ParticipantId>,
    /// The merge.
    pub merge_id: Option<MergeId>,
    /// Who the participant is from now on.
    pub merged_into: Option<ParticipantId>,
    /// Who shared.
    pub referrer_id: Option<ParticipantId>,
    /// Who was invited.
    pub referee_id: Option<ParticipantId>,
    /// Whose reward it is.
    pub beneficiary_id: Option<ParticipantId>,
    /// The click that led here.
    pub click_id: Option<ClickId>,
    /// The code that led here.
    pub code: Option<ReferralCode>,
    /// The channel that led here.
    pub channel: Option<Channel>,
    /// The shop's event.
    pub event: Option<EventName>,
    /// The conversion's amount.
    pub amount: Option<Money>,
    /// The rule: of the incentives or of the surveys.
    pub rule_id: Option<Slug>,
    /// What the reward is worth.
    pub value: Option<RewardValue>,
    /// The score given.
    pub score: Option<u8>,
    /// When the touch was.
    pub touch_at: Option<Timestamp>,
    /// When the referee became a lead.
    pub lead_at: Option<Timestamp>,
    /// When the reward was issued.
    pub issued_at: Option<Timestamp>,
    /// When the referrer joined.
    pub referrer_joined_at: Option<Timestamp>,
    /// When the referee first qualified.
    pub first_qualified_at: Option<Timestamp>,
    /// Which qualified conversion of that event it is for the referee, from 1.
    pub conversion_number: Option<u64>,
    /// Which distinct qualified referee it is for the referrer, from 1.
    pub referral_number: Option<u64>,
}

impl Fact {
    /// A fact without any details yet.
    #[must_use]
    pub fn new(kind: FactKind) -> Self {
        Self {
            kind,
            conversion_id: None,
            referral_id: None,
            reward_id: None,
            refund_id: None,
            payout_id: None,
            survey_id: None,
            webhook_id: None,
            participant_id: None,
            merge_id: None,
            merged_into: None,
            referrer_id: None,
            referee_id: None,
            beneficiary_id: None,
            click_id: None,
            code: None,
            channel: None,
            event: None,
            amount: None,
            rule_id: None,
            value: None,
            score: None,
            touch_at: None,
            lead_at: None,
            issued_at: None,
            referrer_joined_at: None,
            first_qualified_at: None,
            conversion_number: None,
            referral_number: None,
        }
    }

    /// The id of what it happened to: facts with the same one happened one after the other.
    #[must_use]
    pub fn subject(&self, program: ProgramId) -> String {
        let ids = [
            self.reward_id.map(|id| id.to_string()),
            self.refund_id.map(|id| id.to_string()),
            self.payout_id.map(|id| id.to_string()),
            self.survey_id.map(|id| id.to_string()),
            self.conversion_id.map(|id| id.to_string()),
            self.participant_id.map(|id| id.to_string()),
            self.referral_id.map(|id| id.to_string()),
            self.webhook_id.map(|id| id.to_string()),
        ];
        let subject = ids.into_iter().flatten().next();
        subject.unwrap_or_else(|| program.to_string())
    }

    /// What happened to a reward.
    #[must_use]
    pub fn of_reward(kind: FactKind, reward: &Reward) -> Self {
        Self {
            reward_id: Some(reward.id),
            conversion_id: reward.conversion_id,
            referral_id: reward.referral_id,
            participant_id: Some(reward.beneficiary_id),
            beneficiary_id: Some(reward.beneficiary_id),
            rule_id: reward.incentive_id.clone(),
            value: Some(reward.value),
            issued_at: reward.issued_at,
            ..Self::new(kind)
        }
    }
}
