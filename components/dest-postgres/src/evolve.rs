//! How rows of one shape get into a table of another.
//!
//! [`evolve`] holds the columns of the rows against those of the table and says
//! by policy how each one is written, or why the load cannot begin. It changes
//! nothing: what has to be done to the table are statements, which are carried
//! out when rows become visible there.
//!
//! Invariants: a column that the table fills by itself (a default, an identity,
//! a generated one) is missed by nobody; a primary key keeps its NOT NULL.

use vesicle_connector::{
    Error, Evolution, NewColumn, Nullability, RemovedColumn, Result, TypeChange, nearest_hint,
};
use vesicle_postgres::coerce::Coercion;
use vesicle_postgres::{Column, Options, arrow};
use vesicle_postgres_client::{Client, identifier};

use crate::target::{Existing, TableName};

/// A column that a column of the rows is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The column, as it is once the statements are carried out.
    pub column: Column,
    /// Its type as SQL declares it: a domain's name, where `column` has what
    /// the domain is made over.
    pub declared: String,
    /// Whether values are of another type and have to be converted.
    pub coerced: bool,
}

/// How the columns of rows get into those of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// For each column of the rows, in their order, where it is written to;
    /// none if it is left out.
    pub columns: Vec<Option<Written>>,
    /// What has to be done to the table before.
    pub statements: Vec<String>,
}

impl Route {
    /// Whether tuples can be written as they are.
    pub fn is_plain(&self) -> bool {
        let plain = |column: &Option<Written>| column.as_ref().is_some_and(|it| !it.coerced);
        self.columns.iter().all(plain)
    }

    /// The columns that are written, in the order of the rows.
    pub fn written(&self) -> impl Iterator<Item = &Written> {
        self.columns.iter().flatten()
    }

    /// What stands between the parentheses of `CREATE TABLE` for a table that
    /// takes the rows.
    pub fn declaration(&self) -> String {
        let columns: Vec<_> = self
            .written()
            .map(|it| {
                let null = if it.column.nullable { "" } else { " NOT NULL" };
                format!("{} {}{null}", identifier(&it.column.name), it.declared)
            })
            .collect();
        columns.join(", ")
    }
}

/// How rows with the wanted columns get into a table, which need not be there.
///
/// # Errors
///
/// `schema` with the column, the policy and what to do; what the server says.
pub async fn evolve(
    client: &Client,
    target: &TableName,
    wanted: &[Column],
    policy: Evolution,
) -> Result<Route> {
    let existing = target.existing(client).await?;
    plan(target, existing.as_deref(), wanted, policy)
}

/// The same for a table whose columns are known.
///
/// # Errors
///
/// As of [`evolve`].
pub fn plan(
    target: &TableName,
    existing: Option<&[Existing]>,
    wanted: &[Column],
    policy: Evolution,
) -> Result<Route> {
    let mut route = Route::default();
    let Some(existing) = existing else {
        route.columns = wanted.iter().map(|column| Some(as_is(column))).collect();
        return Ok(route);
    };
    for column in wanted {
        let found = existing
            .iter()
            .find(|found| found.column.name == column.name);
        let written = match found {
            Some(found) => Some(known(target, found, column, policy, &mut route)?),
            None => added(target, existing, column, policy, &mut route)?,
        };
        route.columns.push(written);
    }
    let is_missed = |found: &&Existing| {
        !found.is_filled && !wanted.iter().any(|column| column.name == found.column.name)
    };
    for found in existing.iter().filter(is_missed) {
        missed(target, found, policy, &mut route)?;
    }
    Ok(route)
}

/// A column as a table has it that is made for the rows.
fn as_is(column: &Column) -> Written {
    Written {
        column: column.clone(),
        declared: column.r#type.to_string(),
        coerced: false,
    }
}

/// A column that the table has.
fn known(
    target: &TableName,
    found: &Existing,
    column: &Column,
    policy: Evolution,
    route: &mut Route,
) -> Result<Written> {
    let name = &column.name;
    let coerced = found.column.r#type != column.r#type;
    let types = || {
        format!(
            "{target}: column {name:?} has the type {}, and the source's has {}",
            found.column.r#type, column.r#type
        )
    };
    if coerced && policy.type_change == TypeChange::Fail {
        let message = format!(
            "{}; alter the table, cast the column in a view of the source, or have values \
             converted with schema_evolution: {{ type_change: coerce }}",
            types()
        );
        return Err(Error::schema("other-type", message));
    }
    if coerced {
        let kind = arrow::field(column, Options::default());
        Coercion::new(kind.data_type(), &found.column).map_err(|_| {
            let message = format!(
                "{}, which cannot become the other; alter the table, or cast the column in a view \
                 of the source",
                types()
            );
            Error::schema("other-type", message)
        })?;
    }
    let mut written = Written {
        column: found.column.clone(),
        declared: found.declared.clone(),
        coerced,
    };
    let null_may_come = column.nullable || (coerced && policy.type_change == TypeChange::Null);
    if !found.column.nullable
        && null_may_come
        && policy.nullability == Nullability::Allow
        && !found.is_key
    {
        route.statements.push(allow_null(target, name));
        written.column.nullable = true;
    }
    Ok(written)
}

fn allow_null(target: &TableName, name: &str) -> String {
    format!(
        "ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL",
        target.quoted(),
        identifier(name)
    )
}

