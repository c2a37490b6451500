//! The event-delivery Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(event_delivery::function)
}
