//! The types that every interface of the contract uses. A leaf: capabilities use them before any
//! world is generated, so that worlds can refer to the handles that capabilities define.

mod generated {
    #![allow(missing_docs, unreachable_pub, reason = "generated code")]

    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package holdfast:shared; world types-only { import holdfast:plugin/types@0.1.0; }",
        world: "holdfast:shared/types-only",
        imports: { default: trappable },
    });
}

pub use generated::holdfast::plugin::types;
pub use types::{Attributes, Failure, FailureKind, Finding, Severity};
