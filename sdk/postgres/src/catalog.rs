//! The columns of a table, from PostgreSQL's catalog.
//!
//! A type may rest on another: a domain on its base, an array on its elements.
//! The query follows each column's chain, and [`columns`] folds it.
//!
//! Invariant: what cannot be carried is refused here, before a row is read,
//! with the column, its type and what to do.

use std::sync::Arc;

use vesicle_connector::{Error, Result};

use crate::types::{Enum, Scalar, Type};

/// The statement that follows the types of columns down to those that they rest
/// on. `$given` makes `given`: a row a column, with its place.
macro_rules! following {
    ($given:literal) => {
        concat!(
            "WITH RECURSIVE given AS (",
            $given,
            "), chain AS (
  SELECT g.place, 0 AS depth, g.oid, g.typmod FROM given g
  UNION ALL
  SELECT c.place, c.depth + 1, next.oid, next.typmod
    FROM chain c
    JOIN pg_catalog.pg_type t ON t.oid = c.oid
   CROSS JOIN LATERAL (
         SELECT t.typbasetype, t.typtypmod WHERE t.typtype = 'd'
         UNION ALL
         SELECT e.oid, c.typmod FROM pg_catalog.pg_type e WHERE e.typarray = t.oid
   ) AS next (oid, typmod)
)
SELECT g.name AS column,
       c.depth::int4 AS depth,
       g.not_null,
       g.generated,
       g.dimensions,
       t.oid AS oid,
       n.nspname::text AS schema,
       t.typname::text AS name,
       t.typtype::text AS kind,
       pg_catalog.format_type(t.oid, c.typmod) AS declared,
       ARRAY(SELECT l.enumlabel::text FROM pg_catalog.pg_enum l
              WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder) AS labels
  FROM chain c
  JOIN given g ON g.place = c.place
  JOIN pg_catalog.pg_type t ON t.oid = c.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 ORDER BY c.place, c.depth"
        )
    };
}

/// Asks for the columns of a table, `$1` being its object identifier. Rows come
/// in the order in which [`columns`] takes them; fields are those of [`Row`].
/// PostgreSQL 14 or later.
pub const COLUMNS: &str = following!(
    "
  SELECT a.attname::text AS name, a.atttypid AS oid, a.atttypmod AS typmod, a.attnum AS place,
         a.attnotnull AS not_null, a.attgenerated <> '' AS generated, a.attndims::int4 AS dimensions
    FROM pg_catalog.pg_attribute a
   WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped"
);

/// As [`COLUMNS`], for columns that are given: `$1` has their names, `$2` the
/// object identifiers of their types, `$3` the modifiers of those. A column
/// whose type is not there any more is left out.
pub const TYPES: &str = following!(
    "
  SELECT g.name, g.oid, g.typmod, g.place,
         false AS not_null, false AS generated, 0 AS dimensions
    FROM unnest($1::text[], $2::oid[], $3::int4[]) WITH ORDINALITY AS g (name, oid, typmod, place)"
);

/// A row that [`COLUMNS`] or [`TYPES`] gives: one type on which a column rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The column's name.
    pub column: String,
    /// 0 for the column's own type, 1 for the type that one rests on, and so on.
    pub depth: i32,
    /// Whether the column refuses NULL.
    pub not_null: bool,
    /// Whether the server computes the column; COPY does not take it.
    pub generated: bool,
    /// How many dimensions were declared, 0 if it is no array.
    pub dimensions: i32,
    /// The type's object identifier.
    pub oid: u32,
    /// The schema that the type is in.
    pub schema: String,
    /// The type's own name, `numeric`.
    pub name: String,
    /// `b`ase, `c`omposite, `d`omain, `e`num, `p`seudo, `r`ange, `m`ultirange.
    pub kind: char,
    /// The type as `format_type` writes it, `numeric(10,2)`.
    pub declared: String,
    /// The labels of an enum, in order.
    pub labels: Vec<String>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type; that which a domain is made over.
    pub r#type: Type,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Whether the server computes it; COPY does not take it.
    pub generated: bool,
    /// The object identifier of an array's elements in this database, which
    /// the elements' type does not tell where it is an enum or a domain.
    pub element_oid: Option<u32>,
}

impl Column {
    /// A column of this name and type, which may be NULL.
    pub fn new(name: impl Into<String>, r#type: Type) -> Self {
        Self {
            name: name.into(),
            r#type,
            nullable: true,
            generated: false,
            element_oid: None,
        }
    }
}

