//! Participants: make, read, change, find, and what they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use kith_contract::problems::Code;
use kith_contract::routes;
use kith_domain::code::ReferralCode;
use kith_domain::email::EmailAddress;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ParticipantId, ProgramId};
use kith_domain::incentive::RewardRule;
use kith_domain::ledger::Balance;
use kith_domain::participant::{Participant, ParticipantState, Referral, ReferralState};
use kith_domain::text::ExternalId;
use kith_edge::audit::Change;
use kith_edge::config::Origin;
use kith_edge::desk::View;
use kith_edge::http::bulk::{Bulk, Lines};
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::json::{self, Faults, Member};
use kith_edge::session::{Ended, Session};
use kith_edge::signals;
use kith_edge::wire;
use kith_store::items::{CodeRecord, Lookup, UnitBalance};
use kith_store::keys::{self, Key, ListName};
use kith_store::tree::{Place, Tree};
use kith_store::{Commit, ListQuery, Loaded, Store, Was};
use serde_json::Value;

use crate::call::{Body, Call, filtered, handler};
use crate::export::{self, Form, Listed, Source, cell};
use crate::merges::refuse_merged;
use crate::person::{Person, email_key, identity_conflict};
use crate::profile::{Profile, person_id};

/// More units than there are currencies.
const UNITS_MAX: u16 = 300;

struct Joining {
    external_id: ExternalId,
    profile: Profile,
    vanity_code: Option<ReferralCode>,
    referred_by: Option<ParticipantId>,
}

impl Joining {
    fn read((mut body, mut faults): Body) -> Result<Self, Problem> {
        let external_id = body.required("external_id", &mut faults, person_id);
        let profile = Profile::read(&mut body, &mut faults).without_clearing();
        let vanity_code = body.optional("vanity_code", &mut faults, json::text);
        let referred_by = body.optional("referred_by", &mut faults, json::text);
        signals::client(&mut body, &mut faults);
        signals::fingerprint("payout_fingerprint", &mut body, &mut faults);
        body.finish(&mut faults);
        let (external_id,) = faults.all((external_id,))?;
        Ok(Self {
            external_id,
            profile,
            vanity_code,
            referred_by,
        })
    }
}

/// `POST P/participants`.
pub(crate) async fn join(call: Call) -> Result<Response, Ended> {
    let parsed = call.body().and_then(Joining::read);
    let identity = &call.api.identity;
    let (session, mut view, joining) = call
        .program(parsed, |joining, program, mode| {
            let mut first = vec![keys::external(program, &joining.external_id)];
            let email = joining.profile.new_email();
            first.extend(email.map(|email| email_key(identity, program, email)));
            let code = joining.vanity_code.as_ref();
            first.extend(code.map(|code| keys::code(mode, code)));
            let referrer = joining.referred_by;
            first.extend(referrer.map(|id| keys::participant(program, id)));
            first
        })
        .await?;
    let mut person = find(&call, &session, &mut view, &joining).await?;
    joining.profile.apply(&mut person.next, view.now);
    if person.next.external_id.is_none() {
        person.next.external_id = Some(joining.external_id);
    }
    if let Some(code) = joining.vanity_code {
        person.take_code(&view, code)?;
    }
    if person.next.codes.is_empty() {
        person.generate_code(&view)?;
    }
    let bond = match joining.referred_by {
        Some(referrer) => bond(&mut view, &person, referrer).await?,
        None => None,
    };
    let mut commit = view.commit();
    person.write(&mut commit, &view, identity)?;
    if let Some((bond, place)) = &bond {
        commit.placed(view.program.id, *place, person.unwritten());
        write_bond(&mut commit, &view, bond);
    }
    let status = if person.is_new() { 201 } else { 200 };
    let answer = written(&call, &view, &person.next)?;
    let change = match person.before() {
        None => Change::routine(),
        Some(before) => {
            let before = written(&call, &view, before)?;
            let change = person.change(&before, &answer);
            if bond.is_some() {
                change.also("referral")
            } else {
                change
            }
        }
    };
    session
        .finish(commit, change, Response::json(status, &answer))
        .await
}

/// `POST P/participants/bulk`: every line as [`join`] has it.
pub(crate) async fn join_many(call: Call) -> Result<Response, Ended> {
    let (_, _, lines) = call
        .program(Lines::read(&call.request), |_, _, _| Vec::new())
        .await?;
    let bulk = Bulk {
        request: &call.request,
        invocation: &call.invocation,
        clock: call.api.gate.desk().clock(),
        single: Arc::new(handler(&call.api, &routes::JOIN_PARTICIPANT, join)),
        about,
    };
    Ok(bulk.answer(lines).await)
}

