//! Reading a partition by COPY.

use vesicle_connector::{Emitter, Result, StreamRequest};
use vesicle_postgres::{Column, Decoder, Options as Mapping};
use vesicle_postgres_client::{Client, identifier};

use crate::partition::Blocks;
use crate::table::{Kind, Table};

/// Emits the rows of some blocks.
///
/// # Errors
///
/// `data` for a value that cannot be represented; what the server says.
pub async fn read(
    client: &Client,
    table: &Table,
    request: &StreamRequest,
    blocks: Blocks,
    mapping: Mapping,
    out: &mut Emitter,
) -> Result<()> {
    let columns = table.wanted(&request.columns)?;
    out.schema(&table.schema(&request.columns, mapping)?)
        .await?;
    let mut decoder = Decoder::new(&columns, mapping);
    let mut copy = client.copy_out(&statement(table, &columns, blocks)).await?;
    let mut taken = 0;
    loop {
        match copy.next().await? {
            Some(bytes) => {
                taken += bytes.len() as u64;
                decoder.push(&bytes)?;
            }
            None => {
                decoder.finish()?;
                return emit(&mut decoder, &mut taken, out).await;
            }
        }
        emit(&mut decoder, &mut taken, out).await?;
    }
}

/// Emits the batches that are ready.
async fn emit(decoder: &mut Decoder, taken: &mut u64, out: &mut Emitter) -> Result<()> {
    while let Some(batch) = decoder.next_batch() {
        out.batch(batch, std::mem::take(taken)).await?;
    }
    Ok(())
}

/// The statement that gives the wanted columns of the rows of some blocks.
fn statement(table: &Table, columns: &[Column], blocks: Blocks) -> String {
    let names: Vec<_> = columns
        .iter()
        .map(|column| identifier(&column.name))
        .collect();
    let names = names.join(", ");
    let from = table.name.quoted();
    let has_generated = columns.iter().any(|column| column.generated);
    let rows = match blocks.condition() {
        None if table.kind == Kind::Plain && !has_generated => format!("{from} ({names})"),
        None => format!("(SELECT {names} FROM {from})"),
        Some(condition) => format!("(SELECT {names} FROM {from} WHERE {condition})"),
    };
    format!("COPY {rows} TO STDOUT (FORMAT binary)")
}
