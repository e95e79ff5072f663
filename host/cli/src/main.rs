//! Flags in, words and exit codes out.

mod advice;
mod args;
mod command;
mod environment;
mod exit;
mod fail;
mod passphrase;
mod progress;
mod view;

use clap::Parser;
use holdfast_jobs::JobError;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == holdfast_jobs::places::COMPILE_ARGUMENT)
    {
        return command::compile::run();
    }
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return fail::misused(&error),
    };
    let view = view::View::new(&arguments.global);
    environment::prepare(&arguments.global);
    let code = match command::run(arguments, &view) {
        Ok(outcome) => outcome.code(),
        Err(error) => fail::tell(&environment::blame_signals(error), &view),
    };
    match view.close() {
        None => code,
        Some(error) => fail::tell(&JobError::io("write to standard output")(error), &view),
    }
}
