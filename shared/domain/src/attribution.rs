//! Attribution: to which referrer a conversion belongs, and why.
//!
//! In this order: the referee's bond; the vouchers of offers; the click tokens, first or latest touch
//! by the model; the codes, the first one that holds. What does not hold falls through to the next, and everything
//! that was looked at stands in `considered` with its outcome.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::channel::Channel;
use crate::code::ReferralCode;
use crate::id::{ClickId, ParticipantId};
use crate::offer::Offer;
use crate::program::{AttributionModel, AttributionPolicy};
use crate::text::Name;
use crate::token::{ClickToken, Touch};
use crate::words::words;

/// The most click tokens of one conversion.
pub const TOKENS_MAX: usize = 5;
/// The most codes of one conversion.
pub const CODES_MAX: usize = 10;

/// What a code leads to, looked up live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOwner {
    /// Nobody in this program has it.
    Unknown,
    /// Somebody had it.
    Disabled(Referrer),
    /// Somebody has it.
    Active(Referrer),
}

/// A possible referrer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Referrer {
    /// Who.
    pub id: ParticipantId,
    /// Whether they take part.
    pub active: bool,
    /// Whether they are the referee: the same participant, or the same normalised mail address.
    pub is_referee: bool,
    /// Whether the referee stands above them, so that the bond would close a loop.
    pub is_below_referee: bool,
}

/// The offer behind a voucher that the conversion names: not used, not expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresentedOffer<'a> {
    /// The offer.
    pub offer: &'a Offer,
    /// Who made it possible; `None` if they are gone.
    pub referrer: Option<Referrer>,
}

/// A token as presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresentedToken {
    /// Not signed by this installation, not readable, or of another program.
    Bad,
    /// Genuine, and of this program.
    Genuine(Box<ClickToken>),
}

words! {
    /// What kind of touch was considered.
    pub enum TouchKind {
        /// The referee's bond.
        ExistingReferral = "existing_referral",
        /// The voucher of an offer.
        Voucher = "voucher",
        /// A click, proved by a token.
        ClickToken = "click_token",
        /// A code that was typed.
        Code = "code",
        /// Chosen by hand.
        Manual = "manual",
    }
}

words! {
    /// What came of a touch.
    pub enum Outcome {
        /// It made the attribution.
        Chosen = "chosen",
        /// It would have held, but another one did before.
        NotNeeded = "not_needed",
        /// It is older than the window, or younger than the conversion.
        OutsideWindow = "outside_window",
        /// Not a genuine token of this program.
        BadToken = "bad_token",
        /// Nobody has the code.
        UnknownCode = "unknown_code",
        /// The code was disabled.
        DisabledCode = "disabled_code",
        /// The referrer is the referee.
        SelfReferral = "self_referral",
        /// The referee stands above the referrer.
        ReferralLoop = "referral_loop",
        /// The referrer does not take part.
        Suspended = "suspended",
        /// The program does not take codes without a click.
        CodeWithoutClick = "code_without_click",
    }
}

words! {
    /// Why the conversion is attributed, or is not.
    pub enum Reason {
        /// By the referee's bond.
        ExistingReferral = "existing_referral",
        /// By the voucher of an offer.
        Voucher = "voucher",
        /// By a click.
        ClickToken = "click_token",
        /// By a code.
        Code = "code",
        /// By hand.
        Manual = "manual",
        /// There was nothing to go by.
        NoTouch = "no_touch",
        /// The first touch was outside the window.
        OutsideWindow = "outside_window",
        /// The first token was not genuine.
        BadToken = "bad_token",
        /// Nobody has the first code.
        UnknownCode = "unknown_code",
        /// The first code was disabled.
        DisabledCode = "disabled_code",
        /// The first referrer is the referee.
        SelfReferral = "self_referral",
        /// The referee stands above the first referrer.
        ReferralLoop = "referral_loop",
        /// The first referrer does not take part.
        Suspended = "suspended",
        /// The program does not take codes without a click.
        CodeWithoutClick = "code_without_click",
    }
}

