//! What the owner does: pays, decides about rewards, changes the rules and the webhook.

use futures_util::future::join_all;
use serde_json::json;

use super::{PAUSE, People, eur, text};
use crate::dice::Dice;

impl People {
    /// Opens a payout, or goes on with one; marks its lines, and sometimes closes it.
    pub(super) async fn pay(&self, dice: &mut Dice) {
        let body = json!({"currency": "EUR"});
        let request = self.request("POST", &self.path("/payouts"), Some(body));
        let payout = match self.make(dice, "payout", None, &request).await {
            Some(made) => Some(made),
            None => {
                let payouts = self.listed(dice, "/payouts").await;
                dice.pick(&payouts).cloned()
            }
        };
        let Some(payout) = payout else {
            return;
        };
        let rest = format!("/payouts/{}", text(&payout["id"]));
        let payout = self.path(&rest);
        tokio::time::sleep(PAUSE).await;
        let lines = self.listed(dice, &format!("{rest}/lines")).await;
        let mut marks = Vec::new();
        for line in lines {
            let path = format!("{payout}/lines/{}", text(&line["participant_id"]));
            // Somebody and the bank's own list may mark the same line at the same time.
            for _ in 0..dice.roll(3) {
                marks.push(self.mark(dice.split(), path.clone()));
            }
        }
        join_all(marks).await;
        if dice.once_in(2) {
            let request = self.request("POST", &format!("{payout}/close"), Some(json!({})));
            self.call(dice, &request).await;
        }
    }

    async fn mark(&self, mut dice: Dice, line: String) {
        let state = ["paid", "paid", "failed", "returned"][dice.roll(4)];
        let body = json!({"state": state, "reference": "bank"});
        let request = self.request("POST", &line, Some(body));
        self.call(&mut dice, &request).await;
    }

    /// The owner decides about some reward, or gives one.
    pub(super) async fn decide(&self, dice: &mut Dice, number: usize) {
        if dice.once_in(2) {
            let person = dice.pick(&self.book().people).unwrap()["id"].clone();
            let body = json!({"beneficiary_id": person, "kind": "cash", "value": eur(10_000 + number), "reason": "sorry"});
            let mut request = self.request("POST", &self.path("/rewards"), Some(body));
            request.idempotency_key = Some(format!("gift-{number}"));
            let name = format!("gift-{number}");
            self.make(dice, "reward", Some(&name), &request).await;
            return;
        }
        let rewards = self.listed(dice, "/rewards").await;
        let Some(reward) = dice.pick(&rewards) else {
            return;
        };
        let action = ["approve", "reject", "redeem", "cancel", "retry"][dice.roll(5)];
        let path = self.path(&format!("/rewards/{}/{action}", text(&reward["id"])));
        let request = self.request("POST", &path, Some(json!({"reason": "a history"})));
        self.call(dice, &request).await;
    }

    /// The owner changes what friends get before paying. What was promised stays promised.
    pub(super) async fn change_offer(&self, dice: &mut Dice) {
        let mut rules = self.book().rules.clone();
        let mut all = rules.as_array_mut().unwrap().iter_mut();
        let Some(friend) = all.find(|rule| rule["id"] == "friend") else {
            return;
        };
        friend["reward"]["amount"] = eur(100 + dice.roll(900));
        let body = json!({"incentives": &rules});
        let request = self.request("PATCH", &self.path(""), Some(body));
        self.call(dice, &request).await;
        self.book().rules = rules;
    }

    /// The owner has the webhook told nothing more.
    pub(super) async fn disable(&self, dice: &mut Dice) {
        let path = self.webhook();
        let request = self.request("PATCH", &path, Some(json!({"state": "disabled"})));
        self.call(dice, &request).await;
    }

    /// The owner has it told again, whoever disabled it. Once nothing fails any more, and nothing is under
    /// way: what is told from then on and what is not can be told apart.
    pub(crate) async fn enable(&self) {
        let path = self.webhook();
        self.must("PATCH", &path, json!({"state": "active"})).await;
    }

    /// Whoever runs the bundle has everything tried again that is parked, and tells how much that was.
    pub(crate) async fn retry_parked(&self) -> usize {
        let path = "/v1/operations";
        let told = self.must("GET", path, json!({})).await;
        let parked = told["parked"].as_array().unwrap();
        for work in parked {
            let path = format!("{path}/parked/{}/retry", text(&work["id"]));
            self.must("POST", &path, json!({})).await;
        }
        parked.len()
    }

    fn webhook(&self) -> String {
        let webhook = self.book().webhook.clone();
        self.path(&format!("/webhooks/{webhook}"))
    }
}
