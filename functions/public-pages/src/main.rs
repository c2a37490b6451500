//! Serves `public-pages` on Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(public_pages::function)
}
