//! Flags in, words and exit codes out.

mod args;
mod command;
mod environment;
mod exit;
mod fail;
mod view;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == holdfast_jobs::places::COMPILE_ARGUMENT)
    {
        return command::compile::run();
    }
    let arguments = args::Arguments::parse();
    let view = view::View::new(&arguments.global);
    environment::prepare(&arguments.global);
    match command::run(arguments, &view) {
        Ok(outcome) => outcome.code(),
        Err(error) => fail::tell(&error, &view),
    }
}
