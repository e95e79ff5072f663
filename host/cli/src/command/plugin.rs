//! `plugin`.

use crate::args::{Global, Plugin};
use crate::environment::find_places;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_jobs::model::{Grant, Inspection};
use holdfast_jobs::plugins::{Installed, Plugins};
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

pub(super) fn run_plugin(
    global: &Global,
    command: Plugin,
    view: &View,
) -> Result<Outcome, Failure> {
    let plugins = Plugins::open(&find_places(global), crate::advice::spell)?;
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
        Plugin::List => list(&plugins, view),
        Plugin::Show { plugin } => {
            let inspection = if Path::new(&plugin).is_file() {
                plugins.inspect_file(Path::new(&plugin))?.0
            } else {
                plugins.inspect_installed(&plugin)?
            };
            let json = serde_json::to_value(&inspection.manifest).unwrap_or_default();
            view.answer(&json, |view| describe_plugin(&inspection, view));
            Ok(Outcome::Done)
        }
        Plugin::Remove { name } => {
            plugins.remove_plugin(&name)?;
            view.answer(&serde_json::json!({"removed": name}), |view| {
                view.say(&format!("Removed {name}"));
            });
            Ok(Outcome::Done)
        }
    }
}

fn list(plugins: &Plugins, view: &View) -> Result<Outcome, Failure> {
    let installed = plugins.list_installed()?;
    if installed.is_empty() {
        view.note("no plugin is installed: holdfast plugin install FILE installs one");
    }
    for plugin in installed {
        let kinds: Vec<&str> = plugin.kinds.iter().map(|kind| kind.as_str()).collect();
        view.answer(&plugin_json(&plugin), |view| {
            view.line(&format!(
                "{:16}  {:8}  {:10}  {}",
                plugin.name,
                plugin.version,
                kinds.join(", "),
                &plugin.sha256[..16]
            ));
        });
    }
    Ok(Outcome::Done)
}

/// Returns an installed plugin as scripts read it.
fn plugin_json(plugin: &Installed) -> serde_json::Value {
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
) -> Result<Outcome, Failure> {
    let (inspection, bytes) = plugins.inspect_file(file)?;
    let grant = ask_for_grant(
        &inspection,
        yes,
        "nothing was installed",
        only_commands,
        view,
    )?;
    let installed = plugins.install_plugin(&inspection, &bytes, grant)?;
    view.answer(&plugin_json(&installed), |view| {
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
) -> Result<Outcome, Failure> {
    let inspection = plugins.inspect_installed(name)?;
    let grant = ask_for_grant(&inspection, yes, "nothing was granted", only_commands, view)?;
    let installed = plugins.replace_grant(name, grant)?;
    view.answer(&plugin_json(&installed), |view| {
        view.say(&format!("Granted {name} what it asks for"));
    });
    Ok(Outcome::Done)
}

/// Asks for a yes to everything that a plugin asks for, unless it was given.
fn ask_for_grant(
    inspection: &Inspection,
    yes: bool,
    without: &str,
    only_commands: Vec<String>,
    view: &View,
) -> Result<Grant, Failure> {
    if !yes {
        if !view.is_json() {
            describe_plugin(inspection, view);
        }
        if !inspection.manifest.capabilities.is_empty() && !ask_operator()? {
            return Err(Failure::usage(
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

fn ask_operator() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let _ = write!(std::io::stderr(), "Grant this? [y/N] ");
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(Failure::system("read the answer"))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn describe_plugin(inspection: &Inspection, view: &View) {
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
    describe_settings(inspection, view);
    if manifest.capabilities.is_empty() {
        view.line("  asks for nothing");
    } else {
        view.line("  asks to:");
    }
    for ask in &manifest.capabilities {
        view.line(&format!("    {}: {}", ask.describe(), ask.reason()));
    }
}

fn describe_settings(inspection: &Inspection, view: &View) {
    let manifest = &inspection.manifest;
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
}
