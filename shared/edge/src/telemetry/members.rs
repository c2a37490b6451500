//! What a span is about, kept as the members of a JSON object until a line is logged in it.
//!
//! Every call has a span and hardly any logs a line, so the keeping is what counts: members are written as they come, one
//! after the other. `JsonFields` of tracing-subscriber sorts them, and reads all of them again for each that
//! is added later; that was a tenth of what a warm click does beside its request.

use std::fmt::{self, Debug, Write};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormattedFields;
use tracing_subscriber::fmt::format::{FormatFields, Writer};

/// Writes fields as a JSON object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members;

impl<'writer> FormatFields<'writer> for Members {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        writer.write_char('{')?;
        let mut object = Object {
            writer: &mut writer,
            is_empty: true,
            outcome: Ok(()),
        };
        fields.record(&mut object);
        object.outcome?;
        writer.write_char('}')
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let known = &mut current.fields;
        let is_object = known.pop() == Some('}');
        let mut object = Object {
            is_empty: known.len() <= 1,
            writer: known,
            outcome: if is_object { Ok(()) } else { Err(fmt::Error) },
        };
        fields.record(&mut object);
        object.outcome?;
        known.write_char('}')
    }
}

/// An object that is open for further members.
struct Object<'a, W> {
    writer: &'a mut W,
    is_empty: bool,
    outcome: fmt::Result,
}

impl<W: Write> Object<'_, W> {
    fn add(&mut self, name: &Field, value: &(impl Serialize + ?Sized)) {
        if self.outcome.is_ok() {
            self.outcome = self.member(name.name(), value);
        }
    }

    fn member(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> fmt::Result {
        if !self.is_empty {
            self.writer.write_char(',')?;
        }
        self.is_empty = false;
        // Names are words of this program with dots in them: nothing to escape.
        let value = serde_json::to_string(value).map_err(|_| fmt::Error)?;
        write!(self.writer, "\"{name}\":{value}")
    }
}

impl<W: Write> Visit for Object<'_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}").as_str());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// The span of the line that this logs.
    fn span_of(log: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_span_list(false)
            .fmt_fields(Members)
            .with_writer(lines.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let written = lines.0.lock().unwrap().clone();
        let line: Value = serde_json::from_slice(&written).unwrap();
        line["span"].clone()
    }

    #[test]
    fn a_line_tells_what_its_span_is_about() {
        let span = span_of(|| {
            let span = tracing::info_span!(
                "request",
                request.id = %"r-1",
                odd = "a\"b\\c\n\u{1}ü",
                count = 3_u64,
                less = -3_i64,
                yes = true,
                what = ?Some("x"),
                program.id = tracing::field::Empty,
            );
            span.record("program.id", tracing::field::display("p-1"));
            // The router knows better than the gateway.
            span.record("request.id", "r-2");
            span.in_scope(|| tracing::info!("told"));
        });
        assert_eq!(
            span,
            json!({
                "name": "request", "request.id": "r-2", "odd": "a\"b\\c\n\u{1}ü", "count": 3, "less": -3,
                "yes": true, "what": "Some(\"x\")", "program.id": "p-1",
            })
        );
    }

    #[test]
    fn a_span_may_begin_with_nothing() {
        let span = span_of(|| {
            let span = tracing::info_span!(
                "queue",
                first = tracing::field::Empty,
                second = tracing::field::Empty
            );
            span.record("first", 1);
            span.record("second", "two");
            span.in_scope(|| tracing::info!("told"));
        });
        assert_eq!(span, json!({"name": "queue", "first": 1, "second": "two"}));
        let bare = span_of(|| tracing::info_span!("bare").in_scope(|| tracing::info!("told")));
        assert_eq!(bare, json!({"name": "bare"}));
    }
}
