use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::*;
use crate::ledger::{Account, Line, check};
use crate::money::{Money, Unit};
use crate::program::ProgramState;
use crate::refund::adjust;
use crate::reward::{Attention, Discount, testing};
use crate::webhook::AttemptEnd;

const ZERO: Timestamp = Timestamp::UNIX_EPOCH;

fn eur(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn rule(validate: bool) -> FulfilmentRule {
    FulfilmentRule {
        webhook: WebhookId::floor_of(ZERO),
        validate,
    }
}

fn reward(value: RewardValue, state: RewardState, validate: bool) -> Reward {
    Reward {
        id: RewardId::new(ZERO, [7; 10]),
        original: value,
        value,
        release_at: ZERO,
        fulfilment: Some(Box::new(Fulfilment::of(rule(validate)))),
        version: 3,
        ..testing::reward(state)
    }
}

fn attempt(status: Option<u16>) -> Attempt {
    Attempt {
        at: ZERO,
        duration_ms: 12,
        end: status.map_or(AttemptEnd::TimedOut, |_| AttemptEnd::Answered),
        status,
        excerpt: None,
    }
}

fn answer(status: Option<u16>) -> Answered {
    Answered {
        attempt: attempt(status),
        retry_after: None,
        receipt: None,
        code: NamedCode::None,
    }
}

/// The reward while it is being asked, and what whoever asks remembers.
fn asked(reward: &Reward, question: Question, now: Timestamp) -> (Reward, Asked) {
    let present = reward.fulfilment.as_ref().unwrap();
    let (fulfilment, asked) = present.asking(question, reward.value, now);
    let next = Reward {
        fulfilment: Some(Box::new(fulfilment)),
        version: reward.version + 1,
        ..reward.clone()
    };
    (next, asked)
}

fn noted(reward: &Reward, asked: &Asked, answer: &Answered) -> Option<Noted> {
    let active = ProgramState::Active;
    note(reward, (asked, answer), active, None, (at(100), "test")).unwrap()
}

fn after(noted: &Noted) -> &Reward {
    match noted {
        Noted::Kept(reward)
        | Noted::Approved(reward)
        | Noted::Rejected(reward)
        | Noted::Failed(reward) => reward,
        Noted::Given(handed) => &handed.reward,
    }
}

fn cash() -> RewardValue {
    RewardValue::Cash(eur(1_000))
}

fn cakes() -> RewardValue {
    RewardValue::FreeProduct {
        sku: "CAKE".parse().unwrap(),
        quantity: 3,
    }
}

#[test]
fn what_an_answer_means() {
    for (status, verdict) in [
        (Some(200), Verdict::Done),
        (Some(204), Verdict::Done),
        (Some(299), Verdict::Done),
        (Some(300), Verdict::Again),
        (Some(307), Verdict::Again),
        (Some(400), Verdict::Refused),
        (Some(404), Verdict::Refused),
        (Some(410), Verdict::Refused),
        (Some(422), Verdict::Refused),
        (Some(408), Verdict::Again),
        (Some(409), Verdict::Again),
        (Some(425), Verdict::Again),
        (Some(429), Verdict::Again),
        (Some(500), Verdict::Again),
        (Some(503), Verdict::Again),
        (None, Verdict::Again),
    ] {
        assert_eq!(Verdict::of(&attempt(status)), verdict, "{status:?}");
    }
    // A shop that says no works.
    assert_eq!(Verdict::Refused.fared(), Fared::Well);
    assert_eq!(Verdict::Again.fared(), Fared::Badly);
}

/// The shop keeps them: a changed key gives again.
#[test]
fn the_keys_of_a_reward_never_change() {
    let id = RewardId::floor_of(ZERO);
    let zero = "rwd_00000000000000000000000000";
    assert_eq!(Question::Fulfil.key(id), format!("{zero}:issue"));
    assert_eq!(Question::Validate.key(id), format!("{zero}:validate"));
}

/// What happens to a reward while the shop is being asked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Between {
    Nothing,
    /// A third of the order is refunded.
    Part,
    /// All of it.
    Whole,
    /// All of it, and then the refund is undone.
    WholeAndBack,
    /// The owner withdraws it.
    Cancelled,
    /// The owner finds that it was never earned.
    Rejected,
}

