//! Loads the plugins that a job or a store names, with what they may do there.

use crate::config::Settings;
use crate::context::Context;
use crate::error::JobError;
use crate::permit::{self, Permit};
use crate::plugins::{LoadedPlugin, PluginError};
use crate::secrets::JobSecrets;
use crate::state::JobState;
use crate::wire::NullListener;
use holdfast_repository::format::root::SourceNote;
use holdfast_sandbox::Plugin;
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::plugin::CallContext;
use std::sync::Arc;
use toml::Spanned;

/// A source that is ready to be called.
pub(crate) struct LoadedSource {
    pub(crate) plugin: Plugin,
    pub(crate) note: SourceNote,
    pub(crate) call: Arc<CallContext>,
    pub(crate) state: Arc<JobState>,
}

/// Loads a plugin that the configuration names, and that must be of that kind.
pub(crate) fn load_plugin(
    context: &Context,
    name: &Spanned<String>,
    kind: PluginKind,
) -> Result<LoadedPlugin, PluginError> {
    let place = || Some(context.config.place(name.span())).filter(|_| !name.span().is_empty());
    let loaded = context.plugins.load_plugin(name.get_ref());
    let loaded = loaded.map_err(|error| match error {
        PluginError::NotInstalled { name, near, .. } => PluginError::NotInstalled {
            place: place(),
            name,
            near,
        },
        other => other,
    })?;
    let installed = &loaded.installed;
    if installed.kinds.contains(&kind) {
        return Ok(loaded);
    }
    Err(PluginError::WrongKind {
        place: place(),
        name: installed.name.clone(),
        wanted: kind,
        kinds: installed.kinds.clone(),
    })
}

/// Returns what a plugin is called with in a job.
pub(crate) fn prepare_call(
    context: &Context,
    job: &str,
    permit: Permit,
    given: &Settings,
    state: &Arc<JobState>,
) -> Arc<CallContext> {
    let environment = Arc::clone(&context.environment);
    Arc::new(CallContext {
        job: job.to_owned(),
        settings: serde_json::Value::Object(permit.settings),
        effective: permit.effective,
        secrets: Arc::new(JobSecrets::new(&context.config, given, environment)),
        state: Arc::clone(state) as _,
        listener: Arc::new(NullListener),
        cancel: context.cancel.clone(),
        limits: CallLimits::default(),
    })
}

/// Loads a job's source with what it may do in this job.
pub(crate) fn load_source(context: &Context, job: &str) -> Result<LoadedSource, JobError> {
    let config = context.config.job(job)?;
    let loaded = load_plugin(context, &config.source, PluginKind::Source)?;
    let permit = permit::permit_source(&context.config, job, &loaded)?;
    let LoadedPlugin { plugin, installed } = loaded;
    let values = context.places.state.join(format!("{job}.values"));
    let state = Arc::new(JobState::read_from(&values)?);
    let granted = installed.grant.capabilities.iter();
    let note = SourceNote {
        grants: granted.map(|ask| ask.describe()).collect(),
        plugin: installed.name,
        version: installed.version,
        digest: installed.sha256,
    };
    let call = prepare_call(context, job, permit, &config.with, &state);
    Ok(LoadedSource {
        plugin,
        note,
        call,
        state,
    })
}
