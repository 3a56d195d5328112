//! Whether values are of the types that are wanted.
//!
//! Invariant: a value that is of its type can be lowered, whatever it holds.

use super::shape::Shape;
use crate::Value;

/// The way to where a value is not as wanted, what is wanted there, and what is
/// found.
type Unlike = (Vec<String>, String, String);

/// Where values are not of the types that belong to their places.
pub(super) fn unlike_all<'a>(
    wanted: impl Iterator<Item = &'a (String, Shape)> + Clone,
    found: &[Value],
) -> Option<Unlike> {
    let count = wanted.clone().count();
    if count != found.len() {
        let told = |count: usize| format!("{count} values");
        return Some((Vec::new(), told(count), told(found.len())));
    }
    let mut pairs = wanted.zip(found);
    pairs.find_map(|((name, shape), value)| within(name, shape, value))
}

/// The same of a part that has a name.
fn within(name: &str, wanted: &Shape, found: &Value) -> Option<Unlike> {
    let (mut path, wanted, found) = unlike(wanted, found)?;
    path.insert(0, name.to_owned());
    Some((path, wanted, found))
}

fn unlike(wanted: &Shape, found: &Value) -> Option<Unlike> {
    let word = wanted.word.as_str();
    let here = || Some((Vec::new(), wanted.word.clone(), found.word().to_owned()));
    match (word, found) {
        ("list", Value::Bytes(_)) if is_bytes(wanted) => None,
        ("list", Value::List(_)) if is_bytes(wanted) => here(),
        ("list", Value::List(items)) => items_unlike(wanted, items),
        ("record" | "tuple", Value::Record(values)) => unlike_all(wanted.parts.iter(), values),
        ("map", Value::List(items)) => items.iter().find_map(|item| match item {
            Value::Record(pair) => unlike_all(wanted.parts.iter(), pair),
            _ => here(),
        }),
        ("flags", Value::Flags(words)) => flags_unlike(wanted, words),
        ("option", Value::Option(None)) => None,
        ("option", Value::Option(Some(value))) => part(wanted, "some", Some(value)),
        ("result", Value::Result(Ok(value))) => part(wanted, "ok", value.as_deref()),
        ("result", Value::Result(Err(value))) => part(wanted, "error", value.as_deref()),
        ("variant" | "enum", Value::Variant(number, value)) => {
            let case = wanted.parts.get(*number as usize);
            let Some((name, case)) = case else {
                let told = format!("case number {number}");
                return Some((
                    Vec::new(),
                    format!("one of {} cases", wanted.parts.len()),
                    told,
                ));
            };
            match (case.word.as_str(), value) {
                ("case", None) => None,
                ("case", Some(value)) => {
                    Some((vec![name.clone()], "nothing".into(), value.word().into()))
                }
                (_, Some(value)) => within(name, case, value),
                (word, None) => Some((vec![name.clone()], word.into(), "nothing".into())),
            }
        }
        (word, Value::Own(_)) if word.starts_with("own<") => None,
        (word, Value::Borrow(_)) if word.starts_with("borrow<") => None,
        (word, Value::List(items)) if word.starts_with("list of ") => {
            let count = format!("list of {}", items.len());
            match word == count {
                true => items_unlike(wanted, items),
                false => Some((Vec::new(), word.into(), count)),
            }
        }
        (word, scalar) if scalar.scalar() == Some(word) => None,
        _ => here(),
    }
}

fn is_bytes(list: &Shape) -> bool {
    list.parts
        .first()
        .is_some_and(|(_, part)| part.word == "u8")
}

fn items_unlike(list: &Shape, items: &[Value]) -> Option<Unlike> {
    let (name, element) = list.parts.first()?;
    items.iter().find_map(|item| within(name, element, item))
}

fn flags_unlike(wanted: &Shape, words: &[u32]) -> Option<Unlike> {
    let count = wanted.parts.len();
    let told = |found: String| Some((Vec::new(), format!("{count} flags"), found));
    if words.len() != count.div_ceil(32) {
        return told(format!("{} words of flags", words.len()));
    }
    let last = words.last().copied().unwrap_or_default();
    match (count % 32, last) {
        (0, _) => None,
        (rest, last) if last >> rest != 0 => told("a flag that has no name".into()),
        _ => None,
    }
}

/// What an option or a result carries.
fn part(wanted: &Shape, name: &str, found: Option<&Value>) -> Option<Unlike> {
    let part = wanted.parts.iter().find(|(part, _)| part == name);
    match (part, found) {
        (None, None) => None,
        (Some((_, shape)), Some(value)) => within(name, shape, value),
        (Some((_, shape)), None) => Some((vec![name.into()], shape.word.clone(), "nothing".into())),
        (None, Some(value)) => Some((vec![name.into()], "nothing".into(), value.word().into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interface;

    fn told(ty: &str, value: Value) -> Option<String> {
        let text = format!(
            "package a:b; interface i {{ flags g {{ a, b, c }} enum e {{ x, y }} \
             variant v {{ none, some(u8) }} record r {{ n: u32, t: string }} f: func(p: {ty}); }}"
        );
        let interface = Interface::from_wit(&text).unwrap().remove(0);
        let takes = interface.structure.unwrap().takes("f", &[value]);
        takes.err().map(|difference| difference.to_string())
    }

    #[test]
    fn values_of_their_types_are_taken() {
        let number = || Value::U32(1);
        for (ty, value) in [
            ("u32", number()),
            ("list<u8>", Value::Bytes(vec![1])),
            ("list<u32>", Value::List(vec![number(), number()])),
            ("r", Value::Record(vec![number(), "x".into()])),
            ("tuple<u32, u32>", Value::Record(vec![number(), number()])),
            ("g", Value::Flags(vec![7])),
            ("e", Value::Variant(1, None)),
            ("v", Value::Variant(0, None)),
            ("v", Value::Variant(1, Some(Box::new(Value::U8(1))))),
            ("option<u32>", Value::none()),
            ("result<u32>", Value::error(None)),
            ("result<_, string>", Value::error(Some("x".into()))),
        ] {
            assert_eq!(told(ty, value), None, "{ty}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_named_with_the_way_to_it() {
        let byte = || Some(Box::new(Value::U8(1)));
        for (ty, value, why) in [
            ("u32", Value::U64(1), "wants u32, found a u64"),
            (
                "list<u8>",
                Value::List(vec![Value::U8(1)]),
                "wants list, found a list",
            ),
            (
                "list<r>",
                Value::List(vec![Value::U8(1)]),
                "element: wants record, found a u8",
            ),
            (
                "g",
                Value::Flags(vec![8]),
                "wants 3 flags, found a flag that has no name",
            ),
            (
                "e",
                Value::Variant(2, None),
                "wants one of 2 cases, found case number 2",
            ),
            (
                "v",
                Value::Variant(0, byte()),
                "case none: wants nothing, found a u8",
            ),
            (
                "v",
                Value::Variant(1, None),
                "case some: wants u8, found nothing",
            ),
            (
                "result<_, string>",
                Value::ok(Some(Value::U8(1))),
                "ok: wants nothing, found a u8",
            ),
            ("r", Value::Record(vec![]), "wants 2 values, found 0 values"),
        ] {
            let told = told(ty, value).unwrap();
            assert!(
                told.starts_with("f, param p") && told.ends_with(why),
                "{ty}: {told}"
            );
        }
    }
}
