//! `POST P/offers`: what a friend gets before paying.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kith_contract::problems::Code;
use kith_contract::routes;
use kith_domain::audit::Actor;
use kith_domain::channel::Channel;
use kith_domain::click::VisitorHash;
use kith_domain::code::{ReferralCode, VoucherCode};
use kith_domain::conversion::BACK_MAX;
use kith_domain::id::{ClickId, OfferId, ParticipantId, ProgramId};
use kith_domain::incentive::{Grant, Incentive};
use kith_domain::offer::{
    self, OFFERS_PER_DAY_MAX, Offer, Visit, offer_of_click, offer_of_visitor,
};
use kith_domain::participant::Participant;
use kith_domain::program::{AttributionModel, Program, days};
use kith_domain::refund::REFEREES_LOST;
use kith_domain::token::{ClickToken, Touch};
use kith_edge::Invocation;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::fields::Fields;
use kith_edge::http::{Fault, Problem, Request, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::{Counters, StoredOffer, Voucher};
use kith_store::keys::{self, Key};
use kith_store::{Count, CountGuard, Was};

use crate::Recording;
use crate::decision::{Counted, REFEREES};
use crate::parties::record;

/// What the visitor brings.
enum Brought {
    Token(Box<ClickToken>),
    Code(ReferralCode),
}

/// Where they come from, found to hold.
struct Origin {
    code: ReferralCode,
    click: Option<(ClickId, Channel)>,
    touch_at: Timestamp,
    offer_id: OfferId,
}

/// Makes the offer of a visit, or answers the one that was made before.
pub(crate) async fn make_offer(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let parsed = read(&request, program, &recording);
    let today = keys::day(recording.gate.desk().real_now());
    let (session, mut view, brought) = recording
        .gate
        .open(
            &request,
            &invocation,
            &routes::MAKE_OFFER,
            program,
            parsed,
            |brought, mode| match brought {
                Brought::Token(token) => vec![
                    keys::code(mode, &token.first.code),
                    keys::code(mode, &token.latest.code),
                ],
                Brought::Code(code) => {
                    vec![keys::code(mode, code), keys::visitor_key(&today)]
                }
            },
        )
        .await?;
    Problem::unless_running(view.program.state, "makes no offers")?;
    let origin = match brought {
        Brought::Token(token) => by_token(&view, &token)?,
        Brought::Code(code) => {
            let desk = session.desk();
            let key = desk.day_key(&view.store, &view.loaded, &today).await?;
            by_code(&view, code, key.visitor(&request))?
        }
    };
    let owner = record(&view, &origin.code)?.map(|record| record.participant_id);
    let owner = owner.ok_or_else(|| Problem::internal("a code that held is gone"))?;
    let offer_key = keys::offer(program, origin.offer_id);
    let person_key = keys::participant(program, owner);
    let counters_key = keys::counters(program, owner);
    let mut wanted = vec![offer_key.clone(), person_key.clone(), counters_key.clone()];
    wanted.extend(budget_keys(&view));
    view.load(wanted).await?;
    if let Some(known) = view.loaded.read::<StoredOffer>(&offer_key)? {
        let answer = again(&known.offer, view.now)?;
        return session.unchanged(answer).await;
    }
    let referrer: Option<Participant> = view.loaded.read(&person_key)?;
    if !referrer.is_some_and(|referrer| referrer.is_active()) {
        return Err(Problem::of(Code::ReferrerSuspended, "The referrer is suspended.").into());
    }
    let counters = Counters::of(view.loaded.item(&counters_key));
    let of_today = counter(view.now);
    if counters.get(&of_today) >= OFFERS_PER_DAY_MAX {
        return Err(Problem::too_many_requests(seconds_left(view.now)).into());
    }
    let stored = new_offer(&view, origin, (owner, session.recorded_by()), &counters)?;
    let made = Count {
        by: 1,
        guard: CountGuard::AtMost(OFFERS_PER_DAY_MAX),
    };
    let voucher = Voucher {
        expires_at: Some(stored.forget_at),
        ..Voucher::of_offer(stored.offer.voucher_code.clone(), stored.offer.id)
    };
    let mut commit = view.commit();
    commit
        .offer(&stored, Was::Absent)
        .voucher(program, &voucher, Was::Absent)
        .active(owner)
        .count(owner, &of_today, made);
    let answer = Response::json(201, &wire::offer(&stored.offer));
    session.finish(commit, Change::routine(), answer).await
}

fn read(request: &Request, program: ProgramId, recording: &Recording) -> Result<Brought, Problem> {
    let mut body = json::body(request)?;
    let mut faults = Fields::no_query(request);
    let token = body.optional("click_token", &mut faults, json::string);
    let code = body.optional("code", &mut faults, json::text::<ReferralCode>);
    body.finish(&mut faults);
    let brought = match (token, code) {
        (Some(text), None) => {
            let token = ClickToken::open(&recording.tokens, &text);
            let token = token.filter(|token| token.program == program);
            if token.is_none() {
                faults.add("/click_token", "is not a click token of this program");
            }
            token.map(|token| Brought::Token(Box::new(token)))
        }
        (None, Some(code)) => Some(Brought::Code(code)),
        (Some(_), Some(_)) | (None, None) => {
            if faults.is_empty() {
                faults.add("", "needs either click_token or code");
            }
            None
        }
    };
    let (brought,) = faults.all((brought,))?;
    Ok(brought)
}

/// The touch of a token that a conversion would be attributed by: the first that holds, by the model.
fn by_token(view: &View, token: &ClickToken) -> Result<Origin, Ended> {
    let policy = view.program.attribution;
    let touches: [&Touch; 2] = match policy.model {
        AttributionModel::FirstClick => [&token.first, &token.latest],
        AttributionModel::LastClick => [&token.latest, &token.first],
    };
    for touch in touches {
        let in_time = view.now.duration_since(touch.at) <= policy.window();
        let works = record(view, &touch.code)?.is_some_and(|record| record.active);
        if in_time && works {
            return Ok(Origin {
                code: touch.code.clone(),
                click: Some((touch.click_id, touch.channel)),
                touch_at: touch.at,
                offer_id: offer_of_click(view.program.id, touch.click_id),
            });
        }
    }
    let detail = "is older than the attribution window, or its code does not work any more";
    Err(unacceptable("/click_token", detail))
}

fn by_code(view: &View, code: ReferralCode, visitor: VisitorHash) -> Result<Origin, Ended> {
    let fault = match record(view, &code)? {
        Some(record) if record.active => None,
        Some(_) => Some("is disabled"),
        None => Some("is not a code of this program"),
    };
    if let Some(fault) = fault {
        return Err(unacceptable("/code", fault));
    }
    if !view.program.attribution.code_without_click {
        let detail = "is not taken without a click by this program";
        return Err(unacceptable("/code", detail));
    }
    let offer_id = offer_of_visitor(view.program.id, &code, visitor, midnight(view.now));
    Ok(Origin {
        code,
        click: None,
        touch_at: view.now,
        offer_id,
    })
}

fn unacceptable(pointer: &str, detail: &str) -> Ended {
    Problem::invalid_request(vec![Fault::new(pointer, detail)]).into()
}

/// The rules by which friends get something before paying.
fn at_checkout(program: &Program) -> impl Iterator<Item = &Incentive> {
    let rules = program.incentives.iter();
    rules.filter(|incentive| incentive.grant == Grant::AtCheckout)
}

fn budget_keys(view: &View) -> Vec<Key> {
    let mut wanted = Vec::new();
    for incentive in at_checkout(&view.program) {
        for budget in incentive.budgets(view.now) {
            let shard = |shard| keys::budget(view.program.id, &incentive.id, &budget.window, shard);
            wanted.extend((0..budget.shards).map(shard));
        }
    }
    wanted
}

/// The offer that was made to the same visit before, if an order may still use it.
fn again(offer: &Offer, now: Timestamp) -> Result<Response, Ended> {
    if offer.used_by.is_some() {
        return Err(no_offer("The offer of this visit was used."));
    }
    if offer.expires_at <= now {
        return Err(no_offer("The offer of this visit has expired."));
    }
    Ok(Response::json(200, &wire::offer(offer)))
}

fn no_offer(detail: &str) -> Ended {
    Problem::of(Code::NoOffer, detail).into()
}

fn new_offer(
    view: &View,
    origin: Origin,
    (referrer_id, by): (ParticipantId, Actor),
    counters: &Counters,
) -> Result<StoredOffer, Ended> {
    let stood = counters
        .get(REFEREES)
        .saturating_sub(counters.get(REFEREES_LOST));
    let visit = Visit {
        now: view.now,
        channel: origin.click.map(|(_, channel)| channel),
        referees: stood.saturating_add(1),
        rates: &view.program.rates,
    };
    let nobody = Counters::default();
    let counted = Counted::of(view, counters, &nobody);
    let chosen = offer::choose(&view.program.incentives, &visit, &counted);
    let (incentive, reward) =
        chosen.ok_or_else(|| no_offer("The program offers nothing before paying now."))?;
    let life = match incentive.expires_after_days {
        Some(number) => days(number),
        None => view.program.attribution.window(),
    };
    let code: VoucherCode = VoucherCode::generate(view.random());
    let offer = Offer {
        id: origin.offer_id,
        program: view.program.id,
        incentive_id: incentive.id.clone(),
        reward,
        referrer_id,
        code: origin.code,
        click_id: origin.click.map(|(click, _)| click),
        channel: origin.click.map(|(_, channel)| channel),
        touch_at: origin.touch_at,
        made_at: view.now,
        recorded_by: Some(by),
        expires_at: later(view.now, life),
        voucher_code: code,
        used_by: None,
        version: 1,
    };
    // Orders may be told of so much later, and the program's clock may stand still meanwhile.
    let forget_at = later(later(view.real_now, life), BACK_MAX);
    Ok(StoredOffer {
        offer,
        forget_at: forget_at.as_second(),
    })
}

/// The counter of the offers that were made on a day for a referrer's codes.
fn counter(now: Timestamp) -> String {
    format!("offers#day#{}", keys::day(now))
}

fn midnight(now: Timestamp) -> Timestamp {
    let day = now.to_zoned(TimeZone::UTC).start_of_day();
    day.map_or(now, |day| day.timestamp())
}

/// How long the day still is.
fn seconds_left(now: Timestamp) -> u32 {
    let next = later(midnight(now), SignedDuration::from_hours(24));
    let left = next.duration_since(now).as_secs().max(1);
    u32::try_from(left).unwrap_or(u32::MAX)
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
