//! Serves `link-capture` on Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(link_capture::function)
}
