//! Two apps are given the same store, and each sees what the other writes.
//!
//! ```sh
//! cargo run --workspace --example shared_store
//! ```

mod parts;

use parts::Shop;
use vesicle_pool::Result;

/// Returns what both apps read in the end.
pub async fn run() -> Result<(u32, u32)> {
    let shop = Shop::open()?;
    let store = shop.keep("the store", &shop.store, &[]).await?;
    // The token is what makes it the same store.
    let first = shop.keep("first", &shop.desk, &store.tokens()).await?;
    let second = shop.keep("second", &shop.desk, &store.tokens()).await?;

    shop.write(&first, 5).await?;
    let seen = (shop.read(&first).await?, shop.read(&second).await?);

    // It cannot go before those that rely on it.
    if let Err(refused) = shop.pool.tear_down(&store).await {
        println!("{refused}");
    }
    for resident in [&first, &second, &store] {
        shop.pool.tear_down(resident).await?;
    }
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<()> {
    run().await.map(drop)
}
