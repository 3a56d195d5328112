//! A name for the stream that some files make.

/// What the names of the files have in common: the stem of a single one; of
/// several the beginning of their stems, without digits and marks at its end,
/// or else the name of their folder.
pub fn common_stem(paths: &[String]) -> String {
    let stems: Vec<&str> = paths.iter().map(|path| stem(path)).collect();
    let Some((first, others)) = stems.split_first() else {
        return fallback().to_owned();
    };
    let common = others
        .iter()
        .fold(*first, |common, other| common_start(common, other));
    let common = if others.is_empty() {
        common
    } else {
        common.trim_end_matches(|letter: char| !letter.is_alphabetic())
    };
    if !common.is_empty() {
        return common.to_owned();
    }
    let mut folders = paths[0].rsplit('/').skip(1).filter(|name| !name.is_empty());
    folders.next().unwrap_or(fallback()).to_owned()
}

fn fallback() -> &'static str {
    "files"
}

/// The name of a file without folder and extensions.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let packed = name.strip_suffix(".gz").unwrap_or(name);
    packed.rsplit_once('.').map_or(packed, |(stem, _)| stem)
}

fn common_start<'a>(left: &'a str, right: &str) -> &'a str {
    let pairs = left.char_indices().zip(right.chars());
    let differs = pairs.clone().find(|((_, l), r)| l != r);
    match differs {
        Some(((at, _), _)) => &left[..at],
        None => &left[..left.len().min(right.len())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(paths: &[&str]) -> String {
        let paths: Vec<String> = paths.iter().map(|path| path.to_string()).collect();
        common_stem(&paths)
    }

    #[test]
    fn a_stream_is_named_after_what_its_files_have_in_common() {
        assert_eq!(name(&["data/flights.csv"]), "flights");
        assert_eq!(name(&["data/flights.csv.gz"]), "flights");
        assert_eq!(name(&["data/2013.csv"]), "2013");
        assert_eq!(name(&["d/orders-2023.csv", "d/orders-2024.csv"]), "orders");
        assert_eq!(name(&["d/sales/2023.csv", "d/sales/2024.csv"]), "sales");
        assert_eq!(name(&["a.csv", "b.csv"]), "files");
        assert_eq!(name(&["part.csv", "part_2.csv"]), "part");
    }
}
