//! Merging participants: who somebody is now, what begins a merge, and how what the source has becomes
//! the target's.

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use jiff::SignedDuration;
use kith_domain::email::EmailHash;
use kith_domain::id::{ParticipantId, ProgramId};
use kith_domain::ledger::{Account, transfer};
use kith_domain::merge::{MERGED_MAX, Merge, MergeState, SWEEPS};
use kith_domain::participant::{Participant, Referral};
use kith_domain::redemption::Redemption;
use kith_domain::reward::Reward;
use kith_domain::text::{ExternalId, Slug};

use crate::commit::{Commit, Count, CountGuard, Due, Guard, Indexes, Write, later};
use crate::item::Entity;
use crate::items::{
    Asked, Counters, FENCE, LedgerReason, Lookup, Lot, MergeName, RedemptionName, RedemptionPart,
    Wake,
};
use crate::keys::{self, DueClock, Key, ListName};
use crate::store::{Loaded, Store, StoreError, attributes};
use crate::wake::{Message, Queue};
use crate::writes::Was;

/// When a merge that is done is gone through once more, because lists lag.
const SECOND_SWEEP: SignedDuration = SignedDuration::from_mins(10);

impl Store {
    /// Who a participant is now: themselves, or whom they were merged into. Reads what was not read yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn present(
        &self,
        program: ProgramId,
        loaded: &mut Loaded,
        id: ParticipantId,
    ) -> Result<ParticipantId, StoreError> {
        let mut at = id;
        for _ in 0..=MERGED_MAX {
            let key = keys::participant(program, at);
            if loaded.item(&key).is_none() {
                loaded.extend(self.get([key.clone()]).await?);
            }
            let person: Option<Participant> = loaded.read(&key)?;
            match person.and_then(|person| person.merged_into) {
                Some(into) => at = into,
                None => break,
            }
        }
        Ok(at)
    }

    /// Who a participant is now, by the mark on their counters, which whoever counts reads anyway.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn counted_as(
        &self,
        program: ProgramId,
        loaded: &mut Loaded,
        id: ParticipantId,
    ) -> Result<ParticipantId, StoreError> {
        let mut at = id;
        for _ in 0..=MERGED_MAX {
            let key = keys::counters(program, at);
            let Some(into) = Counters::merged_into(loaded.item(&key)) else {
                break;
            };
            at = into;
            loaded.extend(self.get([keys::counters(program, at)]).await?);
        }
        Ok(at)
    }
}

impl Commit {
    /// A merge. While it is carried out it is due; once it is done it is due once more.
    pub fn merge(&mut self, merge: &Merge, was: Was) -> &mut Self {
        let due = match merge.state {
            MergeState::Building => Some(self.lease()),
            MergeState::Done if merge.sweeps < SWEEPS => Some(Due {
                clock: DueClock::Program,
                at: later(self.now(), SECOND_SWEEP),
                attempts: 0,
            }),
            MergeState::Done | MergeState::InReview | MergeState::Rejected => None,
        };
        let id = merge.id.to_string();
        let indexes = Indexes {
            list: Some(keys::list(merge.program, ListName::Merges, &id)),
            due,
            ..Indexes::default()
        };
        let key = keys::merge(merge.program, merge.id);
        self.put(key, merge, was.into(), indexes);
        self
    }

    /// A participant is the source of this merge, and of no other.
    pub fn merge_name(&mut self, merge: &Merge) -> &mut Self {
        let name = MergeName { merge_id: merge.id };
        let key = keys::merge_of(merge.program, merge.source);
        self.put(key, &name, Write::New, Indexes::default());
        self
    }

    /// A participant is the source of no merge any more.
    pub fn no_merge_name(&mut self, merge: &Merge) -> &mut Self {
        let key = keys::merge_of(merge.program, merge.source);
        self.delete(MergeName::KIND, key);
        self
    }

    /// Has a merge carried out, or the rest of it.
    pub fn wake_merge(&mut self, merge: &Merge) -> &mut Self {
        self.wake(message(merge));
        self
    }

