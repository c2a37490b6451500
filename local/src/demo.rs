//! `--demo`: one referral from the link to the answered survey, over HTTP as anyone would do it.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::console::line;

/// How long the demo waits for work that goes on behind the API.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// What a browser would call itself.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

/// Why the demo did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No answer came.
    #[error("the demo got no answer: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// The answer was another than expected.
    #[error("the demo stopped at {step}: {detail}")]
    Unexpected {
        /// What was being done.
        step: &'static str,
        /// What came instead.
        detail: String,
    },
}

/// Walks one referral through the running bundle and prints every step.
///
/// # Errors
/// The first step that did not end as it should.
pub async fn run(bundle: &Bundle) -> Result<(), DemoError> {
    let walk = Walk {
        client: Client::builder()
            .redirect(redirect::Policy::none())
            .build()?,
        base: bundle.base_url(),
        key: bundle.operator_key().unwrap_or_default().to_owned(),
        started: Instant::now(),
    };
    walk.run().await
}

struct Walk {
    client: Client,
    base: String,
    key: String,
    started: Instant,
}

impl Walk {
    async fn run(&self) -> Result<(), DemoError> {
        // Mails of earlier walks stay in the data folder; they are none of this one's.
        let earlier = self.mail_ids().await?;
        let program = self.program().await?;
        let referrer = self.referrer(&program).await?;
        let token = self.click(&referrer).await?;
        let conversion = self.conversion(&program, &token).await?;
        self.rewards(&program, &conversion).await?;
        let survey = self.mails(&earlier).await?;
        self.answer(&survey).await?;
        let nps = self
            .api(
                Method::GET,
                &format!("/v1/programs/{program}/nps"),
                None,
                "the NPS",
            )
            .await?;
        self.say(&format!("the owner reads the NPS: {nps}"));
        self.say("done; the mails are at /local/mail");
        Ok(())
    }

    async fn program(&self) -> Result<String, DemoError> {
        let request = json!({
            "name": "Joe's Artisan Bakery",
            "destination_url": "https://bakery.example/welcome?shop=1",
            "allowed_hosts": ["bakery.example"],
            "hold_days": 0,
            "incentives": [
                {"id": "friend-10", "on": "purchase", "beneficiary": "referee",
                 "reward": {"kind": "discount", "basis_points": 1000}},
                {"id": "thank-you", "on": "purchase", "beneficiary": "referrer",
                 "reward": {"kind": "cash", "amount": {"amount": 500, "currency": "EUR"}}},
            ],
            "surveys": [{"id": "after-reward", "on": "reward.issued", "to": "referrer",
                         "delay_hours": 0, "closes_after_days": 30, "cooldown_days": 90}],
        });
        let program = self
            .api(
                Method::POST,
                "/v1/programs",
                Some(request),
                "making a program",
            )
            .await?;
        let id = text(&program, "/id", "making a program")?;
        self.say(&format!("a program is made: {id}"));
        Ok(id)
    }

    async fn referrer(&self, program: &str) -> Result<Value, DemoError> {
        let request = json!({
            "external_id": "cust-42", "email": "ann@example.com", "first_name": "Ann",
            "consent": {"surveys": true},
        });
        let path = format!("/v1/programs/{program}/participants");
        let referrer = self
            .api(Method::POST, &path, Some(request), "adding a referrer")
            .await?;
        let link = text(&referrer, "/link", "adding a referrer")?;
        self.say(&format!("Ann takes part; her link is {link}"));
        Ok(referrer)
    }

