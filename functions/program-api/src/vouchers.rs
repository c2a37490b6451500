//! Vouchers by their code: `POST P/vouchers/redeem`.

use kith_contract::problems::Code;
use kith_domain::audit::ObjectKind;
use kith_domain::code::VoucherCode;
use kith_domain::text::ExternalId;
use kith_domain::voucher::{Claim, Use, VoucherRefusal, use_voucher};
use kith_edge::audit::Change;
use kith_edge::http::{Problem, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::Voucher;
use kith_store::{Usable, keys};

use crate::call::{Body, Call};

struct Redeeming {
    code: VoucherCode,
    external_id: ExternalId,
}

impl Redeeming {
    fn read((mut body, mut faults): Body) -> Result<Self, Problem> {
        let code = body.required("voucher_code", &mut faults, json::text);
        let external_id = body.required("external_id", &mut faults, json::text);
        body.finish(&mut faults);
        let (code, external_id) = faults.all((code, external_id))?;
        Ok(Self { code, external_id })
    }
}

/// `POST P/vouchers/redeem`: the reward behind a voucher is used for an order. The same order again
/// changes nothing; another one is refused.
pub(crate) async fn redeem(call: Call) -> Result<Response, Ended> {
    let parsed = call.body().and_then(Redeeming::read);
    let (session, view, redeeming) = call
        .program(parsed, |redeeming, program, _| {
            vec![keys::voucher(program, &redeeming.code)]
        })
        .await?;
    let program = view.program.id;
    let voucher: Option<Voucher> = view.loaded.read(&keys::voucher(program, &redeeming.code))?;
    let voucher = voucher.ok_or_else(|| Problem::not_found("voucher"))?;
    if voucher.offer_id.is_some() {
        let detail = "The voucher is an offer's: the conversion that names it uses it.";
        return Err(Problem::of(Code::OfferVoucher, detail).into());
    }
    // One of the owner's list that nobody has yet is no voucher of anybody.
    let usable = Usable::of_voucher(&view.store, program, &voucher).await?;
    let usable = usable.ok_or_else(|| Problem::not_found("voucher"))?;
    let by = session.actor();
    let claim = Claim {
        used_for: Some(&redeeming.external_id),
        by: &by,
        reason: None,
    };
    let mut commit = view.commit();
    let used = use_voucher(&usable.reward, usable.used_for(), claim, view.now).map_err(refused)?;
    let answer = match used {
        Use::Now(mut reward) => {
            commit.redeem(&usable, &reward, Some(&redeeming.external_id), None);
            reward.version = usable.reward.version.saturating_add(1);
            wire::reward(&reward)
        }
        Use::Before => wire::reward(&usable.reward),
    };
    let change = Change::of(ObjectKind::Reward, usable.reward.id)
        .from(&wire::reward(&usable.reward))
        .to(&answer);
    session
        .finish(commit, change, Response::json(200, &answer))
        .await
}

/// How the API says why a voucher cannot be used.
pub(crate) fn refused(refusal: VoucherRefusal) -> Problem {
    let code = match refusal {
        VoucherRefusal::Redeemed => Code::VoucherRedeemed,
        VoucherRefusal::Expired => Code::VoucherExpired,
        VoucherRefusal::Void(_) => Code::VoucherVoid,
    };
    Problem::of(code, format!("It cannot be done: {refusal}."))
}
