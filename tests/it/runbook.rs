//! The steps of the runbook in docs/OPERATIONS.md that can be taken on one machine: each is true, and so is what it warns of.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kith_local::mail::MailFault;
use kith_local::{Duplicates, Place};
use kith_store::faults::Fault;
use kith_store::item::Item;
use serde_json::{Value, json};

use crate::workers::Moved;
use crate::world::{Program, World, click_token, text};

const ISSUED: [&str; 2] = ["friend-10 referee issued", "thank-you referrer issued"];

/// A bundle that keeps its data in a folder.
async fn kept(folder: &Path, clock: &Moved, signing: &str) -> World {
    World::with(|options| {
        options.place = Place::Folder(folder.to_owned());
        options.clock = Arc::new(clock.clone());
        options.duplicates = Duplicates::AtOnce;
        let signing = ("KITH_TOKEN_KEYS".to_owned(), signing.to_owned());
        options.variables.extend([signing]);
    })
    .await
}

fn secret(id: u8) -> String {
    format!("{id}:{}", char::from(b'a' + id).to_string().repeat(32))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The same program, seen from another bundle.
fn seen_from<'a>(world: &'a World, program: &Program<'_>) -> Program<'a> {
    Program {
        world,
        key: program.key.clone(),
        id: program.id.clone(),
    }
}

async fn bought(program: &Program<'_>, order: &str, ann: &Value) -> Value {
    program
        .convert(order, json!({"codes": [ann["code"]]}))
        .await
        .expect(201)
}

async fn due_work(world: &World) {
    world.bundle.run_schedules().await;
    world.settle().await;
}

fn mails(world: &World) -> usize {
    world.bundle.mails().list(100).unwrap().len()
}

fn depth(world: &World, queue: &str) -> (String, usize) {
    let depths = world.bundle.depths().unwrap();
    let found = depths.into_iter().find(|(name, _)| name.contains(queue));
    let (name, depth) = found.unwrap_or_else(|| panic!("there is no queue {queue}"));
    (name, usize::try_from(depth.visible).unwrap())
}

/// A message that failed five times lies among the dead letters, and is not the only trace of its work: emptied, the work is
/// found in the due index; redriven, it is done at once; and done twice it is done once.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_may_be_emptied_or_redriven() {
    for redrive in [false, true] {
        let clock = Moved::default();
        let moved = clock.clone();
        let world = World::with(|options| options.clock = Arc::new(moved)).await;
        let change = json!({"surveys": []});
        let program = world.program_of(&world.live_key(), change).await;
        let ann = program.referrer("ann").await;
        world.bundle.pause(Some("reward-disbursement"));
        bought(&program, "order-1", &ann).await;
        world.plan(|operation| (operation == "BatchGetItem").then_some(Fault::TimeoutBefore));
        world.bundle.resume(Some("reward-disbursement"));
        for _ in 0..200 {
            if depth(&world, "RewardsDeadLetters").1 == 2 {
                break;
            }
            world.bundle.retry_now().unwrap();
            clock.by_minutes(5);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (dead, number) = depth(&world, "RewardsDeadLetters");
        assert_eq!(number, 2, "{:?}", world.bundle.depths());
        world.heal();
        let queues = world.bundle.queues();
        let messages = queues.peek(&dead).unwrap();
        queues.purge(&dead).unwrap();
        if redrive {
            let (queue, _) = depth(&world, "RewardsQueue");
            for message in messages.iter().chain(&messages) {
                queues.send(&queue, message, Duration::ZERO).unwrap();
            }
            world.settle().await;
            assert_eq!(program.rewards().await, ISSUED);
        }
        clock.by_minutes(24 * 60);
        due_work(&world).await;
        assert_eq!(program.rewards().await, ISSUED);
        assert_eq!(program.balance(&ann, "EUR").await["available"], 500);
        assert_eq!(depth(&world, "RewardsDeadLetters").1, 0);
        world.bundle.shutdown().await;
    }
}

/// Links that were printed, tokens in cookies and cursors in scripts stay good through one rotation, and not through two.
#[tokio::test(flavor = "multi_thread")]
async fn a_signing_key_is_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Moved::default();
    let (first, second, third) = (secret(1), secret(2), secret(3));
    let world = kept(folder.path(), &clock, &first).await;
    let program = world.program_of(&world.live_key(), json!({})).await;
    let ann = program.referrer("ann").await;
    program.referrer("bob").await;
    let old = click_token(&world.visit(&program.link(&ann)).await);
    let page = program.get("/participants?limit=1").await.expect(200);
    let next = format!(
        "/participants?limit=1&cursor={}",
        text(&page["next_cursor"])
    );
    let (id, key) = (program.id.clone(), program.key.clone());
    world.bundle.shutdown().await;

    let attributed = async |program: &Program<'_>, order: &str, token: &str| {
        let body = json!({"click_tokens": [token]});
        let made = program.convert(order, body).await.expect(201);
        made["attribution"]["referrer_id"] == ann["id"]
    };
    let world = kept(folder.path(), &clock, &format!("{second},{first}")).await;
    let program = Program {
        world: &world,
        key: key.clone(),
        id: id.clone(),
    };
    assert!(attributed(&program, "order-1", &old).await);
    program.get(&next).await.expect(200);
    let new = click_token(&world.visit(&program.link(&ann)).await);
    world.bundle.shutdown().await;

    let world = kept(folder.path(), &clock, &format!("{third},{second}")).await;
    let program = Program {
        world: &world,
        key,
        id,
    };
    assert!(attributed(&program, "order-2", &new).await);
    assert!(!attributed(&program, "order-3", &old).await);
    program.get(&next).await.problem(422);
    world.bundle.shutdown().await;
}

