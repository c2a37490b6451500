//! Where each entity is written: its key, its indexes, its due entry, beside the guard.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use kith_domain::code::ReferralCode;
use kith_domain::conversion::Conversion;
use kith_domain::email::EmailHash;
use kith_domain::fulfilment::ShopWait;
use kith_domain::id::{ApiKeyId, ParticipantId, PayoutId, ProgramId};
use kith_domain::incentive::Incentive;
use kith_domain::money::Currency;
use kith_domain::participant::{Participant, ParticipantState, Referral};
use kith_domain::payout::{Payout, PayoutLine, PayoutState, PayoutTotals};
use kith_domain::program::Program;
use kith_domain::refund::Refund;
use kith_domain::reward::{Reward, RewardState};
use kith_domain::survey::{Survey, SurveyState};
use kith_domain::text::{EventName, ExternalId, Slug};

use crate::commit::{BUDGET_LIFE, Commit, Due, Guard, Indexes, Write, later, number, update};
use crate::due::back_off;
use crate::item::Entity;
use crate::items::{
    ApiKey, Asked, CodeRecord, Exhausted, FENCE, IncentiveIdentity, LinkTarget, Lookup, Lot,
    MailRecord, MailState, OPEN_LINES, Order, PresentPayout, ProgramClock, RefundName, SUSPENDED,
    StoredOffer, Suppression, TestMail, Voucher, Wake, totals_changed,
};
use crate::keys::{self, DueClock, IndexKey, ListName};
use crate::wake::{Message, Queue};

/// How long a key that ended is kept.
const ENDED_KEY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);

/// How long a worker has for what it was woken for, before somebody looks again.
const LEASE: SignedDuration = SignedDuration::from_mins(5);

/// Whether an entity is new, or was read with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Was {
    /// It must not exist yet.
    Absent,
    /// It must still have this version.
    Version(u64),
}

impl From<Was> for Write {
    fn from(was: Was) -> Self {
        match was {
            Was::Absent => Self::New,
            Was::Version(version) => Self::Replace(version),
        }
    }
}

impl Commit {
    /// A program, what links know of it, and its rules of this version.
    pub fn program(&mut self, program: &Program, was: Was) -> &mut Self {
        let list = IndexKey {
            pk: keys::programs(program.mode),
            sk: program.id.to_string(),
        };
        let indexes = Indexes {
            list: Some(list),
            ..Indexes::default()
        };
        self.put(keys::program(program.id), program, was.into(), indexes);
        self.put(
            keys::links(program.id),
            &LinkTarget::from(program),
            Write::Overwrite,
            Indexes::default(),
        );
        self.put(
            keys::scheme(program.id, program.version),
            program,
            Write::New,
            Indexes::default(),
        );
        self
    }

    /// What the id of a new incentive stands for from now on.
    pub fn new_incentive(&mut self, program: ProgramId, incentive: &Incentive) -> &mut Self {
        self.put(
            keys::incentive(program, &incentive.id),
            &IncentiveIdentity::from(incentive),
            Write::New,
            Indexes::default(),
        );
        self
    }

    /// The same for an incentive that gets its first budget: over how many counters it is spread. The
    /// program's version guards it.
    pub fn first_budget(&mut self, program: ProgramId, incentive: &Incentive) -> &mut Self {
        self.put(
            keys::incentive(program, &incentive.id),
            &IncentiveIdentity::from(incentive),
            Write::Overwrite,
            Indexes::default(),
        );
        self
    }

    /// Sets a test program's clock forward; it is refused when the clock is further already.
    pub fn clock(&mut self, program: ProgramId, clock: ProgramClock) -> &mut Self {
        self.raise(
            ProgramClock::KIND,
            keys::clock(program),
            "ahead_ms",
            clock.ahead_ms,
        );
        self
    }

    /// A new API key.
    pub fn api_key(&mut self, key: &ApiKey) -> &mut Self {
        let key = &ApiKey {
            expires_at: key.ends_at.map(ended_key_goes_at),
            ..key.clone()
        };
        let list = IndexKey {
            pk: keys::api_keys(key.mode),
            sk: key.id.to_string(),
        };
        self.put(
            keys::api_key(key.id),
            key,
            Write::New,
            Indexes {
                list: Some(list),
                ..Indexes::default()
            },
        );
        self
    }

