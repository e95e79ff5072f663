//! `doctor` and `config check`: would it work now?

use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::error::list_causes;
use holdfast_base::error::{Describe, Kind};
use holdfast_jobs::JobError;
use holdfast_jobs::open::{Context, Credentials};
use holdfast_sandbox::plugin::{Finding, Severity};

/// Checks all of the configuration, without opening a repository.
pub(crate) fn config(context: &Context, view: &View) -> Result<Outcome, JobError> {
    for store in context.config.stores() {
        context.sealer(store)?;
    }
    for job in context.config.jobs() {
        context.check_settings(job)?;
    }
    let json = serde_json::json!({
        "configuration": context.config.path(),
        "stores": context.config.stores().collect::<Vec<_>>(),
        "jobs": context.config.jobs().collect::<Vec<_>>(),
    });
    view.answer(&json, |view| {
        view.say(&format!("{} is sound", context.config.path().display()));
    });
    Ok(Outcome::Done)
}

/// What was asked, and what came of it.
struct Rounds<'a> {
    view: &'a View,
    answers: Vec<serde_json::Value>,
    first: Option<Kind>,
}

/// What something that works has to say.
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

impl Rounds<'_> {
    fn tell(&mut self, what: &str, name: &str, result: Result<Fine, JobError>) {
        let answer = match result {
            Ok(fine) => self.fine(what, name, &fine),
            Err(error) => self.failed(what, name, &error),
        };
        self.answers.push(answer);
    }

    fn fine(&mut self, what: &str, name: &str, fine: &Fine) -> serde_json::Value {
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
            .findings(&format!("        {name}"), &fine.findings);
        serde_json::json!({
            "what": what, "name": name, "ok": is_fine, "findings": super::findings(&fine.findings),
            "error": null, "causes": [], "hints": [],
        })
    }

    fn failed(&mut self, what: &str, name: &str, error: &JobError) -> serde_json::Value {
        self.first.get_or_insert(error.kind());
        let causes = list_causes(error);
        let hints = crate::fail::hints(error);
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
pub(crate) fn doctor(context: &Context, view: &View) -> Result<Outcome, JobError> {
    let mut rounds = Rounds {
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
    for plugin in context.plugins.installed()? {
        let loaded = context.plugins.load(&plugin.name);
        let result = loaded.map(|_| plugin.version.clone().into());
        rounds.tell("plugin", &plugin.name, result);
    }
    for store in context.config.stores() {
        rounds.tell("store", store, check_store(context, store));
    }
    for job in context.config.jobs() {
        rounds.tell("job", job, check_job(context, job));
    }
    if context.config.jobs().next().is_none() {
        view.warn("the configuration has no job: nothing is backed up");
    }
    if view.is_json() {
        view.line(&serde_json::Value::Array(rounds.answers).to_string());
    }
    Ok(rounds.first.map_or(Outcome::Done, Outcome::Failed))
}

/// Opens a store's repository with the key that runs use, and looks at its snapshots.
fn check_store(context: &Context, store: &str) -> Result<Fine, JobError> {
    let repository = context.open(store, &Credentials::default())?;
    context.usual_lock(store, &repository)?;
    let (roots, failures) = repository.snapshots()?;
    if let Some(failure) = failures.into_iter().next() {
        return Err(failure.into());
    }
    let newest = match roots.last() {
        Some(root) => format!("the newest of {} at {}", root.job, root.started),
        None => "none yet".to_owned(),
    };
    let role = repository.key().role;
    let count = roots.len();
    let words = format!(
        "{}, opens with a {role} key; {count} snapshots, {newest}",
        repository.place()
    );
    Ok(words.into())
}

fn check_job(context: &Context, job: &str) -> Result<Fine, JobError> {
    context.check_settings(job)?;
    let findings = context.check_job(job)?;
    Ok(Fine {
        words: "a backup would work now".to_owned(),
        findings,
    })
}
