//! The message-dispatch Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(message_dispatch::function)
}
