//! Histories: what shops, owners and banks do, in any order and often twice. Whatever happens, the
//! books add up. A failing history is replayed by its seed.

use serde_json::{Value, json};

use crate::books::{all, audit};
use crate::dice::Dice;
use crate::world::{Answer, Program, World, text};

/// Histories of one run, and steps of each.
const HISTORIES: u64 = 4;
const STEPS: usize = 60;
/// Calls more until the clock has come to where it was to come to.
const ADVANCES_MAX: usize = 6;

fn eur(amount: usize) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

fn rules() -> Value {
    json!([
        {"id": "share", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "percentage", "basis_points": 1500, "maximum": eur(900)},
         "limits": {"per_referrer_per_month": 12}},
        {"id": "points", "on": "purchase", "beneficiary": "referee", "expires_after_days": 40,
         "reward": {"kind": "points", "points": 70}, "conditions": {"minimum_amount": eur(1500)}},
        {"id": "above", "on": "purchase", "beneficiary": {"upline": 1},
         "reward": {"kind": "cash", "amount": eur(200)}, "limits": {"budget": eur(1800)}},
        {"id": "five-off", "on": "purchase", "beneficiary": "referrer",
         "reward": {"kind": "discount", "amount": eur(500)}, "conditions": {"referral_number": {"every": 3}}},
        {"id": "cake", "on": "purchase", "beneficiary": "referrer", "on_refund": "proportional",
         "reward": {"kind": "free_product", "sku": "CAKE", "quantity": 3}, "conditions": {"minimum_amount": eur(6000)}},
    ])
}

struct History<'a> {
    program: Program<'a>,
    dice: Dice,
    people: Vec<Value>,
    orders: Vec<String>,
    refunds: Vec<String>,
    redemptions: Vec<(String, String)>,
}

