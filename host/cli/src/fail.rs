//! Turns errors into words: what happened, why, and what to do next.

use crate::exit::code;
use crate::view::View;
use holdfast_base::error::list_causes;
use holdfast_base::error::{Describe, Kind};
use holdfast_jobs::JobError;
use std::io::Write;
use std::process::ExitCode;

/// Tells an error and returns its exit code.
pub(crate) fn tell(error: &JobError, view: &View) -> ExitCode {
    let code = code(error.kind());
    let causes = list_causes(error);
    let hints = hints(error);
    view.failure(&error.to_string(), &causes, &hints, code);
    ExitCode::from(code)
}

/// Returns what to do next.
pub(crate) fn hints(error: &JobError) -> Vec<String> {
    let own: Vec<String> = error
        .advice()
        .into_iter()
        .map(|advice| crate::advice::spell(&advice))
        .collect();
    let rights = "Run holdfast as a user that may do this, or let this user do it";
    let mut told = list_causes(error);
    told.push(error.to_string());
    let is_refused = told
        .iter()
        .any(|text| text.contains("Permission denied (os error 13)"));
    if own.is_empty() && is_refused {
        return vec![rights.to_owned()];
    }
    own
}

/// Tells what is wrong with the command line, or gives the help that was asked for.
pub(crate) fn misused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let wants_json = std::env::args_os().any(|word| word == "--json");
    if error.use_stderr() && wants_json {
        let mut parts = text.trim().split("\n\n").map(str::trim);
        let message = parts.next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        let hints: Vec<String> = parts.map(str::to_owned).collect();
        let usage = crate::exit::code(Kind::Usage);
        let json = crate::view::failure(message, &[], &hints, usage);
        let _ = writeln!(std::io::stdout().lock(), "{json}");
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
