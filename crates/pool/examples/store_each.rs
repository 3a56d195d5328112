//! Two apps are given a store each, and neither sees what the other writes.
//!
//! ```sh
//! cargo run --workspace --example store_each
//! ```

mod parts;

use parts::Shop;
use vesicle_pool::Result;

/// Returns what both apps read in the end.
pub async fn run() -> Result<(u32, u32)> {
    let shop = Shop::open()?;
    // Two instances of one app: it is compiled once, and they share nothing.
    let one = shop.keep("one store", &shop.store, &[]).await?;
    let other = shop.keep("other store", &shop.store, &[]).await?;
    let first = shop.keep("first", &shop.desk, &one.tokens()).await?;
    let second = shop.keep("second", &shop.desk, &other.tokens()).await?;

    shop.write(&first, 5).await?;
    let seen = (shop.read(&first).await?, shop.read(&second).await?);

    for resident in [&first, &second, &one, &other] {
        shop.pool.tear_down(resident).await?;
    }
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<()> {
    run().await.map(drop)
}