/// Keys of the mails and surveys that are due: what a restored table would send.
async fn unsent(world: &World) -> Vec<Item> {
    let mut found = Vec::new();
    for shard in 0..16 {
        let page = world.bundle.dynamodb().query();
        let page = page
            .table_name(world.bundle.table().name())
            .index_name("due");
        let page = page.key_condition_expression("due_pk = :pk");
        let pk = AttributeValue::S(format!("DUE#{shard:02}"));
        let page = page.expression_attribute_values(":pk", pk).send().await;
        found.extend(page.unwrap().items.unwrap_or_default());
    }
    let is_mail = |item: &Item| {
        let pk = item["pk"].as_s().unwrap();
        pk.contains("#MAIL#") || pk.contains("#SURVEY#")
    };
    found.retain(is_mail);
    for item in &mut found {
        item.retain(|name, _| name == "pk" || name == "sk");
    }
    found
}

/// A table that is restored to an earlier instant forgets what came after, and does again what it does not know was done: what
/// the runbook says to carry over is what keeps mails from being sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_table_does_again_what_it_does_not_know_was_done() {
    let folders = tempfile::tempdir().unwrap();
    let [old, careless, careful] =
        ["old", "careless", "careful"].map(|name| folders.path().join(name));
    let (clock, signing) = (Moved::default(), secret(1));
    let world = kept(&old, &clock, &signing).await;
    let program = world.program_of(&world.live_key(), json!({})).await;
    let ann = program.referrer("ann").await;
    let made = json!({"name": "shop", "program_id": program.id, "scopes": ["rewards:read"]});
    let made = world.post(&program.key, "/v1/keys", made).await.expect(201);
    // At the instant that is restored mails are waiting to be sent.
    world.bundle.mails().set_fault(MailFault::Throttle);
    bought(&program, "order-1", &ann).await;
    world.settle().await;
    let (id, key) = (program.id.clone(), program.key.clone());
    world.bundle.shutdown().await;
    for to in [&careless, &careful] {
        copy(&old, to);
    }

    // After it they are sent, a key is revoked, an order comes in.
    let world = kept(&old, &clock, &signing).await;
    let program = Program {
        world: &world,
        key,
        id,
    };
    for _ in 0..3 {
        clock.by_minutes(30);
        due_work(&world).await;
    }
    assert_eq!(mails(&world), 3);
    let path = format!("/v1/keys/{}", text(&made["id"]));
    let revoke = world.request(reqwest::Method::DELETE, &path);
    assert_eq!(
        world.send(revoke.bearer_auth(&program.key)).await.status,
        204
    );
    bought(&program, "order-2", &ann).await;
    world.settle().await;

    for (folder, carry_over) in [(&careless, false), (&careful, true)] {
        let restored = kept(folder, &clock, &signing).await;
        let same = seen_from(&restored, &program);
        let before = mails(&restored);
        if carry_over {
            let due = unsent(&restored).await;
            assert_eq!(due.len(), 3, "{due:?}");
            for key in due {
                let (from, to) = (world.bundle.dynamodb(), restored.bundle.dynamodb());
                let known = from.get_item().table_name(world.bundle.table().name());
                let known = known.set_key(Some(key)).send().await.unwrap().item.unwrap();
                let put = to.put_item().table_name(restored.bundle.table().name());
                put.set_item(Some(known)).send().await.unwrap();
            }
        }
        for _ in 0..3 {
            clock.by_minutes(30);
            due_work(&restored).await;
        }
        let again = if carry_over { 0 } else { 3 };
        assert_eq!(
            mails(&restored) - before,
            again,
            "carried over: {carry_over}"
        );
        // The order is unknown, and may be reported again; the key is good again.
        let lost = same
            .get("/conversions?event=purchase&external_id=order-2")
            .await;
        assert_eq!(lost.expect(200)["data"], json!([]));
        bought(&same, "order-2", &ann).await;
        let path = same.path("/rewards");
        restored.get(text(&made["key"]), &path).await.expect(200);
        restored.bundle.shutdown().await;
    }
    world.bundle.shutdown().await;
}