/// Whom a line is about, by every name that is given, and which code it wants.
fn about(line: &Value) -> Vec<String> {
    let said = |name: &str| line.get(name).and_then(Value::as_str);
    let email = said("email").and_then(|email| email.parse::<EmailAddress>().ok());
    let things = [
        said("external_id").map(|id| format!("id {id}")),
        email.map(|email| format!("email {}", email.normalised())),
        said("vanity_code").map(|code| format!("code {}", code.to_ascii_lowercase())),
    ];
    things.into_iter().flatten().collect()
}

/// Who it is: by external id, then by mail address.
async fn find(
    call: &Call,
    session: &Session,
    view: &mut View,
    joining: &Joining,
) -> Result<Person, Ended> {
    let program = view.program.id;
    let by_id = keys::external(program, &joining.external_id);
    let by_id = view.loaded.read::<Lookup>(&by_id)?;
    let by_email = match joining.profile.new_email() {
        Some(email) => {
            let key = email_key(&call.api.identity, program, email);
            view.loaded.read::<Lookup>(&key)?
        }
        None => None,
    };
    let (store, loaded) = (&view.store, &mut view.loaded);
    let by_id = now(store, program, loaded, by_id).await?;
    let by_email = now(store, program, loaded, by_email).await?;
    if by_email.is_some_and(|by_email| by_id.is_some_and(|by_id| by_id != by_email)) {
        return Err(identity_conflict());
    }
    let Some(known) = by_id.or(by_email) else {
        return Ok(Person::unknown(view, session.recorded_by()));
    };
    let id = known.participant_id;
    view.load([keys::referral(program, id)]).await?;
    let person = Person::of(view, id)?;
    // Known by the mail address, under another name than this one.
    if by_id.is_none() && person.next.external_id.is_some() {
        return Err(identity_conflict());
    }
    Ok(person)
}

/// To whom a look-up leads now.
async fn now(
    store: &Store,
    program: ProgramId,
    loaded: &mut Loaded,
    found: Option<Lookup>,
) -> Result<Option<Lookup>, Ended> {
    Ok(match found {
        Some(found) => {
            let participant_id = store.present(program, loaded, found.participant_id).await?;
            Some(Lookup { participant_id })
        }
        None => None,
    })
}

/// The bond that `referred_by` makes, unless there is one: the first binds.
async fn bond(
    view: &mut View,
    person: &Person,
    referrer: ParticipantId,
) -> Result<Option<(Referral, Place)>, Ended> {
    let (program, referee) = (view.program.id, person.next.id);
    let known = view
        .loaded
        .read::<Referral>(&keys::referral(program, referee))?;
    if known.is_some() {
        return Ok(None);
    }
    let (store, loaded) = (&view.store, &mut view.loaded);
    let referrer = store.present(program, loaded, referrer).await?;
    let key = keys::participant(program, referrer);
    let Some(referrer) = view.loaded.read::<Participant>(&key)? else {
        let fault = Fault::new("/referred_by", "there is no such participant");
        return Err(Problem::invalid_request(vec![fault]).into());
    };
    if !referrer.is_active() {
        let detail = "Whoever is suspended does not refer.";
        return Err(Problem::of(Code::ReferrerSuspended, detail).into());
    }
    if referrer.codes.is_empty() {
        let detail = "Whoever refers has a code: add the referrer as a participant first.";
        return Err(Problem::of(Code::ReferrerWithoutCode, detail).into());
    }
    let mut tree = Tree::of_bonds(program);
    let (store, loaded) = (&view.store, &mut view.loaded);
    loaded.extend(store.get(tree.keys([referrer.id])).await?);
    let place = store
        .place(&mut tree, loaded, person.before(), referrer.id)
        .await?;
    let Some(place) = place else {
        let detail = "The participant cannot be referred by themselves, directly or indirectly.";
        return Err(Problem::of(Code::ReferralLoop, detail).into());
    };
    let above = view
        .loaded
        .read::<Referral>(&keys::referral(program, referrer.id))?;
    let bond = Referral {
        id: view.id(),
        referrer_id: referrer.id,
        referee_id: referee,
        path: Referral::path_below(above.as_ref()),
        created_at: view.now,
        channel: None,
        touch_at: None,
        lead_at: None,
        first_qualified_at: None,
        referrer_joined_at: referrer.created_at,
        state: ReferralState::Bound,
        merged: false,
        version: 1,
    };
    Ok(Some((bond, place)))
}

