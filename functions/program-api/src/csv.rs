//! Tables for a bank or a spreadsheet: RFC 4180, with a header.

use std::borrow::Cow;

use kith_edge::http::BoxError;

/// A table that is written row by row.
pub(crate) struct Table(::csv::Writer<Vec<u8>>);

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[&str]) -> Result<Self, BoxError> {
        let mut writer = ::csv::WriterBuilder::new()
            .terminator(::csv::Terminator::CRLF)
            .from_writer(Vec::new());
        writer.write_record(columns)?;
        Ok(Self(writer))
    }

    /// Adds a row. No cell of it is a formula.
    pub(crate) fn row(&mut self, cells: &[String]) -> Result<(), BoxError> {
        let harmless = cells.iter().map(|cell| harmless(cell).into_owned());
        Ok(self.0.write_record(harmless)?)
    }

    /// The whole table.
    pub(crate) fn finish(self) -> Result<String, BoxError> {
        let bytes = self.0.into_inner().map_err(|error| error.to_string())?;
        Ok(String::from_utf8(bytes)?)
    }
}

/// A cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe first.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_text() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(harmless(bad), format!("'{bad}"), "{bad:?}");
        }
        for good in ["", "ann", "'=1", " =1", "1=1", "a-b"] {
            assert_eq!(harmless(good), good);
        }
    }
}
