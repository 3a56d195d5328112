//! A source that computes without end when it is asked what it is.

use vesicle_connector::{
    Config, Cursor, Emitter, Partition, Plan, Result, Source, Spec, StreamInfo, StreamRequest,
};

/// Never comes to be.
pub struct Spinning;

impl Source for Spinning {
    fn spec() -> Spec {
        let mut n = 0_u64;
        while std::hint::black_box(n) != u64::MAX {
            n += 1;
        }
        Spec::new("spinning-source", "0.1.0", "Never said")
    }

    fn open(_: Config) -> Result<Self> {
        Ok(Self)
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        Ok(Vec::new())
    }

    async fn plan(&self, _: &StreamRequest) -> Result<Plan> {
        unreachable!("it has no spec")
    }

    async fn read(
        &self,
        _: &StreamRequest,
        _: &Partition,
        _: Option<Cursor>,
        _: &mut Emitter,
    ) -> Result<()> {
        unreachable!("it has no spec")
    }
}

vesicle_connector::export_source!(Spinning);
