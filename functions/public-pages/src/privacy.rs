//! What this origin says of Global Privacy Control.

use kith_edge::Invocation;
use kith_edge::http::{Problem, Request, Response};

/// That `Sec-GPC` is respected, and since when (W3C GPC, section 4).
const SUPPORT: &str = r#"{"gpc":true,"lastUpdate":"2026-01-01"}"#;

/// `GET /.well-known/gpc.json`.
///
/// # Errors
/// None; the form is every handler's.
pub(crate) async fn control(_: Request, _: Invocation) -> Result<Response, Problem> {
    Ok(Response::json_text(200, SUPPORT.to_owned())
        .header("cache-control", "public, max-age=86400"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_json() {
        let statement: serde_json::Value = serde_json::from_str(SUPPORT).unwrap();
        assert_eq!(statement["gpc"], true);
    }
}
