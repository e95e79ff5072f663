//! Puts advice into words and into commands to type: the one place that knows how holdfast is typed.

use holdfast_base::advice::Advice;
use holdfast_jobs::config::{allow_line, command_table, settings_line};

/// Returns what an operator can do next, in words.
pub(crate) fn spell(advice: &Advice) -> String {
    let spelled = spell_store(advice)
        .or_else(|| spell_snapshots(advice))
        .or_else(|| spell_keys(advice))
        .or_else(|| spell_sandbox(advice))
        .or_else(|| spell_jobs(advice));
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

/// Spells what concerns snapshots and what they consist of.
fn spell_snapshots(advice: &Advice) -> Option<String> {
    let words = match advice {
        Advice::ListSnapshots => "See what there is: holdfast list",
        Advice::ListSnapshotsLater => {
            "See whether it exists, when the store works again: holdfast list"
        }
        Advice::ListHeldSnapshots => "See what is held: holdfast list",
        Advice::ListRestorableSnapshots => {
            "See what can be brought back: holdfast list --forgotten"
        }
        Advice::ListEntries => {
            "See what there is: holdfast ls SNAPSHOT; or find it at any depth: holdfast find NAME"
        }
        Advice::ListOpenSessions => "See which are open: holdfast gc --dry-run",
        Advice::ReleaseHold { snapshot } => {
            return Some(format!(
                "Nothing but its end overrides a hold: holdfast release {snapshot}"
            ));
        }
        Advice::ForgetOnHost { host } => {
            return Some(format!(
                "Forget it on {host}, or as an operator: --identity FILE"
            ));
        }
        Advice::ReleaseDamagedHold => "it holds all the same; `holdfast release` ends it",
        Advice::CollectDamagedSession => "`holdfast gc` removes it",
        Advice::CollectWithoutTombstone => "`holdfast gc` goes on without it, and frees less",
        Advice::CheckData => "See how far the damage goes: holdfast check --data",
        Advice::AwaitThaw => {
            "Run the same again later, and it goes on; or let it wait for them: --thaw --wait"
        }
        Advice::RequestThaw => {
            "Ask the service to thaw exactly these, which it charges for: --thaw; docs/s3.md says more"
        }
        _ => return None,
    };
    Some(words.to_owned())
}

/// Spells what concerns who can open a repository.
fn spell_keys(advice: &Advice) -> Option<String> {
    let words = match advice {
        Advice::CreateRepository => "Create one: holdfast init STORE",
        Advice::RecoverWriteKey => {
            "Make its write key again, if that is what is missing: holdfast key recover STORE \
             --identity FILE"
        }
        Advice::BeginEpochAfterRollback => {
            "Was the store brought back from an older copy? Then begin a new epoch: holdfast rotate \
             --identity FILE"
        }
        Advice::BeginEpochForEverybody => {
            "Begin a new epoch, and name everybody: holdfast rotate --recipient age1… --identity FILE"
        }
        Advice::OpenWithoutOperator => {
            "A write or read key still opens what it could: leave `--identity` out, or give `--key \
             FILE`"
        }
        Advice::ReviewOperators => "Look, and try again: holdfast key recipients",
        Advice::ListOperators => "See who can open it: holdfast key recipients",
        Advice::GiveReadingKey => {
            "Give a key that can read: `--identity FILE` with an operator's identity, or a read key"
        }
        Advice::GiveExportedReadKey => {
            "Somebody who may create objects wrote below `epochs/` in the store. A read key that \
             was exported before still opens everything: give it with `--key FILE`"
        }
        Advice::ExportHostKey => {
            "Get a key for this host: holdfast key export write FILE --host NAME --identity FILE"
        }
        Advice::GiveKeyOfRole { role } => {
            return Some(format!(
                "Give a key of role `{role}` with `--key FILE`, or an operator's identity with \
             `--identity FILE`"
            ));
        }
        _ => return None,
    };
    Some(words.to_owned())
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

/// Spells a step that `jobs` advises.
fn spell_jobs(advice: &Advice) -> Option<String> {
    spell_run(advice)
        .or_else(|| spell_plugins(advice))
        .or_else(|| spell_access(advice))
}

/// Spells a step about plugins and the secret on a recovery sheet.
fn spell_plugins(advice: &Advice) -> Option<String> {
    let words = match advice {
        Advice::InstallPlugin { plugin } => {
            return Some(format!("Install it: holdfast plugin install {plugin}.wasm"));
        }
        Advice::ApproveRequests { plugin } => {
            return Some(format!(
                "Look at what it asks for, and say yes: holdfast plugin grant {plugin}"
            ));
        }
        Advice::RebuildPluginList => {
            "Remove it and install the plugins again: holdfast plugin install FILE"
        }
        Advice::GiveOneIdentity => {
            "Give a file with one identity, or leave --identity out and write the secret by hand"
        }
        Advice::WriteSecretByHand => "Leave --identity out, and write the secret by hand",
        _ => return None,
    };
    Some(words.to_owned())
}

/// Spells a step about who can open a repository.
fn spell_access(advice: &Advice) -> Option<String> {
    let words = match advice {
        Advice::RecoverKeyFile { path } => {
            return Some(format!(
                "Bring `{path}` back from where it was exported to, or make it again from an operator's \
                     identity: holdfast key recover STORE --identity FILE"
            ));
        }
        Advice::UseOperatorCredentials => {
            "It opens with what `init` sealed it to: an operator's identity (--identity FILE), or a passphrase \
                 (--passphrase)"
        }
        Advice::NameFirstOperator => {
            "Name a recipient with --recipient age1…, let an identity be made with --new-identity FILE, or use \
                 --passphrase"
        }
        Advice::NameNewOperator => {
            "Name a recipient (age1…), or let a passphrase open it with --new-passphrase"
        }
        Advice::ReviewRecipients => "Look at --recipient, and at `recipients` in the store's table",
        Advice::OmitHost => "Leave `--host` out, or export a write key",
        Advice::NameHost => "Name the host: --host NAME",
        Advice::ReadOrShareKeys => {
            "Give an operator's identity with --identity FILE, or let a new store have the same keys: holdfast \
                 init STORE --same-keys-as OTHER. Where only one of the two was rotated: holdfast rotate STORE \
                 --same-keys-as OTHER"
        }
        Advice::MoveToLockingBucket => {
            "Leave `lock` out; or make a bucket with object lock, a repository in it (holdfast init STORE), and \
                 bring everything there (holdfast copy)"
        }
        _ => return None,
    };
    Some(words.to_owned())
}

/// Spells a step about the configuration, runs and snapshots.
fn spell_run(advice: &Advice) -> Option<String> {
    let words = match advice {
        Advice::WriteConfiguration { example } => {
            return Some(format!(
                "Write one, at the least:\n  {example}\nor name another with --config FILE"
            ));
        }
        Advice::NameReadableSnapshot { job } => {
            return Some(format!(
                "See which ones can be read, and name one by its id, such as {job}@ID: holdfast list"
            ));
        }
        Advice::NameSourcePlugin => {
            "Name the plugin that makes the backup: source = \"files\". What is installed: holdfast plugin list"
        }
        Advice::AwaitRun => "Wait for it to end, or see what it does: holdfast history",
        Advice::SkipSafetyBackup => {
            "If it is not worth saving, or on a new machine: --no-safety-backup"
        }
        Advice::MakeSnapshot => "There are none yet; make one: holdfast run JOB",
        Advice::ListForgotten => {
            "What collection has removed does not come back. What can: holdfast list --forgotten"
        }
        Advice::NameVerifier => {
            "Add to the job: verify = [\"archive-check\"], or name one with --with PLUGIN"
        }
        Advice::NameTargetDirectory => {
            "Name a directory, which need not be there yet: --target DIR"
        }
        Advice::SetLockTime => {
            "Say it: --for 30d, or --until 2030-12-31; or in the store's table: lock = \"30d\""
        }
        Advice::GiveReason => "Say why: --reason TEXT",
        _ => return None,
    };
    Some(words.to_owned())
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
