//! `plugin`.

use crate::args::{Global, Plugin};
use crate::environment::places;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_jobs::JobError;
use holdfast_jobs::plugins::{Installed, Plugins};
use holdfast_sandbox::Inspection;
use holdfast_sandbox::grant::Grant;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

pub(crate) fn run(global: &Global, command: Plugin, view: &View) -> Result<Outcome, JobError> {
    let plugins = Plugins::open(&places(global)?, crate::advice::spell)?;
    match command {
        Plugin::Install {
            file,
            yes,
            allow_command,
        } => install(&plugins, &file, yes, allow_command, view),
        Plugin::Grant {
            name,
            yes,
            allow_command,
        } => grant(&plugins, &name, yes, allow_command, view),
        Plugin::List => {
            let installed = plugins.installed()?;
            if installed.is_empty() {
                view.note("no plugin is installed: holdfast plugin install FILE installs one");
            }
            for plugin in installed {
                let kinds = plugin
                    .kinds
                    .iter()
                    .map(|kind| kind.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                view.answer(&json(&plugin), |view| {
                    view.line(&format!(
                        "{:16}  {:8}  {kinds:10}  {}",
                        plugin.name,
                        plugin.version,
                        &plugin.sha256[..16]
                    ));
                });
            }
            Ok(Outcome::Done)
        }
        Plugin::Show { plugin } => {
            let inspection = if Path::new(&plugin).is_file() {
                plugins.inspect(Path::new(&plugin))?.0
            } else {
                plugins.inspect_installed(&plugin)?
            };
            let json = serde_json::to_value(&inspection.manifest).unwrap_or_default();
            view.answer(&json, |view| describe(&inspection, view));
            Ok(Outcome::Done)
        }
        Plugin::Remove { name } => {
            plugins.remove(&name)?;
            view.answer(&serde_json::json!({"removed": name}), |view| {
                view.say(&format!("Removed {name}"));
            });
            Ok(Outcome::Done)
        }
    }
}

/// Returns an installed plugin as scripts read it.
fn json(plugin: &Installed) -> serde_json::Value {
    serde_json::json!({
        "name": plugin.name, "version": plugin.version, "kinds": plugin.kinds, "sha256": plugin.sha256,
    })
}

fn install(
    plugins: &Plugins,
    file: &Path,
    yes: bool,
    only_commands: Vec<String>,
    view: &View,
) -> Result<Outcome, JobError> {
    let (inspection, bytes) = plugins.inspect(file)?;
    let grant = granted(
        &inspection,
        (yes, "nothing was installed"),
        only_commands,
        view,
    )?;
    let installed = plugins.install(&inspection, &bytes, grant)?;
    view.answer(&json(&installed), |view| {
        view.say(&format!(
            "Installed {} {} (sha256 {})",
            installed.name,
            installed.version,
            &installed.sha256[..16]
        ));
    });
    Ok(Outcome::Done)
}

fn grant(
    plugins: &Plugins,
    name: &str,
    yes: bool,
    only_commands: Vec<String>,
    view: &View,
) -> Result<Outcome, JobError> {
    let inspection = plugins.inspect_installed(name)?;
    let grant = granted(
        &inspection,
        (yes, "nothing was granted"),
        only_commands,
        view,
    )?;
    let installed = plugins.grant(name, grant)?;
    view.answer(&json(&installed), |view| {
        view.say(&format!("Granted {name} what it asks for"));
    });
    Ok(Outcome::Done)
}

/// Asks for a yes to everything that a plugin asks for, unless it was given.
fn granted(
    inspection: &Inspection,
    (yes, without): (bool, &str),
    only_commands: Vec<String>,
    view: &View,
) -> Result<Grant, JobError> {
    if !yes {
        if !view.is_json() {
            describe(inspection, view);
        }
        if !inspection.manifest.capabilities.is_empty() && !ask()? {
            return Err(JobError::usage(
                without,
                Some("To say yes without being asked, add --yes"),
            ));
        }
    }
    Ok(Grant {
        capabilities: inspection.manifest.capabilities.clone(),
        only_commands,
    })
}

fn ask() -> Result<bool, JobError> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let _ = write!(std::io::stderr(), "Grant this? [y/N] ");
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(JobError::io("read the answer"))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn describe(inspection: &Inspection, view: &View) {
    let manifest = &inspection.manifest;
    view.line(&format!(
        "{} {} — {}",
        manifest.name, manifest.version, manifest.description
    ));
    let kinds = inspection
        .kinds
        .iter()
        .map(|kind| kind.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    view.line(&format!(
        "  kind: {kinds}; licence: {}; sha256 {}",
        manifest.licence, inspection.sha256
    ));
    if !manifest.settings.is_empty() {
        view.line("  settings:");
    }
    for setting in &manifest.settings {
        let need = if setting.required {
            "required".to_owned()
        } else if setting.default.is_null() {
            "optional".to_owned()
        } else {
            format!("default {}", setting.default)
        };
        view.line(&format!(
            "    {:18} {} ({need})",
            setting.name, setting.help
        ));
    }
    if manifest.capabilities.is_empty() {
        view.line("  asks for nothing");
    } else {
        view.line("  asks to:");
    }
    for ask in &manifest.capabilities {
        view.line(&format!("    {}: {}", ask.describe(), ask.reason()));
    }
}
