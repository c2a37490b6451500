//! What was earned is spent once, and what two had who are one is one's.

use std::collections::{BTreeMap, BTreeSet};

use kith_domain::conversion::Conversion;
use kith_domain::id::{ConversionId, ParticipantId};
use kith_domain::merge::{Merge, MergeState, SWEEPS};
use kith_domain::offer::Offer;
use kith_domain::participant::Referral;
use kith_domain::redemption::Redemption;
use kith_domain::reward::{Reward, RewardState};
use kith_domain::survey::Survey;
use kith_edge::wire;
use kith_store::item::{self, Entity};
use kith_store::items::{Lot, UnitBalance, Voucher};

use super::{Auditor, text_of};

/// Whose item it is, by its key.
fn owner(pk: &str) -> ParticipantId {
    pk.rsplit('#').next().unwrap().parse().unwrap()
}

impl Auditor<'_> {
    /// The offer that a conversion used.
    pub(super) fn offer_used_by(&self, conversion: ConversionId) -> Option<&Offer> {
        let mut offers = self.offers.iter();
        offers.find(|offer| offer.used_by == Some(conversion))
    }

    /// What was offered before paying is what was given, once.
    pub(super) fn promises(&mut self) {
        let told = self.people.book().offers.clone();
        for promise in told {
            let mut offers = self.offers.iter();
            let found = offers.find(|offer| promise["id"] == offer.id.to_string().as_str());
            // Whether it is there is looked at with everything else that was acknowledged.
            let Some(offer) = found else { continue };
            let kept = serde_json::to_value(wire::offer(offer)).unwrap();
            let same = ["voucher_code", "reward", "expires_at"]
                .into_iter()
                .all(|name| kept[name] == promise[name]);
            if !same {
                self.find(format!("{promise} was offered, and became {kept}"));
            }
        }
        let mut given: BTreeMap<String, Vec<Reward>> = BTreeMap::new();
        for reward in self
            .made
            .iter()
            .filter(|reward| reward.state == RewardState::Redeemed)
        {
            if let Some(code) = &reward.voucher_code {
                let rewards = given.entry(code.to_string()).or_default();
                rewards.push(reward.clone());
            }
        }
        for offer in self.offers.clone() {
            let rewards = given
                .remove(&offer.voucher_code.to_string())
                .unwrap_or_default();
            let rewards: Vec<_> = rewards
                .iter()
                .map(|reward| (reward.conversion_id, reward.original))
                .collect();
            let used = offer
                .used_by
                .map(|conversion| (Some(conversion), offer.reward));
            let expected: Vec<_> = used.into_iter().collect();
            self.same("what an offer gave", &rewards, &expected);
        }
        if !given.is_empty() {
            self.find("somebody was given what nobody had offered");
        }
    }

    /// What is left of all credits is what a participant has, and nothing waits to be taken from them.
    pub(super) fn lots(&mut self) {
        let mut left: BTreeMap<(ParticipantId, String), i64> = BTreeMap::new();
        for found in self.books.of(Lot::KIND) {
            let lot: Lot = item::read(found.clone()).unwrap();
            let who = owner(text_of(found, "pk").unwrap());
            *left.entry((who, lot.unit.to_string())).or_default() += lot.remaining;
        }
        let mut owed: BTreeMap<(ParticipantId, String), i64> = BTreeMap::new();
        for found in self.books.of(UnitBalance::KIND) {
            let who = owner(text_of(found, "pk").unwrap());
            let UnitBalance { unit, balance } = item::read(found.clone()).unwrap();
            // Of what is available, what the participant owes is no credit of theirs.
            owed.insert((who, unit), balance.available - balance.receivable);
        }
        left.retain(|_, amount| *amount != 0);
        owed.retain(|_, amount| *amount != 0);
        self.same("what is left of credits", &left, &owed);
        let redemptions: Vec<Redemption> = self.books.all();
        if redemptions.iter().any(|redemption| redemption.open) {
            self.find("lots have not followed a redemption");
        }
    }

    /// A voucher is used for one order: the one that was told so.
    pub(super) fn vouchers(&mut self) {
        let used = self.people.book().used.clone();
        let vouchers: Vec<Voucher> = self.books.all();
        for (code, orders) in used {
            let voucher = vouchers.iter().find(|one| one.code.to_string() == code);
            let used_for = voucher.and_then(|voucher| voucher.used_for.as_ref());
            let expected: BTreeSet<String> =
                used_for.map(ToString::to_string).into_iter().collect();
            if !orders.is_subset(&expected) {
                self.find(format!(
                    "a voucher used for {expected:?} was taken for {orders:?}"
                ));
            }
        }
    }

    /// Whoever was merged has nothing left: everything is the other's.
    pub(super) fn merged(&mut self) {
        let merged: BTreeSet<ParticipantId> = self
            .people_of
            .values()
            .filter(|one| one.merged_into.is_some())
            .map(|one| one.id)
            .collect();
        for merge in self.books.all::<Merge>() {
            if merge.state == MergeState::Building {
                self.find("a merge is still being carried out");
            }
            // What was made for them at the same time may have been left at first.
            if merge.state == MergeState::Done && merge.sweeps < SWEEPS {
                self.find("a merge was not gone through again");
            }
        }
        let mut left = Vec::new();
        for kind in [Lot::KIND, Redemption::KIND] {
            let of_kind = self.books.of(kind).iter();
            let owners = of_kind.map(|item| owner(text_of(item, "pk").unwrap()));
            left.extend(owners.map(|who| (who, kind)));
        }
        let mut bonds: Vec<Referral> = self.books.all();
        // What lies in the place of the bond of somebody who was merged says who they are.
        bonds.retain(|bond| !bond.merged);
        left.extend(
            bonds
                .iter()
                .map(|bond| (bond.referrer_id, "bond of a referee")),
        );
        let rewards = self.rewards.values();
        left.extend(rewards.map(|reward| (reward.beneficiary_id, "reward")));
        for Conversion {
            attribution,
            referee_id,
            ..
        } in &self.conversions
        {
            left.push((*referee_id, "conversion"));
            let referrer = attribution.chosen.as_ref();
            left.extend(referrer.map(|chosen| (chosen.referrer_id, "conversion of a referee")));
        }
        let surveys: Vec<Survey> = self.books.all();
        left.extend(
            surveys
                .iter()
                .map(|survey| (survey.participant_id, "survey")),
        );
        let left = left.into_iter().filter(|(who, _)| merged.contains(who));
        let left: BTreeSet<&str> = left.map(|(_, what)| what).collect();
        for what in left {
            self.find(format!("somebody who was merged still has a {what}"));
        }
    }
}