    /// From now on nothing new is made for a participant who was merged.
    pub fn fence(
        &mut self,
        program: ProgramId,
        source: ParticipantId,
        into: ParticipantId,
    ) -> &mut Self {
        let key = keys::counters(program, source);
        let update = crate::commit::update(&key)
            .update_expression("SET #fence = :into, kind = :kind")
            .condition_expression("attribute_not_exists(#fence)")
            .expression_attribute_names("#fence", FENCE)
            .expression_attribute_values(":into", AttributeValue::S(into.to_string()))
            .expression_attribute_values(":kind", AttributeValue::S("counters".to_owned()));
        self.push_update(Guard::NotMerged, key, update);
        self
    }

    /// An external id that led to one participant leads to another.
    pub fn move_external_id(
        &mut self,
        program: ProgramId,
        external_id: &ExternalId,
        from: ParticipantId,
        to: ParticipantId,
    ) -> &mut Self {
        self.move_lookup(keys::external(program, external_id), from, to)
    }

    /// A mail address that led to one participant leads to another.
    pub fn move_email(
        &mut self,
        program: ProgramId,
        hash: &EmailHash,
        from: ParticipantId,
        to: ParticipantId,
    ) -> &mut Self {
        self.move_lookup(keys::email(program, hash), from, to)
    }

    fn move_lookup(&mut self, key: Key, from: ParticipantId, to: ParticipantId) -> &mut Self {
        let lookup = Lookup { participant_id: to };
        self.put_if(key, &lookup, Guard::Unchanged(Lookup::KIND), |put| {
            put.condition_expression("participant_id = :from")
                .expression_attribute_values(":from", AttributeValue::S(from.to_string()))
        })
    }

    /// What lies in the place of the bond of somebody who was merged. It stands in no list.
    pub fn pointer(&mut self, program: ProgramId, pointer: &Referral, was: Was) -> &mut Self {
        let key = keys::referral(program, pointer.referee_id);
        self.put(key, pointer, was.into(), Indexes::default());
        self
    }

    /// A bond is dissolved.
    pub fn no_referral(&mut self, program: ProgramId, bond: &Referral) -> &mut Self {
        let key = keys::referral(program, bond.referee_id);
        self.delete_version(Referral::KIND, key, bond.version);
        self
    }

    /// Adds the counters of somebody who was merged to those of whom they are now, once: they are gone
    /// from the source in the same transaction. Nobody else changes them since the fence.
    pub fn carry_counters(
        &mut self,
        program: ProgramId,
        (from, into): (ParticipantId, ParticipantId),
        counters: &Counters,
        target: ParticipantId,
        keep: impl Fn(&str) -> bool,
    ) -> &mut Self {
        let Some((first, _)) = counters.all().next() else {
            return self;
        };
        let bare = BareCounters {
            merged_into: into.to_string(),
        };
        let name = first.to_owned();
        self.put_if(
            keys::counters(program, from),
            &bare,
            Guard::Counters,
            |put| {
                put.condition_expression("attribute_exists(#fence) AND attribute_exists(#first)")
                    .expression_attribute_names("#fence", FENCE)
                    .expression_attribute_names("#first", name)
            },
        );
        for (name, value) in counters
            .all()
            .filter(|(name, value)| *value > 0 && keep(name))
        {
            let by = i64::try_from(value).unwrap_or(i64::MAX);
            let guard = CountGuard::None;
            self.count(target, name, Count { by, guard });
        }
        self
    }

    /// A reward becomes that of whom its beneficiary was merged into, with what is left of it and what
    /// it holds. `lots` are the beneficiary's that bear its name.
    pub fn carry_reward(&mut self, before: &Reward, after: &Reward, lots: &[Lot]) -> &mut Self {
        let (from, to) = (before.beneficiary_id, after.beneficiary_id);
        self.reward(after, Was::Version(before.version));
        if before.state.is_held()
            && let Some((unit, amount)) = before.value.credit()
        {
            self.pending(from, unit, amount.saturating_neg());
            self.pending(to, unit, amount);
        }
        for lot in lots {
            self.carry_lot(before.program, (from, to), lot, None);
        }
        self
    }

