//! What an `Idempotency-Key` promises, for every route that writes: one effect, whatever becomes of
//! the calls. What was done is counted in the table.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use kith_contract::routes::{Access, Route};
use kith_store::faults::Fault;
use reqwest::Method;
use serde_json::json;

use crate::samples::{self, Call, Table};
use crate::workers::Moved;
use crate::world::{Answer, Program, World, text};

/// Seconds that a function has in these tests: they wait for calls that never come to an end.
const TIMEOUT: &str = "Timeout: 4";
/// Routes tried in one world: the table, which is looked at all the time, stays small.
const ROUTES_AT_ONCE: usize = 6;
/// What is asked of the operator, or outside any program.
const OUTSIDE: [&str; 5] = [
    "create_program",
    "create_key",
    "rotate_key",
    "revoke_key",
    "retry_parked",
];

/// A call, in a program of its own.
struct Trial<'a> {
    program: Program<'a>,
    call: Call,
    /// The table as it was.
    before: Table,
}

impl Trial<'_> {
    fn route(&self) -> &'static Route {
        self.call.route
    }

    fn name(&self) -> String {
        format!("{}-{}", self.route().id, self.program.id)
    }

    async fn send(&self, key: &str) -> Answer {
        let request = self.call.request(self.program.world, key);
        let request = request.header("idempotency-key", self.name());
        self.program.world.send(request).await
    }

    async fn send_as_operator(&self) -> Answer {
        self.send(&self.program.key).await
    }

    /// The program's part of the table.
    async fn table(&self) -> Table {
        self.program.world.settle().await;
        let id = self.program.id.clone();
        samples::table(self.program.world, |pk| pk.contains(&id)).await
    }

    async fn effect(&self) -> BTreeMap<String, usize> {
        samples::effect(&self.before, &self.table().await)
    }
}

async fn trial<'a>(world: &'a World, route: &'static Route) -> Trial<'a> {
    let program = samples::program(world, &world.test_key()).await;
    let call = samples::write(route, &program).await;
    let mut trial = Trial {
        program,
        call,
        before: Table::new(),
    };
    trial.before = trial.table().await;
    trial
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == "true"
}

/// The same answer, but for a secret that is told once.
fn same(first: &Answer, again: &Answer) -> bool {
    let told = |answer: &Answer| {
        let mut body: serde_json::Value = serde_json::from_str(&answer.text).unwrap_or_default();
        for secret in ["key", "secret"] {
            body.as_object_mut().map(|members| members.remove(secret));
        }
        (answer.status, body)
    };
    told(first) == told(again)
}