/// A column that the table lacks.
fn added(
    target: &TableName,
    existing: &[Existing],
    column: &Column,
    policy: Evolution,
    route: &mut Route,
) -> Result<Option<Written>> {
    let name = &column.name;
    match policy.new_column {
        NewColumn::Ignore => Ok(None),
        NewColumn::Add => {
            // The rows that are there have no value in it.
            let mut written = as_is(column);
            written.column.nullable = true;
            route.statements.push(format!(
                "ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}",
                target.quoted(),
                identifier(name),
                written.declared
            ));
            Ok(Some(written))
        }
        NewColumn::Fail => {
            let names = existing.iter().map(|found| found.column.name.as_str());
            let message = format!(
                "{target} has no column {name:?}, which the source has; add it with \
                 schema_evolution: {{ new_column: add }}, or leave it out with ignore; {}",
                nearest_hint(name, names)
            );
            Err(Error::schema("new-column", message))
        }
    }
}

/// A column that the rows lack and the table does not fill.
fn missed(
    target: &TableName,
    found: &Existing,
    policy: Evolution,
    route: &mut Route,
) -> Result<()> {
    let name = &found.column.name;
    if policy.removed_column == RemovedColumn::Fail {
        let message = format!(
            "{target}: the source has no column {name:?}, which has no default either; let new \
             rows have no value in it with schema_evolution: {{ removed_column: ignore }}, or drop \
             it"
        );
        return Err(Error::schema("removed-column", message));
    }
    if found.column.nullable {
        return Ok(());
    }
    if policy.nullability == Nullability::Allow && !found.is_key {
        route.statements.push(allow_null(target, name));
        return Ok(());
    }
    let message = format!(
        "{target}: the source has no column {name:?}, which takes no NULL and has no default; give \
         it a default, or let it be NULL with schema_evolution: {{ nullability: allow }}"
    );
    Err(Error::schema("removed-column", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vesicle_postgres::Type;

    fn column(name: &str, kind: &str, nullable: bool) -> Column {
        let mut column = Column::new(name, Type::parse(kind, None).unwrap());
        column.nullable = nullable;
        column
    }

    fn existing(name: &str, kind: &str, nullable: bool) -> Existing {
        Existing {
            column: column(name, kind, nullable),
            declared: kind.to_owned(),
            is_filled: false,
            is_key: name == "id",
        }
    }

    fn target() -> TableName {
        TableName::of_stream("t", "s")
    }

    const EASY: Evolution = Evolution {
        new_column: NewColumn::Add,
        removed_column: RemovedColumn::Ignore,
        type_change: TypeChange::Coerce,
        nullability: Nullability::Allow,
    };

    #[test]
    fn each_axis_says_no_by_default_and_names_the_key_that_allows_it() {
        let there = [existing("id", "bigint", false), existing("n", "text", true)];
        let id = column("id", "bigint", false);
        let cases = [
            (
                vec![
                    id.clone(),
                    column("n", "text", true),
                    column("m", "text", true),
                ],
                "new_column: add",
            ),
            (vec![id.clone()], "removed_column: ignore"),
            (
                vec![id, column("n", "integer", true)],
                "type_change: coerce",
            ),
        ];
        for (wanted, key) in cases {
            let error = plan(&target(), Some(&there), &wanted, Evolution::default()).unwrap_err();
            assert!(error.message.contains(key), "{error}");
        }
    }

    #[test]
    fn a_table_is_changed_as_the_policy_says_and_never_its_key() {
        let there = [
            existing("id", "bigint", false),
            existing("n", "bigint", false),
            existing("gone", "text", false),
        ];
        let wanted = [
            column("id", "bigint", true),
            column("n", "integer", true),
            column("new", "text", false),
        ];
        let route = plan(&target(), Some(&there), &wanted, EASY).unwrap();
        assert_eq!(
            route.statements,
            [
                "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"n\" DROP NOT NULL",
                "ALTER TABLE \"s\".\"t\" ADD COLUMN IF NOT EXISTS \"new\" text",
                "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"gone\" DROP NOT NULL",
            ]
        );
        assert_eq!(
            route.declaration(),
            "\"id\" bigint NOT NULL, \"n\" bigint, \"new\" text"
        );
        assert!(!route.is_plain());
    }

    #[test]
    fn a_column_that_the_table_fills_is_missed_by_nobody() {
        let mut serial = existing("serial", "bigint", false);
        serial.is_filled = true;
        let there = [existing("n", "text", true), serial];
        let wanted = [column("n", "text", true)];
        let route = plan(&target(), Some(&there), &wanted, Evolution::default()).unwrap();
        assert!(route.is_plain() && route.statements.is_empty());
    }

    #[test]
    fn a_removed_column_that_takes_no_null_is_refused_unless_that_is_allowed() {
        let there = [existing("n", "text", true), existing("gone", "text", false)];
        let wanted = [column("n", "text", true)];
        let policy = Evolution {
            nullability: Nullability::Fail,
            ..EASY
        };
        let error = plan(&target(), Some(&there), &wanted, policy).unwrap_err();
        assert!(
            error.message.contains("takes no NULL and has no default"),
            "{error}"
        );
    }

    #[test]
    fn types_without_a_way_between_them_are_refused_whatever_the_policy() {
        let there = [existing("n", "integer", true)];
        let wanted = [column("n", "date", true)];
        for type_change in [TypeChange::Coerce, TypeChange::Null] {
            let policy = Evolution {
                type_change,
                ..EASY
            };
            let error = plan(&target(), Some(&there), &wanted, policy).unwrap_err();
            assert!(error.message.contains("cannot become the other"), "{error}");
        }
    }
}
