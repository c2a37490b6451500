//! The vouchers that a conversion names: those of rewards, which its order uses, and those of offers,
//! which also say who led here.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kith_domain::code::VoucherCode;
use kith_domain::conversion::Conversion;
use kith_domain::id::{ParticipantId, ProgramId};
use kith_domain::offer::Offer;
use kith_domain::reward::Reward;
use kith_domain::voucher::{Claim, Use, use_voucher};
use kith_edge::desk::View;
use kith_edge::session::Ended;
use kith_store::items::{StoredOffer, Voucher};
use kith_store::keys::{self, Key};
use kith_store::{Commit, Usable, Was, lot_key};

use crate::ACTOR;

/// What is known of the vouchers among a conversion's codes.
#[derive(Debug, Default)]
pub(crate) struct Named {
    vouchers: Vec<Voucher>,
    rewards: Vec<(Voucher, Reward)>,
    offers: Vec<(Voucher, StoredOffer)>,
}

impl Named {
    /// Where the vouchers among a conversion's codes are looked up: each of them may be one.
    pub(crate) fn looked_up(program: ProgramId, codes: &[String]) -> Vec<Key> {
        let codes = codes.iter().filter_map(|code| code.parse().ok());
        codes
            .map(|code: VoucherCode| keys::voucher(program, &code))
            .collect()
    }

    /// The vouchers among the codes, which were looked up.
    pub(crate) fn among(view: &View, codes: &[String]) -> Result<Self, Ended> {
        let mut keys = Self::looked_up(view.program.id, codes);
        keys.sort();
        keys.dedup();
        let mut vouchers = Vec::new();
        for key in keys {
            vouchers.extend(view.loaded.read::<Voucher>(&key)?);
        }
        Ok(Self {
            vouchers,
            ..Self::default()
        })
    }

    /// Whether a code is one of them.
    pub(crate) fn contains(&self, code: &str) -> bool {
        let code = code.parse::<VoucherCode>();
        let code = code.map(|code| code.folded());
        code.is_ok_and(|code| {
            let mut vouchers = self.vouchers.iter();
            vouchers.any(|voucher| voucher.code.folded() == code)
        })
    }

    /// What stands behind them, to be read with whatever is read next.
    pub(crate) fn behind(&self, program: ProgramId) -> Vec<Key> {
        let behind = |voucher: &Voucher| {
            let reward = voucher.reward_id.map(|id| keys::reward(program, id));
            let offer = voucher.offer_id.map(|id| keys::offer(program, id));
            reward.or(offer)
        };
        self.vouchers.iter().filter_map(behind).collect()
    }

    /// Takes in what stands behind them.
    pub(crate) fn read(&mut self, view: &View) -> Result<(), Ended> {
        let program = view.program.id;
        for voucher in &self.vouchers {
            if let Some(id) = voucher.reward_id {
                let reward = view.loaded.read::<Reward>(&keys::reward(program, id))?;
                self.rewards
                    .extend(reward.map(|reward| (voucher.clone(), reward)));
            } else if let Some(id) = voucher.offer_id {
                let offer = view.loaded.read::<StoredOffer>(&keys::offer(program, id))?;
                self.offers
                    .extend(offer.map(|offer| (voucher.clone(), offer)));
            }
        }
        Ok(())
    }

    /// What of the rewards still lies in their beneficiaries' liability.
    pub(crate) fn lots(&self) -> Vec<Key> {
        let lots = self
            .rewards
            .iter()
            .filter_map(|(_, reward)| lot_key(reward));
        lots.collect()
    }

    /// The offers that an order of that instant may use.
    pub(crate) fn offers(&self, occurred_at: Timestamp) -> Vec<&Offer> {
        let offers = self.offers.iter().map(|(_, stored)| &stored.offer);
        offers.filter(|offer| offer.holds(occurred_at)).collect()
    }

    /// The offers of these referrers.
    pub(crate) fn offers_of(&self, referrers: &BTreeSet<ParticipantId>) -> Vec<&StoredOffer> {
        let offers = self.offers.iter().map(|(_, stored)| stored);
        offers
            .filter(|stored| referrers.contains(&stored.offer.referrer_id))
            .collect()
    }

    /// Writes that the order of a conversion used the vouchers of rewards. Those that it cannot use
    /// stay as they are: the shop took them, and the order is what it is.
    pub(crate) fn write(
        &self,
        view: &View,
        commit: &mut Commit,
        conversion: &Conversion,
    ) -> Result<(), Ended> {
        let order = &conversion.content.external_id;
        let claim = Claim {
            used_for: Some(order),
            by: ACTOR,
            reason: None,
        };
        for (voucher, reward) in &self.rewards {
            let usable = Usable {
                reward: reward.clone(),
                voucher: Some(voucher.clone()),
                lot: match lot_key(reward) {
                    Some(key) => view.loaded.read(&key)?,
                    None => None,
                },
            };
            let used_for = voucher.used_for.as_ref();
            match use_voucher(reward, used_for, claim, view.now) {
                Ok(Use::Now(redeemed)) => {
                    commit.redeem(&usable, &redeemed, Some(order), Some(conversion.id));
                }
                Ok(Use::Before) if voucher.conversion_id.is_none() => {
                    commit.mark_voucher(&usable, Some(order), Some(conversion.id));
                }
                Ok(Use::Before) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Writes that a conversion used an offer, for which its reward was made. The voucher is that
    /// reward's from now on.
    pub(crate) fn use_offer(&self, commit: &mut Commit, conversion: &Conversion, reward: &Reward) {
        let of_reward = |(voucher, _): &&(Voucher, StoredOffer)| {
            Some(&voucher.code) == reward.voucher_code.as_ref()
        };
        let Some((voucher, stored)) = self.offers.iter().find(of_reward) else {
            return;
        };
        let offer = Offer {
            used_by: Some(conversion.id),
            version: stored.offer.version.saturating_add(1),
            ..stored.offer.clone()
        };
        let was = Was::Version(stored.offer.version);
        let forget_at = stored.forget_at;
        commit.offer(&StoredOffer { offer, forget_at }, was);
        let used = Voucher {
            reward_id: Some(reward.id),
            used_for: Some(conversion.content.external_id.clone()),
            conversion_id: Some(conversion.id),
            used_at: Some(commit.now()),
            expires_at: None,
            version: voucher.version.saturating_add(1),
            ..voucher.clone()
        };
        commit.voucher(conversion.program, &used, Was::Version(voucher.version));
    }
}
