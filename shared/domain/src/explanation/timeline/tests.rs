use super::*;
use crate::audit::Actor;
use crate::conversion::testing;
use crate::id::{PayoutId, ProgramId, ReferralId, RewardId};
use crate::participant::{CodeKind, OwnCode, ReferralState};

const ZERO: Timestamp = Timestamp::UNIX_EPOCH;

fn eur(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

fn par(tail: u8) -> ParticipantId {
    ParticipantId::new(ZERO, [tail; 10])
}

fn of(value: RewardValue, state: RewardState) -> Reward {
    Reward {
        id: RewardId::floor_of(ZERO),
        program: ProgramId::floor_of(ZERO),
        beneficiary_id: par(1),
        beneficiary: Beneficiary::Referrer,
        source: RewardSource::Rule,
        conversion_id: None,
        referral_id: None,
        incentive_id: Some("thank-you".parse().unwrap()),
        scheme_version: 1,
        fulfilment: None,
        in_review: false,
        basis: None,
        original: value,
        value,
        state,
        release_at: "2026-03-24T00:00:00Z".parse().unwrap(),
        created_at: ZERO,
        issued_at: None,
        expires_after_days: None,
        expires_at: Some("2026-04-01T00:00:00Z".parse().unwrap()),
        voucher_code: Some("SPRING-26".parse().unwrap()),
        history: vec![Transition {
            to: state,
            at: ZERO,
            by: "operator".to_owned(),
            reason: Some("Ann called".to_owned()),
        }],
        version: 1,
    }
}

/// Where a reward is, is told for each state and for each way of being used. The match is closed: a new
/// state has to be told.
#[test]
fn every_state_of_a_reward_is_told() {
    let voucher = RewardValue::Discount(Discount::BasisPoints(1_250));
    let cash = RewardValue::Cash(eur(500));
    for &state in RewardState::ALL {
        let (of_cash, of_voucher) = match state {
            RewardState::Pending => ["It is held until 24 March 2026."; 2].into(),
            RewardState::Approved => ["It is released and about to be issued; a voucher waits as \
                 long as the owner's list is empty."; 2]
                .into(),
            RewardState::Issued => (
                "It is in the balance, and the next payout pays it.",
                "Its voucher is SPRING-26, and can be used until 1 April 2026.",
            ),
            RewardState::Redeemed => ("It was paid out.", "Its voucher was used."),
            RewardState::Rejected => ["It was refused in review, and never earned."; 2].into(),
            RewardState::Cancelled => ["It was withdrawn before it was issued."; 2].into(),
            RewardState::ClawedBack => ["It was taken back after it was issued."; 2].into(),
            RewardState::Failed => {
                ["It could not be issued; somebody has to look at it and try again."; 2].into()
            }
            RewardState::Expired => ["It was not used in time."; 2].into(),
        };
        let told = |value| reward(&of(value, state), None).text;
        assert_eq!(
            told(cash),
            format!("Reward of 5.00 EUR (thank-you). {of_cash}")
        );
        let expected = format!("Reward of a discount of 12.50 % (thank-you). {of_voucher}");
        assert_eq!(told(voucher), expected);
        // Whatever somebody wrote by hand may be about a person.
        let steps = reward(&of(cash, state), None).steps;
        assert!(
            steps.iter().all(|step| !step.text.contains("Ann")),
            "{steps:?}"
        );
    }
}

#[test]
fn points_and_what_was_reduced_are_told() {
    let points = Reward {
        original: RewardValue::Points(100),
        ..of(RewardValue::Points(1), RewardState::Issued)
    };
    assert_eq!(
        reward(&points, Some(&testing::conversion(None))).text,
        "Reward of 1 point for the order order-1 (thank-you). It was 100 points at first. It is in \
         the balance, and can be spent until 1 April 2026."
    );
}

/// Both sides of a bond and of an order read their own part of it.
#[test]
fn an_order_is_told_to_each_side() {
    let mut order = testing::conversion(Some(eur(4_500)));
    order.referee_id = par(2);
    let reward = of(RewardValue::Cash(eur(500)), RewardState::Pending);
    let told = |whose| conversion(&order, whose, std::slice::from_ref(&reward), &[]).text;
    let belongs = "The order belongs to nobody: it came without click token, offer and code, and \
                   the customer was bound to no referrer.";
    let begins = format!("{}: order order-1 of 45.00 EUR. {belongs}", par(2));
    assert_eq!(
        told(par(1)),
        format!("{begins} It earned this participant 5.00 EUR (pending).")
    );
    let own = format!("Own order order-1 of 45.00 EUR. {belongs}");
    assert_eq!(
        told(par(2)),
        format!("{own} It earned this participant nothing.")
    );
    let bound = Referral {
        id: ReferralId::floor_of(ZERO),
        referrer_id: par(1),
        referee_id: par(2),
        path: Vec::new(),
        created_at: ZERO,
        channel: None,
        touch_at: None,
        lead_at: None,
        first_qualified_at: None,
        referrer_joined_at: ZERO,
        state: ReferralState::Bound,
        merged: false,
        version: 1,
    };
    assert!(bond(&bound, par(1)).text.starts_with(&par(2).to_string()));
    assert!(bond(&bound, par(2)).text.ends_with(&format!("{}.", par(1))));
}

#[test]
fn how_somebody_stands_is_told() {
    let mut person = Participant::unknown(par(1), ProgramId::floor_of(ZERO), ZERO, Actor::Operator);
    assert!(standing(&person).ends_with("has no code to share."));
    person.codes.push(OwnCode {
        code: "ANN".parse().unwrap(),
        kind: CodeKind::Vanity,
        active: false,
    });
    assert!(standing(&person).ends_with("each of the codes is disabled."));
    person.codes[0].active = true;
    assert_eq!(standing(&person), "Takes part.");
    person.state = ParticipantState::Suspended;
    assert!(standing(&person).starts_with("Is suspended"));
}

#[test]
fn every_state_of_a_payout_line_is_told() {
    for &state in LineState::ALL {
        let expected = match state {
            LineState::Open => "5.00 EUR is being paid by",
            LineState::Paid => "5.00 EUR was paid by",
            LineState::Failed => "5.00 EUR could not be paid by",
            LineState::Returned => "5.00 EUR paid by",
        };
        let line = PayoutLine {
            payout_id: PayoutId::floor_of(ZERO),
            program: ProgramId::floor_of(ZERO),
            participant_id: par(1),
            amount: eur(500),
            state,
            reward_ids: Vec::new(),
            reference: None,
            followed: 0,
            version: 1,
        };
        assert!(payout_line(&line).text.starts_with(expected));
    }
}
