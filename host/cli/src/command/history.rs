//! `history`.

use crate::args::Global;
use crate::environment::places;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_jobs::{JobError, history};

pub(crate) fn run(
    global: &Global,
    job: Option<&str>,
    last: usize,
    view: &View,
) -> Result<Outcome, JobError> {
    let mut runs = history::read(&places(global)?)?;
    runs.retain(|run| job.is_none_or(|job| run.job == job));
    if runs.is_empty() {
        let of = job
            .map(|job| format!(" of job `{job}`"))
            .unwrap_or_default();
        view.note(&format!("no run{of} is in the history of this machine"));
    }
    let runs = &runs[runs.len().saturating_sub(last)..];
    for run in runs {
        let mut json = serde_json::to_value(run).unwrap_or_default();
        if let Some(map) = json.as_object_mut() {
            map.insert("started".into(), run.started.to_string().into());
            map.insert("finished".into(), run.finished.to_string().into());
        }
        view.answer(&json, |view| {
            let what = run
                .error
                .as_deref()
                .or(run.snapshot.as_deref().map(|id| &id[..8.min(id.len())]));
            view.line(&format!(
                "{}  {:8}  {}  {}  {}",
                run.started,
                run.outcome,
                run.action,
                run.job,
                what.unwrap_or("")
            ));
        });
    }
    Ok(Outcome::Done)
}
