//! The nearest of some names, for "did you mean".

/// Names longer than this are not compared.
const LONGEST: usize = 64;

/// The candidate that `given` most likely stands for, if any is near.
///
/// Near is: the same but for case, `-` and `_`; or one typing slip for every
/// three characters.
#[must_use]
pub fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if given.is_empty() || given.len() > LONGEST {
        return None;
    }
    let wanted = fold(given);
    let slips = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wanted, &fold(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= slips && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "candidate"?`, if any candidate is near.
pub(super) fn did_you_mean<'c>(
    given: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    nearest(given, candidates).map(|name| format!("did you mean \"{name}\"?"))
}

fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_and_another_word_does_not() {
        let keys = ["sync_mode", "cursor_field", "name"];
        assert_eq!(nearest("sync_mod", keys), Some("sync_mode"));
        assert_eq!(nearest("Sync-Mode", keys), Some("sync_mode"));
        assert_eq!(nearest("nmae", keys), Some("name"));
        assert_eq!(nearest("parallelism", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), keys), None);
    }

    #[test]
    fn a_name_of_one_letter_suggests_nothing_unlike_it() {
        assert_eq!(nearest("x", ["a", "b"]), None);
    }
}
