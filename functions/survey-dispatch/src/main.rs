//! The survey-dispatch Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(survey_dispatch::function)
}
