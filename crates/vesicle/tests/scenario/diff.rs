//! How two texts differ, line by line.

/// The lines of both texts, in order: `-` before those that only the first
/// has, `+` before those that only the second has.
pub fn lines(first: &str, second: &str) -> String {
    let (first, second): (Vec<_>, Vec<_>) = (first.lines().collect(), second.lines().collect());
    let common = common_lengths(&first, &second);
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < first.len() || j < second.len() {
        let (mark, line) = if i < first.len() && j < second.len() && first[i] == second[j] {
            (i, j) = (i + 1, j + 1);
            (' ', first[i - 1])
        } else if i < first.len() && (j == second.len() || common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', first[i - 1])
        } else {
            j += 1;
            ('+', second[j - 1])
        };
        text.extend([mark, ' ']);
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// How many lines the rests of both texts have in common, in order.
fn common_lengths(first: &[&str], second: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; second.len() + 1]; first.len() + 1];
    for i in (0..first.len()).rev() {
        for j in (0..second.len()).rev() {
            common[i][j] = if first[i] == second[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    common
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_lines_that_differ_are_marked() {
        assert_eq!(
            super::lines("a\nb\nc\n", "a\nx\nc\nd\n"),
            "  a\n- b\n+ x\n  c\n+ d\n"
        );
    }
}
