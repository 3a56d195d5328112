//! Sizes, durations and counts, within the bounds of their keys.

use super::super::quantity::{parse_duration, parse_size, show_duration, show_size};
use super::super::table::{Key, Kind};
use super::super::value::{Meaning, Scalar, Value};
use super::Fields;
use std::time::Duration;

impl Fields<'_> {
    /// A size in bytes.
    pub(in super::super) fn size(&self, name: &str) -> Option<u64> {
        let (key, written) = self.written(name)?;
        let value = written.value();
        let Kind::Size(least, most) = key.kind else {
            return None;
        };
        let Some(text) = self.quantity(key, value) else {
            self.mismatch(key, value);
            return None;
        };
        self.bounded(key, value, parse_size(text), (least, most), show_size)
    }

    /// A duration.
    pub(in super::super) fn duration(&self, name: &str) -> Option<Duration> {
        let (key, written) = self.written(name)?;
        let value = written.value();
        let Kind::Duration(least, most) = key.kind else {
            return None;
        };
        let Some(text) = self.quantity(key, value) else {
            self.mismatch(key, value);
            return None;
        };
        let millis = parse_duration(text)
            .map(|duration| duration.as_millis().try_into().unwrap_or(u64::MAX));
        let show = |millis| show_duration(Duration::from_millis(millis));
        self.bounded(key, value, millis, (least, most), show)
            .map(Duration::from_millis)
    }

    /// A whole number.
    pub(in super::super) fn count(&self, name: &str) -> Option<u64> {
        let (key, written) = self.written(name)?;
        let value = written.value();
        let Kind::Count(least, most) = key.kind else {
            return None;
        };
        let Some(Meaning::Integer(number)) = value.scalar().map(Scalar::loose_meaning) else {
            self.mismatch(key, value);
            return None;
        };
        let number = u64::try_from(number).map_err(|_| format!("it must be at least {least}"));
        self.bounded(key, value, number, (least, most), |number| {
            number.to_string()
        })
    }

    /// The text of a size or duration.
    fn quantity<'w>(&self, key: &Key, value: &'w Value) -> Option<&'w str> {
        let scalar = value.scalar()?;
        match (scalar.meaning, key.kind) {
            (Meaning::Text | Meaning::Integer(_), _) => Some(&scalar.text),
            (Meaning::Number(_), Kind::Size(..) | Kind::Duration(..)) => Some(&scalar.text),
            _ => None,
        }
    }

    fn bounded(
        &self,
        key: &Key,
        value: &Value,
        number: Result<u64, String>,
        (least, most): (u64, u64),
        show: impl Fn(u64) -> String,
    ) -> Option<u64> {
        match number {
            Ok(number) if (least..=most).contains(&number) => return Some(number),
            Ok(number) if number < least => {
                self.refuse(
                    key.name,
                    value,
                    &format!("it must be at least {}", show(least)),
                );
            }
            Ok(_) => self.refuse(
                key.name,
                value,
                &format!("it must be at most {}", show(most)),
            ),
            Err(reason) => self.refuse(key.name, value, &reason),
        }
        None
    }
}
