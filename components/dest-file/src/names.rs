//! Names of files and folders, from names that users and sources give.
//!
//! Invariants: a name never leaves the folder it is put in, is never hidden
//! and never empty; two different names make two different ones; a file is
//! taken for ours only if its name has the whole pattern.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::options::EXTENSIONS;

/// How long an encoded name may be; the rest is replaced by a hash.
const LONGEST: usize = 120;

/// How many digits of its hash stand for a run in the names of parts.
const RUN_DIGITS: usize = 10;

/// How many digits the number of a part has at least.
const NUMBER_DIGITS: usize = 6;

/// A stream's, run's or partition's name as the name of a file or folder:
/// what could mean something to a file system is written as `%2F`.
pub fn encode(name: &str) -> String {
    if name.is_empty() {
        return "%".to_owned();
    }
    let mut encoded = String::with_capacity(name.len());
    let last = name.chars().count() - 1;
    for (place, letter) in name.chars().enumerate() {
        let at_edge = place == 0 || place == last;
        let special = letter.is_control()
            || "/\\:*?\"<>|%".contains(letter)
            || (at_edge && (letter == '.' || letter.is_whitespace()));
        if special {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                // Writing to a string does not fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        } else {
            encoded.push(letter);
        }
    }
    if encoded.len() > LONGEST {
        let cut = (0..=LONGEST - 20)
            .rev()
            .find(|at| encoded.is_char_boundary(*at));
        encoded.truncate(cut.unwrap_or(0));
        encoded.push('~');
        encoded.push_str(&hash(name)[..16]);
    }
    encoded
}

/// The beginning of the names of all parts of a run.
pub fn run_prefix(run: &str) -> String {
    format!("part-{}-", &hash(run)[..RUN_DIGITS])
}

/// The name of a part: its run, its partition, its number.
pub fn part(run: &str, partition: &str, number: u64, extension: &str) -> String {
    let partition = encode(partition);
    format!(
        "{}{partition}-{number:0NUMBER_DIGITS$}.{extension}",
        run_prefix(run)
    )
}

/// Whether a file has a name that only this connector gives.
pub fn is_part(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("part-") else {
        return false;
    };
    let Some((run, rest)) = rest.split_once('-') else {
        return false;
    };
    let stem = EXTENSIONS.iter().find_map(|extension| {
        rest.strip_suffix(extension)
            .and_then(|stem| stem.strip_suffix('.'))
    });
    let Some((partition, number)) = stem.and_then(|stem| stem.rsplit_once('-')) else {
        return false;
    };
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    run.len() == RUN_DIGITS
        && run.bytes().all(is_digit)
        && !partition.is_empty()
        && number.len() >= NUMBER_DIGITS
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn hash(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_in_its_folder() {
        assert_eq!(encode("flights"), "flights");
        assert_eq!(encode("../x"), "%2E.%2Fx");
        assert_eq!(encode("a/b\\c"), "a%2Fb%5Cc");
        assert_eq!(encode("."), "%2E");
        assert_eq!(encode(".."), "%2E%2E");
        assert_eq!(encode(""), "%");
        assert_eq!(encode("%"), "%25");
        assert_eq!(encode(".vesicle"), "%2Evesicle");
        assert_eq!(encode("a\0b\n"), "a%00b%0A");
        assert_eq!(encode("Aufträge 2024"), "Aufträge 2024");
    }

    #[test]
    fn a_long_name_is_cut_and_stays_unlike_others() {
        let (one, other) = ("ä".repeat(300) + "1", "ä".repeat(300) + "2");
        assert!(encode(&one).len() <= LONGEST);
        assert_ne!(encode(&one), encode(&other));
    }

    #[test]
    fn a_part_is_known_by_its_whole_name() {
        let name = part("0190-run", "all", 7, "parquet");
        assert!(name.ends_with("-all-000007.parquet"), "{name}");
        assert!(is_part(&name));
        assert!(is_part(&part("r", "../a-b", 1, "csv.gz")));
        for foreign in [
            "part-00000-3f2a8c1e-aaaa-bbbb-cccc-1234567890ab-c000.snappy.parquet",
            "part-0.parquet",
            "part-0123456789-all-000001.txt",
            "part-0123456789--000001.csv",
            "data.csv",
            ".DS_Store",
        ] {
            assert!(!is_part(foreign), "{foreign}");
        }
    }
}
