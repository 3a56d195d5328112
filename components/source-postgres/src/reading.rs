//! Reading a partition by COPY.

use std::sync::Arc;

use vesicle_connector::{Emitter, Format, Result};
use vesicle_postgres::chunk::Splitter;
use vesicle_postgres::{Column, Options as Mapping, arrow};
use vesicle_postgres_client::{Client, CopyOut, identifier};

use crate::partition::{Blocks, Detail};
use crate::rows::Rows;
use crate::table::{Kind, Table};

/// The format in which rows of some columns are emitted: the first that is
/// accepted and can be.
///
/// The elements of an array carry the number of their type, which for types
/// that are not PostgreSQL's own is another one in another database.
pub fn format(columns: &[Column], accepts: &[Format]) -> Format {
    let is_everywhere = |column: &Column| {
        column.element_oid.is_none() || column.element_oid == column.r#type.scalar().oid()
    };
    let can = |format: &&Format| match format {
        Format::ArrowIpc => true,
        Format::PostgresCopy => columns.iter().all(is_everywhere),
    };
    accepts
        .iter()
        .find(can)
        .copied()
        .unwrap_or(Format::ArrowIpc)
}

/// What is read.
pub struct Reading<'a> {
    /// The table.
    pub table: &'a Table,
    /// The wanted columns of it.
    pub columns: Vec<Column>,
    /// What types become.
    pub mapping: Mapping,
}

impl Reading<'_> {
    /// Emits the rows of a partition.
    ///
    /// # Errors
    ///
    /// `data` for a value that cannot be represented; what the server says.
    pub async fn read(&self, client: &Client, detail: &Detail, out: &mut Emitter) -> Result<()> {
        self.read_blocks(client, detail.blocks, detail.untouched, out)
            .await
    }

    /// Emits all rows; with `untouched`, as the server writes them.
    ///
    /// # Errors
    ///
    /// As of [`Reading::read`].
    pub async fn read_all(
        &self,
        client: &Client,
        untouched: bool,
        out: &mut Emitter,
    ) -> Result<()> {
        self.read_blocks(client, Blocks::ALL, untouched, out).await
    }

    async fn read_blocks(
        &self,
        client: &Client,
        blocks: Blocks,
        untouched: bool,
        out: &mut Emitter,
    ) -> Result<()> {
        out.schema(&Arc::new(arrow::schema(&self.columns, self.mapping)))
            .await?;
        let copy = client.copy_out(&self.statement(blocks)).await?;
        match untouched {
            true => self.pass_on(copy, out).await,
            false => self.decode(copy, out).await,
        }
    }

    /// Emits rows as the server writes them.
    async fn pass_on(&self, mut copy: CopyOut, out: &mut Emitter) -> Result<()> {
        let mut splitter = Splitter::new(self.columns.len());
        loop {
            let bytes = copy.next().await?;
            let is_last = bytes.is_none();
            match bytes {
                Some(bytes) => splitter.push(&bytes)?,
                None => splitter.finish()?,
            }
            while let Some(payload) = splitter.next_payload() {
                let size = payload.bytes.len() as u64;
                out.encoded(Format::PostgresCopy, payload.rows, payload.bytes, size)
                    .await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Emits rows as Arrow.
    async fn decode(&self, copy: CopyOut, out: &mut Emitter) -> Result<()> {
        let mut rows = Rows::new(copy, &self.columns, self.mapping);
        while let Some((batch, taken)) = rows.next().await? {
            out.batch(batch, taken).await?;
        }
        Ok(())
    }

    /// The statement that gives the wanted columns of the rows of some blocks.
    fn statement(&self, blocks: Blocks) -> String {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|column| identifier(&column.name))
            .collect();
        let names = names.join(", ");
        let from = self.table.name.quoted();
        let has_generated = self.columns.iter().any(|column| column.generated);
        // Neither can a COPY be of a materialized view, nor of generated columns.
        let is_selected = has_generated || self.table.is_materialized;
        let rows = match blocks.condition() {
            None if self.table.kind == Kind::Plain && !is_selected => format!("{from} ({names})"),
            None => format!("(SELECT {names} FROM {from})"),
            Some(condition) => format!("(SELECT {names} FROM {from} WHERE {condition})"),
        };
        format!("COPY {rows} TO STDOUT (FORMAT binary)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vesicle_postgres::Type;

    #[test]
    fn rows_are_passed_on_untouched_where_that_is_accepted_and_means_the_same_elsewhere() {
        let column = |name: &str, element_oid| {
            let mut column = Column::new("c", Type::parse(name, None).unwrap());
            column.element_oid = element_oid;
            column
        };
        let both = [Format::PostgresCopy, Format::ArrowIpc];
        let plain = [column("integer", None), column("integer[]", Some(23))];
        assert_eq!(format(&plain, &both), Format::PostgresCopy);
        assert_eq!(format(&plain, &both[1..]), Format::ArrowIpc);
        // The elements are of a domain.
        let domains = [column("integer[]", Some(16_400))];
        assert_eq!(format(&domains, &both), Format::ArrowIpc);
    }
}
