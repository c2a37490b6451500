//! The least that a Rust function behind the HTTP API can be: `lambda_http` and a constant answer.

use lambda_http::{Error, Request, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(hello)).await
}

async fn hello(_request: Request) -> Result<&'static str, Error> {
    Ok("hello")
}
