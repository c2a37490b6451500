//! Discounts and free products: a voucher, with a code of the owner's list where there is one, and
//! a generated code otherwise. Free products are owed in the ledger too.

use kith_domain::code::VoucherCode;
use kith_store::items::Voucher;
use kith_store::{Commit, Drawn, Was};

use super::{Answer, Lacking, Order, Provider, Receipt, credit};

/// Vouchers.
pub(super) struct Vouchers;

impl Provider for Vouchers {
    async fn issue(&self, order: &Order<'_>, commit: &mut Commit) -> Answer {
        let (view, reward) = (order.view, order.reward);
        let drawn = match &reward.incentive_id {
            Some(incentive) => {
                let (store, id) = (&view.store, Some(reward.id));
                store
                    .draw_voucher(reward.program, incentive, id, view.random())
                    .await
            }
            None => Ok(Drawn::NoList),
        };
        let code = match (drawn, &reward.incentive_id) {
            (Ok(Drawn::Code(draw)), Some(incentive)) => {
                let voucher = Voucher::of_reward(draw.code.clone(), reward.id);
                commit.take_voucher(reward.program, incentive, &draw, &voucher);
                draw.code
            }
            (Ok(Drawn::Empty(list)), _) => return Answer::Waiting(Lacking::Codes(Box::new(list))),
            // A code that is taken already refuses the commit, and the next decision draws another.
            (Ok(Drawn::NoList | Drawn::Code(_)), _) => {
                let code = VoucherCode::generate(view.random());
                let voucher = Voucher::of_reward(code.clone(), reward.id);
                commit.voucher(reward.program, &voucher, Was::Absent);
                code
            }
            (Err(error), _) => return Answer::Unavailable(error.into()),
        };
        credit(commit, reward);
        Answer::Issued(Receipt::Voucher(code))
    }
}