    /// What is left of a credit becomes somebody else's, with its place in the ledger. `there` is the
    /// lot of the same name that they have.
    pub fn carry_lot(
        &mut self,
        program: ProgramId,
        (from, to): (ParticipantId, ParticipantId),
        lot: &Lot,
        there: Option<&Lot>,
    ) -> &mut Self {
        let reward = match lot.reward_ids.as_slice() {
            [only] => Some(*only),
            [] | [_, ..] => None,
        };
        let lines = transfer(
            Account::Liability(from),
            Account::Liability(to),
            lot.unit,
            lot.remaining,
        );
        self.ledger(LedgerReason::Merged, reward, &lines);
        let gone = lot.with_remaining(0);
        self.lot(program, from, &gone, Some(lot));
        match there {
            None => {
                let taken = Lot {
                    version: 1,
                    ..lot.clone()
                };
                self.lot(program, to, &taken, None)
            }
            Some(there) => {
                let sum = there.remaining.saturating_add(lot.remaining);
                let mut both = there.with_remaining(sum);
                let new = lot.reward_ids.iter().copied();
                let new = new.filter(|id| !there.reward_ids.contains(id));
                both.reward_ids.extend(new);
                self.lot(program, to, &both, Some(there))
            }
        }
    }

    /// When somebody was asked by a rule is when whom they were merged into was, unless that was later:
    /// `there`.
    pub fn carry_asked(
        &mut self,
        program: ProgramId,
        (from, to): (ParticipantId, ParticipantId),
        rule: &Slug,
        (asked, there): (&Asked, Option<&Asked>),
    ) -> &mut Self {
        let key = keys::asked(program, from, rule);
        self.delete_version(Asked::KIND, key, asked.version);
        let version = there.map_or(1, |there| there.version.saturating_add(1));
        let was = there.map_or(Was::Absent, |there| Was::Version(there.version));
        if there.is_none_or(|there| there.at < asked.at) {
            let later = Asked { version, ..*asked };
            self.asked(program, to, rule, &later, was);
        }
        self
    }

    /// A part of a redemption goes where the redemption will be.
    pub fn carry_redemption_part(
        &mut self,
        of: &Redemption,
        to: ParticipantId,
        part: &RedemptionPart,
        number: u32,
    ) -> &mut Self {
        let key = |person| keys::redemption_part(of.program, person, of.id, number);
        self.delete(RedemptionPart::KIND, key(of.participant_id));
        self.put(key(to), part, Write::New, Indexes::default());
        self
    }

    /// A redemption that is closed becomes somebody else's, under its name if they have none of that
    /// name themselves.
    pub fn carry_redemption(
        &mut self,
        before: &Redemption,
        to: ParticipantId,
        named: bool,
    ) -> &mut Self {
        let (program, from) = (before.program, before.participant_id);
        let after = Redemption {
            participant_id: to,
            version: before.version.saturating_add(1),
            ..before.clone()
        };
        let key = keys::redemption(program, from, before.id);
        self.delete_version(Redemption::KIND, key, before.version);
        let key = keys::redemption(program, to, before.id);
        self.put(key, &after, Write::New, Indexes::default());
        let name = |person| keys::redemption_by_name(program, person, &before.external_id);
        self.delete(RedemptionName::KIND, name(from));
        if named {
            let value = RedemptionName {
                redemption_id: before.id,
            };
            self.put(name(to), &value, Write::New, Indexes::default());
        }
        self
    }

    /// Puts an entity under a condition of its own.
    fn put_if<T: Entity>(
        &mut self,
        key: Key,
        value: &T,
        guard: Guard,
        condition: impl FnOnce(
            aws_sdk_dynamodb::types::builders::PutBuilder,
        ) -> aws_sdk_dynamodb::types::builders::PutBuilder,
    ) -> &mut Self {
        match crate::item::write(value) {
            Ok(mut body) => {
                body.extend(attributes(&key));
                let put = Put::builder()
                    .set_item(Some(body))
                    .table_name(String::new());
                self.push_put(guard, key, condition(put));
            }
            Err(fault) => self.fault = Some(fault),
        }
        self
    }
}

/// The counters of somebody who was merged: the mark, and nothing else.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct BareCounters {
    merged_into: String,
}

impl Entity for BareCounters {
    type Stored = Self;
    const KIND: &'static str = "counters";

    fn to_stored(&self) -> Self {
        self.clone()
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

fn message(merge: &Merge) -> Wake {
    Message::Merge {
        program_id: merge.program,
        merge_id: merge.id,
    }
    .to(Queue::Rewards)
}
