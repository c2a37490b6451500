//! Cash: a claim in the ledger, which a payout pays.

use kith_store::Commit;

use super::{Answer, Order, Provider, Receipt, credit};

/// The payable balance.
pub(super) struct Ledger;

impl Provider for Ledger {
    async fn issue(&self, order: &Order<'_>, commit: &mut Commit) -> Answer {
        credit(commit, order.reward);
        Answer::Issued(Receipt::Credited)
    }
}
