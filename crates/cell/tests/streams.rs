//! Standard streams of children: what is written is read, whoever is slow.

#![allow(clippy::unwrap_used)]

mod common;
mod tree;

use futures::future::try_join;
use tree::{Ended, Told, With, acts, deeper, grown, lender, start};
use vesicle_cell::output::KEPT;

/// What `count` comes to.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum: u64, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    })
}

fn binary(size: usize) -> Vec<u8> {
    let byte = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
    (0..size as u32).map(byte).collect()
}

#[tokio::test]
async fn a_child_whose_output_nobody_reads_goes_on_and_the_gap_is_told() {
    let told = grown(lender(), async |session| {
        let child = start(
            &session.executor,
            &acts(),
            &["child", "write", "10485760"],
            With::default(),
        )
        .await?;
        assert_eq!(child.wait().await?, Ended::Code(0));
        let stdout = child.stdout().await?;
        let first = stdout.read(10).await?;
        assert_eq!(first.lost, (10 << 20) - KEPT as u64);
        let begins: Vec<u8> = (first.lost..first.lost + 10)
            .map(|at| (at % 251) as u8)
            .collect();
        assert_eq!(first.bytes, begins);
        let rest = stdout.rest().await?;
        assert_eq!(rest.len(), KEPT - 10);
        // And at the end it stays at the end.
        assert!(stdout.read(0).await?.ended);
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn eight_mebibytes_go_in_through_a_pipe_of_64_kibibytes() {
    let told = grown(lender(), async |session| {
        let bytes = binary(8 << 20);
        for arguments in [&["child", "count"][..], &["child", "count-slowly", "1"]] {
            let child = start(&session.executor, &acts(), arguments, With::default()).await?;
            let stdin = child.stdin().await?;
            stdin.write(&bytes).await?;
            stdin.close().await?;
            let counted = format!("{} {}\n", bytes.len(), sum(&bytes));
            assert_eq!(child.printed().await?, counted);
            assert_eq!(child.wait().await?, Ended::Code(0));
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn bytes_are_in_the_order_of_the_calls_that_wrote_them() {
    let told = grown(lender(), async |session| {
        let child = start(
            &session.executor,
            &acts(),
            &["child", "count"],
            With::default(),
        )
        .await?;
        let stdin = child.stdin().await?;
        let bytes = binary(8 << 20);
        // Nobody waits for one before the next.
        let pieces = bytes.chunks(7_001).map(|piece| stdin.write(piece));
        futures::future::try_join_all(pieces).await?;
        stdin.close().await?;
        let counted = format!("{} {}\n", bytes.len(), sum(&bytes));
        assert_eq!(child.printed().await?, counted);
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn who_writes_to_a_child_that_reads_nothing_waits_and_is_told_of_its_end() {
    let told = grown(lender(), async |session| {
        let child = start(
            &session.executor,
            &acts(),
            &["child", "sleep", "300"],
            With::default(),
        )
        .await?;
        let stdin = child.stdin().await?;
        let (wrote, ended) = futures::join!(stdin.write(&[1; 1 << 20]), child.wait());
        assert_eq!(ended?, Ended::Code(0));
        assert!(matches!(wrote, Err(Told::Gone(_))), "{wrote:?}");
        assert!(matches!(stdin.write(b"x").await, Err(Told::Gone(_))));
        assert!(matches!(
            stdin.write(b"").await,
            Err(Told::Gone(_)) | Ok(())
        ));
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn an_input_that_was_closed_takes_no_more_and_one_that_nobody_holds_has_ended() {
    let told = grown(lender(), async |session| {
        let wasm = acts();
        let child = start(
            &session.executor,
            &wasm,
            &["child", "count"],
            With::default(),
        )
        .await?;
        let stdin = child.stdin().await?;
        stdin.write(b"abc").await?;
        stdin.close().await?;
        stdin.close().await?;
        assert!(matches!(stdin.write(b"x").await, Err(Told::Gone(_))));
        assert!(child.printed().await?.starts_with("3 "));
        // The output of a process whose capability is gone can still be read.
        let child = start(
            &session.executor,
            &wasm,
            &["child", "count"],
            With::default(),
        )
        .await?;
        let stdout = child.stdout().await?;
        drop(child);
        assert!(stdout.rest().await?.starts_with(b"0 "));
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn both_ways_go_on_at_once_with_binary_data() {
    let told = grown(lender(), async |session| {
        let bytes = binary(4 << 20);
        let child = start(
            &session.executor,
            &acts(),
            &["child", "cat"],
            With::default(),
        )
        .await?;
        let (stdin, stdout) = (child.stdin().await?, child.stdout().await?);
        let write = async {
            // No faster than it is read, so nothing is lost.
            for piece in bytes.chunks(KEPT / 2) {
                stdin.write(piece).await?;
            }
            stdin.close().await
        };
        let read = async {
            let (mut all, mut lost) = (Vec::new(), 0);
            loop {
                let piece = stdout.read(0).await?;
                all.extend(piece.bytes);
                lost += piece.lost;
                if piece.ended {
                    return Ok((all, lost));
                }
            }
        };
        let ((), (read, lost)) = try_join(write, read).await?;
        assert_eq!(read.len() as u64 + lost, bytes.len() as u64);
        if lost == 0 {
            assert!(read == bytes);
        }
        // Piece by piece nothing is lost.
        let child = start(
            &session.executor,
            &acts(),
            &["child", "cat"],
            With::default(),
        )
        .await?;
        let (stdin, stdout) = (child.stdin().await?, child.stdout().await?);
        for piece in bytes.chunks(KEPT) {
            stdin.write(piece).await?;
            let mut back = Vec::new();
            while back.len() < piece.len() {
                let piece = stdout.read(0).await?;
                assert_eq!((piece.lost, piece.ended), (0, false));
                back.extend(piece.bytes);
            }
            assert!(back == piece);
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn streams_go_one_way() {
    let told = grown(lender(), async |session| {
        let (session, _way) = deeper(&session, 1).await?;
        let child = start(
            &session.executor,
            &acts(),
            &["child", "cat"],
            With::default(),
        )
        .await?;
        let (stdin, stdout) = (child.stdin().await?, child.stdout().await?);
        assert!(matches!(stdin.read(0).await, Err(Told::Denied(_))));
        assert!(matches!(stdout.write(b"x").await, Err(Told::Denied(_))));
        assert!(matches!(stdout.close().await, Err(Told::Denied(_))));
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn what_was_written_before_a_bad_end_can_be_read_to_the_end() {
    let told = grown(lender(), async |session| {
        let child = start(
            &session.executor,
            &acts(),
            &["child", "write-and-spin", "1000"],
            With::default(),
        )
        .await?;
        let stdout = child.stdout().await?;
        let first = stdout.read(100).await?;
        assert_eq!(first.bytes.len(), 100);
        child.kill().await?;
        assert_eq!(stdout.rest().await?.len(), 900);
        assert_eq!(child.stderr().await?.rest().await?, b"");
        Ok(())
    });
    told.await.unwrap();
}
