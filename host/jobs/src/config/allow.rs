//! What a job takes away of what its plugins were granted, and how it runs commands: its tables
//! `allow` and `command`.
//!
//! Everything wrong in them is found before anything runs: a line that allows what was never
//! granted would promise what is not so.

use super::{Config, ConfigError};
use holdfast_base::advice::{Advice, Allowed, PluginAdvice, PluginInJob, SettingValue};
use holdfast_base::nearest::closest;
use holdfast_sandbox::grant::{
    Asker, Correction, Effective, Narrowing, NarrowingError, PluginRole, Terms, TermsTable,
};
use holdfast_sandbox::pattern::Pattern;
use holdfast_sandbox::{LandlockRules, ResourceLimits, find_user};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// The only things that a plugin may reach. What has no line here stays as it was granted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AllowConfig {
    /// Patterns of command lines.
    pub commands: Option<Vec<Spanned<String>>>,
    /// Directories that trees must be, or lie below.
    pub paths: Option<Vec<Spanned<PathBuf>>>,
    /// Secrets, by the name of the setting.
    pub secrets: Option<Vec<Spanned<String>>>,
}

/// How one program is run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CommandConfig {
    /// A name of `/etc/passwd`, or `UID:GID`.
    pub user: Option<Spanned<String>>,
    /// The directory it starts in.
    pub directory: Option<Spanned<PathBuf>>,
    /// Variables of its environment.
    #[serde(default)]
    pub environment: BTreeMap<Spanned<String>, Spanned<String>>,
    /// How long it may run.
    pub timeout_seconds: Option<Spanned<u64>>,
    /// How long it may compute.
    pub cpu_seconds: Option<Spanned<u64>>,
    /// Its address space.
    pub memory_mib: Option<Spanned<u64>>,
    /// The largest file that it may write.
    pub file_mib: Option<Spanned<u64>>,
    /// Files that it may have open.
    pub open_files: Option<Spanned<u64>>,
    /// Processes that its user may have.
    pub processes: Option<Spanned<u64>>,
    /// What it may read, beside what any program needs to start.
    pub read: Option<Vec<Spanned<PathBuf>>>,
    /// What it may also change.
    pub write: Option<Vec<Spanned<PathBuf>>>,
}

/// Programs and how each is run.
pub type CommandConfigs = BTreeMap<Spanned<String>, CommandConfig>;

/// The tables of one plugin in one job.
pub struct Tables<'a> {
    /// Who it is, and in which job.
    pub by: Asker<'a>,
    /// What it does there.
    pub role: PluginRole,
    /// What it may reach.
    pub allow: Option<&'a AllowConfig>,
    /// How its commands are run.
    pub commands: Option<&'a CommandConfigs>,
}

impl Config {
    /// Checks what can be checked without plugins.
    pub(super) fn check_tables(&self) -> Result<(), ConfigError> {
        for job in self.body.job.values() {
            for allow in job.allow.iter().chain(job.verify_allow.values()) {
                self.narrowing(allow)?;
            }
            for commands in [&job.command]
                .into_iter()
                .chain(job.verify_command.values())
            {
                for command in commands.values() {
                    self.check_command(command)?;
                }
            }
            // A table that belongs to no plugin would take nothing away.
            let named = job.verify.iter().map(Spanned::get_ref);
            let others = job.verify_with.keys().map(Spanned::get_ref);
            let known: Vec<&String> = named.chain(others).collect();
            for name in job.verify_allow.keys().chain(job.verify_command.keys()) {
                if !known.contains(&name.get_ref()) {
                    let message = format!("the job names no verifier `{}`", name.get_ref());
                    let near = closest(name.get_ref(), known.iter().map(|name| name.as_str()));
                    let hint = near.map(|near| format!("Did you mean `{near}`?"));
                    return Err(self.wrong(name.span(), message, hint));
                }
            }
        }
        Ok(())
    }

