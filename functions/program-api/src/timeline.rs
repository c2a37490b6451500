//! `GET P/participants/{participant}/timeline`: everything that happened to one person, newest first,
//! in sentences that can be read out.
//!
//! Each kind of thing is a list of its own, in the order of its ids, which is that of time. A page is
//! what is newest of all of them together, so its requests do not grow with the history: one to open,
//! one for each list at once, one for the things themselves, one for what belongs to them.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;
use kith_domain::conversion::Conversion;
use kith_domain::explanation::timeline as told;
use kith_domain::id::{
    ConversionId, ParticipantId, PayoutId, RedemptionId, ReferralId, RefundId, RewardId, SurveyId,
};
use kith_domain::notice::mail_of_issued;
use kith_domain::participant::{Participant, Referral};
use kith_domain::payout::PayoutLine;
use kith_domain::redemption::Redemption;
use kith_domain::refund::Refund;
use kith_domain::reward::Reward;
use kith_domain::survey::Survey;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::session::Ended;
use kith_edge::wire::{self, TimelineAbout, TimelineEntry};
use kith_store::items::{MailRecord, MailState};
use kith_store::keys::{self, Key, ListName};
use kith_store::{ListQuery, Loaded};

use crate::call::{Call, Paging};

/// Where an entry stands among all: by the time in its id, by the rest of it, by its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    tail: String,
    prefix: String,
}

impl Place {
    fn of(id: &str) -> Option<Self> {
        let (prefix, tail) = id.split_once('_')?;
        Some(Self {
            tail: tail.to_owned(),
            prefix: format!("{prefix}_"),
        })
    }

    /// The upper bound, itself left out, of the ids of a kind that stand below this place.
    fn bound(&self, prefix: &str) -> String {
        let tail = &self.tail;
        if *prefix < *self.prefix {
            format!("{prefix}{tail}~")
        } else {
            format!("{prefix}{tail}")
        }
    }
}

/// `GET P/participants/{participant}/timeline`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("participant").and_then(|id: ParticipantId| {
        let paging = call.query(|fields, faults| call.paging(fields, faults))?;
        Ok((id, paging))
    });
    let (_, view, (id, paging)) = call
        .program(parsed, |(id, _): &(ParticipantId, Paging), program, _| {
            vec![
                keys::participant(program, *id),
                keys::referral(program, *id),
            ]
        })
        .await?;
    let person: Option<Participant> = view.loaded.read(&keys::participant(view.program.id, id))?;
    let person = person.ok_or_else(|| Problem::not_found("participant"))?;
    let reading = Reading {
        view: &view,
        person: &person,
        paging: &paging,
        below: paging.after.as_deref().and_then(Place::of),
    };
    let (page, next) = reading.page().await?;
    let entries = reading.entries(page).await?;
    let next = next.map(|position| call.cursor(&position));
    let answer = wire::Timeline {
        participant: (&person).into(),
        data: entries,
        next_cursor: next,
    };
    Ok(Response::json(200, &answer))
}

struct Reading<'a> {
    view: &'a View,
    person: &'a Participant,
    paging: &'a Paging,
    below: Option<Place>,
}

/// The ids of the entries of a page, newest first.
type Ids = Vec<(String, Key)>;