fn write_bond(commit: &mut Commit, view: &View, bond: &Referral) {
    commit
        .referral(view.program.id, bond, Was::Absent)
        .active(bond.referrer_id)
        .not_merged(bond.referee_id);
    commit.fact(Fact {
        referral_id: Some(bond.id),
        referrer_id: Some(bond.referrer_id),
        referee_id: Some(bond.referee_id),
        referrer_joined_at: Some(bond.referrer_joined_at),
        ..Fact::new(FactKind::ReferralCreated)
    });
}

/// `GET P/participants/{participant}`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (_, view, id) = call
        .program(
            call.only_id("participant"),
            |id: &ParticipantId, program, _| vec![keys::participant(program, *id)],
        )
        .await?;
    let person = Person::of(&view, id)?;
    Ok(Response::json(200, &written(&call, &view, &person.next)?))
}

/// `GET P/participants`, newest first: as JSON, as a table or as lines of JSON. Nobody's mail address
/// or name is in it.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let form = Form::of(&call.request, &Form::ALL);
    let query = call.query(|fields, faults| {
        let state = fields.optional::<ParticipantState>("state", faults);
        (state, call.paging_as(form, fields, faults))
    });
    let (session, view, (state, paging)) = call.program(query, |_, _, _| Vec::new()).await?;
    let program = view.program.id;
    let mut query =
        paging.over(|limit| ListQuery::of_program(program, ListName::Participants, limit));
    query.state = state.map(|state| state.to_string());
    let source = People {
        view: &view,
        origin: call.origin()?,
        query,
    };
    export::answer(&call, &session, form, &paging, &source).await
}

/// The participants that a query finds.
struct People<'a> {
    view: &'a View,
    origin: Origin,
    query: ListQuery,
}

impl Source for People<'_> {
    type Row = Shown;

    async fn page(
        &self,
        after: Option<String>,
        limit: u16,
    ) -> Result<(Vec<Shown>, Option<String>), Ended> {
        let query = self.query.page(after, limit);
        let id = |person: &Participant| person.id.to_string();
        let (found, next) = filtered(&self.view.store, query, id, |_| true).await?;
        let shown = found.into_iter().map(|person| Shown {
            json: wire::participant(&person, &self.view.program, self.origin.as_str()),
            person,
        });
        Ok((shown.collect(), next))
    }
}

/// A participant, and how the API writes them.
struct Shown {
    person: Participant,
    json: wire::Participant,
}

impl Listed for Shown {
    type Json = wire::Participant;

    const NAME: &'static str = "participants";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "state",
        "external_id",
        "code",
        "link",
        "codes",
        "locale",
        "has_email",
        "consent_surveys",
        "consent_marketing",
        "consent_recorded_at",
        "created_at",
        "recorded_by",
        "version",
    ];

    fn id(&self) -> String {
        self.person.id.to_string()
    }

    fn json(&self) -> wire::Participant {
        self.json.clone()
    }

    fn cells(&self) -> Vec<String> {
        let person = &self.person;
        let link = self.json.link.as_deref();
        let codes: Vec<&str> = person.codes.iter().map(|own| own.code.as_str()).collect();
        vec![
            person.id.to_string(),
            person.state.to_string(),
            cell(person.external_id.as_ref()),
            cell(person.code()),
            cell(link),
            codes.join(" "),
            cell(person.locale.as_ref()),
            person.email.is_some().to_string(),
            cell(person.consent.surveys),
            cell(person.consent.marketing),
            cell(person.consent.recorded_at),
            person.created_at.to_string(),
            cell(person.recorded_by),
            person.version.to_string(),
        ]
    }
}

