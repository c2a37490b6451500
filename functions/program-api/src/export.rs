//! Lists as files: CSV for a spreadsheet, lines of JSON for a program. The same list, the same
//! filters and the same cursors as the JSON page; only more of it at once.

use std::future::Future;

use jiff::SignedDuration;
use kith_contract::requests::LIMIT_MAX;
use kith_edge::fields::EXPORT_LIMIT_MAX;
use kith_edge::http::{BoxError, Problem, Request, Response};
use kith_edge::session::{Ended, Session};
use serde::Serialize;

use crate::call::{Call, Paging};
use crate::csv::Table;

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";
/// A file ends with the row that reaches this many bytes, as they are written inside the answer of a
/// function, which has 6 MB at most.
const FILE_BYTES_MAX: usize = 5 * 1_024 * 1_024;
/// With less time left than this no further page is read: the file ends there, and goes on behind its
/// cursor.
const RESERVE: SignedDuration = SignedDuration::from_secs(5);

/// Pages that are read for one file; where a filter leaves little of them it ends short, and goes on
/// behind its cursor.
const PAGES_MAX: u8 = 20;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A page with a cursor.
    Json,
    /// A table.
    Csv,
    /// An object a line.
    Ndjson,
}

impl Form {
    /// Every form of a list.
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Ndjson];

    /// The form that `Accept` asks for, among those there are: JSON unless it names another one.
    pub(crate) fn of(request: &Request, there: &[Self]) -> Self {
        let kinds: Vec<&str> = there.iter().filter_map(|form| form.media_type()).collect();
        let named = request.accepts(&kinds);
        let mut forms = there.iter().copied();
        let form = forms.find(|form| named.is_some() && form.media_type() == named);
        form.unwrap_or(Self::Json)
    }

    /// The most entries of a page.
    pub(crate) const fn limit_max(self) -> u16 {
        match self {
            Self::Json => LIMIT_MAX,
            Self::Csv | Self::Ndjson => EXPORT_LIMIT_MAX,
        }
    }

    const fn media_type(self) -> Option<&'static str> {
        match self {
            Self::Json => None,
            Self::Csv => Some(CSV),
            Self::Ndjson => Some(NDJSON),
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

/// What a list is of.
pub(crate) trait Listed {
    /// How the API writes one.
    type Json: Serialize;

    /// What a file of them is called.
    const NAME: &'static str;
    /// The columns of a table, for ever in this order: further ones come behind.
    const COLUMNS: &'static [&'static str];

    /// The id that the list is sorted by.
    fn id(&self) -> String;

    /// As the API writes it.
    fn json(&self) -> Self::Json;

    /// As a row of a table, a cell for each column.
    fn cells(&self) -> Vec<String>;
}

/// Where a list is read.
pub(crate) trait Source: Sync {
    /// What it is of.
    type Row: Listed + Send + Sync;

    /// Reads so many entries behind an id, and tells behind which one the list goes on.
    fn page(
        &self,
        after: Option<String>,
        limit: u16,
    ) -> impl Future<Output = Result<(Vec<Self::Row>, Option<String>), Ended>> + Send;
}

/// Answers with a page of a list, in the form that was asked for.
pub(crate) async fn answer<S: Source>(
    call: &Call,
    session: &Session,
    form: Form,
    paging: &Paging,
    source: &S,
) -> Result<Response, Ended> {
    if form == Form::Json {
        let (found, next) = source.page(paging.after.clone(), paging.limit).await?;
        let data = found.iter().map(Listed::json).collect();
        return Ok(call.listed(data, next.as_deref()).header("vary", "accept"));
    }
    let mut file = File::new::<S::Row>(form).map_err(Problem::internal)?;
    let mut after = paging.after.clone();
    let mut left = paging.limit;
    for _ in 0..PAGES_MAX {
        let (found, mut next) = source.page(after, left.min(LIMIT_MAX)).await?;
        let mut rest = found.iter().peekable();
        while let Some(row) = rest.next() {
            file.add(row).map_err(Problem::internal)?;
            left = left.saturating_sub(1);
            if file.is_full() && rest.peek().is_some() {
                next = Some(row.id());
                break;
            }
        }
        let now = session.desk().real_now();
        let in_time = call.invocation.deadline.duration_since(now) > RESERVE;
        after = next;
        if after.is_none() || left == 0 || file.is_full() || !in_time {
            break;
        }
    }
    let text = file.finish().map_err(Problem::internal)?;
    let name = <S::Row as Listed>::NAME;
    Ok(self::file(call, form, name, text, after.as_deref()))
}

/// The answer with a file; `next` is the position that the list goes on behind.
pub(crate) fn file(
    call: &Call,
    form: Form,
    name: &str,
    text: String,
    next: Option<&str>,
) -> Response {
    let kind = match form {
        Form::Json => "application/json",
        Form::Csv => "text/csv; charset=utf-8",
        Form::Ndjson => NDJSON,
    };
    let name = format!("attachment; filename=\"{name}.{}\"", form.suffix());
    let answer = Response::text(200, kind, text)
        .header("cache-control", "no-store")
        .header("vary", "accept")
        .header("content-disposition", name);
    match next {
        Some(next) => answer.header("link", link(call, next)),
        None => answer,
    }
}

/// Where the next page is, relative to the request, so that it leads to whatever host was called.
fn link(call: &Call, next: &str) -> String {
    let said = call.request.raw_query().split('&');
    let is_kept = |pair: &&str| !pair.is_empty() && !pair.starts_with("cursor=");
    let mut query: Vec<&str> = said.filter(is_kept).collect();
    let cursor = format!("cursor={}", call.cursor(next));
    query.push(&cursor);
    format!(
        "<{}?{}>; rel=\"next\"",
        call.request.path(),
        query.join("&")
    )
}

/// A file that grows.
enum Rows {
    Csv(Box<Table>),
    Ndjson(String),
}

struct File {
    rows: Rows,
    bytes: usize,
}

impl File {
    fn new<T: Listed>(form: Form) -> Result<Self, BoxError> {
        let rows = match form {
            Form::Csv => Rows::Csv(Box::new(Table::new(T::COLUMNS)?)),
            Form::Json | Form::Ndjson => Rows::Ndjson(String::new()),
        };
        Ok(Self { rows, bytes: 0 })
    }

    fn add<T: Listed>(&mut self, row: &T) -> Result<(), BoxError> {
        match &mut self.rows {
            Rows::Csv(table) => {
                let cells = row.cells();
                let sizes = cells.iter().map(|cell| escaped(cell).saturating_add(5));
                self.bytes = self.bytes.saturating_add(sizes.sum());
                table.row(&cells)
            }
            Rows::Ndjson(lines) => {
                let line = serde_json::to_string(&row.json())?;
                self.bytes = self.bytes.saturating_add(escaped(&line)).saturating_add(2);
                lines.push_str(&line);
                lines.push('\n');
                Ok(())
            }
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= FILE_BYTES_MAX
    }

    fn finish(self) -> Result<String, BoxError> {
        match self.rows {
            Rows::Csv(table) => table.finish(),
            Rows::Ndjson(lines) => Ok(lines),
        }
    }
}

/// How many bytes a text takes inside JSON: the gateway's form of an answer.
fn escaped(text: &str) -> usize {
    let more = text
        .bytes()
        .filter(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t'));
    text.len().saturating_add(more.count())
}

/// A cell of what may be absent.
pub(crate) fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
