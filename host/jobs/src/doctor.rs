//! Would it work now? Answered without making a backup.

use crate::context::Context;
use crate::copy::CopyPlan;
use crate::error::JobError;
use crate::keys::Credentials;
use crate::load::{load_plugin, load_source};
use crate::lock::find_usual_lock;
use crate::open::{load_sealer, open_repository};
use crate::permit;
use crate::secrets::JobSecrets;
use holdfast_base::time::Instant;
use holdfast_repository::keys::Role;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::plugin::{Finding, Severity};
use std::sync::Arc;

/// A store's repository, seen with the key that runs use.
#[derive(Debug)]
pub struct StoreState {
    /// The place of its objects.
    pub place: String,
    /// The role of the key.
    pub role: Role,
    /// How many snapshots it holds.
    pub snapshots: usize,
    /// The newest of them: its job and when it began.
    pub newest: Option<(String, Instant)>,
}

/// What would keep a job from its work now.
#[derive(Debug)]
pub struct JobState {
    /// What its source found.
    pub findings: Vec<Finding>,
    /// Other stores that could not be copied to. A backup can be made all the same.
    pub tiers: Vec<(String, JobError)>,
}

/// Checks all of the configuration, without opening a repository.
///
/// # Errors
/// Names the first thing that does not fit.
pub fn check_configuration(context: &Context) -> Result<(), JobError> {
    for store in context.config.stores() {
        load_sealer(context, store)?;
    }
    for job in context.config.jobs() {
        check_settings(context, job)?;
    }
    Ok(())
}

/// Checks a job's settings against its source and its verifiers, which must be installed.
///
/// # Errors
/// Names what does not fit, with its place.
pub fn check_settings(context: &Context, job: &str) -> Result<(), JobError> {
    let config = context.config.job(job)?;
    context.config.store_of(job)?;
    let sources = [(&config.source, PluginKind::Source)];
    // A verifier that only `--with` names has settings too.
    let verifiers = config.verify.iter().chain(config.verify_with.keys());
    let verifiers = verifiers.map(|name| (name, PluginKind::Verifier));
    for (name, kind) in sources.into_iter().chain(verifiers) {
        let loaded = load_plugin(context, name, kind)?;
        match kind {
            PluginKind::Verifier => permit::permit_verifier(&context.config, job, &loaded)?,
            _ => permit::permit_source(&context.config, job, &loaded)?,
        };
    }
    Ok(())
}

/// Asks a job's source whether a backup would work now, and its other stores whether copies would.
///
/// # Errors
/// The source failed to answer.
pub fn check_job(context: &Context, job: &str) -> Result<JobState, JobError> {
    let source = load_source(context, job)?;
    let environment = Arc::clone(&context.environment);
    let secrets = JobSecrets::new(&context.config, &context.config.job(job)?.with, environment);
    let missing = secrets.find_missing().into_iter();
    let missing = missing.map(|(setting, error)| Finding {
        severity: Severity::Error,
        subject: setting,
        message: error.to_string(),
        hint: None,
    });
    let found = source.plugin.source()?.check(&source.call)?;
    let stores = context.config.stores_of(job).unwrap_or_default();
    let others = stores.into_iter().skip(1);
    let tiers = others.filter_map(|to| {
        let error = CopyPlan::for_tier(context, job, to).err()?;
        Some((to.to_owned(), error))
    });
    Ok(JobState {
        findings: missing.chain(found).collect(),
        tiers: tiers.collect(),
    })
}

/// Opens a store's repository with the key that runs use, and looks at its snapshots.
///
/// # Errors
/// A run could not open it, or a snapshot cannot be read.
pub fn check_store(context: &Context, store: &str) -> Result<StoreState, JobError> {
    let repository = open_repository(context, store, &Credentials::default())?;
    find_usual_lock(context, store, &repository)?;
    let (roots, failures) = repository.snapshots()?;
    if let Some(failure) = failures.into_iter().next() {
        return Err(failure.into());
    }
    let newest = roots.last();
    Ok(StoreState {
        place: repository.place(),
        role: repository.key().role,
        snapshots: roots.len(),
        newest: newest.map(|root| (root.job.clone(), root.started)),
    })
}