impl Reading<'_> {
    /// The newest entries of all lists, and behind which one the timeline goes on.
    async fn page(&self) -> Result<(Ids, Option<String>), Ended> {
        let (program, id) = (self.view.program.id, self.person.id);
        let limit = self.paging.limit;
        // One more than a page, so that the merge knows whether there are more.
        let each = limit.saturating_add(1);
        let party = |list| ListQuery::of_party(program, id, list, each);
        let lists = [
            ("rfl_", party(ListName::Referrals)),
            ("cnv_", party(ListName::Conversions)),
            ("cnv_", ListQuery::of_referee(program, id, each)),
            ("rwd_", party(ListName::Rewards)),
            ("srv_", party(ListName::Surveys)),
            ("pay_", party(ListName::PayoutLines)),
        ];
        let lists = lists.into_iter().map(|(prefix, query)| {
            let after = self.below.as_ref().map(|below| below.bound(prefix));
            let mut query = query.page(after, each);
            (query.from, query.to) = (self.paging.from, self.paging.to);
            async move { self.view.store.list_index(&query).await }
        });
        let (lists, spent) = try_join(try_join_all(lists), self.spent()).await?;
        let mut found: BTreeMap<Place, (String, Key)> = BTreeMap::new();
        let listed = lists.into_iter().flat_map(|page| page.items);
        let mut add = |id: String, key: Key| {
            if let Some(place) = Place::of(&id) {
                found.insert(place, (id, key));
            }
        };
        listed.for_each(|listed| add(listed.id, listed.key));
        spent.into_iter().for_each(|(id, key)| add(id, key));
        for (id, at, key) in self.own()? {
            if self.is_asked_for(&id, at) {
                add(id, key);
            }
        }
        let mut newest: Ids = found.into_values().rev().collect();
        let more = newest.len() > usize::from(limit);
        newest.truncate(limit.into());
        let next = newest.last().map(|(id, _)| id.clone()).filter(|_| more);
        Ok((newest, next))
    }

    /// What is read with the participant: they themselves, and their bond to a referrer.
    fn own(&self) -> Result<Vec<(String, Timestamp, Key)>, Ended> {
        let (program, id) = (self.view.program.id, self.person.id);
        let person = (id.to_string(), id.at(), keys::participant(program, id));
        let key = keys::referral(program, id);
        let bond: Option<Referral> = self.view.loaded.read(&key)?;
        let bond = bond.map(|bond| (bond.id.to_string(), bond.id.at(), key));
        Ok(std::iter::once(person).chain(bond).collect())
    }

    fn is_asked_for(&self, id: &str, at: Timestamp) -> bool {
        let Paging { from, to, .. } = *self.paging;
        let below = |below: &Place| Place::of(id).is_some_and(|place| place < *below);
        self.below.as_ref().is_none_or(below)
            && from.is_none_or(|from| at >= from)
            && to.is_none_or(|to| at < to)
    }

    /// The newest spendings of points. They lie with the participant and are in no index.
    async fn spent(&self) -> Result<Ids, kith_store::StoreError> {
        let (program, id) = (self.view.program.id, self.person.id);
        let prefix = keys::redemptions(program, id);
        let floor = |at| RedemptionId::floor_of(at).to_string();
        let from = self.paging.from.map_or_else(String::new, floor);
        let to = self.paging.to.map_or_else(|| "~".to_owned(), floor);
        let to = match &self.below {
            Some(below) => to.min(below.bound("rdm_")),
            None => to,
        };
        let limit = self.paging.limit.saturating_add(1);
        let store = &self.view.store;
        let found = store
            .latest::<Redemption>(&prefix, &from, &to, limit)
            .await?;
        let keyed = found.into_iter().map(|one| {
            let key = keys::redemption(program, id, one.id);
            (one.id.to_string(), key)
        });
        Ok(keyed.collect())
    }

    /// The entries of a page, told.
    async fn entries(&self, page: Ids) -> Result<Vec<TimelineEntry>, Ended> {
        let store = &self.view.store;
        let loaded = store.get(page.iter().map(|(_, key)| key.clone())).await?;
        let more = store.get(self.belongings(&page, &loaded)?).await?;
        let mut entries = Vec::with_capacity(page.len());
        for (id, key) in page {
            entries.extend(self.entry(&id, &key, &loaded, &more)?);
        }
        Ok(entries)
    }

    /// What else has to be read: rewards and refunds of conversions, conversions and mails of rewards.
    fn belongings(&self, page: &Ids, loaded: &Loaded) -> Result<Vec<Key>, Ended> {
        let program = self.view.program.id;
        let mut wanted = Vec::new();
        for (id, key) in page {
            if id.parse::<ConversionId>().is_ok() {
                let Some(one) = loaded.read::<Conversion>(key)? else {
                    continue;
                };
                let rewards = one.reward_ids.iter();
                wanted.extend(rewards.map(|id| keys::reward(program, *id)));
                let refunds = one.refund_ids.iter();
                wanted.extend(refunds.map(|id| keys::refund(program, *id)));
            } else if id.parse::<RewardId>().is_ok() {
                let Some(one) = loaded.read::<Reward>(key)? else {
                    continue;
                };
                wanted.extend(one.conversion_id.map(|id| keys::conversion(program, id)));
                wanted.extend(mail_of(&one).map(|id| keys::mail(program, id)));
            }
        }
        Ok(wanted)
    }

    fn entry(
        &self,
        id: &str,
        key: &Key,
        loaded: &Loaded,
        more: &Loaded,
    ) -> Result<Option<TimelineEntry>, Ended> {
        let whose = self.person.id;
        if let Ok(id) = id.parse::<ConversionId>() {
            let Some(one) = loaded.read::<Conversion>(key)? else {
                return Ok(None);
            };
            return Ok(Some(self.conversion(id, &one, more)?));
        }
        if let Ok(id) = id.parse::<RewardId>() {
            let Some(one) = loaded.read::<Reward>(key)? else {
                return Ok(None);
            };
            return Ok(Some(self.reward(id, &one, more)?));
        }
        if let Ok(id) = id.parse::<ReferralId>() {
            let found = loaded.read::<Referral>(key)?;
            return Ok(found.map(|one| {
                let refs = TimelineAbout {
                    referrer_id: Some(one.referrer_id.to_string()),
                    referee_id: Some(one.referee_id.to_string()),
                    ..TimelineAbout::default()
                };
                wire::timeline_entry(
                    "referral",
                    id.at(),
                    id.to_string(),
                    &told::bond(&one, whose),
                    refs,
                )
            }));
        }
        if let Ok(id) = id.parse::<SurveyId>() {
            let found = loaded.read::<Survey>(key)?;
            return Ok(found.map(|one| {
                wire::timeline_entry(
                    "survey",
                    id.at(),
                    id.to_string(),
                    &told::survey(&one),
                    TimelineAbout::default(),
                )
            }));
        }
        if let Ok(id) = id.parse::<PayoutId>() {
            let found = loaded.read::<PayoutLine>(key)?;
            return Ok(found.map(|one| {
                wire::timeline_entry(
                    "payout",
                    id.at(),
                    id.to_string(),
                    &told::payout_line(&one),
                    TimelineAbout::default(),
                )
            }));
        }
        if let Ok(id) = id.parse::<RedemptionId>() {
            let found = loaded.read::<Redemption>(key)?;
            let told = |one| {
                wire::timeline_entry(
                    "redemption",
                    id.at(),
                    id.to_string(),
                    &told::redemption(&one),
                    TimelineAbout::default(),
                )
            };
            return Ok(found.map(told));
        }
        let told = told::joined(self.person);
        Ok(Some(wire::timeline_entry(
            "participant",
            whose.at(),
            whose.to_string(),
            &told,
            TimelineAbout::default(),
        )))
    }

    fn conversion(
        &self,
        id: ConversionId,
        one: &Conversion,
        more: &Loaded,
    ) -> Result<TimelineEntry, Ended> {
        let program = self.view.program.id;
        let mut rewards: Vec<Reward> = Vec::new();
        for id in &one.reward_ids {
            rewards.extend(more.read(&keys::reward(program, *id))?);
        }
        let mut refunds: Vec<Refund> = Vec::new();
        for id in &one.refund_ids {
            refunds.extend(more.read(&keys::refund(program, *id))?);
        }
        let chosen = one.attribution.chosen.as_ref();
        let click = chosen.and_then(|chosen| chosen.click_id);
        let refs = TimelineAbout {
            event: Some(one.content.event.to_string()),
            external_id: Some(one.content.external_id.to_string()),
            state: Some(one.state.as_str()),
            referee_id: Some(one.referee_id.to_string()),
            referrer_id: chosen.map(|chosen| chosen.referrer_id.to_string()),
            click_id: click.map(|id| id.to_string()),
            reward_ids: Some(one.reward_ids.iter().map(RewardId::to_string).collect()),
            refund_ids: Some(one.refund_ids.iter().map(RefundId::to_string).collect()),
            ..TimelineAbout::default()
        };
        let told = told::conversion(one, self.person.id, &rewards, &refunds);
        Ok(wire::timeline_entry(
            "conversion",
            id.at(),
            id.to_string(),
            &told,
            refs,
        ))
    }

    fn reward(&self, id: RewardId, one: &Reward, more: &Loaded) -> Result<TimelineEntry, Ended> {
        let program = self.view.program.id;
        let conversion = match one.conversion_id {
            Some(id) => more.read::<Conversion>(&keys::conversion(program, id))?,
            None => None,
        };
        let mut told = told::reward(one, conversion.as_ref());
        if let Some(mail) = mail_of(one)
            && let Some(mail) = more.read::<MailRecord>(&keys::mail(program, mail))?
        {
            told.step(mail.id.at(), mailed(mail.state));
        }
        let refs = TimelineAbout {
            state: Some(one.state.as_str()),
            incentive_id: one.incentive_id.as_ref().map(ToString::to_string),
            conversion_id: one.conversion_id.map(|id| id.to_string()),
            ..TimelineAbout::default()
        };
        Ok(wire::timeline_entry(
            "reward",
            id.at(),
            id.to_string(),
            &told,
            refs,
        ))
    }
}

