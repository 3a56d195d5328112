//! A transform. This one puts a column of text in upper case; make it change
//! what you need.
//!
//! Natively it is a library that the tests below run; for `wasm32-wasip2` it
//! is a component that Vesicle runs in a sandbox.

use std::sync::Arc;

use vesicle_connector::arrow_array::{ArrayRef, RecordBatch, StringArray};
use vesicle_connector::arrow_schema::{DataType, Schema, SchemaRef};
use vesicle_connector::{Config, Emitter, Error, Opt, Result, Spec, Transform, nearest};

/// Knows the column. One value serves one stream, from its first batch to its
/// last, so it may keep what it needs between batches.
pub struct UpperCase {
    column: String,
}

impl Transform for UpperCase {
    /// What it is and which keys `config` may have. The host checks the
    /// user's document against it.
    fn spec() -> Spec {
        Spec::new(
            "{{name}}",
            env!("CARGO_PKG_VERSION"),
            "Puts text in upper case",
        )
        .option(Opt::text("column").required().doc("The column to change"))
    }

    /// Reads the options, opens nothing.
    fn open(config: Config) -> Result<Self> {
        let column = config.required("column")?;
        Ok(Self { column })
    }

    /// The columns that come out for the columns that go in. Asked before the
    /// first row moves: the place to refuse what cannot work.
    fn plan(&self, stream: &str, schema: &Schema) -> Result<SchemaRef> {
        let refuse = |what: String| {
            let message = format!("column: {stream} {what}");
            Err(Error::configuration("bad-column", message))
        };
        let name = &self.column;
        let Ok(field) = schema.field_with_name(name) else {
            let known = schema.fields().iter().map(|field| field.name().as_str());
            let hint = nearest(name, known);
            let hint = hint.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            return refuse(format!("has no column {name:?}{hint}"));
        };
        if field.data_type() != &DataType::Utf8 {
            let kind = field.data_type();
            return refuse(format!("has no text in column {name:?}, but {kind}"));
        }
        Ok(Arc::new(schema.clone()))
    }

    /// Takes a batch and emits what it becomes. It may emit less, or keep rows
    /// back; then `flush` has to emit them.
    async fn batch(&mut self, batch: RecordBatch, out: &mut Emitter) -> Result<()> {
        let schema = batch.schema();
        let changed = schema.index_of(&self.column)?;
        let mut columns = batch.columns().to_vec();
        columns[changed] = upper_case(&columns[changed])?;
        // What the rows took at their source is passed on by the SDK: 0.
        out.batch(RecordBatch::try_new(schema, columns)?, 0).await
    }
}

/// A column of text in upper case. NULL stays NULL.
fn upper_case(column: &ArrayRef) -> Result<ArrayRef> {
    let Some(text) = column.as_any().downcast_ref::<StringArray>() else {
        // `plan` has refused it.
        let message = "a column that was planned as text is none";
        return Err(Error::internal("not-text", message));
    };
    let upper: StringArray = text
        .iter()
        .map(|value| value.map(str::to_uppercase))
        .collect();
    Ok(Arc::new(upper))
}

vesicle_connector::export_transform!(UpperCase);

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vesicle_connector::arrow_array::record_batch;
    use vesicle_connector::arrow_schema;
    use vesicle_connector::testing::{Item, Output, block_on, transform};

    use super::*;

    fn upper(column: &str, items: Vec<Item>) -> Output {
        let config = json!({ "column": column });
        block_on(transform::<UpperCase>(config, "people", items)).unwrap()
    }

    fn people() -> RecordBatch {
        let names = vec![Some("Ada"), None, Some("Радія")];
        record_batch!(("id", Int64, [1, 2, 3]), ("name", Utf8, names)).unwrap()
    }

    #[test]
    fn text_comes_out_in_upper_case_and_null_stays_null() {
        let output = upper("name", vec![people().into()]);
        let names = vec![Some("ADA"), None, Some("РАДІЯ")];
        let expected = record_batch!(("id", Int64, [1, 2, 3]), ("name", Utf8, names)).unwrap();
        assert_eq!(output.batches(), [&expected]);
    }

    #[test]
    fn a_commit_request_passes_after_the_rows_it_covers() {
        let output = upper("name", vec![people().into(), Item::last("3")]);
        assert_eq!(output.items.last(), Some(&Item::last("3")));
        assert_eq!(output.rows(), 3);
    }

    #[test]
    fn a_column_that_is_not_there_is_refused_with_the_nearest_one() {
        let error = upper("nmae", vec![people().into()]).outcome.unwrap_err();
        let message = r#"column: people has no column "nmae"; did you mean "name"?"#;
        assert_eq!(error.message, message);
    }

    #[test]
    fn a_column_that_is_not_text_is_refused_with_its_type() {
        let error = upper("id", vec![people().into()]).outcome.unwrap_err();
        let message = r#"column: people has no text in column "id", but Int64"#;
        assert_eq!(error.message, message);
    }
}
