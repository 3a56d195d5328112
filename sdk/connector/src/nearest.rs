//! Finds what a mistyped name was meant to be.

/// The one of `names` that is nearest to `name`, if one is near: for the "did
/// you mean" of an error.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = name.chars().count().div_ceil(3).max(1);
    names
        .into_iter()
        .map(|other| (distance(name, other), other))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// What to say of a name that is none of `names`: the one that it was meant to
/// be, or all of them.
pub fn nearest_hint<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> String {
    let names = names.into_iter();
    match nearest(name, names.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => match names.collect::<Vec<_>>()[..] {
            [] => "there are none".to_owned(),
            ref all => format!("there are {}", all.join(", ")),
        },
    }
}

/// How many letters have to be changed, added or removed. Capitals count as
/// the small letters they are.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_the_name_that_was_meant() {
        let columns = ["id", "customer_name", "total"];
        assert_eq!(nearest("custmer_name", columns), Some("customer_name"));
        assert_eq!(nearest("Total", columns), Some("total"));
    }

    #[test]
    fn a_name_like_none_of_them_finds_nothing() {
        assert_eq!(nearest("latitude", ["id", "customer_name"]), None);
    }
}
