//! The event-relay Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(event_relay::function)
}
