//! A history from its seed: people act while things fail, then nothing fails any more, everything comes
//! to rest, and the books are looked at.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use crate::audit;
use crate::cloud::Cloud;
use crate::dice::Dice;
use crate::fault::Tally;
use crate::people::People;
use crate::sabotage::Sabotage;

/// Turns of a history, until nothing new begins.
const TURNS_MAX: usize = 4_000;
/// Sweeps until nothing is left that is due.
const SWEEPS_MAX: usize = 120;
/// What is due within so long of the next thing is swept with it.
const SWEPT_TOGETHER: SignedDuration = SignedDuration::from_hours(1);
/// Advances of a test clock until one settles.
const ADVANCES_MAX: usize = 6;
/// How far ahead a live program's work is waited for at the end.
const HORIZON_DAYS: i64 = 60;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Decides everything.
    pub(crate) seed: u64,
    /// After so many turns nothing new begins and nothing fails.
    pub(crate) turns: usize,
    /// A bug that was put in.
    pub(crate) sabotage: Option<Sabotage>,
    /// Whether to keep what happened as lines.
    pub(crate) keeps_trace: bool,
}

impl Plan {
    /// A whole history.
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            seed,
            turns: TURNS_MAX,
            sabotage: None,
            keeps_trace: false,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// What must not be.
    pub(crate) findings: Vec<String>,
    /// What went wrong on purpose.
    pub(crate) tally: Tally,
    /// Turns until everything rested.
    pub(crate) turns: usize,
    /// Turns until people had done what they had to do.
    pub(crate) busy: usize,
    /// What happened, as a number.
    pub(crate) trace: u64,
    /// The same as lines.
    pub(crate) lines: Vec<String>,
    /// Conversions and rewards that there are at the end.
    pub(crate) facts: audit::Facts,
}

/// Runs a history on this thread.
pub(crate) fn run(plan: Plan) -> Outcome {
    // What the SDK draws for its pauses.
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(history(plan))
}

async fn history(plan: Plan) -> Outcome {
    let mut dice = Dice::new(plan.seed);
    let cloud = Cloud::new(dice.split(), plan.keeps_trace);
    let people = {
        let (settling, dice) = (cloud.clone(), dice.split());
        let settling = async move { People::settle_in(&settling, dice).await };
        cloud.finish(settling).await
    };
    cloud.rest().await;
    cloud.fail();
    // What is set up before things fail is set up well.
    cloud.gate().put_in(plan.sabotage);
    let begun_at = cloud.turns();
    act(&cloud, &people, &mut dice, begun_at + plan.turns).await;
    let busy = cloud.turns() - begun_at;
    settle(&cloud, &people).await;
    let (findings, facts) = audit::audit(&cloud, &people);
    let (trace, lines) = cloud.trace();
    Outcome {
        findings: cloud
            .gate()
            .findings()
            .into_iter()
            .chain(findings)
            .collect(),
        tally: cloud.gate().tally(),
        turns: cloud.turns(),
        busy,
        trace,
        lines,
        facts,
    }
}

/// People act, a few at a time, until they have done what they had to do and all of it rests, or the
/// turns are over.
async fn act(cloud: &Cloud, people: &People, dice: &mut Dice, until: usize) {
    let (actions, at_once) = (6 + dice.roll(12), 1 + dice.roll(5));
    // Whoever waits meets what has come of what was done before; whoever does not, what is coming of it.
    let begins_once_in = [4, 20, 100][dice.roll(3)];
    let mut acting = JoinSet::new();
    let mut begun = 0;
    // When the days of a live program go by.
    let mut passes = None;
    // How often what is due later still comes while things fail.
    let mut later = if dice.once_in(2) { 1 + dice.roll(3) } else { 0 };
    while cloud.turns() < until {
        while let Some(ended) = acting.try_join_next() {
            ended.unwrap();
        }
        if begun == actions && acting.is_empty() && passes.is_none() && cloud.is_quiet() {
            if later == 0 {
                return;
            }
            later -= 1;
            if people.book().is_live {
                passes = cloud.next_due(true).map(|at| wait_for(cloud, at));
            } else {
                let (people, mut dice) = (people.clone(), dice.split());
                acting.spawn(async move { people.turn_the_clock(&mut dice).await });
            }
        }
        if passes.is_none() && people.book().is_live && dice.once_in(150) {
            passes = Some(Duration::from_secs(3_600 * (1 + dice.next() % 200)));
        }
        if let Some(time) = passes
            && acting.is_empty()
            && cloud.gate().running() == 0
        {
            tokio::time::advance(time).await;
            cloud.schedule();
            passes = None;
        }
        if begun < actions
            && passes.is_none()
            && acting.len() < at_once
            && dice.once_in(begins_once_in)
        {
            begun += 1;
            acting.spawn(people.clone().act(begun, dice.split()));
        }
        if cloud.gate().take_mailed() && dice.once_in(4) {
            // Some read their mail before the provider has told that it took it.
            let (people, mut dice) = (people.clone(), dice.split());
            acting.spawn(async move { people.answer(&mut dice).await });
        }
        cloud.turn().await;
    }
    cloud.calm();
    while !acting.is_empty() {
        while let Some(ended) = acting.try_join_next() {
            ended.unwrap();
        }
        cloud.turn().await;
    }
}

/// Nothing fails any more, and time goes by until nothing is left that has a time: real time, and a test
/// program's own.
async fn settle(cloud: &Cloud, people: &People) {
    cloud.calm();
    cloud.rest().await;
    let owner = people.clone();
    cloud.finish(async move { owner.enable().await }).await;
    sweep(cloud, people).await;
    if people.book().is_live {
        return;
    }
    for _ in 0..ADVANCES_MAX {
        let moved = people.clone();
        let moved = cloud.finish(async move { moved.advance(30).await }).await;
        cloud.rest().await;
        sweep(cloud, people).await;
        if moved["settled"] == true {
            return;
        }
    }
    cloud.gate().find("a test clock never settles".to_owned());
}

/// How long it is until so much is due that a sweep is worth it.
fn wait_for(cloud: &Cloud, at: Timestamp) -> Duration {
    let wait = at.duration_since(cloud.now()) + SWEPT_TOGETHER;
    Duration::try_from(wait).unwrap_or_default()
}

/// Lets time go by until nothing is left. What was tried in vain while things failed is parked: whoever runs
/// the bundle has it tried again, once.
async fn sweep(cloud: &Cloud, people: &People) {
    sweep_due(cloud, people).await;
    let operator = people.clone();
    let retried = async move { operator.retry_parked().await };
    if cloud.finish(retried).await > 0 {
        sweep_due(cloud, people).await;
    }
}

/// Lets time go by from one thing that is due to the next.
async fn sweep_due(cloud: &Cloud, people: &People) {
    let horizon = cloud.now() + SignedDuration::from_hours(24 * HORIZON_DAYS);
    for _ in 0..SWEEPS_MAX {
        let Some(at) = cloud
            .next_due(people.book().is_live)
            .filter(|at| *at < horizon)
        else {
            return;
        };
        tokio::time::advance(wait_for(cloud, at)).await;
        cloud.schedule();
        cloud.rest().await;
    }
    cloud
        .gate()
        .find("there is always something left that is due".to_owned());
}
