//! The README's tour, as it is printed.

use std::process::Stdio;

use tokio::process::Command;

use crate::world::World;

const README: &str = include_str!("../../README.md");
/// The key that the tour starts the bundle with.
const KEY: &str = "kith_test_for-the-tour-and-nothing-else";

/// Whoever has ten minutes copies it line by line: what it promises has to come.
#[tokio::test(flavor = "multi_thread")]
async fn the_tour_works_as_it_is_printed() {
    let world = World::with(|options| options.test_operator_key = Some(KEY.to_owned())).await;
    let start = format!("KITH_TEST_OPERATOR_KEY={KEY} cargo run -- --ephemeral");
    assert!(README.contains(&start), "the tour starts otherwise");
    let pieces = README.split("```bash\n").skip(1);
    let pieces: String = pieces.filter_map(|rest| rest.split("```").next()).collect();
    let script = pieces.replace("http://127.0.0.1:8787", &world.bundle.base_url());
    assert_ne!(script, pieces);
    let ran = Command::new("bash")
        .args(["-euc", &script])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    let faults = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}\n{faults}");
    assert!(!told.contains("/problems/"), "{told}");
    let mut rest = told.as_str();
    for wanted in [
        "prg_",
        "\"external_id\":\"cust-42\"",
        "kith_click=",
        "\"reason\":\"click_token\"",
        "\n\"state\":\"qualified\"\n",
        "\"state\":\"issued\"",
        "It is in the balance, and the next payout pays it.\"\n",
        "\"subject\":\"How likely are you to recommend Joe's Artisan Bakery?\"",
        "/s/",
        "\"score\":100",
        "\"before\"",
        "bank-4711",
    ] {
        let (_, behind) = rest
            .split_once(wanted)
            .unwrap_or_else(|| panic!("no {wanted} in {rest}"));
        rest = behind;
    }
    world.bundle.shutdown().await;
}
