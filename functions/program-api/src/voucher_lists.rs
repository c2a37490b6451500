//! The owner's own voucher codes for an incentive: add to them, count them.

use std::collections::BTreeSet;

use kith_contract::problems::Code;
use kith_contract::requests::VOUCHER_CODES_MAX;
use kith_contract::scalar::Spelled;
use kith_domain::audit::ObjectKind;
use kith_domain::code::{CodeError, VoucherCode};
use kith_domain::text::Slug;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Response};
use kith_edge::json;
use kith_edge::session::{Ended, Session};
use kith_edge::wire;
use kith_store::items::{IncentiveIdentity, WaitingReward};
use kith_store::wake::{Message, Queue};
use kith_store::{Commit, VoucherStock, keys};

use crate::call::Call;

/// The most codes of one transaction: two items each, the list, and the answer that is kept.
const STEP_CODES_MAX: usize = 45;
/// How many waiting rewards are counted, and woken at most when codes are added.
const WAITING_MAX: u16 = 1_000;

/// What became of one code.
struct Verdict {
    code: Option<VoucherCode>,
    word: Word,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Added,
    Known,
    Invalid(CodeError),
}

/// `POST P/voucher-lists/{incentive}/codes`: item by item. A code is added once, whichever call
/// says it.
pub(crate) async fn add(call: Call) -> Result<Response, Ended> {
    let parsed = call.id("incentive").and_then(|incentive: Slug| {
        let (mut body, mut faults) = call.body()?;
        let codes = json::list(VOUCHER_CODES_MAX, json::string);
        let codes = body.required("codes", &mut faults, codes);
        body.finish(&mut faults);
        let (codes,) = faults.all((codes,))?;
        Ok((incentive, codes))
    });
    let (session, view, (incentive, codes)) = call
        .program(parsed, |(incentive, _), program, _| {
            vec![keys::incentive(program, incentive)]
        })
        .await?;
    check_incentive(&view, &incentive)?;
    let verdicts = judge(&view, codes).await?;
    let new: Vec<VoucherCode> = verdicts
        .iter()
        .filter(|verdict| verdict.word == Word::Added)
        .filter_map(|verdict| verdict.code.clone())
        .collect();
    let (commit, change, stock) = write_all(&session, &view, &incentive, &new).await?;
    let answer = answer(&incentive, verdicts, stock.as_ref());
    let answer = Response::json(200, &answer);
    let answer = session.finish(commit, change, answer).await?;
    wake_waiting(&call, &view, &incentive, stock.as_ref()).await?;
    Ok(answer)
}

fn check_incentive(view: &View, incentive: &Slug) -> Result<(), Ended> {
    let key = keys::incentive(view.program.id, incentive);
    let identity: Option<IncentiveIdentity> = view.loaded.read(&key)?;
    let identity = identity.ok_or_else(|| Problem::not_found("incentive"))?;
    if matches!(identity.reward_kind.as_str(), "discount" | "free_product") {
        return Ok(());
    }
    let detail = "The incentive gives no vouchers.";
    Err(Problem::of(Code::NoVouchers, detail).into())
}

/// What is to become of each code. One that is a voucher already, in whatever way, is known.
async fn judge(view: &View, codes: Vec<String>) -> Result<Vec<Verdict>, Ended> {
    let read: Vec<Result<VoucherCode, CodeError>> = codes.iter().map(|code| code.parse()).collect();
    let place = |code: &VoucherCode| keys::voucher(view.program.id, code);
    let present = view.store.get(read.iter().flatten().map(place)).await?;
    let mut seen = BTreeSet::new();
    let verdicts = read.into_iter().map(|read| match read {
        Ok(code) => {
            let known = present.item(&place(&code)).is_some() || !seen.insert(code.folded());
            Verdict {
                code: Some(code),
                word: if known { Word::Known } else { Word::Added },
            }
        }
        Err(error) => Verdict {
            code: None,
            word: Word::Invalid(error),
        },
    });
    Ok(verdicts.collect())
}

