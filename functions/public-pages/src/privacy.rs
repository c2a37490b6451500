//! What this origin says of Global Privacy Control.

use kith_contract::answers::Privacy;
use kith_edge::Invocation;
use kith_edge::http::{Problem, Request, Response};

/// That `Sec-GPC` is respected, and since when (W3C GPC, section 4).
const SUPPORT: Privacy = Privacy {
    gpc: true,
    last_update: "2026-01-01",
};

/// `GET /.well-known/gpc.json`.
///
/// # Errors
/// None; the form is every handler's.
pub(crate) async fn control(_: Request, _: Invocation) -> Result<Response, Problem> {
    Ok(Response::json(200, &SUPPORT).header("cache-control", "public, max-age=86400"))
}
