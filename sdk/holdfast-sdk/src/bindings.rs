//! The generated types of the contract, in a guest.
//!
//! Native builds do not have them: there, `crate::testing` stands in for the host.

#![allow(missing_docs, unsafe_code, clippy::all, reason = "generated code")]

pub mod source {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "holdfast:plugin/source-plugin",
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "holdfast_sdk::bindings::source",
        additional_derives: [PartialEq, Eq],
        additional_derives_ignore: ["response"],
        with: { "holdfast:plugin/types@0.1.0": crate::types },
        generate_all,
    });
}

pub mod encryptor {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "holdfast:plugin/encryptor-plugin",
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "holdfast_sdk::bindings::encryptor",
        additional_derives: [PartialEq, Eq],
        with: {
            "holdfast:plugin/types@0.1.0": crate::types,
            "holdfast:plugin/streams@0.1.0": crate::bindings::source::holdfast::plugin::streams,
            "holdfast:plugin/config@0.1.0": crate::bindings::source::holdfast::plugin::config,
            "holdfast:plugin/log@0.1.0": crate::bindings::source::holdfast::plugin::log,
            "holdfast:plugin/progress@0.1.0": crate::bindings::source::holdfast::plugin::progress,
            "holdfast:plugin/crypto@0.1.0": crate::bindings::source::holdfast::plugin::crypto,
            "holdfast:plugin/clock@0.1.0": crate::bindings::source::holdfast::plugin::clock,
            "holdfast:plugin/random@0.1.0": crate::bindings::source::holdfast::plugin::random,
            "holdfast:plugin/process@0.1.0": crate::bindings::source::holdfast::plugin::process,
            "holdfast:plugin/secrets@0.1.0": crate::bindings::source::holdfast::plugin::secrets,
            "holdfast:plugin/state@0.1.0": crate::bindings::source::holdfast::plugin::state,
        },
    });
}

pub mod verifier {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "holdfast:plugin/verifier-plugin",
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "holdfast_sdk::bindings::verifier",
        additional_derives: [PartialEq, Eq],
        with: {
            "holdfast:plugin/types@0.1.0": crate::types,
            "holdfast:plugin/streams@0.1.0": crate::bindings::source::holdfast::plugin::streams,
            "holdfast:plugin/config@0.1.0": crate::bindings::source::holdfast::plugin::config,
            "holdfast:plugin/log@0.1.0": crate::bindings::source::holdfast::plugin::log,
            "holdfast:plugin/progress@0.1.0": crate::bindings::source::holdfast::plugin::progress,
            "holdfast:plugin/crypto@0.1.0": crate::bindings::source::holdfast::plugin::crypto,
            "holdfast:plugin/clock@0.1.0": crate::bindings::source::holdfast::plugin::clock,
            "holdfast:plugin/random@0.1.0": crate::bindings::source::holdfast::plugin::random,
            "holdfast:plugin/process@0.1.0": crate::bindings::source::holdfast::plugin::process,
            "holdfast:plugin/secrets@0.1.0": crate::bindings::source::holdfast::plugin::secrets,
            "holdfast:plugin/state@0.1.0": crate::bindings::source::holdfast::plugin::state,
            "holdfast:plugin/trees@0.1.0": crate::bindings::source::holdfast::plugin::trees,
            "holdfast:plugin/net@0.1.0": crate::bindings::source::holdfast::plugin::net,
            "holdfast:plugin/http@0.1.0": crate::bindings::source::holdfast::plugin::http,
            "holdfast:plugin/entries@0.1.0": crate::bindings::source::holdfast::plugin::entries,
        },
    });
}

pub mod notifier {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "holdfast:plugin/notifier-plugin",
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "holdfast_sdk::bindings::notifier",
        additional_derives: [PartialEq, Eq],
        with: {
            "holdfast:plugin/types@0.1.0": crate::types,
            "holdfast:plugin/streams@0.1.0": crate::bindings::source::holdfast::plugin::streams,
            "holdfast:plugin/config@0.1.0": crate::bindings::source::holdfast::plugin::config,
            "holdfast:plugin/log@0.1.0": crate::bindings::source::holdfast::plugin::log,
            "holdfast:plugin/progress@0.1.0": crate::bindings::source::holdfast::plugin::progress,
            "holdfast:plugin/crypto@0.1.0": crate::bindings::source::holdfast::plugin::crypto,
            "holdfast:plugin/clock@0.1.0": crate::bindings::source::holdfast::plugin::clock,
            "holdfast:plugin/random@0.1.0": crate::bindings::source::holdfast::plugin::random,
            "holdfast:plugin/process@0.1.0": crate::bindings::source::holdfast::plugin::process,
            "holdfast:plugin/secrets@0.1.0": crate::bindings::source::holdfast::plugin::secrets,
            "holdfast:plugin/state@0.1.0": crate::bindings::source::holdfast::plugin::state,
            "holdfast:plugin/net@0.1.0": crate::bindings::source::holdfast::plugin::net,
            "holdfast:plugin/http@0.1.0": crate::bindings::source::holdfast::plugin::http,
        },
    });
}
