use kith_domain::reward::{Discount, Reward, RewardValue};
use kith_domain::text::Slug;
use kith_edge::wire;

use crate::export::{Listed, cell};

impl Listed for Reward {
    type Json = wire::Reward;

    const NAME: &'static str = "rewards";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "state",
        "kind",
        "amount",
        "currency",
        "basis_points",
        "points",
        "sku",
        "quantity",
        "incentive_id",
        "beneficiary",
        "beneficiary_id",
        "conversion_id",
        "referral_id",
        "source",
        "scheme_version",
        "created_at",
        "release_at",
        "issued_at",
        "expires_at",
        "voucher_code",
        "version",
    ];

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn json(&self) -> wire::Reward {
        wire::reward(self)
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.id.to_string(),
            self.state.to_string(),
            self.value.kind().to_owned(),
        ];
        cells.extend(value(self.value));
        cells.extend([
            cell(self.incentive_id.as_ref().map(Slug::as_str)),
            self.beneficiary.to_string(),
            self.beneficiary_id.to_string(),
            cell(self.conversion_id),
            cell(self.referral_id),
            self.source.to_string(),
            self.scheme_version.to_string(),
            self.created_at.to_string(),
            self.release_at.to_string(),
            cell(self.issued_at),
            cell(self.expires_at),
            cell(self.voucher_code.as_ref()),
            self.version.to_string(),
        ]);
        cells
    }
}

/// What a reward is worth: amount, currency, basis points, points, product, pieces.
fn value(value: RewardValue) -> [String; 6] {
    let mut cells: [String; 6] = Default::default();
    let [amount, currency, basis_points, points, sku, quantity] = &mut cells;
    match value {
        RewardValue::Cash(money) | RewardValue::Discount(Discount::Amount(money)) => {
            *amount = money.minor.to_string();
            money.currency.code().clone_into(currency);
        }
        RewardValue::Discount(Discount::BasisPoints(share)) => *basis_points = share.to_string(),
        RewardValue::Points(number) => *points = number.to_string(),
        RewardValue::FreeProduct {
            sku: product,
            quantity: pieces,
        } => {
            *sku = product.to_string();
            *quantity = pieces.to_string();
        }
    }
    cells
}
