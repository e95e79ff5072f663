//! Puts advice into words and into commands to type: the one place that knows how holdfast is typed.

use holdfast_base::advice::{
    AccessAdvice, Advice, JobAdvice, KeyAdvice, PluginAdvice, SnapshotAdvice,
};
use holdfast_jobs::config::{allow_line, command_table, settings_line};

/// Returns what an operator can do next, in words.
pub(crate) fn spell(advice: &Advice) -> String {
    match advice {
        Advice::Words(words) => words.clone(),
        Advice::Snapshot(step) => spell_snapshots(step),
        Advice::Key(step) => spell_keys(step),
        Advice::Plugin(step) => spell_plugins(step),
        Advice::Access(step) => spell_access(step),
        Advice::Job(step) => spell_jobs(step),
    }
}

/// Spells a step about snapshots, and what they consist of.
fn spell_snapshots(step: &SnapshotAdvice) -> String {
    let words = match step {
        SnapshotAdvice::RestoreThawed => {
            "Have what a snapshot needs thawed, and run it again when it is: `holdfast restore SNAPSHOT --target DIR \
             --thaw` asks the service, and restores nothing before all of it can be read"
        }
        SnapshotAdvice::ListSnapshots => "See what there is: holdfast list",
        SnapshotAdvice::ListSnapshotsLater => {
            "See whether it exists, when the store works again: holdfast list"
        }
        SnapshotAdvice::ListHeldSnapshots => "See what is held: holdfast list",
        SnapshotAdvice::ListRestorableSnapshots => {
            "See what can be brought back: holdfast list --forgotten"
        }
        SnapshotAdvice::ListEntries => {
            "See what there is: holdfast ls SNAPSHOT; or find it at any depth: holdfast find NAME"
        }
        SnapshotAdvice::ListOpenSessions => "See which are open: holdfast gc --dry-run",
        SnapshotAdvice::ReleaseHold { snapshot } => {
            return format!("Nothing but its end overrides a hold: holdfast release {snapshot}");
        }
        SnapshotAdvice::ForgetOnHost { host } => {
            return format!("Forget it on {host}, or as an operator: --identity FILE");
        }
        SnapshotAdvice::ReleaseDamagedHold => "it holds all the same; `holdfast release` ends it",
        SnapshotAdvice::CollectDamagedSession => "`holdfast gc` removes it",
        SnapshotAdvice::CollectWithoutTombstone => {
            "`holdfast gc` goes on without it, and frees less"
        }
        SnapshotAdvice::CheckData => "See how far the damage goes: holdfast check --data",
        SnapshotAdvice::AwaitThaw => {
            "Run the same again later, and it goes on; or let it wait for them: --thaw --wait"
        }
        SnapshotAdvice::RequestThaw => {
            "Ask the service to thaw exactly these, which it charges for: --thaw; docs/s3.md says more"
        }
    };
    words.to_owned()
}

/// Spells a step about the keys of a repository, and its epochs.
fn spell_keys(step: &KeyAdvice) -> String {
    let words = match step {
        KeyAdvice::CreateRepository => "Create one: holdfast init STORE",
        KeyAdvice::RecoverWriteKey => {
            "Make its write key again, if that is what is missing: holdfast key recover STORE \
             --identity FILE"
        }
        KeyAdvice::BeginEpochAfterRollback => {
            "Was the store brought back from an older copy? Then begin a new epoch: holdfast rotate \
             --identity FILE"
        }
        KeyAdvice::BeginEpochForEverybody => {
            "Begin a new epoch, and name everybody: holdfast rotate --recipient age1… --identity FILE"
        }
        KeyAdvice::OpenWithoutOperator => {
            "A write or read key still opens what it could: leave `--identity` out, or give `--key \
             FILE`"
        }
        KeyAdvice::ReviewOperators => "Look, and try again: holdfast key recipients",
        KeyAdvice::ListOperators => "See who can open it: holdfast key recipients",
        KeyAdvice::GiveReadingKey => {
            "Give a key that can read: `--identity FILE` with an operator's identity, or a read key"
        }
        KeyAdvice::GiveExportedReadKey => {
            "Somebody who may create objects wrote below `epochs/` in the store. A read key that \
             was exported before still opens everything: give it with `--key FILE`"
        }
        KeyAdvice::ExportHostKey => {
            "Get a key for this host: holdfast key export write FILE --host NAME --identity FILE"
        }
        KeyAdvice::GiveKeyOfRole { role } => {
            return format!(
                "Give a key of role `{role}` with `--key FILE`, or an operator's identity with \
             `--identity FILE`"
            );
        }
    };
    words.to_owned()
}

