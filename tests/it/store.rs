//! The store on the embedded table: the commit builder's guards and folding, faults, the due index,
//! lists. The real store code, the real SDK.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ConversionId, ParticipantId, ProgramId, ReferralId, RewardId};
use kith_domain::ledger::{Account, transfer};
use kith_domain::mode::Mode;
use kith_domain::money::{Money, Unit};
use kith_domain::reward::{
    Beneficiary, BudgetShare, Reward, RewardSource, RewardState, RewardValue,
};
use kith_local::{Bundle, Options};
use kith_store::faults::{Fault, Faults};
use kith_store::items::{Counters, Event, LedgerReason, Lot, UnitBalance};
use kith_store::keys::{self, ListName};
use kith_store::wake::Queue;
use kith_store::{
    Commit, CommitError, Count, CountGuard, DueEntry, Guard, ListQuery, ProgramScope, Store, Was,
};

struct Bench {
    bundle: Bundle,
    store: Store,
    faults: Faults,
}

impl Bench {
    async fn start() -> Self {
        let bundle = Bundle::start(Options {
            registry: kith_local::registry(),
            paused: true,
            schedules: false,
            ..Options::default()
        })
        .await
        .unwrap();
        let environment = bundle.environment("due-work").unwrap().clone();
        let faults = Faults::over(environment.http_client.clone().unwrap());
        let table = environment.variables["KITH_TABLE"].clone();
        let config = bundle
            .dynamodb()
            .config()
            .to_builder()
            .http_client(faults.client())
            .build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        Self {
            bundle,
            store: Store::new(client, &table),
            faults,
        }
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOW: &str = "2026-03-01T12:00:00Z";

fn program() -> ProgramId {
    ProgramId::new(at(NOW), [1; 10])
}

fn person(tail: u8) -> ParticipantId {
    ParticipantId::new(at(NOW), [tail; 10])
}

fn scope(mode: Mode) -> ProgramScope {
    ProgramScope {
        id: program(),
        mode,
        shards: 1,
        surveyed: BTreeSet::new(),
        heard_of: None,
    }
}

fn commit(seed: u8) -> Commit {
    Commit::new(&scope(Mode::Live), at(NOW), at(NOW), [seed; 16])
}

fn reward(number: u16, state: RewardState) -> Reward {
    Reward {
        id: RewardId::derived(
            at(NOW) + SignedDuration::from_millis(i64::from(number)),
            &[&number.to_be_bytes()],
        ),
        program: program(),
        beneficiary_id: person(1),
        beneficiary: Beneficiary::Referrer,
        source: RewardSource::Rule,
        conversion_id: Some(ConversionId::new(at(NOW), [1; 10])),
        referral_id: Some(ReferralId::new(at(NOW), [1; 10])),
        incentive_id: Some("thank-you".parse().unwrap()),
        scheme_version: 1,
        basis: None,
        original: RewardValue::Cash(Money::new(500, "EUR".parse().unwrap())),
        value: RewardValue::Cash(Money::new(500, "EUR".parse().unwrap())),
        state,
        release_at: at(NOW),
        created_at: at(NOW),
        issued_at: None,
        expires_after_days: None,
        expires_at: None,
        voucher_code: None,
        fulfilment: None,
        in_review: false,
        history: Vec::new(),
        version: 1,
    }
}

/// A cancellation names the guard, the item, and the item as it is: a decision can be made again.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_says_which_guard_failed() {
    let bench = Bench::start().await;
    let held = reward(1, RewardState::Pending);
    let mut first = commit(1);
    first.reward(&held, Was::Absent).count(
        person(1),
        "used",
        Count {
            by: 1,
            guard: CountGuard::AtMost(1),
        },
    );
    bench.store.commit(first).await.unwrap();

    let mut second = commit(2);
    second.reward(&held, Was::Absent).count(
        person(1),
        "used",
        Count {
            by: 1,
            guard: CountGuard::AtMost(1),
        },
    );
    let Err(CommitError::Refused(failed)) = bench.store.commit(second).await else {
        panic!("it was written")
    };
    let guards: Vec<Guard> = failed.iter().map(|failed| failed.guard).collect();
    assert_eq!(guards, [Guard::New("reward"), Guard::Counters]);
    assert_eq!(failed[0].key, keys::reward(program(), held.id));
    assert!(
        failed[0]
            .present
            .as_ref()
            .unwrap()
            .contains_key("incentive_id")
    );

    let mut stale = commit(3);
    stale.reward(
        &Reward {
            version: 3,
            ..held.clone()
        },
        Was::Version(2),
    );
    let Err(CommitError::Refused(failed)) = bench.store.commit(stale).await else {
        panic!("it was written")
    };
    assert_eq!(failed[0].guard, Guard::Unchanged("reward"));
    bench.bundle.shutdown().await;
}

/// Whatever a decision says twice is one action: an item cannot stand twice in a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_one_item_is_folded() {
    let bench = Bench::start().await;
    let euro = Unit::Currency("EUR".parse().unwrap());
    let mut folded = commit(1);
    for _ in 0..3 {
        folded.pending(person(1), euro, 5);
        folded.count(
            person(1),
            "used",
            Count {
                by: 1,
                guard: CountGuard::None,
            },
        );
        folded.fact(Fact::new(FactKind::RewardCreated));
    }
    let lines = transfer(Account::Expense, Account::Liability(person(1)), euro, 15);
    folded.ledger(LedgerReason::RewardIssued, None, &lines);
    let event = bench.store.commit(folded).await.unwrap().event.unwrap();
    let balance: UnitBalance = bench
        .store
        .get_one(keys::balance(program(), person(1), euro))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(balance.balance.pending, 15);
    let event: Event = bench
        .store
        .get_one(keys::event(event))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(event.facts.len(), 3);
    let ids: BTreeSet<String> = event.facts.iter().map(|fact| fact.id.to_string()).collect();
    assert_eq!(ids.len(), 3);
    bench.bundle.shutdown().await;
}

