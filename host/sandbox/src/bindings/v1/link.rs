//! Links what a component imports.

use super::fast::link_fast;
use super::shared;
use crate::bindings::wasi::link_wasi;
use crate::capability::Guest;
use crate::component::{CONTRACT, Inspection, PACKAGE};
use crate::contract::types;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

/// Links what the component imports, and an empty WASI if it imports that.
pub(crate) fn make_linker(
    engine: &Engine,
    inspection: &Inspection,
) -> wasmtime::Result<Linker<Guest>> {
    type Own = HasSelf<Guest>;
    let mut linker = Linker::new(engine);
    let to = &mut linker;
    for interface in &inspection.imports {
        match interface.as_str() {
            "types" => types::add_to_linker::<_, Own>(to, |guest| guest)?,
            "streams" => {
                shared::streams::add_to_linker::<_, Own>(to, |guest| guest)?;
                link_fast(to, &format!("{PACKAGE}streams@{CONTRACT}"))?;
            }
            "config" => shared::config::add_to_linker::<_, Own>(to, |guest| guest)?,
            "log" => shared::log::add_to_linker::<_, Own>(to, |guest| guest)?,
            "progress" => shared::progress::add_to_linker::<_, Own>(to, |guest| guest)?,
            "crypto" => shared::crypto::add_to_linker::<_, Own>(to, |guest| guest)?,
            "clock" => shared::clock::add_to_linker::<_, Own>(to, |guest| guest)?,
            "random" => shared::random::add_to_linker::<_, Own>(to, |guest| guest)?,
            "trees" => shared::trees::add_to_linker::<_, Own>(to, |guest| guest)?,
            "process" => shared::process::add_to_linker::<_, Own>(to, |guest| guest)?,
            "net" => shared::net::add_to_linker::<_, Own>(to, |guest| guest)?,
            "http" => shared::http::add_to_linker::<_, Own>(to, |guest| guest)?,
            "secrets" => shared::secrets::add_to_linker::<_, Own>(to, |guest| guest)?,
            "state" => shared::state::add_to_linker::<_, Own>(to, |guest| guest)?,
            "entries" => shared::entries::add_to_linker::<_, Own>(to, |guest| guest)?,
            // Not of this contract: instantiating names it.
            _ => {}
        }
    }
    if !inspection.wasi.is_empty() {
        link_wasi(to)?;
    }
    Ok(linker)
}