/// First, again, with another body, on another path, by another key, in another program, after it was
/// refused; and eight at once.
#[tokio::test(flavor = "multi_thread")]
async fn every_write_has_one_effect() {
    let (mut routes, mut cases) = (0, 0);
    let mut world = samples::world().await;
    for route in samples::writes() {
        routes += 1;
        if routes % ROUTES_AT_ONCE == 0 {
            world.bundle.shutdown().await;
            world = samples::world().await;
        }
        let at = route.id;
        let one = trial(&world, route).await;

        // Refused first: nothing is kept, and the corrected call is a first one.
        let faulty = world.request(one.call.method(), &format!("{}?nope=1", one.call.path));
        let faulty = faulty.header("idempotency-key", one.name());
        let faulty = match &one.call.body {
            Some(body) => faulty.json(body),
            None => faulty,
        };
        let refused = world.send(faulty.bearer_auth(&one.program.key)).await;
        assert_eq!(
            refused.problem(422),
            "invalid_request",
            "{at}: {}",
            refused.text
        );
        assert_eq!(one.effect().await, BTreeMap::new(), "{at} refused");

        let first = one.send_as_operator().await;
        assert!(
            first.status.is_success() && !is_replayed(&first),
            "{at}: {}",
            first.text
        );
        let effect = one.effect().await;
        let again = one.send_as_operator().await;
        assert!(
            is_replayed(&again) && same(&first, &again),
            "{at}: {} {}",
            first.text,
            again.text
        );
        for secret in ["\"key\":", "\"secret\":", "whsec_"] {
            assert!(!again.text.contains(secret), "{at}: {}", again.text);
        }

        // Another body, or query, or path, or method.
        let mut other = one.call.clone();
        other.body = Some(json!({"nope": 1}));
        let elsewhere = if OUTSIDE.contains(&at) {
            "/v1/keys".to_owned()
        } else {
            one.program.path("/participants")
        };
        let differing = [
            other.request(&world, &one.program.key),
            world
                .request(one.call.method(), &format!("{}?x=1", one.call.path))
                .bearer_auth(&one.program.key),
            world
                .request(Method::POST, &elsewhere)
                .bearer_auth(&one.program.key)
                .json(&json!({"external_id": "x"})),
        ];
        for request in differing {
            let answer = world
                .send(request.header("idempotency-key", one.name()))
                .await;
            assert_eq!(
                answer.problem(422),
                "idempotency_key_reused",
                "{at}: {}",
                answer.text
            );
        }

        // Whoever else calls for the same tenant is answered the same; whoever may not is not.
        if !matches!(route.access, Access::Operator(_)) && !OUTSIDE.contains(&at) {
            let key = samples::key_of(&one.program, &samples::all_scopes()).await;
            let by_other = one.send(text(&key["key"])).await;
            assert!(
                is_replayed(&by_other) && same(&first, &by_other),
                "{at}: {}",
                by_other.text
            );
            let scope = route.access.scope().unwrap().as_str();
            let less: Vec<_> = samples::all_scopes()
                .into_iter()
                .filter(|own| *own != scope)
                .collect();
            let key = samples::key_of(&one.program, &less).await;
            assert_eq!(
                one.send(text(&key["key"])).await.problem(403),
                "missing_scope",
                "{at}"
            );
            cases += 2;
        }
        let effect_now = without_keys(one.effect().await);
        assert_eq!(
            effect_now,
            without_keys(effect.clone()),
            "{at} had a second effect"
        );

        // Another program's calls are its own.
        if !OUTSIDE.contains(&at) {
            let two = trial(&world, route).await;
            let request = two.call.request(&world, &two.program.key);
            let answer = world
                .send(request.header("idempotency-key", one.name()))
                .await;
            assert!(
                answer.status.is_success() && !is_replayed(&answer),
                "{at}: {}",
                answer.text
            );
            assert_eq!(
                without_keys(two.effect().await),
                without_keys(effect.clone()),
                "{at} in another program"
            );
            cases += 1;
        }

        // Twins: eight at once.
        let twins = trial(&world, route).await;
        let answers = join_all((0..8).map(|_| twins.send_as_operator())).await;
        let firsts = answers.iter().filter(|answer| !is_replayed(answer)).count();
        for answer in &answers {
            assert!(
                answer.status.is_success() && same(&answers[0], answer),
                "{at}: {} {}",
                answers[0].text,
                answer.text
            );
        }
        assert_eq!(firsts, 1, "{at}: {firsts} of eight twins were first");
        assert_eq!(
            without_keys(twins.effect().await),
            without_keys(effect),
            "{at} by twins"
        );
        cases += 8;
    }
    eprintln!("{routes} routes that write, {cases} cases");
    assert!(routes >= 30);
    world.bundle.shutdown().await;
}

/// Keys that the test itself makes are no effect of the call that is looked at.
fn without_keys(mut effect: BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    effect.retain(|what, _| !what.starts_with("audit ") && !what.starts_with("api_key "));
    effect
}

/// A world in which a call that never comes to an end is given up after a second.
pub(crate) async fn world_with(clock: Moved) -> World {
    World::with(|options| {
        options.variables.extend(samples::unlimited());
        options.clock = Arc::new(clock);
        let template = kith_local::template::EMBEDDED;
        let quick = ["Timeout: 6", "Timeout: 15", "Timeout: 29", "Timeout: 10"];
        let template = quick.iter().fold(template.to_owned(), |text, long| {
            text.replace(long, TIMEOUT)
        });
        options.template = Some(template);
    })
    .await
}

/// The function dies before its transaction is sent, or after and before it answers: neither or both
/// of effect and answer, and the repetition is right either way.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_neither_or_both() {
    let world = world_with(Moved::default()).await;
    // What each call does when nothing goes wrong.
    let mut whole = BTreeMap::new();
    for route in samples::writes() {
        let trial = trial(&world, route).await;
        assert!(trial.send_as_operator().await.status.is_success());
        whole.insert(route.id, trial.effect().await);
    }
    for fault in [Fault::TimeoutBefore, Fault::TimeoutAfter] {
        let mut trials = Vec::new();
        for route in samples::writes() {
            trials.push(trial(&world, route).await);
        }
        world.plan(move |operation| (operation == "TransactWriteItems").then_some(fault));
        let answers = join_all(trials.iter().map(Trial::send_as_operator)).await;
        world.heal();
        for (trial, answer) in trials.iter().zip(&answers) {
            let at = format!("{} {fault:?}: {}", trial.route().id, answer.text);
            assert!(answer.status.is_server_error(), "{at}");
            let effect = trial.effect().await;
            let retried = trial.send_as_operator().await;
            if fault == Fault::TimeoutBefore {
                let clicks = effect.keys().all(|what| what == "click new");
                assert!(effect.is_empty() || clicks, "{at}: {effect:?}");
                assert!(!is_replayed(&retried), "{at}");
            } else if trial.route().id != "advance_test_clock" {
                assert!(is_replayed(&retried), "{at}: {}", retried.text);
            }
            assert!(retried.status.is_success(), "{at}: {}", retried.text);
            assert_eq!(trial.effect().await, whole[trial.route().id], "{at}");
        }
    }
    world.bundle.shutdown().await;
}

