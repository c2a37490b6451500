use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::conversion::testing::conversion;
use crate::id::ParticipantId;
use crate::ledger::{Account, Balance, check};
use crate::money::{AMOUNT_MAX, Unit};
use crate::reward::{Beneficiary, Discount, RewardEvent, RewardSource, Transition};

const ZERO: Timestamp = Timestamp::UNIX_EPOCH;

fn eur(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

fn usd(minor: i64) -> Money {
    Money::new(minor, "USD".parse().unwrap())
}

fn euros() -> Unit {
    Unit::Currency(eur(0).currency)
}

/// A reward in a state; one that was used was issued before.
fn reward(value: RewardValue, state: RewardState) -> Reward {
    let step = |to| Transition {
        to,
        at: ZERO,
        by: "test".to_owned(),
        reason: None,
    };
    Reward {
        id: RewardId::floor_of(ZERO),
        program: ProgramId::floor_of(ZERO),
        beneficiary_id: ParticipantId::floor_of(ZERO),
        beneficiary: Beneficiary::Referrer,
        source: RewardSource::Rule,
        conversion_id: Some(ConversionId::floor_of(ZERO)),
        referral_id: None,
        incentive_id: Some("thank-you".parse().unwrap()),
        scheme_version: 1,
        basis: None,
        original: value,
        value,
        state,
        release_at: ZERO,
        created_at: ZERO,
        issued_at: Some(ZERO),
        expires_after_days: None,
        expires_at: None,
        voucher_code: None,
        fulfilment: None,
        in_review: false,
        history: vec![step(RewardState::Issued), step(state)],
        version: 7,
    }
}

fn part(refunded: i64, amount: i64) -> Remains {
    Remains::Part { refunded, amount }
}

/// What each policy keeps of a reward of 1,000 on a conversion of 4,500.
#[test]
fn each_policy_keeps_what_it_says() {
    use OnRefund::{Keep, KeepWhileConditionsHold as While, Proportional};
    for (remains, minimum_met, proportional, conditional) in [
        (Remains::Everything, true, 1_000, 1_000),
        // What was earned without meeting the minimum, by an older rule, is not taken for that.
        (Remains::Everything, false, 1_000, 1_000),
        (part(1_500, 4_500), true, 667, 1_000),
        (part(1_500, 4_500), false, 0, 0),
        (part(4_499, 4_500), true, 1, 1_000),
        (Remains::Nothing, true, 0, 0),
        (Remains::Nothing, false, 0, 0),
    ] {
        let kept = |policy| kept(1_000, policy, remains, minimum_met);
        assert_eq!(kept(Proportional), proportional, "{remains:?}");
        assert_eq!(kept(While), conditional, "{remains:?}");
        assert_eq!(kept(Keep), 1_000, "{remains:?}");
    }
}

proptest! {
    /// 256 cases: however the whole is parted, it takes back exactly the whole; on the way never more
    /// than the exact share, less than one unit short of it, and never less than before.
    #[test]
    fn parts_take_back_exactly_the_whole(
        original in 0..=AMOUNT_MAX,
        parts in prop::collection::vec(1..=AMOUNT_MAX / 20, 1..20),
    ) {
        let amount: i64 = parts.iter().sum();
        let (mut refunded, mut before) = (0, original);
        for part in parts {
            refunded += part;
            let remains = if refunded == amount { Remains::Nothing } else { super::Remains::Part { refunded, amount } };
            let kept = kept(original, OnRefund::Proportional, remains, true);
            prop_assert!((0..=before).contains(&kept));
            let taken = i128::from(original - kept) * i128::from(amount);
            let exact = i128::from(original) * i128::from(refunded);
            prop_assert!(taken <= exact && exact < taken + i128::from(amount));
            before = kept;
        }
        prop_assert_eq!(before, 0);
    }
}

#[test]
fn thirds_take_back_the_whole() {
    let kept = |refunded| kept(1_000, OnRefund::Proportional, part(refunded, 3), true);
    assert_eq!((kept(1), kept(2)), (667, 334));
}

#[test]
fn what_is_left_bounds_a_refund() {
    let mut sold = conversion(Some(eur(4_500)));
    let left = |minor| {
        Err(RefundError::Exceeds {
            left: Some(eur(minor)),
        })
    };
    assert_eq!(sold.refundable(None), Ok(Some(eur(4_500))));
    assert_eq!(sold.refundable(Some(eur(4_500))), Ok(Some(eur(4_500))));
    assert_eq!(sold.refundable(Some(eur(4_501))), left(4_500));
    assert_eq!(
        sold.refundable(Some(usd(1))),
        Err(RefundError::OtherCurrency)
    );
    sold.refund(RefundId::floor_of(ZERO), Some(eur(1_500)));
    assert_eq!(Remains::of(&sold), part(1_500, 4_500));
    assert_eq!(sold.refundable(None), Ok(Some(eur(3_000))));
    assert_eq!(sold.refundable(Some(eur(3_001))), left(3_000));
    sold.refund(RefundId::floor_of(ZERO), Some(eur(3_000)));
    assert_eq!(
        (Remains::of(&sold), sold.refunded_whole),
        (Remains::Nothing, true)
    );
    assert_eq!(sold.refundable(None), left(0));
    assert_eq!(sold.refundable(Some(eur(1))), left(0));
    sold.unrefund(Some(eur(3_000)), true);
    assert_eq!(
        (Remains::of(&sold), sold.refunded_whole),
        (part(1_500, 4_500), false)
    );
    sold.unrefund(Some(eur(1_500)), false);
    assert_eq!(Remains::of(&sold), Remains::Everything);
    assert_eq!(sold.refund_ids.len(), 2);
}

/// Without an amount, or with none of it, any refund takes the whole, once.
#[test]
fn what_has_no_amount_is_refunded_whole() {
    for amount in [None, Some(eur(0))] {
        let mut sold = conversion(amount);
        assert_eq!(sold.refundable(None), Ok(amount));
        assert!(sold.refundable(Some(eur(1))).is_err());
        sold.refund(RefundId::floor_of(ZERO), amount);
        assert_eq!((Remains::of(&sold), sold.refunded), (Remains::Nothing, 0));
        assert_eq!(
            sold.refundable(None),
            Err(RefundError::Exceeds { left: amount })
        );
        sold.refund(RefundId::floor_of(ZERO), amount);
        sold.unrefund(amount, true);
        assert_eq!(Remains::of(&sold), Remains::Nothing);
        sold.unrefund(amount, false);
        assert_eq!(Remains::of(&sold), Remains::Everything);
    }
    assert_eq!(
        conversion(None).refundable(Some(eur(1))),
        Err(RefundError::NoAmount)
    );
}

/// Nobody is there to be refused any more.
#[test]
fn what_came_first_takes_what_is_left() {
    let mut sold = conversion(Some(eur(100)));
    assert_eq!(sold.refundable_on_arrival(Some(eur(70))), Some(eur(70)));
    assert_eq!(sold.refundable_on_arrival(Some(eur(700))), Some(eur(100)));
    assert_eq!(sold.refundable_on_arrival(Some(usd(70))), Some(eur(0)));
    assert_eq!(sold.refundable_on_arrival(None), Some(eur(100)));
    sold.refund(RefundId::floor_of(ZERO), Some(eur(0)));
    assert_eq!(Remains::of(&sold), Remains::Everything);
    sold.refund(RefundId::floor_of(ZERO), Some(eur(100)));
    assert_eq!(sold.refundable_on_arrival(None), Some(eur(0)));
    assert_eq!(conversion(None).refundable_on_arrival(Some(eur(7))), None);
}

/// What has happened is taken as far as anything is left; what is wrong about it stays wrong.
#[test]
fn what_a_shop_system_tells_takes_what_is_left() {
    let mut sold = conversion(Some(eur(100)));
    let told = |sold: &Conversion, minor| sold.refundable_at_most(Some(eur(minor)));
    assert_eq!(told(&sold, 40), Ok(Some(eur(40))));
    assert_eq!(told(&sold, 140), Ok(Some(eur(100))));
    sold.refund(RefundId::floor_of(ZERO), Some(eur(70)));
    assert_eq!(told(&sold, 40), Ok(Some(eur(30))));
    assert_eq!(sold.refundable_at_most(None), Ok(Some(eur(30))));
    let usd = Money::new(1, "USD".parse().unwrap());
    let other = sold.refundable_at_most(Some(usd));
    assert_eq!(other, Err(RefundError::OtherCurrency));
    sold.refund(RefundId::floor_of(ZERO), Some(eur(30)));
    let left = Some(eur(0));
    assert_eq!(told(&sold, 1), Err(RefundError::Exceeds { left }));
    let free = conversion(None).refundable_at_most(Some(eur(1)));
    assert_eq!(free, Err(RefundError::NoAmount));
}

#[test]
fn a_repetition_says_the_same() {
    let refund = Refund {
        id: RefundId::floor_of(ZERO),
        program: ProgramId::floor_of(ZERO),
        event: "purchase".parse().unwrap(),
        order: "order-1".parse().unwrap(),
        conversion_id: None,
        external_id: "r-1".parse().unwrap(),
        said: Some(eur(5)),
        amount: None,
        reason: RefundReason::Refund,
        state: RefundState::WaitingForConversion,
        changes: Vec::new(),
        restored: Vec::new(),
        created_at: ZERO,
        recorded_by: None,
        version: 1,
    };
    let differs = |said, reason| refund.differences(said, reason);
    assert!(differs(Some(eur(5)), RefundReason::Refund).is_empty());
    assert_eq!(differs(None, RefundReason::Refund), ["/amount"]);
    assert_eq!(
        differs(Some(eur(6)), RefundReason::Chargeback),
        ["/amount", "/reason"]
    );
}

/// What a change comes to, in one line: state, number, and what moved.
fn told(reward: &Reward, kept: i64, lot: i64, room: bool) -> String {
    let worth = worth(reward, None, None);
    let Some(done) = adjust(reward, kept, (worth, lot), room, (ZERO, "shop", "refund")) else {
        return "-".to_owned();
    };
    assert_eq!(check(&done.lines), Ok(()));
    assert_eq!(done.reward.version, reward.version + 1);
    assert!(done.reward.history.len() > reward.history.len());
    let mut text = format!("{} {}", done.reward.state, done.reward.value.number());
    if let Some((_, by)) = done.pending {
        text += &format!(", pending {by:+}");
    }
    if let Some((_, by)) = done.lot {
        text += &format!(", lot {by:+}");
    }
    for line in &done.lines {
        if line.account != Account::Expense {
            text += &format!(", {} {:+}", line.account.as_str(), line.amount);
        }
    }
    match done.counted {
        Counted::AsBefore => {}
        Counted::NoMore => text += ", counts no more",
        Counted::Again => text += ", counts again",
    }
    text
}

/// Every state, with a part, the whole and nothing taken back.
#[test]
fn a_refund_in_every_state() {
    use RewardState as S;
    let cash = RewardValue::Cash(eur(1_000));
    for (state, lot, part, whole) in [
        (
            S::Pending,
            0,
            "pending 600, pending -400",
            "cancelled 0, pending -1000, counts no more",
        ),
        (
            S::Approved,
            0,
            "approved 600, pending -400",
            "cancelled 0, pending -1000, counts no more",
        ),
        (
            S::Failed,
            0,
            "failed 600, pending -400",
            "cancelled 0, pending -1000, counts no more",
        ),
        (
            S::Issued,
            1_000,
            "issued 600, lot -400, liability -400",
            "clawed_back 0, lot -1000, liability -1000",
        ),
        (
            S::Issued,
            300,
            "issued 600, lot -300, liability -300, receivable -100",
            "clawed_back 0, lot -300, liability -300, receivable -700",
        ),
        (
            S::Issued,
            0,
            "issued 600, receivable -400",
            "clawed_back 0, receivable -1000",
        ),
        (
            S::Redeemed,
            0,
            "redeemed 600, receivable -400",
            "clawed_back 0, receivable -1000",
        ),
        (
            S::Redeemed,
            500,
            "redeemed 600, lot -400, liability -400",
            "clawed_back 0, lot -500, liability -500, receivable -500",
        ),
        (S::Rejected, 0, "-", "-"),
        (S::Cancelled, 0, "-", "-"),
        (S::ClawedBack, 0, "-", "-"),
        (S::Expired, 0, "-", "-"),
    ] {
        let reward = reward(cash, state);
        assert_eq!(told(&reward, 600, lot, true), part, "{state} {lot}");
        assert_eq!(told(&reward, 0, lot, true), whole, "{state} {lot}");
        assert_eq!(told(&reward, 1_000, lot, true), "-", "{state} {lot}");
    }
}

/// Every state from which something comes back: all of it after a part, all and a part after the whole.
#[test]
fn a_reversal_in_every_state() {
    use RewardState as S;
    let cash = RewardValue::Cash(eur(1_000));
    let at = |state, number, room, kept| {
        let mut reward = reward(cash, state);
        reward.value = cash.with_number(number);
        told(&reward, kept, 0, room)
    };
    for (state, number, all, some) in [
        (
            S::Pending,
            600,
            "pending 1000, pending +400",
            "pending 700, pending +100",
        ),
        (
            S::Approved,
            600,
            "approved 1000, pending +400",
            "approved 700, pending +100",
        ),
        (
            S::Failed,
            600,
            "failed 1000, pending +400",
            "failed 700, pending +100",
        ),
        (
            S::Issued,
            600,
            "issued 1000, lot +400, liability +400",
            "issued 700, lot +100, liability +100",
        ),
        (
            S::Redeemed,
            600,
            "redeemed 1000, lot +400, liability +400",
            "redeemed 700, lot +100, liability +100",
        ),
        (
            S::Cancelled,
            0,
            "pending 1000, pending +1000, counts again",
            "pending 700, pending +700, counts again",
        ),
        (
            S::ClawedBack,
            0,
            "issued 1000, lot +1000, liability +1000",
            "issued 700, lot +700, liability +700",
        ),
        // Withdrawn by hand, found never to have been earned, or lapsed: no refund took it.
        (S::Cancelled, 600, "-", "-"),
        (S::ClawedBack, 600, "-", "-"),
        (S::Rejected, 600, "-", "-"),
        (S::Expired, 600, "-", "-"),
    ] {
        assert_eq!(at(state, number, true, 1_000), all, "{state} {number}");
        assert_eq!(at(state, number, true, 700), some, "{state} {number}");
    }
    // Somebody else has its place by now.
    assert_eq!(at(S::Cancelled, 0, false, 1_000), "-");
    assert_eq!(
        at(S::ClawedBack, 0, false, 1_000),
        "issued 1000, lot +1000, liability +1000"
    );
}

fn vouchers() -> [(RewardValue, &'static str); 3] {
    let sku = "CAKE".parse().unwrap();
    [
        (RewardValue::Discount(Discount::Amount(eur(500))), "amount"),
        (RewardValue::Discount(Discount::BasisPoints(1_000)), "share"),
        (RewardValue::FreeProduct { sku, quantity: 3 }, "pieces"),
    ]
}

/// An unused voucher is void with its reward, and nobody owes anything for it.
#[test]
fn an_unused_voucher_is_void() {
    for (value, kind) in vouchers() {
        let issued = reward(value, RewardState::Issued);
        let lot = issued.value.credit().map_or(0, |(_, pieces)| pieces);
        let expected = match kind {
            "pieces" => "clawed_back 0, lot -3, liability -3",
            _ => "clawed_back 0",
        };
        assert_eq!(told(&issued, 0, lot, true), expected, "{kind}");
        // Whatever became of the rest, the holder does not owe it.
        let short = told(&issued, 0, lot.min(1), true);
        assert!(!short.contains("receivable"), "{kind} {short}");
        let mut void = issued.clone();
        void.state = RewardState::ClawedBack;
        void.value = value.with_number(0);
        let back = told(&void, value.number(), 0, true);
        assert!(
            back.starts_with(&format!("issued {}", value.number())),
            "{kind} {back}"
        );
    }
}

/// What a used voucher was worth is owed, as far as that is known.
#[test]
fn a_used_voucher_is_charged() {
    let price = Some(eur(4_599));
    let cost = Some(eur(250));
    for (value, kind) in vouchers() {
        let used = reward(value, RewardState::Redeemed);
        let charged = |used_on, unit_cost| {
            let worth = worth(&used, used_on, unit_cost);
            let done = adjust(&used, 0, (worth, 0), true, (ZERO, "shop", "refund")).unwrap();
            assert_eq!(done.reward.state, RewardState::ClawedBack);
            let owed = done
                .lines
                .iter()
                .find(|line| line.account != Account::Expense);
            owed.map(|line| format!("{} {}", line.amount, line.unit))
        };
        let expected = match kind {
            "amount" => ["-500 EUR"; 4].map(|text| Some(text.to_owned())),
            "share" => [None, Some("-250 EUR"), Some("-459 EUR"), Some("-459 EUR")]
                .map(|text| text.map(str::to_owned)),
            _ => ["-3 items:CAKE", "-750 EUR", "-3 items:CAKE", "-750 EUR"]
                .map(|text| Some(text.to_owned())),
        };
        let found = [
            charged(None, None),
            charged(None, cost),
            charged(price, None),
            charged(price, cost),
        ];
        assert_eq!(found, expected, "{kind}");
    }
}

/// A discount that was given before paying made the order cheaper: what goes back of the order is the
/// reduced price, and nobody owes the discount.
#[test]
fn a_discount_given_before_paying_is_not_charged() {
    let value = RewardValue::Discount(Discount::Amount(eur(500)));
    let mut offered = reward(value, RewardState::Redeemed);
    offered.history.remove(0);
    let worth = worth(&offered, Some(eur(4_500)), None);
    let done = adjust(&offered, 0, (worth, 0), true, (ZERO, "shop", "refund")).unwrap();
    assert_eq!(done.reward.state, RewardState::ClawedBack);
    assert_eq!(done.lines, []);
}

/// A voucher is used once, whatever its conversion goes through.
#[test]
fn a_used_voucher_stays_used_when_its_reward_comes_back() {
    let value = RewardValue::Discount(Discount::Amount(eur(500)));
    let issued = reward(value, RewardState::Issued);
    let used = issued
        .after(RewardEvent::Redeem, ZERO, "shop", None)
        .unwrap()
        .unwrap();
    let step = |reward: &Reward, kept| {
        let worth = worth(reward, None, None);
        adjust(reward, kept, (worth, 0), true, (ZERO, "shop", "refund")).unwrap()
    };
    let void = step(&used, 0).reward;
    assert!(was_used(&void));
    let back = step(&void, 500);
    assert_eq!(back.reward.state, RewardState::Redeemed);
    assert_eq!(back.lot, Some((euros(), 500)));
}

/// A person's books as the table keeps them.
#[derive(Debug, Clone, Default, PartialEq)]
struct Books {
    pending: i64,
    lots: BTreeMap<Unit, i64>,
    balances: BTreeMap<Unit, Balance>,
}

impl Books {
    fn post(&mut self, adjusted: &Adjusted) {
        self.pending += adjusted.pending.map_or(0, |(_, by)| by);
        if let Some((unit, by)) = adjusted.lot {
            *self.lots.entry(unit).or_default() += by;
        }
        for line in &adjusted.lines {
            let balance = self.balances.entry(line.unit).or_default();
            *balance = balance.plus(Balance::of_line(line));
        }
    }
}

fn any_value() -> impl Strategy<Value = RewardValue> {
    let sku = "CAKE".parse().unwrap();
    prop_oneof![
        (1..1_000_000_i64).prop_map(|minor| RewardValue::Cash(eur(minor))),
        (1..1_000_000_i64).prop_map(RewardValue::Points),
        (1..1_000_i64).prop_map(|minor| RewardValue::Discount(Discount::Amount(eur(minor)))),
        (1..=10_000_u32).prop_map(|share| RewardValue::Discount(Discount::BasisPoints(share))),
        (1..100_u32).prop_map(move |quantity| RewardValue::FreeProduct { sku, quantity }),
    ]
}

fn any_state() -> impl Strategy<Value = RewardState> {
    prop::sample::select(RewardState::ALL)
}

proptest! {
    /// 256 cases of up to 20 refunds and reversals each, in any order, of any reward in any state:
    /// every entry sums to zero, nothing takes more than there is, doing it again changes nothing, and
    /// once everything is reversed the reward is worth what it was and its owner has what they had.
    #[test]
    fn refunds_and_reversals_keep_the_books(
        value in any_value(),
        state in any_state(),
        consumed in 0..=100_i64,
        price in prop::option::of(1..100_000_i64),
        cost in prop::option::of(1..1_000_i64),
        acts in prop::collection::vec((any::<bool>(), 1..10_000_i64), 1..20),
    ) {
        let mut sold = conversion(Some(eur(10_000)));
        let mut reward = reward(value, state);
        let start = reward.clone();
        let mut books = Books::default();
        if let (Some((unit, amount)), RewardState::Issued) = (value.credit(), state) {
            // Nothing but its voucher's use consumes a piece, and that is another state.
            let left = if value.is_voucher() { 100 } else { consumed };
            books.lots.insert(unit, amount * left / 100);
        }
        let mut open: Vec<i64> = Vec::new();
        let mut settle = |sold: &Conversion, books: &mut Books| {
            let policy = OnRefund::Proportional;
            let kept = kept(reward.original.number(), policy, Remains::of(sold), true);
            for repetition in 0..2 {
                let worth = worth(&reward, price.map(eur), cost.map(eur));
                let lot = worth.and_then(|worth| books.lots.get(&worth.unit)).copied().unwrap_or(0);
                let done = adjust(&reward, kept, (worth, lot), true, (ZERO, "shop", "refund"));
                prop_assert!(repetition == 0 || done.is_none(), "again: {done:?}");
                let Some(done) = done else { continue };
                prop_assert_eq!(check(&done.lines), Ok(()));
                books.post(&done);
                prop_assert!(books.lots.values().all(|left| *left >= 0), "{books:?}");
                prop_assert!(books.balances.values().all(|balance| balance.receivable <= 0));
                let number = done.reward.value.number();
                prop_assert!((0..=value.number()).contains(&number));
                reward = done.reward;
            }
            Ok(reward.clone())
        };
        for (refund, amount) in acts {
            if refund {
                let amount = amount.min(10_000 - sold.refunded);
                if amount > 0 {
                    sold.refund(RefundId::floor_of(ZERO), Some(eur(amount)));
                    open.push(amount);
                }
            } else if let Some(amount) = open.pop() {
                sold.unrefund(Some(eur(amount)), !open.is_empty());
            }
            settle(&sold, &mut books)?;
        }
        while let Some(amount) = open.pop() {
            sold.unrefund(Some(eur(amount)), !open.is_empty());
            settle(&sold, &mut books)?;
        }
        let end = settle(&sold, &mut books)?;
        prop_assert_eq!(end.value, start.value);
        prop_assert_eq!(books.pending, 0);
        // What was charged is covered by what came back.
        prop_assert!(books.balances.values().all(|balance| balance.available == 0), "{books:?}");
        // It comes back as something that is held, or stands in the balance.
        let comes_back_as = match start.state {
            RewardState::Pending | RewardState::Approved | RewardState::Failed => RewardState::Pending,
            RewardState::Redeemed if value.is_voucher() => RewardState::Redeemed,
            RewardState::Issued | RewardState::Redeemed => RewardState::Issued,
            RewardState::Rejected | RewardState::Cancelled | RewardState::ClawedBack | RewardState::Expired => start.state,
        };
        prop_assert!(end.state == start.state || end.state == comes_back_as, "{} {}", start.state, end.state);
    }
}
