//! Countries.

use std::fmt;
use std::str::FromStr;

use super::TextError;

/// A country of ISO 3166-1, by its alpha-2 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode(&'static str);

/// The 249 officially assigned codes, sorted, two letters each.
const COUNTRIES: &str = "\
    ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCV\
    CWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIM\
    INIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMW\
    MXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSS\
    STSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";

impl CountryCode {
    /// The two letters, in upper case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for CountryCode {
    type Err = TextError;

    /// Reads a code in either case.
    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.len() != 2 || !text.is_ascii() {
            return Err(TextError::CountryCode);
        }
        (0..COUNTRIES.len())
            .step_by(2)
            .filter_map(|at| COUNTRIES.get(at..)?.get(..2))
            .find(|code| code.eq_ignore_ascii_case(text))
            .map(Self)
            .ok_or(TextError::CountryCode)
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CountryCode({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_249_countries_in_order() {
        let codes: Vec<&[u8]> = COUNTRIES.as_bytes().chunks(2).collect();
        assert_eq!(codes.len(), 249);
        assert!(codes.is_sorted_by(|a, b| a < b));
        for (given, code) in [
            ("DE", "DE"),
            ("de", "DE"),
            ("Gb", "GB"),
            ("AD", "AD"),
            ("ZW", "ZW"),
        ] {
            assert_eq!(
                given.parse::<CountryCode>().map(CountryCode::as_str),
                Ok(code)
            );
        }
        for bad in ["", "D", "DEU", "UK", "EU", "XX", "EA", "ß", "D "] {
            assert_eq!(
                bad.parse::<CountryCode>(),
                Err(TextError::CountryCode),
                "{bad}"
            );
        }
    }
}
