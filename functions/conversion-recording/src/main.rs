//! The conversion-recording Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(conversion_recording::function)
}
