//! A destination that writes rows as they come and keeps no record of it:
//! whatever is done again is there twice.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use vesicle_connector::arrow_array::RecordBatch;
use vesicle_connector::{
    CommitRequest, Config, Destination, Load, LoadRequest, Opt, Receipt, Result, Spec, Summary,
    WriteMode, Writer,
};

/// Writes into this folder.
pub struct Careless(PathBuf);

/// The file, and rows since the last receipt.
pub struct Lines {
    file: File,
    rows: u64,
}

impl Destination for Careless {
    type Writer = Lines;

    fn spec() -> Spec {
        Spec::new("careless-destination", "0.1.0", "Keeps no record")
            .option(Opt::directory("path").required().doc("The folder"))
            .write_modes(&[WriteMode::Append])
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self(config.required("path")?))
    }

    async fn begin(&self, request: &LoadRequest) -> Result<Load> {
        Ok(Load {
            run: request.run.clone(),
            ..Load::default()
        })
    }

    async fn writer(&self, _: &Load, _: &str) -> Result<Lines> {
        let file = self.0.join("rows");
        Ok(Lines {
            file: OpenOptions::new().create(true).append(true).open(file)?,
            rows: 0,
        })
    }

    async fn finish(&self, _: &Load) -> Result<Summary> {
        Ok(Summary::default())
    }

    async fn abort(&self, _: &Load) -> Result<()> {
        Ok(())
    }
}

impl Writer for Lines {
    async fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        for row in 0..batch.num_rows() {
            writeln!(self.file, "{row}")?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    async fn commit(&mut self, request: &CommitRequest) -> Result<Receipt> {
        self.file.sync_all()?;
        Ok(Receipt::of(request, std::mem::take(&mut self.rows), 0))
    }
}

vesicle_connector::export_destination!(Careless);
