//! Statements that make and change tables for record batches.
//!
//! Invariants: a name is quoted, and refused where PostgreSQL would change it;
//! nothing of a field gets into a statement but its quoted name and the name of
//! a type that this crate knows.

use std::collections::HashSet;

use arrow_schema::{Field, Schema};
use vesicle_connector::{Error, Result};

use crate::arrow::{literals, type_of};
use crate::types::{Enum, Scalar};

/// The most bytes of a name. PostgreSQL cuts what is longer without an error,
/// and two names may become one.
pub const MAX_NAME: usize = 63;

/// A name, quoted.
///
/// # Errors
///
/// `configuration` if it is empty, longer than [`MAX_NAME`], or holds the
/// character 0.
pub fn quote(name: &str) -> Result<String> {
    let bad = |why: &str| {
        Err(Error::configuration(
            "bad-name",
            format!("the name {name:?} {why}: give it another"),
        ))
    };
    match name {
        "" => bad("is empty, which PostgreSQL does not take"),
        _ if name.contains('\0') => bad("holds the character 0, which PostgreSQL does not take"),
        _ if name.len() > MAX_NAME => bad(&format!(
            "has {} bytes, of which PostgreSQL keeps {MAX_NAME}",
            name.len()
        )),
        _ => Ok(format!("\"{}\"", name.replace('"', "\"\""))),
    }
}

/// A table's name within a schema, quoted.
///
/// # Errors
///
/// Like [`quote`].
pub fn table(schema: &str, name: &str) -> Result<String> {
    Ok(format!("{}.{}", quote(schema)?, quote(name)?))
}

/// What stands between the parentheses of `CREATE TABLE`: a column for each
/// field.
///
/// # Errors
///
/// Like [`quote`]; `configuration` for a name that is there twice;
/// `unsupported` for an Arrow type that PostgreSQL has no type for.
pub fn columns(schema: &Schema) -> Result<String> {
    let mut names = HashSet::new();
    let columns = schema.fields().iter().map(|field| {
        if !names.insert(field.name()) {
            let message = format!("the column {:?} is there twice: rename one", field.name());
            return Err(Error::configuration("bad-name", message));
        }
        let null = if field.is_nullable() { "" } else { " NOT NULL" };
        Ok(format!("{}{null}", column(field)?))
    });
    Ok(columns.collect::<Result<Vec<_>>>()?.join(", "))
}

/// The names of the columns, as COPY takes them.
///
/// # Errors
///
/// Like [`quote`].
pub fn column_names(schema: &Schema) -> Result<String> {
    let names = schema.fields().iter().map(|field| quote(field.name()));
    Ok(names.collect::<Result<Vec<_>>>()?.join(", "))
}

/// A statement for each field that adds its column to a table, whose name is
/// quoted already. The column may be NULL, for the rows that are there have no
/// value in it.
///
/// # Errors
///
/// Like [`columns`].
pub fn add_columns(table: &str, fields: &[&Field]) -> Result<Vec<String>> {
    let add = |field: &&Field| Ok(format!("ALTER TABLE {table} ADD COLUMN {}", column(field)?));
    fields.iter().map(add).collect()
}

/// The enums that columns for this schema need, each once.
///
/// # Errors
///
/// `unsupported` for an Arrow type that PostgreSQL has no type for.
pub fn enums(schema: &Schema) -> Result<Vec<std::sync::Arc<Enum>>> {
    let mut found = Vec::new();
    for field in schema.fields() {
        if let Scalar::Enum(it) = type_of(field)?.scalar()
            && !found.contains(it)
        {
            found.push(it.clone());
        }
    }
    Ok(found)
}

/// The statement that makes an enum.
///
/// # Errors
///
/// Like [`quote`], for its name and its labels, which have the same limit.
pub fn create_enum(it: &Enum) -> Result<String> {
    for label in it.labels.iter().filter(|label| !label.is_empty()) {
        quote(label)?;
    }
    Ok(format!(
        "CREATE TYPE {} AS ENUM ({})",
        table(&it.schema, &it.name)?,
        literals(&it.labels)
    ))
}

fn column(field: &Field) -> Result<String> {
    Ok(format!("{} {}", quote(field.name())?, type_of(field)?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow_schema::DataType;

    use super::*;
    use crate::arrow::TYPE_KEY;

    fn field(name: &str, kind: &str) -> Field {
        let metadata = HashMap::from([(TYPE_KEY.to_owned(), kind.to_owned())]);
        Field::new(name, DataType::Utf8, true).with_metadata(metadata)
    }

    #[test]
    fn a_name_that_postgresql_would_cut_is_refused() {
        let longest = "é".repeat(31) + "x";
        assert!(quote(&longest).is_ok());
        for name in [longest + "x", String::new(), "a\0b".into()] {
            assert_eq!(quote(&name).unwrap_err().code, "bad-name");
        }
    }

    #[test]
    fn quotes_within_a_name_are_doubled() {
        assert_eq!(table("a\"b", "C d").unwrap(), "\"a\"\"b\".\"C d\"");
    }

    #[test]
    fn columns_have_the_type_of_the_metadata_or_that_of_arrow() {
        let id = Field::new("id", DataType::UInt32, false);
        let schema = Schema::new(vec![id, field("price", "numeric(10,2)")]);
        let expected = "\"id\" bigint NOT NULL, \"price\" numeric(10,2)";
        assert_eq!(columns(&schema).unwrap(), expected);
        let added = add_columns("\"t\"", &[schema.field(0)]).unwrap();
        assert_eq!(added, ["ALTER TABLE \"t\" ADD COLUMN \"id\" bigint"]);
    }

    #[test]
    fn metadata_cannot_smuggle_sql_into_a_statement() {
        for kind in [
            "text); DROP TABLE t; --",
            "interval; --",
            "numeric(1,1); --",
            "\"a\".\"b\"",
        ] {
            assert!(
                columns(&Schema::new(vec![field("x", kind)])).is_err(),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused() {
        let schema = Schema::new(vec![field("x", "text"), field("x", "text")]);
        assert_eq!(columns(&schema).unwrap_err().code, "bad-name");
    }
}
