//! Rewards that the shop carries out: it is asked after it is written that it is, and then what it
//! answered is noted. A crash in between leaves a due entry, and the shop is asked again under the
//! same id.

use jiff::SignedDuration;
use kith_connectors::{Message, Posted, Unsent};
use kith_contract::answers;
use kith_domain::code::VoucherCode;
use kith_domain::conversion::Conversion;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::fulfilment::{self, Answered, Handed, NamedCode, Noted, Verdict};
use kith_domain::money::Money;
use kith_domain::participant::Participant;
use kith_domain::program::Program;
use kith_domain::reward::Reward;
use kith_domain::text::Name;
use kith_domain::webhook::Fared;
use kith_edge::desk::View;
use kith_edge::{Invocation, Outcome, Undone, WorkError, decide_at_most, endpoints};
use kith_store::items::{LedgerReason, Lot, Voucher};
use kith_store::{Beside, Commit, Was, keys};
use serde_json::Value;

use crate::provider::Inquiry;
use crate::{RACES_MAX, WORKER, Worker};

/// Time kept for noting what a shop answered.
const NOTING: SignedDuration = SignedDuration::from_secs(5);

/// A question that is being asked by whoever holds this.
#[derive(Debug)]
pub(crate) struct Asking {
    /// The program as it was.
    program: Program,
    /// The reward as it is written.
    pub(crate) reward: Reward,
    /// Whose it is.
    pub(crate) person: Participant,
    inquiry: Inquiry,
}

impl Asking {
    /// A question about a reward, which from now on is being asked.
    pub(crate) fn of(view: &View, reward: &Reward, person: Participant, inquiry: Inquiry) -> Self {
        Self {
            program: view.program.clone(),
            reward: Reward {
                fulfilment: Some(Box::new(inquiry.fulfilment.clone())),
                ..reward.clone()
            },
            person,
            inquiry,
        }
    }
}

/// Whether the time is enough for a shop that takes all of its own, and for noting what it said.
pub(crate) fn has_time(worker: &Worker, invocation: &Invocation) -> bool {
    let call = SignedDuration::try_from(worker.messenger.patience());
    let needed = call.unwrap_or(SignedDuration::MAX).saturating_add(NOTING);
    invocation.deadline.duration_since(worker.desk.real_now()) > needed
}

/// Asks the shop, and notes what it answers.
pub(crate) async fn ask(
    worker: &Worker,
    invocation: &Invocation,
    asking: Asking,
) -> Result<Outcome, WorkError> {
    let posted = post(worker, &asking).await;
    tell(&asking, &posted);
    let note = || note(worker, invocation, &asking, &posted);
    decide_at_most(RACES_MAX, note).await?;
    let fared = Verdict::of(&posted.attempt).fared();
    if fared != Fared::Well || asking.inquiry.was_failing {
        let endpoint = (asking.reward.program, asking.inquiry.endpoint.id);
        endpoints::note_fared(&worker.desk, invocation, endpoint, fared).await?;
    }
    Ok(Outcome::Done)
}

async fn post(worker: &Worker, asking: &Asking) -> Posted {
    let at = worker.desk.real_now();
    let endpoint = &asking.inquiry.endpoint;
    let posted = match message(asking) {
        Ok(message) => worker.messenger.post(endpoint, message, at).await,
        Err(error) => {
            tracing::error!(reward.id = %asking.reward.id, %error, "the question cannot be written");
            return Posted::unsent(at);
        }
    };
    posted.unwrap_or_else(|error: Unsent| {
        tracing::error!(reward.id = %asking.reward.id, %error, "the question cannot be sent");
        Posted::unsent(at)
    })
}

fn message(asking: &Asking) -> Result<Message, serde_json::Error> {
    let asked = &asking.inquiry.asked;
    let reward = fulfilment::as_asked(&asking.reward, asked);
    let told = answers::shop_question(&asking.program, &reward, &asking.person, asked);
    Ok(Message {
        id: asked.question.key(reward.id),
        about: reward.id.to_string(),
        body: serde_json::to_vec(&told)?,
    })
}

