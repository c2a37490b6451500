use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::json;

use super::*;

fn request(body: &str, headers: Value) -> Request {
    let mut event = json!({
        "rawPath": "/v1/programs/prg_1/things/bulk", "headers": headers, "body": body,
        "requestContext": {"http": {"method": "POST"}},
    });
    if event["headers"]["content-type"].is_null() {
        event["headers"]["content-type"] = json!("application/x-ndjson");
    }
    Request::of_event(&serde_json::value::to_raw_value(&event).unwrap(), 0).unwrap()
}

fn lines(body: &str) -> Result<usize, (u16, Vec<String>)> {
    Lines::read(&request(body, json!({})))
        .map(|lines| lines.0.len())
        .map_err(|problem| {
            let faults = problem.errors().iter();
            (
                problem.status(),
                faults.map(|fault| fault.pointer.clone()).collect(),
            )
        })
}

#[test]
fn a_body_has_1_to_500_lines() {
    let whole = || Err((422, vec![String::new()]));
    assert_eq!(lines(""), whole());
    assert_eq!(lines("{}"), Ok(1));
    assert_eq!(lines("{}\r\n{}\r\n"), Ok(2));
    // An empty line is a line, and answered as one.
    assert_eq!(lines("\n{}\n\n"), Ok(3));
    assert_eq!(lines(&"{}\n".repeat(LINES_MAX)), Ok(LINES_MAX));
    assert_eq!(lines(&"{}\n".repeat(LINES_MAX + 1)), whole());
    assert_eq!(lines(&"x".repeat(BODY_BYTES_MAX + 1)), Err((413, vec![])));
    for kind in ["application/json", "application/x-ndjson; charset=latin1"] {
        let refused = Lines::read(&request("{}", json!({"content-type": kind})));
        assert_eq!(refused.unwrap_err().status(), 415);
    }
    let key = "k".repeat(KEY_CHARS_MAX);
    for (key, taken) in [(key.clone(), true), (format!("{key}k"), false)] {
        let read = Lines::read(&request("{}", json!({"idempotency-key": key})));
        assert_eq!(read.is_ok(), taken);
    }
}

fn about(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Three names of one person in three lines are one person, whichever line says so.
#[test]
fn lines_with_anything_in_common_stay_together_and_in_order() {
    let lines = [
        r#"["a"]"#,
        r#"["b"]"#,
        "no json",
        r#"["c"]"#,
        r#"["a", "b"]"#,
        r#"["c"]"#,
        "[]",
    ];
    let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    let expected = [vec![0, 1, 4], vec![2], vec![3, 5], vec![6]];
    assert_eq!(groups(&lines, about), expected);
}

#[derive(Debug)]
struct At(Mutex<Timestamp>);

impl Clock for At {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Answers with what it was asked, and counts who is in it at once. Each line takes a second.
struct Echo {
    clock: Arc<At>,
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Handler for Arc<Echo> {
    fn handle(&self, request: Request, _: Invocation) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let inside = self.inside.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(inside, Ordering::Relaxed);
            tokio::task::yield_now().await;
            self.inside.fetch_sub(1, Ordering::Relaxed);
            {
                let mut now = self.clock.0.lock().unwrap();
                *now += SignedDuration::from_secs(1);
            }
            let text = String::from_utf8(request.body().to_vec()).unwrap();
            assert_ne!(text, r#""panic""#);
            if text == r#""refuse""# {
                return Err(Problem::of(Code::CodeTaken, "Somebody has it."));
            }
            Ok(Response::json(
                201,
                &json!({
                    "path": request.path(), "said": text,
                    "key": request.header("idempotency-key"),
                    "kind": request.header("content-type"),
                }),
            ))
        })
    }
}

async fn answer(body: &str, deadline: i64) -> (Vec<Value>, usize) {
    let clock = Arc::new(At(Mutex::new(at(0))));
    let echo = Arc::new(Echo {
        clock: Arc::clone(&clock),
        inside: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let request = request(body, json!({"idempotency-key": "monday"}));
    let invocation = Invocation {
        request_id: "req-1".to_owned(),
        deadline: at(deadline),
    };
    let bulk = Bulk {
        request: &request,
        invocation: &invocation,
        clock,
        single: Arc::new(Arc::clone(&echo)),
        about,
    };
    let answer = bulk.answer(Lines::read(&request).unwrap()).await;
    assert_eq!(answer.header_value("content-type"), Some(NDJSON));
    let lines = answer.body_text().lines();
    let lines = lines.map(|line| serde_json::from_str(line).unwrap());
    (lines.collect(), echo.most.load(Ordering::Relaxed))
}

#[tokio::test]
async fn each_line_is_a_single_call_with_its_own_answer() {
    let (lines, _) = answer("1\n\"refuse\"\n\"panic\"\n\n", 1_000).await;
    assert_eq!(
        lines[0],
        json!({"line": 1, "status": 201, "replayed": false, "body": {
            "path": "/v1/programs/prg_1/things", "said": "1",
            "key": "monday:1", "kind": "application/json",
        }})
    );
    let told = |line: usize| {
        (
            lines[line]["status"].clone(),
            lines[line]["body"]["code"].clone(),
        )
    };
    assert_eq!(told(1), (json!(409), json!("code_taken")));
    assert_eq!(told(2), (json!(500), json!("internal")));
    assert_eq!(lines[2]["body"]["instance"], "req-1");
    assert_eq!(lines[3]["body"]["said"], "");
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn eight_lines_are_under_way_at_once_and_no_more() {
    let (lines, most) = answer(&"1\n".repeat(40), 1_000).await;
    assert_eq!((lines.len(), most), (40, CONCURRENCY));
    let (_, most) = answer(&"[\"ann\"]\n".repeat(40), 1_000).await;
    assert_eq!(most, 1);
}

/// Three seconds are kept for what is under way; what was not begun is told so, and may be repeated.
#[tokio::test]
async fn what_there_is_no_time_for_is_not_begun() {
    let (lines, _) = answer(&"[\"ann\"]\n".repeat(10), 7).await;
    let done: Vec<bool> = lines.iter().map(|line| line["status"] == 201).collect();
    assert_eq!(done, [[true; 4].as_slice(), &[false; 6]].concat());
    assert_eq!(
        (
            &lines[4]["status"],
            &lines[4]["body"]["code"],
            &lines[4]["body"]["retryable"]
        ),
        (&json!(503), &json!("not_reached"), &json!(true))
    );
}

/// An answer of a function has 6 MB at most: the statuses always fit.
#[test]
fn answers_that_do_not_fit_are_left_out() {
    let large = Response::json(200, &json!({"x": "y".repeat(ANSWER_BYTES_MAX / 2)}));
    let answers = (0..3).map(|number| (number, large.clone())).collect();
    let text = written(&answers);
    let bodies: Vec<bool> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].is_null())
        .collect();
    assert_eq!(bodies, [false, true, true]);
}