/// A counter given back to nothing is as good as one never raised; one whose window is over goes.
#[tokio::test(flavor = "multi_thread")]
async fn counters_are_given_back_and_forgotten() {
    let bench = Bench::start().await;
    let count = |seed: u8, by: i64, guard| {
        let mut one = commit(seed);
        one.count(person(1), "used", Count { by, guard });
        one.count(
            person(1),
            &format!("old-{seed}"),
            Count {
                by: 1,
                guard: CountGuard::None,
            },
        );
        one.forget(person(1), "old-1");
        one
    };
    bench
        .store
        .commit(count(1, 1, CountGuard::Exactly(0)))
        .await
        .unwrap();
    bench
        .store
        .commit(count(2, -1, CountGuard::None))
        .await
        .unwrap();
    bench
        .store
        .commit(count(3, 1, CountGuard::Exactly(0)))
        .await
        .unwrap();
    let Err(CommitError::Refused(_)) = bench
        .store
        .commit(count(4, 1, CountGuard::Exactly(0)))
        .await
    else {
        panic!("it was written")
    };
    let key = keys::counters(program(), person(1));
    let loaded = bench.store.get([key.clone()]).await.unwrap();
    let counters = Counters::of(loaded.item(&key));
    assert_eq!(
        counters.names().collect::<Vec<_>>(),
        ["old-2", "old-3", "used"]
    );
    bench.bundle.shutdown().await;
}