/// A touch that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Its kind.
    pub touch: TouchKind,
    /// The click behind it.
    pub click_id: Option<ClickId>,
    /// The code in it.
    pub code: Option<ReferralCode>,
    /// The referrer that it leads to.
    pub referrer_id: Option<ParticipantId>,
    /// When it was.
    pub at: Option<Timestamp>,
    /// What came of it.
    pub outcome: Outcome,
}

/// The referrer that a conversion belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Who.
    pub referrer_id: ParticipantId,
    /// The click that did it.
    pub click_id: Option<ClickId>,
    /// The code that did it.
    pub code: Option<ReferralCode>,
    /// The channel of that click.
    pub channel: Option<Channel>,
    /// When the touch was.
    pub touch_at: Option<Timestamp>,
}

/// Who attributed by hand, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// The key that asked for it.
    pub by: String,
    /// In the owner's own words.
    pub reason: Name,
}

/// The decision, with its explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// The referrer, if any.
    pub chosen: Option<Chosen>,
    /// Why.
    pub reason: Reason,
    /// The model that was in force.
    pub model: AttributionModel,
    /// The window that was in force, in days; what was recorded before it was kept has none.
    pub window_days: Option<u16>,
    /// Everything that was looked at, in the order of looking.
    pub considered: Vec<Considered>,
    /// Who decided it, if not the rules.
    pub by_hand: Option<ByHand>,
}

/// The bond of a referee, as far as it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bond {
    /// The referrer that the referee is bound to.
    pub referrer_id: ParticipantId,
    /// The channel that the referee came by.
    pub channel: Option<Channel>,
}

/// What [`attribute`] decides on.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// The referee's bond.
    pub bond: Option<Bond>,
    /// The offers whose vouchers are named.
    pub offers: &'a [PresentedOffer<'a>],
    /// The tokens, as presented.
    pub tokens: &'a [PresentedToken],
    /// The codes, as presented, vouchers left out.
    pub codes: &'a [ReferralCode],
    /// When the conversion happened.
    pub occurred_at: Timestamp,
}

/// Decides. `owner` tells whose code it is now.
#[must_use]
pub fn attribute(
    policy: AttributionPolicy,
    evidence: &Evidence<'_>,
    owner: impl Fn(&ReferralCode) -> CodeOwner,
) -> Attribution {
    let mut decision = Deciding {
        chosen: None,
        reason: None,
        considered: Vec::new(),
    };
    if let Some(bond) = evidence.bond {
        decision.consider(Candidate {
            referrer_id: Some(bond.referrer_id),
            // What a program gives to those who came by a channel, it gives them later too.
            channel: bond.channel,
            // A bond holds even while the referrer is suspended: the reward is what is withheld.
            fault: None,
            ..Candidate::of(TouchKind::ExistingReferral)
        });
    }
    for PresentedOffer { offer, referrer } in evidence.offers {
        // The promise was made while the code worked: it is kept though the code was disabled since.
        let owner = referrer.map_or(CodeOwner::Unknown, CodeOwner::Active);
        let (referrer_id, fault) = judge_owner(owner);
        decision.consider(Candidate {
            click_id: offer.click_id,
            channel: offer.channel,
            at: Some(offer.touch_at),
            code: Some(&offer.code),
            referrer_id,
            fault,
            ..Candidate::of(TouchKind::Voucher)
        });
    }
    for _ in evidence
        .tokens
        .iter()
        .filter(|token| matches!(token, PresentedToken::Bad))
    {
        decision.consider(Candidate {
            fault: Some(Outcome::BadToken),
            ..Candidate::of(TouchKind::ClickToken)
        });
    }
    for touch in touches(policy.model, evidence.tokens) {
        let (referrer_id, fault) = judge_owner(owner(&touch.code));
        let late = !within(touch.at, evidence.occurred_at, policy.window());
        decision.consider(Candidate {
            click_id: Some(touch.click_id),
            channel: Some(touch.channel),
            at: Some(touch.at),
            code: Some(&touch.code),
            referrer_id,
            fault: if late {
                Some(Outcome::OutsideWindow)
            } else {
                fault
            },
            ..Candidate::of(TouchKind::ClickToken)
        });
    }
    for code in evidence.codes {
        let (referrer_id, fault) = judge_owner(owner(code));
        let refused = (!policy.code_without_click).then_some(Outcome::CodeWithoutClick);
        decision.consider(Candidate {
            code: Some(code),
            referrer_id,
            fault: fault.or(refused),
            ..Candidate::of(TouchKind::Code)
        });
    }
    decision.close(policy)
}

