//! Contract 0.1.0: generated types, and one file for each interface that the host serves.
//!
//! The files translate between the contract and the capabilities and decide nothing themselves.

mod crypto;
mod entries;
/// The two calls that every byte goes through.
mod fast;
/// Links what a component imports.
mod link;
mod net;
/// Settings, log, progress, clock, random: no grant, no handle.
mod plain;
mod process;
mod secrets;
mod streams;
mod trees;

pub(crate) use link::make_linker;

/// The world of sources, which imports everything there is.
pub mod source {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::too_many_arguments,
        reason = "generated code"
    )]

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdfast:plugin/source-plugin",
        imports: { default: trappable },
        with: {
            "holdfast:plugin/types": crate::contract::types,
            "holdfast:plugin/streams.reader": crate::capability::streams::Reader,
            "holdfast:plugin/streams.writer": crate::capability::streams::Writer,
            "holdfast:plugin/streams.blob": crate::capability::streams::Blob,
            "holdfast:plugin/streams.transfer": crate::capability::streams::Transfer,
            "holdfast:plugin/trees.tree": crate::capability::trees::OpenTree,
            "holdfast:plugin/process.child": crate::capability::process::RunningCommand,
            "holdfast:plugin/net.connection": crate::capability::net::Connection,
            "holdfast:plugin/crypto.key": crate::capability::crypto::Key,
            "holdfast:plugin/crypto.hasher": crate::capability::crypto::RunningHash,
            "holdfast:plugin/entries.draft": crate::capability::entries::DraftHandle,
            "holdfast:plugin/entries.listing": crate::capability::entries::Listing,
            "holdfast:plugin/entries.content": crate::capability::entries::ContentHandle,
        },
    });
}

/// The interfaces that all worlds share.
pub use source::holdfast::plugin as shared;

/// The world of encryptors.
pub mod encryptor {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::too_many_arguments,
        reason = "generated code"
    )]

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdfast:plugin/encryptor-plugin",
        imports: { default: trappable },
        with: {
            "holdfast:plugin/types": crate::contract::types,
            "holdfast:plugin/streams": super::shared::streams,
            "holdfast:plugin/config": super::shared::config,
            "holdfast:plugin/log": super::shared::log,
            "holdfast:plugin/progress": super::shared::progress,
            "holdfast:plugin/crypto": super::shared::crypto,
            "holdfast:plugin/clock": super::shared::clock,
            "holdfast:plugin/random": super::shared::random,
            "holdfast:plugin/process": super::shared::process,
            "holdfast:plugin/secrets": super::shared::secrets,
            "holdfast:plugin/state": super::shared::state,
        },
    });
}

/// The world of verifiers.
pub mod verifier {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::too_many_arguments,
        reason = "generated code"
    )]

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdfast:plugin/verifier-plugin",
        imports: { default: trappable },
        with: {
            "holdfast:plugin/types": crate::contract::types,
            "holdfast:plugin/streams": super::shared::streams,
            "holdfast:plugin/config": super::shared::config,
            "holdfast:plugin/log": super::shared::log,
            "holdfast:plugin/progress": super::shared::progress,
            "holdfast:plugin/crypto": super::shared::crypto,
            "holdfast:plugin/clock": super::shared::clock,
            "holdfast:plugin/random": super::shared::random,
            "holdfast:plugin/trees": super::shared::trees,
            "holdfast:plugin/process": super::shared::process,
            "holdfast:plugin/net": super::shared::net,
            "holdfast:plugin/http": super::shared::http,
            "holdfast:plugin/secrets": super::shared::secrets,
            "holdfast:plugin/state": super::shared::state,
            "holdfast:plugin/entries": super::shared::entries,
        },
    });
}

/// The world of notifiers.
pub mod notifier {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::too_many_arguments,
        reason = "generated code"
    )]

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdfast:plugin/notifier-plugin",
        imports: { default: trappable },
        with: {
            "holdfast:plugin/types": crate::contract::types,
            "holdfast:plugin/streams": super::shared::streams,
            "holdfast:plugin/config": super::shared::config,
            "holdfast:plugin/log": super::shared::log,
            "holdfast:plugin/progress": super::shared::progress,
            "holdfast:plugin/crypto": super::shared::crypto,
            "holdfast:plugin/clock": super::shared::clock,
            "holdfast:plugin/random": super::shared::random,
            "holdfast:plugin/process": super::shared::process,
            "holdfast:plugin/net": super::shared::net,
            "holdfast:plugin/http": super::shared::http,
            "holdfast:plugin/secrets": super::shared::secrets,
            "holdfast:plugin/state": super::shared::state,
        },
    });
}
