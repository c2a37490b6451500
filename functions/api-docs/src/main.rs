//! Serves `api-docs` on Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(api_docs::function)
}
