//! Rewards by hand: `POST P/rewards`.

use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::ParticipantId;
use kith_domain::incentive::{POINTS_MAX, QUANTITY_MAX};
use kith_domain::money::Sku;
use kith_domain::participant::Participant;
use kith_domain::program::ProgramState;
use kith_domain::reward::{
    Beneficiary, Discount, Reward, RewardSource, RewardState, RewardValue, Transition,
};
use kith_domain::text::Name;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::json::{self, Faults, Member};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::{Was, keys};

use crate::call::{Body, Call};
use crate::merges::refuse_merged;
use crate::scheme::{share, some_money};

struct Giving {
    beneficiary_id: ParticipantId,
    value: RewardValue,
    reason: Name,
}

impl Giving {
    fn read((mut body, mut faults): Body) -> Result<Self, Problem> {
        let beneficiary_id = body.required("beneficiary_id", &mut faults, json::text);
        let kind = body.required("kind", &mut faults, json::any);
        let value = body.required("value", &mut faults, json::any);
        let value = match (kind, value) {
            (Some(kind), Some(value)) => read_value(&kind, value, &mut faults),
            (_, _) => None,
        };
        let reason = body.required("reason", &mut faults, json::text::<Name>);
        body.finish(&mut faults);
        let (beneficiary_id, value, reason) = faults.all((beneficiary_id, value, reason))?;
        Ok(Self {
            beneficiary_id,
            value,
            reason,
        })
    }
}

/// A value in the shape in which rewards of its kind are answered.
fn read_value(kind: &Member, value: Member, faults: &mut Faults) -> Option<RewardValue> {
    match kind.value.as_str() {
        Some("cash") => some_money(value, faults).map(RewardValue::Cash),
        Some("discount") if value.value.get("basis_points").is_some() => {
            let share =
                json::nested(|object, faults| object.required("basis_points", faults, share()))(
                    value, faults,
                );
            share.map(|share| RewardValue::Discount(Discount::BasisPoints(share)))
        }
        Some("discount") => {
            let amount = some_money(value, faults).map(Discount::Amount);
            amount.map(RewardValue::Discount)
        }
        Some("points") => json::nested(|object, faults| {
            let points = json::integer_in(1..=POINTS_MAX);
            object.required("points", faults, points)
        })(value, faults)
        .map(RewardValue::Points),
        Some("free_product") => json::nested(|object, faults| {
            let sku = object.required("sku", faults, json::text::<Sku>);
            let quantity = json::integer_in(1..=QUANTITY_MAX);
            let quantity = object.required("quantity", faults, quantity);
            Some(RewardValue::FreeProduct {
                sku: sku?,
                quantity: quantity?,
            })
        })(value, faults),
        Some(_) | None => {
            kind.refuse(
                faults,
                "must be one of cash, discount, points, free_product",
            );
            None
        }
    }
}

/// `POST P/rewards`: approved at once, unless the program is paused; then it is held until that is
/// over.
pub(crate) async fn give(call: Call) -> Result<Response, Ended> {
    let parsed = call.body().and_then(Giving::read);
    let (session, view, giving) = call
        .program(parsed, |giving, program, _| {
            vec![keys::participant(program, giving.beneficiary_id)]
        })
        .await?;
    check_beneficiary(&view, giving.beneficiary_id)?;
    let state = match view.program.state {
        ProgramState::Active => RewardState::Approved,
        ProgramState::Paused => RewardState::Pending,
        ProgramState::Archived => {
            let detail = "An archived program gives no new rewards.";
            return Err(Problem::of(Code::ProgramArchived, detail).into());
        }
    };
    let reward = reward_of(&view, &giving, state, session.actor());
    let mut commit = view.commit();
    commit
        .reward(&reward, Was::Absent)
        .active(reward.beneficiary_id)
        .fact(Fact::of_reward(FactKind::RewardCreated, &reward));
    if state == RewardState::Approved {
        commit.fact(Fact::of_reward(FactKind::RewardApproved, &reward));
    }
    if let Some((unit, amount)) = reward.value.credit() {
        commit.pending(reward.beneficiary_id, unit, amount);
    }
    let answer = wire::reward(&reward);
    let change = Change::of(ObjectKind::Reward, reward.id)
        .because(&giving.reason)
        .to(&answer);
    session
        .finish(commit, change, Response::json(201, &answer))
        .await
}

fn check_beneficiary(view: &View, id: ParticipantId) -> Result<(), Ended> {
    let key = keys::participant(view.program.id, id);
    let Some(person) = view.loaded.read::<Participant>(&key)? else {
        let fault = Fault::new("/beneficiary_id", "there is no such participant");
        return Err(Problem::invalid_request(vec![fault]).into());
    };
    refuse_merged(&person)?;
    if !person.is_active() {
        let detail = "Whoever is suspended gets no rewards.";
        return Err(Problem::of(Code::BeneficiarySuspended, detail).into());
    }
    Ok(())
}

fn reward_of(view: &View, giving: &Giving, state: RewardState, by: String) -> Reward {
    let reason = giving.reason.to_string();
    Reward {
        id: view.id(),
        program: view.program.id,
        beneficiary_id: giving.beneficiary_id,
        beneficiary: Beneficiary::Referrer,
        source: RewardSource::Manual,
        conversion_id: None,
        referral_id: None,
        incentive_id: None,
        scheme_version: view.program.version,
        basis: None,
        original: giving.value,
        value: giving.value,
        state,
        release_at: view.now,
        created_at: view.now,
        issued_at: None,
        expires_after_days: None,
        expires_at: None,
        voucher_code: None,
        fulfilment: None,
        in_review: false,
        history: vec![Transition {
            to: state,
            at: view.now,
            by,
            reason: Some(reason),
        }],
        version: 1,
    }
}
