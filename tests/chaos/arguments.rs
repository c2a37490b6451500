//! The command line.

use std::ffi::OsString;

use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::sabotage::Sabotage;

const HELP: &str = "\
Seeded histories of the whole bundle on a cloud that misbehaves.

  --seed N         the first history (0)
  --histories N    how many (1000); for bugs, in how many each has to be found
  --bugs           put bugs in, and tell how long it takes to find each
  --bug NAME       this one only
  --trace          run one history, and print what happens in it";

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// What the tests do.
    Test,
    /// Somebody asks for other tests.
    Nothing,
    /// Histories, one after the other.
    Histories,
    /// Bugs that are put in.
    Bugs,
    /// One of them.
    Bug(Sabotage),
    /// One history, told.
    Trace,
}

/// What the command line asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments {
    pub(crate) task: Task,
    pub(crate) seed: u64,
    pub(crate) histories: u64,
}

impl Arguments {
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut read = Self {
            task: Task::Test,
            seed: 0,
            histories: 1_000,
        };
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(told)? {
            match argument {
                Long("seed") => {
                    read.seed = number(&mut parser)?;
                    read.ask(Task::Histories);
                }
                Long("histories") => {
                    read.histories = number(&mut parser)?;
                    read.ask(Task::Histories);
                }
                Long("bugs") => read.task = Task::Bugs,
                Long("bug") => read.task = Task::Bug(bug(&mut parser)?),
                Long("trace") => read.task = Task::Trace,
                // What `cargo test` hands to every test program.
                Long("nocapture" | "quiet" | "exact" | "include-ignored" | "show-output")
                | Short('q') => {}
                Long("test-threads" | "skip" | "format" | "color") => {
                    parser.value().map_err(told)?;
                }
                Long("list") => {
                    println!("chaos: test");
                    read.task = Task::Nothing;
                }
                Value(name) if "chaos".contains(&*name.to_string_lossy()) => {}
                Value(_) => read.task = Task::Nothing,
                Long(_) | Short(_) => return Err(HELP.to_owned()),
            }
        }
        Ok(read)
    }

    fn ask(&mut self, task: Task) {
        if self.task == Task::Test {
            self.task = task;
        }
    }
}

fn number(parser: &mut Parser) -> Result<u64, String> {
    parser.value().and_then(|value| value.parse()).map_err(told)
}

fn bug(parser: &mut Parser) -> Result<Sabotage, String> {
    let name = parser.value().and_then(ValueExt::string).map_err(told)?;
    let found = Sabotage::ALL.iter().find(|bug| bug.to_string() == name);
    found.copied().ok_or(format!("{name} is no bug"))
}

fn told(error: lexopt::Error) -> String {
    format!("{error}\n\n{HELP}")
}
