//! Every target over its corpus, and over inputs that are made of it by chance.
//!
//! A failure prints the target, the seed and the input. `KITH_INPUTS` says how many are made for each target and
//! `KITH_SEED` with which seed to begin, so that one input is made again by `KITH_SEED=… KITH_INPUTS=1`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops on the first surprise"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use kith_hostile::{Random, TARGETS, Target, mutate, of_file};

/// Inputs that are made for each target unless somebody asks for more.
const INPUTS: u64 = 5_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number")),
    )
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let read = |file: &_| of_file(&fs::read(file).unwrap()).to_vec();
    files.iter().map(read).collect()
}

fn hold(name: &str, target: Target, seed: Option<u64>, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        let seed = seed.map_or_else(
            || "its corpus".to_owned(),
            |seed| format!("KITH_SEED={seed}"),
        );
        eprintln!("{name} does not hold, {seed}: {}", input.escape_ascii());
        resume_unwind(panic);
    }
}

fn replay(name: &str) {
    let (_, target) = TARGETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    if number("KITH_SEED").is_none() {
        corpus
            .iter()
            .for_each(|input| hold(name, target, None, input));
    }
    let first = number("KITH_SEED").unwrap_or_default();
    let seeds = first..first.saturating_add(number("KITH_INPUTS").unwrap_or(INPUTS));
    for seed in seeds {
        let mut random = Random::new(seed);
        let input = corpus.get(random.below(corpus.len())).unwrap();
        hold(name, target, Some(seed), &mutate(input, &mut random));
    }
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        /// Whoever adds a target adds it here.
        #[test]
        fn every_target_is_replayed() {
            let known = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|(name, _)| name).as_slice(), known.as_slice());
        }
    };
}

replayed! { tokens cursors codes bodies incentives user_agents queries orders requests receivers }
