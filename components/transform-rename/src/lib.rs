//! Renames columns: `columns: { old: new }`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use vesicle_connector::arrow_array::RecordBatch;
use vesicle_connector::arrow_schema::{Field, Schema, SchemaRef};
use vesicle_connector::{Change, Config, Emitter, Error, Opt, Result, Spec, Transform, nearest};

/// Old names and new ones.
pub struct Rename(BTreeMap<String, String>);

impl Transform for Rename {
    fn spec() -> Spec {
        let columns = Opt::mapping("columns").required();
        Spec::new("transform-rename", "0.1.0", "Renames columns")
            .option(columns.doc("Old names and new ones"))
    }

    fn open(config: Config) -> Result<Self> {
        config.required("columns").map(Self)
    }

    fn plan(&self, stream: &str, schema: &Schema) -> Result<SchemaRef> {
        let refuse =
            |what| Error::configuration("bad-columns", format!("columns: {stream} {what}"));
        let names = || schema.fields().iter().map(|field| field.name().as_str());
        if let Some(missing) = self.0.keys().find(|old| names().all(|name| name != *old)) {
            let near = nearest(missing, names());
            let hint = near.map_or(String::new(), |name| format!("; did you mean {name:?}?"));
            return Err(refuse(format!("has no column {missing:?}{hint}")));
        }
        let renamed = self.renamed(schema);
        let mut seen = HashSet::new();
        match renamed.fields().iter().find(|f| !seen.insert(f.name())) {
            Some(twice) => Err(refuse(format!("would have {:?} twice", twice.name()))),
            None => Ok(renamed),
        }
    }

    async fn batch(&mut self, batch: RecordBatch, out: &mut Emitter) -> Result<()> {
        let schema = self.renamed(batch.schema_ref());
        let batch = RecordBatch::try_new(schema, batch.columns().to_vec())?;
        out.batch(batch, 0).await
    }

    async fn changes(
        &mut self,
        mut change: Change,
        batch: RecordBatch,
        out: &mut Emitter,
    ) -> Result<()> {
        for name in change.key.iter_mut().chain(&mut change.unchanged) {
            if let Some(new) = self.0.get(name) {
                name.clone_from(new);
            }
        }
        let schema = self.renamed(batch.schema_ref());
        let batch = RecordBatch::try_new(schema, batch.columns().to_vec())?;
        out.changes(change, batch, 0).await
    }
}

impl Rename {
    fn renamed(&self, schema: &Schema) -> SchemaRef {
        let rename = |field: &Arc<Field>| match self.0.get(field.name()) {
            Some(new) => Arc::new(field.as_ref().clone().with_name(new)),
            None => field.clone(),
        };
        let fields: Vec<_> = schema.fields().iter().map(rename).collect();
        Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
    }
}

vesicle_connector::export_transform!(Rename);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use vesicle_connector::arrow_array::record_batch;
    use vesicle_connector::arrow_schema;
    use vesicle_connector::testing::{Output, block_on, transform};

    fn rename(columns: Value) -> Output {
        let rows = record_batch!(("id", Int64, [1, 2]), ("nmae", Utf8, ["a", "b"])).unwrap();
        let config = json!({ "columns": columns });
        block_on(transform::<Rename>(config, "people", [rows])).unwrap()
    }

    #[test]
    fn a_column_gets_its_new_name_and_keeps_its_values() {
        let expected = record_batch!(("id", Int64, [1, 2]), ("name", Utf8, ["a", "b"])).unwrap();
        assert_eq!(rename(json!({ "nmae": "name" })).batches(), [&expected]);
    }

    #[test]
    fn a_column_that_is_not_there_is_refused_with_the_nearest_one() {
        let error = rename(json!({ "name": "label" })).outcome.unwrap_err();
        let message = r#"columns: people has no column "name"; did you mean "nmae"?"#;
        assert_eq!(error.message, message);
    }

    #[test]
    fn two_columns_do_not_get_the_same_name() {
        let error = rename(json!({ "nmae": "id" })).outcome.unwrap_err();
        assert_eq!(error.message, r#"columns: people would have "id" twice"#);
    }
}