fn tell(asking: &Asking, posted: &Posted) {
    let (id, question) = (asking.reward.id, asking.inquiry.asked.question);
    let (webhook, attempt) = (asking.inquiry.endpoint.id, &posted.attempt);
    let (end, status) = (attempt.end, attempt.status.unwrap_or_default());
    let duration_ms = attempt.duration_ms;
    tracing::info!(reward.id = %id, webhook.id = %webhook, %question, %end, status, duration_ms, "the shop was asked");
}

/// Notes what the shop answered, whatever has become of the reward meanwhile.
async fn note(
    worker: &Worker,
    invocation: &Invocation,
    asking: &Asking,
    posted: &Posted,
) -> Result<(), Undone> {
    let (program, id) = (asking.reward.program, asking.reward.id);
    let key = keys::reward(program, id);
    let said = Said::read(posted);
    let mut wanted = vec![key.clone()];
    wanted.extend(said.code().map(|code| keys::voucher(program, code)));
    let view = worker.desk.view(invocation, program, wanted).await?;
    let Some(mut view) = view else {
        return Ok(());
    };
    let Some(reward) = view.loaded.read::<Reward>(&key)? else {
        return Ok(());
    };
    let person = keys::participant(program, reward.beneficiary_id);
    view.load([person.clone()]).await?;
    let person: Option<Participant> = view.loaded.read(&person)?;
    let is_merged = |person: &Participant| person.merged_into.is_some();
    if person.as_ref().is_some_and(is_merged) {
        // It is on its way to somebody else, and the answer with it.
        return Err(Undone::Outdated);
    }
    let answered = Answered {
        attempt: kith_domain::webhook::Attempt {
            // The shop's own words are in no reward: nobody could erase them there.
            excerpt: None,
            ..posted.attempt.clone()
        },
        retry_after: posted.retry_after(view.real_now),
        receipt: said.receipt.clone(),
        code: said.named(&view, &reward)?,
    };
    let cost = unit_cost(&mut view, &reward).await?;
    let entry = (view.now, WORKER);
    let tried = (&asking.inquiry.asked, &answered);
    let noted = fulfilment::note(&reward, tried, view.program.state, cost, entry);
    let Some(noted) = noted.map_err(WorkError::from)? else {
        return Ok(());
    };
    let mut commit = view.commit();
    write(&mut view, &mut commit, &reward, noted).await?;
    if let Some(person) = &person {
        commit.same_participant(person);
    }
    view.write(commit).await?;
    Ok(())
}

async fn write(
    view: &mut View,
    commit: &mut Commit,
    before: &Reward,
    noted: Noted,
) -> Result<(), Undone> {
    let was = Was::Version(before.version);
    match noted {
        Noted::Kept(reward) => {
            commit.reward(&reward, was);
        }
        Noted::Approved(reward) => {
            commit
                .reward(&reward, was)
                .fact(Fact::of_reward(FactKind::RewardApproved, &reward));
        }
        Noted::Failed(reward) => {
            commit
                .reward(&reward, was)
                .fact(Fact::of_reward(FactKind::RewardFailed, &reward));
        }
        Noted::Rejected(reward) => {
            let id = before.conversion_id;
            let id = id.ok_or_else(|| WorkError::new("a reward of a rule without a conversion"))?;
            let key = keys::conversion(before.program, id);
            view.load([key.clone()]).await?;
            let conversion: Option<Conversion> = view.loaded.read(&key)?;
            let missing = || WorkError::new("a reward without its conversion");
            let conversion = conversion.ok_or_else(missing)?;
            let rewards = std::slice::from_ref(before);
            let beside = Beside::load(&view.store, &conversion, rewards).await?;
            commit
                .withdraw(before, &reward, &beside)
                .fact(Fact::of_reward(FactKind::RewardRejected, &reward));
        }
        Noted::Given(handed) => give(view, commit, before, &handed),
    }
    Ok(())
}

