//! How what a function takes and gives is passed from store to store.

use super::shape::Shape;
use super::values::unlike_all;
use super::{Difference, Structure};
use crate::Value;
use crate::canonical::FLAT_PARAMETERS;
use crate::entry::Counts;

/// Whether a function's result has room for an error of whoever answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It gives no `result`, or one whose error is of another kind.
    None,
    /// `result<_>`: that there is one.
    Bare,
    /// `result<_, string>`: what it says.
    Text,
}

impl Structure {
    /// The first function that cannot be called in another store, with what of
    /// it stays in its own: streams and futures, and waiting.
    #[must_use]
    pub fn stuck(&self) -> Option<(&str, &str)> {
        fn stuck(shape: &Shape) -> Option<&str> {
            match shape.word.as_str() {
                word @ ("async func" | "stream" | "future" | "error-context") => Some(word),
                _ => shape.parts.iter().find_map(|(_, part)| stuck(part)),
            }
        }
        let mut functions = self.functions.iter();
        functions.find_map(|(name, shape)| Some((name.as_str(), stuck(shape)?)))
    }

    /// Whether a function takes or gives resources.
    pub(crate) fn has_handles(&self, function: &str) -> bool {
        fn has(shape: &Shape) -> bool {
            let word = &shape.word;
            word.starts_with("own<")
                || word.starts_with("borrow<")
                || shape.parts.iter().any(|(_, part)| has(part))
        }
        self.functions.get(function).is_some_and(has)
    }

    /// Whether a function's result has room for an error.
    pub(crate) fn room(&self, function: &str) -> Room {
        let Some(result) = self.functions.get(function).and_then(result) else {
            return Room::None;
        };
        if result.word != "result" {
            return Room::None;
        }
        match result.parts.iter().find(|(name, _)| name == "error") {
            None => Room::Bare,
            Some((_, error)) if error.word == "string" => Room::Text,
            Some(_) => Room::None,
        }
    }

    /// What is wrong with the arguments of a call.
    ///
    /// # Errors
    ///
    /// The first place where one is not of the type that is wanted.
    pub(crate) fn takes(&self, function: &str, arguments: &[Value]) -> Result<(), Difference> {
        let Some(shape) = self.functions.get(function) else {
            return Ok(());
        };
        let wanted = shape.parts.iter().filter(|(name, _)| name != "result");
        let (path, wanted, found) = match unlike_all(wanted, arguments) {
            None => return Ok(()),
            Some(unlike) => unlike,
        };
        Err(Difference {
            function: function.to_owned(),
            path,
            wanted,
            found,
        })
    }

    /// How many core values a function takes and gives.
    pub(crate) fn counts(&self, function: &str) -> Counts {
        let Some(shape) = self.functions.get(function) else {
            return Counts {
                parameters: 0,
                results: 0,
                waits: false,
            };
        };
        let parameters = shape.parts.iter().filter(|(name, _)| name != "result");
        let parameters: usize = parameters.map(|(_, part)| flat(part)).sum();
        Counts {
            parameters: parameters.min(FLAT_PARAMETERS + 1),
            results: result(shape).map_or(0, flat).min(FLAT_PARAMETERS + 1),
            waits: shape.word == "async func",
        }
    }
}

fn result(function: &Shape) -> Option<&Shape> {
    let mut parts = function.parts.iter();
    let found = parts.find(|(name, _)| name == "result");
    found.map(|(_, shape)| shape)
}

/// How many core values a type is. A type that has very many has as many as
/// matter.
fn flat(shape: &Shape) -> usize {
    let parts = || shape.parts.iter().map(|(_, part)| flat(part));
    let most = || parts().max().unwrap_or(0);
    match shape.word.as_str() {
        "string" | "list" | "map" => 2,
        "record" | "tuple" => parts().fold(0, usize::saturating_add),
        "variant" | "option" | "result" => most().saturating_add(1),
        "flags" => shape.parts.len().div_ceil(32),
        // The cases of variants that carry nothing.
        "case" => 0,
        word => match word.strip_prefix("list of ") {
            Some(length) => length
                .parse()
                .map_or(usize::MAX, |n| most().saturating_mul(n)),
            None => 1,
        },
    }
}
