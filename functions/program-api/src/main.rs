//! The owner's and the shop's API, on Lambda.

use std::process::ExitCode;

fn main() -> ExitCode {
    kith_edge::serve(program_api::function)
}
