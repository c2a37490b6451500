//! What was earned is spent once, and what two had who are one is one's.

use std::collections::{BTreeMap, BTreeSet};

use kith_domain::conversion::Conversion;
use kith_domain::id::ParticipantId;
use kith_domain::merge::{Merge, MergeState};
use kith_domain::participant::Referral;
use kith_domain::redemption::Redemption;
use kith_domain::survey::Survey;
use kith_store::item::{self, Entity};
use kith_store::items::{Lot, UnitBalance, Voucher};

use super::{Auditor, text_of};

/// Whose item it is, by its key.
fn owner(pk: &str) -> ParticipantId {
    pk.rsplit('#').next().unwrap().parse().unwrap()
}

impl Auditor<'_> {
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
        }
        let mut left = Vec::new();
        for kind in [Lot::KIND, Redemption::KIND] {
            let of_kind = self.books.of(kind).iter();
            let owners = of_kind.map(|item| owner(text_of(item, "pk").unwrap()));
            left.extend(owners.map(|who| (who, kind)));
        }
        let bonds: Vec<Referral> = self.books.all();
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
