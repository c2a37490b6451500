//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

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
";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The port to listen on.
    pub port: u16,
    /// The data folder; `None` for memory.
    pub data: Option<PathBuf>,
    /// Whether to walk a referral through.
    pub demo: bool,
    /// Whether to show log lines.
    pub verbose: bool,
    /// Whether only to print the help.
    pub help: bool,
}

impl Command {
    /// Reads arguments, the program's name not among them.
    ///
    /// # Errors
    /// A sentence about the first argument that is not understood.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        use lexopt::prelude::{Long, Short, Value, ValueExt};

        let mut command = Self {
            port: 8787,
            data: None,
            demo: false,
            verbose: false,
            help: false,
        };
        let mut ephemeral = false;
        let mut parser = lexopt::Parser::from_args(arguments);
        let told = |error: lexopt::Error| format!("{error}; --help tells what is understood");
        while let Some(argument) = parser.next().map_err(told)? {
            match argument {
                Long("port") => {
                    let value = parser.value().map_err(told)?;
                    command.port = value
                        .parse()
                        .map_err(|_| "--port takes a number from 0 to 65535".to_owned())?;
                }
                Long("data") => command.data = Some(parser.value().map_err(told)?.into()),
                Long("ephemeral") => ephemeral = true,
                Long("demo") => command.demo = true,
                Long("verbose") => command.verbose = true,
                Long("help") | Short('h') => command.help = true,
                other @ (Short(_) | Long(_) | Value(_)) => return Err(told(other.unexpected())),
            }
        }
        match (&command.data, ephemeral) {
            (Some(_), true) => {
                return Err("--data and --ephemeral exclude each other".to_owned());
            }
            (None, false) => command.data = Some(PathBuf::from(".kith")),
            (Some(_), false) | (None, true) => {}
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn read(arguments: &[&str]) -> Result<Command, String> {
        Command::read(arguments.iter().map(OsString::from))
    }

    #[test]
    fn arguments_are_read() {
        let command = read(&[]).unwrap();
        assert_eq!(command.port, 8787);
        assert_eq!(command.data, Some(PathBuf::from(".kith")));
        let command = read(&["--port", "0", "--ephemeral", "--demo"]).unwrap();
        assert_eq!((command.port, command.data, command.demo), (0, None, true));
        assert_eq!(read(&["--data=x"]).unwrap().data, Some(PathBuf::from("x")));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        assert!(read(&["--prot", "1"]).unwrap_err().contains("--prot"));
        assert!(read(&["--port", "x"]).unwrap_err().contains("65535"));
        assert!(read(&["--data", "x", "--ephemeral"]).is_err());
    }
}
