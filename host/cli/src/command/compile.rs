//! The child that compiles a component: it reads one and writes what became of it.

use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "the parent reads it")]
pub(crate) fn run() -> ExitCode {
    match holdfast_sandbox::cache::compile_child(std::io::stdin().lock(), std::io::stdout().lock())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
