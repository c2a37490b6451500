//! `GET P/events` for somebody who goes on behind the last answer: everything, each once.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kith_domain::fact::{Fact, FactKind};
use kith_domain::mode::Mode;
use kith_store::{Commit, ProgramScope, Store};
use serde_json::{Value, json};

use crate::world::{Program, World, text};

/// Somebody who reads on and on.
struct Reader<'a> {
    program: &'a Program<'a>,
    /// What stands before the cursor in the query.
    query: &'static str,
    cursor: Option<String>,
}

impl Reader<'_> {
    async fn page(&mut self) -> Vec<Value> {
        let after = match &self.cursor {
            Some(cursor) => format!("&after={cursor}"),
            None => String::new(),
        };
        let path = format!("/events?{}{after}", self.query);
        let page = self.program.get(&path).await.expect(200);
        self.cursor = Some(text(&page["next_cursor"]).to_owned());
        page["data"].as_array().unwrap().clone()
    }

    async fn ids(&mut self) -> Vec<String> {
        let page = self.page().await;
        page.iter()
            .map(|event| text(&event["id"]).to_owned())
            .collect()
    }

    async fn all(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let ids = self.ids().await;
            if ids.is_empty() {
                return all;
            }
            all.extend(ids);
        }
    }
}

/// How far the clock of the programs here is ahead, so that they are older than a commit can be.
const AHEAD: SignedDuration = SignedDuration::from_secs(300);

/// A program that has been there for a while.
async fn program(world: &World) -> Program<'_> {
    let program = world.program(json!({})).await;
    program.advance(AHEAD.as_secs()).await;
    program
}

/// Commits facts that were decided so long ago, as a function that was held up does.
async fn commit_late(program: &Program<'_>, ago: SignedDuration, seed: u16, facts: usize) {
    let environment = program.world.bundle.environment("program-api").unwrap();
    let table = &environment.variables["KITH_TABLE"];
    let store = Store::new(program.world.bundle.dynamodb(), table);
    let scope = ProgramScope {
        id: program.id.parse().unwrap(),
        mode: Mode::Test,
        shards: 1,
        surveyed: BTreeSet::new(),
        heard_of: None,
    };
    let now = Timestamp::now();
    let mut commit = Commit::new(
        &scope,
        now + AHEAD - ago,
        now,
        u128::from(seed).to_be_bytes(),
    );
    for _ in 0..facts {
        commit.fact(Fact::new(FactKind::ProgramUpdated));
    }
    store.commit(commit).await.unwrap();
}

/// A commit that was decided before others and is in the table after them is told to whoever has read
/// those already.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_overtaken_is_told() {
    let world = World::start().await;
    let program = program(&world).await;
    for name in ["ann", "bob", "cem"] {
        program.referrer(name).await;
    }
    for query in ["limit=100", "limit=1", "limit=2&type=program.updated"] {
        let mut reader = Reader {
            program: &program,
            query,
            cursor: None,
        };
        let first = reader.all().await;
        let mut told: BTreeSet<String> = first.iter().cloned().collect();
        assert_eq!(told.len(), first.len());
        assert_eq!(reader.ids().await, [""; 0]);
        let seed = u16::try_from(query.len()).unwrap();
        for (number, seconds) in (0..).zip([2, 59, 0, 30]) {
            let ago = SignedDuration::from_secs(seconds);
            commit_late(&program, ago, seed * 4 + number, 3).await;
            let late = reader.all().await;
            assert_eq!(late.len(), 3, "{query}: {seconds} s late");
            assert!(late.iter().all(|id| told.insert(id.clone())));
        }
        assert_eq!(reader.ids().await, [""; 0]);
    }
    world.bundle.shutdown().await;
}

/// As many as a bookmark can name are told at once; the rest when the first of them are settled.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_bookmark_names_are_told_as_they_settle() {
    let world = World::start().await;
    let program = program(&world).await;
    for seed in 0..257 {
        commit_late(&program, SignedDuration::ZERO, seed, 1).await;
    }
    let mut reader = Reader {
        program: &program,
        query: "limit=100",
        cursor: None,
    };
    // That the program was made is settled, and needs no name.
    let fresh = reader.all().await;
    assert_eq!(fresh.len(), 1 + 256);
    program.advance(61).await;
    let late = reader.all().await;
    assert_eq!(late.len(), 1);
    assert!(!fresh.contains(&late[0]));
    world.bundle.shutdown().await;
}

/// What somebody made up, or took from another list, is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_good_for_its_own_list_only() {
    let world = World::start().await;
    let program = world.program(json!({})).await;
    let mut reader = Reader {
        program: &program,
        query: "limit=1",
        cursor: None,
    };
    reader.page().await;
    let cursor = reader.cursor.unwrap();
    for path in [
        format!("/events?type=program.updated&after={cursor}"),
        format!("/events?after={cursor}0"),
        format!("/events?after={}", "a".repeat(6_000)),
    ] {
        let refused = program.get(&path).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/query/after", "{path}");
    }
    world.bundle.shutdown().await;
}
