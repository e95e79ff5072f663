//! Contract 0.1.0.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::too_many_arguments,
    reason = "generated code"
)]

/// The world of sources, which imports everything there is.
pub mod source {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdfast:plugin/source-plugin",
        imports: { default: trappable },
        with: {
            "holdfast:plugin/streams.reader": crate::capability::streams::Reader,
            "holdfast:plugin/streams.writer": crate::capability::streams::Writer,
            "holdfast:plugin/streams.blob": crate::capability::streams::Blob,
            "holdfast:plugin/streams.transfer": crate::capability::streams::Transfer,
            "holdfast:plugin/trees.tree": crate::capability::trees::OpenTree,
            "holdfast:plugin/process.child": crate::capability::process::Running,
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
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdfast:plugin/encryptor-plugin",
        imports: { default: trappable },
        with: {
            "holdfast:plugin/types": super::shared::types,
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
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdfast:plugin/verifier-plugin",
        imports: { default: trappable },
        with: {
            "holdfast:plugin/types": super::shared::types,
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
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdfast:plugin/notifier-plugin",
        imports: { default: trappable },
        with: {
            "holdfast:plugin/types": super::shared::types,
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