/// What is taken from a budget stays below the cap; a take of nothing is a guard alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_guarded_by_its_cap() {
    let bench = Bench::start().await;
    let incentive = "thank-you".parse().unwrap();
    let take = async |seed: u8, amount: i64, cap: i64| {
        let share = BudgetShare {
            window: "ever".to_owned(),
            shard: 0,
            amount,
        };
        let mut taking = commit(seed);
        taking.take_from_budget(program(), &incentive, &share, cap);
        match bench.store.commit(taking).await {
            Ok(_) => true,
            Err(CommitError::Refused(failed)) => {
                assert_eq!(failed[0].guard, Guard::Budget);
                false
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert!(!take(1, 11, 10).await);
    assert!(take(2, 6, 10).await);
    assert!(!take(3, 5, 10).await);
    assert!(!take(4, 0, 5).await);
    assert!(take(5, 0, 6).await);
    assert!(take(6, 4, 10).await);
    let key = keys::budget(program(), &incentive, "ever", 0);
    let loaded = bench.store.get([key.clone()]).await.unwrap();
    assert_eq!(loaded.budget_used(&key), 10);
    bench.bundle.shutdown().await;
}

/// Each fault in turn: the decision is written once, and the caller is told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_passing_repeats_the_same_decision() {
    let bench = Bench::start().await;
    let euro = Unit::Currency("EUR".parse().unwrap());
    let faults = [
        Fault::Conflict,
        Fault::Throttle,
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
    ];
    for (seed, fault) in (1u8..).zip(faults) {
        bench.faults.once("TransactWriteItems", fault);
        let mut one = commit(seed);
        one.pending(person(1), euro, 1);
        bench.store.commit(one).await.unwrap();
        let balance: UnitBalance = bench
            .store
            .get_one(keys::balance(program(), person(1), euro))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(balance.balance.pending, i64::from(seed), "{fault:?}");
        assert_eq!(
            bench
                .faults
                .take_seen()
                .iter()
                .filter(|seen| *seen == "TransactWriteItems")
                .count(),
            2
        );
    }
    bench.bundle.shutdown().await;
}

/// A lot that was used up and came back has versions that somebody may have read before, of another amount:
/// what they decided then does not hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_lot_that_came_back_is_not_the_one_that_was_read() {
    let bench = Bench::start().await;
    let write = async |seed: u8, lot: &Lot, was: Option<&Lot>| {
        let mut commit = commit(seed);
        commit.lot(program(), person(1), lot, was);
        bench.store.commit(commit).await
    };
    let read = Lot {
        unit: Unit::Points,
        credited_at: at(NOW),
        name: "a reward".to_owned(),
        reward_ids: Vec::new(),
        remaining: 70,
        version: 1,
    };
    let used = read.with_remaining(40);
    let back = Lot {
        remaining: 30,
        ..read.clone()
    };
    write(1, &read, None).await.unwrap();
    write(2, &used, Some(&read)).await.unwrap();
    write(3, &used.with_remaining(0), Some(&used))
        .await
        .unwrap();
    write(4, &back, None).await.unwrap();
    for (seed, left) in [(5, 60), (6, 0)] {
        let outdated = write(seed, &read.with_remaining(left), Some(&read)).await;
        let Err(CommitError::Refused(failed)) = outdated else {
            panic!("{outdated:?}");
        };
        assert_eq!(failed[0].guard, Guard::Unchanged("lot"));
    }
    write(7, &back.with_remaining(0), Some(&back))
        .await
        .unwrap();
    bench.bundle.shutdown().await;
}

/// A ledger entry that does not sum to zero is a bug, stopped before it is written.
#[tokio::test(flavor = "multi_thread")]
async fn an_unbalanced_entry_is_never_written() {
    let bench = Bench::start().await;
    let mut lines = transfer(
        Account::Expense,
        Account::Liability(person(1)),
        Unit::Points,
        5,
    );
    lines[0].amount = -4;
    let mut wrong = commit(1);
    wrong.ledger(LedgerReason::RewardIssued, None, &lines);
    assert!(matches!(
        bench.store.commit(wrong).await,
        Err(CommitError::Unbalanced(_))
    ));
    bench.bundle.shutdown().await;
}

