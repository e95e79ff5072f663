//! What a plugin may do in a job: asked for by its manifest, granted at install, named by the job's
//! settings, narrowed by its tables.

use crate::config::{Config, ConfigError, Settings, Tables};
use crate::plugins::LoadedPlugin;
use holdfast_sandbox::grant::{Asker, Effective, PluginRole, effective};
use holdfast_sandbox::has_landlock;
use serde_json::{Map, Value};
use toml::Spanned;

/// A plugin's settings in a job, and what it may do there.
pub(crate) struct Permit {
    pub(crate) settings: Map<String, Value>,
    pub(crate) effective: Effective,
}

/// Returns what the source of a job may do.
pub(crate) fn permit_source(
    config: &Config,
    job: &str,
    loaded: &LoadedPlugin,
) -> Result<Permit, ConfigError> {
    let own = config.job(job)?;
    let tables = Tables {
        by: Asker {
            plugin: &loaded.installed.name,
            job,
        },
        role: PluginRole::Source,
        allow: own.allow.as_ref(),
        commands: Some(&own.command),
    };
    permit_plugin(config, &own.source, &own.with, &tables, loaded)
}

/// Returns what a verifier may do, in a job that need not be configured any more.
pub(crate) fn permit_verifier(
    config: &Config,
    job: &str,
    loaded: &LoadedPlugin,
) -> Result<Permit, ConfigError> {
    let name = &loaded.installed.name;
    let own = config.job(job).ok();
    let by_hand = Spanned::new(0..0, name.clone());
    let owner = own.and_then(|job| job.verify.iter().find(|v| v.get_ref() == name));
    let nothing = Settings::default();
    let with = own.and_then(|job| find_table(&job.verify_with, name));
    let tables = Tables {
        by: Asker { plugin: name, job },
        role: PluginRole::Verifier,
        allow: own.and_then(|job| find_table(&job.verify_allow, name)),
        commands: own.and_then(|job| find_table(&job.verify_command, name)),
    };
    let (owner, with) = (owner.unwrap_or(&by_hand), with.unwrap_or(&nothing));
    permit_plugin(config, owner, with, &tables, loaded)
}

fn find_table<'a, T>(
    tables: &'a std::collections::BTreeMap<Spanned<String>, T>,
    name: &str,
) -> Option<&'a T> {
    let mut found = tables.iter().filter(|(key, _)| key.get_ref() == name);
    found.next().map(|(_, table)| table)
}

fn permit_plugin(
    config: &Config,
    owner: &Spanned<String>,
    with: &Settings,
    tables: &Tables<'_>,
    loaded: &LoadedPlugin,
) -> Result<Permit, ConfigError> {
    let manifest = &loaded.plugin.inspection().manifest;
    let settings = config.settings(owner, with, manifest)?;
    let granted = effective(manifest, &loaded.installed.grant, &settings);
    let effective = config.narrowed(tables, granted)?;
    let mut terms = effective.terms.0.values();
    if terms.any(|terms| terms.landlock.is_some()) && !has_landlock() {
        let job = tables.by.job;
        tracing::warn!(
            job,
            "this kernel has no Landlock: commands reach all that their user may, whatever the job allows to `read` and `write`"
        );
    }
    Ok(Permit {
        settings,
        effective,
    })
}
