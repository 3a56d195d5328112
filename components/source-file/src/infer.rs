//! What type a column has, from a sample of its values.
//!
//! A [`Guess`] remembers which kinds of values were seen; the column gets the
//! one type that holds them all without loss, and text where there is none.
//! Invariant: whatever was shown to a guess is read back exactly as the kind
//! it decides for.

use crate::calendar;
use crate::kind::Kind;
use crate::value;

const BOOLEAN: u8 = 1;
const INTEGER: u8 = 1 << 1;
/// An integer of more digits than a floating point number keeps.
const WIDE: u8 = 1 << 2;
const FLOAT: u8 = 1 << 3;
const DATE: u8 = 1 << 4;
const TIMESTAMP: u8 = 1 << 5;
const INSTANT: u8 = 1 << 6;
const TEXT: u8 = 1 << 7;

/// The kinds of values seen in a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guess(u8);

impl Guess {
    /// Takes in a value of a CSV file, which may be of any type.
    pub fn see_word(&mut self, text: &[u8]) {
        if self.0 & TEXT == 0 {
            self.0 |= word(value::trim(text));
        }
    }

    /// Takes in a string of a JSON file: a number only by name, never a truth
    /// value.
    pub fn see_string(&mut self, text: &[u8]) {
        self.0 |= match word(text) {
            BOOLEAN | INTEGER | WIDE => TEXT,
            FLOAT if !value::is_named_number(text) => TEXT,
            seen => seen,
        };
    }

    /// Takes in what JSON writes without quotes: a number, a truth value, an
    /// array, an object.
    pub fn see_literal(&mut self, text: &[u8]) {
        self.0 |= word(text);
    }

    /// Takes in what another guess has seen.
    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether no value was seen.
    pub fn saw_nothing(self) -> bool {
        self.0 == 0
    }

    /// The type that holds all that was seen; text if nothing was.
    pub fn kind(self) -> Kind {
        match self.0 {
            BOOLEAN => Kind::Boolean,
            seen if seen & INTEGER != 0 && seen & !(INTEGER | WIDE) == 0 => Kind::Int64,
            seen if seen & FLOAT != 0 && seen & !(INTEGER | FLOAT) == 0 => Kind::Float64,
            DATE => Kind::Date,
            TIMESTAMP => Kind::Timestamp,
            INSTANT => Kind::TimestampTz,
            _ => Kind::Text,
        }
    }
}

/// What one value looks like.
fn word(text: &[u8]) -> u8 {
    let Some(first) = text.first() else {
        return TEXT;
    };
    if first.is_ascii_digit() || matches!(first, b'-' | b'.' | b'N' | b'i' | b'I') {
        return number_or_date(text);
    }
    match value::parse_boolean(text) {
        Some(_) => BOOLEAN,
        None => TEXT,
    }
}

fn number_or_date(text: &[u8]) -> u8 {
    if value::parse_integer(text, true).is_some() {
        return match value::parse_float(text, true) {
            Some(_) => INTEGER,
            None => INTEGER | WIDE,
        };
    }
    if is_float(text) {
        return FLOAT;
    }
    if calendar::parse_date(text).is_some() {
        return DATE;
    }
    match calendar::parse_timestamp(text) {
        Some(stamp) if stamp.zoned => INSTANT,
        Some(_) => TIMESTAMP,
        None => TEXT,
    }
}

/// A number that is not written as a whole one: digits alone that are too
/// many for 64 bits, or led by zeros, would lose some.
fn is_float(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_whole = digits.iter().all(u8::is_ascii_digit);
    (!is_whole || text == b"-0") && value::parse_float(text, true).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(words: &[&str]) -> Kind {
        let mut guess = Guess::default();
        for word in words {
            guess.see_word(word.as_bytes());
        }
        guess.kind()
    }

    #[test]
    fn a_column_gets_the_type_that_holds_all_its_values() {
        assert_eq!(kind_of(&["1", "-2", "0"]), Kind::Int64);
        assert_eq!(kind_of(&["1", "2.5"]), Kind::Float64);
        assert_eq!(kind_of(&["1", "2.5", "x"]), Kind::Text);
        assert_eq!(kind_of(&["true", "FALSE"]), Kind::Boolean);
        assert_eq!(kind_of(&["true", "1"]), Kind::Text);
        assert_eq!(kind_of(&["2013-01-01"]), Kind::Date);
        assert_eq!(kind_of(&["2013-01-01", "2013-01-01T00:00:00Z"]), Kind::Text);
        assert_eq!(
            kind_of(&["2013-01-01T00:00:00Z", "2013-01-01 01:00:00+01:00"]),
            Kind::TimestampTz
        );
        assert_eq!(kind_of(&["2013-01-01T00:00:00"]), Kind::Timestamp);
        assert_eq!(kind_of(&[]), Kind::Text);
        assert_eq!(kind_of(&["1", "NaN", "-Infinity"]), Kind::Float64);
    }

    #[test]
    fn a_number_that_would_lose_digits_stays_text() {
        assert_eq!(kind_of(&["7", "007"]), Kind::Text);
        assert_eq!(kind_of(&["+4915112345678"]), Kind::Text);
        assert_eq!(kind_of(&["9223372036854775808"]), Kind::Text);
        assert_eq!(kind_of(&["9223372036854775807"]), Kind::Int64);
        assert_eq!(kind_of(&["12345678901234567", "0.5"]), Kind::Text);
        assert_eq!(kind_of(&["123456789012345", "0.5"]), Kind::Float64);
        assert_eq!(kind_of(&["123456789012345678.91"]), Kind::Text);
        assert_eq!(kind_of(&["1.5", "1.0e400"]), Kind::Text);
        assert_eq!(kind_of(&["1e5", "2e7"]), Kind::Text);
        assert_eq!(kind_of(&["1.0e5", "1.5E-7", "0.00"]), Kind::Float64);
        assert_eq!(kind_of(&["-0", "1"]), Kind::Float64);
        assert_eq!(kind_of(&["2013-01-01T00:00:00.1234567Z"]), Kind::Text);
    }

    #[test]
    fn a_json_string_is_a_number_only_by_name() {
        let mut guess = Guess::default();
        guess.see_literal(b"1.5");
        guess.see_string(b"NaN");
        assert_eq!(guess.kind(), Kind::Float64);
        guess.see_string(b"1.5");
        assert_eq!(guess.kind(), Kind::Text);
        let mut guess = Guess::default();
        guess.see_string(b"true");
        assert_eq!(guess.kind(), Kind::Text);
    }
}