/// The touches of genuine tokens in the order of the model, each click once.
fn touches(model: AttributionModel, tokens: &[PresentedToken]) -> Vec<&Touch> {
    let mut touches: Vec<&Touch> = tokens
        .iter()
        .filter_map(|token| match token {
            PresentedToken::Genuine(token) => Some([&token.first, &token.latest]),
            PresentedToken::Bad => None,
        })
        .flatten()
        .collect();
    // Stable: a token knows its first touch from its latest, even within one second.
    touches.sort_by_key(|touch| touch.at);
    let mut seen = BTreeSet::new();
    touches.retain(|touch| seen.insert(touch.click_id));
    match model {
        AttributionModel::FirstClick => {}
        AttributionModel::LastClick => touches.reverse(),
    }
    touches
}

/// Clocks of the shop and of the bundle differ a little: a touch may seem to come this much after
/// the conversion it led to.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

fn within(touch_at: Timestamp, occurred_at: Timestamp, window: SignedDuration) -> bool {
    let age = occurred_at.duration_since(touch_at);
    age <= window && age >= CLOCK_SKEW.checked_neg().unwrap_or(SignedDuration::ZERO)
}

fn judge_owner(owner: CodeOwner) -> (Option<ParticipantId>, Option<Outcome>) {
    match owner {
        CodeOwner::Unknown => (None, Some(Outcome::UnknownCode)),
        CodeOwner::Disabled(referrer) => (Some(referrer.id), Some(Outcome::DisabledCode)),
        CodeOwner::Active(referrer) if referrer.is_referee => {
            (Some(referrer.id), Some(Outcome::SelfReferral))
        }
        CodeOwner::Active(referrer) if referrer.is_below_referee => {
            (Some(referrer.id), Some(Outcome::ReferralLoop))
        }
        CodeOwner::Active(referrer) if !referrer.active => {
            (Some(referrer.id), Some(Outcome::Suspended))
        }
        CodeOwner::Active(referrer) => (Some(referrer.id), None),
    }
}

struct Candidate<'a> {
    kind: TouchKind,
    click_id: Option<ClickId>,
    channel: Option<Channel>,
    at: Option<Timestamp>,
    code: Option<&'a ReferralCode>,
    referrer_id: Option<ParticipantId>,
    fault: Option<Outcome>,
}

impl Candidate<'_> {
    fn of(kind: TouchKind) -> Self {
        Self {
            kind,
            click_id: None,
            channel: None,
            at: None,
            code: None,
            referrer_id: None,
            fault: None,
        }
    }
}

struct Deciding {
    chosen: Option<Chosen>,
    reason: Option<Reason>,
    considered: Vec<Considered>,
}

impl Deciding {
    fn consider(&mut self, candidate: Candidate<'_>) {
        let outcome = match (candidate.fault, candidate.referrer_id) {
            (Some(fault), _) => fault,
            (None, _) if self.chosen.is_some() => Outcome::NotNeeded,
            (None, Some(referrer_id)) => {
                self.chosen = Some(Chosen {
                    referrer_id,
                    click_id: candidate.click_id,
                    code: candidate.code.cloned(),
                    channel: candidate.channel,
                    touch_at: candidate.at,
                });
                self.reason = Some(match candidate.kind {
                    TouchKind::ExistingReferral => Reason::ExistingReferral,
                    TouchKind::Voucher => Reason::Voucher,
                    TouchKind::ClickToken => Reason::ClickToken,
                    TouchKind::Code => Reason::Code,
                    TouchKind::Manual => Reason::Manual,
                });
                Outcome::Chosen
            }
            (None, None) => Outcome::UnknownCode,
        };
        self.considered.push(Considered {
            touch: candidate.kind,
            click_id: candidate.click_id,
            code: candidate.code.cloned(),
            referrer_id: candidate.referrer_id,
            at: candidate.at,
            outcome,
        });
    }