fn mail_of(reward: &Reward) -> Option<kith_domain::id::MailId> {
    let issued_at = reward.issued_at?;
    Some(mail_of_issued(reward.id, issued_at))
}

fn mailed(state: MailState) -> &'static str {
    match state {
        MailState::Waiting | MailState::Sending => "A mail about it is to be sent.",
        MailState::Sent | MailState::Recorded => "A mail about it was sent.",
        MailState::Skipped => {
            "No mail was sent about it: no address is known, or it takes no mail from this program."
        }
        MailState::Failed => "The mail about it was refused.",
        MailState::Unknown => {
            "Whether the mail about it was sent is not known; it is not sent again."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: &str) -> Place {
        Place::of(id).unwrap()
    }

    /// Two things of one instant may have ids that differ in nothing but their kind.
    #[test]
    fn a_bound_leaves_out_what_was_shown_and_nothing_else() {
        let ids = ["cnv_1", "rfl_1", "rwd_1", "cnv_2", "rwd_2"];
        let mut sorted = ids.map(place);
        sorted.sort();
        assert_eq!(sorted, ids.map(place));
        for shown in ids {
            let below = place(shown);
            for id in ids {
                let prefix = id.split_at(4).0;
                let listed = id < below.bound(prefix).as_str();
                assert_eq!(listed, place(id) < below, "{id} below {shown}");
            }
        }
    }
}
