//! `history`.

use crate::args::Global;
use crate::environment::find_places;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_jobs::history::read_runs;

pub(super) fn show_history(
    global: &Global,
    job: Option<&str>,
    last: usize,
    view: &View,
) -> Result<Outcome, Failure> {
    let mut runs = read_runs(&find_places(global))?;
    runs.retain(|run| job.is_none_or(|job| run.job == job));
    if runs.is_empty() {
        let whose = job
            .map(|job| format!(" of job `{job}`"))
            .unwrap_or_default();
        view.note(&format!("no run{whose} is in the history of this machine"));
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
