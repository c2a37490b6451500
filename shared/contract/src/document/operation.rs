//! One entry of the document: what a route takes and what it answers, beyond what follows from the
//! route itself.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::problems::Code;
use crate::routes::Route;

/// Makes a schema, and leaves what it refers to with the generator.
pub(crate) type Make = fn(&mut SchemaGenerator) -> Schema;

/// An operation of the document.
///
/// From its route follow path parameters, security, `Idempotency-Key`, and the problems that every
/// such call may end in; only the rest is said here.
pub struct Operation {
    pub(crate) route: &'static Route,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) about: &'static str,
    pub(crate) query: Option<Make>,
    /// Names of headers that the call reads.
    pub(crate) reads: Vec<&'static str>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) refuses: Vec<Code>,
    pub(crate) yields: Vec<(&'static str, &'static str)>,
    /// Whether people are refused with a page, though success is none.
    pub(crate) refuses_with_pages: bool,
    /// Whether the body is somebody else's to describe: it is refused for its size alone.
    pub(crate) takes_anything: bool,
}

/// What a call sends.
pub(crate) struct Body {
    pub(crate) contents: Vec<Content>,
    pub(crate) is_required: bool,
    pub(crate) example: Option<Value>,
}

/// What a call is answered with when it succeeds.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    pub(crate) contents: Vec<Content>,
    /// Names of headers that it may have.
    pub(crate) headers: Vec<&'static str>,
}

/// A body of a media type.
pub(crate) struct Content {
    pub(crate) media: &'static str,
    pub(crate) schema: Make,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const HTML: &str = "text/html";

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn any_text(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string"})
}

fn lines_of_text(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string", "minLength": 1})
}

/// The entry of a route.
pub(crate) fn op(route: &'static Route, tag: &'static str, summary: &'static str) -> Operation {
    Operation {
        route,
        tag,
        summary,
        about: "",
        query: None,
        reads: Vec::new(),
        body: None,
        answers: Vec::new(),
        refuses: Vec::new(),
        yields: Vec::new(),
        refuses_with_pages: false,
        takes_anything: false,
    }
}

impl Operation {
    /// What there is to know beyond the summary.
    pub(crate) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// The parameters of the query: the members of `T`.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(schema_of::<T>);
        self
    }

    /// A header that the call reads.
    pub(crate) fn reads(mut self, header: &'static str) -> Self {
        self.reads.push(header);
        self
    }

    /// The body that has to be sent, with an example. A `PATCH` takes it as a merge patch too.
    pub(crate) fn body<T: JsonSchema>(mut self, example: Value) -> Self {
        let mut contents = vec![Content {
            media: JSON,
            schema: schema_of::<T>,
        }];
        if self.route.method == crate::routes::Method::Patch {
            contents.push(Content {
                media: MERGE_PATCH,
                schema: schema_of::<T>,
            });
        }
        self.body = Some(Body {
            contents,
            is_required: true,
            example: Some(example),
        });
        self
    }

    /// The body is a vendor's own, in JSON.
    pub(crate) fn anything(self, example: Value) -> Self {
        let mut operation = self.body::<crate::requests::AnyObject>(example);
        operation.takes_anything = true;
        operation
    }

    /// A body that may be left out.
    pub(crate) fn optional_body<T: JsonSchema>(self, example: Value) -> Self {
        let mut operation = self.body::<T>(example);
        if let Some(body) = &mut operation.body {
            body.is_required = false;
        }
        operation
    }

    /// The body may come in another media type too.
    pub(crate) fn or_body<T: JsonSchema>(mut self, media: &'static str) -> Self {
        if let Some(body) = &mut self.body {
            body.contents.push(Content {
                media,
                schema: schema_of::<T>,
            });
        }
        self
    }

    /// The body is many lines, each what the single call takes, with an example of one.
    pub(crate) fn lines(mut self, example: &Value) -> Self {
        self.body = Some(Body {
            contents: vec![Content {
                media: NDJSON,
                schema: lines_of_text,
            }],
            is_required: true,
            example: Some(Value::String(format!("{example}\n"))),
        });
        self
    }

    /// Success, with a line for each line of the body.
    pub(crate) fn answers_lines(mut self, about: &'static str) -> Self {
        self.answers.push(Answer {
            status: 200,
            about,
            contents: vec![Content {
                media: NDJSON,
                schema: any_text,
            }],
            headers: Vec::new(),
        });
        self
    }

    /// A form that may be left out.
    pub(crate) fn form<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body {
            contents: vec![Content {
                media: FORM,
                schema: schema_of::<T>,
            }],
            is_required: false,
            example: None,
        });
        self
    }

    /// Success, with a body.
    pub(crate) fn answers<T: JsonSchema>(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer {
            status,
            about,
            contents: vec![Content {
                media: JSON,
                schema: schema_of::<T>,
            }],
            headers: Vec::new(),
        });
        self
    }

    /// Success, with nothing to say.
    pub(crate) fn answers_empty(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer {
            status,
            about,
            contents: Vec::new(),
            headers: Vec::new(),
        });
        self
    }

    /// The last answer may come as text of another media type.
    pub(crate) fn or_text(mut self, media: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.contents.push(Content {
                media,
                schema: any_text,
            });
        }
        self
    }

    /// A header of the last answer.
    pub(crate) fn header(mut self, name: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push(name);
        }
        self
    }

    /// What it may be refused for, beyond what every such call may.
    pub(crate) fn refuses(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.refuses.extend(codes);
        self
    }

    /// The answer holds, at this JSON pointer, what stands in paths as this parameter.
    pub(crate) fn yields(mut self, parameter: &'static str, pointer: &'static str) -> Self {
        self.yields.push((parameter, pointer));
        self
    }

    /// People get a page where programs get a problem.
    pub(crate) fn or_a_page(mut self) -> Self {
        self.refuses_with_pages = true;
        self
    }

    /// Whether it answers with pages of HTML.
    pub(crate) fn is_page(&self) -> bool {
        let mut answers = self.answers.iter().flat_map(|answer| &answer.contents);
        self.refuses_with_pages || answers.any(|content| content.media == HTML)
    }
}
