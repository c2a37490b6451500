//! The workers when things go wrong: lost messages, mail that is late, refused or in doubt.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kith_edge::Clock;
use kith_local::Duplicates;
use kith_local::mail::MailFault;
use serde_json::{Value, json};

use crate::world::{Program, World};

/// Real time, moved.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moved(Arc<AtomicI64>);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

impl Moved {
    pub(crate) fn by_minutes(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60, Ordering::SeqCst);
    }
}

pub(crate) async fn world() -> (World, Moved) {
    let clock = Moved::default();
    let moved = clock.clone();
    let world = World::with(|options| {
        options.clock = Arc::new(moved);
        options.duplicates = Duplicates::AtOnce;
    })
    .await;
    (world, clock)
}

/// One live referral with a discount for the friend and cash for Ann.
async fn convert(program: &Program<'_>) -> Value {
    let ann = program.referrer("ann").await;
    program
        .convert("order-1", json!({"codes": [ann["code"]]}))
        .await
        .expect(201);
    ann
}

async fn due_work(world: &World) {
    world.bundle.run_schedules().await;
    world.settle().await;
}

async fn mails(world: &World) -> usize {
    world.bundle.mails().list(100).unwrap().len()
}

async fn operations(world: &World) -> Value {
    world
        .get(&world.live_key(), "/v1/operations")
        .await
        .expect(200)
}

/// Waits until a check holds. For worlds in which something is held back, so that it never settles.
pub(crate) async fn until<A: Future<Output = bool>>(what: &str, check: impl Fn() -> A) {
    for _ in 0..500 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come");
}

/// The stream is never read: every message is lost. The due index finds all of it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_every_message_was_lost_for_is_found_again() {
    let (world, clock) = world().await;
    world.bundle.pause(Some("event-relay"));
    let program = world.program_of(&world.live_key(), json!({})).await;
    let ann = convert(&program).await;
    world.bundle.run_schedules().await;
    let approved = ["friend-10 referee approved", "thank-you referrer approved"];
    assert_eq!(program.rewards().await, approved);
    // The rewards first; what they lead to five minutes later: mails and a survey.
    clock.by_minutes(6);
    world.bundle.run_schedules().await;
    let issued = ["friend-10 referee issued", "thank-you referrer issued"];
    until("the rewards", || async {
        program.rewards().await == issued
    })
    .await;
    assert_eq!(mails(&world).await, 0);
    clock.by_minutes(6);
    world.bundle.run_schedules().await;
    until("the mails", || async { mails(&world).await == 3 }).await;
    assert_eq!(program.balance(&ann, "EUR").await["available"], 500);
    world.bundle.shutdown().await;
}

/// A provider that is busy is asked again later, without burning the queue's patience; every mail
/// leaves once.
#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_for_a_busy_provider() {
    let (world, clock) = world().await;
    world.bundle.mails().set_fault(MailFault::Throttle);
    let program = world.program_of(&world.live_key(), json!({})).await;
    convert(&program).await;
    world.settle().await;
    assert_eq!(mails(&world).await, 0);
    let depths = world.bundle.depths().unwrap();
    assert!(
        depths.values().all(|depth| depth.visible == 0),
        "{depths:?}"
    );
    world.bundle.mails().set_fault(MailFault::None);
    for _ in 0..3 {
        clock.by_minutes(30);
        due_work(&world).await;
    }
    assert_eq!(mails(&world).await, 3);
    clock.by_minutes(24 * 60);
    due_work(&world).await;
    assert_eq!(mails(&world).await, 3);
    world.bundle.shutdown().await;
}

/// After eight tries it is parked and shown; retried by hand it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn work_that_never_succeeds_is_parked_and_retried_by_hand() {
    let (world, clock) = world().await;
    world.bundle.mails().set_fault(MailFault::Throttle);
    let program = world
        .program_of(&world.live_key(), json!({"surveys": []}))
        .await;
    convert(&program).await;
    world.settle().await;
    for _ in 0..14 {
        clock.by_minutes(12 * 60);
        due_work(&world).await;
    }
    let parked = operations(&world).await;
    let parked = parked["parked"].as_array().unwrap();
    assert_eq!(parked.len(), 2, "{parked:?}");
    world.bundle.mails().set_fault(MailFault::None);
    for entry in parked {
        assert_eq!(
            (&entry["kind"], &entry["program_id"]),
            (&json!("mail"), &json!(program.id))
        );
        let path = format!(
            "/v1/operations/parked/{}/retry",
            entry["id"].as_str().unwrap()
        );
        world
            .post(&world.live_key(), &path, json!({}))
            .await
            .expect(200);
    }
    due_work(&world).await;
    assert_eq!(mails(&world).await, 2);
    assert_eq!(operations(&world).await["parked"], json!([]));
    world.bundle.shutdown().await;
}

/// An ambiguous end is never sent again: better no mail than two.
#[tokio::test(flavor = "multi_thread")]
async fn mail_in_doubt_is_never_sent_again() {
    for (fault, left) in [
        (MailFault::TimeOut, 0),
        (MailFault::TimeOutAfterSending, 3),
        (MailFault::Reject, 0),
    ] {
        let (world, clock) = world().await;
        world.bundle.mails().set_fault(fault);
        let program = world.program_of(&world.live_key(), json!({})).await;
        convert(&program).await;
        world.settle().await;
        world.bundle.mails().set_fault(MailFault::None);
        for _ in 0..4 {
            clock.by_minutes(60);
            due_work(&world).await;
        }
        assert_eq!(mails(&world).await, left, "{fault:?}");
        let state = if fault == MailFault::Reject {
            "failed"
        } else {
            "unknown"
        };
        let surveys = program
            .get(&format!("/surveys?state={state}"))
            .await
            .expect(200);
        assert_eq!(
            surveys["data"].as_array().unwrap().len(),
            1,
            "{fault:?} {surveys}"
        );
        world.bundle.shutdown().await;
    }
}