    /// Narrows what is effective to what a job's tables allow.
    ///
    /// # Errors
    /// A line allows what was not granted, or cannot be kept on this machine.
    pub fn narrowed(
        &self,
        tables: &Tables<'_>,
        effective: Effective,
    ) -> Result<Effective, ConfigError> {
        let mut effective = effective;
        effective.role = tables.role;
        if let Some(allow) = tables.allow {
            self.fits(&tables.by, allow, &effective)?;
            effective = effective.narrowed(&self.narrowing(allow)?);
        }
        for (program, command) in tables.commands.into_iter().flatten() {
            let by_name = program.get_ref().as_str();
            let checked = effective.check_program(&tables.by, by_name);
            checked.map_err(|error| self.not_granted(program.span(), error))?;
            let Terms(terms) = &mut effective.terms;
            terms.insert(by_name.to_owned(), self.terms(command)?);
        }
        Ok(effective)
    }

    fn narrowing(&self, allow: &AllowConfig) -> Result<Narrowing, ConfigError> {
        let commands = allow.commands.as_deref().map(|lines| {
            let parsed = lines.iter().map(|line| self.pattern(line));
            parsed.collect::<Result<Vec<_>, _>>()
        });
        let secrets = allow.secrets.as_ref();
        Ok(Narrowing {
            commands: commands.transpose()?,
            paths: self.paths(allow.paths.as_deref())?,
            secrets: secrets.map(|names| names.iter().map(|n| n.get_ref().clone()).collect()),
        })
    }

    fn pattern(&self, line: &Spanned<String>) -> Result<Pattern, ConfigError> {
        Pattern::parse(line.get_ref()).map_err(|error| {
            let hint = "A pattern is a program and its arguments: `pg_dump --format=custom *`";
            self.wrong(line.span(), error.to_string(), Some(hint.to_owned()))
        })
    }

    fn paths(
        &self,
        paths: Option<&[Spanned<PathBuf>]>,
    ) -> Result<Option<Vec<PathBuf>>, ConfigError> {
        let checked = |path: &Spanned<PathBuf>| {
            self.check_path(path)?;
            Ok(path.get_ref().clone())
        };
        paths
            .map(|paths| paths.iter().map(checked).collect())
            .transpose()
    }

    fn check_path(&self, path: &Spanned<PathBuf>) -> Result<(), ConfigError> {
        let shown = path.get_ref().display();
        let is_way_up = |part| part == Component::ParentDir;
        let message = if !path.get_ref().is_absolute() {
            format!("`{shown}` is not absolute: it would depend on where holdfast is started")
        } else if path.get_ref().components().any(is_way_up) {
            format!("`{shown}` has `..` in it: write where it leads")
        } else {
            return Ok(());
        };
        Err(self.wrong(path.span(), message, None))
    }

    fn fits(
        &self,
        by: &Asker<'_>,
        allow: &AllowConfig,
        effective: &Effective,
    ) -> Result<(), ConfigError> {
        for line in allow.commands.iter().flatten() {
            let pattern = self.pattern(line)?;
            let fits = effective.check_pattern(by, &pattern);
            fits.map_err(|error| self.not_granted(line.span(), error))?;
        }
        for path in allow.paths.iter().flatten() {
            let fits = effective.check_path(by, path.get_ref());
            fits.map_err(|error| self.not_granted(path.span(), error))?;
        }
        for name in allow.secrets.iter().flatten() {
            let fits = effective.check_secret_name(by, name.get_ref());
            fits.map_err(|error| self.not_granted(name.span(), error))?;
        }
        Ok(())
    }

    fn not_granted(&self, span: Range<usize>, error: Box<NarrowingError>) -> ConfigError {
        ConfigError::NotGranted {
            place: self.place(span),
            error,
        }
    }

    fn check_command(&self, command: &CommandConfig) -> Result<(), ConfigError> {
        let numbers = [
            &command.timeout_seconds,
            &command.cpu_seconds,
            &command.memory_mib,
            &command.file_mib,
            &command.open_files,
            &command.processes,
        ];
        for number in numbers.into_iter().flatten() {
            if !(1..=1 << 40).contains(number.get_ref()) {
                let message = format!("{} is no limit", number.get_ref());
                let hint = Some("To set no limit, remove the line".to_owned());
                return Err(self.wrong(number.span(), message, hint));
            }
        }
        let paths = command.read.iter().chain(&command.write).flatten();
        for path in paths.chain(&command.directory) {
            self.check_path(path)?;
        }
        for (name, value) in &command.environment {
            let text = name.get_ref();
            if text.is_empty() || text.contains(['=', '\0']) || value.get_ref().contains('\0') {
                let message = format!("{text:?} cannot be set in an environment");
                return Err(self.wrong(name.span(), message, None));
            }
        }
        Ok(())
    }