/// Spells a step about plugins, and what they may do in a job.
fn spell_plugins(step: &PluginAdvice) -> String {
    match step {
        PluginAdvice::GrantPlugin { plugin, programs } => {
            let allowed = programs.iter().map(|p| format!(" --allow-command {p}"));
            let allowed = allowed.collect::<String>();
            format!("To grant it: holdfast plugin grant {plugin}{allowed}")
        }
        PluginAdvice::ShowRequests { plugin } => format!(
            "No grant can allow it: see what the manifest asks for with `holdfast plugin show {plugin}`"
        ),
        PluginAdvice::RemoveLine { plugin } => format!(
            "Remove it: the plugin does not ask for such things (holdfast plugin show {plugin})"
        ),
        PluginAdvice::NameInSettings {
            owner,
            setting,
            value,
        } => {
            let line = settings_line(owner, setting, value);
            format!("To allow it, write into {line}")
        }
        PluginAdvice::AllowInJob {
            owner,
            what,
            values,
        } => {
            let line = allow_line(owner, *what, values);
            format!("To allow it, write into {line}")
        }
        PluginAdvice::RaiseCommandTimeout { owner, program } => {
            let table = command_table(owner, program);
            format!("To give it more time, raise timeout-seconds in {table}")
        }
        PluginAdvice::ReinstallPlugin { plugin } => format!(
            "If you trust the new file, install it again: holdfast plugin install {plugin}.wasm"
        ),
        PluginAdvice::BuildComponent => "Build it with: cargo holdfast build".to_owned(),
        PluginAdvice::PackManifest => "Add a manifest with: cargo holdfast pack".to_owned(),
        PluginAdvice::RebuildComponent => {
            "Build it again with the SDK of this version of holdfast".to_owned()
        }
        PluginAdvice::InstallPlugin { plugin } => {
            format!("Install it: holdfast plugin install {plugin}.wasm")
        }
        PluginAdvice::ApproveRequests { plugin } => {
            format!("Look at what it asks for, and say yes: holdfast plugin grant {plugin}")
        }
        PluginAdvice::RebuildPluginList => {
            "Remove it and install the plugins again: holdfast plugin install FILE".to_owned()
        }
    }
}

/// Spells a step about who can open a repository, and what makes one.
fn spell_access(step: &AccessAdvice) -> String {
    let words = match step {
        AccessAdvice::GiveOneIdentity => {
            "Give a file with one identity, or leave --identity out and write the secret by hand"
        }
        AccessAdvice::WriteSecretByHand => "Leave --identity out, and write the secret by hand",
        AccessAdvice::RecoverKeyFile { path } => {
            return format!(
                "Bring `{path}` back from where it was exported to, or make it again from an operator's \
                     identity: holdfast key recover STORE --identity FILE"
            );
        }
        AccessAdvice::UseOperatorCredentials => {
            "It opens with what `init` sealed it to: an operator's identity (--identity FILE), or a passphrase \
                 (--passphrase)"
        }
        AccessAdvice::NameFirstOperator => {
            "Name a recipient with --recipient age1…, let an identity be made with --new-identity FILE, or use \
                 --passphrase"
        }
        AccessAdvice::NameNewOperator => {
            "Name a recipient (age1…), or let a passphrase open it with --new-passphrase"
        }
        AccessAdvice::ReviewRecipients => {
            "Look at --recipient, and at `recipients` in the store's table"
        }
        AccessAdvice::OmitHost => "Leave `--host` out, or export a write key",
        AccessAdvice::NameHost => "Name the host: --host NAME",
        AccessAdvice::ReadOrShareKeys => {
            "Give an operator's identity with --identity FILE, or let a new store have the same keys: holdfast \
                 init STORE --same-keys-as OTHER. Where only one of the two was rotated: holdfast rotate STORE \
                 --same-keys-as OTHER"
        }
        AccessAdvice::MoveToLockingBucket => {
            "Leave `lock` out; or make a bucket with object lock, a repository in it (holdfast init STORE), and \
                 bring everything there (holdfast copy)"
        }
    };
    words.to_owned()
}

