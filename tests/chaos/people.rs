//! What shops, owners and people do: each as a client that tries again when it hears nothing.

mod owner;
mod shop_system;
mod spending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use kith_local::gateway::Answer;
use serde_json::{Value, json};

use crate::cloud::{Cloud, Request};
use crate::dice::Dice;
use crate::endpoint;
use crate::fault::Fault;

/// What people do beside buying.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Click,
    Refund,
    Join,
    Pay,
    Decide,
    Answer,
    UseVoucher,
    Spend,
    Tell,
    Merge,
    TurnTheClock,
    Offer,
    Disable,
}

impl Doing {
    const ALL: [Self; 13] = [
        Self::Click,
        Self::Refund,
        Self::Join,
        Self::Pay,
        Self::Decide,
        Self::Answer,
        Self::UseVoucher,
        Self::Spend,
        Self::Tell,
        Self::Merge,
        Self::TurnTheClock,
        Self::Offer,
        Self::Disable,
    ];

    /// The rule without which there is nothing to do it with.
    fn rule(self) -> Option<&'static str> {
        match self {
            Self::Spend => Some("points"),
            Self::UseVoucher => Some("five-off"),
            Self::Offer => Some("friend"),
            Self::Click
            | Self::Refund
            | Self::Join
            | Self::Pay
            | Self::Decide
            | Self::Answer
            | Self::Tell
            | Self::Merge
            | Self::TurnTheClock
            | Self::Disable => None,
        }
    }
}

/// How many of these a history has: few, so that they meet each other.
const DOINGS: usize = 3;
/// How long a client waits before it tries again.
const PAUSE: Duration = Duration::from_millis(700);

/// Something that a client was told has happened: it has to be there at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// What kind of item it is.
    pub(crate) kind: &'static str,
    /// Its id.
    pub(crate) id: String,
    /// What the client called it, if it did.
    pub(crate) name: Option<String>,
}

/// What those who take part know.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) program: String,
    pub(crate) key: String,
    pub(crate) is_live: bool,
    people: Vec<Value>,
    tokens: Vec<String>,
    orders: Vec<String>,
    refunds: Vec<String>,
    redemptions: Vec<(String, String)>,
    /// What friends were promised before paying.
    pub(crate) offers: Vec<Value>,
    /// The rules as the owner wants them, and the webhook.
    rules: Value,
    webhook: String,
    /// What people do in this history.
    doings: Vec<Doing>,
    /// Where the shop system tells of orders.
    source: String,
    /// Which orders were told that they used a voucher, by its code.
    pub(crate) used: BTreeMap<String, BTreeSet<String>>,
    pub(crate) acknowledged: Vec<Acknowledged>,
}

/// Everybody who takes part in a history. Cheap to clone.
#[derive(Clone)]
pub(crate) struct People {
    cloud: Cloud,
    book: Arc<Mutex<Book>>,
}

pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
}

fn eur(amount: usize) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

/// Rules of every kind, some of them with bounds that are soon reached, some carried out by the shop.
fn rules(dice: &mut Dice, webhook: &Value, doings: &[Doing]) -> Value {
    let mut rules = vec![
        json!({"id": "share", "on": "purchase", "beneficiary": "referrer",
            "reward": {"kind": "percentage", "basis_points": 500 + dice.roll(2_000), "maximum": eur(900)},
            "limits": {"per_referrer_per_month": 1 + dice.roll(3)}}),
        json!({"id": "points", "on": "purchase", "beneficiary": "referee", "expires_after_days": 40,
            "reward": {"kind": "points", "points": 70}, "conditions": {"minimum_amount": eur(1_500)}}),
        json!({"id": "above", "on": "purchase", "beneficiary": {"upline": 1},
            "reward": {"kind": "cash", "amount": eur(200)}, "limits": {"budget": eur(200 + 200 * dice.roll(3))}}),
        json!({"id": "five-off", "on": "purchase", "beneficiary": "referrer",
            "reward": {"kind": "discount", "amount": eur(500)}, "conditions": {"referral_number": {"every": 2}}}),
        json!({"id": "cake", "on": "purchase", "beneficiary": "referrer", "on_refund": "proportional",
            "reward": {"kind": "free_product", "sku": "CAKE", "quantity": 3}, "conditions": {"minimum_amount": eur(6_000)}}),
        json!({"id": "thanks", "on": "purchase", "beneficiary": "referrer",
            "reward": {"kind": "cash", "amount": eur(500)}, "conditions": {"first_conversion_only": true}}),
        json!({"id": "welcome", "on": "lead", "beneficiary": "referee",
            "reward": {"kind": "cash", "amount": eur(300)}, "limits": {"per_referee": 1, "budget_per_month": eur(300 + 300 * dice.roll(2))}}),
        json!({"id": "friend", "on": "purchase", "beneficiary": "referee", "grant": "at_checkout", "expires_after_days": 9,
            "reward": {"kind": "discount", "amount": eur(400)}}),
    ];
    while rules.len() > 3 && !dice.once_in(4) {
        let place = dice.roll(rules.len());
        let mut needed = doings.iter().filter_map(|doing| doing.rule());
        if !needed.any(|id| rules[place]["id"] == id) {
            rules.remove(place);
        }
    }
    for rule in &mut rules {
        if dice.once_in(6) && rule.get("grant").is_none() {
            rule["fulfilment"] = json!({"webhook_id": webhook, "validate": dice.once_in(2)});
        }
    }
    rules.into()
}

