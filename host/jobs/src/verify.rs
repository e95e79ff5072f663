//! Judges a snapshot's content by its verifiers: the third rung of verification.

use crate::config::Settings;
use crate::context::Context;
use crate::error::JobError;
use crate::error::run::RunError;
use crate::load::{load_plugin, prepare_call};
use crate::open::Access;
use crate::permit::permit_verifier;
use crate::select::find_snapshot;
use crate::state::JobState;
use crate::tally::Tally;
use crate::wire::SnapshotContent;
use holdfast_repository::Repository;
use holdfast_repository::format::root::Root;
use holdfast_repository::read::Reader;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::plugin::Finding;
use holdfast_sandbox::ports::ContentPort;
use std::sync::{Arc, Mutex};
use toml::Spanned;

/// A snapshot that is to be judged, and by whom.
pub struct Verification {
    repository: Arc<Repository>,
    /// The snapshot.
    pub root: Root,
    /// The plugins that judge it.
    pub verifiers: Vec<String>,
}

/// Finds a snapshot, and the verifiers that are named or that its job has.
///
/// # Errors
/// There is no such snapshot, or no verifier.
pub fn plan_verification(
    context: &Context,
    access: &Access,
    snapshot: &str,
    named: &[String],
) -> Result<Verification, JobError> {
    let repository = access.open(context)?;
    let root = find_snapshot(&repository, snapshot)?;
    let job = context.config.job(&root.job);
    let configured = job.map(|job| job.verify.as_slice()).unwrap_or_default();
    let verifiers: Vec<String> = match named {
        [] => configured.iter().map(|v| v.get_ref().clone()).collect(),
        named => named.to_vec(),
    };
    if verifiers.is_empty() {
        return Err(RunError::NoVerifier { job: root.job }.into());
    }
    Ok(Verification {
        repository,
        root,
        verifiers,
    })
}

impl Verification {
    /// Lets one verifier judge the snapshot.
    ///
    /// # Errors
    /// The verifier failed, or is not installed. What it finds is no error: it is returned.
    pub fn judge_content(
        &self,
        context: &Context,
        verifier: &str,
        tally: &Arc<Tally>,
    ) -> Result<Vec<Finding>, JobError> {
        let root = &self.root;
        let nothing = Settings::default();
        let job = context.config.job(&root.job).ok();
        let by_hand = Spanned::new(0..0, verifier.to_owned());
        let given = job.and_then(|job| job.verify_with.get(&by_hand));
        let given = given.unwrap_or(&nothing);
        let owner = job.and_then(|job| job.verify.iter().find(|v| v.get_ref() == verifier));
        let owner = owner.unwrap_or(&by_hand);
        let loaded = load_plugin(context, owner, PluginKind::Verifier)?;
        let permit = permit_verifier(&context.config, &root.job, &loaded)?;
        let state = Arc::new(JobState::unsaved());
        let call = prepare_call(context, &root.job, permit, given, &state);
        let content: Arc<dyn ContentPort> = Arc::new(SnapshotContent {
            reader: Arc::new(Reader::new(Arc::clone(&self.repository))?),
            root: root.clone(),
            only: Vec::new(),
            cancel: context.cancel.clone(),
            tally: Arc::clone(tally),
            troubles: Mutex::default(),
        });
        Ok(loaded.plugin.verify(&call, &content)?)
    }
}
