//! What must not be shown.
//!
//! Invariants: the content leaves this crate towards a server only, is in no
//! `Debug` and no `Display`, and its memory is zeroed when it is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A password. Where it is shown, it is three dots.
///
/// Its memory is zeroed when it is dropped. While it is in use, `SCRAM` and
/// `MD5` compute on copies that are freed without that.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<String> for Secret {
    /// Takes the text over, without a copy that would be left behind.
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Secret {
    /// Takes the bytes over, without a copy that would be left behind.
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let shown = format!("{:#?}", Some(Secret::from("hunter2".to_owned())));
        assert!(
            !shown.contains("hunter2") && !shown.contains('7'),
            "{shown}"
        );
    }
}