    fn terms(&self, command: &CommandConfig) -> Result<TermsTable, ConfigError> {
        let number = |number: &Option<Spanned<u64>>| number.as_ref().map(|n| *n.get_ref());
        let bytes = |mib: &Option<Spanned<u64>>| number(mib).map(|mib| mib << 20);
        let is_held = command.read.is_some() || command.write.is_some();
        let landlock = is_held.then(|| {
            Ok(LandlockRules {
                read: self.paths(command.read.as_deref())?.unwrap_or_default(),
                write: self.paths(command.write.as_deref())?.unwrap_or_default(),
            })
        });
        let user = command.user.as_ref().map(|user| self.user(user));
        let variable = |(name, value): (&Spanned<String>, &Spanned<String>)| {
            (name.get_ref().clone(), value.get_ref().clone())
        };
        Ok(TermsTable {
            user: user.transpose()?.flatten(),
            directory: command.directory.as_ref().map(|d| d.get_ref().clone()),
            environment: command.environment.iter().map(variable).collect(),
            timeout: number(&command.timeout_seconds).map(Duration::from_secs),
            limits: ResourceLimits {
                cpu_seconds: number(&command.cpu_seconds),
                memory_bytes: bytes(&command.memory_mib),
                file_bytes: bytes(&command.file_mib),
                open_files: number(&command.open_files),
                processes: number(&command.processes),
            },
            landlock: landlock.transpose()?,
        })
    }

    /// Returns the user and group that a command is to run as; none if that is ours.
    fn user(&self, user: &Spanned<String>) -> Result<Option<(u32, u32)>, ConfigError> {
        let found = find_user(Path::new("/etc/passwd"), user.get_ref());
        let wrong = |message, hint: &str| self.wrong(user.span(), message, Some(hint.to_owned()));
        let wanted = found
            .map_err(|error| wrong(format!("cannot look users up: {error}"), "Write UID:GID"))?
            .ok_or_else(|| {
                let message = format!("there is no user `{}` in /etc/passwd", user.get_ref());
                wrong(message, "Write its numbers: UID:GID")
            })?;
        let uid = rustix::process::geteuid().as_raw();
        if wanted == (uid, rustix::process::getegid().as_raw()) {
            return Ok(None);
        }
        if uid != 0 {
            let message = format!(
                "only root can run commands as `{}`, and this is user {uid}",
                user.get_ref()
            );
            return Err(wrong(message, "Run holdfast as root, or remove the line"));
        }
        Ok(Some(wanted))
    }
}

/// Returns what would make a line true that allows what was not granted.
pub(super) fn advise_correction(error: &NarrowingError) -> Advice {
    match error {
        NarrowingError::NotGranted {
            owner, correction, ..
        } => match correction.clone() {
            Correction::GrantPrograms(programs) => PluginAdvice::GrantPlugin {
                plugin: owner.plugin.clone(),
                programs,
            }
            .into(),
            Correction::Remove => PluginAdvice::RemoveLine {
                plugin: owner.plugin.clone(),
            }
            .into(),
            Correction::NameInSettings(settings) => Advice::Words(format!(
                "Remove it here, or name it in {}, setting `{}`",
                settings_table(owner),
                settings.join("` or `")
            )),
        },
        NarrowingError::ProgramNotGranted { granted, .. } if granted.is_empty() => {
            Advice::Words("It may run nothing in this job: remove the table".to_owned())
        }
        NarrowingError::ProgramNotGranted { granted, .. } => Advice::Words(format!(
            "It may run: {}; `\"*\"` stands for all of them",
            granted.join(", ")
        )),
    }
}

fn settings_table(owner: &PluginInJob) -> String {
    let (job, plugin) = (&owner.job, &owner.plugin);
    match owner.role {
        PluginRole::Source => format!("[job.{job}.with]"),
        PluginRole::Verifier => format!("[job.{job}.verify-with.{plugin}]"),
    }
}

