use proptest::prelude::*;

use super::*;
use crate::id::{ParticipantId, ProgramId, RewardId};
use crate::ledger;
use crate::money::Money;
use crate::reward::{Beneficiary, Discount, RewardSource, RewardValue};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn reward(state: RewardState, value: RewardValue, expires_at: Option<Timestamp>) -> Reward {
    let zero = Timestamp::UNIX_EPOCH;
    Reward {
        id: RewardId::floor_of(zero),
        program: ProgramId::floor_of(zero),
        beneficiary_id: ParticipantId::floor_of(zero),
        beneficiary: Beneficiary::Referee,
        source: RewardSource::Manual,
        conversion_id: None,
        referral_id: None,
        incentive_id: None,
        scheme_version: 1,
        basis: None,
        original: value,
        value,
        state,
        release_at: zero,
        created_at: zero,
        issued_at: Some(zero),
        expires_after_days: None,
        expires_at,
        voucher_code: None,
        fulfilment: None,
        in_review: false,
        history: Vec::new(),
        version: 1,
    }
}

const TEN_PERCENT: RewardValue = RewardValue::Discount(Discount::BasisPoints(1_000));

fn order(name: &str) -> ExternalId {
    name.parse().unwrap()
}

fn claim(used_for: Option<&ExternalId>) -> Claim<'_> {
    Claim {
        used_for,
        by: "test",
        reason: None,
    }
}

/// An order that is reported again has used its voucher already; another one cannot.
#[test]
fn a_voucher_is_used_once() {
    let (mine, other) = (order("order-1"), order("order-2"));
    let issued = reward(RewardState::Issued, TEN_PERCENT, None);
    let Ok(Use::Now(used)) = use_voucher(&issued, None, claim(Some(&mine)), at(5)) else {
        panic!("it could not be used");
    };
    assert_eq!(used.state, RewardState::Redeemed);
    assert_eq!(used.history.last().unwrap().at, at(5));
    let again = |claimed, before| use_voucher(&used, before, claim(claimed), at(6));
    assert_eq!(again(Some(&mine), Some(&mine)), Ok(Use::Before));
    assert_eq!(again(None, Some(&mine)), Ok(Use::Before));
    assert_eq!(again(None, None), Ok(Use::Before));
    let taken = Err(VoucherRefusal::Redeemed);
    assert_eq!(again(Some(&other), Some(&mine)), taken);
    assert_eq!(again(Some(&other), None), taken);
}

/// Whether or not the worker has come round to it.
#[test]
fn an_expired_voucher_is_refused_from_its_instant_on() {
    let mine = order("order-1");
    let issued = reward(RewardState::Issued, TEN_PERCENT, Some(at(100)));
    let look = |second| use_voucher(&issued, None, claim(Some(&mine)), at(second));
    assert!(matches!(look(99), Ok(Use::Now(_))));
    assert_eq!(look(100), Err(VoucherRefusal::Expired));
    // What was used in time stays used.
    let used = reward(RewardState::Redeemed, TEN_PERCENT, Some(at(100)));
    let again = use_voucher(&used, Some(&mine), claim(Some(&mine)), at(200));
    assert_eq!(again, Ok(Use::Before));
}

#[test]
fn only_what_is_issued_can_be_used() {
    use RewardState as S;
    let mine = order("order-1");
    for &state in RewardState::ALL {
        let judged = use_voucher(
            &reward(state, TEN_PERCENT, None),
            None,
            claim(Some(&mine)),
            at(1),
        );
        match state {
            S::Issued => assert!(matches!(judged, Ok(Use::Now(_)))),
            S::Redeemed => assert_eq!(judged, Err(VoucherRefusal::Redeemed)),
            S::Expired => assert_eq!(judged, Err(VoucherRefusal::Expired)),
            S::Pending | S::Approved | S::Rejected | S::Cancelled | S::ClawedBack | S::Failed => {
                assert_eq!(judged, Err(VoucherRefusal::Void(state)))
            }
        }
    }
    // Money is paid out, not typed in at a till.
    let cash = RewardValue::Cash(Money::new(5, "EUR".parse().unwrap()));
    let judged = use_voucher(
        &reward(S::Issued, cash, None),
        None,
        claim(Some(&mine)),
        at(1),
    );
    assert_eq!(judged, Err(VoucherRefusal::Void(S::Issued)));
}

proptest! {
    /// What is settled leaves the liability, and nothing is made of nothing.
    #[test]
    fn what_is_used_is_settled_in_full(left in 0i64..1_000_000) {
        let unit = Unit::Items("CAKE".parse().unwrap());
        let issued = reward(RewardState::Issued, TEN_PERCENT, None);
        let lines = settled(&issued, unit, left);
        prop_assert_eq!(ledger::check(&lines), Ok(()));
        let balance = lines.iter().map(ledger::Balance::of_line).fold(ledger::Balance::default(), ledger::Balance::plus);
        prop_assert_eq!((balance.available, balance.paid), (-left, left));
    }

    /// Whatever happens in between: one order uses a voucher, and no second one ever does.
    #[test]
    fn no_two_orders_share_a_voucher(claims in prop::collection::vec((0u8..4, 0i64..200), 1..12)) {
        let mut held = reward(RewardState::Issued, TEN_PERCENT, Some(at(100)));
        let mut used_for: Option<ExternalId> = None;
        let mut winners = std::collections::BTreeSet::new();
        for (number, second) in claims {
            let wanted = order(&format!("order-{number}"));
            match use_voucher(&held, used_for.as_ref(), claim(Some(&wanted)), at(second)) {
                Ok(Use::Now(next)) => {
                    prop_assert!(second < 100);
                    held = *next;
                    used_for = Some(wanted);
                    winners.insert(number);
                }
                Ok(Use::Before) => prop_assert!(winners.contains(&number)),
                Err(_) => prop_assert!(!winners.contains(&number)),
            }
        }
        prop_assert!(winners.len() <= 1);
    }
}
