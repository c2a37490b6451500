use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{Click, Offer, Privacy};
use crate::problems::Code;
use crate::requests::{LinkQuery, NewClick, NewOffer};
use crate::routes::{self, Route};

pub(super) const TAG: Tag = Tag {
    name: "Links",
    about: "What browsers do: follow links, tell of clicks, ask for offers.",
};

const FOLLOWED: &str = "302 to the program's destination, with `ref={code}` and, for a person who did not opt out, `kith_click={token}` and a cookie. Prefetches, previews, crawlers and `HEAD` get `ref={code}` alone and leave nothing behind; `Sec-GPC: 1`, or a program that requires consent, is counted without any identity. A browser gets a page for a code that leads nowhere, `Accept: application/json` a problem.";

pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![
        follow(&routes::FOLLOW_LINK, "Follow a link"),
        follow(&routes::FOLLOW_LINK_HEAD, "See where a link leads"),
        follow(&routes::FOLLOW_TEST_LINK, "Follow a link of a test program"),
        follow(&routes::FOLLOW_TEST_LINK_HEAD, "See where a link of a test program leads"),
        op(&routes::RECORD_CLICK, TAG.name, "Record a click")
            .about("For apps, links on the shop's own domain, and consent that is given after landing. A page may call it. The same visitor, code and hour: one click.")
            .reads("Sec-GPC")
            .body::<NewClick>(json!({"code": "ANN-BAKES", "channel": "app", "consent": {"tracking": true}}))
            .answers::<Click>(201, "The click, with the token that a conversion names it by.")
            .header("Access-Control-Allow-Origin")
            .refuses([Code::ProgramPaused, Code::ProgramArchived]),
        preflight(&routes::RECORD_CLICK_PREFLIGHT, "May a page record a click?"),
        op(&routes::MAKE_OFFER, TAG.name, "Make an offer")
            .about("What a friend gets before paying. One per visit: asked again, the same offer is answered until it is used or expires. A page may call it.")
            .body::<NewOffer>(json!({"code": "ANN-BAKES"}))
            .answers::<Offer>(201, "The offer.")
            .header("Access-Control-Allow-Origin")
            .answers::<Offer>(200, "The offer that was made before.")
            .header("Access-Control-Allow-Origin")
            .refuses([Code::NoOffer, Code::ProgramPaused, Code::ProgramArchived, Code::ReferrerSuspended]),
        preflight(&routes::MAKE_OFFER_PREFLIGHT, "May a page make an offer?"),
    ];
    all.extend(pictures());
    all
}

fn follow(route: &'static Route, summary: &'static str) -> Operation {
    let operation = op(route, TAG.name, summary)
        .about(FOLLOWED)
        .query::<LinkQuery>()
        .reads("Sec-GPC")
        .answers_empty(302, "Where the link leads.")
        .header("Location")
        .header("Set-Cookie");
    if route.method == crate::routes::Method::Head {
        return operation;
    }
    operation
        .refuses([
            Code::NotFound,
            Code::TooManyRequests,
            Code::Internal,
            Code::Unavailable,
        ])
        .or_a_page()
}

fn preflight(route: &'static Route, summary: &'static str) -> Operation {
    op(route, TAG.name, summary)
        .about("What a browser asks before a page calls.")
        .answers_empty(204, "It may.")
        .header("Access-Control-Allow-Origin")
        .header("Access-Control-Allow-Methods")
        .header("Access-Control-Allow-Headers")
        .header("Access-Control-Max-Age")
}

fn pictures() -> Vec<Operation> {
    let picture = |route: &'static Route, summary| {
        let operation = op(route, TAG.name, summary)
            .about("Made from the code alone: whether it leads anywhere is not asked.")
            .answers_empty(200, "The image.")
            .or_text("image/svg+xml");
        if route.method == crate::routes::Method::Head {
            return operation;
        }
        operation.refuses([Code::NotFound, Code::Internal])
    };
    vec![
        picture(&routes::DRAW_QR_CODE, "Draw the QR code of a link"),
        picture(&routes::DRAW_QR_CODE_HEAD, "See whether there is a QR code"),
        picture(
            &routes::DRAW_TEST_QR_CODE,
            "Draw the QR code of a test link",
        ),
        picture(
            &routes::DRAW_TEST_QR_CODE_HEAD,
            "See whether there is a QR code of a test link",
        ),
        op(
            &routes::READ_PRIVACY_CONTROL,
            TAG.name,
            "Read the statement on Global Privacy Control",
        )
        .answers::<Privacy>(200, "That `Sec-GPC` is respected.")
        .refuses([Code::Internal]),
    ]
}
