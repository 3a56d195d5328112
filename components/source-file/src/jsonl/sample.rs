//! The columns of a JSON Lines file and their types, from its first rows.

use std::collections::HashMap;

use vesicle_connector::Result;

use super::lines::Lines;
use super::object::{Value, each_entry};
use crate::blame;
use crate::infer::Guess;
use crate::input::Input;
use crate::options::Options;
use crate::sample::Sample;
use crate::window::Window;

/// Looks at the first rows of a file. Columns come in the order in which their
/// keys come up.
///
/// # Errors
///
/// `data` where the file is not JSON Lines; what reading says.
pub fn sample(path: &str, options: &Options) -> Result<Sample> {
    let input =
        Input::open(path, options.compression, 0).map_err(|error| blame::io(path, error))?;
    let mut lines = Lines::new(path, Window::new(input, 0), 1);
    lines.skip_mark()?;
    let mut columns: Vec<(String, Guess)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut budget = options.sample_budget();
    while lines.peek()? {
        // Without a sample the first row still tells the keys.
        let guessing = budget.take(lines.length());
        if !guessing && !columns.is_empty() {
            return Ok(Sample {
                columns,
                whole: false,
            });
        }
        let is_whole = |text| each_entry(lines.place(), text, |_, _| Ok(()));
        if options.rejects && lines.text().and_then(is_whole).is_err() {
            lines.advance();
            continue;
        }
        each_entry(lines.place(), lines.text()?, |key, value| {
            let place = places.get(key).copied().unwrap_or_else(|| {
                places.insert(key.to_owned(), columns.len());
                columns.push((key.to_owned(), Guess::default()));
                columns.len() - 1
            });
            let guess = &mut columns[place].1;
            match value {
                _ if !guessing => {}
                Value::Null => {}
                Value::String(text) => guess.see_string(text.as_bytes()),
                Value::Literal(text) => guess.see_literal(text.as_bytes()),
            }
            Ok(())
        })?;
        lines.advance();
    }
    Ok(Sample {
        columns,
        whole: true,
    })
}
