//! Reads files out of a ZIP archive, as they are compressed there.
//!
//! The archive is one that the binary carries, so there is little to expect: no encryption, no
//! archive of more than 4 GiB, names in UTF-8.

/// How a file's data is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// As it is.
    Stored,
    /// As a stream of DEFLATE (RFC 1951).
    Deflated,
}

/// One file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Its path in the archive.
    pub(crate) name: &'a str,
    /// How `data` is to be read.
    pub(crate) method: Method,
    /// The check sum of the file.
    pub(crate) crc32: u32,
    /// The length of the file, in bytes.
    pub(crate) length: u32,
    /// The file, as it is stored.
    pub(crate) data: &'a [u8],
}

/// "End of central directory", and the length of that record without a comment.
const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
/// A file in the central directory, and the length of its record before the name.
const DIRECTORY_FILE: &[u8] = b"PK\x01\x02";
const DIRECTORY_FILE_BYTES: usize = 46;
/// A file where its data is, and the length of its record before the name.
const LOCAL_FILE: &[u8] = b"PK\x03\x04";
const LOCAL_FILE_BYTES: usize = 30;

/// The files of an archive. Ends early at whatever is not as expected.
pub(crate) fn entries(archive: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut at = directory(archive);
    std::iter::from_fn(move || {
        loop {
            let (record, next) = Record::read(archive, at?)?;
            at = Some(next);
            // Folders have no data, and other methods are for others to read.
            if let Some(entry) = record.entry(archive) {
                return Some(entry);
            }
        }
    })
}

/// Where the central directory begins: told by the last record of the archive, which only a comment
/// may follow.
fn directory(archive: &[u8]) -> Option<usize> {
    let last = archive.len().checked_sub(END_BYTES)?;
    let end = (0..=last)
        .rev()
        .find(|at| archive.get(*at..).is_some_and(|rest| rest.starts_with(END)))?;
    usize::try_from(u32_at(archive, end.checked_add(16)?)?).ok()
}

struct Record<'a> {
    name: &'a str,
    method: u16,
    crc32: u32,
    stored: usize,
    length: u32,
    local: usize,
}

impl<'a> Record<'a> {
    /// The record at a place, and the place of the next one.
    fn read(archive: &'a [u8], at: usize) -> Option<(Self, usize)> {
        if !archive.get(at..)?.starts_with(DIRECTORY_FILE) {
            return None;
        }
        let field = |offset: usize| at.checked_add(offset);
        let name_bytes = usize::from(u16_at(archive, field(28)?)?);
        let extra_bytes = usize::from(u16_at(archive, field(30)?)?);
        let comment_bytes = usize::from(u16_at(archive, field(32)?)?);
        let name = slice(archive, field(DIRECTORY_FILE_BYTES)?, name_bytes)?;
        let record = Self {
            name: std::str::from_utf8(name).ok()?,
            method: u16_at(archive, field(10)?)?,
            crc32: u32_at(archive, field(16)?)?,
            stored: usize::try_from(u32_at(archive, field(20)?)?).ok()?,
            length: u32_at(archive, field(24)?)?,
            local: usize::try_from(u32_at(archive, field(42)?)?).ok()?,
        };
        let next = field(DIRECTORY_FILE_BYTES)?
            .checked_add(name_bytes)?
            .checked_add(extra_bytes)?
            .checked_add(comment_bytes)?;
        Some((record, next))
    }

    fn entry(&self, archive: &'a [u8]) -> Option<Entry<'a>> {
        let method = match self.method {
            0 => Method::Stored,
            8 => Method::Deflated,
            _ => return None,
        };
        if !archive.get(self.local..)?.starts_with(LOCAL_FILE) {
            return None;
        }
        let name_bytes = usize::from(u16_at(archive, self.local.checked_add(26)?)?);
        let extra_bytes = usize::from(u16_at(archive, self.local.checked_add(28)?)?);
        let start = self
            .local
            .checked_add(LOCAL_FILE_BYTES)?
            .checked_add(name_bytes)?
            .checked_add(extra_bytes)?;
        Some(Entry {
            name: self.name,
            method,
            crc32: self.crc32,
            length: self.length,
            data: slice(archive, start, self.stored)?,
        })
    }
}

fn slice(bytes: &[u8], start: usize, length: usize) -> Option<&[u8]> {
    bytes.get(start..start.checked_add(length)?)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(slice(bytes, at, 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(slice(bytes, at, 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two files and a folder, as `zip` writes them.
    fn archive() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut directory = Vec::new();
        for (name, text) in [("a/", ""), ("a/x.txt", "hello"), ("a/y.txt", "there")] {
            let local = u32::try_from(bytes.len()).unwrap();
            let lengths = u32::try_from(text.len()).unwrap().to_le_bytes().repeat(2);
            let name_bytes = u16::try_from(name.len()).unwrap().to_le_bytes();
            bytes.extend(LOCAL_FILE);
            bytes.extend([0; 14]);
            bytes.extend(&lengths);
            bytes.extend(name_bytes);
            bytes.extend([3, 0]);
            bytes.extend(name.bytes());
            bytes.extend([9; 3]);
            bytes.extend(text.bytes());
            directory.extend(DIRECTORY_FILE);
            directory.extend([0; 12]);
            directory.extend([7, 0, 0, 0]);
            directory.extend(&lengths);
            directory.extend(name_bytes);
            directory.extend([0; 12]);
            directory.extend(local.to_le_bytes());
            directory.extend(name.bytes());
        }
        let start = u32::try_from(bytes.len()).unwrap();
        bytes.extend(directory);
        bytes.extend(END);
        bytes.extend([0; 12]);
        bytes.extend(start.to_le_bytes());
        bytes.extend([7, 0]);
        bytes.extend(b"comment");
        bytes
    }

    #[test]
    fn files_are_found() {
        let archive = archive();
        let found: Vec<(&str, &[u8])> = entries(&archive)
            .map(|entry| (entry.name, entry.data))
            .collect();
        assert_eq!(
            found,
            [
                ("a/", b"".as_slice()),
                ("a/x.txt", b"hello"),
                ("a/y.txt", b"there")
            ]
        );
        assert_eq!(entries(&archive).next().unwrap().crc32, 7);
    }

    #[test]
    fn what_is_no_archive_has_no_files() {
        let whole = archive();
        for length in 0..whole.len() {
            let part = whole.get(..length).unwrap();
            assert!(entries(part).count() <= 3);
        }
        assert_eq!(entries(b"PK\x05\x06 and then nothing that fits").count(), 0);
    }
}
