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
use fail::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == holdfast_jobs::places::COMPILE_ARGUMENT)
    {
        return command::compile::compile_in_child();
    }
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return fail::report_usage(&error),
    };
    let view = view::View::new(&arguments.global);
    environment::prepare_process(&arguments.global);
    let code = match command::run_command(arguments, &view) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => fail::report_failure(&environment::blame_signals(error), &view),
    };
    match view.close() {
        None => code,
        Some(error) => {
            let failure = Failure::system("write to standard output")(error);
            fail::report_failure(&failure, &view)
        }
    }
}
