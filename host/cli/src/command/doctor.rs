//! `doctor` and `config check`: would it work now?

use crate::advice;
use crate::exit::Outcome;
use crate::fail::{Failure, list_hints};
use crate::view::View;
use holdfast_base::error::{Describe, Kind, join_causes, list_causes};
use holdfast_jobs::JobError;
use holdfast_jobs::context::Context;
use holdfast_jobs::doctor::{self, JobState};
use holdfast_jobs::model::{Finding, Severity};

/// Checks all of the configuration, without opening a repository.
pub(super) fn check_configuration(context: &Context, view: &View) -> Result<Outcome, Failure> {
    doctor::check_configuration(context)?;
    let config = &context.config;
    let json = serde_json::json!({
        "configuration": config.path(),
        "stores": config.stores().collect::<Vec<_>>(),
        "jobs": config.jobs().collect::<Vec<_>>(),
    });
    view.answer(&json, |view| {
        view.say(&format!("{} is sound", config.path().display()));
    });
    Ok(Outcome::Done)
}

/// What was asked, and what came of it.
struct Examination<'a> {
    view: &'a View,
    answers: Vec<serde_json::Value>,
    first: Option<Kind>,
}

/// What is known of something that works.
struct Fine {
    words: String,
    findings: Vec<Finding>,
}

impl From<String> for Fine {
    fn from(words: String) -> Self {
        Self {
            words,
            findings: Vec::new(),
        }
    }
}

impl Examination<'_> {
    fn show_result(&mut self, what: &str, name: &str, result: Result<Fine, JobError>) {
        let answer = match result {
            Ok(fine) => self.show_fine(what, name, &fine),
            Err(error) => self.show_failed(what, name, &error),
        };
        self.answers.push(answer);
    }

    fn show_fine(&mut self, what: &str, name: &str, fine: &Fine) -> serde_json::Value {
        let is_fine = !fine.findings.iter().any(|f| f.severity == Severity::Error);
        if is_fine {
            self.view
                .say(&format!("ok      {what} {name}: {}", fine.words));
        } else {
            self.first.get_or_insert(Kind::Usage);
            if !self.view.is_json() {
                let words = "a backup would fail now";
                self.view.line(&format!("failed  {what} {name}: {words}"));
            }
        }
        self.view
            .show_findings(&format!("        {name}"), &fine.findings);
        serde_json::json!({
            "what": what, "name": name, "ok": is_fine, "findings": super::findings_json(&fine.findings),
            "error": null, "causes": [], "hints": [],
        })
    }

    fn show_failed(&mut self, what: &str, name: &str, error: &JobError) -> serde_json::Value {
        self.first.get_or_insert(error.kind());
        let causes = list_causes(error);
        let hints = list_hints(error);
        if !self.view.is_json() {
            self.view.line(&format!("failed  {what} {name}: {error}"));
            for cause in &causes {
                self.view.line(&format!("          caused by: {cause}"));
            }
            for hint in &hints {
                self.view.line(&format!("          hint: {hint}"));
            }
        }
        serde_json::json!({
            "what": what, "name": name, "ok": false, "findings": [],
            "error": error.to_string(), "causes": causes, "hints": hints,
        })
    }
}

/// Asks everything that a run needs, and goes on after what would not work.
pub(super) fn examine_all(context: &Context, view: &View) -> Result<Outcome, Failure> {
    let mut examination = Examination {
        view,
        answers: Vec::new(),
        first: None,
    };
    view.say(&format!(
        "holdfast {} on {}, {}",
        env!("CARGO_PKG_VERSION"),
        context.places.host,
        context.config.path().display()
    ));
    for plugin in context.plugins.list_installed()? {
        let loaded = context.plugins.load_plugin(&plugin.name);
        let result = loaded
            .map(|_| plugin.version.clone().into())
            .map_err(JobError::from);
        examination.show_result("plugin", &plugin.name, result);
    }
    for store in context.config.stores() {
        examination.show_result("store", store, examine_store(context, store));
    }
    for job in context.config.jobs() {
        examination.show_result("job", job, examine_job(context, job));
    }
    if context.config.jobs().next().is_none() {
        view.warn("the configuration has no job: nothing is backed up");
    }
    if view.is_json() {
        view.line(&serde_json::Value::Array(examination.answers).to_string());
    }
    Ok(examination.first.map_or(Outcome::Done, Outcome::Failed))
}

/// Opens a store's repository with the key that runs use, and looks at its snapshots.
fn examine_store(context: &Context, store: &str) -> Result<Fine, JobError> {
    let state = doctor::check_store(context, store)?;
    let newest = match &state.newest {
        Some((job, started)) => format!("the newest of {job} at {started}"),
        None => "none yet".to_owned(),
    };
    let (place, role, count) = (state.place, state.role, state.snapshots);
    Ok(format!("{place}, opens with a {role} key; {count} snapshots, {newest}").into())
}

fn examine_job(context: &Context, job: &str) -> Result<Fine, JobError> {
    doctor::check_settings(context, job)?;
    Ok(Fine {
        words: "a backup would work now".to_owned(),
        findings: list_findings(doctor::check_job(context, job)?),
    })
}

/// Returns what would keep a job from its work, in one list.
pub(super) fn list_findings(state: JobState) -> Vec<Finding> {
    let tiers = state.tiers.into_iter().map(|(store, error)| Finding {
        severity: Severity::Warning,
        subject: format!("copy-to {store}"),
        message: join_causes(&error),
        hint: error.advice().first().map(advice::spell),
    });
    state.findings.into_iter().chain(tiers).collect()
}
