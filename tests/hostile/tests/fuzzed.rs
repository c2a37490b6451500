//! Whether `fuzz/` keeps up with what stands here: no default step builds it, so nothing else would notice.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops on the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kith_hostile::TARGETS;
use serde_json::Value;

/// What only fuzzing needs.
const ITS_OWN: [&str; 4] = ["arbitrary", "jobserver", "kith-fuzz", "libfuzzer-sys"];
/// How its lock file is brought up to the workspace's: cargo leaves out what is not needed there.
const MENDED_BY: &str = "cp Cargo.lock tests/hostile/fuzz/ && cargo metadata --format-version 1 \
     --manifest-path tests/hostile/fuzz/Cargo.toml > /dev/null";

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn packages(manifest: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The versions of each package of a lock file.
fn locked(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let lock = fs::read_to_string(folder.join("Cargo.lock")).unwrap();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let member = |name: &str| {
            let mut lines = package.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.unwrap().trim_matches('"').to_owned()
        };
        let of = versions.entry(member("name")).or_default();
        of.insert(member("version"));
    }
    versions
}

#[test]
fn every_target_is_fuzzed() {
    let packages = packages(&fuzz().join("Cargo.toml"));
    let targets = packages.iter().flat_map(|package| {
        let targets = package["targets"].as_array().unwrap().iter();
        targets.filter(|target| target["kind"][0] == "bin")
    });
    let mut fuzzed = BTreeSet::new();
    for target in targets {
        let name = target["name"].as_str().unwrap();
        let source = fs::read_to_string(target["src_path"].as_str().unwrap()).unwrap();
        assert_eq!(
            source,
            format!("#![no_main]\nkith_fuzz::fuzzed!({name});\n")
        );
        fuzzed.insert(name);
    }
    assert_eq!(fuzzed, BTreeSet::from(TARGETS.map(|(name, _)| name)));
}

/// What is found there is true here, too.
#[test]
fn the_same_versions_are_fuzzed_as_shipped() {
    let root = fuzz().join("../../..");
    let (fuzzed, shipped) = (locked(&fuzz()), locked(&root));
    for (name, versions) in &fuzzed {
        let known = shipped.get(name);
        assert!(
            ITS_OWN.contains(&name.as_str())
                || known.is_some_and(|known| versions.is_subset(known)),
            "{name} is another one in fuzz/Cargo.lock: {MENDED_BY}"
        );
    }
    let packages = packages(&root.join("Cargo.toml"));
    let is_fuzzed = |package: &&Value| fuzzed.contains_key(package["name"].as_str().unwrap());
    for package in packages.iter().filter(is_fuzzed) {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        for dependency in dependencies.filter(|one| one["kind"] != "dev") {
            let name = dependency["name"].as_str().unwrap();
            assert!(
                fuzzed.contains_key(name),
                "{name} is missing in fuzz/Cargo.lock: {MENDED_BY}"
            );
        }
    }
}