/// After two days a key is free again; before, it is not, for as long as is promised.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_kept_for_a_day_and_free_after_two() {
    let clock = Moved::default();
    let world = world_with(clock.clone()).await;
    let mut trials = Vec::new();
    for route in samples::writes() {
        let trial = trial(&world, route).await;
        assert!(trial.send_as_operator().await.status.is_success());
        trials.push(trial);
    }
    clock.by_minutes(25 * 60);
    for trial in &trials {
        assert!(
            is_replayed(&trial.send_as_operator().await),
            "{}",
            trial.route().id
        );
    }
    clock.by_minutes(24 * 60);
    for trial in &trials {
        // Another call under the same key is no misuse any more: it is judged for itself.
        let mut other = trial.call.clone();
        other.body = Some(json!({"nope": 1}));
        let request = other.request(&world, &trial.program.key);
        let answer = world
            .send(request.header("idempotency-key", trial.name()))
            .await;
        assert!(
            !answer.text.contains("idempotency_key_reused"),
            "{}",
            trial.route().id
        );
        let answer = trial.send_as_operator().await;
        assert!(
            !is_replayed(&answer),
            "{}: {}",
            trial.route().id,
            answer.text
        );
    }
    world.bundle.shutdown().await;
}

/// A clock is advanced in many transactions, and `seconds` count from where it stands. With a key they
/// count from where it stood when the call was first made, whatever became of that; and an answer
/// that says there is more to do is repeated as it was.
#[tokio::test(flavor = "multi_thread")]
async fn seconds_of_a_test_clock_count_once() {
    let world = World::with(|options| {
        let template = kith_local::template::EMBEDDED;
        options.template = Some(template.replace("Timeout: 29", "Timeout: 8"));
    })
    .await;
    let rules = json!({"hold_days": 2, "surveys": []});
    let program = world.program(rules).await;
    let ann = program.referrer("ann").await;
    let order = json!({"codes": [ann["code"]]});
    program.convert("order-1", order).await.expect(201);
    world.settle().await;
    let advance = async |key: &str, body: &serde_json::Value| {
        let request = world.request(Method::POST, &program.path("/test-clock/advance"));
        let request = request.bearer_auth(&program.key).json(body);
        world.send(request.header("idempotency-key", key)).await
    };
    let day = 86_400;
    let until =
        |answer: &serde_json::Value| -> jiff::Timestamp { text(&answer["until"]).parse().unwrap() };

    // Somebody dies after the first steps.
    let start = jiff::Timestamp::now();
    let ten = json!({"seconds": 10 * day});
    let passed = std::sync::atomic::AtomicUsize::new(0);
    let count = std::sync::atomic::Ordering::SeqCst;
    world.plan(move |operation| {
        let writes = operation == "TransactWriteItems";
        (writes && passed.fetch_add(1, count) >= 3).then_some(Fault::TimeoutBefore)
    });
    let died = advance("one", &ten).await;
    assert!(died.status.is_server_error(), "{}", died.text);
    world.heal();
    let now = program
        .post("/test-clock/advance", json!({"seconds": 1}))
        .await;
    let moved = until(&now.expect(200)).duration_since(start);
    assert!(moved.as_hours() >= 47, "no step was made: {moved}");
    let again = advance("one", &ten).await.expect(200);
    assert_eq!(again["settled"], true);
    let ahead = until(&again).duration_since(start);
    assert!((240..=241).contains(&ahead.as_hours()), "{ahead}");

    // Somebody is never done.
    let order = json!({"codes": [ann["code"]]});
    program.convert("order-2", order).await.expect(201);
    world.settle().await;
    world.bundle.pause(Some("reward-disbursement"));
    let early = advance("two", &ten).await.expect(200);
    assert_eq!(early["settled"], false, "{early}");
    world.bundle.resume(Some("reward-disbursement"));
    let replayed = advance("two", &ten).await;
    assert!(is_replayed(&replayed), "{}", replayed.text);
    assert_eq!(replayed.expect(200), early);
    let rest = json!({"until": early["until"]});
    let rest = advance("three", &rest).await.expect(200);
    assert_eq!(
        (&rest["settled"], &rest["until"]),
        (&json!(true), &early["until"])
    );
    world.bundle.shutdown().await;
}
