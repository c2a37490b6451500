//! Lists as tables and as lines of JSON: what is in them, how they go on, and what they never hold.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Program, World, eur, text};

async fn fetch(program: &Program<'_>, path: &str, accept: &str) -> Answer {
    let path = if path.starts_with("/v1") {
        path.to_owned()
    } else {
        program.path(path)
    };
    let request = program.world.request(Method::GET, &path);
    let request = request.bearer_auth(&program.key).header("accept", accept);
    program.world.send(request).await
}

/// Where the next page is.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    let (url, rel) = link.split_once(">; ").unwrap();
    assert_eq!(rel, "rel=\"next\"");
    Some(url.trim_start_matches('<').to_owned())
}

/// The rows of a table, by the first of its columns.
fn rows(answer: &Answer) -> Vec<String> {
    assert_eq!(
        answer.header("content-type"),
        "text/csv; charset=utf-8",
        "{}",
        answer.text
    );
    let rows = answer
        .text
        .split("\r\n")
        .skip(1)
        .filter(|row| !row.is_empty());
    rows.map(|row| row.split(',').next().unwrap().to_owned())
        .collect()
}

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().unwrap();
    data.iter().map(|one| text(&one["id"]).to_owned()).collect()
}

/// Every list, page by page in each form, is the list of the JSON pages.
#[tokio::test(flavor = "multi_thread")]
async fn the_three_forms_of_a_list_are_one_list() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    for number in 0..5 {
        let body = json!({"codes": [ann["code"]]});
        program
            .convert(&format!("order-{number}"), body)
            .await
            .expect(201);
    }
    world.settle().await;
    for (list, least) in [("/conversions", 5), ("/rewards", 6), ("/participants", 6)] {
        let page = program.get(&format!("{list}?limit=100")).await.expect(200);
        let all = ids(&page);
        assert!(all.len() >= least, "{list}: {all:?}");
        let whole = fetch(&program, &format!("{list}?limit=1000"), "text/csv").await;
        assert_eq!((rows(&whole), next(&whole)), (all.clone(), None), "{list}");
        assert_eq!(
            whole.header("content-disposition"),
            format!("attachment; filename=\"{}.csv\"", &list[1..])
        );
        let lines = fetch(
            &program,
            &format!("{list}?limit=1000"),
            "application/x-ndjson",
        )
        .await;
        assert_eq!(lines.header("content-type"), "application/x-ndjson");
        let lines = lines
            .text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        assert_eq!(
            lines.collect::<Vec<Value>>(),
            *page["data"].as_array().unwrap()
        );
        let (mut found, mut path) = (Vec::new(), Some(format!("{list}?limit=2")));
        while let Some(wanted) = path {
            let page = fetch(&program, &wanted, "text/csv;q=0.9, */*;q=0.1").await;
            assert!(rows(&page).len() <= 2);
            found.extend(rows(&page));
            path = next(&page);
        }
        assert_eq!(found, all, "{list}");
    }
    world.bundle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_bounds_hold_in_every_form() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let ann = program.referrer("ann").await;
    let bob = program.referrer("bob").await;
    for (order, who) in [("one", &ann), ("two", &bob), ("three", &ann)] {
        let body = json!({"codes": [who["code"]]});
        program.convert(order, body).await.expect(201);
    }
    let suspended = json!({"state": "suspended"});
    let path = format!("/participants/{}", text(&bob["id"]));
    program.patch(&path, suspended).await.expect(200);
    world.settle().await;
    let of = |who: &Value, name: &str| format!("{name}={}", text(&who["id"]));
    for (list, count) in [
        (format!("/conversions?{}", of(&ann, "referrer_id")), 2),
        ("/conversions?event=purchase&external_id=two".to_owned(), 1),
        (format!("/rewards?{}", of(&ann, "beneficiary_id")), 2),
        ("/rewards?state=issued".to_owned(), 6),
        ("/participants?state=suspended".to_owned(), 1),
    ] {
        for form in [
            "text/csv",
            "application/x-ndjson",
            "application/json",
            "image/png",
        ] {
            let answer = fetch(&program, &list, form).await;
            assert_eq!(answer.status, 200, "{list} {form} {}", answer.text);
            let found = match form {
                "text/csv" => rows(&answer).len(),
                "application/x-ndjson" => answer.text.lines().count(),
                _ => ids(&answer.json()).len(),
            };
            assert_eq!(found, count, "{list} {form}");
        }
    }
    for (form, limit, status) in [
        ("text/csv", 1_000, 200),
        ("text/csv", 1_001, 422),
        ("application/json", 100, 200),
        ("application/json", 101, 422),
    ] {
        let answer = fetch(&program, &format!("/rewards?limit={limit}"), form).await;
        assert_eq!(answer.status, status, "{form} {limit}");
    }
    world.bundle.shutdown().await;
}

/// A file is sent to people who have never seen the shop's data.
#[tokio::test(flavor = "multi_thread")]
async fn no_file_holds_a_mail_address_a_name_or_a_formula() {
    let world = World::start().await;
    let program = world.program(json!({"surveys": []})).await;
    let body = json!({
        "external_id": "=HYPERLINK(0)", "email": "ann@example.com", "first_name": "Annabel",
    });
    let ann = program.post("/participants", body).await.expect(201);
    let order = json!({
        "codes": [ann["code"]], "amount": eur(5_000),
        "referee": {"external_id": "+friend", "email": "bob@example.net", "first_name": "Bobby"},
    });
    program.convert("@order", order).await.expect(201);
    world.settle().await;
    for list in ["/conversions", "/rewards", "/participants"] {
        for form in ["text/csv", "application/x-ndjson"] {
            let answer = fetch(&program, list, form).await;
            assert_eq!(answer.status, 200);
            for secret in ["example.com", "example.net", "Annabel", "Bobby"] {
                assert!(!answer.text.contains(secret), "{list} {form} {secret}");
            }
            if form == "text/csv" {
                let cells = answer.text.split([',', '\n']);
                for cell in cells {
                    let cell = cell.trim_start_matches('"');
                    assert!(!cell.starts_with(['=', '+', '@']), "{cell}");
                }
            }
        }
    }
    world.bundle.shutdown().await;
}