/// Spells a step about the configuration and the runs of jobs.
fn spell_jobs(step: &JobAdvice) -> String {
    let words = match step {
        JobAdvice::WriteConfiguration { example } => {
            return format!(
                "Write one, at the least:\n  {example}\nor name another with --config FILE"
            );
        }
        JobAdvice::NameReadableSnapshot { job } => {
            return format!(
                "See which ones can be read, and name one by its id, such as {job}@ID: holdfast list"
            );
        }
        JobAdvice::NameSourcePlugin => {
            "Name the plugin that makes the backup: source = \"files\". What is installed: holdfast plugin list"
        }
        JobAdvice::AwaitRun => "Wait for it to end, or see what it does: holdfast history",
        JobAdvice::SkipSafetyBackup => {
            "If it is not worth saving, or on a new machine: --no-safety-backup"
        }
        JobAdvice::MakeSnapshot => "There are none yet; make one: holdfast run JOB",
        JobAdvice::ListForgotten => {
            "What collection has removed does not come back. What can: holdfast list --forgotten"
        }
        JobAdvice::NameVerifier => {
            "Add to the job: verify = [\"archive-check\"], or name one with --with PLUGIN"
        }
        JobAdvice::NameTargetDirectory => {
            "Name a directory, which need not be there yet: --target DIR"
        }
        JobAdvice::SetLockTime => {
            "Say it: --for 30d, or --until 2030-12-31; or in the store's table: lock = \"30d\""
        }
        JobAdvice::GiveReason => "Say why: --reason TEXT",
    };
    words.to_owned()
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
                PluginAdvice::GrantPlugin {
                    plugin: "p".into(),
                    programs: vec![],
                }
                .into(),
                "To grant it: holdfast plugin grant p",
            ),
            (
                PluginAdvice::GrantPlugin {
                    plugin: "p".into(),
                    programs: texts(&["sqlite3", "tar"]),
                }
                .into(),
                "To grant it: holdfast plugin grant p --allow-command sqlite3 --allow-command tar",
            ),
            (
                PluginAdvice::AllowInJob {
                    owner: source(),
                    what: Allowed::Commands,
                    values: texts(&["pg_dump --format=* *", "pg_dump -Fc"]),
                }
                .into(),
                r#"To allow it, write into [job.j.allow]: commands = ["pg_dump --format=* *", "pg_dump -Fc"]"#,
            ),
            (
                PluginAdvice::AllowInJob {
                    owner: verifier(),
                    what: Allowed::Paths,
                    values: texts(&["/etc"]),
                }
                .into(),
                r#"To allow it, write into [job.j.verify-allow.p]: paths = ["/etc"]"#,
            ),
            (
                PluginAdvice::NameInSettings {
                    owner: source(),
                    setting: "password".into(),
                    value: SettingValue::SecretReference,
                }
                .into(),
                r#"To allow it, write into [job.j.with]: password = { secret = "file:/PATH" }"#,
            ),
            (
                PluginAdvice::RaiseCommandTimeout {
                    owner: verifier(),
                    program: "*".into(),
                }
                .into(),
                r#"To give it more time, raise timeout-seconds in [job.j.verify-command.p."*"]"#,
            ),
        ] {
            assert_eq!(spell(&advice), expected);
        }
    }
}
