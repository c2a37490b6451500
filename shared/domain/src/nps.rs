//! Net Promoter Score: how many would recommend, less how many would warn.
//!
//! Source: Reichheld, "The One Number You Need to Grow", 2003: promoters answer 9 or 10, passives 7 or 8, detractors
//! 0 to 6, and the score is the percentage of promoters less the percentage of detractors.

use std::fmt;

/// The highest [`Score`].
pub const SCORE_MAX: u8 = 10;
/// The lowest score of a promoter.
const PROMOTER_MIN: u8 = 9;
/// The lowest score of a passive.
const PASSIVE_MIN: u8 = 7;
/// Hundredths of a point of the whole scale from 0 to 100.
const HUNDREDTHS: i128 = 10_000;

/// The answer was not a whole number from 0 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 0 to {SCORE_MAX}")]
pub struct ScoreError;

/// One answer to "how likely are you to recommend us?": 0 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u8);

impl Score {
    /// The answer as a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The group the answer counts for.
    #[must_use]
    pub const fn band(self) -> Band {
        match self.0 {
            PROMOTER_MIN.. => Band::Promoter,
            PASSIVE_MIN.. => Band::Passive,
            _ => Band::Detractor,
        }
    }
}

impl TryFrom<i64> for Score {
    type Error = ScoreError;

    fn try_from(number: i64) -> Result<Self, ScoreError> {
        u8::try_from(number)
            .ok()
            .filter(|&score| score <= SCORE_MAX)
            .map(Self)
            .ok_or(ScoreError)
    }
}

impl std::str::FromStr for Score {
    type Err = ScoreError;

    /// Reads a score from a form or a query: decimal digits only, without sign or leading zero.
    fn from_str(text: &str) -> Result<Self, ScoreError> {
        (0..=SCORE_MAX)
            .find(|score| score.to_string() == text)
            .map(Self)
            .ok_or(ScoreError)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// The group an answer counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Band {
    /// 9 or 10: would recommend.
    Promoter,
    /// 7 or 8: counts only among all answers.
    Passive,
    /// 0 to 6: would rather warn.
    Detractor,
}

impl Band {
    /// The word for the band in JSON and keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promoter => "promoter",
            Self::Passive => "passive",
            Self::Detractor => "detractor",
        }
    }
}

/// Counted answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nps {
    /// Answers of 9 or 10.
    pub promoters: u64,
    /// Answers of 7 or 8.
    pub passives: u64,
    /// Answers of 0 to 6.
    pub detractors: u64,
}

impl Nps {
    /// Counts one more answer.
    pub fn record(&mut self, score: Score) {
        let count = match score.band() {
            Band::Promoter => &mut self.promoters,
            Band::Passive => &mut self.passives,
            Band::Detractor => &mut self.detractors,
        };
        *count = count.saturating_add(1);
    }

    /// All answers counted.
    #[must_use]
    pub fn responses(&self) -> u64 {
        self.promoters
            .saturating_add(self.passives)
            .saturating_add(self.detractors)
    }

    /// The score, rounded to hundredths, halves away from zero; `None` while nobody has answered.
    #[must_use]
    pub fn score(&self) -> Option<NpsScore> {
        // Sums of three 64-bit counts times twenty thousand stay far inside 128 bits: nothing here can fail but the
        // division by no answers.
        let all = [self.promoters, self.passives, self.detractors]
            .map(i128::from)
            .iter()
            .sum::<i128>();
        let net = i128::from(self.promoters).checked_sub(i128::from(self.detractors))?;
        let doubled = net.checked_mul(HUNDREDTHS)?.checked_mul(2)?;
        let rounded = doubled
            .checked_add(all.checked_mul(net.signum())?)?
            .checked_div(all.checked_mul(2)?)?;
        i32::try_from(rounded).ok().map(NpsScore)
    }
}

impl FromIterator<Score> for Nps {
    fn from_iter<I: IntoIterator<Item = Score>>(scores: I) -> Self {
        let mut nps = Self::default();
        scores.into_iter().for_each(|score| nps.record(score));
        nps
    }
}

/// A Net Promoter Score from −100 to 100 in exact hundredths: −45.45 is `-4545`.
///
/// `Display` writes a JSON number (RFC 8259, section 6) without needless digits: `-45.45`, `9.5`, `35`, `0`. Put it into
/// a document as it stands (a raw value); it never passes through a binary fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NpsScore(i32);

impl NpsScore {
    /// The score in hundredths of a point, −10,000 to 10,000.
    #[must_use]
    pub const fn hundredths(self) -> i32 {
        self.0
    }
}

