//! Loyalty points: a balance of their own, which redemptions spend.

use kith_store::Commit;

use super::{Answer, Order, Provider, Receipt, credit};

/// The points' balance.
pub(super) struct Points;

impl Provider for Points {
    async fn issue(&self, order: &Order<'_>, commit: &mut Commit) -> Answer {
        credit(commit, order.reward);
        Answer::Issued(Receipt::Credited)
    }
}
