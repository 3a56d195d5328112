//! A source that speaks the contract without the SDK's help, and breaks it by
//! `mode`. It has no manifest, so it asks for nothing.
#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, reason = "the contract documents itself")]

use vesicle_connector::arrow_schema::{DataType, Field, Schema};
use vesicle_connector::wasm::source::bindings;
use vesicle_connector::{encode_schema, net};

use bindings::exports::vesicle::connector::source as wit;
use bindings::vesicle::connector::types;
use bindings::{wit_future, wit_stream};

pub struct Raw;
pub struct Held;
impl wit::GuestHold for Held {}

fn option(name: &str) -> types::ConfigOption {
    types::ConfigOption {
        name: name.into(),
        kind: types::OptionKind::Text,
        required: false,
        default: None,
        secret: false,
        identity: false,
        doc: String::new(),
    }
}

/// The value of a key of the configuration, which is JSON with texts only.
fn value(config: &str, key: &str) -> String {
    let after = config
        .split_once(&format!("\"{key}\":\""))
        .map(|(_, after)| after);
    let text = after
        .and_then(|after| after.split_once('"'))
        .map(|(text, _)| text);
    text.unwrap_or_default().to_owned()
}

fn schema() -> Vec<u8> {
    let field = Field::new("n", DataType::Int64, false);
    encode_schema(&Schema::new(vec![field])).expect("an Int64 can be carried")
}

fn partition(id: &str, estimate: Option<u64>) -> wit::Partition {
    wit::Partition {
        id: id.into(),
        detail: String::new(),
        estimate: types::Estimate {
            rows: estimate,
            bytes: estimate,
        },
    }
}

fn batch(rows: u64, payload: Vec<u8>) -> wit::Frame {
    wit::Frame::Batch(types::Batch {
        format: types::Format::ArrowIpc,
        rows,
        source_bytes: 0,
        payload,
    })
}

fn denied(message: String) -> types::Error {
    types::Error {
        category: types::ErrorCategory::Permission,
        code: "denied".into(),
        message,
        retryable: false,
        retry_after: None,
    }
}

impl wit::Guest for Raw {
    type Hold = Held;

    fn spec() -> wit::ConnectorSpec {
        wit::ConnectorSpec {
            name: "raw-source".into(),
            version: "0.1.0".into(),
            doc: "Breaks the contract".into(),
            options: vec![option("mode"), option("target")],
            sync_modes: vec![types::SyncMode::FullRefresh],
            write_modes: Vec::new(),
            emits: vec![types::Format::ArrowIpc],
            takes: Vec::new(),
            evolves: false,
        }
    }

    async fn check(_: String) -> Result<(), wit::Error> {
        Ok(())
    }

    async fn discover(_: String) -> Result<Vec<wit::StreamInfo>, wit::Error> {
        Ok(Vec::new())
    }

    async fn plan(config: String, _: wit::StreamRequest) -> Result<wit::ReadPlan, wit::Error> {
        let partitions = match value(&config, "mode").as_str() {
            // Four thousand texts of a mebibyte, all of them the same one.
            "aliased-plan" => {
                let text = "x".repeat(1 << 20).into_bytes().leak();
                let (start, length) = (text.as_mut_ptr(), text.len());
                let alias = || {
                    // SAFETY: none. The text is freed four thousand times, if
                    // the host lets it come to that. It is what a component in
                    // another language may do.
                    unsafe { String::from_raw_parts(start, length, length) }
                };
                (0..4096)
                    .map(|_| wit::Partition {
                        id: alias(),
                        ..partition("", None)
                    })
                    .collect()
            }
            "many-partitions" => (0..10_001)
                .map(|n| partition(&n.to_string(), None))
                .collect(),
            "twin-partitions" => ["one", "two", "one"].map(|id| partition(id, None)).into(),
            "long-partition" => vec![partition(&"x".repeat(1025), None)],
            "great-numbers" => ["one", "two", "three"]
                .map(|id| partition(id, Some(u64::MAX)))
                .into(),
            _ => vec![partition("all", None)],
        };
        Ok(wit::ReadPlan {
            hold: wit::Hold::new(Held),
            snapshot: None,
            schema: schema(),
            format: match value(&config, "mode").as_str() {
                "foreign-format" => wit::Format::PostgresCopy,
                _ => wit::Format::ArrowIpc,
            },
            partitions,
        })
    }

    async fn read(
        config: String,
        _: wit::StreamRequest,
        _: wit::Partition,
        _: Option<String>,
        _: wit_bindgen::StreamReader<String>,
    ) -> Result<
        (
            wit_bindgen::StreamReader<wit::Frame>,
            wit_bindgen::FutureReader<Result<(), wit::Error>>,
        ),
        wit::Error,
    > {
        let (mode, target) = (value(&config, "mode"), value(&config, "target"));
        match mode.as_str() {
            "connect" => {
                let (host, port) = target.rsplit_once(':').unwrap_or_default();
                let port = port.parse().unwrap_or_default();
                let connected = net::connect(host, port).await;
                connected.map_err(|error| denied(error.message))?;
            }
            "environment" => {
                std::env::var(&target).map_err(|error| denied(format!("{target}: {error}")))?;
            }
            "file" => {
                std::fs::read(&target).map_err(|error| denied(format!("{target}: {error}")))?;
            }
            "trap" => std::process::abort(),
            _ => {}
        }
        let (mut frames, reader) = wit_stream::new();
        let (outcome, outcome_reader) = wit_future::new(|| Err(denied("never told".into())));
        net::spawn(async move {
            let mebibytes = target.parse::<usize>().unwrap_or_default();
            let checkpoint = || wit::Frame::Checkpoint("end".into());
            let commit = || {
                wit::Frame::Commit(types::CommitRequest {
                    cursor: "mine".into(),
                    last: true,
                })
            };
            let sent = match mode.as_str() {
                "large-batch" => vec![
                    wit::Frame::Schema(schema()),
                    batch(1, vec![0; mebibytes << 20]),
                    checkpoint(),
                ],
                "large-cursor" => vec![
                    wit::Frame::Schema(schema()),
                    wit::Frame::Checkpoint("c".repeat(mebibytes << 20)),
                ],
                "garbage" => vec![
                    wit::Frame::Schema(schema()),
                    batch(3, (0..=255).cycle().take(4096).collect()),
                    checkpoint(),
                ],
                "garbage-schema" => vec![wit::Frame::Schema(vec![0xa5; 512]), checkpoint()],
                "no-schema" => vec![batch(1, vec![0; 64]), checkpoint()],
                "great-numbers" => {
                    let nothing = batch(u64::MAX, Vec::new());
                    vec![
                        wit::Frame::Schema(schema()),
                        nothing.clone(),
                        nothing,
                        checkpoint(),
                    ]
                }
                "commits" => vec![wit::Frame::Schema(schema()), commit(), commit()],
                _ => vec![wit::Frame::Schema(schema()), checkpoint()],
            };
            for frame in sent {
                if frames.write_one(frame).await.is_some() {
                    break;
                }
            }
            drop(frames);
            if mode == "no-outcome" {
                // Neither told nor dropped.
                std::mem::forget(outcome);
                return;
            }
            let _ = outcome.write(Ok(())).await;
        });
        Ok((reader, outcome_reader))
    }
}

bindings::export_source_component!(Raw with_types_in vesicle_connector::wasm::source::bindings);
