use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{CodesAdded, List, Reward, RewardRead, Simulation, VoucherListRead};
use crate::problems::Code;
use crate::requests::{
    Decision, NewReward, NewVoucherCodes, RewardFilter, SimulationInput, VoucherUse,
};
use crate::routes::{self, Route};
use crate::scalar::example_id;

pub(super) const TAG: Tag = Tag {
    name: "Rewards",
    about: "What people earn, and vouchers. `pending` (held), `approved` (released), `issued` (in the balance, or a voucher), `redeemed` (paid, used, spent); or `rejected`, `cancelled`, `clawed_back`, `failed`, `expired`.",
};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![
        op(&routes::LIST_REWARDS, TAG.name, "List rewards")
            .about("Newest first. As CSV or as lines of JSON for `Accept: text/csv` or `application/x-ndjson`: then `limit` may be 1,000, and the next page stands in the header `Link`.")
            .query::<RewardFilter>()
            .answers::<List<Reward>>(200, "A page of rewards.")
            .or_text("text/csv")
            .or_text("application/x-ndjson")
            .header("Link")
            .yields("reward", "/data/0/id"),
        op(&routes::READ_REWARD, TAG.name, "Read a reward")
            .about("With its history and, where a rule made it, the explanation: what was asked, what was found, how the value came about. `fulfilment` says how far the shop is with one that it carries out itself.")
            .answers::<RewardRead>(200, "The reward."),
        op(&routes::GIVE_REWARD, TAG.name, "Give a reward by hand")
            .about("Approved at once, unless the program is paused.")
            .body::<NewReward>(json!({
                "beneficiary_id": example_id::<kith_domain::id::ParticipantKind>(), "kind": "points",
                "value": {"points": 300}, "reason": "a birthday",
            }))
            .answers::<Reward>(201, "The reward.")
            .refuses([Code::BeneficiarySuspended, Code::ParticipantMerged, Code::ProgramArchived])
            .yields("reward", "/id"),
        decided(&routes::APPROVE_REWARD, "Approve a reward", "Releases it before its time.")
            .refuses([Code::ConversionInReview, Code::ProgramPaused]),
        decided(&routes::REJECT_REWARD, "Reject a reward", "It was never earned."),
        decided(&routes::CANCEL_REWARD, "Cancel a reward", "Withdraws it before it is issued."),
        decided(&routes::RETRY_REWARD, "Retry a reward", "Tries again to issue what failed.")
            .refuses([Code::ProgramPaused]),
        decided(&routes::REDEEM_REWARD, "Redeem a reward", "A voucher was used.")
            .refuses([Code::NotAVoucher, Code::VoucherExpired, Code::VoucherRedeemed]),
    ];
    all.extend(vouchers());
    all
}

fn decided(route: &'static Route, summary: &'static str, about: &'static str) -> Operation {
    op(route, TAG.name, summary)
        .about(about)
        .body::<Decision>(json!({"reason": "checked by hand"}))
        .answers::<Reward>(200, "The reward.")
        .refuses([Code::RewardState, Code::StillHeld])
}

fn vouchers() -> Vec<Operation> {
    vec![
        op(&routes::REDEEM_VOUCHER, TAG.name, "Redeem a voucher")
            .about("For an order. The same order again changes nothing; another one is refused.")
            .body::<VoucherUse>(json!({"voucher_code": "7KQ2MX-9RTWZP-4HNVCB", "external_id": "order-1002"}))
            .answers::<Reward>(200, "The reward behind the voucher.")
            .refuses([Code::OfferVoucher, Code::VoucherExpired, Code::VoucherRedeemed, Code::VoucherVoid]),
        op(&routes::READ_VOUCHER_LIST, TAG.name, "Read a voucher list")
            .about("How many of the owner's own codes an incentive has left.")
            .answers::<VoucherListRead>(200, "The list, counted.")
            .refuses([Code::NoVouchers]),
        op(&routes::ADD_VOUCHER_CODES, TAG.name, "Add voucher codes")
            .about("The owner's own, used instead of generated ones. Each code is judged by itself; a code is added once, whichever call says it.")
            .body::<NewVoucherCodes>(json!({"codes": ["SPRING-1", "SPRING-2"]}))
            .answers::<CodesAdded>(200, "What became of each code.")
            .refuses([Code::NoVouchers]),
        op(&routes::SIMULATE, TAG.name, "Simulate another scheme")
            .about("What it would have given for what was recorded in a time. Writes nothing.")
            .body::<SimulationInput>(json!({
                "incentives": [{"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
                    "reward": {"kind": "percentage", "basis_points": 1000}}],
                "from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z",
            }))
            .answers::<Simulation>(200, "What would have been, and where it differs."),
    ]
}