    /// An API key is revoked: from this commit on nobody passes with it. It is kept for a while, for
    /// whoever asks what became of it.
    pub fn revoke_key(&mut self, key: ApiKeyId) -> &mut Self {
        let now = self.real_now();
        let update = update(&keys::api_key(key))
            .update_expression("SET revoked_at = :now, expires_at = :gone")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(revoked_at)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .expression_attribute_values(":gone", number(ended_key_goes_at(now)));
        self.push_update(Guard::Unchanged(ApiKey::KIND), keys::api_key(key), update);
        self
    }

    /// An API key has a successor, and ends at an instant.
    pub fn replace_key(&mut self, key: ApiKeyId, by: ApiKeyId, ends_at: Timestamp) -> &mut Self {
        let update = update(&keys::api_key(key))
            .update_expression("SET replaced_by = :by, ends_at = :end, expires_at = :gone")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(revoked_at) AND attribute_not_exists(replaced_by)",
            )
            .expression_attribute_values(":by", AttributeValue::S(by.to_string()))
            .expression_attribute_values(":end", AttributeValue::S(ends_at.to_string()))
            .expression_attribute_values(":gone", number(ended_key_goes_at(ends_at)));
        self.push_update(Guard::Unchanged(ApiKey::KIND), keys::api_key(key), update);
        self
    }

    /// A participant.
    pub fn participant(&mut self, participant: &Participant, was: Was) -> &mut Self {
        let key = keys::participant(participant.program, participant.id);
        let id = participant.id.to_string();
        let indexes = Indexes {
            list: Some(keys::list(participant.program, ListName::Participants, &id)),
            ..Indexes::default()
        };
        self.put(key, participant, was.into(), indexes);
        self
    }

    /// Marks the counters of a participant who is suspended, or takes the mark away: whoever decides in
    /// their favour insists on it.
    pub fn suspended(&mut self, participant: &Participant) -> &mut Self {
        let key = keys::counters(participant.program, participant.id);
        let update = update(&key)
            .condition_expression("attribute_not_exists(#fence)")
            .expression_attribute_names("#fence", FENCE)
            .expression_attribute_names("#suspended", SUSPENDED)
            .expression_attribute_values(":kind", AttributeValue::S("counters".to_owned()));
        let update = if participant.state == ParticipantState::Suspended {
            update
                .update_expression("SET kind = :kind, #suspended = :yes")
                .expression_attribute_values(":yes", AttributeValue::Bool(true))
        } else {
            update.update_expression("SET kind = :kind REMOVE #suspended")
        };
        self.push_update(Guard::NotMerged, key, update);
        self
    }

    /// Who is found under an external id.
    pub fn external_id(
        &mut self,
        program: ProgramId,
        external_id: &ExternalId,
        participant_id: ParticipantId,
    ) -> &mut Self {
        self.put(
            keys::external(program, external_id),
            &Lookup { participant_id },
            Write::New,
            Indexes::default(),
        );
        self
    }

    /// Who is found under a mail address.
    pub fn email(
        &mut self,
        program: ProgramId,
        hash: &EmailHash,
        participant_id: ParticipantId,
    ) -> &mut Self {
        self.put(
            keys::email(program, hash),
            &Lookup { participant_id },
            Write::New,
            Indexes::default(),
        );
        self
    }

    /// Nobody is found under a mail address any more.
    pub fn forget_email(&mut self, program: ProgramId, hash: &EmailHash) -> &mut Self {
        self.delete(Lookup::KIND, keys::email(program, hash));
        self
    }

    /// A new code.
    pub fn code(
        &mut self,
        code: &ReferralCode,
        program: ProgramId,
        participant_id: ParticipantId,
    ) -> &mut Self {
        let record = CodeRecord {
            code: code.clone(),
            program_id: program,
            participant_id,
            active: true,
        };
        let key = keys::code(self.mode(), code);
        self.put(key, &record, Write::New, Indexes::default());
        self
    }

    /// Turns a code on or off.
    pub fn switch_code(&mut self, record: &CodeRecord) -> &mut Self {
        let key = keys::code(self.mode(), &record.code);
        self.put(key, record, Write::Overwrite, Indexes::default());
        self
    }

    /// The bond of a referee.
    pub fn referral(&mut self, program: ProgramId, referral: &Referral, was: Was) -> &mut Self {
        let id = referral.id.to_string();
        let indexes = Indexes {
            list: Some(keys::list(program, ListName::Referrals, &id)),
            party: Some(IndexKey {
                pk: keys::party(program, referral.referrer_id, ListName::Referrals),
                sk: id,
            }),
            ..Indexes::default()
        };
        self.put(
            keys::referral(program, referral.referee_id),
            referral,
            was.into(),
            indexes,
        );
        self
    }

    /// Insists that nobody has referred a participant yet.
    pub fn unbound(&mut self, program: ProgramId, participant: ParticipantId) -> &mut Self {
        self.require_absent(Referral::KIND, keys::referral(program, participant));
        self
    }

    /// Insists that a participant was not written since they were read.
    pub fn same_participant(&mut self, participant: &Participant) -> &mut Self {
        let key = keys::participant(participant.program, participant.id);
        self.require_version(Participant::KIND, key, participant.version);
        self
    }

    /// A new conversion, under its natural key too, where refunds may have waited for it.
    pub fn new_conversion(&mut self, conversion: &Conversion, order: Was) -> &mut Self {
        let content = &conversion.content;
        let version = match order {
            Was::Absent => 1,
            Was::Version(version) => version.saturating_add(1),
        };
        let met = Order {
            conversion_id: Some(conversion.id),
            waiting: Vec::new(),
            same_as: None,
            version,
        };
        self.order(
            conversion.program,
            &content.event,
            &content.external_id,
            &met,
            order,
        );
        self.conversion(conversion, Was::Absent)
    }

    /// Where a conversion and the refunds that came before it meet.
    pub fn order(
        &mut self,
        program: ProgramId,
        event: &EventName,
        external_id: &ExternalId,
        order: &Order,
        was: Was,
    ) -> &mut Self {
        let key = keys::order(program, event, external_id);
        self.put(key, order, was.into(), Indexes::default());
        self
    }

    /// A refund.
    pub fn refund(&mut self, refund: &Refund, was: Was) -> &mut Self {
        let key = keys::refund(refund.program, refund.id);
        self.put(key, refund, was.into(), Indexes::default());
        self
    }

    /// A new refund, under the shop's own name of it too.
    pub fn new_refund(&mut self, refund: &Refund) -> &mut Self {
        let Refund { event, order, .. } = refund;
        let key = keys::refund_of_order(refund.program, event, order, &refund.external_id);
        let name = RefundName {
            refund_id: refund.id,
        };
        self.put(key, &name, Write::New, Indexes::default());
        self.refund(refund, Was::Absent)
    }

    /// A conversion.
    pub fn conversion(&mut self, conversion: &Conversion, was: Was) -> &mut Self {
        let program = conversion.program;
        let id = conversion.id.to_string();
        let of = |participant| IndexKey {
            pk: keys::party(program, participant, ListName::Conversions),
            sk: id.clone(),
        };
        let indexes = Indexes {
            list: Some(keys::list(program, ListName::Conversions, &id)),
            party: conversion
                .attribution
                .chosen
                .as_ref()
                .map(|chosen| of(chosen.referrer_id)),
            referee: Some(of(conversion.referee_id)),
            due: None,
        };
        self.put(
            keys::conversion(program, conversion.id),
            conversion,
            was.into(),
            indexes,
        );
        self
    }

    /// A reward. While it is held or released it is due: at the end of the hold on the program's
    /// clock, when the shop is asked again, or when its disbursement should long be done.
    pub fn reward(&mut self, reward: &Reward, was: Was) -> &mut Self {
        self.put_reward(reward, was, None)
    }

    /// A reward that stays held though its hold may be over, or released though it could be
    /// disbursed: it is due again at an instant of the program's clock, and nobody is woken before.
    pub fn held_reward(
        &mut self,
        reward: &Reward,
        was: Was,
        look_again_at: Timestamp,
    ) -> &mut Self {
        self.put_reward(reward, was, Some(look_again_at))
    }

    /// Has a reward that is held looked at, because its hold may be over by now.
    pub fn wake_reward(&mut self, reward: &Reward) -> &mut Self {
        self.wake(reward_message(reward));
        self
    }

    fn put_reward(
        &mut self,
        reward: &Reward,
        was: Was,
        look_again_at: Option<Timestamp>,
    ) -> &mut Self {
        let message = reward_message(reward);
        let due = |clock, at| {
            Some(Due {
                clock,
                at,
                attempts: 0,
            })
        };
        let shop = reward.shop_wait();
        let due = match (reward.state, look_again_at) {
            // It waits for somebody's word.
            (RewardState::Pending, _) if reward.in_review => None,
            (RewardState::Pending, _) if shop == Some(ShopWait::Owner) => None,
            (RewardState::Pending | RewardState::Approved, Some(at)) => due(DueClock::Program, at),
            (RewardState::Pending | RewardState::Approved, None) => match (shop, reward.state) {
                // Whoever asks the shop has a while for it; then somebody else does.
                (Some(ShopWait::UnderWay(_)), _) => {
                    due(DueClock::Real, later(self.real_now(), LEASE))
                }
                (Some(ShopWait::Until(at)), _) => due(DueClock::Program, at),
                (None | Some(ShopWait::Owner), RewardState::Pending) => {
                    due(DueClock::Program, reward.release_at)
                }
                (None | Some(ShopWait::Owner), _) => {
                    self.wake(message);
                    due(DueClock::Real, later(self.real_now(), LEASE))
                }
            },
            (RewardState::Issued, again) => {
                let at = again.or(reward.expires_at);
                at.and_then(|at| due(DueClock::Program, at))
            }
            (
                RewardState::Redeemed
                | RewardState::Rejected
                | RewardState::Cancelled
                | RewardState::ClawedBack
                | RewardState::Failed
                | RewardState::Expired,
                _,
            ) => None,
        };
        let id = reward.id.to_string();
        let indexes = Indexes {
            list: Some(keys::list(reward.program, ListName::Rewards, &id)),
            party: Some(IndexKey {
                pk: keys::party(reward.program, reward.beneficiary_id, ListName::Rewards),
                sk: id,
            }),
            referee: None,
            due,
        };
        self.put(
            keys::reward(reward.program, reward.id),
            reward,
            was.into(),
            indexes,
        );
        self
    }

    /// A voucher.
    pub fn voucher(&mut self, program: ProgramId, voucher: &Voucher, was: Was) -> &mut Self {
        let key = keys::voucher(program, &voucher.code);
        self.put(key, voucher, was.into(), Indexes::default());
        self
    }

    /// An offer.
    pub fn offer(&mut self, offer: &StoredOffer, was: Was) -> &mut Self {
        let key = keys::offer(offer.offer.program, offer.offer.id);
        self.put(key, offer, was.into(), Indexes::default());
        self
    }

    /// Notes that a budget could not pay for a reward, the first time.
    pub fn budget_exhausted(
        &mut self,
        program: ProgramId,
        incentive: &Slug,
        window: &str,
    ) -> &mut Self {
        let exhausted = Exhausted {
            since: self.now(),
            expires_at: later(self.real_now(), BUDGET_LIFE).as_second(),
        };
        let key = keys::budget_exhausted(program, incentive, window);
        self.put(key, &exhausted, Write::New, Indexes::default());
        self
    }

    /// What is left of a credit of a participant, and the lot as it was read; nothing left is no lot.
    pub fn lot(
        &mut self,
        program: ProgramId,
        participant: ParticipantId,
        lot: &Lot,
        was: Option<&Lot>,
    ) -> &mut Self {
        let key = keys::lot(program, participant, lot.unit, lot.credited_at, &lot.name);
        let was = was.map(|was| (was.version, was.remaining));
        match was {
            Some(was) if lot.remaining <= 0 => self.delete_lot(Lot::KIND, key, was),
            None if lot.remaining <= 0 => {}
            Some((version, remaining)) => {
                let write = Write::ReplaceLot(version, remaining);
                self.put(key, lot, write, Indexes::default());
            }
            None => self.put(key, lot, Write::New, Indexes::default()),
        }
        self
    }

    /// A payout. While it is building it is due: its builder may have died.
    pub fn payout(&mut self, payout: &Payout, was: Was) -> &mut Self {
        let due = match payout.state {
            PayoutState::Building => Some(self.lease()),
            PayoutState::Open | PayoutState::Closed => None,
        };
        let id = payout.id.to_string();
        let indexes = Indexes {
            list: Some(keys::list(payout.program, ListName::Payouts, &id)),
            due,
            ..Indexes::default()
        };
        let key = keys::payout(payout.program, payout.id);
        self.put(key, payout, was.into(), indexes);
        self
    }

    /// Has the building of a payout begun, or gone on with.
    pub fn wake_builder(&mut self, payout: &Payout) -> &mut Self {
        self.wake(payout_message(payout));
        self
    }

    /// Insists that a payout was not written since it was read.
    pub fn same_payout(&mut self, payout: &Payout) -> &mut Self {
        let key = keys::payout(payout.program, payout.id);
        self.require_version(Payout::KIND, key, payout.version);
        self
    }

    /// The payout in its currency that is not closed from now on; there is none yet.
    pub fn present_payout(&mut self, payout: &Payout) -> &mut Self {
        let present = PresentPayout {
            payout_id: payout.id,
        };
        let key = keys::present_payout(payout.program, payout.currency);
        self.put(key, &present, Write::New, Indexes::default());
        self
    }

    /// No payout in a currency is left that is not closed.
    pub fn no_present_payout(&mut self, program: ProgramId, currency: Currency) -> &mut Self {
        let key = keys::present_payout(program, currency);
        self.delete(PresentPayout::KIND, key);
        self
    }

    /// What a payout pays one participant. Until its rewards have followed it into its state it is
    /// due.
    pub fn payout_line(&mut self, line: &PayoutLine, was: Was) -> &mut Self {
        let due = line.to_follow().map(|_| self.lease());
        let party = keys::party(line.program, line.participant_id, ListName::PayoutLines);
        let indexes = Indexes {
            due,
            party: Some(IndexKey {
                pk: party,
                sk: line.payout_id.to_string(),
            }),
            ..Indexes::default()
        };
        let key = keys::payout_line(line.program, line.payout_id, line.participant_id);
        self.put(key, line, was.into(), indexes);
        self
    }

    /// Has the rewards of a line follow it, or the rest of them.
    pub fn wake_followers(&mut self, line: &PayoutLine) -> &mut Self {
        self.wake(line_message(line));
        self
    }

    /// A line that came to nothing goes.
    pub fn no_payout_line(&mut self, line: &PayoutLine) -> &mut Self {
        let key = keys::payout_line(line.program, line.payout_id, line.participant_id);
        self.delete_version(PayoutLine::KIND, key, line.version);
        self
    }

    /// What changes in the totals of a payout.
    pub fn payout_totals(
        &mut self,
        program: ProgramId,
        payout: PayoutId,
        by: &PayoutTotals,
    ) -> &mut Self {
        let key = keys::payout_totals(program, payout);
        self.add(PayoutTotals::KIND, key, &totals_changed(by));
        self
    }

    /// Insists that every line of a payout is settled.
    pub fn no_open_lines(&mut self, program: ProgramId, payout: PayoutId) -> &mut Self {
        let key = keys::payout_totals(program, payout);
        self.require_nothing(PayoutTotals::KIND, key, OPEN_LINES);
        self
    }

    /// Due in real time, when whoever is woken now should long be done.
    pub(crate) fn lease(&self) -> Due {
        Due {
            clock: DueClock::Real,
            at: later(self.real_now(), LEASE),
            attempts: 0,
        }
    }

    /// A survey. It is due when it is to be sent, when its sender should long be done, and when it
    /// closes.
    pub fn survey(&mut self, survey: &Survey, was: Was) -> &mut Self {
        let due = match survey.state {
            SurveyState::Scheduled => Some((DueClock::Program, survey.due_at)),
            SurveyState::Sending => Some((DueClock::Real, later(self.real_now(), LEASE))),
            SurveyState::Sent | SurveyState::Answered | SurveyState::Unknown => {
                survey.closes_at.map(|at| (DueClock::Program, at))
            }
            SurveyState::Closed | SurveyState::Skipped | SurveyState::Failed => None,
        };
        self.put_survey(survey, was, due, 0)
    }

    /// A survey that could not be sent and is scheduled still: due again after a back-off. The
    /// attempts go on counting, so that it is parked in the end.
    pub fn survey_again(&mut self, survey: &Survey, was: Was, attempts: u32) -> &mut Self {
        let at = later(self.real_now(), back_off(attempts.saturating_add(1)));
        self.put_survey(survey, was, Some((DueClock::Real, at)), attempts)
    }

    fn put_survey(
        &mut self,
        survey: &Survey,
        was: Was,
        due: Option<(DueClock, Timestamp)>,
        attempts: u32,
    ) -> &mut Self {
        let due = due.map(|(clock, at)| Due {
            clock,
            at,
            attempts,
        });
        let id = survey.id.to_string();
        let indexes = Indexes {
            list: Some(keys::list(survey.program, ListName::Surveys, &id)),
            party: Some(IndexKey {
                pk: keys::party(survey.program, survey.participant_id, ListName::Surveys),
                sk: id,
            }),
            referee: None,
            due,
        };
        self.put(
            keys::survey(survey.program, survey.id),
            survey,
            was.into(),
            indexes,
        );
        self
    }

    /// When a person was asked by a rule.
    pub fn asked(
        &mut self,
        program: ProgramId,
        participant: ParticipantId,
        rule: &Slug,
        asked: &Asked,
        was: Was,
    ) -> &mut Self {
        self.put(
            keys::asked(program, participant, rule),
            asked,
            was.into(),
            Indexes::default(),
        );
        self
    }

    /// A mail. While it is being sent it is due: its sender may have died.
    pub fn mail(&mut self, mail: &MailRecord, was: Was) -> &mut Self {
        self.mail_again(mail, was, 0)
    }

    /// A mail that was tried before. While it waits it is due after a back-off; the attempts go on
    /// counting, so that it is parked in the end.
    pub fn mail_again(&mut self, mail: &MailRecord, was: Was, attempts: u32) -> &mut Self {
        let wait = match mail.state {
            MailState::Waiting => Some(back_off(attempts.saturating_add(1))),
            MailState::Sending => Some(LEASE),
            MailState::Sent
            | MailState::Recorded
            | MailState::Skipped
            | MailState::Failed
            | MailState::Unknown => None,
        };
        let due = wait.map(|wait| Due {
            clock: DueClock::Real,
            at: later(self.real_now(), wait),
            attempts,
        });
        self.put(
            keys::mail(mail.program_id, mail.id),
            mail,
            was.into(),
            Indexes {
                due,
                ..Indexes::default()
            },
        );
        self
    }

    /// A mail of a test program, recorded instead of sent.
    pub fn test_mail(&mut self, program: ProgramId, mail: &TestMail) -> &mut Self {
        self.put(
            keys::test_mail(program, mail.id),
            mail,
            Write::New,
            Indexes::default(),
        );
        self
    }

    /// An address gets no more mail from a program.
    pub fn suppress(
        &mut self,
        program: ProgramId,
        hash: &EmailHash,
        suppression: &Suppression,
    ) -> &mut Self {
        self.put(
            keys::suppression(program, hash),
            suppression,
            Write::Overwrite,
            Indexes::default(),
        );
        self
    }
}

fn reward_message(reward: &Reward) -> Wake {
    Message::Reward {
        program_id: reward.program,
        reward_id: reward.id,
    }
    .to(Queue::Rewards)
}

fn payout_message(payout: &Payout) -> Wake {
    Message::Payout {
        program_id: payout.program,
        payout_id: payout.id,
    }
    .to(Queue::Rewards)
}

fn line_message(line: &PayoutLine) -> Wake {
    Message::PayoutLine {
        program_id: line.program,
        payout_id: line.payout_id,
        participant_id: line.participant_id,
    }
    .to(Queue::Rewards)
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

/// When the table may drop a key that ends at an instant, in seconds.
fn ended_key_goes_at(end: Timestamp) -> i64 {
    later(end, ENDED_KEY_LIFE).as_second()
}
