use kith_domain::code::ReferralCode;
use kith_domain::id::{ParticipantId, ReferralId};
use kith_domain::ledger::Balance;
use kith_domain::mode::Mode;
use kith_domain::participant::{self as domain, CodeKind, ParticipantState, ReferralState};
use kith_domain::program::Program;
use kith_domain::share::ShareLinks;
use kith_domain::text::{ExternalId, Locale, Name};
use kith_domain::words::words;
use schemars::JsonSchema;
use serde::Serialize;

use crate::scalar::{At, Spelled, Word};

words! {
    /// Whether a code's links work.
    pub enum CodeState {
        /// They do.
        Active = "active",
        /// They do not.
        Disabled = "disabled",
    }
}

/// One person in a program. Mail address and name are kept and never answered.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Participant {
    /// Their id.
    pub id: Spelled<ParticipantId>,
    /// What the shop calls them; `null` for a referee who is only known by a mail address.
    pub external_id: Option<Spelled<ExternalId>>,
    /// Whether they take part. Whoever is `merged` is somebody else, for ever.
    pub state: Word<ParticipantState>,
    /// Who they are, if they were merged into somebody.
    pub merged_into: Option<Spelled<ParticipantId>>,
    /// The code to share; `null` until they have one that works.
    pub code: Option<Spelled<ReferralCode>>,
    /// Its link.
    pub link: Option<String>,
    /// Their codes, oldest first.
    pub codes: Vec<OwnCode>,
    /// Links that open the usual apps with the link in them; `null` without a code.
    pub share: Option<Share>,
    /// The language they read.
    pub locale: Option<Spelled<Locale>>,
    /// Whether a mail address is kept.
    pub has_email: bool,
    /// What they consented to.
    pub consent: Consent,
    /// When they were first seen.
    pub created_at: At,
    /// Who first told of them: the id of a key or of an order source, or `operator`; `null` where that was not kept yet.
    pub recorded_by: Option<String>,
    /// Counts their changes; what `If-Match` names.
    pub version: u64,
}

/// A code of a participant.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OwnCode {
    /// The code.
    pub code: Spelled<ReferralCode>,
    /// Where it came from.
    pub kind: Word<CodeKind>,
    /// Whether its links work.
    pub state: Word<CodeState>,
    /// Its link.
    pub link: String,
}

/// Links for sharing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Share {
    /// Opens a mail.
    pub email: String,
    /// Opens WhatsApp.
    pub whatsapp: String,
    /// Opens X.
    pub x: String,
    /// Opens Facebook.
    pub facebook: String,
    /// Opens LinkedIn.
    pub linkedin: String,
    /// A QR code of the link, as an image.
    pub qr_svg: String,
}

/// What a participant consented to; `null` where they said nothing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Consent {
    /// To surveys.
    pub surveys: Option<bool>,
    /// To news.
    pub marketing: Option<bool>,
    /// When they said so.
    pub recorded_at: Option<At>,
    /// Where they said so.
    pub source: Option<Spelled<Name>>,
}

/// A participant, without mail address and name. `origin` is where links start.
#[must_use]
pub fn participant(
    participant: &domain::Participant,
    program: &Program,
    origin: &str,
) -> Participant {
    let link = |code: &ReferralCode| link(origin, program.mode, code);
    let own = |own: &domain::OwnCode| OwnCode {
        code: own.code.clone().into(),
        kind: own.kind.into(),
        state: Word(if own.active {
            CodeState::Active
        } else {
            CodeState::Disabled
        }),
        link: link(&own.code),
    };
    let code = participant.code();
    let share = code.map(|code| {
        let link = link(code);
        let links = ShareLinks::new(&program.name, &link, format!("{link}/qr.svg"));
        Share {
            email: links.email,
            whatsapp: links.whatsapp,
            x: links.x,
            facebook: links.facebook,
            linkedin: links.linkedin,
            qr_svg: links.qr_svg,
        }
    });
    let consent = &participant.consent;
    Participant {
        id: participant.id.into(),
        external_id: participant.external_id.clone().map(Spelled),
        state: participant.state.into(),
        merged_into: participant.merged_into.map(Spelled),
        code: code.cloned().map(Spelled),
        link: code.map(link),
        codes: participant.codes.iter().map(own).collect(),
        share,
        locale: participant.locale.clone().map(Spelled),
        has_email: participant.email.is_some(),
        consent: Consent {
            surveys: consent.surveys,
            marketing: consent.marketing,
            recorded_at: consent.recorded_at.map(At),
            source: consent.source.clone().map(Spelled),
        },
        created_at: participant.created_at.into(),
        recorded_by: participant.recorded_by.map(|by| by.to_string()),
        version: participant.version,
    }
}

fn link(origin: &str, mode: Mode, code: &ReferralCode) -> String {
    format!("{origin}{}{code}", mode.link_path())
}

/// The bond of a referee to a referrer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Referral {
    /// Its id.
    pub id: Spelled<ReferralId>,
    /// Who shared.
    pub referrer_id: Spelled<ParticipantId>,
    /// Who was invited.
    pub referee_id: Spelled<ParticipantId>,
    /// Whether the referee converted.
    pub state: Word<ReferralState>,
    /// When the bond was made.
    pub created_at: At,
    /// When the touch was that made it; `null` if it was none.
    pub touch_at: Option<At>,
    /// When the referee first qualified.
    pub first_qualified_at: Option<At>,
}

/// A referral.
#[must_use]
pub fn referral(referral: &domain::Referral) -> Referral {
    Referral {
        id: referral.id.into(),
        referrer_id: referral.referrer_id.into(),
        referee_id: referral.referee_id.into(),
        state: referral.state.into(),
        created_at: referral.created_at.into(),
        touch_at: referral.touch_at.map(At),
        first_qualified_at: referral.first_qualified_at.map(At),
    }
}

/// What a participant holds.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Balances {
    /// One entry for each unit that the program gives or the participant holds.
    pub balances: Vec<UnitBalance>,
}

/// What a participant holds in one unit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct UnitBalance {
    /// A currency, `points`, or pieces of a product.
    #[schemars(with = "Spelled<kith_domain::money::Unit>")]
    pub unit: String,
    /// What can be paid out or spent. Negative if more was taken back than was there.
    pub available: i64,
    /// What is held.
    pub pending: i64,
    /// What a payout has listed.
    pub in_payout: i64,
    /// What was paid out or spent.
    pub paid: i64,
    /// What the participant owes.
    pub receivable: i64,
}

impl UnitBalance {
    /// A balance in a unit.
    #[must_use]
    pub fn of(unit: String, balance: &Balance) -> Self {
        Self {
            unit,
            available: balance.available,
            pending: balance.pending,
            in_payout: balance.in_payout,
            paid: balance.paid,
            receivable: balance.receivable,
        }
    }
}