/// Writes the codes, a transaction for every few, and leaves the last one to be written with the
/// answer. A call that ends in between has added a part, which its repetition finds known.
async fn write_all(
    session: &Session,
    view: &View,
    incentive: &Slug,
    codes: &[VoucherCode],
) -> Result<(Commit, Change, Option<VoucherStock>), Ended> {
    let program = view.program.id;
    let mut stock = view.store.voucher_stock(program, incentive).await?;
    let mut steps = codes.chunks(STEP_CODES_MAX).peekable();
    while let Some(step) = steps.next() {
        let mut commit = view.commit();
        let before = counts(incentive, stock.as_ref());
        stock = Some(commit.add_vouchers(program, incentive, stock.as_ref(), step));
        let change = Change::of(ObjectKind::VoucherList, incentive)
            .from(&before)
            .to(&counts(incentive, stock.as_ref()));
        if steps.peek().is_none() {
            return Ok((commit, change, stock));
        }
        session.write_part(commit, change).await?;
    }
    Ok((session.commit(), Change::nothing(), stock))
}

/// Wakes rewards that wait for codes, oldest first, as many as there are codes. A wake that is lost
/// is made up for: they are due again by themselves.
async fn wake_waiting(
    call: &Call,
    view: &View,
    incentive: &Slug,
    stock: Option<&VoucherStock>,
) -> Result<(), Ended> {
    let left = stock.map_or(0, VoucherStock::left);
    let left = u16::try_from(left).unwrap_or(WAITING_MAX).min(WAITING_MAX);
    if left == 0 {
        return Ok(());
    }
    let waiting = waiting(view, incentive, left).await?;
    let wakes: Vec<_> = waiting
        .iter()
        .map(|waiting| {
            Message::Reward {
                program_id: view.program.id,
                reward_id: waiting.reward_id,
            }
            .to(Queue::Rewards)
        })
        .collect();
    call.api.queues.send(&wakes).await;
    Ok(())
}

async fn waiting(view: &View, incentive: &Slug, limit: u16) -> Result<Vec<WaitingReward>, Ended> {
    let prefix = keys::waiting_for_vouchers(view.program.id, incentive);
    Ok(view.store.starting_with(&prefix, limit).await?)
}

/// `GET P/voucher-lists/{incentive}`.
pub(crate) async fn read(call: Call) -> Result<Response, Ended> {
    let (_, view, incentive) = call
        .program(call.only_id("incentive"), |incentive: &Slug, program, _| {
            vec![keys::incentive(program, incentive)]
        })
        .await?;
    check_incentive(&view, &incentive)?;
    let stock = view
        .store
        .voucher_stock(view.program.id, &incentive)
        .await?;
    let waiting = waiting(&view, &incentive, WAITING_MAX).await?.len();
    let answer = wire::VoucherListRead {
        list: counts(&incentive, stock.as_ref()),
        waiting,
    };
    Ok(Response::json(200, &answer))
}

fn counts(incentive: &Slug, stock: Option<&VoucherStock>) -> wire::VoucherList {
    wire::VoucherList {
        incentive_id: incentive.clone().into(),
        own_codes: stock.is_some(),
        added: stock.map_or(0, |stock| stock.list.added),
        taken: stock.map_or(0, |stock| stock.taken),
        available: stock.map_or(0, VoucherStock::left),
    }
}

fn answer(
    incentive: &Slug,
    verdicts: Vec<Verdict>,
    stock: Option<&VoucherStock>,
) -> wire::CodesAdded {
    let results = verdicts.into_iter().map(|verdict| wire::CodeResult {
        // Whatever is no code is not repeated.
        code: verdict.code.map(Spelled),
        result: match verdict.word {
            Word::Added => "added",
            Word::Known => "known",
            Word::Invalid(_) => "invalid",
        },
        detail: match verdict.word {
            Word::Added | Word::Known => None,
            Word::Invalid(error) => Some(error.to_string()),
        },
    });
    wire::CodesAdded {
        results: results.collect(),
        list: counts(incentive, stock),
    }
}
