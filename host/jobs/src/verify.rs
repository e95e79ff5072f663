//! Judges a snapshot's content: the third rung of verification.

use crate::config::Settings;
use crate::error::JobError;
use crate::open::Context;
use crate::permit;
use crate::state::JobState;
use crate::tally::Tally;
use crate::wire::{Deaf, SnapshotContent};
use holdfast_repository::Repository;
use holdfast_repository::format::root::Root;
use holdfast_repository::read::Reader;
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::plugin::{CallContext, Finding};
use holdfast_sandbox::ports::ContentPort;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Lets a verifier judge a snapshot.
///
/// # Errors
/// The verifier failed, or is not installed. What it finds is no error: it is returned.
pub fn verify(
    context: &Context,
    repository: &Arc<Repository>,
    root: &Root,
    verifier: &str,
    tally: &Arc<Tally>,
) -> Result<Vec<Finding>, JobError> {
    let nothing = Settings::default();
    let job = context.config.job(&root.job).ok();
    let by_hand = toml::Spanned::new(0..0, verifier.to_owned());
    let given = job.and_then(|job| job.verify_with.get(&by_hand));
    let given = given.unwrap_or(&nothing);
    let owner = job.and_then(|job| job.verify.iter().find(|v| v.get_ref() == verifier));
    let (plugin, installed) = context.named(owner.unwrap_or(&by_hand), PluginKind::Verifier)?;
    let permit = permit::verifier(&context.config, &root.job, (&plugin, &installed))?;
    let call = Arc::new(CallContext {
        job: root.job.clone(),
        effective: permit.effective,
        settings: serde_json::Value::Object(permit.settings),
        secrets: Arc::new(context.secrets(given)),
        state: Arc::new(JobState::open(Path::new("/nonexistent"))?),
        listener: Arc::new(Deaf),
        cancel: context.cancel.clone(),
        limits: CallLimits::default(),
    });
    let content: Arc<dyn ContentPort> = Arc::new(SnapshotContent {
        reader: Arc::new(Reader::new(Arc::clone(repository))?),
        root: root.clone(),
        only: Vec::new(),
        cancel: context.cancel.clone(),
        tally: Arc::clone(tally),
        troubles: Mutex::default(),
    });
    Ok(plugin.verify(&call, &content)?)
}
