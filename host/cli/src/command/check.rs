//! `check`, `verify`, `doctor` and `config check`.

use crate::args::Keys;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::size::ByteSize;
use holdfast_jobs::JobError;
use holdfast_jobs::open::{Context, Credentials};
use holdfast_jobs::{select, verify as judge};
use holdfast_repository::check::{Depth, check};
use std::sync::atomic::AtomicU64;

pub(crate) fn run(
    context: &Context,
    keys: &Keys,
    data: bool,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, None)?;
    let depth = if data { Depth::Data } else { Depth::Structure };
    let report = check(&repository, depth, &context.cancel, &AtomicU64::new(0))?;
    let damage: Vec<_> = report
        .damage
        .iter()
        .map(|(object, what)| serde_json::json!({"object": object, "what": what}))
        .collect();
    let json = serde_json::json!({
        "snapshots": report.snapshots, "packs": report.packs, "bytes-read": report.bytes,
        "unlisted-packs": report.unlisted_packs, "damage": damage, "unseen": report.unseen,
    });
    view.answer(&json, |view| {
        let read = if data {
            format!("; {} read", ByteSize(report.bytes))
        } else {
            String::new()
        };
        view.say(&format!(
            "{} snapshots, {} packs{read}",
            report.snapshots, report.packs
        ));
        if report.unlisted_packs > 0 {
            view.say(&format!(
                "{} packs are listed nowhere: interrupted runs left them, and they do no harm",
                report.unlisted_packs
            ));
        }
        for unseen in &report.unseen {
            view.warn(unseen);
        }
        for (object, what) in &report.damage {
            view.line(&format!("damaged: {object}: {what}"));
        }
        if report.damage.is_empty() {
            view.say("no damage found");
        }
    });
    Ok(if report.damage.is_empty() {
        Outcome::Done
    } else {
        Outcome::Damage
    })
}

pub(crate) fn verify(
    context: &Context,
    snapshot: &str,
    with: &[String],
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, Some(snapshot))?;
    let root = select::snapshot(&repository, snapshot)?;
    let configured = context
        .config
        .job(&root.job)
        .map(|job| job.verify.as_slice())
        .unwrap_or_default();
    let verifiers: Vec<String> = if with.is_empty() {
        configured.iter().map(|v| v.get_ref().clone()).collect()
    } else {
        with.to_vec()
    };
    if verifiers.is_empty() {
        let hint = "Add to the job: verify = [\"archive-check\"], or name one with --with PLUGIN";
        return Err(JobError::usage(
            format!("job `{}` names no verifier", root.job),
            Some(hint),
        ));
    }
    let mut outcome = Outcome::Done;
    let mut all = Vec::new();
    for verifier in verifiers {
        let findings = judge::verify(context, &repository, &root, &verifier)?;
        all.extend(findings.iter().map(|finding| {
            serde_json::json!({"verifier": verifier, "subject": finding.subject, "message": finding.message})
        }));
        if view.findings(&verifier, &findings) {
            outcome = Outcome::Damage;
        } else {
            view.say(&format!(
                "{verifier}: {}@{} is sound",
                root.job,
                root.snapshot.short()
            ));
        }
    }
    view.answer(&serde_json::Value::Array(all), |_| {});
    Ok(outcome)
}

pub(crate) fn config(context: &Context, view: &View) -> Result<Outcome, JobError> {
    for job in context.config.jobs() {
        let config = context.config.job(job)?;
        context.config.store_of(job)?;
        let (plugin, _) = context.plugins.load(config.source.get_ref())?;
        context
            .config
            .settings(&config.source, &config.with, &plugin.inspection().manifest)?;
    }
    view.say(&format!("{} is sound", context.config.path().display()));
    Ok(Outcome::Done)
}

pub(crate) fn doctor(context: &Context, view: &View) -> Result<Outcome, JobError> {
    let mut first = None;
    let mut tell = |subject: String, result: Result<String, JobError>| match result {
        Ok(text) => view.say(&format!("ok      {subject}: {text}")),
        Err(error) => {
            view.line(&format!("failed  {subject}"));
            crate::fail::tell(&error, view);
            first.get_or_insert(error);
        }
    };
    for plugin in context.plugins.installed()? {
        let result = context
            .plugins
            .load(&plugin.name)
            .map(|_| plugin.version.clone());
        tell(format!("plugin {}", plugin.name), result);
    }
    for store in context.config.stores() {
        let opened = context.open(store, &Credentials::default());
        let result = opened.map(|repository| {
            format!(
                "{} with a {} key",
                repository.place(),
                repository.key().role
            )
        });
        tell(format!("store {store}"), result);
    }
    for job in context.config.jobs() {
        let result = context.check_job(job).and_then(|findings| {
            if view.findings(job, &findings) {
                return Err(JobError::usage(
                    format!("a backup of `{job}` would fail now"),
                    None,
                ));
            }
            Ok("a backup would work now".to_owned())
        });
        tell(format!("job {job}"), result);
    }
    first.map_or(Ok(Outcome::Done), Err)
}
