//! Using a voucher: what is read for it, and everything that is written.

use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::ConversionId;
use kith_domain::reward::Reward;
use kith_domain::text::ExternalId;
use kith_domain::voucher;

use crate::commit::Commit;
use crate::items::{LedgerReason, Lot, Voucher};
use crate::keys::{self, Key};
use crate::store::{Store, StoreError};
use crate::writes::Was;

/// A reward that may be used, with what lies beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Usable {
    /// The reward, as it was read.
    pub reward: Reward,
    /// Its voucher.
    pub voucher: Option<Voucher>,
    /// What is left of it in its beneficiary's liability; a discount has nothing there.
    pub lot: Option<Lot>,
}

impl Usable {
    /// Reads what lies beside a reward.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_reward(store: &Store, reward: Reward) -> Result<Self, StoreError> {
        let voucher = reward
            .voucher_code
            .as_ref()
            .map(|code| keys::voucher(reward.program, code));
        let lot = lot_key(&reward);
        let loaded = match (&voucher, &lot) {
            (None, None) => crate::store::Loaded::default(),
            (_, _) => store.get(voucher.iter().chain(&lot).cloned()).await?,
        };
        Ok(Self {
            voucher: read(&loaded, voucher.as_ref())?,
            lot: read(&loaded, lot.as_ref())?,
            reward,
        })
    }

    /// Reads the reward of a voucher and what lies beside it; `None` for the voucher of an offer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_voucher(
        store: &Store,
        program: kith_domain::id::ProgramId,
        voucher: &Voucher,
    ) -> Result<Option<Self>, StoreError> {
        let Some(reward_id) = voucher.reward_id else {
            return Ok(None);
        };
        let reward = store.get_one(keys::reward(program, reward_id)).await?;
        let Some(reward) = reward else {
            return Ok(None);
        };
        Self::of_reward(store, reward).await.map(Some)
    }

    /// What the voucher was used for before, as far as that was said.
    #[must_use]
    pub fn used_for(&self) -> Option<&ExternalId> {
        self.voucher.as_ref()?.used_for.as_ref()
    }
}

fn read<T: crate::item::Entity>(
    loaded: &crate::store::Loaded,
    key: Option<&Key>,
) -> Result<Option<T>, StoreError> {
    match key {
        Some(key) => Ok(loaded.read(key)?),
        None => Ok(None),
    }
}

/// Where the lot of a reward is, if it was issued and credits anything.
#[must_use]
pub fn lot_key(reward: &Reward) -> Option<Key> {
    let (unit, _) = reward.value.credit()?;
    let id = reward.id.to_string();
    Some(keys::lot(
        reward.program,
        reward.beneficiary_id,
        unit,
        reward.issued_at?,
        &id,
    ))
}

impl Commit {
    /// Writes that a reward is used: the reward as it becomes, its voucher, what was owed for it,
    /// and the fact.
    pub fn redeem(
        &mut self,
        read: &Usable,
        redeemed: &Reward,
        used_for: Option<&ExternalId>,
        conversion_id: Option<ConversionId>,
    ) -> &mut Self {
        let before = &read.reward;
        let next = Reward {
            version: before.version.saturating_add(1),
            ..redeemed.clone()
        };
        self.reward(&next, Was::Version(before.version));
        self.mark_voucher(read, used_for, conversion_id);
        if let Some(lot) = &read.lot {
            let lines = voucher::settled(before, lot.unit, lot.remaining);
            self.ledger(LedgerReason::RewardRedeemed, Some(before.id), &lines)
                .lot(
                    before.program,
                    before.beneficiary_id,
                    &lot.with_remaining(0),
                    Some(lot),
                );
        }
        self.fact(Fact::of_reward(FactKind::RewardRedeemed, &next))
    }

    /// Notes for what a voucher was used, and which conversion named it. Alone, for a conversion
    /// that names what its order has used already.
    pub fn mark_voucher(
        &mut self,
        read: &Usable,
        used_for: Option<&ExternalId>,
        conversion_id: Option<ConversionId>,
    ) -> &mut Self {
        let Some(voucher) = &read.voucher else {
            return self;
        };
        let used = Voucher {
            used_at: voucher.used_at.or(Some(self.now())),
            used_for: voucher.used_for.clone().or_else(|| used_for.cloned()),
            conversion_id: voucher.conversion_id.or(conversion_id),
            version: voucher.version.saturating_add(1),
            ..voucher.clone()
        };
        self.voucher(read.reward.program, &used, Was::Version(voucher.version))
    }
}
