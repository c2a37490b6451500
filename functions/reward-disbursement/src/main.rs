//! The reward-disbursement Lambda.

fn main() -> std::process::ExitCode {
    kith_edge::serve(reward_disbursement::function)
}
