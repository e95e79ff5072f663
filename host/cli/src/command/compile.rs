//! The child that compiles a component: it reads one and writes what became of it.

use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "the parent reads it")]
pub(crate) fn compile_in_child() -> ExitCode {
    match holdfast_jobs::plugins::compile_child(std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