    async fn click(&self, referrer: &Value) -> Result<String, DemoError> {
        const STEP: &str = "following the link";
        let answer = self
            .client
            .get(text(referrer, "/link", STEP)?)
            .header("user-agent", BROWSER)
            .header("accept", "text/html")
            .send()
            .await?;
        let location = answer
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<url::Url>().ok());
        let token = location.as_ref().and_then(|location| {
            location
                .query_pairs()
                .find_map(|(name, value)| (name == "kith_click").then(|| value.into_owned()))
        });
        let host = location
            .as_ref()
            .and_then(url::Url::host_str)
            .unwrap_or("nowhere");
        self.say(&format!(
            "Bob follows it: {} to {host}, with a click token",
            answer.status()
        ));
        token.ok_or_else(|| unexpected(STEP, "no click token came back"))
    }

    async fn conversion(&self, program: &str, token: &str) -> Result<Value, DemoError> {
        let request = json!({
            "event": "purchase", "external_id": "order-1001",
            "referee": {"external_id": "cust-77", "email": "bob@example.com", "first_name": "Bob"},
            "click_tokens": [token],
            "amount": {"amount": 4500, "currency": "EUR"},
        });
        let path = format!("/v1/programs/{program}/conversions");
        let conversion = self
            .api(Method::POST, &path, Some(request), "recording the order")
            .await?;
        let attribution = text(&conversion, "/attribution/reason", "recording the order")?;
        let rewards = conversion
            .get("rewards")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        self.say(&format!(
            "the shop records Bob's order: attributed by {attribution}, {rewards} rewards"
        ));
        Ok(conversion)
    }

    async fn rewards(&self, program: &str, conversion: &Value) -> Result<(), DemoError> {
        const STEP: &str = "waiting for the rewards";
        let rewards = conversion.get("rewards").and_then(Value::as_array);
        for reward in rewards.into_iter().flatten() {
            let id = text(reward, "/id", STEP)?;
            let path = format!("/v1/programs/{program}/rewards/{id}");
            let issued = self
                .until(STEP, || async {
                    let reward = self.api(Method::GET, &path, None, STEP).await?;
                    let is_issued = reward.get("state") == Some(&json!("issued"));
                    Ok(is_issued.then_some(reward))
                })
                .await?;
            let kind = text(&issued, "/kind", STEP)?;
            let beneficiary = text(&issued, "/beneficiary", STEP)?;
            self.say(&format!("the {kind} reward of the {beneficiary} is issued"));
        }
        Ok(())
    }

    /// Waits for the mails and finds the survey's address in one of them.
    async fn mails(&self, earlier: &[String]) -> Result<String, DemoError> {
        const STEP: &str = "waiting for the survey mail";
        let marker = format!("{}/s/", self.base);
        let is_new = |mail: &&Value| !earlier.contains(&mail_id(mail));
        let (count, survey) = self
            .until(STEP, || async {
                let list = self.api(Method::GET, "/local/mail", None, STEP).await?;
                let mails = list.get("data").and_then(Value::as_array);
                let new: Vec<&Value> = mails.into_iter().flatten().filter(is_new).collect();
                let survey = new
                    .iter()
                    .filter_map(|mail| mail.get("text").and_then(Value::as_str))
                    .find_map(|text| address(text, &marker));
                Ok(survey.map(|survey| (new.len(), survey)))
            })
            .await?;
        self.say(&format!(
            "{count} mails were sent; one asks Ann how likely she is to recommend"
        ));
        Ok(survey)
    }

    async fn mail_ids(&self) -> Result<Vec<String>, DemoError> {
        const STEP: &str = "looking at the mails";
        let list = self.api(Method::GET, "/local/mail", None, STEP).await?;
        let mails = list.get("data").and_then(Value::as_array);
        Ok(mails.into_iter().flatten().map(mail_id).collect())
    }

    async fn answer(&self, survey: &str) -> Result<(), DemoError> {
        const STEP: &str = "answering the survey";
        let page = self
            .client
            .get(survey)
            .header("user-agent", BROWSER)
            .header("accept", "text/html")
            .send()
            .await?;
        self.say(&format!("Ann opens the survey page: {}", page.status()));
        let answer = self
            .client
            .post(survey)
            .header("accept", "application/json")
            .json(&json!({"score": 10, "comment": "The sourdough!"}))
            .send()
            .await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(unexpected(STEP, &body(answer).await));
        }
        self.say(&format!("Ann answers 10: {status}"));
        Ok(())
    }

    /// Asks again and again until something is there.
    async fn until<T, F: Future<Output = Result<Option<T>, DemoError>>>(
        &self,
        step: &'static str,
        ask: impl Fn() -> F,
    ) -> Result<T, DemoError> {
        let asked_from = Instant::now();
        while asked_from.elapsed() < WAIT_MAX {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(unexpected(step, "it did not happen in time"))
    }

    async fn api(
        &self,
        method: Method,
        path: &str,
        request: Option<Value>,
        step: &'static str,
    ) -> Result<Value, DemoError> {
        let mut builder: RequestBuilder = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.key)
            .header("accept", "application/json");
        if let Some(request) = &request {
            builder = builder.json(request);
        }
        let answer = builder.send().await?;
        if answer.status().is_success() {
            Ok(answer.json().await?)
        } else {
            Err(unexpected(step, &body(answer).await))
        }
    }

    fn say(&self, text: &str) {
        line(&format!(
            "demo {:>6} ms  {text}",
            self.started.elapsed().as_millis()
        ));
    }
}

async fn body(answer: Response) -> String {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    format!("{status} {text}")
}

fn unexpected(step: &'static str, detail: &str) -> DemoError {
    DemoError::Unexpected {
        step,
        detail: detail.to_owned(),
    }
}

fn text(value: &Value, pointer: &str, step: &'static str) -> Result<String, DemoError> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| unexpected(step, &format!("{pointer} is missing in {value}")))
}

fn mail_id(mail: &Value) -> String {
    let id = mail.get("id").and_then(Value::as_str);
    id.unwrap_or_default().to_owned()
}

/// The first address in a text that begins with `marker`.
fn address(text: &str, marker: &str) -> Option<String> {
    let (_, from) = text.split_at_checked(text.find(marker)?)?;
    let end = from
        .find(|letter: char| letter.is_whitespace() || matches!(letter, '>' | '"' | ')'))
        .unwrap_or(from.len());
    let (address, _) = from.split_at_checked(end)?;
    // `?score=` preselects; the bare address asks.
    Some(address.split('?').next().unwrap_or(address).to_owned())
}
