//! Compiling happens in a child with limits of its own, and what it refuses is said.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::source;
use holdfast_sandbox::cache::{Compiler, compile_child};
use holdfast_sandbox::component::digest;
use holdfast_sandbox::{Sandbox, SandboxConfig};

const ARGUMENT: &str = "--compile-child";

fn main() {
    if std::env::args().any(|argument| argument == ARGUMENT) {
        return compile_child(std::io::stdin(), std::io::stdout()).unwrap();
    }
    let compiler = |argument: &str| Compiler::Child {
        program: std::env::current_exe().unwrap(),
        argument: argument.to_owned(),
    };
    let directory = tempfile::tempdir().unwrap();
    let load = |compiler| {
        let cache = Some(directory.path().join("cache"));
        let sandbox = Sandbox::new(SandboxConfig {
            cache,
            compiler,
            spell: |advice| format!("{advice:?}"),
        })
        .unwrap();
        let bytes = source("", "");
        sandbox.load("guest", &bytes, &digest(&bytes)).map(drop)
    };
    // A child that does something else is no compiler.
    let broken = Compiler::Child {
        program: "/bin/false".into(),
        argument: String::new(),
    };
    let error = load(broken.clone()).unwrap_err();
    assert_eq!(error.to_string(), "plugin `guest` cannot be compiled");
    load(compiler(ARGUMENT)).unwrap();
    // The second time it is not compiled at all.
    load(broken).unwrap();
}