impl fmt::Display for NpsScore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let hundredths = self.0.unsigned_abs();
        let (whole, part) = (hundredths / 100, hundredths % 100);
        match (part / 10, part % 10) {
            (0, 0) => write!(formatter, "{sign}{whole}"),
            (tenths, 0) => write!(formatter, "{sign}{whole}.{tenths}"),
            (tenths, rest) => write!(formatter, "{sign}{whole}.{tenths}{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(promoters: u64, passives: u64, detractors: u64) -> Option<String> {
        Nps {
            promoters,
            passives,
            detractors,
        }
        .score()
        .map(|score| score.to_string())
    }

    #[test]
    fn published_examples_come_out() {
        let each_once: Nps = (0..=10).filter_map(|n| Score::try_from(n).ok()).collect();
        assert_eq!(
            each_once,
            Nps {
                promoters: 2,
                passives: 2,
                detractors: 7
            }
        );
        assert_eq!(each_once.score().map(NpsScore::hundredths), Some(-4545));
        let table = [
            ((2, 2, 7), Some("-45.45")),
            ((100, 30, 80), Some("9.52")),
            ((40, 55, 5), Some("35")),
            ((0, 0, 0), None),
            ((1, 0, 0), Some("100")),
            ((0, 0, 1), Some("-100")),
            ((0, 1, 0), Some("0")),
            ((1, 1, 1), Some("0")),
            ((0, 199, 1), Some("-0.5")),
            ((1, 1_999, 0), Some("0.05")),
            ((0, 1_999, 1), Some("-0.05")),
            ((1, 19_999, 0), Some("0.01")),
            ((0, 19_999, 1), Some("-0.01")),
            ((1, 20_000, 0), Some("0")),
            ((0, 20_000, 1), Some("0")),
            ((2, 1, 0), Some("66.67")),
            ((0, 1, 2), Some("-66.67")),
            ((u64::MAX, u64::MAX, u64::MAX), Some("0")),
            ((u64::MAX, 0, 0), Some("100")),
        ];
        for ((promoters, passives, detractors), score) in table {
            assert_eq!(
                shown(promoters, passives, detractors).as_deref(),
                score,
                "{promoters} {passives} {detractors}"
            );
        }
    }

    #[test]
    fn the_scale_starts_at_zero_and_ends_at_ten() {
        for good in 0..=10 {
            assert_eq!(
                Score::try_from(good).map(|score| i64::from(score.get())),
                Ok(good)
            );
            assert_eq!(good.to_string().parse::<Score>(), Score::try_from(good));
        }
        for bad in [-1, 11, 255, 256, 266, i64::MAX, i64::MIN] {
            assert_eq!(Score::try_from(bad), Err(ScoreError));
        }
        for bad in ["", "11", "-1", "+1", "01", "1.0", "ten", " 1"] {
            assert_eq!(bad.parse::<Score>(), Err(ScoreError));
        }
    }

    #[test]
    fn bands_are_told_apart_at_their_borders() {
        let band = |score| Score::try_from(score).map(Score::band);
        assert_eq!([band(0), band(6)], [Ok(Band::Detractor); 2]);
        assert_eq!([band(7), band(8)], [Ok(Band::Passive); 2]);
        assert_eq!([band(9), band(10)], [Ok(Band::Promoter); 2]);
    }

    proptest! {
        #[test]
        fn the_score_stays_in_range_and_is_antisymmetric(promoters: u64, passives: u64, detractors: u64) {
            let score = Nps { promoters, passives, detractors }.score().map(NpsScore::hundredths);
            let mirrored = Nps { promoters: detractors, passives, detractors: promoters }.score().map(NpsScore::hundredths);
            prop_assert!(score.is_none_or(|score| (-10_000..=10_000).contains(&score)));
            prop_assert_eq!(score.is_none(), promoters == 0 && passives == 0 && detractors == 0);
            prop_assert_eq!(score, mirrored.and_then(i32::checked_neg));
        }

        /// One more promoter never lowers the score.
        #[test]
        fn a_promoter_never_hurts(promoters in 0_u64..1_000, passives in 0_u64..1_000, detractors in 0_u64..1_000) {
            let before = Nps { promoters, passives, detractors };
            let mut after = before;
            after.record(Score(10));
            prop_assert!(after.score() >= before.score());
        }

        #[test]
        fn what_is_shown_is_the_score_in_hundredths(hundredths in -10_000_i32..=10_000) {
            let shown = NpsScore(hundredths).to_string();
            let (whole, part) = shown.split_once('.').unwrap_or((&shown, ""));
            let digits = format!("{whole}{part:0<2}");
            prop_assert_eq!(digits.parse::<i32>(), Ok(hundredths));
            prop_assert!(!shown.ends_with(".0") && shown != "-0");
        }
    }
}
