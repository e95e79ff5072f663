//! Puts advice into words and into commands to type: the one place that knows how holdfast is typed.

use holdfast_base::advice::Advice;
use holdfast_jobs::config::{allow_line, command_table, settings_line};

/// Returns what an operator can do next, in words.
pub(crate) fn spell(advice: &Advice) -> String {
    let spelled = spell_store(advice).or_else(|| spell_sandbox(advice));
    spelled.unwrap_or_else(|| advice.to_string())
}

/// Spells what concerns places that objects lie in.
fn spell_store(advice: &Advice) -> Option<String> {
    Some(match advice {
        Advice::RestoreThawed => {
            "Have what a snapshot needs thawed, and run it again when it is: `holdfast restore SNAPSHOT --target DIR \
             --thaw` asks the service, and restores nothing before all of it can be read"
                .to_owned()
        }
        _ => return None,
    })
}

/// Spells what concerns plugins, and what they may do in a job.
fn spell_sandbox(advice: &Advice) -> Option<String> {
    Some(match advice {
        Advice::GrantPlugin { plugin, programs } => {
            let allowed = programs.iter().map(|p| format!(" --allow-command {p}"));
            let allowed = allowed.collect::<String>();
            format!("To grant it: holdfast plugin grant {plugin}{allowed}")
        }
        Advice::ShowRequests { plugin } => format!(
            "No grant can allow it: see what the manifest asks for with `holdfast plugin show {plugin}`"
        ),
        Advice::RemoveLine { plugin } => format!(
            "Remove it: the plugin does not ask for such things (holdfast plugin show {plugin})"
        ),
        Advice::NameInSettings {
            owner,
            setting,
            value,
        } => {
            let line = settings_line(owner, setting, value);
            format!("To allow it, write into {line}")
        }
        Advice::AllowInJob {
            owner,
            what,
            values,
        } => {
            let line = allow_line(owner, *what, values);
            format!("To allow it, write into {line}")
        }
        Advice::RaiseCommandTimeout { owner, program } => {
            let table = command_table(owner, program);
            format!("To give it more time, raise timeout-seconds in {table}")
        }
        Advice::ReinstallPlugin { plugin } => format!(
            "If you trust the new file, install it again: holdfast plugin install {plugin}.wasm"
        ),
        Advice::BuildComponent => "Build it with: cargo holdfast build".to_owned(),
        Advice::PackManifest => "Add a manifest with: cargo holdfast pack".to_owned(),
        Advice::RebuildComponent => {
            "Build it again with the SDK of this version of holdfast".to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_base::advice::{Allowed, PluginInJob, PluginRole, SettingValue};

    fn owner(role: PluginRole) -> PluginInJob {
        PluginInJob {
            plugin: "p".into(),
            job: "j".into(),
            role,
        }
    }

    #[test]
    fn a_denial_shows_the_line_or_the_command_that_would_allow_it() {
        let source = || owner(PluginRole::Source);
        let verifier = || owner(PluginRole::Verifier);
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        for (advice, expected) in [
            (
                Advice::GrantPlugin {
                    plugin: "p".into(),
                    programs: vec![],
                },
                "To grant it: holdfast plugin grant p",
            ),
            (
                Advice::GrantPlugin {
                    plugin: "p".into(),
                    programs: texts(&["sqlite3", "tar"]),
                },
                "To grant it: holdfast plugin grant p --allow-command sqlite3 --allow-command tar",
            ),
            (
                Advice::AllowInJob {
                    owner: source(),
                    what: Allowed::Commands,
                    values: texts(&["pg_dump --format=* *", "pg_dump -Fc"]),
                },
                r#"To allow it, write into [job.j.allow]: commands = ["pg_dump --format=* *", "pg_dump -Fc"]"#,
            ),
            (
                Advice::AllowInJob {
                    owner: verifier(),
                    what: Allowed::Paths,
                    values: texts(&["/etc"]),
                },
                r#"To allow it, write into [job.j.verify-allow.p]: paths = ["/etc"]"#,
            ),
            (
                Advice::NameInSettings {
                    owner: source(),
                    setting: "password".into(),
                    value: SettingValue::SecretReference,
                },
                r#"To allow it, write into [job.j.with]: password = { secret = "file:/PATH" }"#,
            ),
            (
                Advice::RaiseCommandTimeout {
                    owner: verifier(),
                    program: "*".into(),
                },
                r#"To give it more time, raise timeout-seconds in [job.j.verify-command.p."*"]"#,
            ),
        ] {
            assert_eq!(spell(&advice), expected);
        }
    }
}
