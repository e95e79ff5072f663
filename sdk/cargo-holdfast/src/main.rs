//! Create, build, pack, check and test holdfast plugins.

mod build;
mod check;
mod failure;
mod new;
mod package;
mod test;
mod toolchain;

use clap::{Parser, Subcommand};
pub(crate) use failure::{Failure, Trying};
use std::path::PathBuf;
use std::process::ExitCode;

/// `cargo holdfast …` calls this program with `holdfast` as its first word.
#[derive(Parser)]
#[command(name = "cargo-holdfast", bin_name = "cargo holdfast", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a plugin from a template
    New(new::Arguments),
    /// Build the plugins of a workspace into components
    Build(build::Arguments),
    /// Put a manifest into a component that another toolchain made
    Pack(package::Arguments),
    /// Say what a component is and whether holdfast takes it, without running it
    Check {
        /// The component
        file: PathBuf,
    },
    /// Run a component against what a host expects of its kind
    Test(test::Arguments),
}

#[expect(clippy::print_stderr, reason = "a program says what went wrong")]
fn main() -> ExitCode {
    let words = std::env::args_os().enumerate();
    let words = words
        .filter(|(at, word)| *at != 1 || word != "holdfast")
        .map(|(_, word)| word);
    let done = match Arguments::parse_from(words).command {
        Command::New(arguments) => new::create_plugin(&arguments),
        Command::Build(arguments) => build::build_plugins(&arguments),
        Command::Pack(arguments) => package::pack_component(&arguments),
        Command::Check { file } => check::check_component(&file),
        Command::Test(arguments) => test::test_component(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}