    fn close(self, policy: AttributionPolicy) -> Attribution {
        let fell_through = || match self.considered.first().map(|first| first.outcome) {
            Some(Outcome::OutsideWindow) => Reason::OutsideWindow,
            Some(Outcome::BadToken) => Reason::BadToken,
            Some(Outcome::UnknownCode) => Reason::UnknownCode,
            Some(Outcome::DisabledCode) => Reason::DisabledCode,
            Some(Outcome::SelfReferral) => Reason::SelfReferral,
            Some(Outcome::ReferralLoop) => Reason::ReferralLoop,
            Some(Outcome::Suspended) => Reason::Suspended,
            Some(Outcome::CodeWithoutClick) => Reason::CodeWithoutClick,
            Some(Outcome::Chosen | Outcome::NotNeeded) | None => Reason::NoTouch,
        };
        let reason = self.reason.unwrap_or_else(fell_through);
        Attribution {
            chosen: self.chosen,
            reason,
            model: policy.model,
            window_days: Some(policy.window_days),
            considered: self.considered,
            by_hand: None,
        }
    }
}

/// The attribution to a referrer chosen by hand. What was considered before stays on record.
#[must_use]
pub fn by_hand(
    referrer_id: ParticipantId,
    code: Option<ReferralCode>,
    earlier: &Attribution,
    at: Timestamp,
    by_hand: ByHand,
) -> Attribution {
    let mut considered = earlier.considered.clone();
    considered.push(Considered {
        touch: TouchKind::Manual,
        click_id: None,
        code: code.clone(),
        referrer_id: Some(referrer_id),
        at: Some(at),
        outcome: Outcome::Chosen,
    });
    Attribution {
        chosen: Some(Chosen {
            referrer_id,
            click_id: None,
            code,
            channel: None,
            touch_at: None,
        }),
        reason: Reason::Manual,
        model: earlier.model,
        window_days: earlier.window_days,
        considered,
        by_hand: Some(by_hand),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::VoucherCode;
    use crate::id::{OfferId, ProgramId};
    use crate::reward::{Discount, RewardValue};
    use crate::token::RefererClass;

    const ANN: u8 = 1;
    const BOB: u8 = 2;
    const SELF: u8 = 3;
    const ASLEEP: u8 = 4;
    const GONE: u8 = 5;
    const BELOW: u8 = 6;

    fn par(tail: u8) -> ParticipantId {
        ParticipantId::new(Timestamp::UNIX_EPOCH, [tail; 10])
    }

    fn bound(tail: u8) -> Bond {
        Bond {
            referrer_id: par(tail),
            channel: Some(Channel::Qr),
        }
    }

    fn owner(code: &ReferralCode) -> CodeOwner {
        let referrer = |tail, active, is_referee| Referrer {
            id: par(tail),
            active,
            is_referee,
            is_below_referee: tail == BELOW,
        };
        match code.as_str() {
            "ANN" => CodeOwner::Active(referrer(ANN, true, false)),
            "BOB" => CodeOwner::Active(referrer(BOB, true, false)),
            "SELF" => CodeOwner::Active(referrer(SELF, true, true)),
            "ASLEEP" => CodeOwner::Active(referrer(ASLEEP, false, false)),
            "GONE" => CodeOwner::Disabled(referrer(GONE, true, false)),
            "BELOW" => CodeOwner::Active(referrer(BELOW, true, false)),
            _ => CodeOwner::Unknown,
        }
    }

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(number * 86_400).unwrap()
    }

    fn touch(code: &str, on: i64) -> Touch {
        Touch {
            click_id: ClickId::derived(day(on), &[code.as_bytes()]),
            code: code.parse().unwrap(),
            at: day(on),
            channel: Channel::Email,
            referer: RefererClass::None,
        }
    }

    fn token(first: (&str, i64), latest: (&str, i64)) -> PresentedToken {
        PresentedToken::Genuine(Box::new(ClickToken {
            program: ProgramId::new(Timestamp::UNIX_EPOCH, [9; 10]),
            first: touch(first.0, first.1),
            latest: touch(latest.0, latest.1),
            mail: None,
            arms: Vec::new(),
        }))
    }

    /// Decides on day 100 and prints the decision as `reason: touch outcome, …`.
    fn decide(
        model: AttributionModel,
        bond: Option<u8>,
        tokens: &[PresentedToken],
        codes: &[&str],
    ) -> (Option<ParticipantId>, String) {
        let codes: Vec<ReferralCode> = codes.iter().map(|code| code.parse().unwrap()).collect();
        let evidence = Evidence {
            bond: bond.map(bound),
            offers: &[],
            tokens,
            codes: &codes,
            occurred_at: day(100),
        };
        let policy = AttributionPolicy {
            model,
            ..AttributionPolicy::default()
        };
        let decision = attribute(policy, &evidence, owner);
        let considered: Vec<String> = decision
            .considered
            .iter()
            .map(|c| {
                format!(
                    "{} {}",
                    c.code
                        .as_ref()
                        .map_or(c.touch.as_str(), ReferralCode::as_str),
                    c.outcome.as_str()
                )
            })
            .collect();
        (
            decision.chosen.map(|chosen| chosen.referrer_id),
            format!("{}: {}", decision.reason.as_str(), considered.join(", ")),
        )
    }

    #[test]
    fn the_order_is_bond_then_tokens_then_codes() {
        use AttributionModel::{FirstClick, LastClick};
        let both = [token(("ANN", 90), ("BOB", 95))];
        for (model, bond, tokens, codes, who, why) in [
            (LastClick, None, &[][..], &[][..], None, "no_touch: "),
            (
                LastClick,
                Some(ANN),
                &both[..],
                &["BOB"][..],
                Some(ANN),
                "existing_referral: existing_referral chosen, BOB not_needed, ANN not_needed, BOB not_needed",
            ),
            (
                LastClick,
                None,
                &both[..],
                &["ANN"][..],
                Some(BOB),
                "click_token: BOB chosen, ANN not_needed, ANN not_needed",
            ),
            (
                FirstClick,
                None,
                &both[..],
                &[][..],
                Some(ANN),
                "click_token: ANN chosen, BOB not_needed",
            ),
            (
                LastClick,
                None,
                &[token(("ANN", 69), ("ANN", 69))][..],
                &["BOB"][..],
                Some(BOB),
                "code: ANN outside_window, BOB chosen",
            ),
            (
                FirstClick,
                None,
                &[token(("ANN", 69), ("BOB", 99))][..],
                &[][..],
                Some(BOB),
                "click_token: ANN outside_window, BOB chosen",
            ),
            (
                LastClick,
                None,
                &[token(("ANN", 70), ("ANN", 70))][..],
                &[][..],
                Some(ANN),
                "click_token: ANN chosen",
            ),
            (
                LastClick,
                None,
                &[PresentedToken::Bad][..],
                &[][..],
                None,
                "bad_token: click_token bad_token",
            ),
            (
                LastClick,
                None,
                &[][..],
                &["NOBODY", "GONE", "SELF", "ASLEEP"][..],
                None,
                "unknown_code: NOBODY unknown_code, GONE disabled_code, SELF self_referral, ASLEEP suspended",
            ),
            (
                LastClick,
                None,
                &[][..],
                &["BELOW"][..],
                None,
                "referral_loop: BELOW referral_loop",
            ),
            (
                LastClick,
                None,
                &[token(("BELOW", 99), ("BELOW", 99))][..],
                &["BOB"][..],
                Some(BOB),
                "code: BELOW referral_loop, BOB chosen",
            ),
            (
                LastClick,
                None,
                &[][..],
                &["SELF", "ANN", "BOB"][..],
                Some(ANN),
                "code: SELF self_referral, ANN chosen, BOB not_needed",
            ),
            (
                LastClick,
                None,
                &[token(("ANN", 101), ("ANN", 101))][..],
                &[][..],
                None,
                "outside_window: ANN outside_window",
            ),
        ] {
            assert_eq!(
                decide(model, bond, tokens, codes),
                (who.map(par), why.to_owned())
            );
        }
    }

    /// Tokens keep seconds; what they keep in order stays in order.
    #[test]
    fn touches_of_one_second_keep_their_order() {
        use AttributionModel::{FirstClick, LastClick};
        for (first, latest) in [("ANN", "BOB"), ("BOB", "ANN")] {
            let tokens = [token((first, 99), (latest, 99))];
            let (_, why) = decide(FirstClick, None, &tokens, &[]);
            assert!(
                why.contains(&format!("{first} chosen, {latest} not_needed")),
                "{why}"
            );
            let (_, why) = decide(LastClick, None, &tokens, &[]);
            assert!(
                why.contains(&format!("{latest} chosen, {first} not_needed")),
                "{why}"
            );
        }
    }

    #[test]
    fn codes_without_a_click_can_be_refused() {
        let codes = ["ANN".parse().unwrap()];
        let evidence = Evidence {
            bond: None,
            offers: &[],
            tokens: &[],
            codes: &codes,
            occurred_at: day(100),
        };
        let policy = AttributionPolicy {
            code_without_click: false,
            ..AttributionPolicy::default()
        };
        let decision = attribute(policy, &evidence, owner);
        assert_eq!(decision.chosen, None);
        assert_eq!(decision.reason, Reason::CodeWithoutClick);
    }

    /// A voucher proves which visit led to the order; a bond is older than any voucher.
    #[test]
    fn a_voucher_comes_after_the_bond_and_before_the_tokens() {
        let offer = Offer {
            id: OfferId::floor_of(day(90)),
            program: ProgramId::new(Timestamp::UNIX_EPOCH, [9; 10]),
            incentive_id: "friend-10".parse().unwrap(),
            reward: RewardValue::Discount(Discount::BasisPoints(1_000)),
            referrer_id: par(ANN),
            code: "ANN".parse().unwrap(),
            click_id: Some(ClickId::floor_of(day(90))),
            channel: Some(Channel::Qr),
            touch_at: day(90),
            made_at: day(91),
            recorded_by: None,
            expires_at: day(120),
            voucher_code: VoucherCode::generate([1; 16]),
            used_by: None,
            version: 1,
        };
        let decide = |bond: Option<u8>, referrer: Option<(u8, bool, bool)>| {
            let referrer = referrer.map(|(tail, active, is_referee)| Referrer {
                id: par(tail),
                active,
                is_referee,
                is_below_referee: false,
            });
            let evidence = Evidence {
                bond: bond.map(bound),
                offers: &[PresentedOffer {
                    offer: &offer,
                    referrer,
                }],
                tokens: &[token(("BOB", 99), ("BOB", 99))],
                codes: &[],
                occurred_at: day(100),
            };
            let decision = attribute(AttributionPolicy::default(), &evidence, owner);
            (
                decision.chosen.map(|chosen| chosen.referrer_id),
                decision.reason,
            )
        };
        let ann = Some((ANN, true, false));
        assert_eq!(decide(None, ann), (Some(par(ANN)), Reason::Voucher));
        let bond = (Some(par(BOB)), Reason::ExistingReferral);
        assert_eq!(decide(Some(BOB), ann), bond);
        let token = (Some(par(BOB)), Reason::ClickToken);
        for fallen in [None, Some((ANN, false, false)), Some((ANN, true, true))] {
            assert_eq!(decide(None, fallen), token);
        }
        let evidence = Evidence {
            bond: None,
            offers: &[PresentedOffer {
                offer: &offer,
                referrer: Some(Referrer {
                    id: par(ANN),
                    active: true,
                    is_referee: false,
                    is_below_referee: false,
                }),
            }],
            tokens: &[],
            codes: &[],
            occurred_at: day(100),
        };
        let chosen = attribute(AttributionPolicy::default(), &evidence, owner).chosen;
        let expected = Chosen {
            referrer_id: par(ANN),
            click_id: offer.click_id,
            code: Some(offer.code.clone()),
            channel: Some(Channel::Qr),
            touch_at: Some(day(90)),
        };
        assert_eq!(chosen, Some(expected));
    }

    /// Who came by a poster came by it, whatever they click later.
    #[test]
    fn a_bond_keeps_its_channel() {
        let evidence = Evidence {
            bond: Some(bound(ANN)),
            offers: &[],
            tokens: &[token(("BOB", 99), ("BOB", 99))],
            codes: &[],
            occurred_at: day(100),
        };
        let chosen = attribute(AttributionPolicy::default(), &evidence, owner).chosen;
        assert_eq!(chosen.and_then(|chosen| chosen.channel), Some(Channel::Qr));
    }
}
