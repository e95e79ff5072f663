//! How components become machine code. Whoever compiles and whoever runs must agree on it.

use crate::limits::STACK_BYTES_MAX;
use std::num::NonZeroUsize;
use wasmtime::{Config, Engine, OptLevel, WasmBacktraceDetails};

/// Makes an engine that compiles and runs alike everywhere.
pub(crate) fn make_engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32))
        .wasm_memory64(false)
        .max_wasm_stack(STACK_BYTES_MAX);
    Engine::new(&config)
}
