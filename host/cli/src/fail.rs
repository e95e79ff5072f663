//! Turns errors into words: what happened, why, and what to do next.

use crate::exit::code;
use crate::view::View;
use holdfast_base::error::Describe;
use holdfast_jobs::JobError;
use std::error::Error;
use std::process::ExitCode;

/// Tells an error and returns its exit code.
pub(crate) fn tell(error: &JobError, view: &View) -> ExitCode {
    let code = code(error.kind());
    let causes = causes(error);
    let hints: Vec<String> = error.hints().into_iter().map(|hint| hint.0).collect();
    view.failure(&error.to_string(), &causes, &hints, code);
    ExitCode::from(code)
}

/// Returns what caused an error, without saying anything twice.
pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
    let mut told = error.to_string();
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !told.contains(&text) {
            causes.push(text.clone());
        }
        told = text;
        source = error.source();
    }
    causes
}
