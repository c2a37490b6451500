//! Secrets of this machine: made once, kept beside the data, readable by their owner only.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use kith_edge::Randomness;
use serde_json::{Value, json};

use crate::template::SecretSpec;

/// The secrets of a template: those of the file, and new ones for what it lacks.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn load_or_make(
    path: Option<&Path>,
    specs: &BTreeMap<String, SecretSpec>,
    randomness: &dyn Randomness,
) -> io::Result<BTreeMap<String, String>> {
    let mut secrets: BTreeMap<String, String> = match path.map(fs::read) {
        None => BTreeMap::new(),
        Some(Ok(bytes)) => serde_json::from_slice(&bytes)?,
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Some(Err(error)) => return Err(error),
    };
    let known = secrets.len();
    for (id, spec) in specs {
        secrets
            .entry(id.clone())
            .or_insert_with(|| make(spec, randomness));
    }
    if let Some(path) = path
        && secrets.len() != known
    {
        write(path, &secrets)?;
    }
    Ok(secrets)
}

fn make(spec: &SecretSpec, randomness: &dyn Randomness) -> String {
    let secret = crate::random::secret(randomness, spec.length);
    let Some((template, key)) = &spec.inside else {
        return secret;
    };
    let mut value: Value = serde_json::from_str(template).unwrap_or_else(|_| json!({}));
    if let Some(members) = value.as_object_mut() {
        members.insert(key.clone(), json!(secret));
    }
    value.to_string()
}

/// Written beside and renamed, so that a crash leaves the old file or the new one.
fn write(path: &Path, secrets: &BTreeMap<String, String>) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(secrets)?)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use kith_edge::SystemRandomness;

    #[test]
    fn secrets_are_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        let plain = SecretSpec {
            length: 43,
            inside: None,
        };
        let inside = SecretSpec {
            length: 20,
            inside: Some((r#"{"user":"x"}"#.to_owned(), "password".to_owned())),
        };
        let mut specs = BTreeMap::from([("A".to_owned(), plain)]);
        let first = load_or_make(Some(&path), &specs, &SystemRandomness).unwrap();
        specs.insert("B".to_owned(), inside);
        let second = load_or_make(Some(&path), &specs, &SystemRandomness).unwrap();
        assert_eq!(first.get("A"), second.get("A"));
        let b: Value = serde_json::from_str(second.get("B").unwrap()).unwrap();
        assert_eq!(b.get("user").unwrap(), "x");
        assert_eq!(b.get("password").unwrap().as_str().unwrap().len(), 20);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
