//! The due-work Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(due_work::function)
}
