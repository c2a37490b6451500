//! What every call of this function goes through: the gate, the query, the body, the lists.

use std::str::FromStr;
use std::sync::Arc;

use kith_contract::problems::Code;
use kith_contract::requests::{LIMIT_DEFAULT, LIMIT_MAX};
use kith_contract::routes::Route;
use kith_domain::email::IdentityKey;
use kith_domain::id::ProgramId;
use kith_domain::mode::Mode;
use kith_domain::signed::TokenKeys;
use kith_edge::Invocation;
use kith_edge::config::Origin;
use kith_edge::desk::View;
use kith_edge::fields::{Fields, PageQuery};
use kith_edge::http::{Fault, Handler, Problem, Request, Response};
use kith_edge::json::{self, Faults, Object};
use kith_edge::sender::Queues;
use kith_edge::session::{Ended, Gate, Session, deciding};
use kith_edge::wire;
use kith_store::cursor::{self, BadCursor};
use kith_store::item::Entity;
use kith_store::keys::Key;
use kith_store::{ListQuery, Store};
use serde::Serialize;

use crate::export::Form;
use crate::webhooks::Destinations;

/// Pages of a list read for one page of what a further filter leaves; past that the page is short
/// and its cursor goes on.
const ROUNDS_MAX: u8 = 10;

/// What the use cases share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) gate: Gate,
    pub(crate) tokens: TokenKeys,
    pub(crate) identity: IdentityKey,
    pub(crate) public: Option<Origin>,
    pub(crate) queues: Queues,
    pub(crate) destinations: Destinations,
}

/// One call.
pub(crate) struct Call {
    pub(crate) api: Arc<Api>,
    pub(crate) route: &'static Route,
    pub(crate) request: Arc<Request>,
    pub(crate) invocation: Invocation,
}

/// Makes a handler of a route's use case.
pub(crate) fn handler<F, A>(
    api: &Arc<Api>,
    route: &'static Route,
    use_case: F,
) -> impl Handler + use<F, A>
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response, Ended>> + Send + 'static,
{
    deciding(api, move |api, request, invocation| {
        use_case(Call {
            api,
            route,
            request,
            invocation,
        })
    })
}

/// A body that was read but not yet judged, with the faults found so far.
pub(crate) type Body = (Object, Faults);

/// Where a list goes on, and how far.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) limit: u16,
    pub(crate) after: Option<String>,
    pub(crate) from: Option<jiff::Timestamp>,
    pub(crate) to: Option<jiff::Timestamp>,
}

impl Paging {
    /// The list, from there on.
    pub(crate) fn over(&self, list: impl FnOnce(u16) -> ListQuery) -> ListQuery {
        let mut query = list(self.limit);
        query.after.clone_from(&self.after);
        (query.from, query.to) = (self.from, self.to);
        query
    }
}

impl Call {
    /// Opens a call within the program of the path.
    pub(crate) async fn program<T>(
        &self,
        parsed: Result<T, Problem>,
        first_keys: impl FnOnce(&T, ProgramId, Mode) -> Vec<Key>,
    ) -> Result<(Session, View, T), Ended> {
        let program = self.id("program")?;
        let first_keys = |parsed: &T, mode| first_keys(parsed, program, mode);
        self.api
            .gate
            .open(
                &self.request,
                &self.invocation,
                self.route,
                program,
                parsed,
                first_keys,
            )
            .await
    }

    /// Opens a call outside any program.
    pub(crate) async fn outside<T>(
        &self,
        parsed: Result<T, Problem>,
        first_keys: impl FnOnce(&T, Mode) -> Vec<Key>,
    ) -> Result<(Session, T), Ended> {
        self.api
            .gate
            .open_operator(
                &self.request,
                &self.invocation,
                self.route,
                parsed,
                first_keys,
            )
            .await
    }

