use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use schemars::JsonSchema;

use crate::scalar::{Spelled, Word};

/// A click that an app, or a page after consent, tells of.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewClick {
    /// The code of the link.
    pub code: Spelled<ReferralCode>,
    /// Through which channel; `link` unless said.
    pub channel: Option<Word<Channel>>,
    /// What the visitor said; needed where the program requires consent, or the browser opts out.
    pub consent: Option<ClickConsent>,
}

/// What a visitor said.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ClickConsent {
    /// Whether the click may be tied to them. Without it there is no token.
    pub tracking: Option<bool>,
}

/// What the visitor brings: a click token, or a code.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum NewOffer {
    /// A click token.
    ByToken(OfferByToken),
    /// A code.
    ByCode(OfferByCode),
}

/// An offer by a click token.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OfferByToken {
    /// The token.
    pub click_token: String,
    /// Nothing.
    pub code: Option<()>,
}

/// An offer by a code.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OfferByCode {
    /// The code.
    pub code: Spelled<ReferralCode>,
    /// Nothing.
    pub click_token: Option<()>,
}
