//! The files of the page at `/docs`: Swagger UI's, out of the archive that its package carries, and
//! one of ours. Nothing of them is fetched, neither when this is built nor when somebody looks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kith_edge::http::Response;
use sha2::{Digest, Sha256};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

use crate::archive::{Entry, Method, entries};

/// What is shown of the archive: where it is there, its name here, and its media type. The licence
/// asks to go with the files, and so does the notice.
const SHOWN: [(&str, &str, &str); 5] = [
    (
        "dist/swagger-ui-bundle.js",
        "swagger-ui-bundle.js",
        "text/javascript; charset=utf-8",
    ),
    (
        "dist/swagger-ui.css",
        "swagger-ui.css",
        "text/css; charset=utf-8",
    ),
    ("dist/favicon-32x32.png", "favicon-32x32.png", "image/png"),
    ("LICENSE", "LICENSE", "text/plain; charset=utf-8"),
    ("NOTICE", "NOTICE", "text/plain; charset=utf-8"),
];

/// Starts Swagger UI: the page itself may not hold scripts.
const START: &str = include_str!("../assets/start.js");

/// A file never changes under its path, which names its version.
const CACHE: &str = "public, max-age=31536000, immutable";

/// The files by name, and the version that stands in their paths.
#[derive(Debug)]
pub(crate) struct Files {
    version: String,
    by_name: BTreeMap<&'static str, File>,
}

#[derive(Debug)]
struct File {
    content_type: &'static str,
    is_gzip: bool,
    bytes: Cow<'static, [u8]>,
}

impl Files {
    /// The files that the binary carries.
    pub(crate) fn of_binary() -> Self {
        let mut by_name = BTreeMap::new();
        let mut release = "";
        for entry in entries(SWAGGER_UI_VENDORED) {
            // Everything lies in one folder that is named after the release.
            let Some((folder, path)) = entry.name.split_once('/') else {
                continue;
            };
            release = folder.strip_prefix("swagger-ui-").unwrap_or(folder);
            let shown = SHOWN.iter().find(|(there, _, _)| *there == path);
            if let Some(&(_, name, content_type)) = shown {
                by_name.insert(name, File::of(&entry, content_type));
            }
        }
        let start = File {
            content_type: "text/javascript; charset=utf-8",
            is_gzip: false,
            bytes: Cow::Borrowed(START.as_bytes()),
        };
        by_name.insert("start.js", start);
        let ours: String = Sha256::digest(START)
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            version: format!("{release}-{ours}"),
            by_name,
        }
    }

    /// The version: of Swagger UI, and of what is ours.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// A file as an answer. Compressed as it is in the binary: every browser takes gzip.
    pub(crate) fn answer(&self, version: &str, name: &str) -> Option<Response> {
        let file = self.by_name.get(name).filter(|_| version == self.version)?;
        let response = Response::bytes(200, file.content_type, file.bytes.to_vec())
            .header("cache-control", CACHE);
        Some(if file.is_gzip {
            response.header("content-encoding", "gzip")
        } else {
            response
        })
    }
}

impl File {
    fn of(entry: &Entry<'static>, content_type: &'static str) -> Self {
        match entry.method {
            Method::Stored => Self {
                content_type,
                is_gzip: false,
                bytes: Cow::Borrowed(entry.data),
            },
            Method::Deflated => Self {
                content_type,
                is_gzip: true,
                bytes: Cow::Owned(gzip(entry)),
            },
        }
    }
}

/// A file with the frame that HTTP wants around its stream (RFC 1952): no name, no time.
fn gzip(entry: &Entry<'_>) -> Vec<u8> {
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let tail = [entry.crc32.to_le_bytes(), entry.length.to_le_bytes()];
    [head.as_slice(), entry.data, tail.as_flattened()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page loads.
    const LOADED: [(&str, &str); 4] = [
        ("swagger-ui-bundle.js", "SwaggerUIBundle"),
        ("swagger-ui.css", ".swagger-ui"),
        ("LICENSE", "Apache License"),
        ("NOTICE", "SmartBear"),
    ];

    #[test]
    fn every_file_is_there_and_unpacks() {
        let files = Files::of_binary();
        assert_eq!(files.by_name.len(), SHOWN.len() + 1);
        assert!(files.version().starts_with("5."), "{}", files.version());
        for (name, sign) in LOADED {
            let file = &files.by_name[name];
            let text = if file.is_gzip {
                let (frame, length) = (&file.bytes[..10], file.bytes.len());
                assert_eq!(frame[..3], [0x1f, 0x8b, 8], "{name}");
                let unpacked =
                    miniz_oxide::inflate::decompress_to_vec(&file.bytes[10..length - 8]).unwrap();
                let told = u32::from_le_bytes(file.bytes[length - 4..].try_into().unwrap());
                assert_eq!(usize::try_from(told).unwrap(), unpacked.len(), "{name}");
                unpacked
            } else {
                file.bytes.to_vec()
            };
            assert!(String::from_utf8_lossy(&text).contains(sign), "{name}");
        }
    }

    /// Nobody keeps an old file under a new path, or the other way round.
    #[test]
    fn a_path_names_one_version() {
        let files = Files::of_binary();
        let version = files.version().to_owned();
        let answer = files.answer(&version, "swagger-ui.css").unwrap();
        assert_eq!(answer.header_value("cache-control"), Some(CACHE));
        assert_eq!(answer.header_value("content-encoding"), Some("gzip"));
        assert_eq!(files.answer("5.0.0", "swagger-ui.css"), None);
        assert_eq!(files.answer(&version, "swagger-ui.css.map"), None);
        assert_eq!(files.answer(&version, "../Cargo.toml"), None);
    }

    #[test]
    fn nobody_else_is_asked() {
        assert!(!START.contains("//") || START.starts_with("//"));
        assert!(!START.contains("http") && START.contains("validatorUrl: null"));
    }
}