/// What a reward's books come to: by account, pending, and what is left in its lot.
#[derive(Debug, Default)]
struct Books {
    accounts: BTreeMap<(&'static str, Unit), i64>,
    pending: i64,
    left: i64,
}

impl Books {
    fn lines(&mut self, lines: &[Line]) {
        check(lines).unwrap();
        for line in lines {
            let name = match line.account {
                Account::Expense => "expense",
                Account::Liability(_) => "liability",
                Account::InPayout(_) => "in_payout",
                Account::Settled(_) => "settled",
                Account::Receivable(_) => "receivable",
            };
            *self.accounts.entry((name, line.unit)).or_default() += line.amount;
        }
        self.accounts.retain(|_, amount| *amount != 0);
    }
}

fn happen(reward: &Reward, between: Between, books: &mut Books) -> Reward {
    let to = |reward: &Reward, kept: i64, books: &mut Books| {
        let entry = (at(50), "shop", "refund");
        match adjust(reward, kept, (None, 0), true, entry) {
            Some(adjusted) => {
                assert_eq!((&adjusted.lines[..], adjusted.lot), (&[][..], None));
                books.pending += adjusted.pending.map_or(0, |(_, by)| by);
                adjusted.reward
            }
            None => reward.clone(),
        }
    };
    let whole = reward.value.number();
    let by_hand = |event, books: &mut Books| {
        let next = reward.after(event, at(50), "owner", Some("no")).unwrap();
        books.pending -= reward.value.credit().map_or(0, |(_, amount)| amount);
        next.unwrap()
    };
    match between {
        Between::Nothing => reward.clone(),
        Between::Part => to(reward, whole - whole / 3, books),
        Between::Whole => to(reward, 0, books),
        Between::WholeAndBack => to(&to(reward, 0, books), whole, books),
        Between::Cancelled => by_hand(RewardEvent::Cancel, books),
        Between::Rejected => by_hand(RewardEvent::Reject, books),
    }
}

/// One interleaving: asked, something happens, answered.
fn play(value: RewardValue, between: Between, answer: &Answered) -> (Reward, Books) {
    let mut books = Books {
        pending: value.credit().map_or(0, |(_, amount)| amount),
        ..Books::default()
    };
    let approved = reward(value, RewardState::Approved, false);
    let (asking, asked) = asked(&approved, Question::Fulfil, at(40));
    let present = happen(&asking, between, &mut books);
    let cost = Some(eur(250));
    let tried = (&asked, answer);
    let noted = note(
        &present,
        tried,
        ProgramState::Active,
        cost,
        (at(100), "test"),
    );
    let noted = noted.unwrap().unwrap();
    assert_eq!(after(&noted).version, present.version + 1, "{between:?}");
    if let Noted::Given(handed) = &noted {
        for lines in [&handed.issued, &handed.settled, &handed.taken_back] {
            books.lines(lines);
        }
        books.pending += handed.pending.map_or(0, |(_, by)| by);
        books.left = handed.left.map_or(0, |(_, left)| left);
    }
    let reward = after(&noted).clone();
    // The same answer again tells nothing new.
    let again = note(
        &reward,
        tried,
        ProgramState::Active,
        cost,
        (at(101), "test"),
    );
    assert_eq!(again, Ok(None), "{between:?}");
    (reward, books)
}

/// Every interleaving of a cash reward with what the shop answers: where it ends, what it is worth
/// then, what is pending, and what was settled and is owed by the beneficiary.
#[test]
fn no_interleaving_loses_money_or_counts_it_twice() {
    use Between as B;
    use RewardState as S;
    let euros = Unit::Currency(eur(0).currency);
    for (between, status, state, worth, pending, settled, receivable) in [
        (B::Nothing, 200, S::Redeemed, 1_000, 0, 1_000, 0),
        (B::Part, 200, S::Redeemed, 667, 0, 1_000, -333),
        (B::Whole, 200, S::ClawedBack, 0, 0, 1_000, -1_000),
        (B::WholeAndBack, 200, S::Redeemed, 1_000, 0, 1_000, 0),
        (B::Cancelled, 200, S::ClawedBack, 1_000, 0, 1_000, -1_000),
        (B::Rejected, 200, S::ClawedBack, 1_000, 0, 1_000, -1_000),
        (B::Nothing, 422, S::Failed, 1_000, 1_000, 0, 0),
        (B::Part, 422, S::Failed, 667, 667, 0, 0),
        (B::Whole, 422, S::Cancelled, 0, 0, 0, 0),
        (B::WholeAndBack, 422, S::Pending, 1_000, 1_000, 0, 0),
        (B::Cancelled, 422, S::Cancelled, 1_000, 0, 0, 0),
        (B::Rejected, 422, S::Rejected, 1_000, 0, 0, 0),
        (B::Nothing, 500, S::Approved, 1_000, 1_000, 0, 0),
        (B::Part, 500, S::Approved, 667, 667, 0, 0),
        (B::Whole, 500, S::Cancelled, 0, 0, 0, 0),
        (B::WholeAndBack, 500, S::Pending, 1_000, 1_000, 0, 0),
        (B::Cancelled, 500, S::Cancelled, 1_000, 0, 0, 0),
        (B::Rejected, 500, S::Rejected, 1_000, 0, 0, 0),
    ] {
        let (reward, books) = play(cash(), between, &answer(Some(status)));
        let case = format!("{between:?} {status}");
        assert_eq!(
            (reward.state, reward.value.number()),
            (state, worth),
            "{case}"
        );
        assert_eq!(books.pending, pending, "{case}");
        let sum = |name| books.accounts.get(&(name, euros)).copied().unwrap_or(0);
        let found = (
            sum("settled"),
            sum("receivable"),
            sum("liability"),
            books.left,
        );
        assert_eq!(found, (settled, receivable, 0, 0), "{case}");
        assert_eq!(sum("expense"), -settled - receivable, "{case}");
    }
}

/// The same for what is not money: points are settled; a discount moves nothing; pieces that were
/// shipped are charged at what they cost, and those behind a voucher are owed until it is used.
#[test]
fn other_kinds_are_given_and_taken_back_in_their_own_units() {
    use Between as B;
    use RewardState as S;
    let with_code = |code: &str| Answered {
        code: NamedCode::Good(code.parse().unwrap()),
        ..answer(Some(200))
    };
    let (ok, coded) = (answer(Some(200)), with_code("SHOP-1"));
    let off = RewardValue::Discount(Discount::BasisPoints(900));
    let (points, euros) = (Unit::Points, Unit::Currency(eur(0).currency));
    let items = cakes().credit().unwrap().0;
    let books = |entries: &[(&'static str, Unit, i64)]| -> BTreeMap<(&'static str, Unit), i64> {
        let entry = |&(name, unit, amount)| ((name, unit), amount);
        entries.iter().map(entry).collect()
    };
    for (value, between, answer, state, left, expected) in [
        (
            RewardValue::Points(30),
            B::Part,
            &ok,
            S::Redeemed,
            0,
            books(&[
                ("settled", points, 30),
                ("receivable", points, -10),
                ("expense", points, -20),
            ]),
        ),
        (off, B::Nothing, &ok, S::Issued, 0, books(&[])),
        (off, B::Nothing, &coded, S::Issued, 0, books(&[])),
        (off, B::Whole, &coded, S::ClawedBack, 0, books(&[])),
        (
            cakes(),
            B::Nothing,
            &ok,
            S::Redeemed,
            0,
            books(&[("settled", items, 3), ("expense", items, -3)]),
        ),
        (
            cakes(),
            B::Whole,
            &ok,
            S::ClawedBack,
            0,
            books(&[
                ("settled", items, 3),
                ("expense", items, -3),
                ("receivable", euros, -750),
                ("expense", euros, 750),
            ]),
        ),
        (
            cakes(),
            B::Nothing,
            &coded,
            S::Issued,
            3,
            books(&[("liability", items, 3), ("expense", items, -3)]),
        ),
        (
            cakes(),
            B::Part,
            &coded,
            S::Issued,
            2,
            books(&[("liability", items, 2), ("expense", items, -2)]),
        ),
        (cakes(), B::Cancelled, &coded, S::ClawedBack, 0, books(&[])),
    ] {
        let (reward, found) = play(value, between, answer);
        let case = format!("{value:?} {between:?}");
        assert_eq!(reward.state, state, "{case}");
        assert_eq!((found.accounts, found.left), (expected, left), "{case}");
        let code = matches!(answer.code, NamedCode::Good(_)).then_some("SHOP-1");
        let named = reward.voucher_code.as_ref().map(|code| code.as_str());
        assert_eq!(named, code.filter(|_| value.is_voucher()), "{case}");
    }
}

/// All tries ask for the same, whatever the reward has come to since: the same id means the same
/// thing. What the shop refused, or was told to undo, it may be asked for anew.
#[test]
fn every_try_asks_for_the_same() {
    let reward = reward(cash(), RewardState::Approved, false);
    let (asking, first) = asked(&reward, Question::Fulfil, at(1));
    let kept = noted(&asking, &first, &answer(Some(500))).unwrap();
    let mut books = Books::default();
    let reduced = happen(after(&kept), Between::Part, &mut books);
    let (again, second) = asked(&reduced, Question::Fulfil, at(2));
    assert_eq!((second.terms, second.claim), (first.terms, first.claim + 1));
    assert_eq!(as_asked(&again, &second).value, cash());
    // The first try's answer, late: the second one tells.
    assert_eq!(noted(&again, &first, &answer(Some(200))), None);
    let retried = |reward: &Reward| {
        let again = reward.after(RewardEvent::Retry, at(3), "owner", None);
        asked(&again.unwrap().unwrap(), Question::Fulfil, at(4))
            .1
            .terms
    };
    let refused = noted(&again, &second, &answer(Some(400))).unwrap();
    assert_eq!(retried(after(&refused)).value, reduced.value);
    let (mut tried, mut tries) = (reward.clone(), 0);
    let given_up = loop {
        let (asking, try_) = asked(&tried, Question::Fulfil, at(5));
        tries += 1;
        let noted = noted(&asking, &try_, &answer(None)).unwrap();
        let Noted::Kept(kept) = noted else {
            break noted;
        };
        tried = kept;
    };
    assert_eq!((tries, after(&given_up).state), (10, RewardState::Failed));
    assert_eq!(
        retried(after(&given_up)),
        Terms {
            value: cash(),
            at: at(5)
        }
    );
    let undone = happen(after(&kept), Between::WholeAndBack, &mut books);
    let fulfilment = undone.fulfilment.as_ref().unwrap();
    assert_eq!((fulfilment.terms, fulfilment.tries), (None, 0));
    assert_eq!(undone.shop_wait(), None);
}

/// Whether it agrees is asked first; what it says counts only as long as the reward is held.
#[test]
fn a_shop_that_is_asked_first_decides() {
    let held = reward(cash(), RewardState::Pending, true);
    let (asking, first) = asked(&held, Question::Validate, at(1));
    let verdict = |reward: &Reward, status| noted(reward, &first, &answer(status)).unwrap();
    let agreed = verdict(&asking, Some(204));
    assert!(matches!(agreed, Noted::Approved(_)));
    let next = after(&agreed).fulfilment.as_ref().unwrap();
    assert_eq!(next.question_for(RewardState::Approved), Question::Fulfil);
    assert_eq!(after(&agreed).shop_wait(), None);
    let refused = verdict(&asking, Some(403));
    assert!(matches!(refused, Noted::Rejected(_)));
    let reason = after(&refused).history.last().unwrap().reason.clone();
    assert_eq!(reason.as_deref(), Some("refused by the shop: status 403"));
    assert!(matches!(verdict(&asking, None), Noted::Kept(_)));
    // In a pause it stays held, and is released afterwards without being asked again.
    let paused = (&first, &answer(Some(200)));
    let paused = note(&asking, paused, ProgramState::Paused, None, (at(9), "test"));
    let Some(Noted::Kept(kept)) = paused.unwrap() else {
        panic!("a pause releases nothing");
    };
    let fulfilment = kept.fulfilment.as_ref().unwrap();
    assert_eq!(
        (kept.state, fulfilment.validated),
        (RewardState::Pending, true)
    );
    assert_eq!(fulfilment.question_for(kept.state), Question::Fulfil);
    // The owner was faster.
    for event in [
        RewardEvent::Approve,
        RewardEvent::Reject,
        RewardEvent::Cancel,
    ] {
        let decided = asking.after(event, at(2), "owner", None).unwrap().unwrap();
        for status in [Some(200), Some(400), None] {
            let Noted::Kept(kept) = verdict(&decided, status) else {
                panic!("{event:?} {status:?}");
            };
            assert_eq!(kept.state, decided.state);
        }
    }
    // It never says.
    let mut tried = held.clone();
    for _ in 0..10 {
        let (asking, question) = asked(&tried, Question::Validate, at(5));
        let Some(Noted::Kept(kept)) = noted(&asking, &question, &answer(Some(503))) else {
            panic!("it stays held");
        };
        tried = kept;
    }
    assert_eq!(tried.shop_wait(), Some(ShopWait::Owner));
    assert_eq!(
        tried.attention(ProgramState::Active, at(9_999_999)),
        Attention::None
    );
    let approved = tried.after(RewardEvent::Approve, at(6), "owner", None);
    let approved = approved.unwrap().unwrap();
    assert_eq!(
        approved.attention(ProgramState::Active, at(7)),
        Attention::Disburse
    );
    let (_, fulfil) = asked(&approved, Question::Fulfil, at(8));
    assert_eq!(fulfil.question, Question::Fulfil);
}

/// Whoever asks has a minute for it; what waits is looked at when it is asked again.
#[test]
fn what_is_asked_is_left_alone_until_its_time() {
    let active = ProgramState::Active;
    let reward = reward(cash(), RewardState::Approved, false);
    assert_eq!(reward.attention(active, at(1)), Attention::Disburse);
    let (asking, question) = asked(&reward, Question::Fulfil, at(1));
    assert_eq!(asking.shop_wait(), Some(ShopWait::UnderWay(at(61))));
    assert_eq!(asking.attention(active, at(60)), Attention::None);
    assert_eq!(asking.attention(active, at(61)), Attention::Disburse);
    let kept = noted(&asking, &question, &answer(Some(429))).unwrap();
    let Some(ShopWait::Until(next)) = after(&kept).shop_wait() else {
        panic!("it is asked again");
    };
    assert_eq!(
        after(&kept).attention(active, at(100)),
        Attention::LookAgain(next)
    );
    assert_eq!(after(&kept).attention(active, next), Attention::Disburse);
    let wish = Answered {
        retry_after: Some(SignedDuration::from_hours(3)),
        ..answer(Some(429))
    };
    let kept = noted(&asking, &question, &wish).unwrap();
    let wait = Some(ShopWait::Until(at(100 + 3 * 3_600)));
    assert_eq!(after(&kept).shop_wait(), wait);
    let later = asking.fulfilment.as_ref().unwrap();
    let later = later.put_off(Question::Fulfil, reward.id, at(500));
    assert!(later.next_at >= Some(at(500)) && later.tries == 0);
}

/// A voucher that cannot be the reward's fails it, where the reward stands; the shop may name another.
#[test]
fn a_voucher_that_is_taken_fails_the_reward() {
    let off = RewardValue::Discount(Discount::Amount(eur(5)));
    let bad = Answered {
        code: NamedCode::Bad("it is taken"),
        ..answer(Some(200))
    };
    for (value, between, state) in [
        (off, Between::Nothing, RewardState::Failed),
        (off, Between::Cancelled, RewardState::ClawedBack),
        (cash(), Between::Nothing, RewardState::Redeemed),
    ] {
        let (reward, _) = play(value, between, &bad);
        assert_eq!((reward.state, reward.voucher_code), (state, None));
    }
}

#[test]
fn how_far_the_shop_is_can_be_read() {
    let explain = |reward: &Reward| {
        let fulfilment = reward.fulfilment.as_ref().unwrap();
        fulfilment.explain(reward.state)
    };
    let first = reward(cash(), RewardState::Approved, false);
    assert_eq!(
        explain(&first),
        "The shop is about to be asked to carry it out."
    );
    let (asking, question) = asked(&first, Question::Fulfil, at(1));
    assert_eq!(explain(&asking), "The shop is being asked to carry it out.");
    let kept = noted(&asking, &question, &answer(None)).unwrap();
    let text = explain(after(&kept));
    assert!(
        text.starts_with("The shop was asked to carry it out once, the last answer: no answer in time; it is asked again on 1 January 1970"),
        "{text}"
    );
    let failed = noted(&asking, &question, &answer(Some(410))).unwrap();
    assert_eq!(
        explain(after(&failed)),
        "The shop has refused it (status 410). Retried, it is asked again under the same id."
    );
    let held = reward(cash(), RewardState::Pending, true);
    assert_eq!(
        explain(&held),
        "The shop is asked whether it agrees as soon as the hold is over."
    );
    for state in RewardState::ALL {
        for progress in Progress::ALL {
            let mut reward = first.clone();
            reward.state = *state;
            if let Some(fulfilment) = &mut reward.fulfilment {
                fulfilment.progress = *progress;
            }
            assert!(explain(&reward).ends_with('.'), "{state} {progress}");
        }
    }
}