/// What the shop has given: owed, settled, and taken back as far as it was withdrawn meanwhile, all
/// in one entry.
fn give(view: &View, commit: &mut Commit, before: &Reward, handed: &Handed) {
    let reward = &handed.reward;
    let owner = reward.beneficiary_id;
    commit.reward(reward, Was::Version(before.version));
    for fact in &handed.facts {
        commit.fact(fact.clone());
    }
    if let Some((unit, by)) = handed.pending {
        commit.pending(owner, unit, by);
    }
    for (reason, lines) in [
        (LedgerReason::RewardIssued, &handed.issued),
        (LedgerReason::RewardRedeemed, &handed.settled),
        (LedgerReason::RewardTakenBack, &handed.taken_back),
    ] {
        if !lines.is_empty() {
            commit.ledger(reason, Some(reward.id), lines);
        }
    }
    if let Some(lot) = handed.left.and_then(|left| Lot::left_of(reward, left)) {
        commit.lot(reward.program, owner, &lot, None);
    }
    if let Some(code) = &reward.voucher_code
        && view
            .loaded
            .item(&keys::voucher(reward.program, code))
            .is_none()
    {
        let voucher = Voucher::of_reward(code.clone(), reward.id);
        commit.voucher(reward.program, &voucher, Was::Absent);
    }
}

/// What a piece costs by the rule that made a reward, as it stood.
async fn unit_cost(view: &mut View, reward: &Reward) -> Result<Option<Money>, Undone> {
    if !reward.value.is_voucher() {
        return Ok(None);
    }
    let key = keys::scheme(reward.program, reward.scheme_version);
    view.load([key.clone()]).await?;
    let rules: Option<Program> = view.loaded.read(&key)?;
    let rules = rules.map_or_else(Vec::new, |rules| rules.incentives);
    let mut rules = rules.into_iter();
    let rule = rules.find(|rule| Some(&rule.id) == reward.incentive_id.as_ref());
    Ok(rule.and_then(|rule| rule.unit_cost))
}

/// What a shop may say beside its status. Anything else in the body is not looked at.
#[derive(Debug, Default)]
struct Said {
    receipt: Option<Name>,
    /// The code as it is written, if it is one.
    code: Option<Result<VoucherCode, ()>>,
}

impl Said {
    fn read(posted: &Posted) -> Self {
        let Ok(Value::Object(said)) = serde_json::from_slice(&posted.body) else {
            return Self::default();
        };
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        let code = said.get("voucher_code").filter(|code| !code.is_null());
        let read = |code: &Value| code.as_str().and_then(|code| code.parse().ok()).ok_or(());
        Self {
            receipt: text("receipt").and_then(|text| text.parse().ok()),
            code: code.map(read),
        }
    }

    fn code(&self) -> Option<&VoucherCode> {
        self.code.as_ref()?.as_ref().ok()
    }

    /// The code as this reward's: one that nobody else has, as in the owner's list.
    fn named(&self, view: &View, reward: &Reward) -> Result<NamedCode, Undone> {
        let code = match &self.code {
            _ if !reward.value.is_voucher() => return Ok(NamedCode::None),
            None => return Ok(NamedCode::None),
            Some(Err(())) => {
                return Ok(NamedCode::Bad(
                    "the shop has made a voucher whose code cannot be one",
                ));
            }
            Some(Ok(code)) => code,
        };
        let key = keys::voucher(reward.program, code);
        let present = view.loaded.read::<Voucher>(&key)?;
        let is_free = present.is_none_or(|voucher| voucher.reward_id == Some(reward.id));
        Ok(if is_free {
            NamedCode::Good(code.clone())
        } else {
            NamedCode::Bad("the shop has made a voucher under a code that is taken")
        })
    }
}