/// `PATCH P/participants/{participant}`.
pub(crate) async fn change(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("participant").and_then(|id| Ok((id, call.body()?)));
    let (session, mut view, (id, body)) = call
        .program(parsed, |(id, _): &(ParticipantId, Body), program, _| {
            vec![keys::participant(program, *id)]
        })
        .await?;
    let mut person = Person::of(&view, id)?;
    refuse_merged(&person.next)?;
    call.if_match(person.next.version)?;
    let present = written(&call, &view, &person.next)?;
    let profile = patch(body, &mut person, &present)?;
    if let Some(email) = profile.new_email() {
        let key = email_key(&call.api.identity, view.program.id, email);
        view.load([key]).await?;
    }
    profile.apply(&mut person.next, view.now);
    let mut commit = view.commit();
    person.write(&mut commit, &view, &call.api.identity)?;
    let answer = written(&call, &view, &person.next)?;
    let change = person.change(&present, &answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

/// Reads a merge patch of a person whose present form is `present`.
fn patch(
    (mut body, mut faults): Body,
    person: &mut Person,
    present: &wire::Participant,
) -> Result<Profile, Problem> {
    let fixed = [
        "id",
        "external_id",
        "code",
        "link",
        "codes",
        "share",
        "has_email",
        "merged_into",
        "created_at",
        "recorded_by",
        "version",
    ];
    body.read_only(&fixed, present, &mut faults);
    let profile = Profile::read(&mut body, &mut faults);
    let state = body.replace("state", &mut faults, taking_part);
    body.finish(&mut faults);
    faults.into_result()?;
    person.next.state = state.unwrap_or(person.next.state);
    Ok(profile)
}

/// Whether somebody takes part, as far as that is said by hand: nobody is merged so.
fn taking_part(member: Member, faults: &mut Faults) -> Option<ParticipantState> {
    let pointer = member.pointer.clone();
    match json::text(member, faults)? {
        state @ (ParticipantState::Active | ParticipantState::Suspended) => Some(state),
        ParticipantState::Merged => {
            faults.add(pointer, "must be one of active, suspended");
            None
        }
    }
}

/// By what a person is looked for.
enum Wanted {
    ExternalId(ExternalId),
    Email(EmailAddress),
    Code(ReferralCode),
}

impl Wanted {
    fn read((mut body, mut faults): Body) -> Result<Self, Problem> {
        let external_id = body.optional("external_id", &mut faults, person_id);
        let email = body.optional("email", &mut faults, json::text::<EmailAddress>);
        let code = body.optional("code", &mut faults, json::text::<ReferralCode>);
        body.finish(&mut faults);
        faults.into_result()?;
        match (external_id, email, code) {
            (Some(external_id), None, None) => Ok(Self::ExternalId(external_id)),
            (None, Some(email), None) => Ok(Self::Email(email)),
            (None, None, Some(code)) => Ok(Self::Code(code)),
            _ => Err(Problem::invalid_request(vec![Fault::new(
                "",
                "must have exactly one of external_id, email, code",
            )])),
        }
    }
}

/// `POST P/participants/search`: a read, although a body carries what is looked for, so that no
/// mail address stands in a URL.
pub(crate) async fn search(call: Call) -> Result<Response, Ended> {
    let parsed = call.body().and_then(Wanted::read);
    let identity = &call.api.identity;
    let key = |wanted: &Wanted, program, mode| -> Key {
        match wanted {
            Wanted::ExternalId(id) => keys::external(program, id),
            Wanted::Email(email) => email_key(identity, program, email),
            Wanted::Code(code) => keys::code(mode, code),
        }
    };
    let (_, mut view, wanted) = call
        .program(parsed, |wanted, program, mode| {
            vec![key(wanted, program, mode)]
        })
        .await?;
    let program = view.program.id;
    let key = key(&wanted, program, view.program.mode);
    let id = match wanted {
        Wanted::ExternalId(_) | Wanted::Email(_) => {
            let lookup = view.loaded.read::<Lookup>(&key)?;
            lookup.map(|lookup| lookup.participant_id)
        }
        Wanted::Code(_) => {
            let record = view.loaded.read::<CodeRecord>(&key)?;
            let own = record.filter(|record| record.program_id == program);
            own.map(|record| record.participant_id)
        }
    };
    let mut data = Vec::new();
    if let Some(id) = id {
        let id = view.store.present(program, &mut view.loaded, id).await?;
        data.push(written(&call, &view, &Person::of(&view, id)?.next)?);
    }
    Ok(Response::json(200, &wire::list(data, None)))
}

/// `GET P/participants/{participant}/balance`. A unit that the program gives is there even when
/// nothing was earned in it yet.
pub(crate) async fn balance(call: Call) -> Result<Response, Ended> {
    let (_, view, id) = call
        .program(
            call.only_id("participant"),
            |id: &ParticipantId, program, _| vec![keys::participant(program, *id)],
        )
        .await?;
    Person::of(&view, id)?;
    let given = view.program.incentives.iter();
    let mut balances: BTreeMap<String, Balance> = given
        .flat_map(|incentive| incentive.rules())
        .filter_map(RewardRule::unit)
        .map(|unit| (unit.to_string(), Balance::default()))
        .collect();
    let prefix = keys::balances(view.program.id, id);
    let held = view
        .store
        .starting_with::<UnitBalance>(&prefix, UNITS_MAX)
        .await?;
    balances.extend(held.into_iter().map(|held| (held.unit, held.balance)));
    let balances = balances
        .into_iter()
        .map(|(unit, balance)| wire::UnitBalance::of(unit, &balance));
    let answer = wire::Balances {
        balances: balances.collect(),
    };
    Ok(Response::json(200, &answer))
}

/// A participant as the API writes them.
pub(crate) fn written(
    call: &Call,
    view: &View,
    person: &Participant,
) -> Result<wire::Participant, Problem> {
    let origin = call.origin()?;
    Ok(wire::participant(person, &view.program, origin.as_str()))
}
