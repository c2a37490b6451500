use kith_domain::code::ReferralCode;
use kith_domain::mode::Mode;
use kith_domain::participant::{OwnCode, Participant, Referral};
use kith_domain::program::Program;
use kith_domain::share::ShareLinks;
use serde_json::{Value, json};

use super::instant;

/// A participant, without mail address and name: no answer repeats them. `origin` is where links
/// start.
#[must_use]
pub fn participant(participant: &Participant, program: &Program, origin: &str) -> Value {
    let link = |code: &ReferralCode| link(origin, program.mode, code);
    let own = |own: &OwnCode| {
        json!({
            "code": own.code.as_str(),
            "kind": own.kind.as_str(),
            "state": if own.active { "active" } else { "disabled" },
            "link": link(&own.code),
        })
    };
    let code = participant.code();
    let share = code.map(|code| {
        let link = link(code);
        let links = ShareLinks::new(&program.name, &link, format!("{link}/qr.svg"));
        json!({
            "email": links.email,
            "whatsapp": links.whatsapp,
            "x": links.x,
            "facebook": links.facebook,
            "linkedin": links.linkedin,
            "qr_svg": links.qr_svg,
        })
    });
    json!({
        "id": participant.id.to_string(),
        "external_id": participant.external_id.as_ref().map(ToString::to_string),
        "state": participant.state.as_str(),
        "code": code.map(ReferralCode::as_str),
        "link": code.map(link),
        "codes": participant.codes.iter().map(own).collect::<Vec<_>>(),
        "share": share,
        "locale": participant.locale.as_ref().map(ToString::to_string),
        "has_email": participant.email.is_some(),
        "consent": {
            "surveys": participant.consent.surveys,
            "marketing": participant.consent.marketing,
            "recorded_at": participant.consent.recorded_at.map(instant),
            "source": participant.consent.source.as_ref().map(ToString::to_string),
        },
        "created_at": instant(participant.created_at),
        "version": participant.version,
    })
}

fn link(origin: &str, mode: Mode, code: &ReferralCode) -> String {
    format!("{origin}{}{code}", mode.link_path())
}

/// A referral.
#[must_use]
pub fn referral(referral: &Referral) -> Value {
    json!({
        "id": referral.id.to_string(),
        "referrer_id": referral.referrer_id.to_string(),
        "referee_id": referral.referee_id.to_string(),
        "state": referral.state.as_str(),
        "created_at": instant(referral.created_at),
        "touch_at": referral.touch_at.map(instant),
        "first_qualified_at": referral.first_qualified_at.map(instant),
    })
}
