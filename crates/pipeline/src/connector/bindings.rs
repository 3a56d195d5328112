//! Typed bindings of the contracts in `wit/vesicle-connector`.

#![allow(missing_docs)] // The contracts document themselves.

/// The world of a source, and the types that all three worlds share.
pub mod source {
    wasmtime::component::bindgen!({
        path: "../../wit/vesicle-connector",
        world: "source-component",
        exports: { default: async | store },
        additional_derives: [PartialEq],
    });
}

/// The world of a transform.
pub mod transform {
    wasmtime::component::bindgen!({
        path: "../../wit/vesicle-connector",
        world: "transform-component",
        exports: { default: async | store },
        with: { "vesicle:connector/types": super::source::vesicle::connector::types },
        additional_derives: [PartialEq],
    });
}

/// The world of a destination.
pub mod destination {
    wasmtime::component::bindgen!({
        path: "../../wit/vesicle-connector",
        world: "destination-component",
        exports: { default: async | store },
        with: { "vesicle:connector/types": super::source::vesicle::connector::types },
        additional_derives: [PartialEq],
    });
}

pub use destination::exports::vesicle::connector::destination::{
    Event, Load, LoadRequest, PartitionCursor, Receipt, Summary,
};
/// What a destination does where rows have another shape.
pub mod evolution {
    pub use super::destination::exports::vesicle::connector::destination::{
        NewColumn, Nullability, RemovedColumn, SchemaEvolution, TypeChange,
    };
}

pub use source::exports::vesicle::connector::source::{
    Partition, ReadPlan, StreamInfo, StreamRequest,
};
pub use source::vesicle::connector::types;