impl People {
    /// A program with three people in it, one brought by the other. Nothing fails meanwhile.
    pub(crate) async fn settle_in(cloud: &Cloud, mut dice: Dice) -> Self {
        let is_live = !dice.once_in(3);
        let name = if is_live {
            "KITH_OPERATOR_KEY"
        } else {
            "KITH_TEST_OPERATOR_KEY"
        };
        let people = Self {
            cloud: cloud.clone(),
            book: Arc::new(Mutex::new(Book {
                key: cloud.operator_key(name),
                is_live,
                doings: (0..DOINGS)
                    .map(|_| *dice.pick(&Doing::ALL).unwrap())
                    .collect(),
                ..Book::default()
            })),
        };
        // At once more often than not: then it comes while things fail.
        let hold_days = [0, 0, 1, 2][dice.roll(4)];
        let delay_hours = [0, 0, 1, 30][dice.roll(4)];
        let program = json!({
            "name": "Joe's Artisan Bakery", "destination_url": "https://bakery.example/welcome",
            "incentives": [], "hold_days": hold_days,
            "surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer", "delay_hours": delay_hours}],
        });
        let made = people.must("POST", "/v1/programs", program).await;
        people.book().program = text(&made["id"]).to_owned();
        for name in ["ann", "bob", "cleo"] {
            let mut body = json!({"external_id": name, "email": format!("{name}@example.com"),
                "consent": {"surveys": true}});
            if let Some(above) = people.book().people.last() {
                body["referred_by"] = above["id"].clone();
            }
            let path = people.path("/participants");
            let person = people.must("POST", &path, body).await;
            people.book().people.push(person);
        }
        let path = people.path("/webhooks");
        let body = json!({"url": endpoint::URL, "types": []});
        let webhook = people.must("POST", &path, body).await;
        let doings = people.book().doings.clone();
        let rules = rules(&mut dice, &webhook["id"], &doings);
        let path = people.path("");
        let body = json!({"incentives": &rules});
        people.must("PATCH", &path, body).await;
        people.book().rules = rules;
        people.book().webhook = text(&webhook["id"]).to_owned();
        people.open_source().await;
        people
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/programs/{}{rest}", self.book().program)
    }

    fn request(&self, method: &'static str, path: &str, body: Option<Value>) -> Request {
        Request {
            method,
            path: path.to_owned(),
            key: path.starts_with("/v1").then(|| self.book().key.clone()),
            idempotency_key: None,
            headers: Vec::new(),
            body,
            from: 1,
        }
    }

    async fn must(&self, method: &'static str, path: &str, body: Value) -> Value {
        let request = self.request(method, path, Some(body));
        let answer = self.cloud.call(&request).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {:?}", answer.body());
        json_of(&answer)
    }

    /// Moves a test program's clock, once nothing fails any more.
    pub(crate) async fn advance(&self, days: usize) -> Value {
        let path = self.path("/test-clock/advance");
        self.must("POST", &path, json!({"seconds": days * 86_400}))
            .await
    }

    /// Calls until there is an answer that settles it, or patience ends.
    async fn call(&self, dice: &mut Dice, request: &Request) -> Option<(u16, Value)> {
        self.answers(dice, request).await.into_iter().next()
    }

    /// The same, sometimes twice at the same time: what each of the two was answered.
    async fn answers(&self, dice: &mut Dice, request: &Request) -> Vec<(u16, Value)> {
        let tries = dice.roll(5);
        let twice = dice.once_in(7) && !self.cloud.is_calm();
        if twice {
            self.cloud.gate().note(Fault::SentTwice);
        }
        let callers = (0..=usize::from(twice)).map(|_| self.patiently(request, tries));
        let answers = join_all(callers).await;
        answers.into_iter().flatten().collect()
    }

    async fn patiently(&self, request: &Request, tries: usize) -> Option<(u16, Value)> {
        for _ in 0..=tries {
            if let Ok(answer) = self.cloud.call(request).await {
                let status = answer.status().as_u16();
                let body = json_of(&answer);
                let what = format!("{} {}", request.method, request.path);
                if status == 500 && body.get("code").is_some() {
                    self.cloud.gate().find(format!("{what}: {body}"));
                }
                if status < 500 && status != 429 {
                    // A code or a click may not work any more when it is asked what it is good for.
                    let is_over = status == 422 && request.path.ends_with("/offers");
                    let allowed = status < 400 || matches!(status, 404 | 409 | 410) || is_over;
                    if !allowed {
                        self.cloud.gate().find(format!("{what}: {status} {body}"));
                    }
                    return Some((status, body));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    /// A call that makes something: who is told that it was made relies on it.
    async fn make(
        &self,
        dice: &mut Dice,
        kind: &'static str,
        name: Option<&str>,
        request: &Request,
    ) -> Option<Value> {
        let answers = self.answers(dice, request).await.into_iter();
        let mut made: Vec<Value> = answers
            .filter(|(status, _)| *status < 300)
            .map(|(_, body)| body)
            .collect();
        let acknowledged = made.iter().map(|body| Acknowledged {
            kind,
            id: text(&body["id"]).to_owned(),
            name: name.map(str::to_owned),
        });
        self.book().acknowledged.extend(acknowledged);
        made.pop()
    }

    /// Somebody does something.
    pub(crate) async fn act(self, number: usize, mut dice: Dice) {
        // Most of what is done is about what somebody has bought.
        if number <= 2 || dice.once_in(5) {
            if dice.once_in(4) {
                return self.rush(&mut dice, number).await;
            }
            return self.buy(&mut dice, &format!("order-{number}")).await;
        }
        let doing = *dice.pick(&self.book().doings).unwrap();
        match doing {
            Doing::Click => self.click(&mut dice).await,
            Doing::Refund if dice.once_in(3) => self.reverse(&mut dice).await,
            Doing::Refund => self.refund(&mut dice, number).await,
            Doing::Join => self.join(&mut dice, number).await,
            Doing::Pay => self.pay(&mut dice).await,
            Doing::Decide => self.decide(&mut dice, number).await,
            Doing::Answer => self.answer(&mut dice).await,
            Doing::UseVoucher => self.use_voucher(&mut dice, number).await,
            Doing::Spend => self.spend(&mut dice, number).await,
            Doing::Tell => self.tell(&mut dice, number).await,
            Doing::Merge => self.merge(&mut dice).await,
            Doing::TurnTheClock if !self.book().is_live => self.turn_the_clock(&mut dice).await,
            Doing::Offer if dice.once_in(4) => self.change_offer(&mut dice).await,
            Doing::Offer => self.look_at_offer(&mut dice).await,
            Doing::Disable if dice.once_in(4) => self.disable(&mut dice).await,
            Doing::TurnTheClock | Doing::Disable => {
                self.buy(&mut dice, &format!("order-{number}")).await;
            }
        }
    }

    async fn click(&self, dice: &mut Dice) {
        let person = dice.pick(&self.book().people).unwrap().clone();
        let (_, path) = text(&person["link"])
            .split_once("8787")
            .map(|(host, path)| (host.to_owned(), path.to_owned()))
            .unwrap();
        let mut request = self.request("GET", &path, None);
        request.from = u8::try_from(2 + dice.roll(4)).unwrap();
        // Whoever follows a link does not try again by a program's rules.
        let Ok(answer) = self.cloud.call(&request).await else {
            return;
        };
        let location = answer.headers().get("location");
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let token = location.and_then(|location| {
            let from = location.split_once("kith_click=")?.1;
            from.split('&').next().map(str::to_owned)
        });
        self.book().tokens.extend(token);
    }

    /// A page asks what its visitor gets before paying. Whoever comes again is promised the same.
    async fn look_at_offer(&self, dice: &mut Dice) {
        let code = dice.pick(&self.book().people).unwrap()["code"].clone();
        let token = dice.pick(&self.book().tokens).cloned();
        let body = match token.filter(|_| dice.once_in(2)) {
            Some(token) => json!({"click_token": token}),
            None => json!({"code": code}),
        };
        let mut request = self.request("POST", &self.path("/offers"), Some(body));
        request.from = u8::try_from(2 + dice.roll(4)).unwrap();
        if let Some(made) = self.make(dice, "offer", None, &request).await {
            self.book().offers.push(made);
        }
    }

    /// A few buy at the same time.
    async fn rush(&self, dice: &mut Dice, number: usize) {
        let buyers = (0..2 + dice.roll(3)).map(|buyer| {
            let mut dice = dice.split();
            async move {
                let order = format!("order-{number}-{buyer}");
                self.buy(&mut dice, &order).await;
            }
        });
        let buyers: Vec<_> = buyers.collect();
        join_all(buyers).await;
    }

    async fn buy(&self, dice: &mut Dice, order: &str) {
        let event = if dice.once_in(5) { "lead" } else { "purchase" };
        let friend = format!("friend-{}", dice.roll(6));
        let mut body = json!({"event": event, "external_id": order,
            "referee": {"external_id": friend, "email": format!("{friend}@example.net")}});
        if event == "purchase" {
            body["amount"] = eur(500 + dice.roll(9_000));
        }
        let code = dice.pick(&self.book().people).unwrap()["code"].clone();
        let token = dice.pick(&self.book().tokens).cloned();
        let offer = dice.pick(&self.book().offers).cloned();
        match (dice.roll(8), token, offer) {
            (0, _, _) => {}
            (1 | 2, Some(token), _) => body["click_tokens"] = json!([token]),
            (3..=5, _, Some(offer)) => {
                // Mostly whoever is new: others are somebody's already.
                body["codes"] = json!([offer["voucher_code"]]);
                body["referee"]["external_id"] = json!(format!("visitor-{order}"));
                body["referee"]["email"] = json!(format!("visitor-{order}@example.net"));
            }
            _ => body["codes"] = json!([code]),
        }
        let request = self.request("POST", &self.path("/conversions"), Some(body));
        let made = self.make(dice, "conversion", Some(order), &request).await;
        if event == "purchase" && (made.is_some() || dice.once_in(2)) {
            self.book().orders.push(order.to_owned());
        }
    }

    /// Sometimes of an order that is not known yet.
    async fn refund(&self, dice: &mut Dice, number: usize) {
        let known = dice.pick(&self.book().orders).cloned();
        let order = match (dice.roll(6), known) {
            (1.., Some(order)) => order,
            _ => format!("order-{}", number + dice.roll(3)),
        };
        let mut body = json!({"external_id": format!("refund-{number}"), "reason": "refund",
            "conversion": {"event": "purchase", "external_id": order}});
        if dice.roll(3) > 0 {
            body["amount"] = eur(1 + dice.roll(3_000));
        }
        let request = self.request("POST", &self.path("/refunds"), Some(body));
        let name = format!("refund-{number}");
        if let Some(made) = self.make(dice, "refund", Some(&name), &request).await {
            self.book().refunds.push(text(&made["id"]).to_owned());
        }
    }

    async fn reverse(&self, dice: &mut Dice) {
        let refund = dice.pick(&self.book().refunds).cloned();
        if let Some(refund) = refund {
            let path = self.path(&format!("/refunds/{refund}/reverse"));
            let request = self.request("POST", &path, Some(json!({})));
            self.call(dice, &request).await;
        }
    }

    async fn join(&self, dice: &mut Dice, number: usize) {
        let name = format!("member-{}", dice.roll(4));
        let mut body = json!({"external_id": name, "email": format!("{name}@example.com"),
            "consent": {"surveys": true}});
        if dice.once_in(2) {
            body["first_name"] = json!(format!("M{number}"));
        }
        let request = self.request("POST", &self.path("/participants"), Some(body));
        if let Some(person) = self.make(dice, "participant", Some(&name), &request).await {
            self.book().people.push(person);
        }
    }

    /// The first page of a list.
    async fn listed(&self, dice: &mut Dice, rest: &str) -> Vec<Value> {
        let list = self.request("GET", &self.path(rest), None);
        let (_, mut page) = self.call(dice, &list).await.unwrap_or_default();
        match page["data"].take() {
            Value::Array(listed) => listed,
            _ => Vec::new(),
        }
    }

    /// Somebody answers a survey; before, their mail program looks at the link.
    pub(crate) async fn answer(&self, dice: &mut Dice) {
        if !self.book().is_live {
            return;
        }
        let mails = self.cloud.parts().services.mails.list(50).unwrap();
        let links: Vec<String> = mails
            .iter()
            .filter_map(|mail| {
                let text = mail.text.as_ref()?;
                let from = &text[text.find("8787/s/")? + 4..];
                let end =
                    from.find(|letter: char| letter.is_whitespace() || "?>)\"".contains(letter));
                Some(from[..end.unwrap_or(from.len())].to_owned())
            })
            .collect();
        let Some(path) = dice.pick(&links).cloned() else {
            return;
        };
        let look = self.request("GET", &path, None);
        self.call(dice, &look).await;
        let body = json!({"score": dice.roll(11), "comment": "The sourdough!"});
        let request = self.request("POST", &path, Some(body));
        self.call(dice, &request).await;
    }

    pub(crate) async fn turn_the_clock(&self, dice: &mut Dice) {
        let body = json!({"seconds": (1 + dice.roll(20)) * 43_200});
        let path = self.path("/test-clock/advance");
        let request = self.request("POST", &path, Some(body));
        self.call(dice, &request).await;
    }
}
