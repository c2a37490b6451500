//! The whole bundle on one machine: `cargo run`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use kith_connectors::signing::Secret;
use kith_edge::{Randomness, SystemRandomness};
use kith_local::command::{Command, HELP, Run};
use kith_local::listen::{self, Listen};
use kith_local::{Bundle, Options, Place, console, demo, logs};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let command = match Command::read(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(fault) => return fail(&fault),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime
            .block_on(carry_out(&command))
            .map_or_else(|fault| fail(&fault), |()| ExitCode::SUCCESS),
        Err(error) => fail(&format!("the runtime cannot be made: {error}")),
    }
}

async fn carry_out(command: &Command) -> Result<(), String> {
    match command {
        Command::Help => {
            console::line(HELP);
            Ok(())
        }
        Command::Run(command) => run(command).await,
        Command::Listen(command) => listen(command).await,
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Until somebody ends it.
async fn listen(command: &Listen) -> Result<(), String> {
    let key = variable("KITH_KEY").ok_or(
        "KITH_KEY must hold a key with the scope events:read; on this machine, the operator key of test programs will do",
    )?;
    let secret = match variable("KITH_WEBHOOK_SECRET") {
        Some(text) => {
            Secret::parse(&text).map_err(|error| format!("KITH_WEBHOOK_SECRET: {error}"))?
        }
        None => {
            let mut random = [0; 32];
            SystemRandomness.fill(&mut random);
            Secret::of_random(random)
        }
    };
    listen::run(command, &key, secret, console::line)
        .await
        .map_err(|error| error.to_string())
}

async fn run(command: &Run) -> Result<(), String> {
    let data = command.data.as_deref();
    let options = Options {
        registry: kith_local::registry(),
        port: command.port,
        place: data.map_or(Place::Memory, |folder| Place::Folder(folder.to_owned())),
        operator_key: variable("KITH_OPERATOR_KEY"),
        test_operator_key: variable("KITH_TEST_OPERATOR_KEY"),
        on_step: Some(Arc::new(console::step)),
        ..Options::default()
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let bundle = Bundle::start(options)
        .await
        .map_err(|error| error.to_string())?;
    start_logs(command, data, variable("RUST_LOG").as_deref())?;
    console::ready(&bundle, data);

    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let walk = async {
        if command.demo {
            demo::run(&bundle)
                .await
                .map_err(|error| error.to_string())?;
        }
        std::future::pending::<Result<(), String>>().await
    };
    let outcome = tokio::select! {
        () = stopped => Ok(()),
        outcome = walk => outcome,
    };
    console::line("finishing what has begun; a second Ctrl-C does not wait");
    tokio::select! {
        () = bundle.shutdown() => {}
        _ = interrupt.recv() => {}
    }
    outcome
}

fn start_logs(command: &Run, data: Option<&Path>, rust_log: Option<&str>) -> Result<(), String> {
    let file = data.map(|folder| folder.join(console::LOG_FILE));
    logs::start(file.as_deref(), logs::level(command.verbose, rust_log))
        .map_err(|error| format!("the log cannot be written: {error}"))
}

fn fail(fault: &str) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "kith: {fault}");
    ExitCode::FAILURE
}
