//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use kith_connectors::{Destination, Reach};
use kith_domain::id::ProgramId;
use kith_edge::config::OriginError;
use lexopt::Parser;
use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::listen::Listen;

/// What `--help` prints.
pub const HELP: &str = "\
Kith on one machine: the whole bundle in one process.

Usage: cargo run -- [options]

  --port N       listen on this port of the loopback address (8787; 0 takes a free one)
  --data DIR     keep the data in this folder (.kith)
  --ephemeral    keep the data in memory; it ends with the process
  --demo         make a program and walk a referral through it
  --verbose      show the functions' own log lines (level: RUST_LOG)
  --help         print this

Environment: KITH_OPERATOR_KEY and KITH_TEST_OPERATOR_KEY are taken if set, else made and kept.

Usage: cargo run -- listen --program PROGRAM --forward-to URL [--kith URL]

  Posts the events of a test program to a server on this machine, as a webhook would, from now on.

  --program ID       whose events
  --forward-to URL   where they go, such as http://localhost:3000/kith
  --kith URL         where Kith answers (http://127.0.0.1:8787)

Environment: KITH_KEY, a key with the scope events:read. KITH_WEBHOOK_SECRET (whsec_...) signs if set, else
one is made and printed.
";

/// Where the bundle answers unless told otherwise.
const HERE: &str = "http://127.0.0.1:8787";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// To be told what it understands.
    Help,
    /// The whole bundle.
    Run(Run),
    /// The events of a program, elsewhere.
    Listen(Listen),
}

/// How the bundle is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The port to listen on.
    pub port: u16,
    /// The data folder; `None` for memory.
    pub data: Option<PathBuf>,
    /// Whether to walk a referral through.
    pub demo: bool,
    /// Whether to show log lines.
    pub verbose: bool,
}

impl Command {
    /// Reads arguments, the program's name not among them.
    ///
    /// # Errors
    /// A sentence about the first argument that is not understood.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter().peekable();
        if arguments.next_if(|first| first == "listen").is_some() {
            return listen(Parser::from_args(arguments));
        }
        run(Parser::from_args(arguments))
    }
}

fn run(mut parser: Parser) -> Result<Command, String> {
    let mut run = Run {
        port: 8787,
        data: None,
        demo: false,
        verbose: false,
    };
    let mut ephemeral = false;
    while let Some(argument) = parser.next().map_err(told)? {
        match argument {
            Long("port") => {
                let value = parser.value().map_err(told)?;
                run.port = value
                    .parse()
                    .map_err(|_| "--port takes a number from 0 to 65535".to_owned())?;
            }
            Long("data") => run.data = Some(parser.value().map_err(told)?.into()),
            Long("ephemeral") => ephemeral = true,
            Long("demo") => run.demo = true,
            Long("verbose") => run.verbose = true,
            Long("help") | Short('h') => return Ok(Command::Help),
            other @ (Short(_) | Long(_) | Value(_)) => return Err(told(other.unexpected())),
        }
    }
    match (&run.data, ephemeral) {
        (Some(_), true) => {
            return Err("--data and --ephemeral exclude each other".to_owned());
        }
        (None, false) => run.data = Some(PathBuf::from(".kith")),
        (Some(_), false) | (None, true) => {}
    }
    Ok(Command::Run(run))
}

fn listen(mut parser: Parser) -> Result<Command, String> {
    let (mut program, mut forward_to) = (None, None);
    let mut kith = HERE.to_owned();
    while let Some(argument) = parser.next().map_err(told)? {
        match argument {
            Long("program") => {
                let value = parser.value().and_then(ValueExt::string).map_err(told)?;
                let read = value.parse::<ProgramId>();
                program = Some(read.map_err(|_| "--program takes an id, prg_...".to_owned())?);
            }
            Long("forward-to") => {
                let value = parser.value().and_then(ValueExt::string).map_err(told)?;
                let read = Destination::parse(&value, Reach::LocalToo);
                forward_to = Some(read.map_err(|error| format!("--forward-to {error}"))?);
            }
            Long("kith") => {
                let value = parser.value().and_then(ValueExt::string).map_err(told)?;
                kith = value;
            }
            Long("help") | Short('h') => return Ok(Command::Help),
            other @ (Short(_) | Long(_) | Value(_)) => return Err(told(other.unexpected())),
        }
    }
    let (Some(program), Some(forward_to)) = (program, forward_to) else {
        return Err("listen needs --program and --forward-to".to_owned());
    };
    let kith = kith
        .parse()
        .map_err(|error: OriginError| format!("--kith {error}"))?;
    Ok(Command::Listen(Listen {
        kith,
        program,
        forward_to,
    }))
}

fn told(error: lexopt::Error) -> String {
    format!("{error}; --help tells what is understood")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn read(arguments: &[&str]) -> Result<Command, String> {
        Command::read(arguments.iter().map(OsString::from))
    }

    fn run(arguments: &[&str]) -> Option<Run> {
        match read(arguments).unwrap() {
            Command::Run(run) => Some(run),
            Command::Help | Command::Listen(_) => None,
        }
    }

    #[test]
    fn arguments_are_read() {
        let asked = run(&[]).unwrap();
        assert_eq!(asked.port, 8787);
        assert_eq!(asked.data, Some(PathBuf::from(".kith")));
        let asked = run(&["--port", "0", "--ephemeral", "--demo"]).unwrap();
        assert_eq!((asked.port, asked.data, asked.demo), (0, None, true));
        let asked = run(&["--data=x"]).unwrap();
        assert_eq!(asked.data, Some(PathBuf::from("x")));
        assert_eq!(read(&["--help"]).unwrap(), Command::Help);
    }

    #[test]
    fn listen_is_told_what_goes_where() {
        let program = ProgramId::floor_of(jiff::Timestamp::UNIX_EPOCH).to_string();
        let to = "http://localhost:3000/kith";
        let asked = ["listen", "--program", &program, "--forward-to", to];
        let expected = Listen {
            kith: HERE.parse().unwrap(),
            program: program.parse().unwrap(),
            forward_to: Destination::parse(to, Reach::LocalToo).unwrap(),
        };
        assert_eq!(read(&asked).unwrap(), Command::Listen(expected));
        for (asked, why) in [
            (vec!["listen"], "needs --program"),
            (vec!["listen", "--program", "x"], "prg_"),
            (
                vec!["listen", "--forward-to", "http://10.0.0.1/"],
                "--forward-to must",
            ),
            ([&asked[..], &["--kith", "nowhere"]].concat(), "--kith must"),
            (vec!["listen", "--port", "1"], "--port"),
            (vec!["--forward-to", to], "--forward-to"),
        ] {
            let fault = read(&asked).unwrap_err();
            assert!(fault.contains(why), "{asked:?}: {fault}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        assert!(read(&["--prot", "1"]).unwrap_err().contains("--prot"));
        assert!(read(&["--port", "x"]).unwrap_err().contains("65535"));
        assert!(read(&["--data", "x", "--ephemeral"]).is_err());
    }
}
