//! A destination that takes its time: for each batch it waits, or computes, so
//! many milliseconds. It counts the rows and keeps nothing, so it goes on with
//! nothing either.

use vesicle_connector::arrow_array::RecordBatch;
use vesicle_connector::{
    CommitRequest, Config, Destination, Load, LoadRequest, Opt, Receipt, Result, Spec, Summary,
    WriteMode, Writer,
};

/// So many milliseconds for each batch.
#[derive(Clone)]
pub struct Slow {
    wait: u64,
    compute: u64,
}

/// What it is given.
pub struct Counting {
    slow: Slow,
    rows: u64,
}

impl Destination for Slow {
    type Writer = Counting;

    fn spec() -> Spec {
        let doc = "Keeps nothing, slowly";
        Spec::new("slow-destination", "0.1.0", doc)
            .option(Opt::integer("wait_ms").default(0).doc("How long it waits"))
            .option(
                Opt::integer("compute_ms")
                    .default(0)
                    .doc("How long it computes"),
            )
            .write_modes(&[WriteMode::Append])
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self {
            wait: config.required("wait_ms")?,
            compute: config.required("compute_ms")?,
        })
    }

    async fn begin(&self, request: &LoadRequest) -> Result<Load> {
        Ok(Load {
            run: request.run.clone(),
            snapshot: request.snapshot.clone(),
            ..Load::default()
        })
    }

    async fn writer(&self, _: &Load, _: &str) -> Result<Counting> {
        Ok(Counting {
            slow: self.clone(),
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

impl Writer for Counting {
    async fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.slow.take_time().await;
        Ok(())
    }

    async fn commit(&mut self, request: &CommitRequest) -> Result<Receipt> {
        Ok(Receipt::of(request, std::mem::take(&mut self.rows), 0))
    }
}

#[cfg(target_arch = "wasm32")]
impl Slow {
    async fn take_time(&self) {
        use std::time::{Duration, Instant};
        if self.wait > 0 {
            vesicle_connector::net::sleep(Duration::from_millis(self.wait)).await;
        }
        let end = Instant::now() + Duration::from_millis(self.compute);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Slow {
    async fn take_time(&self) {
        std::thread::sleep(std::time::Duration::from_millis(self.wait + self.compute));
    }
}

vesicle_connector::export_destination!(Slow);
