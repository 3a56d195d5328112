//! What decoding and encoding cost: nanoseconds a value, beside a copy of the
//! same bytes. `cargo run --release --example throughput [decode|encode]`
//!
//! The table has 1,000,000 rows of 12 columns, one value in eleven is NULL in
//! those that may be; the best of seven rounds is shown.

use std::hint::black_box;
use std::time::Instant;

use vesicle_postgres::{Column, Decoder, Encoder, Options, Result, Type, wire};

const ROWS: u64 = 1_000_000;
const ROUNDS: usize = 7;

const COLUMNS: [(&str, &str); 12] = [
    ("id", "bigint"),
    ("customer", "integer"),
    ("quantity", "smallint"),
    ("active", "boolean"),
    ("rate", "double precision"),
    ("price", "numeric(10,2)"),
    ("name", "text"),
    ("city", "character varying(40)"),
    ("day", "date"),
    ("created", "timestamp with time zone"),
    ("code", "uuid"),
    ("note", "jsonb"),
];

fn field(out: &mut Vec<u8>, row: u64, nullable: bool, value: &[u8]) {
    if nullable && row.is_multiple_of(11) {
        return out.extend((-1_i32).to_be_bytes());
    }
    out.extend((value.len() as i32).to_be_bytes());
    out.extend(value);
}

fn tuple(out: &mut Vec<u8>, row: u64) {
    let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let digits = [0, 2, 0, 1, 0, 0, 0, 2].map(|it: u8| it);
    let price = [
        (1 + mixed as u16 % 9998).to_be_bytes(),
        (100 * (mixed as u16 % 100)).to_be_bytes(),
    ];
    out.extend((COLUMNS.len() as i16).to_be_bytes());
    field(out, row, false, &row.to_be_bytes());
    field(out, row, false, &(mixed as u32 >> 1).to_be_bytes());
    field(out, row, true, &(mixed as u16 >> 4).to_be_bytes());
    field(out, row, false, &[mixed as u8 & 1]);
    field(out, row, true, &(mixed as f64).to_be_bytes());
    // Two digits, the first of weight 0, two places.
    let price = [&digits[..2], &[0, 0, 0, 0, 0, 2], &price.concat()].concat();
    field(out, row, true, &price);
    field(out, row, false, format!("customer number {row}").as_bytes());
    field(
        out,
        row,
        true,
        &b"Ludwigshafen am Rhein"[..(mixed % 22) as usize],
    );
    field(out, row, false, &(mixed as u16 as i32).to_be_bytes());
    field(out, row, true, &((mixed >> 10) as i64).to_be_bytes());
    field(
        out,
        row,
        false,
        &[mixed.to_be_bytes(), row.to_be_bytes()].concat(),
    );
    field(
        out,
        row,
        true,
        b"\x01{\"source\": \"web\", \"tags\": [1, 2, 3]}",
    );
}

fn best<T>(mut work: impl FnMut() -> T) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed().as_secs_f64()
    });
    rounds.fold(f64::INFINITY, f64::min)
}

fn show(what: &str, seconds: f64, bytes: usize) {
    let values = ROWS as f64 * COLUMNS.len() as f64;
    println!(
        "{what:<32} {:>7.2} ns a value {:>8.0} MiB/s",
        seconds * 1e9 / values,
        bytes as f64 / seconds / f64::from(1 << 20)
    );
}

fn main() -> Result<()> {
    let only = std::env::args().nth(1);
    let wanted = |what: &str| only.as_deref().is_none_or(|only| only == what);
    let columns = COLUMNS
        .iter()
        .map(|(name, kind)| Ok(Column::new(*name, Type::parse(kind, None)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut stream = wire::HEADER.to_vec();
    (0..ROWS).for_each(|row| tuple(&mut stream, row));
    stream.extend(wire::TRAILER);

    let decode = |size: usize| -> Result<Vec<_>> {
        let mut decoder = Decoder::new(&columns, Options::default());
        let mut batches = Vec::new();
        for piece in stream.chunks(size) {
            decoder.push(piece)?;
            batches.extend(std::iter::from_fn(|| decoder.next_batch()));
        }
        decoder.finish()?;
        batches.extend(std::iter::from_fn(|| decoder.next_batch()));
        Ok(batches)
    };
    if wanted("copy") {
        let mut target = vec![0_u8; stream.len()];
        show(
            "copy",
            best(|| target.copy_from_slice(black_box(&stream))),
            stream.len(),
        );
    }
    if wanted("split") {
        let split = best(|| {
            let mut splitter = vesicle_postgres::chunk::Splitter::new(columns.len());
            let mut rows = 0;
            for piece in stream.chunks(256 << 10) {
                splitter.push(piece).map(|()| {
                    rows += std::iter::from_fn(|| splitter.next_payload())
                        .map(|it| it.rows)
                        .sum::<u64>();
                })?;
            }
            Ok::<_, vesicle_postgres::Error>(rows)
        });
        show("split, pieces of 256 KiB", split, stream.len());
    }
    if wanted("decode") {
        for size in [256 << 10, 150] {
            let drop_each = best(|| {
                let mut decoder = Decoder::new(&columns, Options::default());
                for piece in stream.chunks(size) {
                    decoder.push(piece)?;
                    while decoder.next_batch().is_some() {}
                }
                decoder.finish()
            });
            show(
                &format!("decode, pieces of {size} bytes"),
                drop_each,
                stream.len(),
            );
        }
    }
    if wanted("encode") {
        let batches = decode(256 << 10)?;
        let encoder = Encoder::new(&batches[0].schema(), &columns)?;
        let mut out = Vec::new();
        let encode = best(|| {
            for batch in &batches {
                out.clear();
                encoder.encode(batch, None, &mut out)?.whole()?;
            }
            Ok::<_, vesicle_postgres::Error>(())
        });
        show("encode", encode, stream.len());
        println!(
            "{} batches, the first of {} rows",
            batches.len(),
            batches[0].num_rows()
        );
    }
    Ok(())
}
