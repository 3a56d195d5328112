//! Makes a component of a connector: the exports of its kind, and its manifest
//! as a custom section.
//!
//! Invariant: natively the macros check types and define nothing, so that a
//! connector's library can be linked into a test or another program.

/// Exports a [`Source`](crate::Source) as the component's source, and embeds
/// the `manifest.toml` beside the crate's `Cargo.toml`.
#[macro_export]
macro_rules! export_source {
    ($source:ty) => {
        $crate::__export!(Source, $source, source, export_source_component);
    };
}

/// Exports a [`Transform`](crate::Transform) as the component's transform, and
/// embeds the `manifest.toml` beside the crate's `Cargo.toml`.
#[macro_export]
macro_rules! export_transform {
    ($transform:ty) => {
        $crate::__export!(Transform, $transform, transform, export_transform_component);
    };
}

/// Exports a [`Destination`](crate::Destination) as the component's
/// destination, and embeds the `manifest.toml` beside the crate's `Cargo.toml`.
#[macro_export]
macro_rules! export_destination {
    ($destination:ty) => {
        $crate::__export!(
            Destination,
            $destination,
            destination,
            export_destination_component
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($trait:ident, $type:ty, $kind:ident, $export:ident) => {
        const _: () = {
            const fn is_the_right_kind<T: $crate::$trait>() {}
            is_the_right_kind::<$type>();
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::wasm::$kind::Exported<$type>;
            $crate::wasm::$kind::bindings::$export!(
                Exported with_types_in $crate::wasm::$kind::bindings
            );

            const MANIFEST: &[u8] =
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"));

            #[used]
            #[unsafe(link_section = "vesicle:manifest")]
            static SECTION: [u8; MANIFEST.len()] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.toml"));
        };
    };
}
