//! `GET /r/{code}/qr.svg` and `/t/{code}/qr.svg`: a link as a picture, to be printed or shown.

use std::fmt::Write;
use std::sync::Arc;

use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use kith_domain::mode::Mode;
use kith_domain::share::channel_link;
use kith_edge::Invocation;
use kith_edge::http::{Problem, Request, Response};
use kith_edge::session::Ended;
use kith_store::items::CodeRecord;
use kith_store::keys;
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};

use crate::PublicPages;

/// The white border that readers need, in modules (ISO/IEC 18004, section 9.1).
const QUIET_ZONE: usize = 4;
/// A code may be disabled: nobody keeps its picture for longer than a day.
const CACHE: &str = "public, max-age=86400";
/// A picture has neither scripts nor anything to load.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The picture of a live link.
///
/// # Errors
/// [`Ended`].
pub(crate) async fn live(
    pages: Arc<PublicPages>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    show(&pages, Mode::Live, &request, &invocation).await
}

/// The picture of a test program's link.
///
/// # Errors
/// [`Ended`].
pub(crate) async fn test(
    pages: Arc<PublicPages>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    show(&pages, Mode::Test, &request, &invocation).await
}

async fn show(
    pages: &PublicPages,
    mode: Mode,
    request: &Request,
    invocation: &Invocation,
) -> Result<Response, Ended> {
    let code: ReferralCode = request.path_value("code", "link")?;
    let origin = request.origin(pages.origin.as_ref())?;
    let store = pages.desk.store(invocation);
    let record: Option<CodeRecord> = store.get_one(keys::code(mode, &code)).await?;
    let record = record
        .filter(|record| record.active)
        .ok_or_else(|| Problem::not_found("link"))?;
    let link = format!("{origin}{}{}", mode.link_path(), record.code);
    let picture = svg(&channel_link(&link, Channel::Qr)).map_err(Problem::internal)?;
    Ok(Response::text(200, "image/svg+xml", picture)
        .header("cache-control", CACHE)
        .header("content-security-policy", POLICY))
}

/// The picture of a text, one unit per module: a path with a stroke of its own for each run of dark
/// modules, which is a third of the size of a square for each.
fn svg(text: &str) -> Result<String, QrError> {
    // M restores 15 % of a code: what a crumpled flyer needs, without many more modules.
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let width = code.width();
    let size = width.saturating_add(QUIET_ZONE.saturating_mul(2));
    let colors = code.to_colors();
    let mut path = String::new();
    for (y, row) in colors.chunks(width.max(1)).enumerate() {
        let mut x: usize = 0;
        for run in row.chunk_by(PartialEq::eq) {
            if run.first() == Some(&Color::Dark) {
                let (left, top) = (x.saturating_add(QUIET_ZONE), y.saturating_add(QUIET_ZONE));
                let length = run.len();
                // Writing to a string does not fail.
                let _ = write!(path, "M{left} {top}h{length}v1h-{length}z");
            }
            x = x.saturating_add(run.len());
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" width=\"320\" height=\"320\" \
         shape-rendering=\"crispEdges\" role=\"img\"><title>QR code</title>\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture's dark squares are the code's dark modules, inside the quiet zone.
    #[test]
    fn the_picture_is_the_code() {
        let text = "https://refer.example/r/ANN-BAKES?ch=qr";
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let width = code.width();
        let picture = svg(text).unwrap();
        assert!(picture.starts_with(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {0}\"",
            width + 8
        )));
        let path = picture.split("<path d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        let mut drawn = vec![Color::Light; width * width];
        for run in path.split('z').filter(|run| !run.is_empty()) {
            let (place, rest) = run[1..].split_once('h').unwrap();
            let (left, top) = place.split_once(' ').unwrap();
            let length: usize = rest.split('v').next().unwrap().parse().unwrap();
            let (left, top): (usize, usize) = (left.parse().unwrap(), top.parse().unwrap());
            for x in left..left + length {
                drawn[(top - QUIET_ZONE) * width + x - QUIET_ZONE] = Color::Dark;
            }
        }
        assert_eq!(drawn, code.to_colors());
    }

    #[test]
    fn the_longest_link_fits() {
        let link = format!(
            "https://{}.example/r/{}?ch=qr",
            "a".repeat(200),
            "A".repeat(40)
        );
        assert!(svg(&link).is_ok_and(|picture| picture.len() < 40_000));
    }
}
