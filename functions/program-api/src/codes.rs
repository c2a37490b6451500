//! A participant's codes: add, switch off and on.

use kith_contract::answers::{CodeState, OwnCode, Participant};
use kith_domain::code::ReferralCode;
use kith_domain::id::ParticipantId;
use kith_edge::http::{Problem, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_store::items::CodeRecord;
use kith_store::keys;

use crate::call::{Body, Call};
use crate::merges::refuse_merged;
use crate::participants::written;
use crate::person::Person;

/// `POST P/participants/{participant}/codes`: a code of the caller's choice, or a generated one.
pub(crate) async fn add(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("participant").and_then(|id: ParticipantId| {
        let (mut body, mut faults) = call.body_or_empty()?;
        let code = body.optional("code", &mut faults, json::text::<ReferralCode>);
        body.finish(&mut faults);
        faults.into_result()?;
        Ok((id, code))
    });
    let (session, view, (id, code)) = call
        .program(parsed, |(id, code), program, mode| {
            let mut first = vec![keys::participant(program, *id)];
            first.extend(code.as_ref().map(|code| keys::code(mode, code)));
            first
        })
        .await?;
    let mut person = Person::of(&view, id)?;
    refuse_merged(&person.next)?;
    let before = written(&call, &view, &person.next)?;
    let had = person.next.codes.len();
    let code = match code {
        Some(code) => {
            person.take_code(&view, code.clone())?;
            code
        }
        None => person.generate_code(&view)?,
    };
    let status = if person.next.codes.len() > had {
        201
    } else {
        200
    };
    let mut commit = view.commit();
    person.write(&mut commit, &view, &call.api.identity)?;
    let after = written(&call, &view, &person.next)?;
    let change = person.change(&before, &after);
    let answer = own_code(&after, &code)?;
    session
        .finish(commit, change, Response::json(status, &answer))
        .await
}

/// `PATCH P/participants/{participant}/codes/{code}`.
pub(crate) async fn switch(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("participant").and_then(|id: ParticipantId| {
        let code: ReferralCode = call.id("code")?;
        Ok((id, code, call.body()?))
    });
    let (session, view, (id, code, body)) = call
        .program(parsed, |(id, _, _), program, _| {
            vec![keys::participant(program, *id)]
        })
        .await?;
    let mut person = Person::of(&view, id)?;
    refuse_merged(&person.next)?;
    let before = written(&call, &view, &person.next)?;
    let present = own_code(&before, &code)?;
    call.if_match(person.next.version)?;
    let state = new_state(body, &present)?;
    let mut commit = view.commit();
    let own = person.next.codes.iter_mut().find(|own| own.code == code);
    let active = state.map(|state| state == CodeState::Active);
    if let Some((own, active)) = own.zip(active)
        && own.active != active
    {
        own.active = active;
        commit.switch_code(&CodeRecord {
            code: own.code.clone(),
            program_id: view.program.id,
            participant_id: id,
            active: own.active,
        });
    }
    person.write(&mut commit, &view, &call.api.identity)?;
    let after = written(&call, &view, &person.next)?;
    let answer = own_code(&after, &code)?;
    let change = person.change(&before, &after);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

fn new_state(
    (mut body, mut faults): Body,
    present: &OwnCode,
) -> Result<Option<CodeState>, Problem> {
    body.read_only(&["code", "kind", "link"], present, &mut faults);
    let state = body.replace("state", &mut faults, json::text::<CodeState>);
    body.finish(&mut faults);
    faults.into_result()?;
    Ok(state)
}

/// One code out of a participant as the API writes them.
fn own_code(participant: &Participant, code: &ReferralCode) -> Result<OwnCode, Problem> {
    let found = participant.codes.iter().find(|own| own.code.0 == *code);
    found.cloned().ok_or_else(|| Problem::not_found("code"))
}
