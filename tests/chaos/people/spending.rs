//! Vouchers at the till, points that are spent, and two who turn out to be one.

use futures_util::future::join_all;
use serde_json::json;

use super::{People, text};
use crate::dice::Dice;

impl People {
    /// Somebody shows the code of a voucher at the till; somebody else may at the same time.
    pub(super) async fn use_voucher(&self, dice: &mut Dice, number: usize) {
        let mut codes = self.listed(dice, "/rewards?state=issued").await;
        codes.retain(|reward| reward["voucher_code"].is_string());
        let Some(code) = dice
            .pick(&codes)
            .map(|reward| reward["voucher_code"].clone())
        else {
            return;
        };
        let tills = (0..=dice.roll(2)).map(|till| {
            let order = format!("till-{number}-{till}");
            let body = json!({"voucher_code": code, "external_id": order});
            let request = self.request("POST", &self.path("/vouchers/redeem"), Some(body));
            (order, request, dice.split())
        });
        let tills: Vec<_> = tills.collect();
        let used = tills
            .into_iter()
            .map(|(order, request, mut dice)| async move {
                let answers = self.answers(&mut dice, &request).await;
                let is_used = answers.iter().any(|(status, _)| *status < 300);
                is_used.then_some(order)
            });
        let used = join_all(used).await;
        let mut book = self.book();
        let orders = book.used.entry(text(&code).to_owned()).or_default();
        orders.extend(used.into_iter().flatten());
    }

    /// Spends points, or takes a spending back.
    pub(super) async fn spend(&self, dice: &mut Dice, number: usize) {
        let known = dice.pick(&self.book().redemptions).cloned();
        if let (0, Some((person, id))) = (dice.roll(3), known) {
            let path = self.path(&format!("/participants/{person}/redemptions/{id}/reverse"));
            let request = self.request("POST", &path, Some(json!({})));
            self.call(dice, &request).await;
            return;
        }
        let mut points = self.listed(dice, "/rewards?state=issued").await;
        points.retain(|reward| reward["kind"] == "points");
        let Some(reward) = dice.pick(&points) else {
            return;
        };
        let person = text(&reward["beneficiary_id"]).to_owned();
        // In the app and at the till, perhaps at the same time.
        let spendings = (0..=dice.roll(2)).map(|place| {
            let name = format!("spend-{number}-{place}");
            self.spend_points(dice.split(), &person, name)
        });
        let spendings: Vec<_> = spendings.collect();
        join_all(spendings).await;
    }

    async fn spend_points(&self, mut dice: Dice, person: &str, name: String) {
        let body = json!({"external_id": name, "unit": "points", "amount": 1 + dice.roll(50)});
        let path = self.path(&format!("/participants/{person}/redemptions"));
        let request = self.request("POST", &path, Some(body));
        let made = self.make(&mut dice, "redemption", Some(&name), &request);
        if let Some(made) = made.await {
            let id = text(&made["id"]).to_owned();
            self.book().redemptions.push((person.to_owned(), id));
        }
    }

    /// Two turn out to be one; what that shows about them is sometimes forgiven.
    pub(super) async fn merge(&self, dice: &mut Dice) {
        let people = self.listed(dice, "/participants").await;
        let (Some(source), Some(target)) = (dice.pick(&people), dice.pick(&people)) else {
            return;
        };
        let path = self.path(&format!("/participants/{}/merge", text(&source["id"])));
        let body = json!({"into": target["id"], "reason": "a history"});
        let request = self.request("POST", &path, Some(body));
        let merge = self.make(dice, "merge", None, &request).await;
        if let Some(merge) = merge.filter(|merge| merge["state"] == "in_review") {
            let verdict = ["approve", "reject"][dice.roll(2)];
            let path = self.path(&format!("/merges/{}/{verdict}", text(&merge["id"])));
            let request = self.request("POST", &path, Some(json!({"reason": "a history"})));
            self.call(dice, &request).await;
        }
    }
}