    /// A typed part of the path, which is named after the thing; what does not parse is not found.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.request.path_value(name, name)
    }

    /// The id in the path of a call that takes no query.
    pub(crate) fn only_id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        let id = self.id(name)?;
        self.no_query()?;
        Ok(id)
    }

    /// Refuses any query.
    pub(crate) fn no_query(&self) -> Result<(), Problem> {
        self.query(|_, _| ())
    }

    /// Reads the query; what is left of it is unknown.
    pub(crate) fn query<T>(
        &self,
        read: impl FnOnce(&mut Fields, &mut Faults) -> T,
    ) -> Result<T, Problem> {
        let mut faults = Faults::default();
        let mut fields = Fields::of_query(&self.request);
        let found = read(&mut fields, &mut faults);
        fields.finish(&mut faults);
        faults.into_result()?;
        Ok(found)
    }

    /// The body of a call that takes no query.
    pub(crate) fn body(&self) -> Result<Body, Problem> {
        let faults = Fields::no_query(&self.request);
        Ok((json::body(&self.request)?, faults))
    }

    /// As [`Self::body`], where the body may be left out.
    pub(crate) fn body_or_empty(&self) -> Result<Body, Problem> {
        let faults = Fields::no_query(&self.request);
        Ok((json::body_or_empty(&self.request)?, faults))
    }

    /// Refuses an edit of another version than the present one.
    pub(crate) fn if_match(&self, version: u64) -> Result<(), Problem> {
        let Some(header) = self.request.header("if-match") else {
            return Ok(());
        };
        let tags: Vec<&str> = header.split(',').map(str::trim).collect();
        if !tags.iter().all(|tag| is_entity_tag(tag)) {
            let detail = "must be a version in quotation marks, such as \"3\"";
            let fault = Fault::new("/headers/if-match", detail);
            return Err(Problem::invalid_request(vec![fault]));
        }
        let present = format!("\"{version}\"");
        if tags.iter().any(|tag| *tag == "*" || *tag == present) {
            Ok(())
        } else {
            Err(Problem::version_conflict())
        }
    }

    /// Where links begin.
    pub(crate) fn origin(&self) -> Result<Origin, Problem> {
        self.request.origin(self.api.public.as_ref())
    }

    /// `limit`, `cursor`, `from` and `to`. A cursor is good for this list and these filters only.
    pub(crate) fn paging(&self, fields: &mut Fields, faults: &mut Faults) -> Paging {
        let page = fields.page(faults);
        self.paged(page, fields, faults)
    }

    /// As [`Self::paging`], of as many entries as a page in this form may have.
    pub(crate) fn paging_as(&self, form: Form, fields: &mut Fields, faults: &mut Faults) -> Paging {
        let page = fields.page_up_to(form.limit_max(), faults);
        self.paged(page, fields, faults)
    }

    fn paged(&self, page: PageQuery, fields: &Fields, faults: &mut Faults) -> Paging {
        let after = page.cursor.and_then(|text| {
            self.position(&text)
                .map_err(|error| fields.refuse("cursor", faults, error.to_string()))
                .ok()
        });
        Paging {
            limit: page.limit,
            after,
            from: page.from,
            to: page.to,
        }
    }

    /// `limit` and `cursor` alone, of a list that is not kept by time.
    pub(crate) fn part(&self, fields: &mut Fields, faults: &mut Faults) -> (u16, Option<String>) {
        let limit = fields.integer_in("limit", 1..=LIMIT_MAX, faults);
        let cursor = fields.string("cursor", faults);
        let after = cursor.filter(|text| !text.is_empty()).and_then(|text| {
            self.position(&text)
                .map_err(|error| fields.refuse("cursor", faults, error.to_string()))
                .ok()
        });
        (limit.unwrap_or(LIMIT_DEFAULT), after)
    }

    /// The position in this list that a cursor stands for.
    pub(crate) fn position(&self, text: &str) -> Result<String, BadCursor> {
        cursor::read(&self.api.tokens, &self.list_name(), text)
    }

    /// The answer with a page; `next` is the position that the list goes on behind.
    pub(crate) fn listed<T: Serialize>(&self, data: Vec<T>, next: Option<&str>) -> Response {
        let next = next.map(|position| self.cursor(position));
        Response::json(200, &wire::list(data, next))
    }

    /// The cursor that stands for a position in this list.
    pub(crate) fn cursor(&self, position: &str) -> String {
        cursor::write(&self.api.tokens, &self.list_name(), position)
    }

    /// What a cursor is good for: the path and every filter.
    fn list_name(&self) -> String {
        let mut filters: Vec<String> = self
            .request
            .query()
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "cursor" | "after" | "limit"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        filters.sort_unstable();
        format!("{}?{}", self.request.path(), filters.join("&"))
    }
}

/// Whether a text is `*` or an entity tag (RFC 9110, section 8.8.3). A forgotten quotation mark would
/// look like a lost update otherwise.
fn is_entity_tag(text: &str) -> bool {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let inner = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    text == "*" || inner.is_some_and(|inner| !inner.contains('"'))
}

/// A page of those of a list that a further filter keeps, and the id that it goes on behind.
pub(crate) async fn filtered<T: Entity>(
    store: &Store,
    mut query: ListQuery,
    id: impl Fn(&T) -> String,
    keep: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Option<String>), Ended> {
    let limit = usize::from(query.limit);
    let mut kept = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let page = store.list::<T>(&query).await?;
        let mut rest = page.items.into_iter().peekable();
        while let Some(item) = rest.next() {
            if !keep(&item) {
                continue;
            }
            let here = id(&item);
            kept.push(item);
            if kept.len() == limit {
                let more = rest.peek().is_some() || page.next.is_some();
                return Ok((kept, more.then_some(here)));
            }
        }
        if page.next.is_none() {
            return Ok((kept, None));
        }
        query.after = page.next;
    }
    Ok((kept, query.after))
}

/// Refuses programs that are not for tests.
pub(crate) fn test_only(view: &View) -> Result<(), Problem> {
    match view.program.mode {
        Mode::Test => Ok(()),
        Mode::Live => Err(Problem::of(
            Code::NotATestProgram,
            "Only test programs have a clock and recorded mails of their own.",
        )),
    }
}
