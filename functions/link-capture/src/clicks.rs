//! `POST /v1/programs/{program}/clicks`: a click that an app, or a page after consent, tells of.

use std::sync::Arc;

use kith_contract::routes;
use kith_domain::channel::Channel;
use kith_domain::code::ReferralCode;
use kith_domain::id::ProgramId;
use kith_domain::program::Program;
use kith_domain::token::{ClickToken, RefererClass};
use kith_domain::visitor::gpc_opt_out;
use kith_edge::Invocation;
use kith_edge::audit::Change;
use kith_edge::fields::Fields;
use kith_edge::http::{Problem, Request, Response};
use kith_edge::json::{self, Faults};
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::StoreError;
use kith_store::items::{CodeRecord, LinkTarget};
use kith_store::keys;

use crate::LinkCapture;
use crate::links::Link;
use crate::record::{Click, touch, whole_second};

/// What is told of a click.
#[derive(Debug)]
struct Told {
    code: ReferralCode,
    channel: Channel,
    /// What the visitor said about being known again, if they were asked.
    tracking: Option<bool>,
}

/// Records a click and answers its token. Safe to repeat: the same visitor's clicks of an hour are
/// one.
///
/// # Errors
/// [`Ended`].
pub(crate) async fn create(
    capture: Arc<LinkCapture>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let program: ProgramId = request.path_value("program", "program")?;
    let first_keys = |told: &Told, mode| {
        let day_key = capture.links.day_key_to_read();
        [keys::code(mode, &told.code)]
            .into_iter()
            .chain(day_key)
            .collect()
    };
    let parsed = parse(&request);
    let (session, view, told) = capture
        .gate
        .open(
            &request,
            &invocation,
            &routes::RECORD_CLICK,
            program,
            parsed,
            first_keys,
        )
        .await?;

    Problem::unless_running(view.program.state, "counts no clicks")?;
    let code = keys::code(view.program.mode, &told.code);
    let record = view.loaded.read::<CodeRecord>(&code)?;
    let opts_out = gpc_opt_out(request.header("sec-gpc"));
    let record = check(&told, record, &view.program, opts_out)?;
    let day_key = capture.links.day_key(&view.store, &view.loaded).await;
    let day_key = day_key.ok_or_else(|| StoreError::Unavailable {
        doing: "reading",
        source: "the key of the day could not be had".into(),
    })?;

    let link = Link {
        record: Arc::new(record),
        target: Arc::new(LinkTarget::from(&view.program)),
        mode: view.program.mode,
        now: view.now,
        day_key: None,
    };
    let click = Click {
        channel: told.channel,
        // The caller's page is the shop's own: it says nothing of where the visitor came from.
        referer: RefererClass::None,
        mail_id: None,
        identity: LinkCapture::visitor(&link, &request, &day_key),
        recorded_by: Some(session.recorded_by()),
    };
    capture.record(&invocation, &link, &click).await?;
    let token = ClickToken::of_touch(program, None, touch(&link, &click), None);
    let window = view.program.attribution.window();
    let expires_at = whole_second(view.now).checked_add(window);
    let answer = wire::Click {
        click_id: click.identity.click_id().into(),
        click_token: token.seal(&capture.token_keys),
        expires_at: expires_at.unwrap_or(jiff::Timestamp::MAX).into(),
    };
    session
        .finish(
            view.commit(),
            Change::routine(),
            Response::json(201, &answer),
        )
        .await
}

fn parse(request: &Request) -> Result<Told, Problem> {
    let mut faults = Fields::no_query(request);
    let mut body = json::body(request)?;
    let code = body.required("code", &mut faults, json::text::<ReferralCode>);
    let channel = body.optional("channel", &mut faults, json::text::<Channel>);
    let consent = body.optional(
        "consent",
        &mut faults,
        json::nested(|object, faults| Some(object.optional("tracking", faults, json::boolean))),
    );
    body.finish(&mut faults);
    let (code,) = faults.all((code,))?;
    Ok(Told {
        code,
        channel: channel.unwrap_or_default(),
        tracking: consent.flatten(),
    })
}

/// The code has to be one of the program's that works, and the visitor has to agree where they
/// must be asked, or have opted out by their browser.
fn check(
    told: &Told,
    record: Option<CodeRecord>,
    program: &Program,
    opts_out: bool,
) -> Result<CodeRecord, Problem> {
    let mut faults = Faults::default();
    let record = record.filter(|record| record.program_id == program.id);
    match &record {
        None => faults.add("/code", "is not a code of this program"),
        Some(record) if !record.active => faults.add("/code", "is disabled"),
        Some(_) => {}
    }
    match told.tracking {
        Some(true) => {}
        Some(false) => faults.add(
            "/consent/tracking",
            "is false: without consent there is no click token",
        ),
        None if program.consent.tracking_required => {
            faults.add("/consent/tracking", "is required by this program");
        }
        None if opts_out => faults.add(
            "/consent/tracking",
            "is required: the visitor's browser sends Sec-GPC",
        ),
        None => {}
    }
    let (record,) = faults.all((record,))?;
    Ok(record)
}
