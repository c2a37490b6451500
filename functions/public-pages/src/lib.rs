//! The pages behind the links in mails: a survey and its answer, and the end of a subscription. And
//! the pictures of QR codes, and what the origin says of Global Privacy Control.
//!
//! Nobody signs in here: the token in the path is the key. `GET` never changes anything, because
//! mail scanners open links.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test stops on the first surprise"
    )
)]

mod page;
mod privacy;
mod qr;
mod survey;
mod unsubscribe;

use std::sync::Arc;

use kith_contract::routes;
use kith_domain::email::IdentityKey;
use kith_domain::signed::TokenKeys;
use kith_edge::aws::Connection;
use kith_edge::config::{Origin, Variables};
use kith_edge::desk::Desk;
use kith_edge::http::{HttpFunction, Router};
use kith_edge::session::deciding;
use kith_edge::{Environment, Function, StartError};
use kith_store::Store;

use crate::page::Paged;

/// What every request needs.
#[derive(Debug)]
struct PublicPages {
    desk: Desk,
    token_keys: TokenKeys,
    identity_key: IdentityKey,
    origin: Option<Origin>,
}

/// The function, from its environment.
///
/// # Errors
/// [`StartError::Configuration`] with every variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let table = variables.required("KITH_TABLE");
    let token_keys = variables.token_keys();
    let identity_key = variables.identity_key();
    let origin = variables.public_origin();
    let connection = Connection::of(&mut variables);
    let (table, token_keys, identity_key, origin, connection) =
        variables.finish((table, token_keys, identity_key, origin, connection))?;
    let store = Store::new(connection.dynamodb(), &table);
    let pages = PublicPages {
        desk: Desk::new(environment, store.clone()),
        token_keys,
        identity_key,
        origin,
    };
    let function = HttpFunction::new(router(&Arc::new(pages))).warmed_by(move || {
        let store = store.clone();
        async move { store.warm().await }
    });
    Ok(Box::new(function))
}

fn router(pages: &Arc<PublicPages>) -> Router {
    Router::new()
        .serve(&routes::SHOW_SURVEY, Paged(deciding(pages, survey::show)))
        .serve(
            &routes::SHOW_SURVEY_HEAD,
            Paged(deciding(pages, survey::show)),
        )
        .serve(
            &routes::ANSWER_SURVEY,
            Paged(deciding(pages, survey::answer)),
        )
        .serve(
            &routes::SHOW_UNSUBSCRIBE,
            Paged(deciding(pages, unsubscribe::show)),
        )
        .serve(
            &routes::SHOW_UNSUBSCRIBE_HEAD,
            Paged(deciding(pages, unsubscribe::show)),
        )
        .serve(
            &routes::UNSUBSCRIBE,
            Paged(deciding(pages, unsubscribe::confirm)),
        )
        .serve(&routes::DRAW_QR_CODE, deciding(pages, qr::live))
        .serve(&routes::DRAW_QR_CODE_HEAD, deciding(pages, qr::live))
        .serve(&routes::DRAW_TEST_QR_CODE, deciding(pages, qr::test))
        .serve(&routes::DRAW_TEST_QR_CODE_HEAD, deciding(pages, qr::test))
        .serve(&routes::READ_PRIVACY_CONTROL, privacy::control)
        .fulfilling("public-pages")
}
