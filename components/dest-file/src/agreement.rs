//! What a load has to agree with: itself as it was begun, and the files that it
//! appends to.
//!
//! Invariant: whoever reads a stream's folder finds one format, one dialect and
//! the same columns in all of its files.

use arrow_schema::Schema;
use vesicle_connector::{Error, LoadRequest, Result};

use crate::dialect::Difference;
use crate::names;
use crate::record::{Mode, Record, Unfinished};
use crate::shape;
use crate::stream::Stream;
use crate::untyped;

impl Stream<'_> {
    /// Makes sure that a load can go on as it was begun.
    ///
    /// # Errors
    ///
    /// `conflict` (`load-changed`) if the document says otherwise; `schema` if
    /// the columns are others.
    pub fn check_same(&self, load: &Unfinished, request: &LoadRequest, mode: Mode) -> Result<()> {
        let place = self.folders.visible.display();
        let changed = |what: &str, was: &str, is: &str| {
            let message = format!(
                "{place}: the unfinished load was begun with {what}: {was}, now it is {is}; set it \
                 back to end the load, or run with --fresh to discard it"
            );
            Err(Error::conflict("load-changed", message).without_retry())
        };
        if load.mode != mode {
            return changed("write_mode", load.mode.word(), mode.word());
        }
        let format = self.options.encoding.format();
        if load.format != format {
            return changed("format", load.format.word(), format.word());
        }
        let dialect = self.options.encoding.dialect();
        if let Some(Difference { key, was, is }) = load.dialect.difference(&dialect) {
            return changed(key, &format!("{was:?}"), &format!("{is:?}"));
        }
        shape::check_same(
            &place.to_string(),
            "the unfinished load",
            &load.schema,
            &untyped::settle(&load.schema, &request.schema),
            shape::BEGIN_ANEW,
        )
    }

    /// The columns in the order of the files that are there, with which the
    /// files of this load have to go.
    ///
    /// # Errors
    ///
    /// `schema` if they do not go with them; `conflict` if there are files of
    /// the run that the record does not know; what the file system says.
    pub fn appendable(&self, record: &Record, request: &LoadRequest) -> Result<Schema> {
        let place = self.folders.visible.display().to_string();
        let there = self.disk.list(&self.folders.visible)?;
        let prefix = names::run_prefix(&request.run);
        if let Some(name) = there.iter().find(|name| name.starts_with(&prefix)) {
            let message = format!(
                "{place}: {name} is of the run {}, which the record does not know; move it away",
                request.run
            );
            return Err(Error::conflict("unknown-part", message).without_retry());
        }
        let has_parts = there.iter().any(|name| names::is_part(name));
        let Some(finished) = record.finished.as_ref().filter(|_| has_parts) else {
            return Ok(untyped::settle(&Schema::empty(), &request.schema));
        };
        let format = self.options.encoding.format();
        if finished.format != format {
            let message = format!(
                "{place}: its files are {}, this load writes {}; set format back, or choose \
                 another path",
                finished.format.word(),
                format.word()
            );
            return Err(Error::schema("other-format", message));
        }
        let dialect = self.options.encoding.dialect();
        if let Some(Difference { key, was, is }) = finished.dialect.difference(&dialect) {
            let message = format!(
                "{place}: its files are written with {key}: {was:?}, this load writes {is:?}; set \
                 {key} back, or choose another path"
            );
            return Err(Error::schema("other-format", message));
        }
        let schema = untyped::settle(&finished.schema, &request.schema);
        shape::check_same(
            &place,
            "its files",
            &finished.schema,
            &schema,
            "choose another path, or write_mode: replace",
        )?;
        Ok(shape::in_order_of(&finished.schema, &schema))
    }
}