/// The columns that rows of [`COLUMNS`] describe.
///
/// # Errors
///
/// `unsupported` for a type that cannot be carried.
pub fn columns(rows: &[Row]) -> Result<Vec<Column>> {
    rows.chunk_by(|_, next| next.depth > 0)
        .map(column)
        .collect()
}

/// The column whose chain of types this is, never empty.
fn column(chain: &[Row]) -> Result<Column> {
    let own = &chain[0];
    let refuse = |why: &str, what: &str| {
        let message = format!(
            "column {:?} has the type {}, {why}: {what}, or leave the column out",
            own.column, own.declared
        );
        Error::unsupported("unsupported-type", message)
    };
    let cast = "cast it to text in a view";
    let base: Vec<&Row> = chain.iter().filter(|row| row.kind != 'd').collect();
    let (array, value) = match base[..] {
        [value] => (None, value),
        [array, value] => (Some(array), value),
        _ => return Err(refuse("arrays within an array", cast)),
    };
    if own.dimensions > 1 {
        return Err(refuse("an array of several dimensions", cast));
    }
    let scalar = match (value.kind, value.schema.as_str(), value.name.as_str()) {
        ('e', _, _) => Ok(Scalar::Enum(Arc::new(Enum {
            schema: value.schema.clone(),
            name: value.name.clone(),
            labels: value.labels.clone(),
        }))),
        ('b', _, "citext") => Ok(Scalar::Citext),
        ('b' | 'r' | 'm', "pg_catalog", _) => match Type::parse(&value.declared, None) {
            Ok(Type::Scalar(scalar)) => Ok(scalar),
            _ => Err(refuse("which is not carried", cast)),
        },
        ('c', _, _) => Err(refuse("a composite", "select its fields in a view")),
        _ => Err(refuse("which is not PostgreSQL's own", cast)),
    }?;
    let element_oid = array.map(|_| {
        // The row after the array's: a domain over the value, or the value.
        let place = chain.iter().position(|row| Some(row) == array).unwrap_or(0);
        chain[place + 1].oid
    });
    Ok(Column {
        name: own.column.clone(),
        r#type: match array {
            Some(_) => Type::Array(scalar),
            None => Type::Scalar(scalar),
        },
        nullable: !own.not_null,
        generated: own.generated,
        element_oid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(column: &str, depth: i32, kind: char, name: &str, declared: &str) -> Row {
        Row {
            column: column.into(),
            depth,
            not_null: false,
            generated: false,
            dimensions: 0,
            oid: 1000 + depth as u32,
            schema: "pg_catalog".into(),
            name: name.into(),
            kind,
            declared: declared.into(),
            labels: vec![],
        }
    }

    #[test]
    fn a_domain_over_an_array_of_domains_has_the_type_at_the_bottom() {
        let chain = [
            row("n", 0, 'b', "int8", "bigint"),
            row("prices", 0, 'd', "prices", "shop.prices"),
            row("prices", 1, 'b', "_price", "shop.price[]"),
            row("prices", 2, 'd', "price", "shop.price"),
            row("prices", 3, 'b', "numeric", "numeric(10,2)"),
        ];
        let columns = columns(&chain).unwrap();
        assert_eq!(columns.len(), 2);
        assert_eq!(columns[1].r#type.to_string(), "numeric(10,2)[]");
        assert_eq!(columns[1].element_oid, Some(1002));
    }

    #[test]
    fn what_cannot_be_carried_is_refused_with_column_type_and_advice() {
        let geometry = Row {
            schema: "public".into(),
            ..row("at", 0, 'b', "geometry", "geometry")
        };
        let matrix = Row {
            dimensions: 2,
            ..row("at", 0, 'b', "_int4", "integer[]")
        };
        let cases: [&[Row]; 4] = [
            &[geometry],
            &[row("at", 0, 'c', "pair", "pair")],
            &[row("at", 0, 'b', "tsvector", "tsvector")],
            &[matrix, row("at", 1, 'b', "int4", "integer")],
        ];
        for case in cases {
            let error = columns(case).unwrap_err();
            for part in ["\"at\"", &case[0].declared, "view", "leave the column out"] {
                assert!(error.message.contains(part), "{error}");
            }
        }
    }
}
