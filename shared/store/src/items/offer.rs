use jiff::Timestamp;
use kith_domain::audit::Actor;
use kith_domain::channel::Channel;
use kith_domain::code::{ReferralCode, VoucherCode};
use kith_domain::id::{ClickId, ConversionId, OfferId, ParticipantId, ProgramId};
use kith_domain::offer::Offer;
use kith_domain::text::Slug;
use serde::{Deserialize, Serialize};

use super::reward::ValueItem;
use crate::item::{Entity, text, text_option};

/// An offer, and when the table may drop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOffer {
    /// The offer.
    pub offer: Offer,
    /// In seconds of real time.
    pub forget_at: i64,
}

/// What lies in the table of an offer.
#[derive(Serialize, Deserialize)]
pub struct OfferItem {
    #[serde(with = "text")]
    id: OfferId,
    #[serde(with = "text")]
    program_id: ProgramId,
    #[serde(with = "text")]
    incentive_id: Slug,
    worth: ValueItem,
    #[serde(with = "text")]
    referrer_id: ParticipantId,
    #[serde(with = "text")]
    code: ReferralCode,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    click_id: Option<ClickId>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    channel: Option<Channel>,
    #[serde(with = "text")]
    touch_at: Timestamp,
    #[serde(with = "text")]
    made_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    recorded_by: Option<Actor>,
    #[serde(with = "text")]
    usable_until: Timestamp,
    #[serde(with = "text")]
    voucher_code: VoucherCode,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    used_by: Option<ConversionId>,
    expires_at: i64,
    version: u64,
}

impl Entity for StoredOffer {
    type Stored = OfferItem;
    const KIND: &'static str = "offer";

    fn to_stored(&self) -> OfferItem {
        let offer = &self.offer;
        OfferItem {
            id: offer.id,
            program_id: offer.program,
            incentive_id: offer.incentive_id.clone(),
            worth: offer.reward.into(),
            referrer_id: offer.referrer_id,
            code: offer.code.clone(),
            click_id: offer.click_id,
            channel: offer.channel,
            touch_at: offer.touch_at,
            made_at: offer.made_at,
            recorded_by: offer.recorded_by,
            usable_until: offer.expires_at,
            voucher_code: offer.voucher_code.clone(),
            used_by: offer.used_by,
            expires_at: self.forget_at,
            version: offer.version,
        }
    }

    fn from_stored(stored: OfferItem) -> Self {
        let offer = Offer {
            id: stored.id,
            program: stored.program_id,
            incentive_id: stored.incentive_id,
            reward: stored.worth.into(),
            referrer_id: stored.referrer_id,
            code: stored.code,
            click_id: stored.click_id,
            channel: stored.channel,
            touch_at: stored.touch_at,
            made_at: stored.made_at,
            recorded_by: stored.recorded_by,
            expires_at: stored.usable_until,
            voucher_code: stored.voucher_code,
            used_by: stored.used_by,
            version: stored.version,
        };
        Self {
            offer,
            forget_at: stored.expires_at,
        }
    }
}

/// That a budget could not pay for a reward was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhausted {
    /// When, on the program's clock.
    #[serde(with = "text")]
    pub since: Timestamp,
    /// When the table may drop it, in seconds of real time.
    pub expires_at: i64,
}

impl Entity for Exhausted {
    type Stored = Self;
    const KIND: &'static str = "budget_exhausted";

    fn to_stored(&self) -> Self {
        *self
    }

    fn from_stored(stored: Self) -> Self {
        stored
    }
}