/// Due work is claimed once, comes back later each time, and is parked after eight attempts; taken
/// out of the parking place it is due at once.
#[tokio::test(flavor = "multi_thread")]
async fn due_work_is_claimed_backs_off_and_parks() {
    let bench = Bench::start().await;
    let held = reward(1, RewardState::Pending);
    let mut first = commit(1);
    first.reward(&held, Was::Absent);
    bench.store.commit(first).await.unwrap();

    let due = async |now: Timestamp| {
        let mut found = Vec::new();
        for shard in 0..keys::DUE_SHARDS {
            found.extend(bench.store.due_live(shard, now, 10).await.unwrap().entries);
        }
        found
    };
    assert_eq!(due(at(NOW) - SignedDuration::from_secs(1)).await, []);
    let mut now = at(NOW);
    for attempt in 1..=8 {
        let entries = due(now).await;
        assert_eq!(entries.len(), 1, "attempt {attempt}");
        let work = bench.store.claim(&entries[0], now).await.unwrap().unwrap();
        assert_eq!((work.attempts, work.parked), (attempt, false));
        assert_eq!(work.wakes[0].queue, Queue::Rewards);
        assert!(
            bench.store.claim(&entries[0], now).await.unwrap().is_none(),
            "claimed twice"
        );
        assert_eq!(due(now).await, [], "claimed work is put off");
        now += SignedDuration::from_hours(24);
    }
    let entries = due(now).await;
    let work = bench.store.claim(&entries[0], now).await.unwrap().unwrap();
    assert!(work.parked && work.wakes.is_empty());
    assert_eq!(due(now + SignedDuration::from_hours(1000)).await, []);
    let parked = bench.store.parked(Mode::Live, 10).await.unwrap().entries;
    assert_eq!(parked.len(), 1);
    let unpark = |entry: &DueEntry| {
        let mut commit = Commit::of_operator(now, now, [9; 16]);
        commit.unpark(entry);
        commit
    };
    let elsewhere = DueEntry {
        due_sk: "x".to_owned(),
        ..parked[0].clone()
    };
    assert!(bench.store.commit(unpark(&elsewhere)).await.is_err());
    bench.store.commit(unpark(&parked[0])).await.unwrap();
    assert_eq!(due(now).await.len(), 1);
    assert_eq!(
        bench.store.parked(Mode::Live, 10).await.unwrap().entries,
        []
    );
    bench.bundle.shutdown().await;
}

/// Pages of any size show every reward once, newest first, whatever shard it is in; filters and
/// times cut it as said.
#[tokio::test(flavor = "multi_thread")]
async fn lists_page_through_all_shards_in_order() {
    let bench = Bench::start().await;
    let rewards: Vec<Reward> = (0..57)
        .map(|number| {
            reward(
                number,
                if number % 3 == 0 {
                    RewardState::Issued
                } else {
                    RewardState::Pending
                },
            )
        })
        .collect();
    for (seed, reward) in (0u8..).zip(&rewards) {
        let mut one = commit(seed);
        one.reward(reward, Was::Absent);
        bench.store.commit(one).await.unwrap();
    }
    let mut expected: Vec<RewardId> = rewards.iter().map(|reward| reward.id).collect();
    expected.reverse();
    let all = async |mut query: ListQuery| {
        let mut ids = Vec::new();
        loop {
            let page = bench.store.list::<Reward>(&query).await.unwrap();
            assert!(page.items.len() <= usize::from(query.limit));
            ids.extend(page.items.iter().map(|reward| reward.id));
            match page.next {
                Some(next) => query.after = Some(next),
                None => return ids,
            }
        }
    };
    for limit in [1, 7, 20, 57, 100] {
        assert_eq!(
            all(ListQuery::of_program(program(), ListName::Rewards, limit)).await,
            expected,
            "{limit}"
        );
        assert_eq!(
            all(ListQuery::of_party(
                program(),
                person(1),
                ListName::Rewards,
                limit
            ))
            .await,
            expected,
            "{limit}"
        );
    }
    let mut issued = ListQuery::of_program(program(), ListName::Rewards, 4);
    issued.state = Some("issued".to_owned());
    let wanted: Vec<RewardId> = rewards
        .iter()
        .rev()
        .filter(|reward| reward.state == RewardState::Issued)
        .map(|reward| reward.id)
        .collect();
    assert_eq!(all(issued).await, wanted);
    let mut between = ListQuery::of_program(program(), ListName::Rewards, 5);
    between.from = Some(at(NOW) + SignedDuration::from_millis(10));
    between.to = Some(at(NOW) + SignedDuration::from_millis(20));
    assert_eq!(all(between).await, expected[37..47]);
    bench.bundle.shutdown().await;
}
