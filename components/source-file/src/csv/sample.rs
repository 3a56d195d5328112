//! The columns of a CSV file and their types, from its first rows.

use vesicle_connector::Result;

use super::header::read_header;
use super::reader::wrong_width;
use super::scanner::Scanner;
use crate::blame;
use crate::infer::Guess;
use crate::input::Input;
use crate::options::Options;
use crate::sample::Sample;
use crate::value;
use crate::window::Window;

/// Looks at the first rows of a file.
///
/// # Errors
///
/// `data` where the file is not CSV; what reading says.
pub fn sample(path: &str, options: &Options) -> Result<Sample> {
    let input =
        Input::open(path, options.compression, 0).map_err(|error| blame::io(path, error))?;
    let mut scanner = Scanner::new(path, Window::new(input, 0), &options.dialect, 1);
    let names = read_header(path, &mut scanner, options)?;
    let mut columns: Vec<(String, Guess)> = names
        .into_iter()
        .map(|name| (name, Guess::default()))
        .collect();
    let mut budget = options.sample_budget();
    let mut whole = true;
    while scanner.peek()? {
        if !budget.take(scanner.length()) {
            whole = false;
            break;
        }
        let record = scanner.records();
        if record.fields.len() != columns.len() {
            if options.rejects {
                scanner.advance();
                continue;
            }
            return Err(wrong_width(&scanner, columns.len()));
        }
        for (field, (_, guess)) in record.fields.iter().zip(&mut columns) {
            let text = record.value(*field);
            if !options.nulls.contains(value::trim(text)) {
                guess.see_word(text);
            }
        }
        scanner.advance();
    }
    Ok(Sample { columns, whole })
}