/// Returns the table and the line that name something in a job's settings.
#[must_use]
pub fn settings_line(owner: &PluginInJob, setting: &str, value: &SettingValue) -> String {
    let value = match value {
        SettingValue::Text(text) => quote_text(text),
        SettingValue::List(texts) => quote_list(texts),
        SettingValue::SecretReference => "{ secret = \"file:/PATH\" }".to_owned(),
    };
    format!("{}: {setting} = {value}", settings_table(owner))
}

/// Returns the table and the line that allow a plugin something in a job.
#[must_use]
pub fn allow_line(owner: &PluginInJob, what: Allowed, values: &[String]) -> String {
    let (job, plugin) = (&owner.job, &owner.plugin);
    let table = match owner.role {
        PluginRole::Source => format!("[job.{job}.allow]"),
        PluginRole::Verifier => format!("[job.{job}.verify-allow.{plugin}]"),
    };
    let key = match what {
        Allowed::Commands => "commands",
        Allowed::Paths => "paths",
        Allowed::Secrets => "secrets",
    };
    format!("{table}: {key} = {}", quote_list(values))
}

/// Returns the table that says how a program is run.
#[must_use]
pub fn command_table(owner: &PluginInJob, program: &str) -> String {
    let (job, plugin) = (&owner.job, &owner.plugin);
    let program = quote_key(program);
    match owner.role {
        PluginRole::Source => format!("[job.{job}.command.{program}]"),
        PluginRole::Verifier => format!("[job.{job}.verify-command.{plugin}.{program}]"),
    }
}

/// Writes texts as TOML does.
fn quote_list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quote_text(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// Writes a key as TOML does.
fn quote_key(name: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(is_bare) {
        return name.to_owned();
    }
    quote_text(name)
}

/// Writes a text as TOML does.
fn quote_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "[store.s]\nurl = \"file:///b\"\n[job.a]\nsource = \"command\"\n";

    fn wrong(lines: &str) -> String {
        let text = format!("{JOB}{lines}\n");
        let parsed = Config::parse(Path::new("f"), text);
        parsed.map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_in_the_tables_is_found_before_anything_runs() {
        for (lines, expected) in [
            ("[job.a.allow]\npath = []", "f:6:1: unknown key `path`"),
            (
                "[job.a.allow]\npaths = [\"srv\"]",
                "f:6:10: `srv` is not absolute",
            ),
            (
                "[job.a.allow]\npaths = [\"/srv/../etc\"]",
                "f:6:10: `/srv/../etc` has `..` in it",
            ),
            (
                "[job.a.allow]\ncommands = [\"* x\"]",
                "f:6:13: a program is named in full",
            ),
            (
                "[job.a.command.sh]\ncpu-seconds = 0",
                "f:6:15: 0 is no limit",
            ),
            (
                "[job.a.command.sh]\nread = [\"x\"]",
                "f:6:9: `x` is not absolute",
            ),
            (
                "[job.a.command.sh]\nenvironment = { \"A=B\" = \"x\" }",
                "f:6:17: \"A=B\" cannot be set",
            ),
            (
                "[job.a.verify-allow.archive]\npaths = []",
                "f:5:21: the job names no verifier `archive`",
            ),
        ] {
            let message = wrong(lines);
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn a_user_is_known_by_name_or_numbers_and_only_root_becomes_another() {
        let config = Config::parse(Path::new("f"), JOB.to_owned()).unwrap();
        let user = |name: &str| config.user(&Spanned::new(0..0, name.to_owned()));
        let ours = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        assert_eq!(user(&format!("{}:{}", ours.0, ours.1)).unwrap(), None);
        let unknown = user("no-such-user").unwrap_err().to_string();
        assert!(unknown.contains("there is no user `no-such-user`"));
        let other = user("65533:65533");
        if ours.0 == 0 {
            assert_eq!(other.unwrap(), Some((65533, 65533)));
        } else {
            let refused = other.unwrap_err().to_string();
            assert!(refused.contains("only root can run commands as"));
        }
    }
}