impl History<'_> {
    /// Sends a call, sometimes twice: the second time nothing happens, and the answer is the same.
    async fn call(&mut self, path: &str, body: Value) -> Answer {
        let first = self.program.post(path, body.clone()).await;
        assert!(
            first.status.is_success() || first.status == 409,
            "{path} {body}: {} {}",
            first.status,
            first.text
        );
        if self.dice.roll(3) == 0 && first.status.is_success() {
            let again = self.program.post(path, body.clone()).await;
            assert!(again.status.is_success(), "{path} {body}: {}", again.text);
            if let Some(id) = first.json().get("id")
                && again.json()["id"] != *id
            {
                // A payout without lines is closed at once, perhaps between the two calls.
                assert_eq!(path, "/payouts", "{body}");
                let begun = self.program.get(&format!("{path}/{}", text(id))).await;
                assert_eq!(begun.expect(200)["state"], "closed");
            }
        }
        first
    }

    async fn step(&mut self, number: usize) {
        match self.dice.roll(13) {
            0..=3 => self.buy(number).await,
            4..=6 => self.refund(number).await,
            7 => self.reverse().await,
            8 => self.advance().await,
            9 => self.pay().await,
            10 => self.spend(number).await,
            11 => self.merge().await,
            _ => self.decide().await,
        }
    }

    async fn buy(&mut self, number: usize) {
        let order = format!("order-{number}");
        let amount = 500 + self.dice.roll(9_000);
        let code = self.dice.pick(&self.people).unwrap()["code"].clone();
        let friend = format!("friend-{}", self.dice.roll(12));
        let body = json!({"event": "purchase", "external_id": order, "codes": [code],
            "referee": {"external_id": friend}, "amount": eur(amount)});
        self.call("/conversions", body).await;
        self.orders.push(order);
    }

    /// Sometimes of an order that is not known yet.
    async fn refund(&mut self, number: usize) {
        let order = match self.dice.roll(6) {
            0 => format!("order-{}", number + 1 + self.dice.roll(4)),
            _ => match self.dice.pick(&self.orders) {
                Some(order) => order.clone(),
                None => return,
            },
        };
        let mut body = json!({"external_id": format!("refund-{number}"), "reason": "refund",
            "conversion": {"event": "purchase", "external_id": order}});
        if self.dice.roll(3) > 0 {
            body["amount"] = eur(1 + self.dice.roll(3_000));
        }
        let answer = self.call("/refunds", body).await;
        if answer.status.is_success() {
            self.refunds.push(text(&answer.json()["id"]).to_owned());
        }
    }

    async fn reverse(&mut self) {
        if let Some(id) = self.dice.pick(&self.refunds).cloned() {
            self.call(&format!("/refunds/{id}/reverse"), json!({}))
                .await;
        }
    }

    async fn advance(&mut self) {
        let days = 1 + self.dice.roll(20);
        let body = json!({"seconds": days * 86_400});
        let path = "/test-clock/advance";
        let mut answer = self.program.post(path, body).await.expect(200);
        // A busy machine takes more than one call for what is due by then.
        for _ in 0..ADVANCES_MAX {
            if answer["settled"] == true {
                return;
            }
            let body = json!({"until": answer["until"]});
            answer = self.program.post(path, body).await.expect(200);
        }
        panic!("the clock does not settle: {answer}");
    }

    /// Opens a payout, or marks a line of it, or closes it.
    async fn pay(&mut self) {
        let answer = self.call("/payouts", json!({"currency": "EUR"})).await;
        let payout = text(&answer.json()["id"]).to_owned();
        self.program.world.settle().await;
        let lines = all(&self.program, &format!("/payouts/{payout}/lines")).await;
        for line in lines {
            let state = ["paid", "paid", "failed", "returned", "open"][self.dice.roll(5)];
            if state != "open" {
                let path = format!("/payouts/{payout}/lines/{}", text(&line["participant_id"]));
                self.call(&path, json!({"state": state, "reference": "bank"}))
                    .await;
            }
        }
        if self.dice.roll(2) == 0 {
            self.call(&format!("/payouts/{payout}/close"), json!({}))
                .await;
        }
    }

    /// Spends points, or takes a spending back.
    async fn spend(&mut self, number: usize) {
        if let (0, Some((person, id))) = (
            self.dice.roll(3),
            self.dice.pick(&self.redemptions).cloned(),
        ) {
            let path = format!("/participants/{person}/redemptions/{id}/reverse");
            self.call(&path, json!({})).await;
            return;
        }
        let rewards = all(&self.program, "/rewards?state=issued").await;
        let points: Vec<&Value> = rewards
            .iter()
            .filter(|reward| reward["kind"] == "points")
            .collect();
        let Some(reward) = self.dice.pick(&points) else {
            return;
        };
        let person = text(&reward["beneficiary_id"]).to_owned();
        let body = json!({"external_id": format!("spend-{number}"), "unit": "points", "amount": 1 + self.dice.roll(150)});
        let answer = self
            .call(&format!("/participants/{person}/redemptions"), body)
            .await;
        if answer.status.is_success() {
            let id = text(&answer.json()["id"]).to_owned();
            self.redemptions.push((person, id));
        }
    }

    /// Two turn out to be one; what that shows about them is sometimes forgiven.
    async fn merge(&mut self) {
        let conversions = all(&self.program, "/conversions").await;
        let friends = conversions
            .iter()
            .map(|one| one["attribution"]["referee_id"].clone());
        let people = self.people.iter().map(|person| person["id"].clone());
        let ids: Vec<Value> = friends.chain(people).collect();
        let (Some(source), Some(target)) =
            (self.dice.pick(&ids).cloned(), self.dice.pick(&ids).cloned())
        else {
            return;
        };
        let body = json!({"into": target, "reason": "a history"});
        let path = format!("/participants/{}/merge", text(&source));
        let answer = self.call(&path, body).await;
        let mut merged = answer.status == 201;
        if answer.status == 202 {
            let verdict = ["approve", "reject"][self.dice.roll(2)];
            let path = format!("/merges/{}/{verdict}", text(&answer.json()["id"]));
            let decided = self.call(&path, json!({"reason": "a history"})).await;
            merged = decided.status.is_success() && verdict == "approve";
        }
        for person in self
            .people
            .iter_mut()
            .filter(|person| merged && person["id"] == source)
        {
            person["id"] = target.clone();
        }
    }

    /// The owner decides about some reward, or gives one.
    async fn decide(&mut self) {
        if self.dice.roll(4) == 0 {
            let person = self.dice.pick(&self.people).unwrap()["id"].clone();
            let body = json!({"beneficiary_id": person, "kind": "cash", "value": eur(300), "reason": "sorry"});
            // By hand and without a key of its own: twice is two.
            self.program.post("/rewards", body).await.expect(201);
            return;
        }
        let rewards = all(&self.program, "/rewards").await;
        let Some(reward) = self.dice.pick(&rewards) else {
            return;
        };
        let action = ["approve", "reject", "redeem", "cancel", "retry"][self.dice.roll(5)];
        let path = format!("/rewards/{}/{action}", text(&reward["id"]));
        self.call(&path, json!({"reason": "a history"})).await;
    }

    async fn check(&self) {
        audit(&self.program).await;
        for reward in all(&self.program, "/rewards").await {
            let number = |value: &Value| {
                let names = ["amount", "points", "quantity", "basis_points"];
                names.iter().find_map(|name| value[name].as_i64()).unwrap()
            };
            let (left, made) = (number(&reward["value"]), number(&reward["original_value"]));
            assert!((0..=made).contains(&left), "{reward}");
        }
        let mut above = 0;
        for conversion in all(&self.program, "/conversions").await {
            let (amount, refunded) = (
                &conversion["amount"]["amount"],
                &conversion["refunded"]["amount"],
            );
            assert!(refunded.as_i64() <= amount.as_i64(), "{conversion}");
            let applied: i64 = conversion["refunds"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|refund| refund["state"] == "applied")
                .map(|refund| refund["amount"]["amount"].as_i64().unwrap())
                .sum();
            assert_eq!(refunded, applied, "{conversion}");
            for reward in conversion["rewards"].as_array().unwrap() {
                let counts = !matches!(text(&reward["state"]), "cancelled" | "rejected");
                above += i64::from(counts && reward["incentive_id"] == "above") * 200;
            }
        }
        assert!(above <= 1_800, "the budget was exceeded: {above}");
    }
}

/// Four histories of sixty steps: buying, refunding, reversing, paying out, spending, merging, deciding,
/// with the clock running on.
#[tokio::test(flavor = "multi_thread")]
async fn the_books_add_up_whatever_happens() {
    let world = World::start().await;
    for seed in 0..HISTORIES {
        let change = json!({"incentives": rules(), "hold_days": 3, "surveys": []});
        let program = world.program(change).await;
        let mut people = Vec::new();
        for name in ["ann", "bob", "cleo"] {
            let mut body = json!({"external_id": name});
            if let Some(above) = people.last() {
                let above: &Value = above;
                body["referred_by"] = above["id"].clone();
            }
            people.push(program.post("/participants", body).await.expect(201));
        }
        let mut history = History {
            program,
            dice: Dice::new(seed),
            people,
            orders: Vec::new(),
            refunds: Vec::new(),
            redemptions: Vec::new(),
        };
        for number in 0..STEPS {
            history.step(number).await;
        }
        world.settle().await;
        history.check().await;
    }
    world.bundle.shutdown().await;
}
